"""`tf.contrib.seq2seq` against step loops written in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphflow as tf
from graphflow.contrib import seq2seq

BATCH, TIME, UNITS, SYMBOLS, DEPTH = 3, 4, 5, 6, 2


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(2)
        yield graph


def run(fetch, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetch, feeds)


def run_with_variables(fetch, feeds=None):
    """(the fetch, variables by name)."""
    names = [v.op.name for v in tf.global_variables()]
    found, values = run((fetch, tf.global_variables()), feeds)
    return found, dict(zip(names, values))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def elman(x, h, w):
    """BasicRNNCell."""
    return np.tanh(np.concatenate([x, h], 1) @ w["kernel"] + w["bias"])


def weights_of(variables, scope):
    """The variables under a scope, by the rest of their names."""
    return {k.removeprefix(scope + "/"): v for k, v in variables.items()
            if k.startswith(scope + "/")}


def inputs_of(rng=0):
    return np.random.RandomState(rng).normal(size=(BATCH, TIME, DEPTH)).astype(np.float32)


# ---- decoding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("impute", [False, True])
def test_teacher_forcing_is_the_unrolled_cell(known, time_major, impute):
    x, lengths = inputs_of(), np.array([3, 1, 2], np.int32)
    fed = x.transpose(1, 0, 2) if time_major else x
    inputs = tf.constant(fed) if known else tf.placeholder(tf.float32, [None, None, DEPTH])
    sizes = tf.constant(lengths) if known else tf.placeholder(tf.int32, [None])
    helper = seq2seq.TrainingHelper(inputs, sizes, time_major=time_major)
    cell = tf.nn.rnn_cell.BasicRNNCell(UNITS)
    decoder = seq2seq.BasicDecoder(
        cell, helper, cell.zero_state(helper.batch_size, tf.float32), tf.layers.Dense(SYMBOLS))
    (outputs, state, found_lengths) = seq2seq.dynamic_decode(
        decoder, output_time_major=time_major, impute_finished=impute)
    feeds = None if known else {inputs: fed, sizes: lengths}
    (rnn, ids, last, steps), variables = run_with_variables(
        (outputs.rnn_output, outputs.sample_id, state, found_lengths), feeds)
    assert sorted(variables) == [
        "decoder/basic_rnn_cell/bias", "decoder/basic_rnn_cell/kernel", "decoder/dense/bias",
        "decoder/dense/kernel"]
    w, dense = (weights_of(variables, f"decoder/{s}") for s in ("basic_rnn_cell", "dense"))
    h, expected = np.zeros((BATCH, UNITS), np.float32), []
    for t in range(3):
        new = elman(x[:, t], h, w)
        logits = new @ dense["kernel"] + dense["bias"]
        over = (t >= lengths)[:, None]
        expected.append(np.where(over, 0, logits) if impute else logits)
        h = np.where(over, h, new) if impute else new
    expected = np.stack(expected, 0 if time_major else 1)
    np.testing.assert_allclose(rnn, expected, rtol=1e-5, atol=1e-6)
    if not impute:
        np.testing.assert_array_equal(ids, expected.argmax(-1))
    np.testing.assert_allclose(last, h, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(steps, lengths)


def test_gradients_of_teacher_forcing_are_those_of_dynamic_rnn():
    x, lengths = inputs_of(), np.array([3, 1, 4], np.int32)
    cell = tf.nn.rnn_cell.GRUCell(UNITS)
    helper = seq2seq.TrainingHelper(tf.constant(x), lengths)
    decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(BATCH, tf.float32))
    outputs, _, _ = seq2seq.dynamic_decode(decoder, impute_finished=True, scope="s")
    with tf.variable_scope("", reuse=True):
        plain, _ = tf.nn.dynamic_rnn(cell, tf.constant(x), lengths, dtype=tf.float32, scope="s")
    weights = tf.constant(np.random.RandomState(1).normal(size=(BATCH, TIME, UNITS)), tf.float32)
    found, expected = run([
        tf.gradients(tf.reduce_sum(y * weights), tf.trainable_variables())
        for y in (outputs.rnn_output, plain)])
    assert len(found) == 4
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def greedy(table, w, dense, start, end, limit):
    h, symbol = np.zeros((len(start), UNITS), np.float32), np.array(start)
    done, rows, lengths = np.zeros(len(start), bool), [], np.zeros(len(start), int)
    while not done.all() and len(rows) < limit:
        h = elman(table[symbol], h, w)
        symbol = (h @ dense["kernel"] + dense["bias"]).argmax(1)
        rows.append(symbol)
        lengths[~done] = len(rows)
        done |= symbol == end
    return np.stack(rows, 1), lengths


@pytest.mark.parametrize("limit", [None, 7])
def test_greedy_decoding_reads_what_it_said(limit):
    table = np.random.RandomState(0).normal(size=(SYMBOLS, DEPTH)).astype(np.float32)
    start = [1, 2, 1]
    cell = tf.nn.rnn_cell.BasicRNNCell(UNITS, activation="tanh")
    layer = tf.layers.Dense(SYMBOLS, kernel_initializer=tf.random_normal_initializer(stddev=2.0))
    helper = seq2seq.GreedyEmbeddingHelper(tf.constant(table), tf.constant(start), 0)
    decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(3, tf.float32), layer)
    outputs, _, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=limit or 40)
    (ids, found), variables = run_with_variables((outputs.sample_id, lengths))
    w, dense = (weights_of(variables, f"decoder/{s}") for s in ("basic_rnn_cell", "dense"))
    expected, steps = greedy(table, w, dense, start, 0, limit or 40)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_array_equal(found, steps)


def test_a_decoder_without_a_limit_stops_at_the_end_token():
    """The next symbol is always the one before minus one."""
    shift = np.roll(np.eye(SYMBOLS, dtype=np.float32), -1, axis=1)

    class Shift(tf.nn.rnn_cell.RNNCell):
        state_size = output_size = SYMBOLS

        def call(self, inputs, state):
            return tf.matmul(inputs, shift), state + inputs

    cell = Shift()
    helper = seq2seq.GreedyEmbeddingHelper(np.eye(SYMBOLS, dtype=np.float32), [3, 5], 0)
    decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
    outputs, state, lengths = run(seq2seq.dynamic_decode(decoder))
    np.testing.assert_array_equal(outputs.sample_id, [[2, 1, 0, 5, 4], [4, 3, 2, 1, 0]])
    np.testing.assert_array_equal(lengths, [3, 5])


def test_samples_are_drawn_from_the_softmax():
    logits = np.log(np.array([0.1, 0.2, 0.7], np.float32))

    class Same(tf.nn.rnn_cell.RNNCell):
        state_size = output_size = 3

        def call(self, inputs, state):
            return tf.zeros_like(state) + logits, state

    cell = Same()
    shares = []
    for temperature in (None, 0.5):
        helper = seq2seq.SampleEmbeddingHelper(
            lambda ids: tf.one_hot(ids, 3), tf.zeros([500], tf.int32), 9, temperature, seed=3)
        decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(500, tf.float32))
        outputs, _, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=6)
        shares.append(np.bincount(run(outputs.sample_id).ravel(), minlength=3) / 3000)
    for found, p in zip(shares, (np.exp(logits), np.exp(2 * logits))):
        np.testing.assert_allclose(found, p / p.sum(), atol=4 * np.sqrt(0.25 / 3000))


@pytest.mark.parametrize("probability", [0.0, 1.0, 0.5])
def test_scheduled_sampling_reads_its_own_symbols_as_often_as_said(probability):
    x = np.full((200, 5, 3), 7, np.float32)
    table = np.arange(9, dtype=np.float32).reshape(3, 3)
    seen = []

    class Watch(tf.nn.rnn_cell.RNNCell):
        state_size = output_size = 3

        def call(self, inputs, state):
            return inputs, state

    cell = Watch()
    helper = seq2seq.ScheduledEmbeddingTrainingHelper(
        x, [5] * 200, tf.constant(table), probability, seed=1, scheduling_seed=2)
    decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(200, tf.float32))
    outputs, _, _ = seq2seq.dynamic_decode(decoder)
    seen, ids = run(outputs)
    given = (seen == 7).all(2)
    assert given[:, 0].all()
    np.testing.assert_array_equal(given[:, 1:], ids[:, :-1] == -1)
    np.testing.assert_array_equal(seen[:, 1:][~given[:, 1:]], table[ids[:, :-1][ids[:, :-1] >= 0]])
    assert np.mean(~given[:, 1:]) == pytest.approx(probability, abs=0.08)


def test_scheduled_outputs_are_read_with_auxiliary_inputs():
    x, extra = inputs_of(), np.ones((BATCH, TIME, 1), np.float32)

    class Twice(tf.nn.rnn_cell.RNNCell):
        state_size = output_size = DEPTH

        def call(self, inputs, state):
            return 2 * inputs[:, :DEPTH] + inputs[:, DEPTH:], state

    cell = Twice()
    helper = seq2seq.ScheduledOutputTrainingHelper(
        x, [TIME] * BATCH, 1.0, auxiliary_inputs=extra)
    decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(BATCH, tf.float32))
    found = run(seq2seq.dynamic_decode(decoder)[0].rnn_output)
    expected = [2 * x[:, 0] + 1]
    for _ in range(TIME - 1):
        expected.append(2 * expected[-1] + 1)
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-6)


def test_helpers_made_of_functions():
    class Add(tf.nn.rnn_cell.RNNCell):
        state_size = output_size = 1

        def call(self, inputs, state):
            return inputs + 1, state + inputs

    cell = Add()
    custom = seq2seq.CustomHelper(
        lambda: (tf.constant([False, False]), tf.zeros([2, 1])),
        lambda time, outputs, state: tf.cast(outputs[:, 0], tf.int32),
        lambda time, outputs, state, sample_ids: (sample_ids >= [2, 4], outputs, state))
    inference = seq2seq.InferenceHelper(
        lambda outputs: outputs, [1], tf.float32, tf.zeros([2, 1]),
        lambda sample: sample[:, 0] >= [2.0, 4.0])
    for helper in (custom, inference):
        decoder = seq2seq.BasicDecoder(cell, helper, tf.zeros([2, 1]))
        outputs, state, lengths = run(seq2seq.dynamic_decode(decoder, impute_finished=True))
        np.testing.assert_array_equal(outputs.rnn_output[..., 0], [[1, 2, 0, 0], [1, 2, 3, 4]])
        np.testing.assert_array_equal(lengths, [2, 4])
        np.testing.assert_array_equal(state, [[1], [6]])


# ---- attention --------------------------------------------------------------------------------


def attended(kind, w, memory, lengths, query, scaled):
    """(alignments, context) by the formulas of the papers."""
    inside = np.arange(memory.shape[1]) < lengths[:, None]
    memory = memory * inside[..., None]
    keys = memory @ w["memory_layer/kernel"]
    if kind is seq2seq.LuongAttention:
        score = np.einsum("bn,btn->bt", query, keys)
        score = score * w["luong_attention/attention_g"] if scaled else score
    else:
        scope = "bahdanau_attention/"
        v, hidden = w[scope + "attention_v"], keys + (
            query @ w[scope + "query_layer/kernel"])[:, None]
        if scaled:
            v = w[scope + "attention_g"] * v / np.linalg.norm(v)
            hidden = hidden + w[scope + "attention_b"]
        score = np.tanh(hidden) @ v
    alignments = softmax(np.where(inside, score, -np.inf))
    return alignments, np.einsum("bt,btn->bn", alignments, memory)


@pytest.mark.parametrize("kind", [seq2seq.LuongAttention, seq2seq.BahdanauAttention])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("layer", [None, 4])
def test_attention_wrapper_is_the_unrolled_formula(kind, scaled, layer):
    x, lengths = inputs_of(), np.array([3, 1, 4])
    memory = np.random.RandomState(7).normal(size=(BATCH, TIME, 3)).astype(np.float32)
    option = {"scale" if kind is seq2seq.LuongAttention else "normalize": scaled}
    mechanism = kind(UNITS, tf.constant(memory), lengths, **option)
    cell = seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.BasicRNNCell(UNITS), mechanism, attention_layer_size=layer,
        alignment_history=True, output_attention=scaled)
    assert cell.output_size == ((layer or 3) if scaled else UNITS)
    helper = seq2seq.TrainingHelper(tf.constant(x), [TIME] * BATCH)
    decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(BATCH, tf.float32))
    outputs, state, _ = seq2seq.dynamic_decode(decoder)
    (rnn, history, last), variables = run_with_variables(
        (outputs.rnn_output, state.alignment_history.stack(), state._replace(
            alignment_history=())))
    inner = weights_of(variables, "decoder/attention_wrapper")
    inner["memory_layer/kernel"] = variables["memory_layer/kernel"]
    w = weights_of(inner, "basic_rnn_cell")
    h = np.zeros((BATCH, UNITS), np.float32)
    attention = np.zeros((BATCH, layer or 3), np.float32)
    for t in range(TIME):
        h = elman(np.concatenate([x[:, t], attention], 1), h, w)
        alignments, context = attended(kind, inner, memory, lengths, h, scaled)
        attention = context if layer is None else np.concatenate(
            [h, context], 1) @ inner["attention_layer/kernel"]
        np.testing.assert_allclose(rnn[:, t], attention if scaled else h, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(history[t], alignments, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(last.attention, attention, rtol=1e-4, atol=1e-5)
    assert last.time == TIME


def test_several_mechanisms_and_a_state_of_ones_own():
    memories = [np.random.RandomState(i).normal(size=(BATCH, TIME, 3)).astype(np.float32)
                for i in range(2)]
    mechanisms = [seq2seq.LuongAttention(UNITS, memories[0]),
                  seq2seq.BahdanauAttention(4, memories[1])]
    cell = seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.BasicLSTMCell(UNITS), mechanisms, attention_layer_size=[2, 3])
    assert cell.output_size == 5
    zero = cell.zero_state(BATCH, tf.float32)
    encoder = tf.nn.rnn_cell.LSTMStateTuple(tf.ones([BATCH, UNITS]), tf.ones([BATCH, UNITS]))
    state = zero.clone(cell_state=encoder)
    output, new = cell(tf.zeros([BATCH, DEPTH]), state)
    assert output.shape.as_list() == [BATCH, 5] and len(new.alignments) == 2
    assert new.alignment_history == ((), ())
    alignments = run(new.alignments)
    np.testing.assert_allclose([a.sum(1) for a in alignments], 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"expected the shape \[3, 5\], got \[3, 4\]"):
        zero.clone(cell_state=tf.nn.rnn_cell.LSTMStateTuple(
            tf.ones([BATCH, 4]), tf.ones([BATCH, 4])))
    with pytest.raises(TypeError, match="Expected state to be instance of AttentionWrapperState"):
        cell(tf.zeros([BATCH, DEPTH]), encoder)


@pytest.mark.parametrize("mode", ["recursive", "parallel"])
def test_monotonic_attention_is_the_process_that_it_describes(mode):
    """The chance to stop first at j when starting from where the step before stopped."""
    rng = np.random.RandomState(0)
    p, before = rng.uniform(0.1, 0.9, (2, 4)), softmax(rng.normal(size=(2, 4)))
    expected = np.zeros((2, 4))
    for b, start in itertools.product(range(2), range(4)):
        going = before[b, start]
        for j in range(start, 4):
            expected[b, j] += going * p[b, j]
            going *= 1 - p[b, j]
    found = run(seq2seq.monotonic_attention(tf.constant(p), tf.constant(before), mode))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_hard_monotonic_attention_never_goes_back():
    p = np.array([[1.0, 0, 1, 1], [0, 0, 0, 1], [1, 0, 0, 0]])
    before = np.array([[0, 1.0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    found = run(seq2seq.monotonic_attention(p, before, "hard"))
    np.testing.assert_array_equal(found, [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    with pytest.raises(ValueError, match="mode must be"):
        seq2seq.monotonic_attention(p, before, "soft")


@pytest.mark.parametrize("kind", [
    seq2seq.LuongMonotonicAttention, seq2seq.BahdanauMonotonicAttention])
def test_monotonic_mechanisms_hand_on_their_alignments(kind):
    memory = np.random.RandomState(3).normal(size=(BATCH, TIME, 3)).astype(np.float32)
    mechanism = kind(UNITS, memory, [2, 3, 4], score_bias_init=1.0)
    first = mechanism.initial_alignments(BATCH, tf.float32)
    query = tf.constant(np.random.RandomState(4).normal(size=(BATCH, UNITS)).astype(np.float32))
    alignments, state = mechanism(query, state=first)
    following, _ = mechanism(query, state=state)
    a, b, c = run([first, alignments, following])
    np.testing.assert_array_equal(a, [[1, 0, 0, 0]] * BATCH)
    assert (b.sum(1) <= 1 + 1e-6).all() and b[0, 2:].sum() == 0
    mean = [(x * np.arange(TIME)).sum(1) / x.sum(1) for x in (b, c)]
    assert (mean[1] > mean[0]).all()


def test_hardmax_takes_the_first_of_the_largest():
    found = run(seq2seq.hardmax([[1.0, 3, 2], [4, 4, 0]]))
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0]])


# ---- beam search ------------------------------------------------------------------------------


def test_gather_tree_follows_the_parents():
    """The figures of TensorFlow's own test, gather_tree with one row (beam_search_ops_test)."""
    ids = np.array([[[1, 2, 3]], [[4, 5, 6]], [[7, 8, 9]], [[-1, -1, -1]]], np.int32)
    parents = np.array([[[0, 0, 0]], [[0, 1, 1]], [[2, 1, 2]], [[-1, -1, -1]]], np.int32)
    found = run(seq2seq.gather_tree(ids, parents, [3], 10))
    np.testing.assert_array_equal(
        found[:, 0].T, [[2, 6, 7, 10], [2, 5, 8, 10], [2, 6, 9, 10]])


