"""Launches: kernels built for what a scheduler has decided to compute, each form once.

Input: nodes, groups of elementwise outputs, groups over rows, products with what is fused to them.
Output: a `Launch` each: loop IR, and the values and sizes that it is called with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from graphflow.codegen.attention import build_attention
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.channels import ChannelGroup, build_channels, channels_of, in_any_order
from graphflow.codegen.contraction import build_contraction
from graphflow.codegen.cumulative import build_cumulative
from graphflow.codegen.elements import Elements, NotCompilable
from graphflow.codegen.epilogues import Product, build_product
from graphflow.codegen.frames import Frame, frame
from graphflow.codegen.in_place import reusable, updating
from graphflow.codegen.joined import JoinedMap, build_joined_map
from graphflow.codegen.library import LibraryKernel, memory
from graphflow.codegen.nests import (
    build_join,
    build_map,
    build_scatter,
    build_window,
)
from graphflow.codegen.pool_gradient import build_pool_gradient
from graphflow.codegen.reading import read_inputs
from graphflow.codegen.reductions import build_reduction
from graphflow.codegen.repeats import Form, Repeats
from graphflow.codegen.rows import Group, Reduction, RowGroup, build_rows, row_frame
from graphflow.codegen.settings import current_settings
from graphflow.codegen.steps import Launch, Update
from graphflow.codegen.told import draws
from graphflow.dims import Dim
from graphflow.loop_ir.nest import Kernel
from graphflow.loop_ir.split_complex import split_complex
from graphflow.lowering import (
    Composite,
    Contraction,
    Cumulative,
    Generate,
    Join,
    Pointwise,
    Reduce,
    Scatter,
    Sizes,
    Window,
)
from graphflow.program import Node, Value


class Launches:
    """Builds launches.

    draws: whether the program draws random numbers.

    Attributes:
      contraction, reduction: what builds the nests of these kinds.
      aliases: value → the value whose memory it is.
      stored: the values that have memory, each with the step that computes it.
    """

    contraction = staticmethod(build_contraction)
    reduction = staticmethod(build_reduction)
    cumulative = staticmethod(build_cumulative)

    def __init__(self, capabilities: Capabilities, draws: bool) -> None:
        self.capabilities = capabilities
        self.aliases: dict[Value, Value] = {}
        self.stored: dict[Value, int] = {}
        self.repeats = Repeats(lambda v: memory(v.dtype, v.shape.sizes[0]))
        self._draws = draws

    def _before(self, value: Value, number: int) -> bool:
        """True if step `number` finds the value in memory."""
        return self.stored.get(value, number) < number

    def _root(self, value: Value) -> Value:
        return self.aliases.get(value, value)

    def _read_by(self, step: Group | Reduction) -> list[Value]:
        """The stored values that a step's expressions end in."""
        pending = [i for v in step.outputs for i in read_inputs(v.node)]
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
                pending.extend(read_inputs(value.node))
        return list(found)

    def _row_kernel(self, group: RowGroup) -> Launch:
        current = [0]

        def begin(member: Group | Reduction) -> None:
            current[0] = member.number

        elements = Elements(lambda v: self._before(v, current[0]), row_frame(group))
        elements.private |= {v for v in group.patterns if self._root(v) in group.local}
        body = build_rows(elements, group, begin)
        return self._finish(elements, body, [v.node for m in group.members for v in m.outputs])

    def _joined_kernel(self, joined: JoinedMap) -> Launch:
        inside = {*joined.outputs, *joined.inside}

        def in_memory(value: Value) -> bool:
            return self._before(value, joined.number) and self._root(value) not in inside

        elements = Elements(in_memory)
        body = build_joined_map(elements, joined)
        nodes = [*(v.node for v in joined.outputs), joined.node]
        return self._finish(elements, body, nodes)

    def _channel_kernel(self, group: ChannelGroup) -> Launch:
        nodes = [m.node for m in group.members]
        form = Form(self._root)
        form.note("channels")
        form.add([v for node in nodes for v in node.outputs],
                 partial(self._before, number=group.number))

        def build() -> Launch:
            merged = self._channel_frame(group.members)
            assert merged is not None  # else they are no group
            rows, channels = merged.sizes
            assert isinstance(channels, int)
            elements = Elements(lambda v: self._before(v, group.number), merged)
            body = build_channels(elements, nodes, (rows, channels))
            return self._finish(elements, body, nodes)

        return self.repeats.launch(form, nodes, build)

    def _channel_frame(self, members: Sequence[Reduction]) -> Frame | None:
        """Rows and channels, if one kernel can compute these reductions to channels."""
        number, shape = members[0].number, members[0].node.inputs[0].shape.sizes
        visited: dict[Value, None] = {}
        for node in (m.node for m in members):
            x, found = node.inputs[0], None
            if x.shape.sizes == shape and self._reduced(node) == (*range(len(shape) - 1),) and (
                    in_any_order(node)):
                found = [x] if self._before(x, number) else self._visited([x], number)
            if found is None:
                return None
            visited |= dict.fromkeys(found)
        merged = frame(shape, visited, [len(shape) - 1])
        return merged if merged and channels_of(merged.sizes, [0]) else None

    def _reduced(self, node: Node) -> tuple[int, ...]:
        lowering = node.opdef.lowering
        assert isinstance(lowering, Reduce)
        return tuple(lowering.axes(Elements(lambda v: True).context(node)))

    def _product_kernel(self, host: Product) -> Launch:
        nodes = [host.node, *(v.node for p in host.parts for v in p.group.outputs)]

        def build() -> Launch:
            elements = Elements(lambda v: self._before(v, host.number))
            body = build_product(elements, host, self._before, self.contraction)
            return self._finish(elements, body, nodes, once=True)

        form = self._form_of(host.node, host.number)
        for p in host.parts:
            form.add(p.group.outputs, partial(self._before, number=p.group.number))
        form.note("product", host.kept, *(p.axes for p in host.parts))
        return self._best(form, nodes, build)

    def _best(self, form: Form, nodes: Sequence[Node], build: Callable[[], Launch]) -> Launch:
        """The launch of a contraction that stays, built in the best way that is known."""
        tuner = current_settings().tuner
        if tuner is None:
            return self.repeats.launch(form, nodes, build)
        form.note("autotune")
        return self.repeats.launch(form, nodes, lambda: tuner.best(build))

    def _measured(self, node: Node, number: int, launch: Launch) -> Launch:
        """The launch of a contraction without an epilogue; `launch` was built as models say."""
        if current_settings().tuner is None:
            return launch
        return self._best(self._form_of(node, number), [node],
                          lambda: self._new_kernel(node, number))

    def _form_of(self, node: Node, number: int) -> Form:
        """What step `number` computes for a node; for a packed product, with what it reads."""
        form = Form(self._root)
        form.add(node.outputs, partial(self._before, number=number))
        if node.outputs[0].node is not node:
            form.read(node.inputs)
            form.note(*(v.node.attrs.get("perm") if v is not source else None
                        for v, source in zip(node.inputs, node.outputs[0].node.inputs)))
        return form

    # ---- elementwise groups -----------------------------------------------------------------

    def _map_kernel(self, group: Group) -> Launch:
        form = Form(self._root, self._draws and self._tells_factors(group))
        form.note("map")
        form.add(group.outputs, partial(self._before, number=group.number))
        return self.repeats.launch(
            form, [v.node for v in group.outputs], lambda: self._new_map(group))

    def _new_map(self, group: Group) -> Launch:
        outputs = group.outputs
        values = self._visited(outputs, group.number)
        merged = frame(group.shape, values, ()) if values is not None else None
        elements = Elements(lambda v: self._before(v, group.number), merged)
        elements.tells_factors = self._draws and values is not None and draws(values)
        sizes: Sequence[Dim] = merged.sizes if merged is not None else group.shape
        body = build_map(elements, outputs, sizes)
        return self._finish(elements, body, [v.node for v in outputs])

    def _tells_factors(self, group: Group) -> bool:
        """True if the numbers that scale what the group draws are no part of its kernel's code."""
        values = self._visited(group.outputs, group.number)
        return values is not None and draws(values)

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
                pending.extend(value.node.inputs[k] for k in lowering.scalars)
            elif isinstance(lowering, Sizes):
                continue
            elif isinstance(lowering, Pointwise):
                pending.extend(value.node.inputs)
            else:
                return None
        return list(found)

    # ---- single nodes -----------------------------------------------------------------------

    def _build(self, node: Node, number: int) -> Launch:
        if not isinstance(node.opdef.lowering, (Contraction, Reduce, Window)):
            return self._new_kernel(node, number)
        return self.repeats.launch(
            self._form_of(node, number), [node], lambda: self._new_kernel(node, number))

    def _new_kernel(self, node: Node, number: int) -> Launch:
        lowering = node.opdef.lowering
        if isinstance(lowering, Reduce):
            return self._reduce(node, lowering, number)
        if isinstance(lowering, Cumulative):
            return self._cumulative(node, lowering, number)
        elements = Elements(lambda v: self._before(v, number))
        ctx = elements.context(node)
        if isinstance(lowering, Window):
            body = build_window(elements, node, lowering, ctx)
        elif isinstance(lowering, Contraction):
            body = self.contraction(elements, node, lowering, ctx)
        elif isinstance(lowering, Join):
            body = build_join(elements, node, lowering, ctx)
        elif isinstance(lowering, Scatter):
            pooled = build_pool_gradient(elements, node, lowering)
            body = build_scatter(elements, node, lowering, ctx) if pooled is None else pooled
            return self._updating(self._finish(elements, body, [node]), node, lowering)
        elif isinstance(lowering, Composite):
            body = build_attention(elements, node)
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
        body = self.reduction(elements, node, lowering, sizes, reduced)
        return self._finish(elements, body, [node])

    def _cumulative(self, node: Node, lowering: Cumulative, number: int) -> Launch:
        ctx = Elements(lambda v: True).context(node)
        axis, shape = lowering.axis(ctx), node.inputs[0].shape.sizes
        values = self._visited(node.inputs, number)
        merged = frame(shape, values, (axis, axis + 1)) if values is not None else None
        elements = Elements(lambda v: self._before(v, number), merged)
        groups = merged.axes if merged is not None else tuple((a,) for a in range(len(shape)))
        sizes = merged.sizes if merged is not None else shape
        body = self.cumulative(elements, node, lowering, sizes, groups.index((axis,)), ctx)
        return self._finish(elements, body, [node])

    def _reduce_frame(
        self, x: Value, shape: tuple[Dim, ...], cuts: Sequence[int], number: int
    ) -> Frame | None:
        if self._before(x, number):
            return frame(shape, [x], cuts)
        values = self._visited([x], number)
        return frame(shape, values, cuts) if values is not None else None

    def _updating(self, launch: Launch, node: Node, lowering: Scatter) -> Launch:
        """The launch of a scatter, with what it is in place."""
        if lowering.base is None or isinstance(launch.kernel, LibraryKernel):
            return launch
        base = self._root(node.inputs[lowering.base])
        for k, value in enumerate(launch.buffers):
            if self._root(value) is base and not launch.kernel.buffers[k].written:
                written = launch.buffers.index(node.outputs[0])
                kernel = updating(launch.kernel, written, k)
                if kernel is not None:
                    launch.update = Update(kernel, (written, k))
        return launch

    def _finish(
        self, elements: Elements, body: tuple, nodes: Sequence[Node], once: bool = False
    ) -> Launch:
        kernel = split_complex(Kernel(elements.buffer_parameters(), len(elements.sizes), body))
        kernel = replace(kernel, body=self.capabilities.expanded(kernel.body))
        return Launch(kernel, tuple(v for v, _ in elements.parameters), tuple(elements.sizes),
                      tuple(nodes), reusable(kernel, once))
