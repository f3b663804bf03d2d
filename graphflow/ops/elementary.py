"""Elementary functions: roots, exponentials, logarithms, trigonometric and hyperbolic functions.

Gradients follow TensorFlow's convention for complex numbers: g · conj(f′).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import convert, op_function
from graphflow.dtypes import DType
from graphflow.errors import DTypeError
from graphflow.opdef import Sample
from graphflow.ops.declare import binary, unary
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope

Array = np.ndarray


def _points(*values: float) -> Callable[[], list[Sample]]:
    """Samples inside a function's domain: a matrix, a scalar, nothing."""
    def samples() -> list[Sample]:
        return [Sample((np.array([values, values[::-1]]),)), Sample((np.array(values[0]),)),
                Sample((np.zeros((0, 2)),))]

    return samples


_POSITIVE = _points(0.25, 1.0, 1.5, 4.0)
_BOTH_SIGNS = _points(-1.5, -0.5, 0.25, 1.25)
_WITHIN_ONE = _points(-0.75, -0.25, 0.5, 0.875)
_ABOVE_ONE = _points(1.25, 1.5, 2.0, 4.0)


def _function(
    name: str, public_name: str, reference: Callable[..., Any],
    grad: Callable[[Any, Any, Any], Any], samples: Callable[[], Sequence[Sample]], doc: str,
    scalar_op: str | None = None, types: tuple[DType, ...] = dt.INEXACT,
    keeps_zero: bool = False,
) -> Callable[..., Any]:
    """A function of one number. `grad(F, x, y)` is f′(x), where y = f(x)."""
    scalar_op = scalar_op or public_name

    def rule(F: Any, op: Any, g: Any) -> list[Any]:
        return [g * grad(F, F.conj(op.inputs[0]), F.conj(op.outputs[0]))]

    return unary(
        name, public_name, types, body=lambda b, x: getattr(b, scalar_op)(x),
        reference=widened(reference), grad=rule, samples=samples, doc=doc,
        keeps_zero=keeps_zero)


# ---- roots and reciprocals ----------------------------------------------------------------------

sqrt = _function(
    "Sqrt", "sqrt", np.sqrt, lambda F, x, y: F.realdiv(0.5, y), _POSITIVE,
    "√x, elementwise; NaN for negative reals. The gradient at 0 is infinite.", keeps_zero=True)

rsqrt = _function(
    "Rsqrt", "rsqrt", lambda x: 1 / np.sqrt(x), lambda F, x, y: F.square(y) * y * -0.5, _POSITIVE,
    "1 / √x, elementwise.")

reciprocal = _function(
    "Reciprocal", "reciprocal", lambda x: 1 / x, lambda F, x, y: F.negative(F.square(y)),
    _BOTH_SIGNS, "1 / x, elementwise.")

# ---- exponentials and logarithms ----------------------------------------------------------------

exp = _function("Exp", "exp", np.exp, lambda F, x, y: y, _BOTH_SIGNS, "eˣ, elementwise.")

expm1 = _function(
    "Expm1", "expm1", np.expm1, lambda F, x, y: F.exp(x), _BOTH_SIGNS,
    "eˣ − 1, elementwise, accurate near 0.")

log = _function(
    "Log", "log", np.log, lambda F, x, y: F.reciprocal(x), _POSITIVE,
    "The natural logarithm, elementwise; −∞ at 0, NaN for negative reals.")

log1p = _function(
    "Log1p", "log1p", np.log1p, lambda F, x, y: F.reciprocal(x + 1), _POSITIVE,
    "log(1 + x), elementwise, accurate near 0.")

# ---- trigonometric functions --------------------------------------------------------------------

sin = _function("Sin", "sin", np.sin, lambda F, x, y: F.cos(x), _BOTH_SIGNS,
                "The sine of x radians, elementwise.")

