"""`TensorArray`: outside of loops, as a loop variable, in branches, growing, differentiated.

Expected values are NumPy's; derivatives are compared with central differences.
"""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import DTypeError, GraphError, ShapeError
from graphflow.options import Options


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


X = np.linspace(-1, 1, 12).reshape(4, 3)


def squares(n, dtype=gf.float64, **options):
    """An array of i² · [1, 2], written in a loop."""
    def body(i, array):
        value = gf.cast(i * i, dtype) * gf.constant([1, 2], dtype)
        return i + 1, array.write(i, value)

    return gf.while_loop(lambda i, *_: i < n, body, [0, gf.TensorArray(dtype, n, **options)])[1]


# ---- outside of loops ---------------------------------------------------------------------------


def test_written_elements_are_read():
    array = gf.TensorArray(gf.float32, size=3)
    array = array.write(0, [1.0, 2.0]).write(2, [5.0, 6.0])
    assert run([array.read(0), array.read(2), array.size()])[2] == 3
    assert run(array.read(2)).tolist() == [5, 6]
    assert run(array.stack()).tolist() == [[1, 2], [0, 0], [5, 6]]


def test_arrays_are_values():
    first = gf.TensorArray(gf.float32, size=2).write(0, 1.0)
    second = first.write(0, 2.0)
    assert run([first.read(0), second.read(0)]) == [1.0, 2.0]


def test_unstack_and_stack():
    array = gf.TensorArray(gf.float64, size=4).unstack(X)
    stacked = array.stack()
    np.testing.assert_array_equal(run(stacked), X)
    assert array.element_shape.as_list() == [3]
    assert stacked.name == "TensorArrayStack/TensorArrayGatherV3:0"


def test_gather_and_scatter():
    array = gf.TensorArray(gf.float64, size=4).scatter([3, 0], X[:2])
    np.testing.assert_array_equal(run(array.gather([0, 1, 3])), [X[1], [0, 0, 0], X[0]])


def test_concat_and_split():
    array = gf.TensorArray(gf.float64, size=2).split(X, [2, 2])
    np.testing.assert_array_equal(run(array.read(1)), X[2:])
    np.testing.assert_array_equal(run(array.concat()), X)
    lengths = gf.placeholder(gf.int32, [None])
    uneven = gf.TensorArray(gf.float64, size=2).split(X, lengths)
    with pytest.raises(gf.errors.InvalidArgumentError, match="lengths must be equal"):
        run(uneven.read(0), {lengths: [1, 3]})


def test_identity_and_the_state():
    array = gf.TensorArray(gf.float32, size=2).write(1, [3.0])
    again = gf.TensorArray(gf.float32, handle=array.handle, flow=array.identity().flow)
    assert run(again.stack()).tolist() == [[0], [3]]
    assert array.close().type == "NoOp"


def test_elements_known_beforehand_are_zeros():
    array = gf.TensorArray(gf.int64, size=2, element_shape=[2])
    assert run(array.stack()).tolist() == [[0, 0], [0, 0]]
    assert array.dtype is gf.int64 and not array.dynamic_size


def test_an_array_of_a_fed_size():
    n = gf.placeholder(gf.int32, [])
    assert run(squares(n).stack(), {n: 3}).tolist() == [[0, 0], [1, 2], [4, 8]]


# ---- loops --------------------------------------------------------------------------------------


def test_the_body_shows_the_shape_of_the_elements():
    array = squares(4)
    assert array.element_shape.as_list() == [2]
    assert array.stack().shape.as_list() == [4, 2]
    np.testing.assert_array_equal(run(array.stack()), np.outer(np.arange(4) ** 2, [1, 2]))


def test_no_turn_gives_zeros():
    n = gf.placeholder(gf.int32, [])
    _, array = gf.while_loop(
        lambda i, _: i < n, lambda i, a: (i + 1, a.write(i, [1.0, 2.0])),
        [0, gf.TensorArray(gf.float32, 2)])
    assert run(array.stack(), {n: 0}).tolist() == [[0, 0], [0, 0]]


