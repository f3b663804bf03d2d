"""Symbolic sizes: their arithmetic is that of the numbers that they stand for."""

from __future__ import annotations

import operator
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow import dims
from graphflow.dims import (
    Assumptions,
    assuming,
    broadcast_dims,
    equal,
    evaluate_dim,
    known_factor,
    same,
    symbol,
)
from graphflow.errors import ShapeError

NAMES = ("n", "m", "k")
SIZES = st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES})
FUNCTIONS = {
    "add": (dims.add, operator.add),
    "sub": (dims.sub, operator.sub),
    "mul": (dims.mul, operator.mul),
    "floordiv": (dims.floordiv, operator.floordiv),
    "ceildiv": (dims.ceildiv, lambda a, b: -(-a // b)),
    "max": (dims.dim_max, max),
    "min": (dims.dim_min, min),
}
LEAVES = st.one_of(st.integers(-6, 6), st.sampled_from(NAMES))
EXPRESSIONS = st.recursive(
    LEAVES, lambda inner: st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner, inner),
    max_leaves=7)


def as_size(expression):
    """The expression as a symbolic size."""
    if isinstance(expression, str):
        return symbol(expression)
    if isinstance(expression, int):
        return expression
    name, left, right = expression
    return FUNCTIONS[name][0](as_size(left), as_size(right))


def as_number(expression, sizes):
    """The expression in plain Python."""
    if isinstance(expression, str):
        return sizes[expression]
    if isinstance(expression, int):
        return expression
    name, left, right = expression
    return FUNCTIONS[name][1](as_number(left, sizes), as_number(right, sizes))


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, SIZES)
def test_an_expression_has_the_value_of_its_numbers(expression, sizes):
    try:
        expected = as_number(expression, sizes)
        size = as_size(expression)
    except (ZeroDivisionError, ShapeError):
        return  # a division by what is, or may be, zero
    assert evaluate_dim(size, sizes) == expected


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS, SIZES)
def test_equality_never_lies(left, right, sizes):
    try:
        a, b = as_size(left), as_size(right)
        values = evaluate_dim(a, sizes), evaluate_dim(b, sizes)
    except (ZeroDivisionError, ShapeError):
        return
    answer = equal(a, b)
    assert answer is None or answer == (values[0] == values[1])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from(NAMES), st.sampled_from(NAMES)),
                max_size=5), st.randoms())
def test_equal_polynomials_are_equal_whatever_the_order(terms, random):
    shuffled = list(terms)
    random.shuffle(shuffled)
    one, other = 0, 0
    for (c, a, b), (d, p, q) in zip(terms, shuffled):
        one = dims.add(one, dims.mul(c, dims.mul(symbol(a), symbol(b))))
        other = dims.add(dims.mul(dims.mul(symbol(q), symbol(p)), d), other)
    assert equal(one, other) is True
    assert hash(one) == hash(other)


def test_equality_has_three_answers():
    n, m = symbol("n"), symbol("m")
    assert equal(n + 2, 2 + n) is True
    assert equal(n + 2, n + 1) is False
    assert equal(n, m) is None
    assert equal((n + 1) * (n - 1), n * n - 1) is True


def test_the_known_factor_of_a_size():
    n, m = symbol("n"), symbol("m")
    assert [known_factor(d) for d in (12, n, 6 * n * m, 6 * n + 4 * m, 6 * n + 3)] == [
        12, 1, 6, 2, 3]


