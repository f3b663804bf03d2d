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
from graphflow.codegen.checks import build_check, status_word
from graphflow.codegen.elements import Elements, NotCompilable
from graphflow.codegen.frames import Frame, frame
from graphflow.codegen.nests import (
    build_contraction,
    build_join,
    build_map,
    build_reduce,
    build_scatter,
    build_sizes,
    build_window,
)
from graphflow.codegen.packing import packed_operands
from graphflow.codegen.rows import (
    Group,
    Reduction,
    RowGroup,
    RowMerger,
    build_rows,
    row_frame,
)
from graphflow.codegen.sizes import symbols_of
from graphflow.dims import Dim, SymDim, symbol_name
from graphflow.errors import GraphflowError
from graphflow.loop_ir.nest import Kernel, kernel_text
from graphflow.lowering import (
    Contraction,
    Gather,
    Generate,
    Join,
    Pointwise,
    Reduce,
    Scatter,
    Sizes,
    View,
    Window,
)
from graphflow.program import Node, Program, Value

INLINABLE = (Pointwise, Generate, View, Gather)
GROUP_OUTPUTS = 24


@dataclass(slots=True)
class Launch:
    """One kernel with what it is called with.

    Attributes:
      kernel: the code.
      buffers: the value behind each buffer parameter.
      sizes: the size behind each size parameter.
      nodes: the nodes that it computes, for messages and pictures.
    """

    kernel: Kernel
    buffers: tuple[Value, ...]
    sizes: tuple[Dim, ...]
    nodes: tuple[Node, ...]


@dataclass(slots=True)
class HostStep:
    """A node that runs in Python, by its reference."""

    node: Node
    reason: str


@dataclass(slots=True)
class Schedule:
    """What to run.

    Attributes:
      steps: in order.
      aliases: value → the value whose memory it is.
      stored: the values that have memory.
      scratch: values that need memory for one row only, with its sizes.
      status: the word that checks set, where there are any.
    """

    steps: list[Launch | HostStep]
    aliases: dict[Value, Value]
    stored: list[Value]
    scratch: dict[Value, tuple[Dim, ...]]
    status: Value | None = None

    def root(self, value: Value) -> Value:
        """The value whose memory this one has."""
        return self.aliases.get(value, value)

    def sizes(self, value: Value) -> tuple[Dim, ...]:
        """The sizes of the memory that a value needs."""
        return self.scratch.get(value, value.shape.sizes)


@dataclass(slots=True)
class _Check:
    """A check of values, which must run before host steps number `number` and later."""

    number: int
    launch: Launch


