"""Batch normalisation: fused over images, and from given moments for tensors of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dims import same
from graphflow.errors import DTypeError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.convolution_geometry import LAYOUTS, image_sizes
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, widen
from graphflow.ops.scope import scope
from graphflow.ops.shape_ops import size_over
from graphflow.shapes import TensorShape

_ATTRS = {
    "epsilon": Attr("float", 0.001),
    "data_format": Attr("str", "NHWC", choices=tuple(LAYOUTS)),
    "is_training": Attr("bool", True),
}


# ---- inference --------------------------------------------------------------------------------


def _infer(c: Infer) -> list[TensorType]:
    wide = accumulator(c.dtype(0))
    if c.dtype(1) is not wide:
        raise c.error(f"scale, offset, mean and variance must be {wide.name} for x of "
                      f"{c.dtype(0).name}, got {c.dtype(1).name}",
                      f"Use gf.cast(…, gf.{wide.name}).", DTypeError)
    channels = image_sizes(c, 0)[3]
    for i in (1, 2):
        if c.require_rank(i, 1) is not None:
            channels = c.require_same(
                channels, c.shape(i).sizes[0],
                f"{c.arg_name(i)} must have one element per channel: {c.show(0)}, {c.show(i)} "
                f"(data_format {c.attrs['data_format']!r})")
    for i in (3, 4):
        if c.require_rank(i, 1) is not None:
            _check_moments(c, i, channels)
    per_channel = TensorType(c.dtype(1), TensorShape.of((channels,)))
    return [TensorType(c.dtype(0), c.shape(0)), per_channel, per_channel]


def _check_moments(c: Infer, i: int, channels: Any) -> None:
    size = c.shape(i).sizes[0]
    if c.attrs["is_training"]:
        if same(size, 0) is False:
            raise c.error(f"{c.arg_name(i)} must be empty in training, which computes it: "
                          f"{c.show(i)}", "Leave mean and variance out, or is_training=False.")
    elif same(size, channels) is False:
        raise c.error(f"{c.arg_name(i)} must have one element per channel for is_training=False: "
                      f"{c.show(0)}, {c.show(i)}", "Give the moving averages.")


def _reduced_axes(data_format: str) -> tuple[int, int, int]:
    return LAYOUTS[data_format][:3]


def _channel_shape(data_format: str) -> tuple[int, ...]:
    """The shape in which a vector stands along the channel axis."""
    return (-1, 1, 1) if data_format == "NCHW" else (-1,)


# ---- computation ------------------------------------------------------------------------------


def _reference(
    x: np.ndarray, scale: np.ndarray, offset: np.ndarray, mean: np.ndarray, variance: np.ndarray,
    epsilon: float, data_format: str, is_training: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wide, axes, shape = widen(x), _reduced_axes(data_format), _channel_shape(data_format)
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    with np.errstate(all="ignore"):
        if is_training:
            divisor = scale.dtype.type(count)
            mean = np.add.reduce(wide, axis=axes) / divisor
            centred = wide - mean.reshape(shape)
            population = np.add.reduce(np.square(centred), axis=axes) / divisor
            variance = population * scale.dtype.type(count / max(count - 1, 1))
        else:
            population = variance
            centred = wide - mean.reshape(shape)
        slope = scale / np.sqrt(population + scale.dtype.type(epsilon))
        centred *= slope.reshape(shape)
        centred += offset.reshape(shape)
    return (centred.astype(x.dtype, copy=False), np.array(mean, copy=True),
            np.array(variance, copy=True))


def _expand(
    F: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float,
    data_format: str, is_training: bool,
) -> Any:
    axes, shape = _reduced_axes(data_format), _channel_shape(data_format)
    wide = F.cast(x, scale.dtype)
    population = variance
    if is_training:
        mean, population = F.moments(wide, axes)
        factor, _ = _bessel(F, x, axes, scale.dtype)
        variance = population * factor
    slope = scale * F.rsqrt(population + epsilon)
    y = (wide - F.reshape(mean, shape)) * F.reshape(slope, shape) + F.reshape(offset, shape)
    return F.cast(y, x.dtype), F.identity(mean), F.identity(variance)


def _bessel(F: Any, x: Any, axes: tuple, dtype: Any) -> tuple[Any, Any]:
    """(n / max(n − 1, 1), n) for n elements per channel, n at least 1."""
    count = size_over(x, axes)
    if isinstance(count, int):
        n = max(count, 1)
        return n / max(n - 1, 1), n
    n = F.maximum(F.cast(count, dtype), 1)
    return n / F.maximum(n - 1, 1), n


def _grad(F: Any, op: Any, gy: Any, g_mean: Any, g_variance: Any) -> list[Any]:
    """∂x = a·gy + b·(x − mean) + c with one a, b, c per channel, so that x is read twice only.

    In training the mean and variance are functions of x, and their outputs pass gradients too.
    """
    x, scale, _, mean, variance = op.inputs
    axes, shape = (f(op.attrs["data_format"]) for f in (_reduced_axes, _channel_shape))
    training = op.attrs["is_training"]
    if training:
        factor, n = _bessel(F, x, axes, scale.dtype)
        mean, variance = op.outputs[1], op.outputs[2] / factor
    wide, gy = F.cast(x, scale.dtype), F.cast(gy, scale.dtype)
    centred = wide - F.reshape(mean, shape)
    inverse = F.rsqrt(variance + op.attrs["epsilon"])
    slope = scale * inverse
    sum_g, sum_gx = F.reduce_sum(gy, axes), F.reduce_sum(gy * centred, axes)
    dx = gy * F.reshape(slope, shape)
    curvature = slope * F.square(inverse) * sum_gx
    g_mean_in = g_mean - slope * sum_g
    if not training:
        return [F.cast(dx, x.dtype), sum_gx * inverse, sum_g, g_mean_in,
                g_variance - curvature / 2]
    b = (2 * factor * g_variance - curvature) / n
    dx = dx + centred * F.reshape(b, shape) + F.reshape(g_mean_in / n, shape)
    return [F.cast(dx, x.dtype), sum_gx * inverse, sum_g, None, None]


# ---- declaration ------------------------------------------------------------------------------


def _samples() -> list[Sample]:
    x = np.random.default_rng(3).normal(size=(2, 3, 2, 2)) * 2 + 1
    two, three = np.array([1.5, -0.5]), np.array([0.5, 2.0, -1.0])
    none = np.zeros(0)
    moments = (np.array([0.5, -1.0]), np.array([2.0, 0.25]))
    both = (dt.float32, dt.float64)
    single = [np.array(v, np.float32) for v in (two, two, none, none)]
    return [
        Sample((x, two, two[::-1], none, none), {}, both),
        Sample((x, three, three[::-1], none, none), {"data_format": "NCHW", "epsilon": 0.1},
               both),
        Sample((x, two, two[::-1], *moments), {"is_training": False}, both),
        Sample((x[:1, :1, :1], two, two, none, none), {}, both, grad=False),
        Sample((x, *single), {}, (dt.float16, dt.bfloat16), grad=False),
        Sample((np.zeros((0, 3, 2, 2)), two, two, *moments), {"is_training": False}, both),
    ]


def _errors() -> list[ErrorSample]:
    x, per_channel = typed(dt.float32, 2, 4, 4, 3), typed(dt.float32, 3)
    none, five = typed(dt.float32, 0), typed(dt.float32, 5)
    return [
        ErrorSample((x, five, per_channel, none, none), {}, ShapeError,
                    r"scale must have one element per channel: x \[2, 4, 4, 3\], scale \[5\]"),
        ErrorSample((x, per_channel, per_channel, none, none), {"is_training": False},
                    ShapeError, "mean must have one element per channel for is_training=False"),
        ErrorSample((x, per_channel, per_channel, per_channel, per_channel), {}, ShapeError,
                    "mean must be empty in training"),
        ErrorSample((typed(dt.float32, 4, 3), per_channel, per_channel, none, none), {},
                    ShapeError, r"x must have rank 4 .*got x \[4, 3\]"),
        ErrorSample((typed(dt.float16, 2, 4, 4, 3), *[typed(dt.float64, 3)] * 2,
                     *[typed(dt.float64, 0)] * 2), {}, DTypeError, "must be float32 for x of"),
    ]


FUSED_BATCH_NORM = declare(
    "FusedBatchNormV3", "x: T, scale: U, offset: U, mean: U, variance: U", attrs=_ATTRS,
    infer=_infer, reference=_reference, grad=_grad, lowering=Composite(_expand),
    samples=_samples, errors=_errors, T=dt.FLOATS, U=(dt.float32, dt.float64))


# ---- public functions -------------------------------------------------------------------------


@op_function
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> tuple[Any, Any, Any]:
    """(y, mean, variance): y = (x − mean) / √(variance + ε) · scale + offset, per channel.

    x: floats [batch, height, width, channels] ("NHWC") or [batch, channels, height, width]
      ("NCHW"); scale, offset, mean, variance: [channels], float32 (float64 for x of float64).
    is_training: the moments are those of the batch, and are returned, the variance with Bessel's
      correction n / (n − 1); otherwise they are the given `mean` and `variance`.
    epsilon: at least 1.001e-5, as in TensorFlow; smaller ones are raised to it.
    Raises ShapeError, DTypeError if ranks, sizes or dtypes do not fit, or if moments are given in
    training or missing outside it.
    """
    x = convert(x)
    wide = accumulator(x.dtype)
    moments = [np.zeros(0, wide.numpy) if v is None else v for v in (mean, variance)]
    attrs = {"epsilon": max(float(epsilon), 1.001e-5), "data_format": data_format,
             "is_training": bool(is_training)}
    return apply(FUSED_BATCH_NORM, (x, scale, offset, *moments), attrs, name=name)


@op_function
def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any,
    name: str | None = None,
) -> Any:
    """(x − mean) / √(variance + ε) · scale + offset for given moments.

    x: floats of any shape; mean, variance, offset, scale broadcast against it; offset and scale
    may be None. The moments of float16 or bfloat16 x may be float32. Raises ShapeError if the
    shapes cannot be broadcast, DTypeError if the dtypes do not fit.
    """
    with scope(name, "batchnorm") as outer:
        x = convert(x)
        mean, variance = convert(mean), convert(variance)
        slope = OPS.rsqrt(variance + variance_epsilon)
        if scale is not None:
            slope = slope * scale
        shift = -mean * slope if offset is None else offset - mean * slope
        return OPS.add(x * OPS.cast(slope, x.dtype), OPS.cast(shift, x.dtype), name=outer)
