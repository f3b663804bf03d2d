"""Activation functions of neural networks, and the gradient ops of those with a kink.

The gradient ops (`ReluGrad` …) take the incoming gradient and the features (or the outputs); they
are differentiable again in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dtypes import DType
from graphflow.loop_ir import semantics
from graphflow.lowering import Pointwise
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType, same_as_input
from graphflow.ops.declare import Gradient, declare, unary
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope

Array = np.ndarray


def _features() -> list[Sample]:
    return [Sample((np.array([[-3.0, -0.5, 0.25], [2.0, 7.5, -8.0]]),)),
            Sample((np.array(1.5),)), Sample((np.zeros((0, 2)),))]


def _with_kink() -> list[Sample]:
    return [*_features(), Sample((np.array([0.0, -0.0, 6.0]),), grad=False)]


def _gradient_type(c: Infer) -> list[TensorType]:
    shape, other = c.shape(0), c.shape(1)
    if not shape.is_compatible_with(other):
        raise c.error(f"inputs must have one shape: {c.show(0)}, {c.show(1)}")
    return [TensorType(c.dtype(0), shape.merge_with(other))]


def _gradient_samples() -> list[Sample]:
    g = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])
    x = np.array([[-3.0, -0.5, 0.25], [2.0, 7.5, -0.75]])
    return [Sample((g, x)), Sample((np.array(2.0), np.array(0.5))),
            Sample((np.zeros((0, 2)), np.zeros((0, 2))))]


def _gradient_errors() -> list[ErrorSample]:
    from graphflow.errors import ShapeError
    from graphflow.shapes import TensorShape

    two, three = (TensorType(dt.float32, TensorShape([n])) for n in (2, 3))
    return [ErrorSample((two, three), {}, ShapeError, r"one shape: gradients \[2\]")]


def _gradient_op(
    name: str, public_name: str, types: tuple[DType, ...], second: str, *,
    body: Callable[..., Any], reference: Callable[..., Any], grad: Gradient,
) -> Callable[..., Any]:
    """The op that carries a gradient back through an activation: `public_name(gradients, …)`."""
    opdef = declare(
        name, f"gradients: T, {second}: T", infer=_gradient_type, reference=widened(reference),
        grad=grad, lowering=Pointwise(body), samples=_gradient_samples, errors=_gradient_errors,
        depth=2, T=types)

    def function(gradients: Any, features: Any, name: str | None = None) -> Any:
        return apply(opdef, (gradients, features), name=name)

    function.__name__ = function.__qualname__ = public_name
    function.__doc__ = f"`gradients` carried back through the activation ({name}), elementwise."
    return op_function(function)


# ---- rectifiers ---------------------------------------------------------------------------------

relu_grad = _gradient_op(
    "ReluGrad", "relu_grad", dt.REALS, "features",
    body=lambda b, g, x: b.select(x > 0, g, 0),
    reference=lambda g, x: np.where(x > 0, g, g.dtype.type(0)),
    grad=lambda F, op, gg: [F.relu_grad(gg, op.inputs[1]), None])

relu = unary(
    "Relu", "relu", dt.REALS,
    body=lambda b, x: b.max(x, 0),
    reference=lambda x: np.maximum(x, x.dtype.type(0)),
    grad=lambda F, op, g: [F.relu_grad(g, op.outputs[0])],
    samples=_with_kink, parameter="features",
    doc="max(x, 0), elementwise. The gradient at 0 is 0.")


def _relu6_grad(F: Any, op: Any, gg: Any) -> list[Any]:
    return [F.relu6_grad(gg, op.inputs[1]), None]


relu6_grad = _gradient_op(
    "Relu6Grad", "relu6_grad", dt.REALS, "features",
    body=lambda b, g, x: b.select((x > 0) & (x < 6), g, 0),
    reference=lambda g, x: np.where((x > 0) & (x < 6), g, g.dtype.type(0)),
    grad=_relu6_grad)

relu6 = unary(
    "Relu6", "relu6", dt.REALS,
    body=lambda b, x: b.min(b.max(x, 0), 6),
    reference=lambda x: np.minimum(np.maximum(x, x.dtype.type(0)), x.dtype.type(6)),
    grad=lambda F, op, g: [F.relu6_grad(g, op.outputs[0])],
    samples=_with_kink, parameter="features",
    doc="min(max(x, 0), 6), elementwise. The gradient at 0 and 6 is 0.")

LEAKY_RELU_GRAD = declare(
    "LeakyReluGrad", "gradients: T, features: T", attrs={"alpha": Attr("float", 0.2)},
    infer=_gradient_type,
    reference=widened(lambda g, x, alpha: np.where(x > 0, g, g * g.dtype.type(alpha))),
    grad=lambda F, op, gg: [F.leaky_relu_grad(gg, op.inputs[1], op.attrs["alpha"]), None],
    lowering=Pointwise(lambda b, g, x, alpha: b.select(x > 0, g, g * alpha)),
    samples=lambda: [*_gradient_samples(), *(
        Sample(s.inputs, {"alpha": 0.75}) for s in _gradient_samples())],
    errors=_gradient_errors, T=dt.FLOATS)


@op_function
def leaky_relu_grad(
    gradients: Any, features: Any, alpha: float = 0.2, name: str | None = None
) -> Any:
    """`gradients` where features > 0, and alpha · gradients elsewhere."""
    return apply(LEAKY_RELU_GRAD, (gradients, features), {"alpha": alpha}, name=name)


LEAKY_RELU = declare(
    "LeakyRelu", "features: T", attrs={"alpha": Attr("float", 0.2)}, infer=same_as_input,
    reference=widened(lambda x, alpha: np.where(x > 0, x, x * x.dtype.type(alpha))),
    grad=lambda F, op, g: [F.leaky_relu_grad(g, op.inputs[0], op.attrs["alpha"])],
    lowering=Pointwise(lambda b, x, alpha: b.select(x > 0, x, x * alpha)),
    samples=lambda: [*_with_kink(), *(
        Sample(s.inputs, {"alpha": 1.5}, grad=s.grad) for s in _with_kink())],
    T=dt.FLOATS)


@op_function
def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Any:
    """x where x > 0, and alpha · x elsewhere. Integers are cast to float32.

    alpha: a number, or a tensor that broadcasts with `features`.
    """
    features = convert(features)
    if features.dtype.is_integer:
        features = OPS.cast(features, dt.float32)
    if isinstance(alpha, (int, float)):
        return apply(LEAKY_RELU, (features,), {"alpha": float(alpha)}, name=name)
    with scope(name, "LeakyRelu") as inner:
        return OPS.where_v2(features > 0, features, features * alpha, name=inner)


@op_function
def crelu(features: Any, name: str | None = None, axis: int = -1) -> Any:
    """relu of [x, −x], joined along `axis`, which becomes twice as long."""
    features = convert(features)
    with scope(name, "CRelu") as inner:
        return relu(OPS.concat([features, OPS.negative(features)], axis), name=inner)


# ---- exponential units --------------------------------------------------------------------------


def _elu_grad_grad(F: Any, op: Any, gg: Any) -> list[Any]:
    """Where y < 0 the derivative is y + 1, elsewhere 1."""
    g, y = op.inputs
    return [F.elu_grad(gg, y), F.where_v2(y < 0, g * gg, 0)]


elu_grad = _gradient_op(
    "EluGrad", "elu_grad", dt.FLOATS, "outputs",
    body=lambda b, g, y: b.select(y < 0, g * (y + 1), g),
    reference=lambda g, y: np.where(y < 0, g * (y + 1), g),
    grad=_elu_grad_grad)

elu = unary(
    "Elu", "elu", dt.FLOATS,
    body=lambda b, x: b.select(x < 0, b.expm1(x), x),
    reference=widened(lambda x: np.where(x < 0, np.expm1(x), x)),
    grad=lambda F, op, g: [F.elu_grad(g, op.outputs[0])],
    samples=_with_kink, parameter="features",
    doc="x where x ≥ 0, and eˣ − 1 elsewhere (Clevert et al. 2015, arXiv 1511.07289).")

# Klambauer et al. 2017, Self-Normalizing Neural Networks, arXiv 1706.02515: the fixed point of
# mean 0 and variance 1.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_SCALE_ALPHA = 1.7580993408473768599402175208123


def _selu_grad_grad(F: Any, op: Any, gg: Any) -> list[Any]:
    g, y = op.inputs
    return [F.selu_grad(gg, y), F.where_v2(y < 0, g * gg, 0)]


selu_grad = _gradient_op(
    "SeluGrad", "selu_grad", dt.FLOATS, "outputs",
    body=lambda b, g, y: b.select(y < 0, g * (y + SELU_SCALE_ALPHA), g * SELU_SCALE),
    reference=lambda g, y: np.where(y < 0, g * (y + g.dtype.type(SELU_SCALE_ALPHA)),
                                    g * g.dtype.type(SELU_SCALE)),
    grad=_selu_grad_grad)

selu = unary(
    "Selu", "selu", dt.FLOATS,
    body=lambda b, x: b.select(x < 0, b.expm1(x) * SELU_SCALE_ALPHA, x * SELU_SCALE),
    reference=widened(lambda x: np.where(
        x < 0, np.expm1(x) * x.dtype.type(SELU_SCALE_ALPHA), x * x.dtype.type(SELU_SCALE))),
    grad=lambda F, op, g: [F.selu_grad(g, op.outputs[0])],
    samples=_with_kink, parameter="features",
    doc="scale · elu with alpha, the self-normalising unit (Klambauer et al. 2017).")

# ---- smooth units -------------------------------------------------------------------------------


def _softplus(x: Array) -> Array:
    return np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x)))


def _softplus_grad_body(b: Any, g: Any, x: Any) -> Any:
    small = b.exp(-b.abs(x))
    return g * b.select(x >= 0, 1, small) / (small + 1)


def _softplus_grad(g: Array, x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return g * np.where(x >= 0, x.dtype.type(1), small) / (1 + small)


def _softplus_grad_grad(F: Any, op: Any, gg: Any) -> list[Any]:
    g, x = op.inputs
    slope = F.sigmoid(x)
    return [F.softplus_grad(gg, x), g * gg * (slope * (1 - slope))]


softplus_grad = _gradient_op(
    "SoftplusGrad", "softplus_grad", dt.FLOATS, "features",
    body=_softplus_grad_body, reference=_softplus_grad, grad=_softplus_grad_grad)

softplus = unary(
    "Softplus", "softplus", dt.FLOATS,
    body=lambda b, x: b.max(x, 0) + b.log1p(b.exp(-b.abs(x))),
    reference=widened(_softplus),
    grad=lambda F, op, g: [F.softplus_grad(g, op.inputs[0])],
    samples=_features, parameter="features",
    doc="log(1 + eˣ), elementwise, without overflow.")


def _softsign_grad(F: Any, op: Any, g: Any) -> list[Any]:
    return [g / F.square(F.abs(op.inputs[0]) + 1)]


softsign = unary(
    "Softsign", "softsign", dt.FLOATS,
    body=lambda b, x: x / (b.abs(x) + 1),
    reference=widened(lambda x: x / (np.abs(x) + 1)),
    grad=_softsign_grad, samples=_features, parameter="features",
    doc="x / (1 + |x|), elementwise.")


@op_function
def swish(features: Any, beta: Any = 1.0) -> Any:
    """x · sigmoid(beta · x) (Ramachandran et al. 2017, arXiv 1710.05941)."""
    features = convert(features)
    with scope(None, "swish") as inner:
        scaled = features if isinstance(beta, float) and beta == 1.0 else features * beta
        return OPS.multiply(features, OPS.sigmoid(scaled), name=inner)


# ---- the normal distribution's unit -------------------------------------------------------------

SQRT_HALF = 0.7071067811865476
# √½ in two parts of each format.
_SQRT_HALF_PARTS = {dt.float32: (0.707106769084930419921875, 1.2101617104478962e-08),
                    dt.float64: (SQRT_HALF, -4.8336466567264565e-17)}
# Below, Φ is 0 in every format; above, it is 1.
_NORMAL_RANGE = (-40.0, 10.0)
_TANH_LIMIT = 25.0  # half of 1 + tanh is 0 in every format for the negative of this


def _twice_normal_body(b: Any, x: Any) -> Any:
    """2Φ(x) = erfc(−x·√½) for `_NORMAL_RANGE`, right in its tail too.

    There the rounding of −x·√½ = h + l counts x² times over. The derivative of −log erfc is
    h + √(h² + 4/π) to a few per cent (Abramowitz & Stegun 7.1.13), which is enough for a factor
    that is nearly 1: erfc(h + l) = erfc(h) · (1 − l · derivative).
    """
    high, low = _SQRT_HALF_PARTS[x.dtype]
    h = x * -high
    rest = b.fma(x, -low, -b.fma(x, high, h))
    slope = h + b.sqrt(b.fma(h, h, 4 / np.pi))
    share = b.erfc(h)
    return b.fma(-rest * slope, share, share)


def _in_normal_range(b: Any, x: Any) -> Any:
    low, high = _NORMAL_RANGE
    wide = b.cast(x, dt.float32) if x.dtype.size < 4 else x
    return b.select(wide < low, low, b.select(wide > high, high, wide))


def _gelu_body(b: Any, x: Any) -> Any:
    near = _in_normal_range(b, x)
    factor = b.select(near < 0, near, b.cast(x, near.dtype))  # −∞ · 0 is −0 here
    return b.cast(factor * 0.5 * _twice_normal_body(b, near), x.dtype)


def _gelu_slope_body(b: Any, g: Any, x: Any) -> Any:
    near = _in_normal_range(b, x)
    density = b.exp(near * near * -0.5) * float(1 / np.sqrt(2 * np.pi))
    slope = b.fma(near, density, _twice_normal_body(b, near) * 0.5)
    return g * b.cast(slope, x.dtype)


def _normal(x: Array) -> tuple[Array, Array]:
    """Φ(x) and x within `_NORMAL_RANGE`, in float64."""
    near = np.clip(x.astype(np.float64), *_NORMAL_RANGE)
    return semantics.erfc(near * -SQRT_HALF) / 2, near


def _gelu(x: Array) -> Array:
    share, near = _normal(x)
    return (np.where(x < 0, near, x) * share).astype(x.dtype)


def _gelu_grad(g: Array, x: Array) -> Array:
    share, near = _normal(x)
    slope = share + near * np.exp(near * near / -2) / np.sqrt(2 * np.pi)
    return g * slope.astype(x.dtype)


def _gelu_grad_grad(F: Any, op: Any, gg: Any) -> list[Any]:
    """The second derivative is φ(x)·(2 − x²)."""
    g, x = op.inputs
    near = F.clip_by_value(x, *_NORMAL_RANGE)
    square = F.square(near)
    density = F.exp(square * -0.5) * float(1 / np.sqrt(2 * np.pi))
    return [F.gelu_grad(gg, x), g * gg * density * (2 - square)]


gelu_grad = _gradient_op(
    "GeluGrad", "gelu_grad", dt.FLOATS, "features",
    body=_gelu_slope_body, reference=_gelu_grad, grad=_gelu_grad_grad)

normal_gelu = unary(
    "Gelu", "normal_gelu", dt.FLOATS,
    body=_gelu_body, reference=widened(_gelu),
    grad=lambda F, op, g: [F.gelu_grad(g, op.inputs[0])],
    samples=_features, parameter="features",
    doc="x · Φ(x), elementwise, also where Φ is tiny; −0 at −∞.")


@op_function
def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Any:
    """x · Φ(x), where Φ is the normal distribution function (Hendrycks & Gimpel 2016).

    float32 within 5 ULP, also in the negative tail (9 where Φ is subnormal); −0 at −∞.
    approximate: use ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) instead of the error function.
    """
    features = convert(features)
    if not approximate:
        return normal_gelu(features, name=name)
    with scope(name, "Gelu") as inner:
        near = OPS.maximum(features, -_TANH_LIMIT)  # where it is 0, so that −∞ · 0 is too
        cubic = OPS.square(near) * near * 0.044715 + near
        # ½·(1 + tanh u) = sigmoid(2u), without cancellation where u is far below 0
        return OPS.multiply(near, OPS.sigmoid(cubic * float(np.sqrt(8 / np.pi))), name=inner)

