"""Plans of a device session: a stage with its sizes as numbers, as instructions for one GPU.

Rows, lifetimes and reuse of memory are those of the CPU (`runtime/plans.py`); what differs is what
is made of them: one arena in device memory instead of host memory, and `instructions` instead of
the dispatcher's table. What a run gives away lies in the arena until the run has copied it, so
all addresses stay the same from run to run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes
from graphflow.codegen.cuda.kernels import CudaKernel
from graphflow.codegen.cuda.library import library_rooms
from graphflow.codegen.cuda.matrix_form import MatrixForm, Operand, matrix_form
from graphflow.codegen.dispatch import (
    ADD,
    BACK,
    BIND,
    CODES,
    COPY,
    JUMP,
    KEEP,
    SET,
    STOP,
    UNLESS,
)
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.memory import Lifetime, place
from graphflow.codegen.sizes import Numbers, concrete, symbols_of
from graphflow.codegen.steps import Launch, Schedule
from graphflow.loop_ir.nest import BufferParameter, Kernel
from graphflow.program import Value
from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.blas import ALIGNED, LEAST_FLOPS, WORKSPACE
from graphflow.runtime.cuda.code import DeviceCode
from graphflow.runtime.cuda.conditions import with_conditions
from graphflow.runtime.cuda.context import Buffer, Context
from graphflow.runtime.cuda.driver import DeviceMemoryError, Geometry
from graphflow.runtime.cuda.feeds import FeedSlots
from graphflow.runtime.cuda.instructions import (
    Bind,
    CopyWork,
    Count,
    HostCall,
    Instruction,
    Jump,
    Keep,
    LaunchWork,
    Place,
    ProductWork,
    Segment,
    Stop,
    Test,
    Unless,
    Work,
)
from graphflow.runtime.plan import VariableUpdate
from graphflow.runtime.plans import Planner
from graphflow.runtime.stages import Stage
from graphflow.runtime.tables import History, Label, Memory, room_of

LISTED = 6  # buffers that an error about memory names


@dataclass(slots=True)
class DevicePlan:
    """A stage with sizes, ready to be run by one run at a time.

    Attributes:
      instructions: in order.
      bound: the values whose arrays exist when the stage begins; their cells have these numbers.
      cells, sizes: the addresses of what is bound, and the bytes there, by number.
      made: the number of each result of the stage's own host steps.
      in_place: the updates of variables whose new value is written over the old one.
      placed: value → (offset in the arena, shape).
      shapes: of values that only rename memory.
      histories: what loops keep.
      numbers: the unknowns' values.
      arena: all memory of the plan.
      status: the address of the status word, 0 if there are no checks.
      largest: bytes of its largest buffers, and what they hold.
      slots: what is fed from the host is copied to, once there is something.
      recipe: of the short way, once it has been looked for; False if there is none.
      recent: addresses of variables, and the graphs that the short way replayed for them last.
    """

    instructions: list[Instruction]
    bound: list[Value]
    cells: list[int]
    made: dict[Value, int]
    in_place: list[VariableUpdate]
    placed: dict[Value, tuple[int, tuple[int, ...]]]
    shapes: dict[Value, tuple[int, ...]]
    histories: list[History]
    numbers: Numbers
    context: Context
    arena: Buffer
    status: int
    keep: list[Any]
    sizes: list[int]
    largest: list[tuple[int, str]]
    slots: FeedSlots | None = None
    recipe: Any = None
    recent: tuple[list[int], list[Any]] | None = None

    def view(self, value: Value) -> DeviceArray:
        """The array of a value that lies in the arena."""
        offset, shape = self.placed[value]
        return DeviceArray(
            self.context, shape, value.dtype.numpy, self.arena, self.arena.address + offset)

    def copy_in(self, fed: Sequence[tuple[int, np.ndarray]]) -> None:
        """Arrays of the host get places on the device, and the cells with these numbers."""
        form = tuple([(number, array.shape, array.dtype) for number, array in fed])
        if self.slots is None or self.slots.form != form:
            self.slots = FeedSlots(self.context, form, [(a.shape, a.dtype) for _, a in fed])
        self.slots.fill([array for _, array in fed])
        start = self.slots.memory.address
        for (number, _), offset in zip(fed, self.slots.offsets):
            self.cells[number] = start + offset

    def replays(self) -> int:
        """How often graphs were replayed."""
        return sum(i.replays for i in self.instructions if isinstance(i, Segment))

    def __del__(self) -> None:
        for instruction in () if sys.is_finalizing() else self.instructions:
            if isinstance(instruction, Segment):
                instruction.forget(self.context)


@dataclass(frozen=True, slots=True)
class _Private:
    """A private buffer of one launch.

    Attributes:
      position: among the kernel's buffers.
      offset: in shared memory, if it lies there.
      counted: bytes of one copy; 0 for a second parameter of the same memory.
    """

    position: int
    memory: Memory
    offset: int
    counted: int


def _private(
    memories: Sequence[Memory], buffers: Sequence[BufferParameter]
) -> list[_Private]:
    """The private buffers of a launch, one behind the other, each at a multiple of 16."""
    offsets: dict[Memory, int] = {}
    found, end = [], 0
    for position, (memory, parameter) in enumerate(zip(memories, buffers)):
        if parameter.private:
            first = memory not in offsets
            found.append(_Private(position, memory, offsets.setdefault(memory, end),
                                  memory.size if first else 0))
            end += -(-memory.size // 16) * 16 if first else 0
    return found


def _starts(form: MatrixForm) -> list[tuple[Operand, int]]:
    """The matrices of a product, with the bytes of their elements."""
    size = {name: dtypes.as_dtype(name).size for name in (form.element, form.result)}
    return [(form.left, size[form.element]), (form.right, size[form.element]),
            (form.out, size[form.result])]


class DevicePlanner(Planner):
    """Writes the rows of one stage as the CPU's planner does, then makes instructions of them.

    Attributes:
      deciding: whether branches and loops may become parts of graphs.
    """

    deciding = True

    def __init__(
        self, stage: Stage, schedule: Schedule, numbers: Numbers, claims: Mapping[Value, Value],
        updates: Iterable[VariableUpdate], context: Context, codes: Sequence[DeviceCode],
        constant: Callable[[Value], DeviceArray],
    ) -> None:
        """codes: of the launches, whose `address` is CODES + the position here.

        constant: gives the device's copy of a constant.
        """
        super().__init__(stage, schedule, numbers, claims, updates)
        self.prepare(context, codes, constant)

    def prepare(
        self, context: Context, codes: Sequence[DeviceCode],
        constant: Callable[[Value], DeviceArray],
    ) -> None:
        """What a planner for a GPU has besides."""
        self.context, self.codes, self._constant = context, codes, constant
        status = Buffer(context, 8)
        self.status_memory.address = status.address
        self.keep.append(status)
        self.what: dict[Memory, str] = {}
        self.largest: list[tuple[int, str]] = []

    # ---- memory -----------------------------------------------------------------------------

    def constant(self, value: Value) -> Memory:
        array = self._constant(value)
        self.keep.append(array)
        return Memory(array.nbytes, address=array.address)

    def memory(self, frame: Any, value: Value) -> Memory:
        found = super().memory(frame, value)
        self.what.setdefault(found, f"{value.node.opdef.name} {value.dtype.name}")
        return found

    def launch(self, frame: Any, step: Launch) -> None:
        super().launch(frame, step)
        _, memories, sizes = self.rows[-1]
        variants = [step.address] if step.update is None else [step.address, step.update.address]
        for number in variants:
            code = self.codes[number - CODES]
            if isinstance(code.kernel, LibraryKernel) and code.parts:
                for position, room in library_rooms(code.kernel, sizes).items():
                    memories[position].room = max(memories[position].room, room)
            private = _private(memories, code.kernel.buffers)
            for part, _ in code.parts if private else ():
                copies = part.shape(sizes, [p.counted for p in private]).copies
                for own in private:
                    own.memory.room = max(own.memory.room, copies * own.memory.size)

    # ---- instructions -----------------------------------------------------------------------

    def device_plan(self) -> DevicePlan:
        """The finished plan. Raises IllegalSizes, ResourceExhaustedError."""
        fresh = self.write()
        stage, top = self.stage, self.top
        updated, first = self.reuse.variables([
            (top.memory[new], top.memory[old]) for _, new, old in self.updates])
        in_place = [update for update, chosen in zip(self.updates, updated) if chosen]
        changed = {new for _, new, _ in in_place}
        for value in fresh:
            if value not in changed:
                self._into_arena(top.memory[value], top.shape(value), value)
        arena = self._arranged()
        tested = first if self.reuse.checks else None
        numbers = top.numbers
        renamed = {v: concrete(v.shape.sizes, numbers)
                   for v in (*top.schedule.aliases, *self.claims)
                   if symbols_of(v.shape.sizes) <= numbers.keys()}
        shape = {v: concrete(self.claims[v].shape.sizes, numbers)
                 for v in fresh if self.claims.get(v, v) is not v}
        instructions = self._instructions(tested)
        status = (self.status_memory.address or 0) if self.reuse.checks else 0
        decides = any(isinstance(i, Unless) for i in instructions)
        if self.deciding and (not decides or self.context.driver.conditions):
            instructions = with_conditions(instructions, status)
        count = len(self.bound) + len(stage.made) + len(self.histories)
        return DevicePlan(
            instructions, self.bound[:len(self.bound) - len(fresh)], [0] * count,
            {v: len(self.bound) + k for k, v in enumerate(stage.made)}, in_place,
            {v: (m.offset, shape[v] if v in shape else top.shape(v)) for v, m in top.memory.items()
             if m.number is None and v in stage.written},
            renamed, self.histories, numbers, self.context, arena,
            status, self.keep, [0] * count,
            self.largest)

    def _into_arena(self, memory: Memory, shape: tuple[int, ...], value: Value) -> None:
        """What the run gives away stays in the arena to the end, and is copied from there."""
        memory.number = None
        memory.last = len(self.rows) - 1
        memory.room = max(memory.size, room_of(shape, value.dtype.size))
        self.arena_memory.append(memory)
        self.what[memory] = f"{value.node.opdef.name} {value.dtype.name} (a result)"

    def _arranged(self) -> Buffer:
        """The arena, with a place in it for all that lies there. Raises ResourceExhaustedError."""
        self.reuse.in_arena()
        placed = [m for m in self.arena_memory if m.first >= 0 and m.over is None]
        offsets, total = place([Lifetime(m.room, m.first, m.last) for m in placed])
        largest = sorted(placed, key=lambda m: -m.room)[:LISTED]
        self.largest = [(m.room, self.what.get(m, "a loop's variable")) for m in largest]
        try:
            arena = Buffer(self.context, total)
        except DeviceMemoryError as error:
            raise error.for_run(self.largest, total) from None
        for memory, offset in zip(placed, offsets):
            memory.offset, memory.address = offset, arena.address + offset
        for memory in self.arena_memory:
            memory.offset = memory.place().offset
        return arena

    def place_of(self, memory: Memory) -> Place:
        """Where a memory is, once the arena is arranged."""
        real = memory.place()
        if real.number is not None:
            return Place(0, real.number)
        return Place(real.address or 0)

    def _instructions(self, tested: int | None) -> list[Instruction]:
        """tested: the row before which a bad value ends the run."""
        labels = {o.row for _, *operands in self.rows for o in operands if isinstance(o, Label)}
        starts: dict[int, int] = {}
        made: list[Instruction] = []
        jumps: list[tuple[Unless | Jump, int]] = []
        if self.reuse.checks:
            made.append(Count(self.place_of(self.status_memory), 0))
        open_segment: Segment | None = None
        for number, (kind, *operands) in enumerate(self.rows):
            if number in labels or number == tested:
                open_segment = None
            starts[number] = len(made)
            if number == tested:
                made.append(Test())
            if kind == COPY or (kind >= CODES and self.codes[kind - CODES].parts):
                if open_segment is None:
                    open_segment = Segment()
                    made.append(open_segment)
                else:
                    starts[number] = len(made) - 1
                for work in self._work(kind, operands):
                    open_segment.add(work, number)
                continue
            instruction = self._decision(kind, operands, jumps)
            if isinstance(instruction, HostCall):
                instruction.row = number
            if instruction is not None:
                open_segment = None
                made.append(instruction)
        for jump, row in jumps:
            jump.target = starts[row]
        return made

    def _work(self, kind: int, operands: Sequence[Any]) -> list[Work]:
        if kind == COPY:
            target, source, size = operands
            return [CopyWork(self.place_of(target), self.place_of(source), size)]
        code, (memories, sizes) = self.codes[kind - CODES], operands
        buffers = code.kernel.buffers
        private = _private(memories, buffers)
        launches: list[Work] = []
        for part, function in code.parts:
            shape = part.shape(sizes, [p.counted for p in private])
            if not shape.grid:
                continue
            geometry = Geometry((shape.grid, 1, 1), (shape.block, 1, 1), shape.shared)
            pointers = [self.place_of(m) for m, _ in zip(memories, buffers)]
            if not shape.copies:  # in shared memory: places there, and no lengths
                for own in private:
                    pointers[own.position] = Place(own.offset)
            lengths = [p.memory.size if shape.copies else 0 for p in private]
            launches.append(self._by_library(part, sizes, pointers, LaunchWork(
                function, geometry, [*pointers, *sizes, *lengths])))
        return launches

    def _by_library(
        self, part: Any, sizes: Sequence[int], places: Sequence[Place], own: LaunchWork
    ) -> LaunchWork | ProductWork:
        """A large product of matrices by NVIDIA's library, if it is there."""
        form = matrix_form(part, tuple(sizes)) if isinstance(part, CudaKernel) else None
        if form is None or form.flops < LEAST_FLOPS:
            return own
        product = self.context.driver.product(form)
        if product is None:
            return own
        if any(o.start * o_size % ALIGNED for o, o_size in _starts(form)):
            return own
        workspace = self.context.workspace(WORKSPACE)
        self.keep.append(workspace)
        out, left, right = (places[o.buffer] for o in (form.out, form.left, form.right))
        return ProductWork(product, (out, left, right, Place(workspace.address)), own)

    def _decision(
        self, kind: int, operands: Sequence[Any], jumps: list[tuple[Unless | Jump, int]]
    ) -> Instruction | None:
        if kind >= CODES:
            return self._host_call(kind, operands)
        if kind == STOP:
            return Stop(operands[0])
        if kind == BIND:
            number = operands[0].number
            known = number is None or number < len(self.bound)
            return None if known else Bind(number)
        if kind == KEEP:
            history, memory, size = operands
            return Keep(history, self.place_of(memory), size, self.place_of(history.count))
        if kind in (SET, ADD):
            return Count(self.place_of(operands[0]), operands[2], kind == ADD)
        if kind == UNLESS:
            unless = Unless(self.place_of(operands[0]), -1)
            jumps.append((unless, operands[1].row))
            return unless
        assert kind in (JUMP, BACK), kind
        jump = Jump(-1, kind == BACK)
        jumps.append((jump, next(o for o in operands if isinstance(o, Label)).row))
        return jump

    def _host_call(self, kind: int, operands: Sequence[Any]) -> HostCall:
        kernel: Kernel | Any = self.codes[kind - CODES].kernel
        memories, sizes = operands
        used = memories[:len(kernel.buffers)]
        return HostCall(
            kernel, [self.place_of(m) for m in used],
            [m.room if m.number is None else m.size for m in used], tuple(sizes))

