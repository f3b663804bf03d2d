"""assert_rank and kin, assert_type and kin."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphflow as gf

RANK = "data=None, summarize=None, message=None, name=None"
SIGNATURES = {  # of TensorFlow 1.15
    "assert_rank": f"x, rank, {RANK}",
    "assert_rank_at_least": f"x, rank, {RANK}",
    "assert_rank_in": f"x, ranks, {RANK}",
    "assert_scalar": "tensor, name=None, message=None",
    "assert_type": "tensor, tf_type, message=None, name=None",
    "assert_integer": "x, message=None, name=None",
    "assert_same_float_dtype": "tensors=None, dtype=None",
    "assert_proper_iterable": "values",
    "is_numeric_tensor": "tensor",
}


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("name", list(SIGNATURES))
def test_signatures(name):
    found = ", ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default}"
        for p in inspect.signature(getattr(gf, name)).parameters.values())
    assert found == SIGNATURES[name]


MATRIX = np.array([[1, 2], [3, 4]])
RANKS = [
    # function, a rank that holds, one that does not, words of the message
    ("assert_rank", 2, 1, "must have rank 1"),
    ("assert_rank_at_least", 1, 3, "must have rank at least 3"),
    ("assert_rank_in", [1, 2], [1, 3], r"must have rank in \(1, 3\)"),
]


@pytest.mark.parametrize("name, good, bad, words", RANKS)
def test_known_ranks(name, good, bad, words):
    check = getattr(gf, name)
    assert check(MATRIX, good).type == "NoOp"
    with pytest.raises(ValueError, match=(
            rf"hello.  Tensor .* {words}.  Received rank 2, shape \[2, 2\].*test_checks_types")):
        check(MATRIX, bad, message="hello")


@pytest.mark.parametrize("name, good, bad, words", RANKS)
def test_ranks_known_in_the_run(name, good, bad, words):
    x = gf.placeholder(gf.int64, name="x")
    check = getattr(gf, name)
    run(check(x, good), {x: MATRIX})
    with pytest.raises(gf.errors.InvalidArgumentError, match=(
            r"\[hello\] \[Tensor x:0 must have rank.*\[Received shape: \] \[2 2\]")):
        run(check(x, bad, message="hello"), {x: MATRIX})


def test_the_wanted_rank_may_be_a_tensor():
    rank = gf.placeholder(gf.int32, [])
    check = gf.assert_rank(MATRIX, rank)
    run(check, {rank: 2})
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"must have rank\] \[3\]"):
        run(check, {rank: 3})
    assert gf.assert_rank(MATRIX, gf.constant(2)).type == "NoOp"
    with pytest.raises(ValueError, match="Rank must be a scalar"):
        gf.assert_rank(MATRIX, [1])


def test_assert_scalar():
    assert run(gf.assert_scalar(3)) == 3
    with pytest.raises(ValueError, match=r"Expected scalar shape for .*, saw shape: \[2, 2\]"):
        gf.assert_scalar(MATRIX)
    with pytest.raises(ValueError, match="saw shape: <unknown>"):
        gf.assert_scalar(gf.placeholder(gf.float32))


def test_types():
    assert gf.assert_type(gf.constant(1.0), gf.float32).type == "NoOp"
    with pytest.raises(TypeError, match="hello.  .*must be of type float32; got int64"):
        gf.assert_type(MATRIX, tf_type=gf.float32, message="hello")
    assert gf.assert_integer(MATRIX).type == "NoOp"
    with pytest.raises(TypeError, match='Expected "x" to be integer type. Found: .*float64'):
        gf.assert_integer(np.array([1.0]))


def test_assert_same_float_dtype():
    one, other = gf.constant(1.0), gf.constant(np.array(1.0))
    assert gf.assert_same_float_dtype() is gf.float32
    assert gf.assert_same_float_dtype([one, None, one]) is gf.float32
    assert gf.assert_same_float_dtype([other], gf.float64) is gf.float64
    for arguments in (([one, other],), ([one], gf.float64), ([gf.constant(1)],), (None, gf.int32)):
        with pytest.raises(ValueError, match="must be of the same type|Expected floating point"):
            gf.assert_same_float_dtype(*arguments)


def test_is_numeric_tensor():
    assert gf.is_numeric_tensor(gf.constant(1)) and gf.is_numeric_tensor(gf.constant(1j))
    assert not gf.is_numeric_tensor(gf.constant("a"))
    assert not gf.is_numeric_tensor(gf.constant(True))
    assert not gf.is_numeric_tensor([1])


def test_assert_proper_iterable():
    gf.assert_proper_iterable([1, 2])
    gf.assert_proper_iterable({"a": 1})
    for value in (gf.constant([1]), "text", b"bytes", MATRIX):
        with pytest.raises(TypeError, match='"proper" iterable'):
            gf.assert_proper_iterable(value)
    with pytest.raises(TypeError, match="to be iterable"):
        gf.assert_proper_iterable(3)
