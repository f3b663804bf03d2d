"""Plans: a stage with its sizes as numbers, ready for the dispatcher.

A plan is one arena and one table of rows (`codegen/dispatch.py`). Conditionals and loops are
part of the table: their bodies' kernels stand between jumps, a loop's variables live in memory of
their own, and the arguments of a body are the memory of what it is called with.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphflow.codegen.dispatch import (
    BACK,
    BIND,
    COPY,
    JUMP,
    KEEP,
    OBJECT_HEADER,
    STATE,
    STOP,
    UNLESS,
)
from graphflow.codegen.memory import Lifetime, place
from graphflow.codegen.sizes import Numbers, concrete, symbols_of
from graphflow.codegen.steps import Body, HostStep, Launch, RegionStep, Schedule
from graphflow.program import Program, Value
from graphflow.runtime.loops import LoopInTurns
from graphflow.runtime.plan import IllegalSizes, Plan, VariableUpdate, bytes_of
from graphflow.runtime.reuse import Reuse
from graphflow.runtime.stages import Stage, learn_numbers
from graphflow.runtime.tables import History, Label, Memory, Tables, room_of, with_room
from graphflow.runtime.team import team_of
from graphflow.runtime.teamwork import Teamwork, divide
from graphflow.runtime.turns import LaidOutLoop, can_be_laid_out, foretold, is_done

LAUNCH_COST = 1 << 10


def make_plan(
    stage: Stage, schedule: Schedule, numbers: Numbers, claims: Mapping[Value, Value],
    updates: Iterable[VariableUpdate] = (), members: int = 1,
) -> Plan:
    """The plan of a stage for these sizes.

    claims: result → the value whose shape its memory gets (an output may be a reshape of it).
    updates: of variables that may be changed in place, as far as the run around the stage goes.
    members: of the team that may share the work.
    Raises IllegalSizes.
    """
    return Planner(stage, schedule, numbers, claims, updates, members).plan()


@dataclass(slots=True)
class Frame:
    """One use of a schedule: the stage's own, or that of a body.

    Attributes:
      numbers: the unknowns' values.
      memory: of values (roots).
      known: what is known of integers; see `turns.foretold`.
      laid_out: whether it is one turn of a loop whose turns stand one after the other.
    """

    schedule: Schedule
    numbers: Numbers
    memory: dict[Value, Memory] = field(default_factory=dict)
    known: dict[Value, Any] = field(default_factory=dict)
    laid_out: bool = False

    def shape(self, value: Value) -> tuple[int, ...]:
        """The sizes of the memory of a value."""
        return concrete(self.schedule.sizes(value), self.numbers)


class Planner:
    """Writes the rows of one stage, then places memory and makes the tables.

    Attributes:
      lays_out: whether short loops are written turn by turn.
    """

    lays_out = True

    def __init__(
        self, stage: Stage, schedule: Schedule, numbers: Numbers, claims: Mapping[Value, Value],
        updates: Iterable[VariableUpdate] = (), members: int = 1,
    ) -> None:
        self.stage, self.claims, self.members = stage, claims, members
        self.launches: dict[int, Launch] = {}
        self.team: Teamwork | None = None
        self.tables: Tables | None = None
        self.updates = [u for u in updates
                        if u[1] in stage.results and u[2] in stage.externals]
        self.rows: list[tuple] = []
        self.arena_memory: list[Memory] = []
        self.loops: list[tuple[int, list[Memory]]] = []
        self.costs = [0]
        self.keep: list[Any] = []
        self.histories: list[History] = []
        self.counted: list[History] = []
        self.status = np.zeros(1, np.int64)
        self.status_memory = Memory(8, address=self.status.ctypes.data)
        self.top = Frame(schedule, numbers)
        self.bound: list[Value] = []
        self.reuse = Reuse(self.rows, self.status_memory)

    # ---- memory -----------------------------------------------------------------------------

    def memory(self, frame: Frame, value: Value) -> Memory:
        """The memory of a value in a frame; made on demand in the arena."""
        root = frame.schedule.root(value)
        found = frame.memory.get(root)
        if found is None:
            if root is frame.schedule.status:
                found = self.status_memory
            elif root.node.opdef.name == "Const":
                found = self.constant(root)
            elif frame.laid_out and foretold(frame, root) is not None:
                found = self.number(foretold(frame, root))
            else:
                found = self.arena(bytes_of(root, frame.shape(root)))
                found.room = max(found.size, room_of(frame.shape(root), root.dtype.size))
            frame.memory[root] = found
        return found

    def constant(self, value: Value) -> Memory:
        array = with_room(value.node.attrs["value"].array)
        self.keep.append(array)
        return Memory(array.nbytes, address=array.ctypes.data)

    def number(self, array: np.ndarray) -> Memory:
        """The memory of numbers that are known when the run is planned."""
        self.keep.append(array)
        return Memory(array.nbytes, address=array.ctypes.data)

    def arena(self, size: int) -> Memory:
        memory = Memory(size)
        self.arena_memory.append(memory)
        return memory

    def touch(self, *memories: Memory) -> None:
        """Notes that the next row touches these."""
        row = len(self.rows)
        for memory in memories:
            if memory.first < 0:
                memory.first = row
            memory.last = row
            if self.loops:
                self.loops[-1][1].append(memory)
            if memory.inside is not None:
                self.touch(memory.inside)

    def row(self, kind: int, *operands: Any) -> None:
        self.touch(*(o for o in operands if isinstance(o, Memory)))
        self.rows.append((kind, *operands))

    def mark(self, label: Label) -> None:
        """`label` stands for the next row."""
        label.row = len(self.rows)

    # ---- steps ------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """The finished plan."""
        return self.finished(self.write())

    def write(self) -> list[Value]:
        """Writes all rows; gives what the run gives away."""
        stage, top = self.stage, self.top
        fresh = [v for v in stage.written if v in stage.results]
        self.bound = [v for v in stage.externals if v.node.opdef.name != "Const"] + fresh
        for number, value in enumerate([*self.bound, *stage.made]):
            known = value.shape.rank is not None and symbols_of(top.schedule.sizes(value)) <= (
                top.numbers.keys())
            top.memory[value] = Memory(bytes_of(value, top.shape(value)) if known else 0,
                                       number=number)
        self.rows += [(BIND, top.memory[v]) for v in self.bound]
        for step in stage.steps:
            if not isinstance(step, (Launch, RegionStep)):
                self.touch(*(self.memory(top, v) for v, _ in top.schedule.touches(step)
                             if top.schedule.root(v) in stage.written))
                self.rows.append((STOP, step))
                for value in step.node.outputs if isinstance(step, HostStep) else ():
                    if value in top.memory:
                        self.rows.append((BIND, top.memory[value]))
            else:
                self.step(top, step)
        self.touch(*(self.memory(top, v) for v in stage.kept),
                   *(h.count for h in self.histories))
        self.rows.append((STOP, None))
        return fresh

    def step(self, frame: Frame, step: Any) -> None:
        if isinstance(step, Launch):
            self.launch(frame, step)
        elif step.node.opdef.name == "If":
            self.conditional(frame, step)
        else:
            self.loop(frame, step)

    def launch(self, frame: Frame, step: Launch) -> None:
        if frame.laid_out:
            if is_done(self, frame, step):
                return
            for value, parameter in zip(step.buffers, step.kernel.buffers):
                root = frame.schedule.root(value)
                if parameter.written and root not in frame.memory and (
                        foretold(frame, root) is not None):
                    frame.memory[root] = self.arena(bytes_of(root, frame.shape(root)))
        memories = [self.memory(frame, v) for v in step.buffers]
        self.touch(*memories)
        self.reuse.note(len(self.rows), step, memories)
        self.launches[len(self.rows)] = step
        strides = [Memory(0, address=0) for p in step.kernel.buffers if p.private]
        self.rows.append(
            (step.address, [*memories, *strides], concrete(step.sizes, frame.numbers)))
        self.costs[-1] += LAUNCH_COST + sum(m.size for m in memories)

    def body(self, body: Body, outer: Frame, arguments: Sequence[Value],
             memories: Sequence[Memory]) -> Frame:
        """The frame of a body that is called with `arguments`, which lie in `memories`."""
        numbers = dict(outer.numbers)
        for inner, argument in zip(body.program.inputs, arguments):
            if inner.shape.rank:
                learn_numbers(numbers, inner, concrete(argument.shape.sizes, outer.numbers))
        for inner, argument in zip(body.program.inputs, arguments):
            sizes = inner.shape.sizes if inner.shape.rank else ()
            if symbols_of(sizes) <= numbers.keys() and (
                concrete(sizes, numbers) != concrete(argument.shape.sizes, outer.numbers)
            ):
                raise IllegalSizes
        if not body.guards.hold(numbers, frozenset()):
            raise IllegalSizes
        return Frame(body.schedule, numbers, dict(zip(body.program.inputs, memories)))

    def again(self, first: Frame, program: Program, memories: Sequence[Memory]) -> Frame:
        """The frame of another turn of a loop that is laid out."""
        return Frame(first.schedule, first.numbers, dict(zip(program.inputs, memories)), {}, True)

    def outputs(
        self, frame: Frame, program: Program, targets: Sequence[tuple[Value, Memory]]
    ) -> list[tuple[Memory, Memory]]:
        """Runs a body; where that can be, its results are written to their targets at once.

        Returns what is still to be copied: (to, from).
        """
        written = {root for step in frame.schedule.steps
                   for root, w in frame.schedule.touches(step) if w}
        later = []
        for value, target in targets:
            root = frame.schedule.root(value)
            if root in written and root not in frame.memory:
                frame.memory[root] = target
            else:
                later.append((value, target))
        for step in frame.schedule.steps:
            self.step(frame, step)
        return [(target, self.memory(frame, value)) for value, target in later]

    def copy(self, target: Memory, source: Memory, size: int) -> None:
        if target is not source.place() and size:
            self.row(COPY, target, source, size)
            self.costs[-1] += 2 * size

    # ---- regions ----------------------------------------------------------------------------

    def conditional(self, frame: Frame, step: RegionStep) -> None:
        node = step.node
        lead = node.attrs["lead"]
        arguments = node.inputs[lead:]
        memories = [self.memory(frame, v) for v in arguments]
        results, saved = node.attrs["results"], node.attrs["saved"]
        orelse, end = Label(), Label()
        self.row(UNLESS, self.memory(frame, node.inputs[0]), orelse)
        for name in ("then", "orelse"):
            inner = self.body(step.bodies[name], frame, arguments, memories)
            program = step.bodies[name].program
            own = saved[0] if name == "then" else saved[1]
            skipped = 0 if name == "then" else saved[0]
            places = [*range(results), *range(results + skipped, results + skipped + own),
                      *range(results + sum(saved), len(node.outputs))]
            self._results(frame, step, inner, program, places)
            if name == "then":
                self.row(JUMP, end)
                self.mark(orelse)
        self.mark(end)

    def _results(
        self, frame: Frame, step: RegionStep, inner: Frame, program: Program,
        places: Sequence[int],
    ) -> None:
        """Runs a branch; its outputs become the node's outputs with these numbers."""
        targets = []
        for value, place_ in zip(program.outputs, places):
            if not step.used[place_]:
                continue
            output = step.node.outputs[place_]
            if concrete(value.shape.sizes, inner.numbers) != frame.shape(output):
                raise IllegalSizes
            targets.append((value, self.memory(frame, output)))
        for target, source in self.outputs(inner, program, targets):
            self.copy(target, source, target.size)

    def loop(self, frame: Frame, step: RegionStep) -> None:
        turns = None if step.turns is None else concrete([step.turns], frame.numbers)[0]
        if turns is not None and self.lays_out and can_be_laid_out(step, turns, frame):
            LaidOutLoop(self, frame, step, turns).write()
        else:
            LoopInTurns(self, frame, step, turns).write()

    def keep_turn(self, history: History, memory: Memory, size: int) -> None:
        """Adds a value to a history."""
        if history.target is None:
            history.number = len(self.bound) + len(self.stage.made) + len(self.histories)
            self.histories.append(history)
        else:
            self.counted.append(history)
            self.touch(history.target)
        self.touch(memory, history.count)
        self.rows.append((KEEP, history, memory, size))

    def begin_loop(self) -> None:
        """The next row is the first one of a loop's turn."""
        self.loops.append((len(self.rows), []))
        self.costs.append(0)

    def end_loop(self, head: Label) -> None:
        """The turn ends here. What was there before the loop and is touched inside lives on."""
        cost = self.costs.pop()
        self.costs[-1] += cost
        self.row(BACK, 0, head, cost)
        start, touched = self.loops.pop()
        end = len(self.rows) - 1
        for memory in touched:
            if memory.first < start:
                memory.last = end
                if self.loops:
                    self.loops[-1][1].append(memory)

    # ---- tables -----------------------------------------------------------------------------

    def as_object(self, memory: Memory | None, objects: np.ndarray) -> int:
        """Where the address of an array object lies whose elements are this memory.

        In the arena there are no such objects: one is made that has nothing but the address.
        """
        assert memory is not None  # the history's number of turns is known
        base, shift = memory.base()
        if base.number is not None:
            return int(objects.ctypes.data) + 8 * base.number
        words = np.zeros(OBJECT_HEADER // 8 + 2, np.int64)
        words[-2:] = (base.address or 0) + shift, words.ctypes.data
        self.keep.append(words)
        return int(words.ctypes.data) + words.nbytes - 8

    def arrange(self) -> np.ndarray:
        """The arena, with a place in it for all that lies there."""
        self.reuse.in_arena()
        if self.members > 1:
            self.team = divide(self.rows, self.launches, self.members)
        placed = [m for m in self.arena_memory if m.first >= 0 and m.over is None]
        offsets, total = place([Lifetime(m.room, m.first, m.last) for m in placed])
        arena = new_arena(total)
        start = arena.ctypes.data
        for memory, offset in zip(placed, offsets):
            memory.offset, memory.address = offset, start + offset
        for memory in self.arena_memory:
            memory.offset = memory.place().offset
        return arena

    def finished(self, fresh: Sequence[Value]) -> Plan:
        """Places memory; writes the tables."""
        stage, top = self.stage, self.top
        updated, first = self.reuse.variables([
            (top.memory[new], top.memory[old]) for _, new, old in self.updates])
        in_place = [update for update, chosen in zip(self.updates, updated) if chosen]
        changed = {new for _, new, _ in in_place}
        arena = self.arrange()
        objects = np.zeros(max(len(self.bound) + len(stage.made) + len(self.histories), 1),
                           np.uint64)
        tests = [] if first is None or not self.reuse.checks else [first]
        script = self.team.script() if self.team is not None else None
        tables = self.tables = Tables(self.rows, objects, tests, script)
        for history in self.histories:
            history.words[:] = (objects.ctypes.data + 8 * history.number, history.capacity,
                                tables.cell(history.count))
        for history in self.counted:
            history.words[:] = (self.as_object(history.target, objects), history.capacity,
                                tables.cell(history.count))
        state = np.zeros(len(STATE), np.int64)
        state[STATE.index("rows")] = tables.table.ctypes.data
        state[STATE.index("status")] = self.status.ctypes.data
        if script is not None:
            state[STATE.index("team")] = team_of(self.members).address
        view = memoryview(objects)  # type: ignore[arg-type]  # arrays are buffers
        pack = struct.Struct(f"{len(self.bound)}Q").pack_into
        claims = self.claims
        numbers = top.numbers
        renamed = {v: concrete(v.shape.sizes, numbers) for v in (*top.schedule.aliases, *claims)
                   if symbols_of(v.shape.sizes) <= numbers.keys()}
        return Plan(
            memoryview(state), state.ctypes.data, tables.actions, objects, self.bound,  # type: ignore[arg-type]
            partial(pack, view, 0),
            {v: len(self.bound) + k for k, v in enumerate(stage.made)},
            [(v, concrete(claims[v].shape.sizes, numbers) if v in claims and claims[v] is not v
              else top.shape(v), v.dtype.numpy) for v in fresh if v not in changed],
            in_place,
            {v: (m.offset, top.shape(v)) for v, m in top.memory.items()
             if m.number is None and v in stage.written},
            renamed, self.histories, numbers, memoryview(self.status), arena,  # type: ignore[arg-type]
            [tables, state, *self.keep], cost=self.costs[0],
            loops=any(row[0] == BACK for row in self.rows))


def new_arena(size: int) -> np.ndarray:
    """Bytes, aligned to 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size]
