"""Recurrent networks beyond the recorded programs: own cells, dropout, second derivatives,
sizes that the run decides, training, compiled loops."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.steps import HostStep
from graphflow.errors import AttributeValueError, DTypeError, GraphError, ShapeError
from graphflow.options import Options

rnn_cell = gf.nn.rnn_cell


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None, **options):
    with gf.Session(**options) as session:
        session.run(gf.global_variables_initializer())
        return session.run(fetch, feeds)


X = (np.sin(np.arange(24.0)) * 0.8).reshape(2, 4, 3)


# ---- cells of one's own -------------------------------------------------------------------------


class Counter(rnn_cell.RNNCell):
    """The state counts the steps; the output is the input times a weight made in `call`."""

    state_size = 1
    output_size = 3

    def call(self, inputs, state):
        w = gf.get_variable("w", [3], initializer=gf.constant_initializer(2.0))
        return inputs * w, state + 1.0


def test_a_cell_that_makes_its_variables_when_called():
    cell = Counter()
    outputs, state = gf.nn.dynamic_rnn(cell, gf.constant(X, gf.float32), dtype=gf.float32)
    assert [v.name for v in cell.trainable_weights] == ["rnn/counter/w:0"]
    found = run([outputs, state])
    np.testing.assert_allclose(found[0], 2 * X, rtol=1e-6)
    assert found[1].tolist() == [[4], [4]]


def test_the_same_cell_unrolled_while_building():
    outputs, state = gf.nn.static_rnn(
        Counter(), gf.unstack(gf.constant(X, gf.float32), axis=1), dtype=gf.float32)
    assert len(gf.trainable_variables()) == 1
    np.testing.assert_allclose(run(outputs), 2 * X.transpose(1, 0, 2), rtol=1e-6)
    assert len(outputs) == 4 and run(state).tolist() == [[4], [4]]


def test_what_is_like_a_cell_will_do():
    class Plain:
        state_size, output_size = 2, 2

        def zero_state(self, batch, dtype):
            return gf.zeros([batch, 2], dtype)

        def __call__(self, inputs, state, scope=None):
            new = state + inputs[:, :2]
            return new, new

    outputs, _ = gf.nn.dynamic_rnn(Plain(), gf.constant(X), dtype=gf.float64)
    np.testing.assert_allclose(run(outputs), np.cumsum(X[:, :, :2], 1))


def test_a_state_with_an_array():
    class Recorder(rnn_cell.RNNCell):
        state_size = output_size = 3

        def call(self, inputs, state):
            time, seen = state
            return inputs, (time + 1, seen.write(time, inputs))

    cell = Recorder()
    cell.__class__.state_size = (gf.TensorShape([]), 3)
    start = gf.constant(0), gf.TensorArray(gf.float64, 4)
    _, (time, seen) = gf.nn.dynamic_rnn(
        cell, gf.constant(X), initial_state=start, dtype=gf.float64, sequence_length=[4, 1])
    assert run(time) == 4
    np.testing.assert_allclose(run(seen.stack()), X.transpose(1, 0, 2))


# ---- sizes --------------------------------------------------------------------------------------


def test_batches_of_any_size():
    x, n = gf.placeholder(gf.float32, [None, None, 3]), gf.placeholder(gf.int64, [None])
    h = gf.placeholder(gf.float32, [None, 5])
    outputs, state = gf.nn.dynamic_rnn(rnn_cell.GRUCell(5), x, n, h)
    slope, = gf.gradients(gf.reduce_sum(outputs), h)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for rows, steps in ((2, 4), (1, 2), (2, 1)):
            feeds = {x: X[:rows, :steps], n: [steps] * rows, h: np.ones([rows, 5])}
            found = session.run([outputs, state, slope], feeds)
            assert [f.shape for f in found] == [(rows, steps, 5), (rows, 5), (rows, 5)]
            np.testing.assert_array_equal(found[0][:, -1], found[1])


def test_nests_of_inputs_and_outputs():
    class Both(rnn_cell.RNNCell):
        state_size, output_size = 3, (3, 1)

        def call(self, inputs, state):
            a, b = inputs
            return (a + state, b), state + a

    x = gf.constant(X)
    (left, right), state = gf.nn.dynamic_rnn(
        Both(), (x, x[:, :, :1]), dtype=gf.float64, sequence_length=[4, 2])
    expected = np.cumsum(X, 1)
    expected[1, 2:] = 0
    np.testing.assert_allclose(run(left), expected)
    assert run(right)[1, 2:].tolist() == [[0], [0]]
    np.testing.assert_allclose(run(state), [X[0].sum(0), X[1, :2].sum(0)])


# ---- dropout and other wrappers -----------------------------------------------------------------


class Same(rnn_cell.RNNCell):
    """Gives its inputs; the state is an LSTM's."""

    state_size = rnn_cell.LSTMStateTuple(3, 3)
    output_size = 3

    def call(self, inputs, state):
        return inputs, rnn_cell.LSTMStateTuple(inputs, inputs)