class Scheduler:
    """Builds the schedule of one Program."""

    def __init__(self, program: Program, capabilities: Capabilities) -> None:
        self.program, self.capabilities = program, capabilities
        self.consumers: dict[Value, list[Node]] = {}
        for node in program.nodes:
            for value in node.inputs:
                self.consumers.setdefault(value, []).append(node)
        self.results = {*program.outputs, *program.writes.values()}
        self.aliases: dict[Value, Value] = {}
        self.stored: dict[Value, int] = {}
        self.steps: list[Group | Reduction | Launch | HostStep] = []
        self.known: set[str] = set()
        self.checks: dict[tuple, _Check] = {}
        self.status = status_word()

    def schedule(self) -> Schedule:
        """The schedule."""
        for node in self.program.nodes:
            self._place(node)
        merger = RowMerger(self._before, self._root, self._readers(),
                           {self._root(v) for v in self.results})
        scratch: dict[Value, tuple[Dim, ...]] = {}
        steps: list[Launch | HostStep] = []
        checks = list(self.checks.values())
        number = 0
        for step in merger.merge(self.steps):
            if isinstance(step, RowGroup):
                scratch |= step.local
                steps.append(self._row_kernel(step))
                number += len(step.members)
                continue
            if isinstance(step, Group):
                steps.append(self._map_kernel(step))
            elif isinstance(step, Reduction):
                steps.append(self._build(step.node, step.number))
            else:
                while isinstance(step, HostStep) and checks and checks[0].number <= number:
                    steps.append(checks.pop(0).launch)
                steps.append(step)  # type: ignore[arg-type]  # a launch or a host step
            number += 1
        steps.extend(check.launch for check in checks)
        return Schedule(steps, self.aliases, list(self.stored), scratch,
                        self.status if self.checks else None)

    def _before(self, value: Value, number: int) -> bool:
        """True if step `number` finds the value in memory."""
        return self.stored.get(value, number) < number

    def _root(self, value: Value) -> Value:
        return self.aliases.get(value, value)

    def _readers(self) -> dict[Value, set[int]]:
        """Stored value → the steps that read it."""
        readers: dict[Value, set[int]] = {}
        for number, step in enumerate(self.steps):
            if isinstance(step, HostStep):
                read = list(step.node.inputs)
            elif isinstance(step, Launch):
                read = list(step.buffers)
            else:
                read = self._read_by(step)
            for value in read:
                readers.setdefault(self._root(value), set()).add(number)
        for check in self.checks.values():  # they run after the step, wherever it is merged into
            for value in check.launch.buffers:
                readers.setdefault(self._root(value), set()).add(len(self.steps))
        return readers

    def _read_by(self, step: Group | Reduction) -> list[Value]:
        """The stored values that a step's expressions end in."""
        pending = [i for v in step.outputs for i in v.node.inputs]
        found: dict[Value, None] = {}
        seen: set[Value] = set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            if self._before(value, step.number):
                found[value] = None
            else:
                pending.extend(value.node.inputs)
        return list(found)

    def _row_kernel(self, group: RowGroup) -> Launch:
        current = [0]

        def begin(member: Group | Reduction) -> None:
            current[0] = member.number

        elements = Elements(lambda v: self._before(v, current[0]), row_frame(group))
        body = build_rows(elements, group, begin)
        return self._finish(elements, body, [v.node for m in group.members for v in m.outputs])

    # ---- where each node goes ---------------------------------------------------------------

    def _place(self, node: Node) -> None:
        lowering = node.opdef.lowering
        if self.capabilities.is_leaf(node):
            self.stored.update((v, -1) for v in node.outputs)
            self._learn_sizes(node)
            return
        reason = self.capabilities.complaint(node)
        if reason is None and not self._sizes_known(node):
            reason = "its size depends on values"
        if reason is not None:
            self._need(node.inputs)
            self._host(node, reason)
        elif isinstance(lowering, View) and lowering.contiguous:
            self._need(node.inputs[:1])
            source = node.inputs[0]
            self._alias(node.outputs[0], source)
        elif isinstance(lowering, INLINABLE):
            for value in node.outputs:
                if self._must_store(node, value):
                    self._join_group(value)
        else:
            self._launch(node)
        if reason is None:
            self._check(node)

    def _check(self, node: Node) -> None:
        """Adds a check of the values that the node's op refuses, once for equal checks."""
        number = len(self.steps)
        if number and isinstance(self.steps[-1], HostStep) and self.steps[-1].node is node:
            return
        elements = Elements(lambda v: self._before(v, number))
        body = build_check(elements, node, self.status)
        if body:
            launch = self._finish(elements, body, [node])
            key = (kernel_text(launch.kernel), launch.buffers, launch.sizes)
            self.checks.setdefault(key, _Check(number, launch))

    def _learn_sizes(self, node: Node) -> None:
        """The sizes of leaves and of host steps' results are known once these are there."""
        for value in node.outputs:
            if value.shape.rank is not None:
                self.known |= {n for d in value.shape.sizes
                               if isinstance(d, SymDim) and (n := symbol_name(d))}

    def _sizes_known(self, node: Node) -> bool:
        """False if the result's sizes, or inputs that only say sizes, depend on values."""
        lowering = node.opdef.lowering
        given: Sequence[Value] = ()
        if isinstance(lowering, View):
            given = node.inputs[1:]
        elif isinstance(lowering, Generate):
            given = [v for k, v in enumerate(node.inputs) if k not in lowering.scalars]
        needed = [d for v in node.outputs for d in v.shape.sizes]
        needed += [d for v in given if v.symbolic_value is not None
                   for d in v.symbolic_value.ravel().tolist()]
        return symbols_of(needed) <= self.known

    def _alias(self, value: Value, source: Value) -> None:
        self.aliases[value] = self.aliases.get(source, source)
        self.stored[value] = self.stored[source]

    def _need(self, values: Iterable[Value]) -> None:
        """Stores values that a step wants in memory."""
        for value in values:
            if value not in self.stored:
                self._join_group(value)

    def _host(self, node: Node, reason: str) -> None:
        self.steps.append(HostStep(node, reason))
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)
        self._learn_sizes(node)

    def _must_store(self, node: Node, value: Value) -> bool:
        users = self.consumers.get(value, ())
        if value in self.results:
            return True
        if not users:
            return False
        if any(self._wants_memory(user, value) for user in users):
            return True
        cheap = self.capabilities.cheap(node)
        if len(users) > 1 and not cheap:
            return True
        return not cheap and any(
            isinstance(u.opdef.lowering, INLINABLE) and _larger(u.outputs[0], value)
            for u in users)

    def _wants_memory(self, user: Node, value: Value) -> bool:
        lowering = user.opdef.lowering
        if self.capabilities.complaint(user) is not None:
            return True
        if isinstance(lowering, View) and lowering.contiguous:
            return True
        if isinstance(lowering, Gather):
            return value is user.inputs[0]
        return isinstance(lowering, (Contraction, Window))

    # ---- elementwise groups -----------------------------------------------------------------

    def _join_group(self, value: Value) -> None:
        """Stores an elementwise value: in a group of its index space that runs late enough."""
        shape = value.shape.sizes
        elementwise, other = self._dependencies(value)
        earliest = max((-1, *other)) + 1
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            late_enough = number >= earliest and all(
                d < number or (d == number) for d in elementwise)
            if not late_enough:
                break
            if isinstance(step, Group) and step.shape == shape and (
                len(step.outputs) < GROUP_OUTPUTS
            ):
                step.outputs.append(value)
                self.stored[value] = number
                return
        self.steps.append(Group(len(self.steps), shape, [value]))
        self.stored[value] = len(self.steps) - 1

    def _dependencies(self, value: Value) -> tuple[set[int], set[int]]:
        """Steps that a value reads: at its own index alone, and at other places."""
        elementwise: set[int] = set()
        other: set[int] = set()
        pending = [(value, True)]
        seen = set()
        while pending:
            current, same_place = pending.pop()
            if (current, same_place) in seen:
                continue
            seen.add((current, same_place))
            for source in current.node.inputs:
                pointwise = isinstance(current.node.opdef.lowering, Pointwise)
                kept = same_place and pointwise and source.shape.sizes == value.shape.sizes
                if source in self.stored:
                    aliased = source in self.aliases
                    (elementwise if kept and not aliased else other).add(self.stored[source])
                else:
                    pending.append((source, kept))
        return elementwise, other

    def _map_kernel(self, group: Group) -> Launch:
        outputs = group.outputs
        values = self._visited(outputs, group.number)
        merged = frame(group.shape, values, ()) if values is not None else None
        elements = Elements(lambda v: self._before(v, group.number), merged)
        sizes: Sequence[Dim] = merged.sizes if merged is not None else group.shape
        body = build_map(elements, outputs, sizes)
        return self._finish(elements, body, [v.node for v in outputs])

    def _visited(self, outputs: Iterable[Value], number: int) -> list[Value] | None:
        """All values that elementwise outputs touch; None if some are not at one place."""
        found: dict[Value, None] = {}
        pending = list(outputs)
        while pending:
            value = pending.pop()
            if value in found:
                continue
            found[value] = None
            if self._before(value, number):
                continue
            lowering = value.node.opdef.lowering
            if isinstance(lowering, Generate):
                if lowering.scalars:
                    return None
            elif isinstance(lowering, Pointwise):
                pending.extend(value.node.inputs)
            else:
                return None
        return list(found)

    # ---- other kernels ----------------------------------------------------------------------

    def _launch(self, node: Node) -> None:
        lowering = node.opdef.lowering
        original = node
        if isinstance(lowering, (Contraction, Window)):
            self._need(node.inputs)
        try:
            if isinstance(lowering, Contraction):
                node = self._packed(node)
            launch = self._build(node, len(self.steps))
            if isinstance(lowering, Reduce):
                self.steps.append(Reduction(len(self.steps), node))
                self.stored.update((v, len(self.steps) - 1) for v in node.outputs)
                return
        except (GraphflowError, TypeError, ValueError, AttributeError, IndexError) as error:
            self._need(node.inputs)
            self._host(original, f"its lowering needs known sizes ({error})")
            return
        self.steps.append(launch)
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)

    def _packed(self, node: Node) -> Node:
        """The contraction with operands laid out so that lanes read them contiguously."""
        copies, changed = packed_operands(node)
        for copy in copies:
            self._join_group(copy)
        return changed

    def _build(self, node: Node, number: int) -> Launch:
        lowering = node.opdef.lowering
        if isinstance(lowering, Reduce):
            return self._reduce(node, lowering, number)
        elements = Elements(lambda v: self._before(v, number))
        ctx = elements.context(node)
        if isinstance(lowering, Window):
            body = build_window(elements, node, lowering, ctx)
        elif isinstance(lowering, Contraction):
            body = build_contraction(elements, node, lowering, ctx)
        elif isinstance(lowering, Join):
            body = build_join(elements, node, lowering, ctx)
        elif isinstance(lowering, Scatter):
            body = build_scatter(elements, node, lowering, ctx)
        elif isinstance(lowering, Sizes):
            body = build_sizes(elements, node, lowering, ctx)
        else:
            raise NotCompilable(f"{node.opdef.name} has no kernel")
        return self._finish(elements, body, [node])

    def _reduce(self, node: Node, lowering: Reduce, number: int) -> Launch:
        x = node.inputs[0]
        axes = set(lowering.axes(Elements(lambda v: True).context(node)))
        shape = x.shape.sizes
        cuts = [a for a in range(1, len(shape)) if (a in axes) != (a - 1 in axes)]
        merged = self._reduce_frame(x, shape, cuts, number)
        elements = Elements(lambda v: self._before(v, number), merged)
        groups = merged.axes if merged is not None else tuple((a,) for a in range(len(shape)))
        sizes = merged.sizes if merged is not None else shape
        reduced = [k for k, g in enumerate(groups) if g[0] in axes]
        ctx = Elements.context(Elements(lambda v: True), node)
        body = build_reduce(elements, node, lowering, sizes, reduced, ctx)
        return self._finish(elements, body, [node])

    def _reduce_frame(
        self, x: Value, shape: tuple[Dim, ...], cuts: Sequence[int], number: int
    ) -> Frame | None:
        if self._before(x, number):
            return frame(shape, [x], cuts)
        values = self._visited([x], number)
        return frame(shape, values, cuts) if values is not None else None

    def _finish(
        self, elements: Elements, body: tuple, nodes: Sequence[Node]
    ) -> Launch:
        body = self.capabilities.expanded(body)
        kernel = Kernel(elements.buffer_parameters(), len(elements.sizes), body)
        return Launch(kernel, tuple(v for v, _ in elements.parameters), tuple(elements.sizes),
                      tuple(nodes))


def _larger(a: Value, c: Value) -> bool:
    return a.shape.rank != c.shape.rank or not all(
        x == y for x, y in zip(a.shape.sizes, c.shape.sizes))
