"""Random ops as users call them: seeds, runs, shapes, names, errors, gradients."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphflow as gf

SIGNATURES = {  # of TensorFlow 1.15; None stands for dtype's default, float32
    "random_uniform": ["shape", "minval=0", "maxval=None", "dtype", "seed=None", "name=None"],
    "random_normal": ["shape", "mean=0.0", "stddev=1.0", "dtype", "seed=None", "name=None"],
    "truncated_normal": ["shape", "mean=0.0", "stddev=1.0", "dtype", "seed=None", "name=None"],
    "random_shuffle": ["value", "seed=None", "name=None"],
}


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(*fetches, times=1, feed=None):
    with gf.Session() as session:
        return [session.run(list(fetches), feed) for _ in range(times)]


@pytest.mark.parametrize("name", list(SIGNATURES))
def test_signatures(name):
    found = [p.name if p.name == "dtype" or p.default is p.empty else f"{p.name}={p.default}"
             for p in inspect.signature(getattr(gf, name)).parameters.values()]
    assert found == SIGNATURES[name]


def everything(seed=None):
    return [gf.random_uniform([5], seed=seed), gf.random_normal([5], seed=seed),
            gf.truncated_normal([5], seed=seed),
            gf.random_uniform([5], 0, 2**30, gf.int32, seed=seed),
            gf.random_shuffle(gf.range(50), seed=seed)]


def test_an_op_seed_repeats_in_each_session_and_graph():
    first = run(*everything(seed=3), times=2)
    again = run(*everything(seed=3), times=2)
    with gf.Graph().as_default():
        elsewhere = run(*everything(seed=3), times=2)
    for one, two, three in zip(first, again, elsewhere):
        for a, b, c in zip(one, two, three):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)


def test_each_run_draws_anew():
    for a, b in zip(*run(*everything(seed=3), times=2)):
        assert not np.array_equal(a, b)


def test_a_graph_seed_repeats_and_tells_ops_apart():
    def draws():
        with gf.Graph().as_default():
            gf.set_random_seed(11)
            return run(gf.random_normal([9]), gf.random_normal([9]))[0]

    (a, b), (again_a, again_b) = draws(), draws()
    np.testing.assert_array_equal(a, again_a)
    np.testing.assert_array_equal(b, again_b)
    assert not np.array_equal(a, b)


def test_another_graph_seed_draws_otherwise():
    values = []
    for seed in (1, 2):
        with gf.Graph().as_default():
            gf.set_random_seed(seed)
            values.append(run(gf.random_uniform([9], seed=5))[0][0])
    assert not np.array_equal(*values)


def test_without_seeds_sessions_and_ops_differ():
    ops = everything()
    one, other = run(*ops)[0], run(*ops)[0]
    for a, b in zip(one, other):
        assert not np.array_equal(a, b)
    x, y = run(gf.random_uniform([9]), gf.random_uniform([9]))[0]
    assert not np.array_equal(x, y)


def test_one_draw_serves_all_its_uses_in_a_run():
    x = gf.random_normal([100])
    difference, twice = run(x - x, [x, x + 0.0])[0]
    assert not difference.any()
    np.testing.assert_array_equal(*twice)


def test_fetching_other_things_does_not_advance_a_draw():
    x, other = gf.random_normal([4], seed=1), gf.random_normal([4], seed=2)
    with gf.Session() as session:
        first = [session.run(x) for _ in range(2)]
    with gf.Session() as session:
        second = []
        for _ in range(2):
            session.run(other)
            second.append(session.run(x))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("make", [gf.random_uniform, gf.random_normal, gf.truncated_normal])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_shapes_and_types(make, dtype):
    for shape in ([2, 3], (), [], [0, 4], gf.TensorShape([3]), np.array([2]), [gf.constant(2), 3]):
        x = make(shape, dtype=dtype)
        assert x.dtype.name == dtype
        value = run(x)[0][0]
        assert x.shape.is_compatible_with(value.shape) and x.shape.is_fully_defined()


def test_a_shape_computed_in_the_run():
    x = gf.placeholder(gf.float32, [None, 3])
    drawn = gf.random_normal(gf.shape(x))
    assert drawn.shape.as_list() == [None, 3]
    assert run(drawn, feed={x: np.ones((5, 3))})[0][0].shape == (5, 3)
    sizes = gf.placeholder(gf.int32, [None])
    anything = gf.random_uniform(sizes)
    assert anything.shape.rank is None
    assert run(anything, feed={sizes: [2, 2]})[0][0].shape == (2, 2)
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"not be negative.*test_random.py"):
        run(anything, feed={sizes: [-1]})


def test_bounds_mean_and_deviation():
    low, high = np.float32([[-2], [5]]), np.float32([[-1], [9]])
    x = run(gf.random_uniform([2, 2000], low, high, seed=1))[0][0]
    assert (x >= low).all() and (x < high).all()
    np.testing.assert_allclose(x.mean(1), [-1.5, 7.0], atol=0.1)
    mean, deviation = gf.placeholder(gf.float32, []), gf.placeholder(gf.float32, [])
    y = gf.random_normal([5000], mean, deviation, seed=1)
    value = run(y, feed={mean: 10.0, deviation: 3.0})[0][0]
    np.testing.assert_allclose([value.mean(), value.std()], [10, 3], atol=0.2)


def test_integer_bounds_may_be_computed():
    high = gf.placeholder(gf.int64, [])
    x = gf.random_uniform([1000], 3, high, gf.int64)
    value = run(x, feed={high: 6})[0][0]
    assert set(value) == {3, 4, 5}
    with pytest.raises(gf.errors.InvalidArgumentError, match="Need minval < maxval, got 3 >= 3"):
        run(x, feed={high: 3})


def test_a_bound_that_is_a_size():
    x = gf.placeholder(gf.float32, [None])
    index = gf.random_uniform([50], maxval=gf.shape(x)[0], dtype=gf.int32)
    assert set(run(index, feed={x: np.zeros(3)})[0][0]) == {0, 1, 2}


def test_gradients_reach_mean_and_deviation():
    mean, deviation = gf.constant([1.0, 2.0]), gf.constant(0.5)
    x = gf.random_normal([4, 2], mean, deviation, seed=4)
    g_mean, g_deviation, value = run(*gf.gradients(x, [mean, deviation]), x)[0]
    np.testing.assert_allclose(g_mean, [4, 4])
    np.testing.assert_allclose(g_deviation, ((value - [1, 2]) / 0.5).sum(), rtol=1e-5)
    assert gf.gradients(gf.random_shuffle(mean), mean) == [None]


def test_names():
    assert gf.random_uniform([2]).name == "random_uniform:0"
    assert gf.random_uniform([2], 0, 5, gf.int32).name == "random_uniform_1:0"
    assert gf.random_normal([2], name="noise").name == "noise:0"
    assert gf.truncated_normal([2]).op.name == "truncated_normal"
    assert gf.random_shuffle([1, 2]).name == "RandomShuffle:0"


def test_wrong_arguments():
    with pytest.raises(ValueError, match="Must specify maxval for int32"):
        gf.random_uniform([2], dtype=gf.int32)
    with pytest.raises(TypeError, match="dtype must be one of float16.*got int8"):
        gf.random_uniform([2], maxval=3, dtype=gf.int8)
    with pytest.raises(TypeError, match="random_normal: dtype must be one of"):
        gf.random_normal([2], dtype=gf.int32)
    with pytest.raises(TypeError, match=r"random_uniform: maxval: .*1.5.*to int32.*fraction"):
        gf.random_uniform([2], 0, 1.5, gf.int32)
    with pytest.raises(TypeError, match=r"random_normal 'n': mean: .*int32.*gf.cast"):
        gf.random_normal([2], gf.constant(1), name="n")
    with pytest.raises(ValueError, match="Need minval < maxval, got 5 >= 3"):
        gf.random_uniform([2], 5, 3, gf.int32)
    with pytest.raises(ValueError, match=r"shape must have rank 1, got shape \[\]"):
        gf.random_uniform(2)
    with pytest.raises(ValueError, match=r"shape\[0\] is None.*gf.shape"):
        gf.random_normal([None, 2])
    with pytest.raises(ValueError, match="negative size -2"):
        gf.truncated_normal([-2])
    with pytest.raises(TypeError, match="shape must be one of int32, int64, got float32"):
        gf.random_uniform([2.5])


def test_shuffle():
    rows = np.arange(12).reshape(6, 2)
    value = run(gf.random_shuffle(rows, seed=2))[0][0]
    assert value.dtype == rows.dtype
    np.testing.assert_array_equal(np.sort(value[:, 0]), rows[:, 0])
    np.testing.assert_array_equal(value[:, 1], value[:, 0] + 1)
    words = run(gf.random_shuffle(["a", "b", "c"]))[0][0]
    assert sorted(words) == [b"a", b"b", b"c"]
    assert run(gf.random_shuffle(3))[0][0] == 3


def test_draws_in_a_loop_differ_by_iteration_and_repeat_by_seed():
    def draws():
        with gf.Graph().as_default():
            gf.set_random_seed(3)
            _, total = gf.while_loop(
                lambda i, seen: i < 4,
                lambda i, seen: (i + 1, gf.concat([seen, gf.random_uniform([2])], 0)),
                [gf.constant(0), gf.zeros([0])],
                shape_invariants=[gf.TensorShape([]), gf.TensorShape([None])])
            return run(total, times=2)

    (first,), (second,) = draws()
    assert np.unique(np.concatenate([first, second])).size == 16
    np.testing.assert_array_equal([first, second], [v[0] for v in draws()])


def test_draws_in_branches():
    gf.set_random_seed(3)
    which = gf.placeholder(gf.bool, [])
    x = gf.cond(which, lambda: gf.random_normal([3]), lambda: gf.random_uniform([3]) + 10)
    with gf.Session() as session:
        assert (session.run(x, {which: True}) < 9).all()
        assert (session.run(x, {which: False}) >= 10).all()