def test_tile_batch_repeats_rows_in_a_nest():
    state = tf.nn.rnn_cell.LSTMStateTuple(
        tf.constant([[1.0, 2], [3, 4]]), tf.placeholder_with_default([[5.0], [6]], [None, 1]))
    tiled = seq2seq.tile_batch(state, 2)
    assert tiled.c.shape.as_list() == [4, 2]
    c, h = run(tiled)
    np.testing.assert_array_equal(c, [[1, 2], [1, 2], [3, 4], [3, 4]])
    np.testing.assert_array_equal(h, [[5], [5], [6], [6]])
    with pytest.raises(ValueError, match="rank"):
        seq2seq.tile_batch(tf.constant(1.0), 2)


CHAIN = 4  # symbols of the Markov chain; 0 ends a sequence


class Chain(tf.nn.rnn_cell.RNNCell):
    """Logits of the next symbol, by the last symbol (the input) and the one before (the state)."""

    def __init__(self, logits):
        super().__init__()
        self._logits = tf.constant(logits)

    state_size = output_size = CHAIN

    def call(self, inputs, state):
        pair = tf.reshape(tf.expand_dims(inputs, 2) * tf.expand_dims(state, 1), [-1, CHAIN ** 2])
        return tf.matmul(pair, tf.reshape(self._logits, [CHAIN ** 2, CHAIN])), inputs


