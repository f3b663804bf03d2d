"""Where the largest element of each window stands, and values moved to and from there.

The gradients of `max_pool` are made of them: one pass that finds positions, then a scatter (first
order) or a gather (second order), which are each other's gradients. A position is row · width +
column inside the window; among equal elements the first counts, and NaN is larger than all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.lowering import Gather, LoweringContext, Scatter, Sliding, Window
from graphflow.opdef import Attr, Infer, NotDifferentiable, OpDef, Sample, TensorType
from graphflow.ops.convolution_geometry import (
    channels_last,
    from_channels_last,
    split_layout,
    window_axes,
)
from graphflow.ops.declare import declare
from graphflow.ops.numerics import lowest
from graphflow.ops.pooling_windows import (
    CASES,
    POOL_ATTRS,
    VOLUME_CASES,
    VOLUME_POOL_ATTRS,
    case_arrays,
    out_shape,
    place_in_window,
    places,
    pool_axes,
    pool_extents,
    pool_source,
    pooled_shape,
    require_shape,
)
from graphflow.ops.precision import widened
from graphflow.shapes import TensorShape, unknown_shape

# ---- inference --------------------------------------------------------------------------------


def _position_type(c: Infer) -> list[TensorType]:
    return [TensorType(dt.int32, pooled_shape(c))]


def _scatter_type(c: Infer) -> list[TensorType]:
    require_shape(c, 1, c.shape(0))
    value = c.value(2)
    if value is None:
        return [TensorType(c.dtype(0), unknown_shape(len(c.attrs["data_format"])))]
    return [TensorType(c.dtype(0), TensorShape.of(value.tolist()))]


def _pick_type(c: Infer) -> list[TensorType]:
    pooled = pooled_shape(c)
    require_shape(c, 1, pooled)
    return [TensorType(c.dtype(0), pooled)]


# ---- references -------------------------------------------------------------------------------


def _position(input: np.ndarray, ksize: tuple[int, ...], **attrs: Any) -> np.ndarray:
    x = channels_last(input, attrs["data_format"])
    axes = pool_axes(x, ksize, attrs)
    largest = np.full(out_shape(x, axes), lowest(dt.as_dtype(x.dtype)), x.dtype)
    for _, outputs, inputs in places(axes):
        np.maximum(largest[outputs], x[inputs], out=largest[outputs])
    has_nan = bool((largest != largest).any())
    position = np.full(largest.shape, -1, np.int32)
    for number, outputs, inputs in reversed(list(places(axes))):  # so that the first one stays
        here = x[inputs] == largest[outputs]
        if has_nan:
            here |= x[inputs] != x[inputs]
        np.copyto(position[outputs], np.int32(number), where=here)
    return from_channels_last(position, attrs["data_format"])


@widened
def _scatter(
    grad: np.ndarray, position: np.ndarray, input_sizes: np.ndarray, ksize: tuple[int, ...],
    **attrs: Any,
) -> np.ndarray:
    g, where = (channels_last(a, attrs["data_format"]) for a in (grad, position))
    dx = np.zeros([int(d) for d in input_sizes], g.dtype)
    view = channels_last(dx, attrs["data_format"])
    for number, outputs, inputs in places(pool_axes(view, ksize, attrs)):
        view[inputs] += np.where(where[outputs] == number, g[outputs], g.dtype.type(0))
    return dx


def _pick(
    value: np.ndarray, position: np.ndarray, ksize: tuple[int, ...], **attrs: Any
) -> np.ndarray:
    x, where = (channels_last(a, attrs["data_format"]) for a in (value, position))
    out = np.zeros(where.shape, x.dtype)
    for number, outputs, inputs in places(pool_axes(x, ksize, attrs)):
        np.copyto(out[outputs], x[inputs], where=where[outputs] == number)
    return from_channels_last(out, attrs["data_format"])


# ---- lowerings --------------------------------------------------------------------------------


def _later_is_larger(b: Any, left: tuple, right: tuple) -> tuple:
    """The earlier of two (element, position) unless the later is larger, or the first NaN."""
    is_nan = right[0].dtype.is_floating
    larger = b.gt(right[0], left[0])
    if is_nan:
        larger |= b.ne(right[0], right[0]) & b.eq(left[0], left[0])
    take = b.ge(right[1], 0) & (b.lt(left[1], 0) | larger)
    return tuple(b.select(take, later, earlier) for earlier, later in zip(left, right))


_POSITION_WINDOW = Window(
    extents=pool_extents, source=pool_source,
    init=lambda b, ctx: (b.const(lowest(ctx.in_dtypes[0]), ctx.in_dtypes[0]),
                         b.const(-1, dt.int32)),
    lift=lambda b, x, position, ctx: (x, b.cast(position, dt.int32)),
    combine=_later_is_larger,
    finish=lambda b, best, count, ctx: (best[1],))


def _scatter_target(index: tuple, load: Any, ctx: LoweringContext) -> tuple:
    return place_in_window(index, load(1, index), ctx.out_shapes[0], ctx)


def _windows(ctx: LoweringContext) -> Sliding:
    data_format = ctx.attrs["data_format"]
    _, *sizes, _ = split_layout(ctx.out_shapes[0], data_format)
    axes = window_axes(sizes, ctx.attrs["ksize"], ctx.attrs)
    return Sliding("image", axes, data_format[-1] == "C", 1)


def _pick_source(index: tuple, load: Any, ctx: LoweringContext) -> tuple:
    return place_in_window(index, load(1, index), ctx.in_shapes[0], ctx)


# ---- declarations -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Positions:
    """The three ops of one number of spatial axes."""

    position: OpDef
    scatter: OpDef
    pick: OpDef


def declare_positions(
    names: tuple[str, str, str], schema: dict[str, Attr], cases: list[tuple],
    more: Callable[[], list[Sample]] = list,
) -> Positions:
    """The ops that find positions, scatter to them and pick from them.

    cases: (image sizes with channels last, attributes); `more` samples are of the first op.
    """
    made: list[Positions] = []

    def arrays() -> list[tuple]:
        return [case_arrays(case, schema) for case in cases]

    def positions(x: np.ndarray, attrs: dict[str, Any]) -> np.ndarray:
        return _position(x, **{**{k: a.default for k, a in schema.items()}, **attrs})

    def scatter_gradient(F: Any, op: Any, gg: Any) -> list[Any]:
        return [apply(made[0].pick, (gg, op.inputs[1]), op.attrs), None, None]

    def pick_gradient(F: Any, op: Any, g: Any) -> list[Any]:
        value, position = op.inputs
        return [apply(made[0].scatter, (g, position, F.shape(value)), op.attrs), None]

    made.append(Positions(
        declare(
            names[0], "input: T", attrs=schema, infer=_position_type, reference=_position,
            grad=NotDifferentiable("positions are integers"), lowering=_POSITION_WINDOW, depth=2,
            samples=lambda: [*(Sample((x,), attrs, grad=False) for x, _, attrs in arrays()),
                             *more()],
            T=dt.REALS),
        declare(
            names[1], "grad: T, position: int32, input_sizes: I", attrs=schema, depth=2,
            infer=_scatter_type, reference=_scatter, grad=scatter_gradient,
            lowering=Scatter(
                target=_scatter_target, updates=0, combine="add", initial=lambda ctx: 0,
                keep=lambda index, load, ctx: load(1, index) >= 0, skips_outside=True,
                windows=_windows),
            samples=lambda: [
                Sample((g, positions(x, attrs), np.array(x.shape, np.int32)), attrs)
                for x, g, attrs in arrays()], T=dt.FLOATS, I=dt.INDICES),
        declare(
            names[2], "value: T, position: int32", attrs=schema, infer=_pick_type, depth=2,
            reference=_pick, grad=pick_gradient, lowering=Gather(_pick_source),
            samples=lambda: [Sample((x[..., ::-1], positions(x, attrs)), attrs)
                             for x, _, attrs in arrays()], T=dt.FLOATS)))
    return made[0]


def _ties() -> list[Sample]:
    ties = np.array([[1.0, 1.0, 2.0, 2.0], [1.0, 0.0, 3.0, 3.0]]).reshape(1, 2, 4, 1)
    return [Sample((ties,), CASES[0][1], grad=False)]


IMAGE_POSITIONS = declare_positions(
    ("MaxPoolPosition", "MaxPoolScatter", "MaxPoolPick"), POOL_ATTRS, CASES, _ties)

VOLUME_POSITIONS = declare_positions(
    ("MaxPool3DPosition", "MaxPool3DScatter", "MaxPool3DPick"), VOLUME_POOL_ATTRS, VOLUME_CASES)
