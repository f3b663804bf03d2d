"""Cells of `tf.contrib.rnn` against their formulas in NumPy; fused ones against plain ones."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf
from graphflow.contrib import rnn

BATCH, TIME, DEPTH, UNITS = 2, 4, 3, 5


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(3)
        yield graph


def run(fetch):
    names = [v.op.name for v in tf.global_variables()]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found, values = session.run((fetch, tf.global_variables()))
    return found, dict(zip(names, values))


def noise(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("normalised", [True, False])
def test_normalised_lstm_is_its_formula(normalised):
    x, c, h = noise(BATCH, DEPTH), noise(BATCH, UNITS, seed=1), noise(BATCH, UNITS, seed=2)
    cell = rnn.LayerNormBasicLSTMCell(UNITS, layer_norm=normalised, norm_gain=1.5, norm_shift=0.2)
    (output, state), w = run(cell(tf.constant(x), rnn.LSTMStateTuple(
        tf.constant(c), tf.constant(h))))
    scope = "layer_norm_basic_lstm_cell/"
    norms = {f"{scope}{gate}/{v}" for v in ("gamma", "beta") for gate in (
        "input", "transform", "forget", "output", "state")}
    assert set(w) == {scope + "kernel"} | (norms if normalised else {scope + "bias"})

    def norm(x):
        if not normalised:
            return x
        return 1.5 * (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) + 0.2

    gates = np.concatenate([x, h], 1) @ w[scope + "kernel"]
    i, j, f, o = (norm(g) for g in np.split(gates, 4, 1))
    new_c = norm(c * sigmoid(f + 1) + sigmoid(i) * np.tanh(j))
    np.testing.assert_allclose(state.c, new_c, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, np.tanh(new_c) * sigmoid(o), rtol=1e-4, atol=1e-5)


def test_dropout_of_the_candidate_keeps_the_mean():
    cell = rnn.LayerNormBasicLSTMCell(UNITS, layer_norm=False, dropout_keep_prob=0.5)
    zeros = rnn.LSTMStateTuple(tf.zeros([4000, UNITS]), tf.zeros([4000, UNITS]))
    x = np.repeat(noise(1, DEPTH), 4000, 0)
    with tf.variable_scope("same"):
        _, thinned = cell(tf.constant(x), zeros)
    with tf.variable_scope("same", reuse=True):
        _, whole = rnn.LayerNormBasicLSTMCell(UNITS, layer_norm=False)(tf.constant(x), zeros)
    (a, b), _ = run((thinned.c, whole.c))
    np.testing.assert_allclose(a.mean(0), b[0], atol=0.05)
    assert (a == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_attention_over_own_outputs_is_its_formula():
    x = noise(BATCH, TIME, DEPTH)
    cell = rnn.AttentionCellWrapper(rnn.GRUCell(UNITS), 2, attn_size=4, attn_vec_size=3)
    assert cell.output_size == 4 and cell.state_size == (UNITS, 4, 8)
    (outputs, _), w = run(tf.nn.dynamic_rnn(cell, tf.constant(x), dtype=tf.float32))
    scope = "rnn/attention_cell_wrapper/"
    w = {k.removeprefix(scope): v for k, v in w.items()}
    assert "attention/attn_w" in w and "attn_output_projection/bias" in w

    def project(at, *parts):
        return np.concatenate(parts, 1) @ w[at + "kernel"] + w[at + "bias"]

    h, attention = np.zeros((BATCH, UNITS)), np.zeros((BATCH, 4))
    kept = np.zeros((BATCH, 2, 4))
    for t in range(TIME):
        inner = project("", x[:, t], attention)
        gates = sigmoid(np.concatenate([inner, h], 1) @ w["gru_cell/gates/kernel"]
                        + w["gru_cell/gates/bias"])
        r, u = np.split(gates, 2, 1)
        c = np.tanh(np.concatenate([inner, r * h], 1) @ w["gru_cell/candidate/kernel"]
                    + w["gru_cell/candidate/bias"])
        h = u * h + (1 - u) * c
        hidden = kept @ w["attention/attn_w"][0, 0] + project("attention/", h)[:, None]
        score = np.tanh(hidden) @ w["attention/attn_v"]
        a = np.exp(score) / np.exp(score).sum(1, keepdims=True)
        attention = np.einsum("bt,btn->bn", a, kept)
        output = project("attn_output_projection/", h, attention)
        kept = np.concatenate([kept[:, 1:], output[:, None]], 1)
        np.testing.assert_allclose(outputs[:, t], output, rtol=1e-4, atol=1e-5)


def test_wrappers_project_embed_and_mix():
    symbols = tf.constant([[1], [3]])
    embedded = rnn.EmbeddingWrapper(rnn.BasicRNNCell(UNITS), 6, DEPTH)
    output, _ = embedded(symbols, tf.zeros([2, UNITS]))
    x = noise(BATCH, DEPTH)
    projected = rnn.OutputProjectionWrapper(
        rnn.InputProjectionWrapper(rnn.BasicRNNCell(UNITS), 4), 2)
    small, _ = projected(tf.constant(x), tf.zeros([2, UNITS]))
    mixing = rnn.HighwayWrapper(rnn.BasicRNNCell(DEPTH))
    mixed, _ = mixing(tf.constant(x), tf.zeros([2, DEPTH]))
    (a, b, c), w = run((output, small, mixed))
    one = "embedding_wrapper/"
    rows = w[one + "embedding"][[1, 3]]
    np.testing.assert_allclose(
        a, np.tanh(rows @ w[one + "basic_rnn_cell/kernel"][:DEPTH]), rtol=1e-4, atol=1e-6)
    two = "output_projection_wrapper/"
    inner = x @ w[two + "input_projection_wrapper/kernel"]
    hidden = np.tanh(inner @ w[two + "input_projection_wrapper/basic_rnn_cell/kernel"][:4])
    np.testing.assert_allclose(b, hidden @ w[two + "kernel"], rtol=1e-4, atol=1e-6)
    three = "highway_wrapper/"
    carry = sigmoid(x @ w[three + "carry_w"] + 1)
    plain = np.tanh(x @ w[three + "basic_rnn_cell/kernel"][:DEPTH])
    np.testing.assert_allclose(c, carry * x + (1 - carry) * plain, rtol=1e-4, atol=1e-6)


def test_fused_networks_are_the_plain_ones():
    x, lengths = noise(TIME, BATCH, DEPTH), [4, 2]
    fused = rnn.LSTMBlockFusedCell(UNITS)
    outputs, state = fused(tf.constant(x), dtype=tf.float32, sequence_length=lengths)
    assert [v.op.name for v in tf.trainable_variables()] == [
        "lstm_fused_cell/kernel", "lstm_fused_cell/bias"]
    backward, _ = rnn.TimeReversedFusedRNN(fused)(
        tf.constant(x), dtype=tf.float32, sequence_length=lengths)
    cell = rnn.LSTMBlockCell(UNITS, name="lstm_fused_cell")
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        plain, last = rnn.FusedRNNCellAdaptor(cell, True)(
            tf.constant(x), dtype=tf.float32, sequence_length=lengths,
            scope=tf.get_variable_scope())
        turned, _ = tf.nn.dynamic_rnn(
            cell, tf.reverse_sequence(x, lengths, 0, 1), lengths, dtype=tf.float32,
            time_major=True, scope=tf.get_variable_scope())
        turned = tf.reverse_sequence(turned, lengths, 0, 1)
    found, _ = run([outputs, state.h, backward])
    expected, _ = run([plain, last.h, turned])
    assert found[0].shape == (TIME, BATCH, UNITS) and not found[0][2:, 1].any()
    for a, b in zip(run([outputs - plain, state.h - last.h, backward - turned])[0], expected):
        np.testing.assert_allclose(a, np.zeros_like(b), atol=1e-6)


def test_layers_of_both_directions_over_lists():
    steps = [tf.constant(noise(BATCH, DEPTH, seed=t)) for t in range(3)]
    outputs, forward, _ = rnn.stack_bidirectional_rnn(
        [rnn.GRUBlockCellV2(4), rnn.GRUCell(4)], [rnn.GRUCell(4), rnn.GRUCell(4)], steps,
        dtype=tf.float32)
    assert len(outputs) == 3 and outputs[0].shape.as_list() == [BATCH, 8] and len(forward) == 2
    assert np.isfinite(run(outputs)[0]).all()
    with pytest.raises(ValueError, match="same depth"):
        rnn.stack_bidirectional_rnn([rnn.GRUCell(4)], [], steps, dtype=tf.float32)
    with pytest.raises(ValueError, match="greater than zero"):
        rnn.AttentionCellWrapper(rnn.GRUCell(4), 0)


def correlated(x, kernel):
    """The sums over a window of x [rows, width, n], padded with zeros to the same width."""
    size = len(kernel)
    padded = np.pad(x, [(0, 0), ((size - 1) // 2, size // 2), (0, 0)])
    return sum(padded[:, k:k + x.shape[1]] @ kernel[k] for k in range(size))


@pytest.mark.parametrize("skip", [False, True])
def test_convolutional_lstm_is_its_formula(skip):
    x = noise(TIME, BATCH, 6, 3)
    cell = rnn.Conv1DLSTMCell(input_shape=[6, 3], output_channels=2, kernel_shape=[3],
                              skip_connection=skip)
    assert cell.output_size.as_list() == [6, 5 if skip else 2]
    (outputs, _), w = run(tf.nn.dynamic_rnn(
        cell, tf.constant(x), dtype=tf.float32, time_major=True))
    kernel, biases = (w[f"rnn/conv_1d_lstm_cell/{name}"] for name in ("kernel", "biases"))
    c = h = np.zeros((BATCH, 6, 2))
    for t in range(TIME):
        gates = correlated(np.concatenate([x[t], h], 2), kernel) + biases
        i, j, f, o = np.split(gates, 4, 2)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
        h = np.tanh(c) * sigmoid(o)
        expected = np.concatenate([h, x[t]], 2) if skip else h
        np.testing.assert_allclose(outputs[t], expected, rtol=1e-4, atol=1e-5)


def test_convolutional_cells_over_planes():
    cell = rnn.ConvLSTMCell(2, [4, 5, 1], 3, [3, 3])
    outputs, state = tf.nn.dynamic_rnn(cell, tf.ones([2, 3, 4, 5, 1]), dtype=tf.float32)
    slopes = tf.gradients(tf.reduce_sum(outputs), tf.trainable_variables())
    assert outputs.shape.as_list() == [2, 3, 4, 5, 3] and state.c.shape.as_list() == [2, 4, 5, 3]
    found, _ = run([outputs, *slopes])
    assert all(np.isfinite(f).all() for f in found) and found[1].any()
    with pytest.raises(ValueError, match="Invalid input_shape"):
        rnn.ConvLSTMCell(2, [4, 1], 3, [3, 3])