ONES = np.ones([2, 50, 3])


@pytest.mark.parametrize("where", ["input_keep_prob", "output_keep_prob"])
def test_dropout_draws_for_each_step(where):
    cell = rnn_cell.DropoutWrapper(Same(), **{where: 0.5}, seed=7)
    outputs, state = gf.nn.dynamic_rnn(cell, gf.constant(ONES), dtype=gf.float64)
    found, state = run([outputs, state])
    assert set(np.unique(found)) == {0.0, 2.0} and 0.3 < np.mean(found > 0) < 0.7
    assert np.any(found[:, 0] != found[:, 1])
    np.testing.assert_array_equal(state.h, found[:, -1] if where[0] == "i" else ONES[:, 0])


def test_dropout_of_states_leaves_the_memory_alone():
    keep = gf.placeholder(gf.float64, [])
    cell = rnn_cell.DropoutWrapper(Same(), state_keep_prob=keep, seed=3)
    one = gf.constant(np.ones([20, 3]))
    _, state = cell(one, cell.zero_state(20, gf.float64))
    dropped = run(state, {keep: 0.5})
    assert dropped.c.min() == 1 and set(np.unique(dropped.h)) == {0.0, 2.0}
    assert run(state, {keep: 1.0}).h.min() == 1


def test_a_filter_chooses_what_is_dropped():
    cell = rnn_cell.DropoutWrapper(
        Same(), state_keep_prob=0.5, seed=3,
        dropout_state_filter_visitor=lambda s: rnn_cell.LSTMStateTuple(True, False)
        if isinstance(s, tuple) else True)
    one = gf.constant(np.ones([20, 3]))
    state = run(cell(one, cell.zero_state(20, gf.float64))[1])
    assert set(np.unique(state.c)) == {0.0, 2.0} and state.h.min() == 1


def test_variational_dropout_draws_once():
    cell = rnn_cell.DropoutWrapper(
        Same(), input_keep_prob=0.5, output_keep_prob=0.9, variational_recurrent=True,
        input_size=3, dtype=gf.float64)
    outputs, _ = gf.nn.dynamic_rnn(cell, gf.constant(ONES), dtype=gf.float64)
    found = run(outputs)
    np.testing.assert_array_equal(found, np.broadcast_to(found[:1, :1], found.shape))


def test_a_wrapper_shares_the_weights_of_its_cell():
    inner = rnn_cell.BasicRNNCell(3)
    cell = rnn_cell.ResidualWrapper(rnn_cell.DropoutWrapper(inner, 1.0))
    outputs, _ = gf.nn.dynamic_rnn(cell, gf.constant(X), dtype=gf.float64)
    plain, _ = gf.nn.dynamic_rnn(inner, gf.constant(X), dtype=gf.float64)
    assert cell.trainable_variables == inner.trainable_variables == gf.trainable_variables()
    assert cell.wrapped_cell.wrapped_cell is inner
    assert run(gf.reduce_max(gf.abs(outputs - plain))) > 0
    joined = rnn_cell.ResidualWrapper(inner, lambda x, y: gf.concat([x, y], 1))
    assert joined(gf.constant(X[:, 0]), gf.zeros([2, 3], gf.float64))[0].shape.as_list() == [2, 6]


# ---- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [
    lambda: rnn_cell.BasicRNNCell(4), lambda: rnn_cell.GRUCell(4),
    lambda: rnn_cell.LSTMCell(4, use_peepholes=True, num_proj=3),
    lambda: rnn_cell.MultiRNNCell([rnn_cell.BasicLSTMCell(3), rnn_cell.GRUCell(2)]),
], ids=["rnn", "gru", "lstm", "multi"])
def test_derivatives_of_two_orders(make):
    gf.set_random_seed(4)
    x = gf.placeholder(gf.float64, [None, None, 3])
    outputs, _ = gf.nn.dynamic_rnn(make(), x, sequence_length=[4, 2], dtype=gf.float64)
    kernel = gf.trainable_variables()[0]
    weights = kernel.read_value()
    y = gf.reduce_sum(outputs ** 2 * gf.constant(np.cos(np.arange(8.0)).reshape(2, 4, 1)))
    first_x, first_w = gf.gradients(y, [x, kernel])
    by_x = np.cos(np.arange(24.0)).reshape(X.shape)
    slope = gf.reduce_sum(first_x * by_x) + gf.reduce_sum(first_w * first_w)
    second_x, second_w = gf.gradients(slope, [x, kernel])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        start = session.run(weights)
        by_w = np.sin(np.arange(start.size)).reshape(start.shape)

        def along(f, h=1e-5):
            found = []
            for step in (h, -h):
                kernel.load(start + step * by_w, session)
                found.append(session.run(f, {x: X + step * by_x}))
            kernel.load(start, session)
            return (found[0] - found[1]) / (2 * h)

        for f, gradients in ((y, [first_x, first_w]), (slope, [second_x, second_w])):
            gx, gw = session.run(gradients, {x: X})
            np.testing.assert_allclose(
                np.sum(gx * by_x) + np.sum(gw * by_w), along(f), rtol=1e-7, atol=1e-8)


