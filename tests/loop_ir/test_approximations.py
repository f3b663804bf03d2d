"""`expand`: only basic ops remain, and the value is that of the expression before."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.errors import DTypeError, ProgramError
from graphflow.loop_ir import OPS, b, build, evaluate, evaluate_all, verify, walk
from graphflow.loop_ir.approximations import expand, expand_all, is_basic, split_complex
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import load

LEAVES = {"arg", "const", "index", "size", "load", "accumulator", "call"}
HALVES = (dtypes.float16, dtypes.bfloat16)


def real_leaf(node: Expr) -> tuple[Expr, Expr]:
    """A complex input `arg[i]` is fed as two real ones."""
    part = node.dtype.real_dtype
    return b.arg(2 * node.attr, part), b.arg(2 * node.attr + 1, part)


def applied(name: str, dtype: DType) -> Expr | None:
    """The op on inputs of one dtype, or None if it does not take that."""
    operands = [b.arg(i, dtype) for i in range(OPS[name].arity)]
    if name in ("select", "rarely"):
        operands[0] = b.arg(0, dtypes.bool_)
    try:
        return build(name, *operands, dtype=dtype)
    except DTypeError:
        return None


def bodies(dtype_family: tuple[DType, ...]) -> list:
    return [pytest.param(expr, id=f"{name}-{dtype.name}") for name in OPS if name not in LEAVES
            for dtype in dtype_family if (expr := applied(name, dtype)) is not None]


def check_basic(*exprs: Expr) -> None:
    verify(*exprs)
    for node in walk(*exprs):
        assert is_basic(node), node
        assert not node.dtype.is_complex, node
        if any(d in HALVES for d in (node.dtype, *(arg.dtype for arg in node.args))):
            assert node.op in LEAVES | {"cast", "bitcast"}, node


@pytest.mark.parametrize("expr", bodies((*dtypes.REALS, dtypes.bool_)))
def test_only_basic_ops_remain(expr: Expr) -> None:
    if expr.op == "complex":
        expr = b.abs(expr)
    expanded = expand(expr)
    check_basic(expanded)
    assert expanded.dtype is expr.dtype
    assert expand(expanded) is expanded


@pytest.mark.parametrize("expr", bodies(dtypes.COMPLEX))
def test_only_real_basic_ops_remain_of_complex_ones(expr: Expr) -> None:
    if expr.dtype.is_complex:
        parts = split_complex(expr, real_leaf)
        assert {part.dtype for part in parts} == {expr.dtype.real_dtype}
    else:
        parts = (expand(expr, real_leaf),)
    check_basic(*parts)


# ---- integers -----------------------------------------------------------------------------------


def integers(dtype: DType) -> np.ndarray:
    low, high = int(dtype.min), int(dtype.max)
    return np.array([v for v in (low, low + 1, -8, -3, -2, -1, 0, 1, 2, 3, 5, 7, 8, 63, 64, 65,
                                 high - 1, high) if low <= v <= high], dtype.numpy)


@pytest.mark.parametrize("dtype", dtypes.INTEGERS, ids=str)
@pytest.mark.parametrize("name", ["pow", "sign", "square"])
def test_integers_as_before(name: str, dtype: DType) -> None:
    pairs = np.array(list(itertools.product(integers(dtype), repeat=2)), dtype.numpy)
    expr = applied(name, dtype)
    operands = [pairs[:, 0], pairs[:, 1]]
    np.testing.assert_array_equal(evaluate(expand(expr), operands), evaluate(expr, operands))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 10, 31, -1, -2])
def test_integers_to_a_constant_power(exponent: int) -> None:
    x = integers(dtypes.int32)
    expr = b.pow(b.arg(0, dtypes.int32), exponent)
    np.testing.assert_array_equal(evaluate(expand(expr), [x]), evaluate(expr, [x]))
    assert sum(n.op == "mul" for n in walk(expand(expr))) <= 2 * abs(exponent).bit_length()


# ---- floats -------------------------------------------------------------------------------------

EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 5e-324, -1e308])


@pytest.mark.parametrize("name", ["sign", "is_nan", "is_inf", "is_finite"])
def test_signs_and_predicates_as_before(name: str) -> None:
    expr = applied(name, dtypes.float64)
    actual, expected = evaluate(expand(expr), [EDGES]), evaluate(expr, [EDGES])
    np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(np.signbit(actual[EDGES == EDGES]),
                                  np.signbit(expected[EDGES == EDGES]))


def test_power_of_special_numbers_as_in_c99() -> None:
    inf, nan = np.inf, np.nan
    table = [
        (nan, 0.0, 1.0), (1.0, nan, 1.0), (1.0, inf, 1.0), (-1.0, inf, 1.0), (-1.0, -inf, 1.0),
        (0.0, -3.0, inf), (-0.0, -3.0, -inf), (-0.0, -2.0, inf), (-0.0, 3.0, -0.0),
        (-0.0, 2.0, 0.0), (-0.0, 0.5, 0.0), (-0.0, -0.5, inf), (-0.0, inf, 0.0), (0.0, -inf, inf),
        (-2.0, 3.0, -8.0), (-2.0, 2.0, 4.0), (-2.0, 0.5, nan), (0.5, inf, 0.0), (0.5, -inf, inf),
        (2.0, inf, inf), (2.0, -inf, 0.0), (-inf, 3.0, -inf), (-inf, 2.0, inf), (-inf, 0.5, inf),
        (-inf, -3.0, -0.0), (inf, -1.0, 0.0), (inf, 0.25, inf), (nan, 1.0, nan), (2.0, nan, nan),
    ]
    x, y, expected = (np.array(column) for column in zip(*table))
    for dtype in (dtypes.float32, dtypes.float64):
        expr = expand(applied("pow", dtype))
        actual = evaluate(expr, [x.astype(dtype.numpy), y.astype(dtype.numpy)])
        np.testing.assert_array_equal(actual, expected)
        number = expected == expected
        np.testing.assert_array_equal(np.signbit(actual[number]), np.signbit(expected[number]))
        for base, exponent, result in table:
            constant = expand(b.pow(b.arg(0, dtype), exponent))
            value = evaluate(constant, [np.array(base, dtype.numpy)])
            np.testing.assert_array_equal(value, result)
            assert result != result or np.signbit(value) == np.signbit(result)


def test_the_rare_arm_of_sines_is_left_out_where_it_cannot_be_reached() -> None:
    x = b.arg(0, dtypes.float32)
    draw = b.cast(b.arg(1, dtypes.uint32) >> 8, dtypes.float32) * (2 * np.pi * 2.0**-24)
    cases = [(x, True), (draw, False), (draw - 1.0, False), (draw * x, True),
             (b.cast(b.arg(2, dtypes.int8), dtypes.float32), False),
             (b.cast(b.arg(3, dtypes.uint32) - 1, dtypes.float32), True),
             (b.cast(b.cast(b.arg(2, dtypes.int8), dtypes.uint32), dtypes.float32), True),
             (b.select(x > 0, draw, 3.0), False), (b.select(x > 0, draw, x), True)]
    for argument, rare in cases:
        assert any(n.op == "rarely" for n in walk(expand(b.sin(argument)))) is rare, argument
    assert all(n.op != "rarely" for n in walk(expand(b.cos(b.arg(0, dtypes.float16)))))


def test_rarely_is_select() -> None:
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    expr = b.rarely(b.arg(0, dtypes.bool_), b.arg(1, dtypes.float64), b.arg(2, dtypes.float64))
    np.testing.assert_array_equal(evaluate(expr, [np.array([True, False]), x, y]), [1.0, 4.0])


def test_few_ops_in_the_common_functions() -> None:
    """Comparisons for clamps and selects among them; bitcasts cost nothing."""
    limits = {"exp": 21, "expm1": 21, "log": 30, "log1p": 32, "tanh": 26, "erf": 35}
    for name, limit in limits.items():
        count = sum(n.op not in LEAVES | {"bitcast"}
                    for n in walk(expand(applied(name, dtypes.float32))))
        assert count <= limit, (name, count)


# ---- half precision -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_precision_is_computed_in_float32_and_rounded_once(dtype: DType) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy)
    body, wide = b.arg(0, dtype), b.arg(0, dtypes.float32)

    def rounded(v: Expr) -> Expr:
        return b.cast(b.cast(b.cast(v * 3.0, dtypes.float32), dtype), v.dtype) - b.sin(v)

    with np.errstate(all="ignore"):
        for function in (lambda v: b.tanh(v) * 1.1 + b.exp(v), lambda v: b.select(v > 0.1, v, -v),
                         rounded):
            expected = evaluate(expand(function(wide)), [x.astype(np.float32)])
            if function(body).dtype is dtype:
                expected = expected.astype(dtype.numpy)
            np.testing.assert_array_equal(
                evaluate(expand(function(body)), [x]).astype(np.float32),
                expected.astype(np.float32))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_bits_and_conversions_of_half_precision_as_before(dtype: DType) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy)
    wide = np.random.default_rng(0).normal(size=1000) * 1e3
    half, double = b.arg(0, dtype), b.arg(1, dtypes.float64)
    bits = b.bitcast(half * 0.3, dtypes.uint16)
    exprs = [bits, b.bitcast(bits + 1, dtype), b.cast(half, dtypes.int32), b.cast(double, dtype),
             b.cast(b.cast(double, dtype), dtypes.float64), b.cast(half, dtypes.bool_)]
    with np.errstate(all="ignore"):
        for expr, expanded in zip(exprs, expand_all(exprs)):
            check_basic(expanded)
            actual, expected = (evaluate(e, [x[:, None], wide[None, :4]])
                                for e in (expanded, expr))
            np.testing.assert_array_equal(actual.astype(np.float64), expected.astype(np.float64))


def test_what_needs_no_rewriting_stays_the_same_node() -> None:
    for dtype in (dtypes.float32, dtypes.float16, dtypes.int8, dtypes.bool_):
        assert expand(b.arg(0, dtype)) is b.arg(0, dtype)
    x = b.arg(0, dtypes.float32)
    assert expand(b.max(x * 2.0, 0)) is b.max(x * 2.0, 0)


# ---- complex numbers ----------------------------------------------------------------------------

COMPLEX_UNARY = [name for name, op in OPS.items() if op.arity == 1 and name not in LEAVES
                 and applied(name, dtypes.complex128) is not None
                 and name not in ("cast", "bitcast")]


def split(x: np.ndarray) -> list[np.ndarray]:
    return [x.real.copy(), x.imag.copy()]


def value_of(expr: Expr, operands: list[np.ndarray]) -> np.ndarray:
    """The expanded expression over complex arrays."""
    fed = [part for x in operands for part in split(x)]
    if not expr.dtype.is_complex:
        return evaluate(expand(expr, real_leaf), fed)
    real, imag = evaluate_all(split_complex(expr, real_leaf), fed)
    result = np.empty(real.shape, expr.dtype.numpy)
    result.real, result.imag = real, imag
    return result


def log1p(z: np.ndarray) -> np.ndarray:
    """NumPy's takes the logarithm of 1 + z, and so has lost the digits of a small z."""
    real = np.log1p(z.real * (z.real + 2) + z.imag**2) / 2
    return real + 1j * np.arctan2(z.imag, z.real + 1)


