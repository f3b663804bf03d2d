"""Elementwise quotients and remainders, with TensorFlow 1's five roundings of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function, publish
from graphflow.errors import InvalidArgumentError
from graphflow.loop_ir import semantics
from graphflow.lowering import Pointwise
from graphflow.opdef import Infer, NotDifferentiable, RunError, Sample, broadcast_inputs
from graphflow.ops.casting import cast
from graphflow.ops.declare import binary, declare
from graphflow.ops.operands import typed_pair
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope


def _quotient_samples() -> list[Sample]:
    return [
        Sample((np.array([[7.0, -7.0, 3.5], [1.0, 4.0, -9.5]]), np.array([2.0, 3.0, -4.0]))),
        Sample((np.array(7.0), np.array([[3.0], [-4.0]]))),
        Sample((np.zeros((0, 3)), np.ones((3,)))),
    ]


def _rounded_samples() -> list[Sample]:
    return [*_quotient_samples(),
            Sample((np.array([[7.0], [-7.0]]), np.array([2.0, -2.0, 3.0, -3.0])))]


# ---- exact quotients ----------------------------------------------------------------------------


def _real_div_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, y = F.conj(op.inputs[0]), F.conj(op.inputs[1])
    return [F.realdiv(g, y), g * F.realdiv(F.realdiv(F.negative(x), y), y)]


realdiv = binary(
    "RealDiv", "realdiv", dt.INEXACT,
    body=lambda b, x, y: x / y,
    reference=widened(np.divide),
    grad=_real_div_grad,
    samples=_quotient_samples,
    doc="""x / y of floats or complex numbers, elementwise with broadcasting.

    x / 0 is an infinity or NaN by IEEE 754. Raises DTypeError for integers; see `truediv`.""")

_QUOTIENT_TYPES = {
    d: dt.float32 if d.size <= 2 else dt.float64 for d in dt.INTEGERS
}


@op_function
def truediv(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y as Python's `/`: integers are cast to floats first, elementwise with broadcasting.

    Integers of 8 and 16 bits give float32, of 32 and 64 bits float64.
    Raises DTypeError if the dtypes differ, ShapeError if the shapes cannot be broadcast.
    """
    x, y = typed_pair(x, y)
    target = _QUOTIENT_TYPES.get(x.dtype)
    if target is None or x.dtype is not y.dtype:
        return apply("RealDiv", (x, y), name=name or "truediv")
    with scope(name, "truediv") as inner:
        return apply("RealDiv", (cast(x, target), cast(y, target)), name=inner)


@op_function
def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y as Python's `/`; see `truediv`."""
    return truediv(x, y, name=name)