def test_the_batch_is_fed():
    x = gf.placeholder(gf.float64, [None, 3])

    def body(i, state, array):
        state = state * 2.0 + x
        return i + 1, state, array.write(i, gf.concat([state, state], 1))

    _, _, array = gf.while_loop(
        lambda i, *_: i < 3, body, [0, gf.zeros_like(x), gf.TensorArray(gf.float64, 3)])
    found = array.stack()
    assert found.shape[0].value == 3 and found.shape[2].value == 6
    expected = np.stack([np.concatenate([s, s], 1) for s in (X, 3 * X, 7 * X)])
    np.testing.assert_allclose(run(found, {x: X}), expected)


def test_reading_what_an_earlier_turn_wrote():
    def body(i, array):
        return i + 1, array.write(i, array.read(i - 1) + array.read(i - 2))

    start = gf.TensorArray(gf.int32, 10).write(0, 1).write(1, 1)
    _, array = gf.while_loop(lambda i, _: i < 10, body, [2, start])
    assert run(array.stack()).tolist() == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]


def test_nested_loops():
    def outer(i, table):
        _, row = gf.while_loop(
            lambda j, _: j < 3, lambda j, r: (j + 1, r.write(j, 10 * i + j)),
            [0, gf.TensorArray(gf.int32, 3)])
        return i + 1, table.write(i, row.stack())

    _, table = gf.while_loop(lambda i, _: i < 2, outer, [0, gf.TensorArray(gf.int32, 2)])
    assert run(table.stack()).tolist() == [[0, 1, 2], [10, 11, 12]]


def test_only_the_inner_loop_writes():
    def outer(i, array):
        _, array = gf.while_loop(
            lambda j, _: j < 3, lambda j, a: (j + 1, a.write(3 * i + j, [i, j])), [0, array])
        return i + 1, array

    _, array = gf.while_loop(lambda i, _: i < 2, outer, [0, gf.TensorArray(gf.int32, 6)])
    assert run(array.stack()).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_an_invariant_for_an_array_is_accepted():
    _, array = gf.while_loop(
        lambda i, _: i < 2, lambda i, a: (i + 1, a.write(i, i)),
        [gf.constant(0), gf.TensorArray(gf.int32, 2)],
        shape_invariants=[gf.TensorShape([]), gf.TensorShape(None)])
    assert run(array.stack()).tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore::graphflow.errors.GraphflowWarning")
def test_elements_whose_shape_only_the_run_shows():
    def body(i, array):
        value = gf.py_func(lambda k: np.full([2, 3], k, np.float64), [i], gf.float64)
        return i + 1, array.write(i, value)

    _, array = gf.while_loop(lambda i, _: i < 2, body, [0, gf.TensorArray(gf.float64, 2)])
    assert run(array.stack()).tolist() == [[[0.0] * 3] * 2, [[1.0] * 3] * 2]


# ---- branches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("swapped", [False, True])
def test_one_branch_writes(swapped):
    pred = gf.placeholder(gf.bool, [])
    array = gf.TensorArray(gf.float32, 2)
    x = gf.placeholder(gf.float32, [None])
    branches = [lambda: array.write(1, x * 2.0), lambda: array]
    made = gf.cond(pred, *(branches[::-1] if swapped else branches))
    found = [run(made.stack(), {pred: p, x: [1, 2]}).tolist() for p in (True, False)]
    assert found[swapped] == [[0, 0], [2, 4]] and found[not swapped] == [[0, 0], [0, 0]]


def test_case_gives_arrays():
    k = gf.placeholder(gf.int32, [])
    array = gf.TensorArray(gf.int32, 2)
    made = gf.case([(gf.equal(k, 0), lambda: array.write(0, 5)),
                    (gf.equal(k, 1), lambda: array.write(1, 6))], default=lambda: array)
    assert [run(made.stack(), {k: v}).tolist() for v in range(3)] == [[5, 0], [0, 6], [0, 0]]


