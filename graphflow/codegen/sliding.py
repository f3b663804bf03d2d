"""Convolutions whose sizes are known get kernels of their own; others are plain contractions.

A convolution of images with channels last, whose spatial sizes and channels are known, is computed
by `convolution_tiles`, as is the gradient of its image.
"""

from __future__ import annotations

from typing import Any

from graphflow.codegen.convolution_tiles import ConvolutionTiles, Finish, Plan
from graphflow.codegen.depthwise_tiles import DepthwiseTiles, depthwise_fits
from graphflow.codegen.elements import Elements
from graphflow.codegen.filter_gradient import FilterGradient
from graphflow.codegen.filter_tiling import FilterPlan
from graphflow.codegen.linear_offsets import with_linear_offsets
from graphflow.codegen.narrow_tiles import NarrowTiles, narrow_fits
from graphflow.codegen.phases import adjoint_phases, forward_phases
from graphflow.codegen.processor import vector_bytes
from graphflow.dtypes import float32
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import Statement, Store
from graphflow.lowering import Contraction, Sliding
from graphflow.program import Node, Value

Body = tuple[Statement, ...]
LEAST_ROWS = 4  # along the last axis: with fewer, what is loaded of the filter is used too seldom


def slides(node: Node) -> bool:
    """True if a contraction is computed as a convolution, which copies its filter itself."""
    return _planned(node) is not None or _filter_plan(node) is not None


def sums_slabs(node: Node) -> bool:
    """True for the gradient of a filter that is built here: its sums do not stay in registers."""
    return _filter_plan(node) is not None


def build_sliding(e: Elements, node: Node, finish: Finish | None) -> Body | None:
    """The statements of a convolution; None if it is computed as a plain contraction.

    finish: gives what is stored for a sum at a place; None: the sum.
    """
    if not all(e.is_stored(v) for v in node.inputs[:2]):
        return None
    by_filter = _filter_plan(node)
    if by_filter is not None and finish is None:
        e.sizes_are_constants = True
        return with_linear_offsets(FilterGradient(e, by_filter).body())
    plan = _planned(node)
    if plan is None:
        return None
    out = node.outputs[0]

    def store(place: tuple[Any, ...], total: Any) -> Body:
        return (Store(e.buffer(out, written=True), e.offset(out, place), total),)

    def rounded(place: tuple[Any, ...], total: Any) -> Body:
        return (finish or store)(place, b.cast(total, out.dtype))

    batch = e.size(out.shape.sizes[0])
    e.sizes_are_constants = True
    if plan.depthwise:
        return with_linear_offsets(DepthwiseTiles(e, plan, batch, rounded).body())
    if narrow_fits(plan, _lanes(plan)):
        return with_linear_offsets(NarrowTiles(e, plan, batch, rounded).body())
    tiles = ConvolutionTiles(e, plan, _lanes(plan), batch, rounded)
    return with_linear_offsets(tiles.body())


def _planned(node: Node) -> Plan | None:
    sliding = _sliding(node)
    if sliding is None or sliding.role == "filter":
        return None
    plan = _plan(node, sliding)
    if plan.depthwise:
        return plan if depthwise_fits(plan) else None
    few = any(p.count < LEAST_ROWS for p in plan.phases[-1])
    return None if few or plan.tiling(_lanes(plan)) is None else plan


def _filter_plan(node: Node) -> FilterPlan | None:
    sliding = _sliding(node)
    if sliding is None or sliding.role != "filter":
        return None
    image, grad = node.inputs[:2]
    return FilterPlan(
        image, grad, node.outputs[0], sliding.axes, image.shape.sizes[0], _known(image)[-1],
        _known(grad)[-1], vector_bytes() // image.dtype.size)


def _sliding(node: Node) -> Sliding | None:
    """How a node's windows slide, if it is a convolution of the kind that is built here."""
    lowering = node.opdef.lowering
    assert isinstance(lowering, Contraction)
    values = (*node.inputs[:2], node.outputs[0])
    kind = values[0].dtype
    stored = values[2].dtype
    if lowering.sliding is None or vector_bytes() < 32 or not (
            stored is kind or (kind is float32 and stored.name in ("float16", "bfloat16"))):
        return None
    if not all(kind.name in ("float32", "float64") and (v.dtype is kind or v is values[2])
               and all(_is_known(d) for d in v.shape.sizes[1:]) for v in values):
        return None
    sliding = lowering.sliding(Elements(lambda v: True).context(node))
    windows = {"output": 1, "image": 1, "filter": 2}[sliding.role]
    if not sliding.channels_last or not _is_known(values[windows].shape.sizes[0]):
        return None
    return sliding if isinstance(sliding.groups, int) and (
        sliding.groups == 1 or sliding.role != "filter") else None


def _is_known(size: Any) -> bool:
    return isinstance(size, int) and size > 0


def _plan(node: Node, sliding: Sliding) -> Plan:
    image, filter = node.inputs[:2]
    *spatial, terms = _known(image)
    turned = sliding.role == "image"
    phases = tuple(map(adjoint_phases if turned else forward_phases, sliding.axes))
    window = tuple(a.window for a in sliding.axes)
    columns = _known(node.outputs[0])[-1]
    return Plan(image, filter, turned, phases, tuple(spatial), window, terms, columns,
                sliding.groups, 1 < sliding.groups == terms == columns)


def _known(value: Value) -> list[int]:
    """All sizes but the first."""
    return [d for d in value.shape.sizes[1:] if isinstance(d, int)]


def _lanes(plan: Plan) -> int:
    return vector_bytes() // plan.image.dtype.size