# ---- training and compilation -------------------------------------------------------------------


def test_a_training_step_is_compiled_as_a_whole():
    x, n = gf.placeholder(gf.float32, [None, None, 3]), gf.placeholder(gf.int32, [None])
    cell = rnn_cell.MultiRNNCell([
        rnn_cell.DropoutWrapper(rnn_cell.LSTMCell(4), output_keep_prob=0.9),
        rnn_cell.GRUCell(3)])
    (fw, bw), _ = gf.nn.bidirectional_dynamic_rnn(
        cell, rnn_cell.BasicRNNCell(2), x, n, dtype=gf.float32)
    loss = gf.reduce_mean(gf.concat([fw, bw], 2) ** 2)
    step = gf.train.AdamOptimizer(0.01).minimize(loss)
    with gf.Session(options=Options(device="cpu")) as session:
        session.run(gf.global_variables_initializer())
        feeds = {x: X, n: [4, 2]}
        losses = [session.run([loss, step], feeds)[0] for _ in range(20)]
        steps = list(session._variants.values())[-1][-1].executable.schedule.steps
    assert losses[-1] < losses[0]
    assert [s.node.opdef.name for s in steps if isinstance(s, HostStep)] == []


def test_learning_which_number_came_first():
    """A sum of bits modulo 2 over four steps, which needs the state."""
    bits = np.array([[i >> k & 1 for k in range(4)] for i in range(16)], np.float32)
    x = gf.placeholder(gf.float32, [None, 4, 1])
    gf.set_random_seed(5)
    with gf.variable_scope("net", initializer=gf.random_uniform_initializer(-0.7, 0.7, seed=2)):
        _, state = gf.nn.dynamic_rnn(rnn_cell.BasicLSTMCell(8), x, dtype=gf.float32)
        w = gf.get_variable("w", [8, 1])
    logits = gf.squeeze(gf.matmul(state.h, w), 1)
    loss = gf.reduce_mean(gf.nn.sigmoid_cross_entropy_with_logits(
        labels=gf.constant(bits.sum(1) % 2), logits=logits))
    step = gf.train.AdamOptimizer(0.05).minimize(loss)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(300):
            session.run(step, {x: bits[:, :, None]})
        found = session.run(logits, {x: bits[:, :, None]})
    np.testing.assert_array_equal(found > 0, bits.sum(1) % 2 == 1)


# ---- mistakes -----------------------------------------------------------------------------------


def test_what_is_no_cell_is_refused():
    with pytest.raises(DTypeError, match=r"'cell' \(3\) is not an RNNCell: .*is not callable"):
        gf.nn.dynamic_rnn(3, gf.constant(X), dtype=gf.float64)
    with pytest.raises(gf.errors.UnimplementedError, match="must define the property state_size"):
        rnn_cell.RNNCell().zero_state(1, gf.float32)


def test_arguments_are_checked():
    cell = rnn_cell.BasicLSTMCell(3)
    with pytest.raises(AttributeValueError, match="you must give a dtype"):
        gf.nn.dynamic_rnn(cell, gf.constant(X))
    with pytest.raises(ShapeError, match=r"must have the batch's size 2, got the shape \[3\]"):
        gf.nn.dynamic_rnn(cell, gf.constant(X), [1, 2, 3], dtype=gf.float64)
    with pytest.raises(ShapeError, match=r"inputs must be \[batch, time"):
        gf.nn.dynamic_rnn(cell, gf.constant(X[0, 0]), dtype=gf.float64, time_major=True)
    with pytest.raises(ShapeError, match=r"Expected inputs.shape\[-1\] to be known"):
        gf.nn.dynamic_rnn(cell, gf.placeholder(gf.float32, [2, 4, None]), dtype=gf.float32)
    with pytest.raises(AttributeValueError, match="no activation named 'tanhh'"):
        rnn_cell.GRUCell(3, activation="tanhh")
    with pytest.raises(AttributeValueError, match="input_size must be provided"):
        rnn_cell.DropoutWrapper(cell, 0.5, variational_recurrent=True, dtype=gf.float32)


def test_a_state_of_another_structure_is_refused():
    class Wrong(Same):
        def call(self, inputs, state):
            return inputs, inputs

    with pytest.raises(GraphError, match=r"expected \[·, ·\], got ·"):
        gf.nn.dynamic_rnn(Wrong(), gf.constant(X), dtype=gf.float64)
