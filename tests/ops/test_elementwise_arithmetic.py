"""Sums, products, quotients, powers: values from NumPy and Python, corners from TensorFlow 1."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def test_python_numbers_take_the_type_of_the_tensor_beside_them():
    x = gf.constant([1.0, 2.0], gf.float16)
    for y in (x + 1, 1 - x, 2 * x, x / 2, x // 2, x % 2, x**2, 2**x):
        assert y.dtype == gf.float16


def test_names_of_operators_and_functions():
    x = gf.constant([1.0, 2.0])
    names = [(x + 1).op.name, (x - 1).op.name, (x * 2).op.name, (x / 2).op.name,
             (x // 2).op.name, (x % 2).op.name, (x**2).op.name, (-x).op.name, abs(x).op.name]
    assert names == ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "Neg", "Abs"]
    assert gf.math.divide_no_nan(x, x).op.name == "div_no_nan"
    assert gf.squared_difference(x, x).op.name == "SquaredDifference"
    assert gf.add_n([x, x], name="total").op.name == "total"


def test_types_are_not_promoted():
    with pytest.raises(TypeError, match=r"Mul '.*same dtype: x is float32, y is int32.*gf.cast"):
        gf.constant([1.0]) * gf.constant([1])
    with pytest.raises(TypeError, match=r"RealDiv '.*x must be one of.*got int32"):
        gf.constant([1]) / gf.constant([1.0])


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"Add 'add'.*x \[2, 3\], y \[2\].*Built at .*arithm"):
        gf.zeros([2, 3]) + gf.zeros([2])


SIGNED_PAIRS = list(itertools.product([-7, -6, 0, 1, 7], [-3, -1, 2, 7]))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "float32", "float64", "bfloat16"])
def test_floor_division_and_remainder_are_pythons(dtype):
    x = gf.constant([p[0] for p in SIGNED_PAIRS], dtype)
    y = gf.constant([p[1] for p in SIGNED_PAIRS], dtype)
    quotient, rest, cut, cut_rest = value([
        x // y, x % y, gf.truncatediv(x, y), gf.truncatemod(x, y)])
    assert [int(v) for v in quotient] == [a // b for a, b in SIGNED_PAIRS]
    assert [int(v) for v in rest] == [a % b for a, b in SIGNED_PAIRS]
    assert [int(v) for v in cut] == [int(a / b) for a, b in SIGNED_PAIRS]
    assert [int(v) for v in cut_rest] == [a - b * int(a / b) for a, b in SIGNED_PAIRS]


@pytest.mark.parametrize("source, target", [
    ("int8", "float32"), ("uint8", "float32"), ("int16", "float32"), ("uint16", "float32"),
    ("int32", "float64"), ("int64", "float64"), ("uint32", "float64"), ("float16", "float16"),
    ("bfloat16", "bfloat16"), ("complex64", "complex64")])
def test_true_division_makes_floats_of_integers(source, target):
    x, y = gf.constant([1, 7, 3], source), gf.constant([2, 2, 4], source)
    for quotient in (x / y, gf.truediv(x, y), gf.divide(x, y)):
        assert quotient.dtype.name == target
        np.testing.assert_array_equal(
            np.asarray(value(quotient), np.complex128), [0.5, 3.5, 0.75])


def test_true_division_of_integers_is_one_name_scope(graph):
    quotient = gf.truediv(gf.constant(1), gf.constant(2), name="half")
    assert quotient.op.name == "half"
    assert graph.get_operation_by_name("half/Cast").type == "Cast"


def test_div_is_that_of_python_2():
    quotient = gf.div(gf.constant(-7), 2)
    assert (quotient.op.type, quotient.op.name, value(quotient)) == ("FloorDiv", "div", -4)
    assert value(gf.div(gf.constant(-7.0), 2)) == -3.5


@pytest.mark.parametrize("function", ["floordiv", "floormod", "truncatediv", "truncatemod"])
def test_integer_division_by_zero(function):
    y = gf.placeholder(gf.int32, [2])
    x = getattr(gf, function)(gf.constant([1, 2]), y, name="share")
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=r"'share': integer division by zero.*test_elementwise_arithmetic"):
        value(x, {y: [1, 0]})


def test_a_constant_division_by_zero_fails_when_run_not_when_built():
    broken = gf.constant(1) // gf.constant(0)
    with pytest.raises(gf.errors.InvalidArgumentError, match="division by zero"):
        value(broken)


def test_float_division_by_zero_is_ieee():
    x = gf.constant([1.0, -1.0, 0.0])
    np.testing.assert_array_equal(value(x / 0.0), [np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(value(gf.div_no_nan(x, 0.0)), [0, 0, 0])
    np.testing.assert_array_equal(value(gf.math.reciprocal_no_nan([4.0, 0.0])), [0.25, 0])


def test_the_smallest_integer_by_minus_one_wraps():
    smallest = np.iinfo(np.int32).min
    assert value(gf.constant(smallest) // gf.constant(-1)) == smallest


def test_multiply_no_nan_lets_zero_win():
    x = gf.constant([np.nan, np.inf, 2.0])
    np.testing.assert_array_equal(value(gf.math.multiply_no_nan(x, [0.0, 0.0, 3.0])), [0, 0, 6])


def test_integer_powers():
    x = gf.placeholder(gf.int64, [None])
    np.testing.assert_array_equal(value(x**3, {x: [-2, 0, 5]}), [-8, 0, 125])
    with pytest.raises(gf.errors.InvalidArgumentError, match="negative integer powers"):
        value(2**x, {x: [-1]})


def test_gradient_of_pow_at_and_below_zero():
    """x^0 and x^2 at 0, and d/dy where x ≤ 0, where TensorFlow puts 0 for the logarithm."""
    x, y = gf.constant([0.0, 0.0, -2.0, 2.0]), gf.constant([0.0, 2.0, 2.0, 3.0])
    for_x, for_y = value(gf.gradients(x**y, [x, y]))
    np.testing.assert_allclose(for_x, [0, 0, -4, 12])
    np.testing.assert_allclose(for_y, [0, 0, 0, 8 * np.log(2)], rtol=1e-6)


def test_high_derivatives_of_a_square_at_zero_are_finite():
    x = gf.constant([0.0, 3.0])
    derivative, found = x**2, []
    for _ in range(5):
        derivative, = gf.gradients(derivative, x)
        found.append(derivative)
    np.testing.assert_array_equal(value(found), [[0, 6], [2, 2], [0, 0], [0, 0], [0, 0]])


def test_gradient_of_div_no_nan_at_a_zero_divisor_is_zero():
    x, y = gf.constant([3.0, 3.0]), gf.constant([0.0, 2.0])
    for_x, for_y = value(gf.gradients(gf.div_no_nan(x, y), [x, y]))
    np.testing.assert_allclose(for_x, [0, 0.5])
    np.testing.assert_allclose(for_y, [0, -0.75])


def test_gradients_of_remainders():
    x, y = gf.constant([7.5, -7.5]), gf.constant([2.0, 2.0])
    np.testing.assert_array_equal(value(gf.gradients(x % y, [x, y])), [[1, 1], [-3, 4]])
    np.testing.assert_array_equal(
        value(gf.gradients(gf.truncatemod(x, y), [x, y])), [[1, 1], [-3, 3]])


def test_abs_and_sign_at_zero():
    x = gf.constant([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(value(gf.gradients(gf.abs(x), x)[0]), [-1, 0, 1])
    np.testing.assert_array_equal(value(gf.gradients(gf.sign(x), x)[0]), [0, 0, 0])
    np.testing.assert_array_equal(value(gf.sign([np.nan, -0.0])), [np.nan, 0])


def test_integers_wrap():
    x = gf.constant([127, -128], gf.int8)
    np.testing.assert_array_equal(value(x + 1), [-128, -127])
    np.testing.assert_array_equal(value(-x), [-127, -128])


def test_add_n():
    x, y = gf.constant([1.0, 2.0]), gf.constant([10.0, 20.0])
    total = gf.add_n([x, y, x])
    assert (total.op.type, total.op.name) == ("AddN", "AddN")
    np.testing.assert_array_equal(value(total), [12, 24])
    np.testing.assert_array_equal(value(gf.gradients(total, [x, y])), [[2, 2], [1, 1]])
    assert gf.add_n([x]) is x
    with pytest.raises(ValueError, match="at least one tensor"):
        gf.add_n([])
    with pytest.raises(ValueError, match=r"AddN 'AddN_1'.*\[2\], inputs\[1\] \[3\].*with \+"):
        gf.add_n([x, gf.zeros([3])])


def test_add_n_adds_up_indexed_slices():
    slices = gf.IndexedSlices(gf.constant([[1.0], [2.0], [3.0]]), gf.constant([0, 2, 0]),
                              gf.constant([3, 1]))
    total = gf.add_n([slices, gf.ones([3, 1])])
    np.testing.assert_array_equal(value(total), [[5], [1], [3]])


def test_add_n_of_fed_shapes_that_differ():
    x, y = gf.placeholder(gf.float32), gf.placeholder(gf.float32)
    total = gf.add_n([x, y])
    with pytest.raises((gf.errors.InvalidArgumentError, ValueError), match="one shape"):
        value(total, {x: [1.0], y: [1.0, 2.0]})


def test_accumulate_n_checks_what_it_is_told():
    x = gf.constant([1.0, 2.0])
    total = gf.accumulate_n([x, x], shape=[2], tensor_dtype=gf.float32)
    assert total.op.name == "AccumulateNV2"
    np.testing.assert_array_equal(value(total), [2, 4])
    with pytest.raises(ValueError, match=r"inputs\[0\] \[2\] is not of shape \[3\]"):
        gf.accumulate_n([x, x], shape=[3])
    with pytest.raises(TypeError, match="tensor_dtype is int32"):
        gf.accumulate_n([x, x], tensor_dtype=gf.int32)


def test_scalar_mul():
    x = gf.constant([1.0, 2.0])
    np.testing.assert_array_equal(value(gf.scalar_mul(3, x)), [3, 6])
    with pytest.raises(ValueError, match=r"rank 0, got shape \[2\].*gf.multiply"):
        gf.scalar_mul([1.0, 2.0], x)
    slices = gf.IndexedSlices(x, gf.constant([0, 1]), gf.constant([2]))
    assert isinstance(gf.scalar_mul(2.0, slices), gf.IndexedSlices)


def test_arithmetic_of_sizes_is_known_while_building():
    x = gf.placeholder(gf.float32, [None, 6])
    rows, columns = gf.shape(x)[0], gf.shape(x)[1]
    y = gf.reshape(x, [rows * 2, columns // 2])
    assert y.shape.as_list() == [None, 3]
    assert (gf.maximum(columns, 4) % 4).symbolic_value == 2
    assert gf.reshape(x, [rows * 2, 3]).shape.is_compatible_with(y.shape)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_round_once(dtype):
    rng = np.random.default_rng(0)
    x, y = (gf.constant(rng.uniform(0.5, 2, 50), dtype) for _ in range(2))
    outs = [x / y, gf.squared_difference(x, y), x**y, gf.floormod(x, y)]
    wide_x, wide_y, *found = (np.asarray(v, np.float32) for v in value([x, y, *outs]))
    expected = [wide_x / wide_y, (wide_x - wide_y)**2, wide_x**wide_y, np.mod(wide_x, wide_y)]
    for got, want in zip(found, expected):
        np.testing.assert_array_equal(got, want.astype(x.dtype.as_numpy_dtype).astype(np.float32))


def test_polyval():
    x = gf.constant([0.0, 1.0, -2.0])
    np.testing.assert_allclose(
        value(gf.math.polyval([2.0, -1.0, 3.0], x)), np.polyval([2, -1, 3], [0, 1, -2]))
    np.testing.assert_array_equal(value(gf.math.polyval([], x)), [0, 0, 0])
