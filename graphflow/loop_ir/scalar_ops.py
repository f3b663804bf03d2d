"""The table of scalar ops: each stands here once, with its arity, typing rule and meaning.

Builder methods, the verifier, the printer, the interpreter and `expand` all read this table;
`basic` says with which dtypes an op is left for emitters to translate. Where a
result is not obvious (overflow, division by zero, NaN), `semantics` says what it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes
from graphflow.dtypes import BOOL, COMPLEX, FIXED_SIZE, FLOATS, INEXACT, INTEGERS, NUMBERS, REALS
from graphflow.dtypes import uint32 as uint32_dtype
from graphflow.errors import DTypeError, ProgramError
from graphflow.loop_ir import semantics
from graphflow.loop_ir.op_table import (
    ANY_NUMBER,
    OpTable,
    called,
    choice,
    complex_of,
    conversion,
    element,
    literal,
    position,
    predicate,
    real_part,
    same,
    same_bits,
)

HALVES = (dtypes.float16, dtypes.bfloat16)
STORED = tuple(dtype for dtype in FIXED_SIZE if dtype not in COMPLEX)
COMPUTED = tuple(dtype for dtype in STORED if dtype not in HALVES)  # halves compute in float32

OPS = OpTable()
_op, _leaf = OPS.declare, OPS.declare_with_node


def _pick(name: str, values: Any, number: int) -> Any:
    if number >= len(values):
        raise ProgramError(f"loop IR: {name}[{number}] is read, but {len(values)} were given.")
    return values[number]


def _load(node: Any, environment: Any) -> np.ndarray:
    value = np.asarray(_pick("arg", environment.args, node.attr))
    if value.dtype != node.dtype.numpy:
        raise DTypeError(f"loop IR: arg[{node.attr}] is {node.dtype.name}, got {value.dtype}.")
    return value.astype(semantics.arithmetic_dtype(node.dtype), copy=False)


def _literal(node: Any, environment: Any) -> np.ndarray:
    return np.asarray(node.attr, semantics.arithmetic_dtype(node.dtype))


def _index(node: Any, environment: Any) -> np.ndarray:
    return np.asarray(_pick("index", environment.indices, node.attr), np.int64)


def _size(node: Any, environment: Any) -> np.ndarray:
    return np.asarray(_pick("size", environment.sizes, node.attr), np.int64)


def _load_element(node: Any, environment: Any, offset: np.ndarray) -> np.ndarray:
    buffer = _pick("buffer", environment.buffers, node.attr)
    return buffer[offset].astype(semantics.arithmetic_dtype(node.dtype), copy=False)


def _accumulated(node: Any, environment: Any) -> np.ndarray:
    value = environment.accumulators[node.attr]
    return np.asarray(value).astype(semantics.arithmetic_dtype(node.dtype), copy=False)


def _cast(node: Any, environment: Any, x: np.ndarray) -> np.ndarray:
    return semantics.convert(x, node.dtype)


def _bitcast(node: Any, environment: Any, x: np.ndarray) -> np.ndarray:
    return semantics.bitcast(x, node.args[0].dtype, node.dtype)


def _called(node: Any, environment: Any, *operands: np.ndarray) -> np.ndarray:
    result: np.ndarray = node.attr.compute(*operands)
    return result


# Leaves.
_leaf("arg", 0, element, _load, "The element of input number `attr`.", basic=STORED)
_leaf("const", 0, literal, _literal, "The Python number `attr`.", basic=STORED)
_leaf("index", 0, position, _index, "The loop index along axis `attr`.", basic=STORED)
_leaf("size", 0, position, _size, "The extent of axis `attr`.", basic=STORED)
_leaf("load", 1, element, _load_element,
    "The element of buffer `attr` at an offset (kernels).", basic=STORED)
_leaf("accumulator", 0, element, _accumulated,
    "The accumulator number `attr` (kernels).", basic=STORED)

# Arithmetic.
_op("add", 2, same(NUMBERS), np.add, "x + y; integers wrap.", basic=COMPUTED)
_op("sub", 2, same(NUMBERS), np.subtract, "x − y; integers wrap.", basic=COMPUTED)
_op("mul", 2, same(NUMBERS), np.multiply, "x · y; integers wrap.", basic=COMPUTED)
_op("div", 2, same(INEXACT), np.divide, "x / y.", basic=COMPUTED)
_op("floordiv", 2, same(REALS), semantics.floor_divide,
    "⌊x / y⌋; integer x // 0 is 0.", basic=INTEGERS)
_op("mod", 2, same(REALS), semantics.floor_mod,
    "x mod y with the sign of y; integer x % 0 is 0.", basic=INTEGERS)
_op("truncdiv", 2, same(REALS), semantics.truncate_divide, "x / y towards zero.", basic=INTEGERS)
_op("truncmod", 2, same(REALS), semantics.truncate_mod,
    "x mod y with the sign of x.", basic=INTEGERS)
_op("fma", 3, same(FLOATS), semantics.fused_multiply_add,
    "x · y + z, rounded once.", basic=COMPUTED)
_op("neg", 1, same(NUMBERS), np.negative, "−x; integers wrap.", basic=COMPUTED)
_op("abs", 1, real_part(NUMBERS), np.abs,
    "|x|; INT_MIN wraps; a complex x gives its modulus.", basic=COMPUTED)
_op("sign", 1, same(NUMBERS), np.sign, "−1, 0 or 1; NaN for NaN; x / |x| for complex x.")
_op("min", 2, same(REALS), semantics.minimum,
    "The smaller of x and y; NaN if either is.", basic=COMPUTED)
_op("max", 2, same(REALS), semantics.maximum,
    "The larger of x and y; NaN if either is.", basic=COMPUTED)
_op("square", 1, same(NUMBERS), np.square, "x · x; integers wrap.")
_op("reciprocal", 1, same(INEXACT), lambda x: 1 / x, "1 / x.")
_op("sqrt", 1, same(INEXACT), np.sqrt, "√x.", basic=COMPUTED)
_op("rsqrt", 1, same(INEXACT), lambda x: 1 / np.sqrt(x), "1 / √x.")
_op("pow", 2, same(NUMBERS), semantics.power, "x to the power y; integers wrap.")

# Exponentials, logarithms, trigonometry.
_op("exp", 1, same(INEXACT), np.exp, "eˣ.")
_op("expm1", 1, same(INEXACT), np.expm1, "eˣ − 1, accurate near 0.")
_op("log", 1, same(INEXACT), np.log, "The natural logarithm.")
_op("log1p", 1, same(INEXACT), np.log1p, "log(1 + x), accurate near 0.")
_op("sin", 1, same(INEXACT), np.sin, "The sine of x radians.")
_op("cos", 1, same(INEXACT), np.cos, "The cosine of x radians.")
_op("tan", 1, same(INEXACT), np.tan, "The tangent of x radians.")
_op("asin", 1, same(INEXACT), np.arcsin, "The inverse sine.")
_op("acos", 1, same(INEXACT), np.arccos, "The inverse cosine.")
_op("atan", 1, same(INEXACT), np.arctan, "The inverse tangent.")
_op("atan2", 2, same(FLOATS), np.arctan2, "The angle of the point (x=y₁, y=y₀).")
_op("sinh", 1, same(INEXACT), np.sinh, "The hyperbolic sine.")
_op("cosh", 1, same(INEXACT), np.cosh, "The hyperbolic cosine.")
_op("tanh", 1, same(INEXACT), np.tanh, "The hyperbolic tangent.")
_op("asinh", 1, same(INEXACT), np.arcsinh, "The inverse hyperbolic sine.")
_op("acosh", 1, same(INEXACT), np.arccosh, "The inverse hyperbolic cosine.")
_op("atanh", 1, same(INEXACT), np.arctanh, "The inverse hyperbolic tangent.")
_op("erf", 1, same(FLOATS), semantics.erf, "The error function.")
_op("erfc", 1, same(FLOATS), semantics.erfc, "1 − erf(x), accurate for large x.")
_op("lgamma", 1, same(FLOATS), semantics.log_gamma, "log |Γ(x)|; +inf at 0, −1, −2, ….")

# Rounding.
_op("floor", 1, same(FLOATS), np.floor, "The largest integer ≤ x.", basic=COMPUTED)
_op("ceil", 1, same(FLOATS), np.ceil, "The smallest integer ≥ x.", basic=COMPUTED)
_op("rint", 1, same(FLOATS), np.rint, "The nearest integer, half to even.", basic=COMPUTED)
_op("trunc", 1, same(FLOATS), np.trunc, "x without its fraction.", basic=COMPUTED)

# Predicates and comparisons.
_op("is_nan", 1, predicate(FLOATS), np.isnan, "Is x NaN?")
_op("is_inf", 1, predicate(FLOATS), np.isinf, "Is x +inf or −inf?")
_op("is_finite", 1, predicate(FLOATS), np.isfinite, "Is x neither NaN nor infinite?")
_op("eq", 2, predicate(FIXED_SIZE), np.equal, "x = y; False if either is NaN.", basic=COMPUTED)
_op("ne", 2, predicate(FIXED_SIZE), np.not_equal, "x ≠ y; True if either is NaN.", basic=COMPUTED)
_op("lt", 2, predicate(REALS), np.less, "x < y; False if either is NaN.", basic=COMPUTED)
_op("le", 2, predicate(REALS), np.less_equal, "x ≤ y; False if either is NaN.", basic=COMPUTED)
_op("gt", 2, predicate(REALS), np.greater, "x > y; False if either is NaN.", basic=COMPUTED)
_op("ge", 2, predicate(REALS), np.greater_equal, "x ≥ y; False if either is NaN.", basic=COMPUTED)

# Logic and bits.
_op("logical_and", 2, same(BOOL), np.logical_and, "x and y.", basic=COMPUTED)
_op("logical_or", 2, same(BOOL), np.logical_or, "x or y.", basic=COMPUTED)
_op("logical_xor", 2, same(BOOL), np.logical_xor, "Exactly one of x and y.", basic=COMPUTED)
_op("logical_not", 1, same(BOOL), np.logical_not, "not x.", basic=COMPUTED)
_op("bit_and", 2, same(INTEGERS), np.bitwise_and, "The bits set in x and y.", basic=COMPUTED)
_op("bit_or", 2, same(INTEGERS), np.bitwise_or, "The bits set in x or y.", basic=COMPUTED)
_op("bit_xor", 2, same(INTEGERS), np.bitwise_xor,
    "The bits set in one of x and y.", basic=COMPUTED)
_op("bit_not", 1, same(INTEGERS), np.invert, "The bits not set in x.", basic=COMPUTED)
_op("shl", 2, same(INTEGERS), semantics.shift_left,
    "x shifted left; 0 past the width.", basic=COMPUTED)
_op("shr", 2, same(INTEGERS), semantics.shift_right,
    "x shifted right; past the width 0, or −1 for negative x.", basic=COMPUTED)
_op("mulhi_u32", 2, same((uint32_dtype,)), semantics.multiply_high,
    "The high 32 bits of the 64-bit product.", basic=COMPUTED)

# Choice and conversion.
_op("select", 3, choice, np.where,
    "x where the condition holds, else y.", matched_from=1, basic=COMPUTED)
_op("rarely", 3, choice, np.where,
    "select(condition, x, y), where x is seldom needed: emitters may branch round it.",
    matched_from=1, basic=COMPUTED)
_leaf("cast", 1, conversion, _cast,
    "The value in another dtype; rounds, clamps or wraps.", basic=STORED)
_leaf("bitcast", 1, same_bits, _bitcast,
    "The bits read as another dtype of that size.", basic=STORED)

# Complex numbers.
_op("real", 1, real_part(COMPLEX), np.real, "The real part.")
_op("imag", 1, real_part(COMPLEX), np.imag, "The imaginary part.")
_op("conj", 1, same(COMPLEX), np.conj, "The conjugate.")
_op("complex", 2, complex_of, semantics.make_complex, "x + i·y.")

# Functions from outside.
_leaf("call", ANY_NUMBER, called, _called,
    "The scalar function `attr` of the operands; see `external`.", basic=COMPUTED)