def test_writing_every_other_turn():
    _, array = gf.while_loop(
        lambda i, _: i < 4,
        lambda i, a: (i + 1, gf.cond(gf.equal(i % 2, 0), lambda: a.write(i, i), lambda: a)),
        [0, gf.TensorArray(gf.int32, 4)])
    assert run(array.stack()).tolist() == [0, 0, 2, 0]


# ---- arrays that grow ---------------------------------------------------------------------------


def test_growing_outside_of_loops():
    array = gf.TensorArray(gf.float32, size=0, dynamic_size=True)
    array = array.write(0, 1.0).write(3, 2.0)
    assert run([array.size(), array.stack()])[0] == 4
    assert run(array.stack()).tolist() == [1, 0, 0, 2]
    assert run(array.scatter([5], [3.0]).stack()).tolist() == [1, 0, 0, 2, 0, 3]


def test_growing_in_a_loop():
    n = gf.placeholder(gf.int32, [])
    _, array = gf.while_loop(
        lambda i, _: i < n, lambda i, a: (i + 1, a.write(i, [i, i])),
        [0, gf.TensorArray(gf.int32, size=0, dynamic_size=True)])
    stacked = array.stack()
    assert stacked.shape.as_list() == [None, 2]
    assert run(stacked, {n: 3}).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert run([stacked, array.size()], {n: 0})[0].shape == (0, 2)


# ---- derivatives --------------------------------------------------------------------------------


def differences(f, x, step=1e-6):
    slope = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            slope[place] += sign * f(moved) / (2 * step)
    return slope


def check_derivatives(y, x, value):
    """First and second derivatives of scalar y against differences."""
    weights = np.cos(np.arange(value.size)).reshape(value.shape)
    first, = gf.gradients(y, x)
    second, = gf.gradients(gf.reduce_sum(first * weights), x)
    with gf.Session() as session:
        expected = differences(lambda v: session.run(y, {x: v}), value)
        np.testing.assert_allclose(session.run(first, {x: value}), expected, atol=1e-7)
        expected = differences(
            lambda v: np.sum(session.run(first, {x: v}) * weights), value)
        np.testing.assert_allclose(session.run(second, {x: value}), expected, atol=1e-7)


def test_derivatives_through_single_elements():
    x = gf.placeholder(gf.float64, [3])
    array = gf.TensorArray(gf.float64, 3).write(0, x).write(2, x * x).write(0, x ** 3)
    check_derivatives(gf.reduce_sum(array.read(0) * array.read(2) + array.read(1)), x, X[1])


def test_derivatives_through_all_elements():
    x = gf.placeholder(gf.float64, [4, 3])
    array = gf.TensorArray(gf.float64, 4).unstack(x).scatter([1], x[:1] ** 2)
    check_derivatives(
        gf.reduce_sum(array.concat() ** 2) * gf.reduce_sum(array.gather([1, 1, 3])), x, X)


def test_derivatives_through_a_loop():
    x = gf.placeholder(gf.float64, [None, 3])
    rows = gf.TensorArray(gf.float64, 4).unstack(x)

    def body(i, state, array):
        state = gf.sin(state) * rows.read(i) + rows.read(3 - i)
        return i + 1, state, array.write(3 - i, state * state)

    _, _, array = gf.while_loop(
        lambda i, *_: i < 4, body,
        [0, gf.ones([3], gf.float64), gf.TensorArray(gf.float64, 4)])
    check_derivatives(gf.reduce_sum(array.stack() ** 2), x, X)