def chain(seed):
    return 2 * np.random.RandomState(seed).normal(size=(CHAIN,) * 3).astype(np.float32)


def searched(logits, start, width, limit, **options):
    """Beam search over the chain: (predicted ids, scores, lengths)."""
    cell = Chain(logits)
    first = seq2seq.tile_batch(tf.one_hot([0] * len(start), CHAIN), width)
    decoder = seq2seq.BeamSearchDecoder(
        cell, lambda ids: tf.one_hot(ids, CHAIN), start, 0, first, width, **options)
    outputs, state, lengths = seq2seq.dynamic_decode(decoder, maximum_iterations=limit)
    return run((outputs.predicted_ids, outputs.beam_search_decoder_output.scores, state.lengths))


def every_sequence(logits, start, limit):
    """(log-probability, symbols) of each sequence that ends or has `limit` symbols, best first."""
    log_p = np.log(softmax(logits))
    found, growing = [], [(0.0, [0, start])]
    while growing:
        score, symbols = growing.pop()
        over = len(symbols) > 2 and symbols[-1] == 0
        if over or len(symbols) == limit + 2:
            found.append((score, symbols[2:]))
            continue
        row = log_p[symbols[-1], symbols[-2]]
        growing += [(score + row[k], [*symbols, k]) for k in range(CHAIN)]
    return sorted(found, key=lambda item: -item[0])