cos = _function("Cos", "cos", np.cos, lambda F, x, y: F.negative(F.sin(x)), _BOTH_SIGNS,
                "The cosine of x radians, elementwise.")

tan = _function("Tan", "tan", np.tan, lambda F, x, y: F.square(y) + 1, _BOTH_SIGNS,
                "The tangent of x radians, elementwise.")

asin = _function("Asin", "asin", np.arcsin, lambda F, x, y: F.rsqrt(1 - F.square(x)), _WITHIN_ONE,
                 "The inverse sine in radians, elementwise; NaN for reals outside [−1, 1].")

acos = _function("Acos", "acos", np.arccos, lambda F, x, y: F.negative(F.rsqrt(1 - F.square(x))),
                 _WITHIN_ONE,
                 "The inverse cosine in radians, elementwise; NaN for reals outside [−1, 1].")

atan = _function("Atan", "atan", np.arctan, lambda F, x, y: F.reciprocal(F.square(x) + 1),
                 _WITHIN_ONE, "The inverse tangent in radians, elementwise.")


def _atan2_grad(F: Any, op: Any, g: Any) -> list[Any]:
    y, x = op.inputs
    scaled = g / (F.square(x) + F.square(y))
    return [x * scaled, F.negative(y) * scaled]


atan2 = binary(
    "Atan2", "atan2", dt.FLOATS,
    body=lambda b, y, x: b.atan2(y, x),
    reference=widened(np.arctan2),
    grad=_atan2_grad,
    samples=lambda: [
        Sample((np.array([[1.0, -2.0], [0.5, -0.25]]), np.array([2.0, -1.5]))),
        Sample((np.array(1.0), np.array([[-3.0], [4.0]]))),
        Sample((np.zeros((0, 2)), np.ones(2))),
    ],
    parameters=("y", "x"),
    doc="The angle in (−π, π] of the point (x, y), elementwise with broadcasting.")

# ---- hyperbolic functions -----------------------------------------------------------------------

sinh = _function("Sinh", "sinh", np.sinh, lambda F, x, y: F.cosh(x), _BOTH_SIGNS,
                 "The hyperbolic sine, elementwise.")

cosh = _function("Cosh", "cosh", np.cosh, lambda F, x, y: F.sinh(x), _BOTH_SIGNS,
                 "The hyperbolic cosine, elementwise.")

tanh = _function("Tanh", "tanh", np.tanh, lambda F, x, y: 1 - F.square(y), _BOTH_SIGNS,
                 "The hyperbolic tangent, elementwise.", keeps_zero=True)

asinh = _function("Asinh", "asinh", np.arcsinh, lambda F, x, y: F.reciprocal(F.cosh(y)),
                  _BOTH_SIGNS, "The inverse hyperbolic sine, elementwise.")

acosh = _function("Acosh", "acosh", np.arccosh, lambda F, x, y: F.reciprocal(F.sinh(y)),
                  _ABOVE_ONE, "The inverse hyperbolic cosine, elementwise; NaN for reals below 1.")

atanh = _function("Atanh", "atanh", np.arctanh, lambda F, x, y: F.reciprocal(1 - F.square(x)),
                  _WITHIN_ONE,
                  "The inverse hyperbolic tangent, elementwise; NaN for reals outside [−1, 1].")

# ---- the logistic function ----------------------------------------------------------------------


def _logistic(x: Array) -> Array:
    """By e^−|x|, which cannot overflow."""
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, x.dtype.type(1), small) / (1 + small)


def _logistic_body(b: Any, x: Any) -> Any:
    if x.dtype.is_complex:
        return b.reciprocal(b.exp(-x) + 1)
    small = b.exp(-b.abs(x))
    return b.select(x >= 0, 1, small) / (small + 1)


def _logistic_grad(F: Any, op: Any, g: Any) -> list[Any]:
    y = F.conj(op.outputs[0])
    return [g * (y * (1 - y))]


