"""Whole programs on a GPU give what the NumPy reference gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver

import graphflow as gf

RNG = np.random.default_rng(7)


BOTH_ENGINES = pytest.mark.parametrize("gpu", ["interpreter", "llvm"], indirect=True)


@BOTH_ENGINES
def test_linear_regression_follows_the_same_path_as_numpy(session: gf.Session) -> None:
    x, y = gf.placeholder(gf.float64, [None, 3]), gf.placeholder(gf.float64, [None])
    w = gf.Variable(np.zeros(3))
    loss = gf.reduce_mean(gf.square(gf.reduce_sum(x * w, 1) - y))
    step = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    session.run(w.initializer)
    rows = RNG.normal(size=(20, 3))
    wanted, expected = rows @ [1.0, -2.0, 3.0], np.zeros(3)
    for turn in range(6):
        count = 20 if turn < 4 else 11
        error = rows[:count] @ expected - wanted[:count]
        found, _ = session.run([loss, step], {x: rows[:count], y: wanted[:count]})
        assert found == pytest.approx(np.mean(error**2))
        expected = expected - 0.1 * 2 / count * error @ rows[:count]
    np.testing.assert_allclose(session.run(w), expected)


def dense_network(x: Any, sizes: list[int]) -> Any:
    for number, size in enumerate(sizes):
        x = gf.layers.dense(x, size, activation=gf.nn.relu if number + 1 < len(sizes) else None,
                            kernel_initializer=gf.random_normal_initializer(0, 0.3, seed=number))
    return x


def test_a_network_with_adam_dropout_and_labels(same: Callable[..., None]) -> None:
    x, labels = gf.placeholder(gf.float32, [None, 6]), gf.placeholder(gf.int32, [None])
    hidden = gf.nn.dropout(dense_network(x, [8, 8]), rate=0.25, seed=3)
    logits = gf.layers.dense(hidden, 3, kernel_initializer=gf.ones_initializer())
    loss = gf.reduce_mean(gf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits))
    step = gf.train.AdamOptimizer(0.01).minimize(loss)
    data, classes = RNG.normal(size=(9, 6)), RNG.integers(0, 3, 9)

    def run(session: gf.Session) -> list[Any]:
        session.run(gf.global_variables_initializer())
        losses = [session.run([loss, step], {x: data, labels: classes})[0] for _ in range(5)]
        return [losses, session.run(gf.trainable_variables())]

    same(run)


def test_a_convolutional_network_with_batch_norm(same: Callable[..., None]) -> None:
    x = gf.placeholder(gf.float32, [None, 6, 6, 2])
    h = gf.layers.conv2d(x, 4, 3, padding="same", use_bias=False,
                         kernel_initializer=gf.random_normal_initializer(0, 0.3, seed=1))
    h = gf.nn.relu(gf.layers.batch_normalization(h, training=True))
    h = gf.layers.max_pooling2d(h, 2, 2)
    loss = gf.reduce_mean(gf.square(gf.reduce_mean(h, [1, 2, 3]) - 1.0))
    with gf.control_dependencies(gf.get_collection(gf.GraphKeys.UPDATE_OPS)):
        step = gf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
    images = RNG.normal(size=(3, 6, 6, 2))

    def run(session: gf.Session) -> list[Any]:
        session.run(gf.global_variables_initializer())
        losses = [session.run([loss, step], {x: images})[0] for _ in range(3)]
        return [losses, session.run(gf.global_variables())]

    same(run, 1e-4)


@BOTH_ENGINES
def test_branches_and_loops_with_gradients(same: Callable[..., None]) -> None:
    x, turns = gf.placeholder(gf.float64, [4]), gf.placeholder(gf.int32, [])
    grown = gf.while_loop(lambda i, v: i < turns, lambda i, v: (i + 1, gf.tanh(v) * x + v),
                          [0, x])[1]
    chosen = gf.cond(gf.reduce_sum(grown) > 0, lambda: grown * 2.0, lambda: grown - 1.0)
    slope = gf.gradients(chosen, x)[0]
    feeds = [{x: RNG.normal(size=4) * sign, turns: count}
             for count in (0, 3, 40) for sign in (1, -1)]
    same(lambda session: [session.run([chosen, slope], feed) for feed in feeds])


def test_a_cell_unrolled_over_time(same: Callable[..., None]) -> None:
    x = gf.placeholder(gf.float32, [2, None, 3])
    cell = gf.nn.rnn_cell.GRUCell(
        4, kernel_initializer=gf.random_normal_initializer(0, 0.5, seed=2))
    outputs, state = gf.nn.dynamic_rnn(cell, x, dtype=gf.float32, sequence_length=[2, 3])
    loss = gf.reduce_sum(gf.square(outputs)) + gf.reduce_sum(state)
    step = gf.train.GradientDescentOptimizer(0.05).minimize(loss)
    data = RNG.normal(size=(2, 3, 3))

    def run(session: gf.Session) -> list[Any]:
        session.run(gf.global_variables_initializer())
        return [session.run([loss, step, outputs], {x: data}) for _ in range(3)]

    same(run, 1e-4)


@BOTH_ENGINES
def test_sizes_that_only_the_values_tell(same: Callable[..., None]) -> None:
    x = gf.placeholder(gf.float32, [None, 2])
    rows = gf.boolean_mask(x, x[:, 0] > 0)
    doubled = gf.concat([rows, rows * 2.0], 0)  # given away, and read by a later stage
    fetches = [rows, doubled, gf.boolean_mask(doubled, doubled[:, 1] > 6),
               gf.reduce_sum(rows * rows, 0), gf.unique(gf.cast(x[:, 1], gf.int32)).y,
               gf.range(gf.cast(x[0, 0], gf.int32))]
    same(lambda session: [session.run(fetches, {x: [[3.0, 5], [-1, 5], [2, 7]][:n]})
                          for n in (1, 3, 2)])


def test_random_numbers_are_those_of_every_device(same: Callable[..., None]) -> None:
    fetches = [gf.random_uniform([5], seed=1), gf.truncated_normal([3, 4], seed=2),
               gf.random_shuffle(gf.range(6), seed=3), gf.random_gamma([3], 2.0, seed=4)]
    same(lambda session: [session.run(fetches) for _ in range(3)])


def test_steps_in_python_stand_between_segments(same: Callable[..., None]) -> None:
    x = gf.placeholder(gf.float32, [None])
    halved = gf.py_func(lambda a: a[::2].copy(), [x * 3.0], gf.float32)
    halved.set_shape([None])
    words = gf.as_string(gf.cast(x, gf.int32))
    v = gf.Variable(1.0)
    added = gf.assign_add(v, gf.reduce_sum(halved))

    def run(session: gf.Session) -> list[Any]:
        session.run(v.initializer)
        found = [session.run([halved + 1.0, added], {x: np.arange(n)}) for n in (3, 6)]
        assert session.run(words, {x: [7.0]}).tolist() == [b"7"]
        return found

    same(run)


def test_complex_and_small_types(same: Callable[..., None]) -> None:
    z = gf.placeholder(gf.complex64, [3])
    h = gf.placeholder(gf.bfloat16, [3])
    small = gf.placeholder(gf.uint8, [3])
    fetches = [z * gf.conj(z) + 1j, gf.cast(h * h, gf.float32), small + small,
               gf.cast(small, gf.bool)]
    same(lambda s: s.run(fetches, {
        z: np.array([1 + 2j, 3, -1j], np.complex64), h: [1.5, 2, 3], small: [0, 200, 7]}))


def test_results_that_are_other_results_in_another_shape(same: Callable[..., None]) -> None:
    x = gf.placeholder(gf.float32, [None, 2])
    total = gf.reduce_sum(x, keepdims=True)
    fetches = [gf.reshape(total, []), gf.reshape(gf.exp(x), [-1]), gf.nn.moments(x, [0, 1])]
    same(lambda session: session.run(fetches, {x: [[1, 2], [3, 5]]}))


def test_empty_arrays(same: Callable[..., None]) -> None:
    x = gf.placeholder(gf.float32, [None, 3])
    fetches = [x + 1.0, gf.reduce_sum(x, 0), gf.matmul(x, x, transpose_b=True),
               gf.concat([x, x], 0)]
    same(lambda session: [session.run(fetches, {x: np.zeros((n, 3))}) for n in (0, 2, 0)])


# ---- errors -------------------------------------------------------------------------------------


def test_a_bad_index_is_worded_by_the_reference_and_changes_nothing(session: gf.Session) -> None:
    table = gf.Variable(np.ones((4, 2), np.float32))
    at = gf.placeholder(gf.int32, [None])
    loss = gf.reduce_sum(gf.square(gf.nn.embedding_lookup(table, at)))
    step = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    session.run(table.initializer)
    assert session.run([loss, step], {at: [0, 3]})[0] == 4.0
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"\[1\] = 4 is not in \[0, 4\)"):
        session.run([loss, step], {at: [1, 4]})
    np.testing.assert_allclose(
        session.run(table), np.array([[0.8, 0.8], [1, 1], [1, 1], [0.8, 0.8]]), rtol=1e-6)


def test_a_variable_without_a_value(session: gf.Session) -> None:
    v = gf.Variable(1.0, name="v")
    with pytest.raises(gf.errors.FailedPreconditionError, match="'v'.* has no value"):
        session.run(v + 1.0)


def test_sizes_that_do_not_go_together(session: gf.Session) -> None:
    x, y = gf.placeholder(gf.float32, [None]), gf.placeholder(gf.float32, [None])
    total = x + y
    assert session.run(total, {x: [1, 2], y: [3, 4]}).tolist() == [4, 6]
    with pytest.raises(ValueError, match="Add.*2.*3"):
        session.run(total, {x: [1, 2], y: [1, 2, 3]})


# ---- variables ----------------------------------------------------------------------------------


def test_variables_stay_on_the_gpu(session: gf.Session, gpu: FakeDriver) -> None:
    v = gf.Variable(np.arange(6.0))
    step = gf.assign(v, v * 2.0).op
    session.run(v.initializer)
    session.run(step)
    before = dict(gpu.counts)
    for _ in range(3):
        session.run(step)
    session._placement[1].driver.synchronize(session._placement[1].stream)
    moved = {k: gpu.counts.get(k, 0) - before.get(k, 0) for k in ("upload", "download")}
    assert moved == {"upload": 0, "download": 0}
    np.testing.assert_array_equal(session.run(v), 16 * np.arange(6.0))


def test_values_move_between_sessions_files_and_the_host(
    session: gf.Session, graph: gf.Graph, tmp_path: Any
) -> None:
    v, w = gf.Variable([1.0, 2.0], name="v"), gf.Variable(3, name="w")
    saver = gf.train.Saver()
    session.run(gf.global_variables_initializer())
    session.run(gf.assign_add(v, [1.0, 1.0]))
    v.load([5.0, 6.0], session)
    session.run(gf.assign_add(w, 4).op)
    path = saver.save(session, str(tmp_path / "model"))
    with gf.Session(graph=graph, device="cpu") as other:
        saver.restore(other, path)
        assert other.run(v).tolist() == [5.0, 6.0]
        assert other.run(w) == 7
    session.run(gf.assign(v, [0.0, 0.0]).op)
    saver.restore(session, path)
    assert session.run(v).tolist() == [5.0, 6.0]


def test_two_variables_swap_their_values(session: gf.Session) -> None:
    a, b = gf.Variable([1.0, 2.0]), gf.Variable([3.0, 4.0])
    old_a, old_b = gf.identity(a), gf.identity(b)
    with gf.control_dependencies([old_a, old_b]):
        swap = gf.group(gf.assign(a, old_b), gf.assign(b, old_a))
    session.run(gf.global_variables_initializer())
    session.run(swap)
    assert [v.tolist() for v in session.run([a, b])] == [[3.0, 4.0], [1.0, 2.0]]


def test_a_fetched_value_stays_when_the_variable_changes(session: gf.Session) -> None:
    v = gf.Variable([1.0, 2.0])
    session.run(v.initializer)
    before = session.run(v)
    session.run(gf.assign_add(v, [1.0, 1.0]))
    assert before.tolist() == [1.0, 2.0]