def test_a_wide_beam_finds_the_likeliest_sequences():
    logits = chain(0)
    ids, scores, lengths = searched(logits, [1, 3], 70, 3)
    assert ids.shape == (2, 3, 70)
    for row, start in enumerate((1, 3)):
        best = every_sequence(logits, start, 3)[:10]
        np.testing.assert_allclose(scores[row, -1, :10], [s for s, _ in best], rtol=1e-5)
        for beam, (_, symbols) in enumerate(best):
            assert list(ids[row, :len(symbols), beam]) == symbols
            assert lengths[row, beam] == len(symbols)


def narrow(logits, start, width, steps, weight):
    """Beam search over lists of hypotheses (log-probability, symbols)."""
    log_p = np.log(softmax(logits))
    beams = [(0.0, [])]
    for _ in range(steps):  # until the beams of all rows have ended
        grown = []
        for score, symbols in beams:
            if symbols and symbols[-1] == 0:
                counted = len(symbols)
                grown.append((score / ((5 + counted) / 6) ** weight, score, symbols))
                continue
            context = [0, start, *symbols]
            for k, p in enumerate(log_p[context[-1], context[-2]]):
                counted = len(symbols) + (k != 0)  # the end itself does not count for the score
                grown.append(((score + p) / ((5 + counted) / 6) ** weight, score + p,
                              [*symbols, k]))
        grown.sort(key=lambda item: -item[0])
        beams = [(score, symbols) for _, score, symbols in grown[:width]]
    return [symbols for _, symbols in beams], [ranked for ranked, *_ in grown[:width]]


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("weight", [0.0, 0.8])
def test_narrow_beams_are_those_of_a_search_over_lists(width, weight):
    for seed in range(3):
        logits = chain(seed)
        ids, scores, _ = searched(logits, [1, 2], width, 6, length_penalty_weight=weight)
        for row, start in enumerate((1, 2)):
            expected, ranked = narrow(logits, start, width, ids.shape[1], weight)
            for beam, symbols in enumerate(expected):
                found = list(ids[row, :, beam])
                assert found[:len(symbols)] == symbols and not any(found[len(symbols):])
            np.testing.assert_allclose(scores[row, -1], ranked, rtol=1e-4)


