"""Local response normalisation: each channel divided by a power of its neighbours' squares.

Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
networks", 2012, section 3.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function, publish
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.precision import widened

_ATTRS = {"depth_radius": Attr("int", 5), "bias": Attr("float", 1.0),
          "alpha": Attr("float", 1.0), "beta": Attr("float", 0.5)}


def _infer(c: Infer) -> list[TensorType]:
    c.require_rank(0, 4)
    if c.attrs["depth_radius"] < 0:
        raise c.error(f"depth_radius must not be negative, got {c.attrs['depth_radius']}",
                      cls=AttributeValueError)
    return [TensorType(c.dtype(0), c.shape(0))]


@widened
def _reference(
    input: np.ndarray, depth_radius: int, bias: float, alpha: float, beta: float
) -> np.ndarray:
    channels = input.shape[-1]
    pads = [(0, 0)] * (input.ndim - 1) + [(depth_radius, depth_radius)]
    squares = np.pad(np.square(input), pads)
    total = np.zeros_like(input)
    for shift in range(2 * depth_radius + 1):
        total += squares[..., shift:shift + channels]
    kind = input.dtype.type
    return input * (kind(bias) + kind(alpha) * total) ** kind(-beta)


def _neighbours(F: Any, x: Any, radius: int) -> Any:
    """The sum of x over the channels at most `radius` away."""
    padded = F.pad(x, [(0, 0), (0, 0), (0, 0), (radius, radius)])
    channels = F.shape(x)[3]
    parts = [padded[..., shift:shift + channels] for shift in range(2 * radius + 1)]
    return F.add_n(parts) if len(parts) > 1 else parts[0]


def _expand(
    F: Any, x: Any, depth_radius: int, bias: float, alpha: float, beta: float
) -> Any:
    wide = F.cast(x, dt.float32) if x.dtype in (dt.float16, dt.bfloat16) else x
    norm = bias + alpha * _neighbours(F, F.square(wide), depth_radius)
    return F.cast(wide * F.pow(norm, -beta), x.dtype)


def _grad(F: Any, op: Any, g: Any) -> list[Any]:
    """∂x = g · n^−β − 2αβ · x · Σ over neighbours of g · x · n^(−β−1), n the norm."""
    x = op.inputs[0]
    radius, bias, alpha, beta = (op.attrs[k] for k in _ATTRS)
    norm = bias + alpha * _neighbours(F, F.square(x), radius)
    power = F.pow(norm, -beta)
    others = _neighbours(F, g * x * power / norm, radius)
    return [g * power - (2 * alpha * beta) * x * others]


def _samples() -> list[Sample]:
    x = np.random.default_rng(5).normal(size=(1, 2, 2, 5))
    return [
        Sample((x,)), Sample((x,), {"depth_radius": 1, "bias": 2.0, "alpha": 0.5, "beta": 0.75}),
        Sample((x[:, :1],), {"depth_radius": 0, "alpha": 0.25}),
        Sample((x[:0],), {"depth_radius": 2})]


LRN = declare(
    "LRN", "input: T", attrs=_ATTRS, infer=_infer, reference=_reference, grad=_grad,
    lowering=Composite(_expand), samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {}, ShapeError, "input must have rank 4"),
        ErrorSample((typed(dt.float32, 1, 1, 1, 3),), {"depth_radius": -1}, AttributeValueError,
                    "depth_radius must not be negative")],
    T=dt.FLOATS)


@op_function
def local_response_normalization(
    input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5,
    name: str | None = None,
) -> Any:
    """input / (bias + alpha · Σ input²)^beta, the sum over channels at most depth_radius away.

    input: floats [batch, height, width, channels]. Raises ShapeError for another rank.
    """
    attrs = {"depth_radius": int(depth_radius), "bias": float(bias), "alpha": float(alpha),
             "beta": float(beta)}
    return apply(LRN, (input,), attrs, name=name)


publish(local_response_normalization, "lrn")
