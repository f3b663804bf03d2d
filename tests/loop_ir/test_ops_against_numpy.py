"""Every scalar op, for every dtype, against NumPy in extended precision, SciPy, or Python's
integers; the dtypes that an op admits are stated here a second time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
import scipy.special

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.errors import DTypeError
from graphflow.loop_ir import OPS, b, build, evaluate


class Case(NamedTuple):
    """`reference` works on Python ints, bools, and arrays of extended floats; `kinds` are the
    admitted dtypes: b bool, i integer, f float, c complex."""

    kinds: str
    reference: Callable[..., Any]
    ulps: float = 1.0


def log_gamma(x: np.ndarray) -> np.ndarray:
    result = scipy.special.gammaln(np.asarray(x, np.float64))
    result = np.where(np.abs(x) < 1e-20, -np.log(np.abs(x)), result)  # scipy overflows at 5e-324
    return np.where(np.isinf(x), np.inf, result)  # scipy has −inf at −inf, C and TensorFlow +inf


def erfc(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.longdouble)
    tail = scipy.special.erfcx(np.float64(np.maximum(x, 0))) * np.exp(-x * x)
    return np.where(x > 1, tail, scipy.special.erfc(np.asarray(x, np.float64)))


def int_floordiv(x: int, y: int) -> int:
    return x // y if y else 0


def int_truncdiv(x: int, y: int) -> int:
    return 0 if y == 0 else (abs(x) // abs(y)) * (1 if (x < 0) == (y < 0) else -1)


def int_power(x: int, y: int) -> int:
    if y >= 0:
        return x**y
    return 0 if x == 0 else math.trunc(1 / x**-y)


def by_kind(integer: Callable[..., int], floating: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *x: integer(*x) if isinstance(x[0], int) else floating(*x)


CASES = {
    "add": Case("ifc", lambda x, y: x + y),
    "sub": Case("ifc", lambda x, y: x - y),
    "mul": Case("ifc", lambda x, y: x * y),
    "div": Case("fc", lambda x, y: x / y),
    "floordiv": Case("if", by_kind(int_floordiv, lambda x, y: np.floor(x / y))),
    "mod": Case("if", by_kind(lambda x, y: x % y if y else 0, np.mod)),
    "truncdiv": Case("if", by_kind(int_truncdiv, lambda x, y: np.trunc(x / y))),
    "truncmod": Case("if", by_kind(lambda x, y: x - int_truncdiv(x, y) * y if y else 0, np.fmod)),
    "fma": Case("f", lambda x, y, z: x * y + z),
    "neg": Case("ifc", lambda x: -x),
    "abs": Case("ifc", abs, 2),
    "sign": Case("ifc", by_kind(lambda x: (x > 0) - (x < 0), np.sign), 2),
    "min": Case("if", by_kind(min, np.minimum)),
    "max": Case("if", by_kind(max, np.maximum)),
    "square": Case("ifc", lambda x: x * x),
    "reciprocal": Case("fc", lambda x: 1 / x),
    "sqrt": Case("fc", np.sqrt),
    "rsqrt": Case("fc", lambda x: 1 / np.sqrt(x), 3),
    "pow": Case("ifc", by_kind(int_power, np.power), 4),
    "exp": Case("fc", np.exp, 4),
    "expm1": Case("fc", np.expm1, 4),
    "log": Case("fc", np.log, 4),
    "log1p": Case("fc", np.log1p, 4),
    "sin": Case("fc", np.sin, 4),
    "cos": Case("fc", np.cos, 4),
    "tan": Case("fc", np.tan, 4),
    "asin": Case("fc", np.arcsin, 4),
    "acos": Case("fc", np.arccos, 4),
    "atan": Case("fc", np.arctan, 4),
    "atan2": Case("f", np.arctan2, 4),
    "sinh": Case("fc", np.sinh, 4),
    "cosh": Case("fc", np.cosh, 4),
    "tanh": Case("fc", np.tanh, 4),
    "asinh": Case("fc", np.arcsinh, 4),
    "acosh": Case("fc", np.arccosh, 4),
    "atanh": Case("fc", np.arctanh, 4),
    "erf": Case("f", lambda x: scipy.special.erf(np.asarray(x, np.float64)), 4),
    "erfc": Case("f", erfc, 4),
    "lgamma": Case("f", log_gamma, 8),
    "floor": Case("f", np.floor),
    "ceil": Case("f", np.ceil),
    "rint": Case("f", np.rint),
    "trunc": Case("f", np.trunc),
    "is_nan": Case("f", np.isnan),
    "is_inf": Case("f", np.isinf),
    "is_finite": Case("f", np.isfinite),
    "eq": Case("bifc", lambda x, y: x == y),
    "ne": Case("bifc", lambda x, y: x != y),
    "lt": Case("if", lambda x, y: x < y),
    "le": Case("if", lambda x, y: x <= y),
    "gt": Case("if", lambda x, y: x > y),
    "ge": Case("if", lambda x, y: x >= y),
    "logical_and": Case("b", lambda x, y: x and y),
    "logical_or": Case("b", lambda x, y: x or y),
    "logical_xor": Case("b", lambda x, y: x != y),
    "logical_not": Case("b", lambda x: not x),
    "bit_and": Case("i", lambda x, y: x & y),
    "bit_or": Case("i", lambda x, y: x | y),
    "bit_xor": Case("i", lambda x, y: x ^ y),
    "bit_not": Case("i", lambda x: ~x),
    "real": Case("c", np.real),
    "imag": Case("c", np.imag),
    "conj": Case("c", np.conj),
}
# Ops whose operands are not all of one dtype, or whose reference needs to know the dtype, have
# tests of their own in the file named.
ELSEWHERE = {
    "arg": "test_interpreter", "const": "test_expr", "index": "test_interpreter",
    "size": "test_interpreter", "shl": "test_semantics", "shr": "test_semantics",
    "mulhi_u32": "test_semantics", "select": "test_semantics", "cast": "test_semantics",
    "bitcast": "test_semantics", "complex": "test_semantics", "rarely": "test_semantics",
    "load": "codegen/test_emit", "accumulator": "codegen/test_emit",
    "call": "custom_ops/test_scalar_functions",
}
KINDS = {"b": dtypes.BOOL, "i": dtypes.INTEGERS, "f": dtypes.FLOATS, "c": dtypes.COMPLEX}


def admitted(case: Case) -> set[DType]:
    return {dtype for kind in case.kinds for dtype in KINDS[kind]}


def of_kinds(kind: str) -> list:
    return [pytest.param(name, dtype, id=f"{name}-{dtype.name}")
            for name, case in CASES.items() if kind in case.kinds for dtype in KINDS[kind]]


def apply(name: str, operands: list[np.ndarray], dtype: DType) -> np.ndarray:
    expr = build(name, *(b.arg(i, dtype) for i in range(len(operands))))
    result = evaluate(expr, operands)
    assert result.dtype == expr.dtype.numpy
    return result


def test_every_op_has_a_reference() -> None:
    assert set(CASES) | set(ELSEWHERE) == set(OPS)


@pytest.mark.parametrize("name", CASES)
def test_an_op_admits_its_dtypes_and_no_other(name: str) -> None:
    for dtype in dtypes.FIXED_SIZE:
        operands = [b.arg(i, dtype) for i in range(OPS[name].arity)]
        if dtype in admitted(CASES[name]):
            build(name, *operands)
        else:
            with pytest.raises(DTypeError, match=rf"{name}: expects one of .*{dtype.name}"):
                build(name, *operands)


def integer_samples(dtype: DType) -> list[int]:
    low, high = int(dtype.min), int(dtype.max)
    special = {low, low + 1, -7, -3, -2, -1, 0, 1, 2, 3, 5, 64, high // 2, high - 1, high}
    random = np.random.default_rng(1).integers(low, high, 6, dtype.numpy, endpoint=True)
    return sorted(x for x in special | set(random.tolist()) if low <= x <= high)


def wrap(value: int, dtype: DType) -> int:
    bits = 8 * dtype.size
    value %= 1 << bits
    return value - (1 << bits) if not dtype.is_unsigned and value >> (bits - 1) else value


@pytest.mark.parametrize("name, dtype", of_kinds("i"))
def test_integers_are_exact_and_wrap(name: str, dtype: DType) -> None:
    samples = integer_samples(dtype)
    rows = list(itertools.product(samples, repeat=OPS[name].arity))
    if name == "pow":
        rows = [(x, y) for x, y in rows if abs(y) <= 64]  # Python's exact power is the limit
    operands = [np.array(column, dtype.numpy) for column in zip(*rows)]
    result = apply(name, operands, dtype)
    reference = [CASES[name].reference(*row) for row in rows]
    if result.dtype != np.bool_:
        reference = [wrap(value, dtype) for value in reference]
    assert result.tolist() == reference


@pytest.mark.parametrize("name, dtype", of_kinds("b"))
def test_booleans(name: str, dtype: DType) -> None:
    rows = list(itertools.product([False, True], repeat=OPS[name].arity))
    operands = [np.array(column) for column in zip(*rows)]
    expected = [CASES[name].reference(*row) for row in rows]
    assert apply(name, operands, dtype).tolist() == expected


def float_samples(dtype: DType, arity: int) -> list[np.ndarray]:
    info = ml_dtypes.finfo(dtype.numpy)
    positive = [0.0, float(info.smallest_subnormal), float(info.smallest_normal), 1e-3, 0.5, 0.75,
                1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 88.0, float(info.max), np.inf]
    special = np.array([*positive, *(-x for x in positive), np.nan])
    if arity == 3:
        special = special[::2]
    rng = np.random.default_rng(0)
    random = [rng.normal(size=200) * 2.0 ** rng.integers(-6, 7, 200) for _ in range(arity)]
    grid = np.meshgrid(*[special] * arity)
    with np.errstate(over="ignore"):
        return [np.concatenate([g.ravel(), r]).astype(dtype.numpy) for g, r in zip(grid, random)]


def ulp_distance(actual: np.ndarray, exact: np.ndarray, dtype: DType) -> np.ndarray:
    """|actual − exact| in units of the last place of `dtype`; 0 where both are one infinity or
    NaN, infinite where only one of them is."""
    info = ml_dtypes.finfo(dtype.numpy)
    exact = np.asarray(exact, np.longdouble)
    actual = actual.astype(np.longdouble)
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32 if dtype.size == 2 else dtype.numpy).astype(dtype.numpy)
        exact = np.where(np.isinf(rounded.astype(np.longdouble)), rounded, exact)
        same = (actual == exact) | (np.isnan(actual) & np.isnan(exact))
        spacing = np.maximum(
            2.0 ** np.floor(np.log2(np.abs(exact))) * np.longdouble(info.eps),
            np.longdouble(info.smallest_subnormal))
        distance = np.abs(actual - exact) / spacing
    return np.where(same, 0, np.where(np.isnan(distance), np.inf, distance))


@pytest.mark.parametrize("name, dtype", of_kinds("f"))
def test_floats_are_within_ulps_of_extended_precision(name: str, dtype: DType) -> None:
    case = CASES[name]
    operands = float_samples(dtype, OPS[name].arity)
    result = apply(name, operands, dtype)
    # The quotient under a floor is rounded first: that is how the op is defined.
    exact_type = np.longdouble
    if name in ("floordiv", "truncdiv"):
        exact_type = np.float32 if dtype.size == 2 else dtype.numpy
    with np.errstate(all="ignore"):
        expected = case.reference(*(x.astype(exact_type) for x in operands))
    if result.dtype == np.bool_:
        np.testing.assert_array_equal(result, expected)
        return
    distance = ulp_distance(result, expected, dtype)
    if name == "lgamma":  # near its zeros at 1 and 2 the last place of the result is far away
        eps = ml_dtypes.finfo(dtype.numpy).eps
        near = np.isclose(result.astype(np.float64), expected, rtol=0, atol=4 * float(eps))
        distance = np.where(near, 0, distance)
    worst = int(np.argmax(distance))
    assert distance[worst] <= case.ulps, (
        [x[worst] for x in operands], result[worst], expected[worst], distance[worst])


@pytest.mark.parametrize("name", [
    "add", "mul", "neg", "abs", "sqrt", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh",
    "atanh", "expm1", "log1p", "erf", "floor", "ceil", "rint", "trunc", "atan2", "fma", "square",
])
def test_signs_of_zeros(name: str) -> None:
    operands = [x[np.isfinite(x)] for x in float_samples(dtypes.float64, OPS[name].arity)]
    length = min(map(len, operands))
    operands = [x[:length] for x in operands]
    result = apply(name, operands, dtypes.float64)
    with np.errstate(all="ignore"):
        expected = CASES[name].reference(*(x.astype(np.longdouble) for x in operands))
    zero = np.equal(expected, 0) & (result == 0)
    assert zero.any()
    np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("name, dtype", of_kinds("c"))
def test_complex_numbers(name: str, dtype: DType) -> None:
    rng = np.random.default_rng(0)
    operands = [(rng.normal(size=200) + 1j * rng.normal(size=200)).astype(dtype.numpy)
                for _ in range(OPS[name].arity)]
    result = apply(name, operands, dtype)
    expected = CASES[name].reference(*(x.astype(np.clongdouble) for x in operands))
    if result.dtype == np.bool_:
        np.testing.assert_array_equal(result, expected)
    else:
        eps = np.finfo(dtype.numpy).eps
        np.testing.assert_allclose(result, expected, rtol=40 * eps, atol=4 * eps)