@op_function
def div(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y as Python 2's `/`: a float or complex quotient, or ⌊x / y⌋ of integers."""
    x, y = typed_pair(x, y)
    op = "RealDiv" if x.dtype.is_differentiable else "FloorDiv"
    return apply(op, (x, y), name=name or "div")


# ---- quotients whose zero divisor gives zero ----------------------------------------------------


def _no_nan_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, y = F.conj(op.inputs[0]), F.conj(op.inputs[1])
    return [F.div_no_nan(g, y), g * F.div_no_nan(F.div_no_nan(F.negative(x), y), y)]


def _quotient_no_nan(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y == 0, x.dtype.type(0), x / y)


def _no_nan_samples() -> list[Sample]:
    return [*_quotient_samples(),
            Sample((np.array([1.0, 0.0, -3.0]), np.array([0.0, 0.0, 2.0])), grad=False)]


DIV_NO_NAN = declare(
    "DivNoNan", "x: T, y: T", infer=broadcast_inputs, reference=widened(_quotient_no_nan),
    grad=_no_nan_grad, lowering=Pointwise(lambda b, x, y: b.select(b.eq(y, 0), 0, x / y)),
    broadcasts=True, samples=_no_nan_samples, T=dt.INEXACT)


@op_function
def div_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y, and 0 wherever y is 0; elementwise with broadcasting. x, y: floats or complex."""
    return apply(DIV_NO_NAN, (x, y), name=name or "div_no_nan")


publish(div_no_nan, "divide_no_nan")


@op_function
def reciprocal_no_nan(x: Any, name: str | None = None) -> Any:
    """1 / x, and 0 wherever x is 0."""
    x = convert(x)
    return div_no_nan(convert(1, x.dtype), x, name=name or "reciprocal_no_nan")


# ---- rounded quotients and remainders -----------------------------------------------------------


def _nonzero_divisor(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, refusing integer divisions by zero."""
    def divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if y.dtype.kind in "iu" and x.size and not np.all(y):
            raise RunError(InvalidArgumentError, "integer division by zero",
                           "Replace the zeros first, for example by "
                           "gf.where(gf.equal(y, 0), gf.ones_like(y), y).")
        return function(x, y)

    return widened(divide)


def _symbolic(function: Callable[..., Any]) -> Callable[[Infer], list[Any]]:
    """The values of a quotient of sizes; not known where a divisor is 0."""
    def values(c: Infer) -> list[Any]:
        x, y = c.value(0), c.value(1)
        if x is None or y is None or any(d == 0 for d in np.ravel(y)):
            return [None]
        return [function(np.asarray(x, object), np.asarray(y, object))]

    return values


def _floor_mod_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """x mod y = x − ⌊x / y⌋·y, where the quotient is locally constant."""
    return [g, F.negative(g) * F.floor_div(*op.inputs)]


def _truncate_mod_grad(F: Any, op: Any, g: Any) -> list[Any]:
    return [g, F.negative(g) * F.truncatediv(*op.inputs)]


_CONSTANT = NotDifferentiable("a rounded quotient is piecewise constant")

floor_div = binary(
    "FloorDiv", "floor_div", dt.REALS,
    body=lambda b, x, y: x // y,
    reference=_nonzero_divisor(semantics.floor_divide),
    grad=_CONSTANT,
    samples=_rounded_samples, symbolic=_symbolic(np.floor_divide),
    doc="""⌊x / y⌋, elementwise with broadcasting, as Python's `//`.

    Raises InvalidArgumentError at run time if an integer divisor is 0.""")


@op_function
def floordiv(x: Any, y: Any, name: str | None = None) -> Any:
    """⌊x / y⌋, elementwise with broadcasting, as Python's `//`.

    Raises InvalidArgumentError at run time if an integer divisor is 0.
    """
    return floor_div(x, y, name=name or "floordiv")


floormod = binary(
    "FloorMod", "floormod", dt.REALS,
    body=lambda b, x, y: x % y,
    reference=_nonzero_divisor(semantics.floor_mod),
    grad=_floor_mod_grad,
    samples=_rounded_samples, symbolic=_symbolic(np.mod),
    doc="""The remainder of x / y with the sign of y, as Python's `%`.

    Raises InvalidArgumentError at run time if an integer divisor is 0.""")

publish(floormod, "mod")

truncatediv = binary(
    "TruncateDiv", "truncatediv", dt.REALS,
    body=lambda b, x, y: b.truncdiv(x, y),
    reference=_nonzero_divisor(semantics.truncate_divide),
    grad=_CONSTANT,
    samples=_rounded_samples,
    doc="""x / y rounded towards zero, as in C, elementwise with broadcasting.

    Raises InvalidArgumentError at run time if an integer divisor is 0.""")

truncatemod = binary(
    "TruncateMod", "truncatemod", dt.REALS,
    body=lambda b, x, y: b.truncmod(x, y),
    reference=_nonzero_divisor(semantics.truncate_mod),
    grad=_truncate_mod_grad,
    samples=_rounded_samples,
    doc="""The remainder of x / y with the sign of x, as C's `fmod` and `%`.

    Raises InvalidArgumentError at run time if an integer divisor is 0.""")