sigmoid = unary(
    "Sigmoid", "sigmoid", dt.INEXACT,
    body=_logistic_body, reference=widened(_logistic), grad=_logistic_grad,
    samples=_points(-3.0, -0.5, 0.25, 2.0),
    doc="1 / (1 + e^−x), elementwise, without overflow.")


@op_function
def log_sigmoid(x: Any, name: str | None = None) -> Any:
    """log(1 / (1 + e^−x)) = −softplus(−x), elementwise, accurate at both ends. x: floats."""
    x = convert(x)
    with scope(name, "LogSigmoid") as inner:
        return OPS.negative(OPS.softplus(OPS.negative(x)), name=inner)


# ---- products and quotients whose zero wins -----------------------------------------------------


def _zero_wins_samples() -> list[Sample]:
    return [
        Sample((np.array([[1.5, -2.0], [0.5, 3.0]]), np.array([2.0, 0.25]))),
        Sample((np.array([0.0, 0.0, 2.0]), np.array([0.0, 1.0, 3.0])), grad=False),
        Sample((np.zeros((0, 2)), np.ones(2))),
    ]


def _one_where_not_zero(F: Any, x: Any) -> Any:
    return F.cast(F.not_equal(x, 0), x.dtype)


def _xlogy_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, y = F.conj(op.inputs[0]), F.conj(op.inputs[1])
    return [g * F.xlogy(_one_where_not_zero(F, x), y), g * F.xdivy(x, y)]


def _xdivy_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, y = F.conj(op.inputs[0]), F.conj(op.inputs[1])
    return [g * F.xdivy(_one_where_not_zero(F, x), y),
            g * F.xdivy(F.negative(x), F.square(y))]


xlogy = binary(
    "Xlogy", "xlogy", dt.INEXACT,
    body=lambda b, x, y: b.select(b.eq(x, 0), 0, x * b.log(y)),
    reference=widened(lambda x, y: np.where(x == 0, x.dtype.type(0), x * np.log(y))),
    grad=_xlogy_grad, samples=_zero_wins_samples,
    doc="x · log y, and 0 wherever x is 0; elementwise with broadcasting.")

xdivy = binary(
    "Xdivy", "xdivy", dt.INEXACT,
    body=lambda b, x, y: b.select(b.eq(x, 0), 0, x / y),
    reference=widened(lambda x, y: np.where(x == 0, x.dtype.type(0), x / y)),
    grad=_xdivy_grad, samples=_zero_wins_samples,
    doc="x / y, and 0 wherever x is 0; elementwise with broadcasting.")


def _xlog1py_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, y = F.conj(op.inputs[0]), F.conj(op.inputs[1])
    return [g * F.xlog1py(_one_where_not_zero(F, x), y), g * F.xdivy(x, y + 1)]


xlog1py = binary(
    "Xlog1py", "xlog1py", dt.INEXACT,
    body=lambda b, x, y: b.select(b.eq(x, 0), 0, x * b.log1p(y)),
    reference=widened(lambda x, y: np.where(x == 0, x.dtype.type(0), x * np.log1p(y))),
    grad=_xlog1py_grad, samples=_zero_wins_samples,
    doc="x · log(1 + y), and 0 wherever x is 0; elementwise with broadcasting.")


@op_function
def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Any:
    """The polynomial with `coeffs` (highest power first) at `x`, by Horner's rule.

    coeffs: list of tensors that broadcast with x; an empty one gives zeros.
    """
    if not isinstance(coeffs, (list, tuple)):
        raise DTypeError(f"polyval: coeffs must be a list, got {type(coeffs).__name__}.")
    x = convert(x)
    with scope(name, "polyval") as inner:
        if not coeffs:
            return OPS.zeros_like(x, name=inner)
        total = convert(coeffs[0], x.dtype)
        for coefficient in coeffs[1:]:
            total = convert(coefficient, x.dtype) + total * x
        return total
