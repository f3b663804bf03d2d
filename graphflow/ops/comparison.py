"""Elementwise comparisons, tests of floats, and logic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.dtypes import DType
from graphflow.errors import DTypeError
from graphflow.lowering import Pointwise
from graphflow.opdef import Attr, Infer, NotDifferentiable, Sample, TensorType, broadcast_inputs
from graphflow.ops.declare import always_bool, binary, declare, unary
from graphflow.ops.operands import common_dtype

_BOOLEAN = NotDifferentiable("a bool has no gradient")


def _ordered_samples() -> list[Sample]:
    return [
        Sample((np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 2.0]]), np.array([2.0, 2.0, 2.0]))),
        Sample((np.array(2.0), np.array([[3.0], [2.0]]))),
        Sample((np.array([np.nan, 1.0, np.inf]), np.array([np.nan, np.nan, np.inf])),
               dtypes=dt.FLOATS),
        Sample((np.zeros((0, 3)), np.ones((3,)))),
    ]


def _comparison(
    name: str, public_name: str, types: tuple[DType, ...], scalar_op: str,
    reference: Callable[..., Any], doc: str,
) -> Callable[..., Any]:
    return binary(
        name, public_name, types,
        body=lambda b, x, y: getattr(b, scalar_op)(x, y),
        reference=reference, grad=_BOOLEAN, samples=_ordered_samples, out=dt.bool_,
        commutative=scalar_op in ("eq", "ne"),
        doc=f"{doc}, elementwise with broadcasting: bool.")


def _equal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.equal(x, y), np.bool_)


def _not_equal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.not_equal(x, y), np.bool_)


less = _comparison("Less", "less", dt.REALS, "lt", np.less, "x < y")
less_equal = _comparison("LessEqual", "less_equal", dt.REALS, "le", np.less_equal, "x ≤ y")
greater = _comparison("Greater", "greater", dt.REALS, "gt", np.greater, "x > y")
greater_equal = _comparison(
    "GreaterEqual", "greater_equal", dt.REALS, "ge", np.greater_equal, "x ≥ y")
equal = _comparison(
    "Equal", "equal", dt.ALL, "eq", _equal, "x = y (numbers, bools or strings; NaN ≠ NaN)")
not_equal = _comparison(
    "NotEqual", "not_equal", dt.ALL, "ne", _not_equal, "x ≠ y (numbers, bools or strings)")


def _approximate_type(c: Infer) -> list[TensorType]:
    if c.attrs["tolerance"] < 0:
        raise c.error(f"tolerance must not be negative, got {c.attrs['tolerance']}")
    return [TensorType(dt.bool_, c.broadcast())]


APPROXIMATE_EQUAL = declare(
    "ApproximateEqual", "x: T, y: T", attrs={"tolerance": Attr("float", 1e-5)},
    infer=_approximate_type,
    reference=lambda x, y, tolerance: np.asarray(
        np.where(x > y, x - y, y - x) < x.dtype.type(tolerance), np.bool_),
    grad=_BOOLEAN,
    lowering=Pointwise(lambda b, x, y, tolerance: b.lt(
        b.select(x > y, x - y, y - x), x.dtype.numpy.type(tolerance))),
    broadcasts=True, commutative=True,
    samples=lambda: [
        Sample((np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.25, 2.5])), {"tolerance": 0.375}),
        Sample((np.zeros((0, 2)), np.zeros((0, 2)))),
    ], T=dt.REALS)


@op_function
def approximate_equal(
    x: Any, y: Any, tolerance: float = 1e-5, name: str | None = None
) -> Any:
    """|x − y| < tolerance, elementwise: bool. Real x, y of one dtype; tolerance ≥ 0.

    For integers the tolerance is truncated to an integer, as in TensorFlow.
    """
    return apply(APPROXIMATE_EQUAL, (x, y), {"tolerance": tolerance}, name=name)


# ---- tests of floats ----------------------------------------------------------------------------


def _special_samples() -> list[Sample]:
    return [Sample((np.array([[1.0, np.nan], [np.inf, -np.inf]]),)), Sample((np.zeros((0, 2)),)),
            Sample((np.array(-0.0),))]


def _float_test(
    name: str, public_name: str, scalar_op: str, reference: Callable[..., Any], doc: str
) -> Callable[..., Any]:
    return unary(
        name, public_name, dt.FLOATS, body=lambda b, x: getattr(b, scalar_op)(x),
        reference=reference, grad=_BOOLEAN, out=always_bool, samples=_special_samples,
        doc=f"{doc}, elementwise: bool.")


is_nan = _float_test("IsNan", "is_nan", "is_nan", np.isnan, "Is x NaN?")
is_inf = _float_test("IsInf", "is_inf", "is_inf", np.isinf, "Is x +∞ or −∞?")
is_finite = _float_test(
    "IsFinite", "is_finite", "is_finite", np.isfinite, "Is x neither NaN nor infinite?")


# ---- logic --------------------------------------------------------------------------------------


def _bool_pairs() -> list[Sample]:
    return [
        Sample((np.array([[False], [True]]), np.array([False, True]))),
        Sample((np.array(True), np.array([True, False]))),
        Sample((np.zeros((0, 2), bool), np.ones(2, bool))),
    ]


def _logical(
    name: str, public_name: str, reference: Callable[..., Any], doc: str
) -> Callable[..., Any]:
    return binary(
        name, public_name, dt.BOOL, body=lambda b, x, y: getattr(b, public_name)(x, y),
        reference=reference, grad=_BOOLEAN, samples=_bool_pairs, commutative=True,
        doc=f"{doc}, elementwise with broadcasting; x, y: bool.")


logical_and = _logical("LogicalAnd", "logical_and", np.logical_and, "x and y")
logical_or = _logical("LogicalOr", "logical_or", np.logical_or, "x or y")
LOGICAL_XOR = declare(
    "LogicalXor", "x: bool, y: bool", infer=broadcast_inputs, reference=np.logical_xor,
    grad=_BOOLEAN, lowering=Pointwise(lambda b, x, y: b.logical_xor(x, y)), broadcasts=True,
    commutative=True, samples=_bool_pairs)


@op_function
def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Any:
    """x or y but not both, elementwise with broadcasting; x, y: bool."""
    return apply(LOGICAL_XOR, (x, y), name=name)


logical_not = unary(
    "LogicalNot", "logical_not", dt.BOOL, body=lambda b, x: b.logical_not(x),
    reference=np.logical_not, grad=_BOOLEAN,
    samples=lambda: [Sample((np.array([True, False]),)), Sample((np.zeros((0, 2), bool),))],
    doc="not x, elementwise; x: bool.")


# ---- the operators & | ^ ~ ----------------------------------------------------------------------


def _by_kind(
    x: Any, y: Any, symbol: str, for_bool: Callable[..., Any], for_integer: str, name: str
) -> Any:
    dtype = common_dtype(x, y)
    if dtype.is_bool:
        return for_bool(x, y, name=name)
    if dtype.is_integer:
        return apply(for_integer, (x, y), name=name)
    raise DTypeError(
        f"x {symbol} y is defined for bool (logic) and integers (bits), got "
        f"{dtype.name}. Compare first, for example (x > 0) {symbol} (y > 0)."
    )


@op_function
def and_(x: Any, y: Any, name: str | None = None) -> Any:
    """`x & y`: `logical_and` of bools, `bitwise_and` of integers. Raises DTypeError."""
    return _by_kind(x, y, "&", logical_and, "BitwiseAnd", name or "and")


@op_function
def or_(x: Any, y: Any, name: str | None = None) -> Any:
    """`x | y`: `logical_or` of bools, `bitwise_or` of integers. Raises DTypeError."""
    return _by_kind(x, y, "|", logical_or, "BitwiseOr", name or "or")


@op_function
def xor(x: Any, y: Any, name: str | None = None) -> Any:
    """`x ^ y`: `logical_xor` of bools, `bitwise_xor` of integers. Raises DTypeError."""
    return _by_kind(x, y, "^", logical_xor, "BitwiseXor", name or "xor")


@op_function
def invert(x: Any, name: str | None = None) -> Any:
    """`~x`: `logical_not` of bools, all bits flipped of integers. Raises DTypeError."""
    x = convert(x)
    if x.dtype.is_bool:
        return logical_not(x, name=name)
    return apply("Invert", (x,), name=name)