def test_what_divides_exactly_is_divided():
    n, m = symbol("n"), symbol("m")
    assert (6 * n * m + 4 * n) // (2 * n) == 3 * m + 2
    assert str((n + 1) // 2) == "floordiv(n+1, 2)"
    assert dims.ceildiv(4 * n, 2) == 2 * n
    assert n % n == 0
    with pytest.raises(ShapeError, match="n cannot be divided by 0"):
        n // 0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5))
def test_a_broadcast_size_is_numpys(a, b):
    legal = a == b or 1 in (a, b)
    size = broadcast_dims(a, b)
    assert (size is not None) == legal
    if legal:
        assert size == np.broadcast_shapes((a,), (b,))[0]


def test_what_is_known_of_a_broadcast():
    n, m = symbol("n"), symbol("m")
    assert broadcast_dims(n, 1) == n
    assert broadcast_dims(n, n) == n
    assert broadcast_dims(n, 7) == 7, "n is 1 or 7"
    size = broadcast_dims(n, m)
    assert str(size) == "broadcast(m, n)" == str(broadcast_dims(m, n))
    assert evaluate_dim(size, {"n": 1, "m": 5}) == 5 == evaluate_dim(size, {"n": 5, "m": 1})


def test_assumptions_become_guards():
    n, m = symbol("n"), symbol("m")
    with assuming(Assumptions({"n": 4, "m": 1})) as assumptions:
        assert same(n, m) is False
        assert broadcast_dims(n, m) == n
    assert same(n, m) is None, "outside nothing is assumed"
    assert assumptions.hold_for({"n": 5, "m": 1})
    assert not assumptions.hold_for({"n": 1, "m": 5})
    assert not assumptions.hold_for({"n": 5, "m": 5})


def test_guards_make_symbols_known():
    a, c, d, e = map(symbol, "acde")
    with assuming(Assumptions({"a": 4, "c": 4, "d": 4, "e": 7, "f": 1})) as assumptions:
        assert same(d, c) and same(a, d) and same(e, 7) and same(symbol("f"), 1)
        assert same(a, e) is False and same(a * 2, c * 2)
    assert assumptions.known() == {"c": a, "d": a, "e": 7, "f": 1}
    with assuming(assumptions):
        assert same(c, 4)
    assert assumptions.known() == {"a": 4, "c": 4, "d": 4, "e": 7, "f": 1}
    assert Assumptions({"a": 4}).known() == {}


# ---- what TensorFlow 1 programs write -----------------------------------------------------------


@pytest.fixture
def images():
    with gf.Graph().as_default():
        yield gf.placeholder(gf.float32, [None, 28, 28, 3], name="images")


def test_reading_sizes_as_tf1_programs_do(images):
    assert int(images.shape[1]) == 28
    assert images.shape[1].value == 28 and images.get_shape()[1].value == 28
    assert images.shape[0].value is None
    assert gf.Dimension(None).value is None and gf.Dimension(7).value == 7
    assert images.shape.as_list() == [None, 28, 28, 3]
    assert [-1, *images.shape.as_list()[1:]] == [-1, 28, 28, 3]
    assert np.prod(images.get_shape().as_list()[1:]) == 2352
    assert np.prod(images.shape[1:]) == 2352
    assert images.shape[1] * images.shape[2] == 784
    assert isinstance(images.shape[1] * 2, gf.Dimension)
    assert (images.shape[1] // 3).value == 9 and (images.shape[1] % 3).value == 1
    assert not (images.shape[0] == None)  # noqa: E711, SIM201  # as such programs say it
    assert [i for i in range(images.shape[3])] == [0, 1, 2]  # noqa: C416


def test_an_unknown_size_compares_as_neither_yes_nor_no(images):
    batch = images.shape[0]
    assert (batch != 3) is None and (batch < 3) is None and (batch >= 3) is None
    assert not (batch == 3)  # noqa: SIM201  # neither equal nor different
    assert (batch < batch + 1) is True and (batch != batch + 1) is True
    assert (batch != batch) is False and (batch > batch) is False  # on purpose


def test_sizes_beside_what_is_no_size(images):
    assert images.shape[1] * 0.5 == 14.0 and 1.5 + images.shape[1] == 29.5
    assert images.shape[1] - 0.5 == 27.5 and images.shape[1] % 1.5 == 1.0
    count = gf.constant(2)
    with gf.Session() as session:
        found = session.run([images.shape[1] + count, images.shape[1] * count,
                             count - images.shape[3], images.shape[1] // count])
    assert found == [30, 56, -1, 14]


def test_sizes_in_shapes(images):
    w = gf.get_variable("w", [images.shape[3], 10])
    flat = gf.reshape(images, [-1, images.shape[1] * images.shape[2], images.shape[3]])
    assert w.shape.as_list() == [3, 10]
    assert flat.shape.as_list() == [None, 784, 3]
    assert gf.zeros([images.shape[1], 2]).shape.as_list() == [28, 2]


def test_an_unknown_size_says_what_to_use_instead(images):
    for use in (int, lambda d: images + d, lambda d: gf.constant([d, 1]),
                lambda d: gf.fill([d, 1], 0.0), lambda d: gf.reshape(images, [d, -1])):
        with pytest.raises((TypeError, ValueError), match=r"images\.0.*gf\.shape\(x\)\[axis\]"):
            use(images.shape[0])
    with pytest.raises(TypeError, match="use //"):
        images.shape[0] / 2


@pytest.mark.parametrize("bad, problem", [
    (-1, "must not be negative, got -1; a size that is not known is None"),
    (2.5, "must be an int, None or a Dimension, got 2.5"),
    ("3", "must be an int, None or a Dimension, got '3'"),
])
def test_what_is_no_size(bad, problem):
    with pytest.raises(ValueError, match=problem):
        gf.Dimension(bad)


def test_compatible_and_merged_sizes():
    unknown = gf.Dimension(None)
    assert unknown.is_compatible_with(3) and gf.Dimension(3).is_compatible_with(None)
    assert not gf.Dimension(3).is_compatible_with(4)
    assert unknown.merge_with(3) == 3 and gf.Dimension(3).merge_with(None) == 3
    with pytest.raises(ValueError, match="3 and 4 are not compatible"):
        gf.Dimension(3).merge_with(4)


def test_sizes_are_pickled():
    for size in (gf.Dimension(3), symbol("n") * 2 + 1):
        assert pickle.loads(pickle.dumps(size)) == size


@pytest.mark.parametrize("step", [
    lambda size: dims.mul(size, size), lambda size: dims.floordiv(size, dims.add(size, 1)),
    lambda size: dims.dim_max(dims.mul(size, symbol("k")), dims.add(size, 1))])
def test_an_expression_that_grows_without_end_becomes_an_unknown(step):
    size = dims.add(symbol("n"), symbol("m"))
    for _ in range(60):
        size = step(size)
    assert len(str(size)) < 100_000 and dims.never_negative(size)


def test_what_may_be_negative_still_may_be_once_it_is_unknown():
    size = dims.sub(symbol("n"), symbol("m"))
    for _ in range(60):
        size = dims.mul(size, dims.sub(size, 1))
    assert not dims.never_negative(size)