def test_beams_with_attention_keep_their_own_histories():
    width, memory = 3, np.random.RandomState(5).normal(size=(2, TIME, 4)).astype(np.float32)
    tiled = seq2seq.tile_batch(tf.constant(memory), width)
    mechanism = seq2seq.BahdanauAttention(4, tiled, seq2seq.tile_batch(tf.constant([4, 2]), width))
    cell = seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.GRUCell(UNITS), mechanism, 6, alignment_history=True)
    layer = tf.layers.Dense(SYMBOLS, kernel_initializer=tf.random_normal_initializer(stddev=3))
    table = tf.constant(np.random.RandomState(6).normal(size=(SYMBOLS, 2)).astype(np.float32))
    first = cell.zero_state(2 * width, tf.float32)
    decoder = seq2seq.BeamSearchDecoder(
        cell, table, [1, 1], 0, first, width, layer, coverage_penalty_weight=0.1)
    outputs, state, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=5, scope="d")
    # Teacher forcing with a found sequence gives the attention that the search kept for it.
    ids = tf.reshape(tf.transpose(outputs.predicted_ids, [0, 2, 1]), [2 * width, -1])
    read = tf.nn.embedding_lookup(table, tf.concat([tf.ones_like(ids[:, :1]), ids[:, :-1]], 1))
    helper = seq2seq.TrainingHelper(read, tf.fill([2 * width], tf.shape(ids)[1]))
    forced = seq2seq.BasicDecoder(cell, helper, first, layer)
    with tf.variable_scope("", reuse=True):
        _, again, _ = seq2seq.dynamic_decode(forced, scope="d")
    history, expected, lengths, scores = run([
        state.cell_state.alignment_history, again.alignment_history.stack(), state.lengths,
        outputs.beam_search_decoder_output.scores])
    assert history.shape == expected.shape and (np.diff(scores, axis=2) <= 0).all()
    for row, length in enumerate(lengths.ravel()):
        np.testing.assert_allclose(history[:length, row], expected[:length, row], rtol=1e-4,
                                   atol=1e-6)


