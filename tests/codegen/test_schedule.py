"""Schedules, counted: kernels per program, compilations when sizes change, aliases, symbols."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.compile import CACHE, kernel_object, llvm_text
from graphflow.codegen.link import MEMORY_MOVES
from graphflow.codegen.objects import undefined_symbols
from graphflow.codegen.schedule import HostStep, Launch
from graphflow.runtime.native import NativeExecutable

# Kernels of one run, checks of indices included. Fewer is better: change them when it gets so.
KERNELS = {
    "softmax": 1,
    "softmax and its gradient": 1,
    "layer norm": 1,
    "layer norm and its gradients": 2,
    "cross-entropy": 2,
    "momentum of two weights": 2,
    "MLP step with Adam": 14,
    "CNN step": 16,
}


@pytest.fixture
def session() -> Iterator[gf.Session]:
    with gf.Graph().as_default() as graph, gf.Session(graph=graph, device="cpu") as made:
        yield made


def executable(session: gf.Session) -> NativeExecutable:
    """The executable of the run that was compiled last."""
    return list(session._variants.values())[-1][-1].executable


def launches(session: gf.Session) -> list[Launch]:
    return [s for s in executable(session).schedule.steps if isinstance(s, Launch)]


def host_steps(session: gf.Session) -> list[str]:
    return [s.node.opdef.name for s in executable(session).schedule.steps
            if isinstance(s, HostStep)]


def assert_kernels(session: gf.Session, name: str) -> None:
    assert host_steps(session) == []
    found = [[n.opdef.name for n in launch.nodes] for launch in launches(session)]
    assert len(found) == KERNELS[name], found


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


# ---- kernels per program ------------------------------------------------------------------------


def test_softmax_is_one_kernel(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 10])
    y = gf.nn.softmax(x)
    found = session.run(y, {x: draw(4, 10)})
    np.testing.assert_allclose(found.sum(1), np.ones(4), rtol=1e-6)
    assert_kernels(session, "softmax")
    session.run([y, gf.gradients(y * y, x)[0]], {x: draw(4, 10)})
    assert_kernels(session, "softmax and its gradient")


def test_layer_norm_is_one_kernel(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 32])
    gain = gf.placeholder(gf.float32, [32])
    mean, variance = gf.nn.moments(x, [1], keep_dims=True)
    y = (x - mean) * gf.rsqrt(variance + 1e-5) * gain
    given = draw(6, 32)
    centred = given - given.mean(1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * 2
    feeds = {x: given, gain: np.full(32, 2, np.float32)}
    np.testing.assert_allclose(session.run(y, feeds), expected, rtol=1e-4, atol=1e-5)
    assert_kernels(session, "layer norm")
    session.run([y, *gf.gradients(y * y, [x, gain])], feeds)
    assert_kernels(session, "layer norm and its gradients")


def test_results_of_a_row_kernel_that_others_read(session: gf.Session) -> None:
    """The mean stays inside the kernel, the variance leaves it: they lie at different places."""
    x = gf.placeholder(gf.float64, [None, None])
    mean, variance = gf.nn.moments(x, [-1], keepdims=True)
    centred = x - mean
    scaled = gf.ones_like(centred) * gf.rsqrt(variance + 0.5)
    given = np.random.default_rng(0).normal(size=(3, 4))
    found = session.run(scaled, {x: given})
    expected = 1 / np.sqrt(given.var(1, keepdims=True) + 0.5)
    np.testing.assert_allclose(found, np.broadcast_to(expected, (3, 4)), rtol=1e-12)


def test_a_square_matrix_times_a_vector_of_columns(session: gf.Session) -> None:
    """The vector runs along the row, though it has as many elements as there are rows."""
    matrix, vector = gf.placeholder(gf.float64, [3, 3]), gf.placeholder(gf.float64, [3])
    m, v = np.arange(9.0).reshape(3, 3), np.array([1.0, 10.0, 100.0])
    y = gf.tanh(gf.reduce_sum(matrix * vector, 1) * 0.001) * vector
    np.testing.assert_allclose(
        session.run(y, {matrix: m, vector: v}), np.tanh(m @ v * 0.001) * v, rtol=1e-12)


def test_cross_entropy_looks_at_its_labels_in_a_kernel_of_its_own(session: gf.Session) -> None:
    logits = gf.placeholder(gf.float32, [None, 10])
    labels = gf.placeholder(gf.int32, [None])
    loss = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    given = draw(5, 10)
    expected = np.log(np.exp(given).sum(1)) - given[np.arange(5), np.arange(5)]
    found = session.run(loss, {logits: given, labels: np.arange(5)})
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert_kernels(session, "cross-entropy")


def test_updates_of_all_weights_share_kernels(session: gf.Session) -> None:
    """Two weights of different shapes: two launches of one kernel."""
    first = gf.get_variable("first", [3, 5], initializer=gf.ones_initializer())
    second = gf.get_variable("second", [7], initializer=gf.ones_initializer())
    loss = gf.reduce_sum(first * 2.0) + gf.reduce_sum(second * 2.0)
    train = gf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    session.run(gf.global_variables_initializer())
    session.run(train)
    assert_kernels(session, "momentum of two weights")
    np.testing.assert_allclose(session.run(second), np.full(7, 0.8), rtol=1e-6)


def mlp_step() -> tuple[gf.Tensor, gf.Tensor, gf.Operation]:
    x, y = gf.placeholder(gf.float32, [None, 20]), gf.placeholder(gf.int32, [None])
    hidden = gf.nn.relu(dense(x, "hidden", 20, 16))
    logits = dense(hidden, "logits", 16, 4)
    loss = gf.reduce_mean(
        gf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    return x, y, gf.train.AdamOptimizer(0.01).minimize(loss)


def dense(x: gf.Tensor, name: str, rows: int, columns: int) -> gf.Tensor:
    weights = gf.get_variable(f"{name}/weights", [rows, columns])
    bias = gf.get_variable(f"{name}/bias", [columns], initializer=gf.zeros_initializer())
    return gf.matmul(x, weights) + bias


def test_mlp_step(session: gf.Session) -> None:
    x, y, train = mlp_step()
    session.run(gf.global_variables_initializer())
    session.run(train, {x: draw(8, 20), y: np.arange(8) % 4})
    assert_kernels(session, "MLP step with Adam")


def test_cnn_step(session: gf.Session) -> None:
    x, y = gf.placeholder(gf.float32, [None, 8, 8, 1]), gf.placeholder(gf.int32, [None])
    filters = gf.get_variable("filters", [3, 3, 1, 6])
    bias = gf.get_variable("bias", [6], initializer=gf.zeros_initializer())
    hidden = gf.nn.relu(gf.nn.conv2d(x, filters, [1, 1, 1, 1], "SAME") + bias)
    pooled = gf.nn.max_pool(hidden, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    logits = dense(gf.reshape(pooled, [-1, 96]), "logits", 96, 4)
    loss = gf.reduce_mean(
        gf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    train = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    session.run(gf.global_variables_initializer())
    feeds = {x: draw(5, 8, 8, 1), y: np.arange(5) % 4}
    before = session.run(loss, feeds)
    for _ in range(5):
        session.run(train, feeds)
    assert_kernels(session, "CNN step")
    assert session.run(loss, feeds) < before


def test_sizes_that_must_be_equal_are_one(session: gf.Session) -> None:
    """Rows of x and of y are as many: the sum that would undo a broadcast between them goes."""
    x, y = gf.placeholder(gf.float32, [None, 3]), gf.placeholder(gf.float32, [None, 3])
    loss = gf.losses.mean_squared_error(y, gf.exp(x))
    gradient = gf.gradients(loss, x)[0]
    for rows in (4, 1, 5):
        a, b = draw(rows, 3), draw(rows + 1, 3)[1:]
        expected = 2 * (np.exp(a) - b) * np.exp(a) / (3 * rows)
        np.testing.assert_allclose(
            session.run(gradient, {x: a, y: b}), expected, rtol=1e-4, atol=1e-6)
    names = {name for launch in launches(session) for name in (n.opdef.name for n in launch.nodes)}
    assert "SumTo" not in names
    with pytest.raises(gf.errors.InvalidArgumentError):
        session.run(gradient, {x: draw(3, 3), y: draw(2, 3)})


def test_rows_of_one_space_meet_across_other_steps(session: gf.Session) -> None:
    """A sum over columns stands between two softmaxes of one chain; they share a kernel."""
    x = gf.placeholder(gf.float64, [None, 6])
    first = gf.nn.softmax(x)
    columns = gf.reduce_sum(first, 0)
    second = gf.nn.softmax(first * 3.0)
    given = np.random.default_rng(1).normal(size=(5, 6))
    found = session.run([columns, second], {x: given})
    softmax = [np.exp(given) / np.exp(given).sum(1, keepdims=True)]
    softmax.append(np.exp(3 * softmax[0]) / np.exp(3 * softmax[0]).sum(1, keepdims=True))
    np.testing.assert_allclose(found[0], softmax[0].sum(0), rtol=1e-12)
    np.testing.assert_allclose(found[1], softmax[1], rtol=1e-12)
    assert len(launches(session)) == 2


def test_what_depends_on_a_step_between_stays_behind_it(session: gf.Session) -> None:
    x = gf.placeholder(gf.float64, [None, 6])
    first = gf.nn.softmax(x)
    columns = gf.reduce_sum(first, 0)
    second = gf.nn.softmax(first * columns)
    third = gf.nn.softmax(first * 2.0) + second
    given = np.random.default_rng(2).normal(size=(5, 6))

    def softmax(v: np.ndarray) -> np.ndarray:
        return np.exp(v) / np.exp(v).sum(1, keepdims=True)

    one = softmax(given)
    expected = softmax(2 * one) + softmax(one * one.sum(0))
    np.testing.assert_allclose(session.run(third, {x: given}), expected, rtol=1e-12)


def test_one_element_of_each_row_is_picked_inside_the_kernel(session: gf.Session) -> None:
    """Over two leading axes; the rows that it picks from need memory for one row only."""
    x, labels = gf.placeholder(gf.float64, [None, None, 5]), gf.placeholder(gf.int64, [None, None])
    losses = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=gf.tanh(x))
    given = np.random.default_rng(3).normal(size=(2, 3, 5))
    classes = np.array([[0, 4, 2], [3, 1, 1]])
    logits = np.tanh(given)
    expected = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(
        logits, classes[..., None], -1)[..., 0]
    np.testing.assert_allclose(
        session.run(losses, {x: given, labels: classes}), expected, rtol=1e-12)
    assert len(launches(session)) == 2  # the other one looks at the labels
    with pytest.raises(gf.errors.InvalidArgumentError):
        session.run(losses, {x: given, labels: classes - 1})


# ---- compilations -------------------------------------------------------------------------------


def test_a_new_batch_size_compiles_nothing(session: gf.Session) -> None:
    x, y, train = mlp_step()
    session.run(gf.global_variables_initializer())
    session.run(train, {x: draw(8, 20), y: np.arange(8) % 4})
    made = CACHE.compiled + CACHE.loaded
    for batch in (9, 64, 2, 131):
        session.run(train, {x: draw(batch, 20), y: np.arange(batch) % 4})
    assert CACHE.compiled + CACHE.loaded == made


def test_equal_kernels_are_compiled_once(session: gf.Session) -> None:
    x, y = gf.placeholder(gf.float32, [None, 3]), gf.placeholder(gf.float32, [7, None, 2])
    first, second = gf.sqrt(gf.abs(x)) * 3.25 + 1.0, gf.sqrt(gf.abs(y)) * 3.25 + 1.0
    session.run(first, {x: draw(4, 3)})
    made = CACHE.compiled + CACHE.loaded
    given = draw(7, 5, 2)
    np.testing.assert_allclose(
        session.run(second, {y: given}), np.sqrt(np.abs(given)) * 3.25 + 1, rtol=1e-6)
    assert CACHE.compiled + CACHE.loaded == made


def test_another_session_compiles_nothing() -> None:
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [None])
        y = gf.floor(x * 7.5) - 2.0
        with gf.Session(graph=graph, device="cpu") as first:
            first.run(y, {x: draw(3)})
        made = CACHE.compiled + CACHE.loaded
        with gf.Session(graph=graph, device="cpu") as second:
            second.run(y, {x: draw(3)})
    assert CACHE.compiled + CACHE.loaded == made


# ---- aliases ------------------------------------------------------------------------------------


def test_a_reshape_has_no_kernel(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 6])
    y = gf.reshape(gf.expand_dims(gf.reshape(x, [-1, 2, 3]), 0), [-1, 3])
    given = draw(4, 6)
    np.testing.assert_array_equal(session.run(y, {x: given}), given.reshape(8, 3))
    assert launches(session) == []


def test_a_result_and_its_reshape_are_one_kernel_and_two_arrays(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [4, 6])
    y = gf.exp(x)
    flat, whole = session.run([gf.reshape(y, [-1]), y], {x: draw(4, 6)})
    assert len(launches(session)) == 1
    assert flat.shape == (24,) and whole.shape == (4, 6)
    np.testing.assert_array_equal(flat, whole.ravel())
    flat[:] = 0
    assert np.all(whole > 0)


# ---- symbols ------------------------------------------------------------------------------------


def test_objects_need_nothing_but_memory_moves(session: gf.Session) -> None:
    """All of arithmetic, with halves and conversions."""
    halves = gf.placeholder(gf.float16, [None])
    wide = gf.cast(halves, gf.float64)
    y = [gf.exp(halves), gf.tanh(wide), gf.cast(gf.round(wide), gf.int64),
         gf.cast(wide, gf.bfloat16), gf.cast(gf.cast(wide, gf.uint8), gf.float16),
         gf.floor(gf.pow(gf.abs(halves), halves)), gf.matmul(wide[:, None], wide[None, :])]
    session.run(y, {halves: draw(5).astype(np.float16)})
    for launch in launches(session):
        assert undefined_symbols(kernel_object("kernel", launch.kernel)) <= MEMORY_MOVES


def test_the_text_of_a_kernel_can_be_read(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    session.run(x * 2.0, {x: draw(3)})
    (launch,) = launches(session)
    assert "mul" in str(launch.kernel) and "fmul" in llvm_text(launch.kernel)
