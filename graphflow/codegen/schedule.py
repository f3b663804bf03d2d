"""Scheduling: a Program becomes a list of kernel launches and host steps.

Decides which values are stored and which are computed where they are used (fusion), and groups
elementwise outputs of one index space into one kernel. Input: an optimised Program. Output: a
`Schedule`, whose steps in order compute everything; sizes are still symbolic.

A value is stored if it leaves the program, feeds a step that wants it in memory, or would cost
more to compute again than to keep. Values that only rename memory (a reshape) are aliases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphflow.codegen.capabilities import Capabilities
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
from graphflow.dims import Dim
from graphflow.errors import GraphflowError
from graphflow.loop_ir.nest import Kernel
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
    """Steps in order; aliases: value → the value whose memory it is."""

    steps: list[Launch | HostStep]
    aliases: dict[Value, Value]
    stored: list[Value]


@dataclass(slots=True)
class _Group:
    """An elementwise kernel under construction."""

    shape: tuple[Dim, ...]
    outputs: list[Value] = field(default_factory=list)


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
        self.steps: list[_Group | Launch | HostStep] = []

    def schedule(self) -> Schedule:
        """The schedule."""
        for node in self.program.nodes:
            self._place(node)
        steps = [self._map_kernel(s) if isinstance(s, _Group) else s for s in self.steps]
        return Schedule(steps, self.aliases, list(self.stored))

    # ---- where each node goes ---------------------------------------------------------------

    def _place(self, node: Node) -> None:
        lowering = node.opdef.lowering
        if self.capabilities.is_leaf(node):
            self.stored.update((v, -1) for v in node.outputs)
            return
        reason = self.capabilities.complaint(node)
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

    def _alias(self, value: Value, source: Value) -> None:
        self.aliases[value] = self.aliases.get(source, source)
        self.stored[value] = self.stored[source]

    def _need(self, values: Iterable[Value]) -> None:
        """Stores values that a step wants in memory."""
        for value in values:
            if value not in self.stored and not self._is_scalar_constant(value):
                self._join_group(value)

    def _is_scalar_constant(self, value: Value) -> bool:
        return False

    def _host(self, node: Node, reason: str) -> None:
        self.steps.append(HostStep(node, reason))
        self.stored.update((v, len(self.steps) - 1) for v in node.outputs)

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
            if isinstance(step, _Group) and step.shape == shape and (
                len(step.outputs) < GROUP_OUTPUTS
            ):
                step.outputs.append(value)
                self.stored[value] = number
                return
        self.steps.append(_Group(shape, [value]))
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

    def _map_kernel(self, group: _Group) -> Launch:
        outputs = group.outputs
        own = set(outputs)
        values = self._visited(outputs, own)
        merged = frame(group.shape, values, ()) if values is not None else None
        elements = Elements(lambda v: v in self.stored and v not in own, merged)
        sizes: Sequence[Dim] = merged.sizes if merged is not None else group.shape
        body = build_map(elements, outputs, sizes)
        return self._finish(elements, body, [v.node for v in outputs])

    def _visited(self, outputs: Iterable[Value], own: set[Value]) -> list[Value] | None:
        """All values that elementwise outputs touch; None if some are not at one place."""
        found: dict[Value, None] = {}
        pending = list(outputs)
        while pending:
            value = pending.pop()
            if value in found:
                continue
            found[value] = None
            if value in self.stored and value not in own:
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
            launch = self._build(node)
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

    def _build(self, node: Node) -> Launch:
        lowering = node.opdef.lowering
        if isinstance(lowering, Reduce):
            return self._reduce(node, lowering)
        elements = Elements(lambda v: v in self.stored)
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

    def _reduce(self, node: Node, lowering: Reduce) -> Launch:
        x = node.inputs[0]
        axes = set(lowering.axes(Elements(lambda v: True).context(node)))
        shape = x.shape.sizes
        cuts = [a for a in range(1, len(shape)) if (a in axes) != (a - 1 in axes)]
        merged = self._reduce_frame(x, shape, cuts)
        elements = Elements(lambda v: v in self.stored, merged)
        groups = merged.axes if merged is not None else tuple((a,) for a in range(len(shape)))
        sizes = merged.sizes if merged is not None else shape
        reduced = [k for k, g in enumerate(groups) if g[0] in axes]
        ctx = Elements.context(Elements(lambda v: True), node)
        body = build_reduce(elements, node, lowering, sizes, reduced, ctx)
        return self._finish(elements, body, [node])

    def _reduce_frame(
        self, x: Value, shape: tuple[Dim, ...], cuts: Sequence[int]
    ) -> Frame | None:
        if x in self.stored:
            return frame(shape, [x], cuts)
        values = self._visited([x], set())
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