@pytest.mark.parametrize("dtype", dtypes.COMPLEX, ids=str)
@pytest.mark.parametrize("name", [*COMPLEX_UNARY, "add", "sub", "mul", "div", "pow"])
def test_complex_functions_against_numpy(name: str, dtype: DType) -> None:
    rng = np.random.default_rng(0)
    arity = OPS[name].arity
    for scale in (1e-3, 1.0, 20.0):
        operands = [((rng.normal(size=3000) + 1j * rng.normal(size=3000)) * scale).astype(
            dtype.numpy) for _ in range(arity)]
        actual = value_of(build(name, *(b.arg(i, dtype) for i in range(arity))), operands)
        wide = [x.astype(np.clongdouble) for x in operands]
        expected = log1p(*wide) if name == "log1p" else OPS[name].compute(None, None, *wide)
        info = np.finfo(dtype.numpy)
        kept = np.abs(expected) < float(info.max) / 4
        error = np.abs(actual[kept] - expected[kept])
        # e^(w·log z) has the error of its exponent: as many more units as that is large.
        units = 400 if name == "pow" else 4
        allowed = units * float(info.eps) * np.abs(expected[kept]) + float(info.tiny)
        assert np.all(error <= allowed), operands[0][kept][np.argmax(error - allowed)]


