"""Comparisons, tests of floats, logic, bits, and the operators `& | ^ ~`."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import graphflow as gf

A, B = [-3, 0, 5, 12, 127], [1, 0, 3, 10, -1]


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("name, function", [
    ("less", np.less), ("less_equal", np.less_equal), ("greater", np.greater),
    ("greater_equal", np.greater_equal), ("equal", np.equal), ("not_equal", np.not_equal)])
def test_comparisons_with_nan(name, function):
    x, y = np.array([1.0, 2.0, np.nan, np.inf]), np.array([2.0, 2.0, np.nan, np.inf])
    z = getattr(gf, name)(gf.constant(x), gf.constant(y))
    assert z.dtype == gf.bool
    np.testing.assert_array_equal(value(z), function(x, y))


def test_operators_compare_and_equality_is_identity():
    x = gf.constant([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(value((x < 2) | (x >= 3)), [True, False, True])
    np.testing.assert_array_equal(value((x <= 2) & (x > 1)), [False, True, False])
    assert (x == gf.constant([1.0, 2.0, 3.0])) is False


def test_equality_of_strings_and_bools():
    np.testing.assert_array_equal(
        value(gf.equal(["a", "b"], gf.constant(["a", "c"]))), [True, False])
    np.testing.assert_array_equal(
        value(gf.not_equal([True, False], gf.constant(True))), [False, True])
    with pytest.raises(TypeError, match="Less 'Less': x must be one of.*got string"):
        gf.less(gf.constant(["a"]), gf.constant(["b"]))


def test_approximate_equal():
    x = gf.constant([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(
        value(gf.approximate_equal(x, [1.0, 1.000001, 1.1])), [True, True, False])
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        gf.approximate_equal(x, x, tolerance=-1)


def test_tests_of_floats():
    x = [1.0, np.nan, np.inf, -np.inf]
    for name in ("is_nan", "is_inf", "is_finite"):
        function = getattr(np, name.replace("_", ""))
        np.testing.assert_array_equal(value(getattr(gf, name)(x)), function(x))
    with pytest.raises(TypeError, match="IsNan"):
        gf.is_nan(gf.constant([1]))


def test_logic():
    x, y = gf.constant([False, False, True, True]), gf.constant([False, True, False, True])
    np.testing.assert_array_equal(value(gf.logical_and(x, y)), [0, 0, 0, 1])
    np.testing.assert_array_equal(value(gf.logical_or(x, y)), [0, 1, 1, 1])
    np.testing.assert_array_equal(value(gf.logical_xor(x, y)), [0, 1, 1, 0])
    np.testing.assert_array_equal(value(gf.logical_not(x)), [1, 1, 0, 0])
    with pytest.raises(TypeError, match="LogicalAnd"):
        gf.logical_and(gf.constant([1]), gf.constant([1]))


@pytest.mark.parametrize("symbol", [operator.and_, operator.or_, operator.xor])
def test_operators_are_logic_for_bools_and_bits_for_integers(symbol):
    x, y = [False, True, True], [True, False, True]
    np.testing.assert_array_equal(
        value(symbol(gf.constant(x), y)), [symbol(a, b) for a, b in zip(x, y)])
    np.testing.assert_array_equal(
        value(symbol(gf.constant(A, gf.int8), B)), [symbol(a, b) for a, b in zip(A, B)])
    np.testing.assert_array_equal(
        value(symbol(6, gf.constant(A))), [symbol(6, a) for a in A])
    with pytest.raises(TypeError, match="defined for bool.*integers.*got float32.*Compare first"):
        symbol(gf.constant([1.0]), gf.constant([1.0]))


def test_inversion():
    np.testing.assert_array_equal(value(~gf.constant([True, False])), [False, True])
    np.testing.assert_array_equal(value(~gf.constant(A)), [~a for a in A])
    np.testing.assert_array_equal(
        value(gf.bitwise.invert(gf.constant([0, 255], gf.uint8))), [255, 0])
    with pytest.raises(TypeError, match="Invert"):
        ~gf.constant([1.0])


def test_bits_and_shifts():
    x, y = gf.constant(A, gf.int8), gf.constant(B, gf.int8)
    np.testing.assert_array_equal(
        value(gf.bitwise.bitwise_and(x, y)), [a & b for a, b in zip(A, B)])
    shifts = gf.constant([0, 1, 7, 8], gf.uint8)
    np.testing.assert_array_equal(
        value(gf.bitwise.left_shift(gf.constant(3, gf.uint8), shifts)), [3, 6, 128, 0])
    np.testing.assert_array_equal(
        value(gf.bitwise.right_shift(gf.constant([-100] * 3, gf.int8), [0, 2, 9])),
        [-100, -25, -1])


def test_predicates_have_no_gradient():
    x = gf.constant([1.0])
    assert gf.gradients(gf.cast(x > 0, gf.float32), x) == [None]
