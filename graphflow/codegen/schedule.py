"""Scheduling: a Program becomes a list of kernel launches and host steps.

Decides which values are stored and which are computed where they are used (fusion), and groups
elementwise outputs of one index space into one kernel. Input: an optimised Program. Output: a
`Schedule`, whose steps in order compute everything; sizes are still symbolic.

A value is stored if it leaves the program, feeds a step that wants it in memory, or would cost
more to compute again than to keep. Values that only rename memory (a reshape) are aliases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.channels import ChannelGroup, merge_channels
from graphflow.codegen.checks import build_check, status_word
from graphflow.codegen.elements import Elements, NotCompilable, picks_in_row
from graphflow.codegen.epilogues import EpilogueMerger, Product
from graphflow.codegen.inlining import Inlining
from graphflow.codegen.joined import JoinedMap, with_joins
from graphflow.codegen.launches import Launches
from graphflow.codegen.library import build_library
from graphflow.codegen.ordering import delay_updates
from graphflow.codegen.packing import packed_operands
from graphflow.codegen.pool_gradient import gathers_pool
from graphflow.codegen.reading import NEEDS_SIZES, Readers, read_inputs
from graphflow.codegen.regions import region_step
from graphflow.codegen.rows import Group, Reduction, RowGroup, RowMerger
from graphflow.codegen.sizes import symbols_of
from graphflow.codegen.steps import (
    CountStep,
    HostStep,
    Launch,
    MeasureStep,
    RegionStep,
    Schedule,
    Step,
)
from graphflow.codegen.told import keys_of
from graphflow.dims import Dim, SymDim, symbol_name
from graphflow.lowering import (
    Composite,
    Contraction,
    Cumulative,
    Gather,
    Generate,
    Library,
    Pointwise,
    Reduce,
    Region,
    Sizes,
    View,
    Window,
)
from graphflow.program import Node, Program, Value

INLINABLE = (Pointwise, Generate, View, Gather, Sizes)
GROUP_OUTPUTS = 24
BRIEF_OPS = 4


@dataclass(slots=True)
class _Check:
    """A check of values, which must run before host steps number `number` and later."""

    number: int
    launch: Launch


class Scheduler(Launches):
    """Builds the schedule of one Program.

    known: the unknowns that are known before it begins.

    Attributes:
      check: what builds the nests of checks.
      counts: whether loops whose number of turns is known are planned with it.
      joins: whether concatenations take up the groups that their pieces come from.
      pools_finish: whether elementwise work joins gradients of max-pooling.
    """

    check = staticmethod(build_check)
    counts = True
    joins = True
    pools_finish = True

    def __init__(
        self, program: Program, capabilities: Capabilities, known: Iterable[str] = ()
    ) -> None:
        super().__init__(capabilities, any(keys_of(node) for node in program.nodes))
        self.program = program
        self.readers = Readers(program, capabilities, known)
        self.results = {*program.outputs, *program.writes.values()}
        self.inlining = Inlining(self.stored)
        self.steps: list[Group | Reduction | Step] = []
        # (value, sizes) → the last group of these sizes that touches the value; None: any value.
        self.touching: dict[tuple[Value | None, tuple[Dim, ...]], int] = {}
        self.contractions: dict[int, Node] = {}
        self.pools: dict[int, Node] = {}
        self.known: dict[str, int] = dict.fromkeys(known, -1)
        self.checks: dict[tuple, _Check] = {}
        self.room: dict[Value, tuple[Dim, ...]] = {}
        self.status = status_word()

    def schedule(self) -> Schedule:
        """The schedule."""
        for node in self.program.nodes:
            self._place(node)
        readers, follows = self._readers()
        results = {self._root(v) for v in self.results}
        self._prune(readers, results)
        rows = RowMerger(self.steps, self._before, self._root, readers, follows, results)
        epilogues = EpilogueMerger(
            self.contractions | self.pools, self._before, self._root, self._visited, readers,
            follows,
            self._sizes_from, results, {*self.program.writes.values()})
        steps: list[Step] = []
        checks = list(self.checks.values())
        done: set[int] = set()
        first = 0  # the first step that is not done
        merged = epilogues.merge(merge_channels(
            rows.merge(), follows, lambda members: self._channel_frame(members) is not None))
        if self.joins:
            merged = with_joins(merged, readers, follows, results, self.inlining.fit_together)
        for step, numbers in merged:
            while checks and checks[0].number <= first:
                steps.append(checks.pop(0).launch)
            done.update(numbers)
            while first in done:
                first += 1
            if isinstance(step, RowGroup):
                self.room |= step.local
                steps.append(self._row_kernel(step))
            elif isinstance(step, ChannelGroup):
                steps.append(self._channel_kernel(step))
            elif isinstance(step, Product):
                steps.append(self._product_kernel(step))
                if not step.kept:
                    self._forget(step.node.outputs[0])
            elif isinstance(step, JoinedMap):
                steps.append(self._joined_kernel(step))
                for value in step.inside:
                    self._forget(value)
            elif isinstance(step, Group):
                steps.append(self._map_kernel(step))
            elif isinstance(step, Reduction):
                steps.append(self._build(step.node, step.number))
            elif isinstance(step, Launch) and numbers[0] in self.contractions:
                steps.append(self._measured(self.contractions[numbers[0]], numbers[0], step))
            else:
                steps.append(step)  # type: ignore[arg-type]  # groups were handled above
        steps.extend(check.launch for check in checks)
        made = Schedule(steps, self.aliases, list(self.stored), self.room,
                        self.status if self.checks else None)
        delay_updates(made)
        return made

    def _prune(self, readers: dict[Value, set[int]], results: set[Value]) -> None:
        """Takes the outputs out of groups that only their own group uses."""
        for step in self.steps:
            if isinstance(step, Group):
                for value in [v for v in step.outputs if v not in results and v not in readers]:
                    step.outputs.remove(value)
                    self._forget(value)

    def _readers(self) -> tuple[dict[Value, set[int]], list[set[int]]]:
        """Stored value → the steps that read it; for each step, those whose results it reads."""
        readers: dict[Value, set[int]] = {}
        follows: list[set[int]] = []
        for number, step in enumerate(self.steps):
            if isinstance(step, MeasureStep):
                read = list(step.given)
            elif isinstance(step, CountStep):
                read = [step.count, *step.node.outputs]
            elif isinstance(step, (HostStep, RegionStep)):
                read = list(step.node.inputs)
            elif isinstance(step, Launch):
                read = list(step.buffers)
            else:
                read = self._read_by(step)
            for value in read:
                readers.setdefault(self._root(value), set()).add(number)
            follows.append({self.stored[v] for v in read if v in self.stored} - {number})
        for check in self.checks.values():  # they run after the step, wherever it is merged into
            for value in check.launch.buffers:
                readers.setdefault(self._root(value), set()).add(len(self.steps))
        return readers, follows

    def _forget(self, value: Value) -> None:
        """No step touches the memory of a value: it needs none."""
        for one in [value, *[v for v, root in self.aliases.items() if root is value]]:
            self.stored.pop(one, None)
            self.aliases.pop(one, None)

    # ---- where each node goes ---------------------------------------------------------------

    def _place(self, node: Node) -> None:
        lowering = node.opdef.lowering
        if self.capabilities.is_leaf(node):
            self.stored.update((v, -1) for v in node.outputs)
            self._learn_sizes(node, -1)
            return
        if isinstance(lowering, Region):
            self._region(node)
            return
        if node not in self.readers.live:
            self._check(node, len(self.steps))
            return
        reason = self.capabilities.complaint(node)
        if reason is None and not self._sizes_known(node):
            self._measure(node)
        number = len(self.steps)
        if reason is not None:
            self._need(node.inputs)
            self._host(node, reason)
        elif isinstance(lowering, View) and lowering.contiguous:
            self._need(node.inputs[:1])
            source = node.inputs[0]
            self._alias(node.outputs[0], source)
        elif isinstance(lowering, Library):
            self._library(node)
        elif isinstance(lowering, INLINABLE):
            self._need(self.inlining.too_much(node))
            for value in node.outputs:
                if self._must_store(node, value):
                    self._join_group(value)
        else:
            self._launch(node)
        if reason is None:
            self._check(node, number)

    def _region(self, node: Node) -> None:
        self._need(node.inputs)
        used = [v in self.results or bool(self.readers.of.get(v)) for v in node.outputs]
        known = self.known.keys()
        step = region_step(
            node, used, known, lambda body: type(self)(body, self.capabilities, known).schedule(),
            self.counts)
        if isinstance(step, str):
            self._host(node, step)
            return
        self.steps.append(step)
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)
        self._learn_sizes(node, len(self.steps) - 1)

    def _library(self, node: Node) -> None:
        self._need(node.inputs)
        try:
            call = build_library(node)
        except NotCompilable as reason:
            self._host(node, str(reason))
            return
        self.steps.append(Launch(call.kernel, call.buffers, call.sizes, (node,)))
        self.room |= call.room
        if call.count is not None:
            self.steps.append(CountStep(node, call.count, call.unknowns))
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)
        self._learn_sizes(node, len(self.steps) - 1)

    def _measure(self, node: Node) -> None:
        """Finds the sizes of the node's results out of values, when these are there."""
        given = tuple(v for v in node.inputs
                      if v.dtype.is_integer and v.shape.rank in (0, 1))
        self._need(given)
        self.steps.append(MeasureStep(node, given))
        self._learn_sizes(node, len(self.steps) - 1)

    def _check(self, node: Node, number: int) -> None:
        """Adds a check of the values that the node's op refuses, once for equal checks.

        number: of the step before which the check can run: as early as may be, so that variables
        may be changed in place after it.
        """
        last = self.steps[-1] if self.steps else None
        if isinstance(last, HostStep) and last.node is node:
            return
        elements = Elements(lambda v: self._before(v, number))
        body = self.check(elements, node, self.status)
        if body:
            launch = self._finish(elements, body, [node])
            key = (str(launch.kernel), launch.buffers, launch.sizes)
            self.checks.setdefault(key, _Check(number, launch))

    def _learn_sizes(self, node: Node, number: int) -> None:
        """The sizes of a node's results are known after step `number`."""
        for value in node.outputs:
            for dim in value.shape.sizes if value.shape.rank is not None else ():
                name = symbol_name(dim) if isinstance(dim, SymDim) else None
                if name:
                    self.known.setdefault(name, number)

    def _sizes_known(self, node: Node) -> bool:
        """False if the result's sizes, or inputs that only say sizes, depend on values."""
        lowering = node.opdef.lowering
        if isinstance(lowering, Library) and lowering.unknowns:
            return True  # the kernel counts
        given: Sequence[Value] = ()
        if isinstance(lowering, View):
            given = node.inputs[1:]
        elif isinstance(lowering, Generate):
            given = [v for k, v in enumerate(node.inputs) if k not in lowering.scalars]
        needed = [d for v in node.outputs for d in v.shape.sizes]
        needed += [d for v in given if v.symbolic_value is not None
                   for d in v.symbolic_value.ravel().tolist()]
        return symbols_of(needed) <= self.known.keys()

    def _alias(self, value: Value, source: Value) -> None:
        self.aliases[value] = self.aliases.get(source, source)
        self.stored[value] = self.stored[source]

    def _need(self, values: Iterable[Value]) -> None:
        """Stores values that a step wants in memory."""
        for value in values:
            self._revive(value.node)
            if value not in self.stored:
                self._join_group(value)

    def _revive(self, node: Node) -> None:
        """Places a node that nobody seemed to read: a step that falls back reads all inputs."""
        if node not in self.readers.live:
            self.readers.live.add(node)
            for value in read_inputs(node):
                self._revive(value.node)
            self._place(node)

    def _host(self, node: Node, reason: str) -> None:
        self.steps.append(HostStep(node, reason))
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)
        self._learn_sizes(node, len(self.steps) - 1)

    def _must_store(self, node: Node, value: Value) -> bool:
        users = self.readers.of.get(value, ())
        if value in self.results:
            return True
        if not users:
            return False
        if any(self._wants_memory(user, value) for user in users):
            return True
        if picks_in_row(node) and not self.capabilities.is_leaf(node.inputs[0].node):
            return True  # the rows that it picks from are needed no longer
        cheap = self.capabilities.cheap(node) or self._brief(value) or self._centred(node)
        if len(users) > 1 and not cheap:
            return True
        return not cheap and any(
            isinstance(u.opdef.lowering, INLINABLE) and _larger(u.outputs[0], value)
            for u in users)

    def _centred(self, node: Node) -> bool:
        """True for x − mean(x) and the like, channel by channel: x in memory is read as fast."""
        if len(node.inputs) != 2:
            return False
        x, y = node.inputs
        return (x in self.stored and y in self.stored
                and y.shape.rank == 1 < (x.shape.rank or 0)
                and x.shape.sizes == node.outputs[0].shape.sizes
                and isinstance(self._root(y).node.opdef.lowering, Reduce)
                and self.capabilities.single(node))

    def _brief(self, value: Value) -> bool:
        """True for a scalar that takes a few operations: each kernel computes it once."""
        seen: set[Value] = set()
        pending = [value]
        while pending and len(seen) <= BRIEF_OPS:
            one = pending.pop()
            if one in seen or one in self.stored:
                continue
            seen.add(one)
            if one.shape.rank != 0 or not isinstance(one.node.opdef.lowering, (Pointwise, Sizes)):
                return False
            pending.extend(read_inputs(one.node))
        return len(seen) <= BRIEF_OPS

    def _wants_memory(self, user: Node, value: Value) -> bool:
        lowering = user.opdef.lowering
        if self.capabilities.complaint(user) is not None:
            return True
        if isinstance(lowering, View) and lowering.contiguous:
            return True
        if isinstance(lowering, Gather):
            return value is user.inputs[0] and not isinstance(value.node.opdef.lowering, Sizes)
        if isinstance(lowering, Cumulative):
            # Along the last axis its loop runs without vectors: heavy work is done before.
            last = value.shape.rank == lowering.axis(Elements(lambda v: True).context(user)) + 1
            return last and not self.capabilities.cheap(value.node)
        return isinstance(lowering, (Composite, Contraction, Library, Window))

    # ---- elementwise groups -----------------------------------------------------------------

    def _join_group(self, value: Value) -> None:
        """Stores an elementwise value: in a group that runs late enough and has its elements.

        A group of the same index space that touches none of them would be one more kernel to
        compile and save nothing. Scalars keep company: their kernels are launches and little else.
        """
        shape = value.shape.sizes
        elementwise, other, touched = self._dependencies(value)
        keys: list[tuple[Value | None, tuple[Dim, ...]]] = [(v, shape) for v in touched]
        if all(size == 1 for size in shape):
            keys.append((None, shape))
        earliest = max((0, *(number + 1 for number in other), *elementwise))
        numbers = {self.touching.get(key, -1) for key in keys}
        found = self._group_with_room(value, numbers, earliest, elementwise)
        if found is None:
            found = Group(len(self.steps), shape)
            self.steps.append(found)
        self.inlining.join(value, found, elementwise)
        found.outputs.append(value)
        number = found.number
        self.stored[value] = number
        self.touching.update((key, number) for key in keys)

    def _group_with_room(
        self, value: Value, numbers: Iterable[int], earliest: int, elementwise: set[int]
    ) -> Group | None:
        """The last of the steps `numbers` that is not too early and takes one more output."""
        for number in sorted(numbers, reverse=True):
            step = self.steps[number] if number >= earliest else None
            if isinstance(step, Group) and len(step.outputs) < GROUP_OUTPUTS and (
                    self.inlining.fits(value, step, elementwise)):
                return step
        return None

    def _dependencies(self, value: Value) -> tuple[set[int], set[int], list[Value]]:
        """Steps that a value reads, at its own index alone and at other places.

        Then the values with elements of their own that computing it touches.
        """
        elementwise: set[int] = set()
        other: set[int] = set()
        touched: dict[Value, None] = {value: None}
        pending = [(value, True)]
        seen = set()
        while pending:
            current, same_place = pending.pop()
            if (current, same_place) in seen:
                continue
            seen.add((current, same_place))
            other |= self._sizes_from(current)
            for source in read_inputs(current.node):
                pointwise = isinstance(current.node.opdef.lowering, Pointwise)
                touched[source] = None
                kept = same_place and pointwise and source.shape.sizes == value.shape.sizes
                if source in self.stored:
                    aliased = source in self.aliases
                    (elementwise if kept and not aliased else other).add(self.stored[source])
                else:
                    pending.append((source, kept))
        return elementwise, other, [v for v in touched if v.shape.rank and any(
            not (isinstance(size, int) and size == 1) for size in v.shape.sizes)]

    def _sizes_from(self, value: Value) -> set[int]:
        """The steps after which the sizes that computing a value takes are known."""
        if not any(number >= 0 for number in self.known.values()):
            return set()
        values = [value, *value.node.inputs]
        sizes = [d for v in values if v.shape.rank is not None for d in v.shape.sizes]
        for v in values:
            if v.symbolic_value is not None:
                sizes += v.symbolic_value.ravel().tolist()
        return {self.known[name] for name in symbols_of(sizes) if name in self.known}

    # ---- other kernels ----------------------------------------------------------------------

    def _launch(self, node: Node) -> None:
        lowering = node.opdef.lowering
        original = node
        if isinstance(lowering, (Composite, Contraction, Window)):
            self._need(read_inputs(node))
        try:
            if isinstance(lowering, Contraction):
                node = self._packed(node)
            launch = self._build(node, len(self.steps))
            if isinstance(lowering, Reduce):
                self.steps.append(Reduction(len(self.steps), node))
                self.stored.update((v, len(self.steps) - 1) for v in node.outputs)
                return
        except NEEDS_SIZES as error:
            self._need(node.inputs)
            self._host(original, f"its lowering needs known sizes ({error})")
            return
        if isinstance(lowering, Contraction):
            self.contractions[len(self.steps)] = node
        elif self.pools_finish and gathers_pool(
                node, lambda v: self._before(v, len(self.steps))):
            self.pools[len(self.steps)] = node
        self.steps.append(launch)
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)

    def _packed(self, node: Node) -> Node:
        """The contraction with operands laid out so that lanes read them contiguously."""
        copies, changed = packed_operands(node)
        for copy in copies:
            self._join_group(copy)
        return changed


def _larger(a: Value, c: Value) -> bool:
    return a.shape.rank != c.shape.rank or not all(
        x == y for x, y in zip(a.shape.sizes, c.shape.sizes))