@pytest.mark.parametrize("name", ["sqrt", "log", "asin", "acos", "atan", "asinh", "acosh",
                                  "atanh", "exp", "sin", "cosh", "tanh", "reciprocal"])
def test_branch_cuts_and_signs_of_zeros(name: str) -> None:
    values = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0]
    z = np.empty((8, 8), np.complex128)
    z.real, z.imag = np.meshgrid(values, values)
    expr = build(name, b.arg(0, dtypes.complex128))
    actual, expected = value_of(expr, [z]), evaluate(expr, [z])
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-15)
    for mine, numpys in ((actual.real, expected.real), (actual.imag, expected.imag)):
        clear = ~np.isnan(numpys) & ((mine == 0) | (np.abs(numpys) > 1e-15))
        np.testing.assert_array_equal(np.signbit(mine[clear]), np.signbit(numpys[clear]))


def assert_same_parts(actual: np.ndarray, expected: np.ndarray) -> None:
    """Parts that are infinite, NaN or zero are the same with their signs; the others are close."""
    for mine, numpys in ((actual.real, expected.real), (actual.imag, expected.imag)):
        eps = np.finfo(numpys.dtype).eps
        np.testing.assert_allclose(mine, numpys, rtol=64 * eps, atol=4 * eps)
        special = (numpys == 0) & (mine == 0)
        np.testing.assert_array_equal(np.signbit(mine[special]), np.signbit(numpys[special]))