def test_derivatives_through_an_array_that_is_read_and_written():
    x = gf.placeholder(gf.float64, [3])

    def body(i, array):
        return i + 1, array.write(i, array.read(i - 1) * array.read(i - 2) + x)

    start = gf.TensorArray(gf.float64, 6).write(0, x).write(1, gf.cos(x))
    _, array = gf.while_loop(lambda i, _: i < 6, body, [2, start])
    check_derivatives(gf.reduce_sum(array.stack()), x, X[2])


def test_derivatives_through_a_branch():
    x = gf.placeholder(gf.float64, [3])
    array = gf.TensorArray(gf.float64, 2).write(0, x)
    made = gf.cond(x[0] > 0, lambda: array.write(1, x ** 3), lambda: array)
    for value in (X[0], X[3]):
        check_derivatives(gf.reduce_sum(made.stack() ** 2), x, value)


def test_first_derivatives_through_an_array_that_grows():
    x = gf.placeholder(gf.float64, [3])
    _, array = gf.while_loop(
        lambda i, _: i < 3, lambda i, a: (i + 1, a.write(i, x * gf.cast(i, gf.float64))),
        [0, gf.TensorArray(gf.float64, 0, dynamic_size=True)])
    slope, = gf.gradients(gf.reduce_sum(array.stack() ** 2), x)
    np.testing.assert_allclose(run(slope, {x: X[0]}), 2 * X[0] * (1 + 4))


# ---- compiled -----------------------------------------------------------------------------------


def test_a_loop_with_an_array_is_compiled():
    from graphflow.codegen.steps import HostStep

    x = gf.placeholder(gf.float32, [None, 3])
    y = gf.scan(lambda a, row: gf.tanh(a + row), x)
    slope, = gf.gradients(gf.reduce_sum(y), x)
    with gf.Session(options=Options(device="cpu")) as session:
        session.run(slope, {x: X})
        steps = list(session._variants.values())[-1][-1].executable.schedule.steps
    assert not [s for s in steps if isinstance(s, HostStep)]


# ---- mistakes -----------------------------------------------------------------------------------


def test_an_array_needs_a_size():
    with pytest.raises(ValueError, match="needs a size"):
        gf.TensorArray(gf.float32)
    with pytest.raises(ValueError, match="both a handle and a size"):
        gf.TensorArray(gf.float32, 3, handle=gf.zeros([3]))


def test_elements_have_one_shape():
    array = gf.TensorArray(gf.float32, 3).write(0, [1.0, 2.0])
    with pytest.raises(ShapeError, match=r"elements have the shape \[2\], got one of \[3\]"):
        array.write(1, [1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"has \[4\] elements, value \[3\]"):
        gf.TensorArray(gf.float32, 4).unstack(X[:3].astype(np.float32))


def test_elements_have_one_type():
    with pytest.raises(DTypeError, match="the elements are float32"):
        gf.TensorArray(gf.float32, 3).write(0, gf.constant([1]))
    with pytest.raises(DTypeError, match="index must be an integer"):
        gf.TensorArray(gf.float32, 3).write(gf.constant(1.0), 1.0)


def test_an_array_without_elements_has_no_shape():
    for use in (lambda a: a.read(0), lambda a: a.stack(), lambda a: a.concat()):
        with pytest.raises(GraphError, match="give element_shape"):
            use(gf.TensorArray(gf.float32, 3))


@pytest.mark.parametrize("index", [-1, 3])
def test_indices_are_checked(index):
    i = gf.placeholder(gf.int32, [])
    array = gf.TensorArray(gf.float32, 3).write(0, 1.0)
    with pytest.raises(gf.errors.InvalidArgumentError, match=f"read at index {index}, but the"):
        run(array.read(i), {i: index})
    with pytest.raises(gf.errors.InvalidArgumentError, match=f"write at index {index}, but the"):
        run(array.write(i, 2.0).stack(), {i: index})


def test_grad_says_what_to_do():
    with pytest.raises(gf.errors.UnimplementedError, match=r"gf\.gradients differentiates"):
        gf.TensorArray(gf.float32, 3).grad("gradients")