def test_mistakes_are_named():
    cell = tf.nn.rnn_cell.BasicRNNCell(UNITS)
    table = tf.zeros([SYMBOLS, DEPTH])
    helper = seq2seq.GreedyEmbeddingHelper(table, [1], 0)
    state = cell.zero_state(2, tf.float32)
    for call, error, message in [
            (lambda: seq2seq.dynamic_decode(cell), TypeError, "must be a Decoder"),
            (lambda: seq2seq.BasicDecoder(cell, cell, state), TypeError, "must be a Helper"),
            (lambda: seq2seq.BasicDecoder(cell, helper, state, tf.nn.relu), TypeError,
             "output_layer must be a Layer"),
            (lambda: seq2seq.GreedyEmbeddingHelper(table, 1, 0), ValueError, "vector"),
            (lambda: seq2seq.TrainingHelper(tf.zeros([2, 3, 1]), 3), ValueError, "vector"),
            (lambda: seq2seq.BeamSearchDecoder(cell, table, [1, 1], 0, state, 3), ValueError,
             "tile_batch"),
            (lambda: seq2seq.LuongAttention(4, tf.zeros([2, 3, 2]))(tf.zeros([2, 5]), None),
             ValueError, "the query has 5 units, the keys have 4"),
            (lambda: seq2seq.AttentionWrapper(cell, cell), TypeError, "AttentionMechanism"),
            (lambda: seq2seq.LuongAttention(4, tf.placeholder(tf.float32, [2, 3, None])),
             ValueError, "fully defined inner dims")]:
        with pytest.raises(error, match=message):
            call()