# NumPy's expm1 multiplies infinities by 0 where its sine is 0.
@pytest.mark.parametrize("dtype", dtypes.COMPLEX, ids=str)
@pytest.mark.parametrize("name", [n for n in COMPLEX_UNARY if n != "expm1"])
def test_infinities_and_nan(name: str, dtype: DType) -> None:
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan]
    z = np.empty((9, 9), dtype.numpy)
    z.real, z.imag = np.meshgrid(values, values)
    expr = build(name, b.arg(0, dtype))
    assert_same_parts(value_of(expr, [z]), evaluate(expr, [z]))


@pytest.mark.parametrize("dtype", dtypes.COMPLEX, ids=str)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_arithmetic_with_infinities_and_nan(name: str, dtype: DType) -> None:
    values = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan]
    z, w = np.empty((2, 7, 7, 7, 7), dtype.numpy)
    z.real, z.imag, w.real, w.imag = np.meshgrid(values, values, values, values)
    expr = build(name, b.arg(0, dtype), b.arg(1, dtype))
    assert_same_parts(value_of(expr, [z, w]), evaluate(expr, [z, w]))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, 7, 50, 99, 200, -1, -2, -50, 0.5])
def test_constant_powers(exponent: float) -> None:
    values = [0.0, -0.0, 1.0, -2.5, 3.7]
    z = np.empty((5, 5), np.complex128)
    z.real, z.imag = np.meshgrid(values, values)
    expr = b.arg(0, dtypes.complex128) ** complex(exponent)
    actual, expected = value_of(expr, [z]), evaluate(expr, [z])
    np.testing.assert_allclose(actual, expected, rtol=1e-13)
    if 0 < abs(exponent) < 100 and exponent != 0.5:
        assert_same_parts(actual, expected)


@pytest.mark.parametrize("name", ["abs", "sqrt", "log", "asinh", "atan", "div"])
def test_large_and_small_complex_numbers_do_not_overflow_on_the_way(name: str) -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        operands = [(rng.normal(size=200) + 1j * rng.normal(size=200)) * scale
                    for _ in range(OPS[name].arity)]
        expr = build(name, *(b.arg(i, dtypes.complex128) for i in range(len(operands))))
        np.testing.assert_allclose(
            value_of(expr, operands), evaluate(expr, operands), rtol=1e-14)


def test_complex_values_between_real_ones() -> None:
    """A real result of complex steps; a choice between complex numbers; parts put together."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=50) + 1j * rng.normal(size=50)
    x = b.arg(0, dtypes.complex128)
    chosen = b.select(b.real(x) > 0, x * x, b.conj(x) + (1 - 2j))
    body = b.abs(b.complex(b.imag(chosen), b.real(chosen))) + b.cast(b.ne(x, 0), dtypes.float64)
    np.testing.assert_allclose(value_of(body, [z]), evaluate(body, [z]), rtol=1e-14)
    for target in (dtypes.complex64, dtypes.float16, dtypes.int32, dtypes.bool_):
        converted = b.cast(x * 3.0, target)
        np.testing.assert_array_equal(value_of(converted, [z]), evaluate(converted, [z]))


def test_the_parts_of_complex_elements_are_read_where_the_caller_says() -> None:
    offset = b.index(0) * 7
    element = load(2, offset, dtypes.complex64)

    def interleaved(node: Expr) -> tuple[Expr, Expr]:
        (at,) = node.args
        return tuple(load(node.attr, at * 2 + k, dtypes.float32) for k in range(2))

    expected = tuple(load(2, offset * 2 + k, dtypes.float32) for k in range(2))
    assert split_complex(element, interleaved) == expected
    assert expand(b.imag(element), interleaved) is expected[1]


# ---- errors and size ----------------------------------------------------------------------------


def test_misuse_is_said() -> None:
    z, x = b.arg(0, dtypes.complex64), b.arg(0, dtypes.float32)
    with pytest.raises(ProgramError, match=r"is complex. Use split_complex"):
        expand(z * z)
    with pytest.raises(ProgramError, match=r"is not complex. Use expand"):
        split_complex(x, real_leaf)
    with pytest.raises(ProgramError, match=r"no real_leaf says how to read"):
        expand(b.abs(z))


def test_depth_is_not_limited_and_shared_parts_are_expanded_once() -> None:
    x = b.arg(0, dtypes.float32)
    total = x
    for _ in range(3000):
        total = b.tanh(total) + total
    nodes = sum(1 for _ in walk(expand(total)))
    one = sum(1 for _ in walk(expand(b.tanh(x) + x)))
    assert nodes < 3000 * one
