"""`bias_add`: a vector added along the channel axis of a tensor of any rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import Dim, same
from graphflow.errors import DTypeError, ShapeError
from graphflow.lowering import Composite, Reduce
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, widen
from graphflow.shapes import TensorShape

_ATTRS = {"data_format": Attr("str", "NHWC", choices=("NHWC", "NCHW"))}


def _channel_axis(rank: int, data_format: str) -> int:
    return 1 if data_format == "NCHW" else rank - 1


def _channels(c: Infer) -> Dim | None:
    """The channels of input 0, None if its rank is unknown."""
    rank = c.require_rank(0, at_least=2)
    if rank is None:
        return None
    return c.shape(0).sizes[_channel_axis(rank, c.attrs["data_format"])]


def _infer(c: Infer) -> list[TensorType]:
    channels = _channels(c)
    rank = c.require_rank(1, 1)
    if rank is not None and channels is not None:
        size = c.shape(1).sizes[0]
        if same(size, channels) is False:
            fix = ""
            other = _channel_axis(len(c.shape(0)), "NCHW" if c.attrs["data_format"] == "NHWC"
                                  else "NHWC")
            if same(c.shape(0).sizes[other], size):
                fix = "Is data_format right?"
            raise c.error(f"bias has {size} elements, value has {channels} channels: {c.show(0)}, "
                          f"{c.show(1)} (data_format {c.attrs['data_format']!r})", fix)
    return [TensorType(c.dtype(0), c.shape(0))]


def _along_channels(rank: int, data_format: str) -> tuple[int, ...]:
    """The shape in which a vector stands along the channel axis."""
    axis = _channel_axis(rank, data_format)
    return (-1,) + (1,) * (rank - 1 - axis)


def _reference(value: np.ndarray, bias: np.ndarray, data_format: str) -> np.ndarray:
    if value.size == 0:
        return value.copy()
    return value + bias.reshape(_along_channels(value.ndim, data_format))


def _expand(F: Any, value: Any, bias: Any, data_format: str) -> Any:
    shape = _along_channels(value.shape.rank, data_format)
    return F.add(value, bias if len(shape) == 1 else F.reshape(bias, shape))


def _grad(F: Any, op: Any, g: Any) -> list[Any]:
    return [g, apply(BIAS_ADD_GRAD, (g,), op.attrs)]


def _sum_type(c: Infer) -> list[TensorType]:
    channels = _channels(c)
    return [TensorType(c.dtype(0), TensorShape([None]) if channels is None
                       else TensorShape.of((channels,)))]


def _sum_axes(rank: int, data_format: str) -> tuple[int, ...]:
    axis = _channel_axis(rank, data_format)
    return tuple(a for a in range(rank) if a != axis)


def _sum_reference(out_backprop: np.ndarray, data_format: str) -> np.ndarray:
    g = widen(out_backprop)
    total = np.add.reduce(g, axis=_sum_axes(g.ndim, data_format), dtype=g.dtype)
    return total.astype(out_backprop.dtype, copy=False)


def _sum_grad(F: Any, op: Any, gg: Any) -> list[Any]:
    return [apply(BIAS_ADD, (F.zeros_like(op.inputs[0]), gg), op.attrs)]


_SUM = Reduce(
    axes=lambda ctx: _sum_axes(len(ctx.in_shapes[0]), ctx.attrs["data_format"]),
    init=lambda b, ctx: (b.const(0, accumulator(ctx.in_dtypes[0])),),
    lift=lambda b, x, position, ctx: (b.cast(x, accumulator(ctx.in_dtypes[0])),),
    combine=lambda b, left, right: (left[0] + right[0],),
    finish=lambda b, total, count, ctx: (b.cast(total[0], ctx.out_dtypes[0]),))


def _samples() -> list[Sample]:
    x = np.arange(24, dtype=np.float64).reshape(2, 3, 2, 2) / 8 - 1
    bias = np.array([0.5, -1.0, 2.0])
    return [
        Sample((x, bias[:2])), Sample((x, bias), {"data_format": "NCHW"}),
        Sample((x[:, :, 0, 0], bias)), Sample((x[:, :, 0], bias), {"data_format": "NCHW"}),
        Sample((np.zeros((0, 3)), bias)), Sample((np.zeros((2, 0)), np.zeros(0))),
    ]


def _errors() -> list[ErrorSample]:
    return [
        ErrorSample((typed(dt.float32, 4, 5, 6, 3), typed(dt.float32, 5)), {}, ShapeError,
                    r"bias has 5 elements, value has 3 channels: value \[4, 5, 6, 3\]"
                    r".*Is data_format right\?"),
        ErrorSample((typed(dt.float32, 3), typed(dt.float32, 3)), {}, ShapeError,
                    "value must have rank at least 2"),
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.float32, 1, 3)), {}, ShapeError,
                    r"bias must have rank 1, got bias \[1, 3\]"),
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.float64, 3)), {}, DTypeError,
                    "same dtype"),
    ]


BIAS_ADD = declare(
    "BiasAdd", "value: T, bias: T", attrs=_ATTRS, infer=_infer, reference=_reference, grad=_grad,
    lowering=Composite(_expand), samples=_samples, errors=_errors, T=dt.NUMBERS)

BIAS_ADD_GRAD = declare(
    "BiasAddGrad", "out_backprop: T", attrs=_ATTRS, infer=_sum_type, reference=_sum_reference,
    grad=_sum_grad, lowering=_SUM, T=dt.NUMBERS,
    samples=lambda: [Sample(s.inputs[:1], s.attrs) for s in _samples()],
    errors=lambda: [ErrorSample((typed(dt.float32, 3),), {}, ShapeError, "rank at least 2")])


@op_function
def bias_add(
    value: Any, bias: Any, data_format: str | None = None, name: str | None = None
) -> Any:
    """value + bias, the vector `bias` standing along the channel axis.

    value: numbers of rank 2 or more; the channels are the last axis ("NHWC", the default, or any
    "N…C") or axis 1 ("NCHW", or any "NC…"). bias: [channels], of the same dtype.
    Raises ShapeError if bias is no vector of that size, AttributeValueError for another format.
    """
    given = data_format or "NHWC"
    if given.startswith("NC"):
        layout = "NCHW"
    elif given.startswith("N") and given.endswith("C"):
        layout = "NHWC"
    else:
        raise failure("BiasAdd", name, "data_format must be of the form N...C or NC..., got "
                                       f"{data_format!r}")
    return apply(BIAS_ADD, (value, bias), {"data_format": layout}, name=name)
