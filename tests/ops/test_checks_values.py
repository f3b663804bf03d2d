"""assert_equal … assert_near: while building and in runs."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphflow as gf

PAIR = "x, y, data=None, summarize=None, message=None, name=None"
ZERO = "x, data=None, summarize=None, message=None, name=None"

# name, symbol, arguments that fail, arguments that hold
PAIRS = [
    ("assert_equal", "==", ([1, 2], [1, 3]), ([1, 2], [1, 2])),
    ("assert_none_equal", "!=", ([1, 2], [3, 2]), ([1, 2], [3, 4])),
    ("assert_less", "<", ([1, 2], [1, 3]), ([1, 2], [2, 3])),
    ("assert_less_equal", "<=", ([2.0], [1.0]), ([1.0, 2.0], [2.0, 2.0])),
    ("assert_greater", ">", ([1, 2], [1, 1]), ([1, 2], 0)),
    ("assert_greater_equal", ">=", ([1, 2], [1, 3]), ([1, 3], [1, 2])),
]
ZEROS = [
    ("assert_positive", ">", [0, 1], [1, 2]),
    ("assert_negative", "<", [0, -1], [-1, -2]),
    ("assert_non_negative", ">=", [-1, 1], [0, 1]),
    ("assert_non_positive", "<=", [-1, 1], [0, -1]),
]


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def fed(value):
    array = np.asarray(value)
    return gf.placeholder_with_default(array, array.shape)


def signature(name):
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default}"
                     for p in inspect.signature(getattr(gf, name)).parameters.values())


@pytest.mark.parametrize("name, symbol, bad, good", PAIRS)
def test_pairs(name, symbol, bad, good):
    assert signature(name) == PAIR
    check = getattr(gf, name)
    for arguments in (good, [fed(v) for v in good]):
        operation = check(*arguments)
        assert isinstance(operation, gf.Operation)
        run(operation)
    with pytest.raises(gf.errors.InvalidArgumentError, match=(
            f"(?s){name}.*hello.*Condition x {symbol} y did not hold.*test_checks_values.py")):
        check(*bad, message="hello")
    late = check(*[fed(v) for v in bad], message="hello")
    with pytest.raises(gf.errors.InvalidArgumentError, match=(
            f"assertion failed: .hello. .Condition x {symbol} y did not hold element-wise:.")):
        run(late)


@pytest.mark.parametrize("name, symbol, bad, good", ZEROS)
def test_against_zero(name, symbol, bad, good):
    assert signature(name) == ZERO
    check = getattr(gf, name)
    for argument in (good, fed(good), fed(np.float32(good))):
        run(check(argument))
    with pytest.raises(gf.errors.InvalidArgumentError, match=f"Condition x {symbol} 0 did not"):
        check(bad)
    with pytest.raises(gf.errors.InvalidArgumentError, match=f"Condition x {symbol} 0 did not"):
        run(check(fed(bad)))


def test_the_message_shows_both_values_and_the_line():
    x = gf.placeholder(gf.int32, [None], name="ids")
    check = gf.assert_less(x, 10, message="an id is too large", name="in_range")
    with pytest.raises(gf.errors.InvalidArgumentError) as caught:
        run(check, {x: [3, 12, 4, 5]})
    assert ("assertion failed: [an id is too large] [Condition x < y did not hold element-wise:]"
            " [x (ids:0) = ] [3 12 4...] [y (in_range/y:0) = ] [10]") in caught.value.message
    assert "in_range/Assert" in caught.value.message
    assert "test_checks_values.py" in caught.value.message


def test_data_replaces_the_message():
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"failed: \[d\] \[3\]"):
        gf.assert_equal([1, 2], [1, 3], data=["d", 3])
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"failed: \[m\] \[5\]"):
        run(gf.assert_equal(fed(1), 2, data=[fed(5)], message="m"))


def test_what_holds_while_building_costs_nothing():
    assert gf.assert_equal(gf.shape(gf.ones([2, 3]))[0], 2).type == "NoOp"
    assert gf.assert_positive(np.zeros((0,), np.float32)).type == "NoOp"


def test_values_broadcast_and_strings_compare():
    run(gf.assert_less(fed([[1], [2]]), [3, 4]))
    run(gf.assert_equal(gf.constant(["a", "b"]), ["a", "b"]))
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"\[a b\].*\[a c\]"):
        gf.assert_equal(gf.constant(["a", "b"]), ["a", "c"])
    with pytest.raises(ValueError, match=r"\[2\].*\[3\]"):
        gf.assert_equal([1, 2], [1, 2, 3])


def test_variables_are_read():
    v = gf.Variable([1.0, 2.0])
    check = gf.assert_positive(v)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(check)
        v.load([1.0, -2.0], session)
        with pytest.raises(gf.errors.InvalidArgumentError, match=r"\[1 -2\]"):
            session.run(check)


def test_as_a_control_input():
    x = gf.placeholder(gf.float32, [None])
    with gf.control_dependencies([gf.assert_non_negative(x)]):
        y = gf.sqrt(x)
    np.testing.assert_array_equal(run(y, {x: [4.0]}), [2])
    with pytest.raises(gf.errors.InvalidArgumentError, match="x >= 0"):
        run(y, {x: [-4.0]})


# --- assert_near ------------------------------------------------------------------------------


def test_near_signature():
    assert signature("assert_near") == (
        "x, y, rtol=None, atol=None, data=None, summarize=None, message=None, name=None")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_near_by_default_is_ten_epsilons(dtype):
    epsilon = np.finfo(dtype).eps
    one = dtype([1.0])
    near, far = one + dtype(16 * epsilon), one + dtype(24 * epsilon)
    run(gf.assert_near(fed(near), fed(one)))  # within 10ε + 10ε · |y|
    assert gf.assert_near(near, one).type == "NoOp"
    with pytest.raises(gf.errors.InvalidArgumentError, match="not equal to tolerance"):
        gf.assert_near(far, one)
    with pytest.raises(gf.errors.InvalidArgumentError, match="not equal to tolerance"):
        run(gf.assert_near(fed(far), fed(one)))


def test_near_with_tolerances():
    run(gf.assert_near(fed([1.0, 2.0]), [1.0, 2.1], rtol=0.1))
    run(gf.assert_near(fed([0.0]), [0.4], atol=0.5))
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"rtol = 0, atol = 0.1"):
        run(gf.assert_near(fed([1.0, 2.0]), [1.0, 3.0], rtol=0.0, atol=0.1))
    with pytest.raises(TypeError, match="x must be of a float type, got int32.*assert_equal"):
        gf.assert_near([1], [1])


def test_nan_is_near_nothing():
    with pytest.raises(gf.errors.InvalidArgumentError):
        gf.assert_near([np.nan], [np.nan])
