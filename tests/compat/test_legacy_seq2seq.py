"""`tf.contrib.legacy_seq2seq` against step loops in NumPy, and a translator in two buckets."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf

legacy = tf.contrib.legacy_seq2seq
BATCH, UNITS, SYMBOLS, EMBED = 3, 4, 7, 5


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        yield graph


def run(fetch, feeds=None):
    names = [v.op.name for v in tf.global_variables()]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found, values = session.run((fetch, tf.global_variables()), feeds)
    return found, dict(zip(names, values))


def cell():
    return tf.nn.rnn_cell.BasicRNNCell(UNITS)


def step(x, h, w, at):
    return np.tanh(np.concatenate([x, h], 1) @ w[at + "kernel"] + w[at + "bias"])


SOURCE = np.random.RandomState(0).randint(0, SYMBOLS, (2, BATCH))
TARGET = np.random.RandomState(1).randint(0, SYMBOLS, (3, BATCH))


@pytest.mark.parametrize("feed", ["given", "previous", "tensor"])
def test_symbols_to_symbols_is_the_unrolled_network(feed):
    flag = {"given": False, "previous": True, "tensor": tf.placeholder(tf.bool, [])}[feed]
    outputs, _ = legacy.embedding_rnn_seq2seq(
        [tf.constant(s) for s in SOURCE], [tf.constant(s) for s in TARGET], cell(), SYMBOLS,
        SYMBOLS, EMBED, feed_previous=flag)
    for previous in (True, False) if feed == "tensor" else (feed == "previous",):
        found, w = run(outputs, {flag: previous} if feed == "tensor" else None)
        scope = "embedding_rnn_seq2seq/"
        table = w[scope + "rnn/embedding_wrapper/embedding"]
        h = np.zeros((BATCH, UNITS))
        for symbols in SOURCE:
            h = step(table[symbols], h, w, scope + "rnn/embedding_wrapper/basic_rnn_cell/")
        at = scope + "embedding_rnn_decoder/"
        inner = at + "rnn_decoder/output_projection_wrapper/"
        symbols = TARGET[0]
        for i, logits in enumerate(found):
            symbols = symbols if previous else TARGET[i]
            h = step(w[at + "embedding"][symbols], h, w, inner + "basic_rnn_cell/")
            expected = h @ w[inner + "kernel"] + w[inner + "bias"]
            np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
            symbols = expected.argmax(1)


@pytest.mark.parametrize("heads, first", [(1, False), (2, True)])
def test_attention_is_the_unrolled_network(heads, first):
    states = np.random.RandomState(2).normal(size=(BATCH, 3, 6)).astype(np.float32)
    inputs = np.random.RandomState(3).normal(size=(2, BATCH, EMBED)).astype(np.float32)
    outputs, _ = legacy.attention_decoder(
        [tf.constant(x) for x in inputs], tf.zeros([BATCH, UNITS]), states, cell(), 8, heads,
        initial_state_attention=first)
    found, w = run(outputs)
    w = {k.removeprefix("attention_decoder/"): v for k, v in w.items()}

    def project(at, *parts):
        return np.concatenate(parts, 1) @ w[at + "kernel"] + w[at + "bias"]

    def look(h):
        seen = []
        for head in range(heads):
            keys = states @ w[f"AttnW_{head}"][0, 0]
            score = np.tanh(keys + project(f"Attention_{head}/", h)[:, None]) @ w[f"AttnV_{head}"]
            a = np.exp(score) / np.exp(score).sum(1, keepdims=True)
            seen.append(np.einsum("bt,btn->bn", a, states))
        return seen

    h = np.zeros((BATCH, UNITS))
    seen = look(h) if first else [np.zeros((BATCH, 6))] * heads
    for x, output in zip(inputs, found):
        h = step(project("", x, *seen), h, w, "basic_rnn_cell/")
        seen = look(h)
        np.testing.assert_allclose(output, project("AttnOutputProjection/", h, *seen), rtol=1e-4,
                                   atol=1e-5)


def test_plain_and_tied_networks_share_what_they_should():
    x = [tf.ones([BATCH, 2])] * 2
    legacy.basic_rnn_seq2seq(x, x, cell())
    legacy.tied_rnn_seq2seq(x, x, cell())
    assert [v.op.name for v in tf.trainable_variables() if v.op.name.endswith("kernel")] == [
        "basic_rnn_seq2seq/rnn/basic_rnn_cell/kernel",
        "basic_rnn_seq2seq/rnn_decoder/basic_rnn_cell/kernel",
        "combined_tied_rnn_seq2seq/tied_rnn_seq2seq/basic_rnn_cell/kernel"]


def test_a_translator_in_buckets_learns():
    """The translation of a symbol is the next one; sources are turned round."""
    buckets = [(2, 3), (3, 4)]
    encoder = [tf.placeholder(tf.int32, [None]) for _ in range(3)]
    decoder = [tf.placeholder(tf.int32, [None]) for _ in range(5)]
    weights = [tf.placeholder(tf.float32, [None]) for _ in range(4)]
    targets = decoder[1:]

    def network(feed):
        return lambda e, d: legacy.embedding_attention_seq2seq(
            e, d, tf.nn.rnn_cell.GRUCell(20), 6, 8, 10, feed_previous=feed)

    _, losses = legacy.model_with_buckets(
        encoder, decoder[:4], targets, weights, buckets, network(False))
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        spoken, _ = legacy.model_with_buckets(
            encoder, decoder[:4], targets, weights, buckets, network(True))
    steps = [tf.train.AdamOptimizer(0.02).minimize(loss) for loss in losses]
    rng = np.random.RandomState(5)

    def batch(bucket, count=24):
        source = rng.randint(1, 6, (count, buckets[bucket][0]))
        target = source[:, ::-1] + 1
        rows = np.concatenate([np.zeros((count, 1), int), target, np.full((count, 2), 7)], 1)
        feeds = dict(zip(encoder, source.T)) | dict(zip(decoder, rows.T))
        ones = np.ones(count)
        return feeds | {w: ones if i <= target.shape[1] else 0 * ones
                        for i, w in enumerate(weights)}, target

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first = session.run(losses[1], batch(1)[0])
        for turn in range(240):
            session.run(steps[turn % 2], batch(turn % 2)[0])
        feeds, target = batch(1, 100)
        last, said = session.run([losses[1], spoken[1]], feeds)
    assert first > 1.5 and last < 0.1
    assert np.mean(np.argmax(said, 2).T[:, :3] == target) > 0.97


def test_mistakes_are_named():
    x = [tf.ones([BATCH, 2])]
    for call, message in [
            (lambda: legacy.attention_decoder([], x[0], tf.ones([3, 2, 2]), cell()), "at least 1"),
            (lambda: legacy.attention_decoder(x, x[0], tf.ones([3, 2, 2]), cell(), num_heads=0),
             "less than 1 heads"),
            (lambda: legacy.attention_decoder(
                x, x[0], tf.placeholder(tf.float32, [3, 2, None]), cell()), "must be known"),
            (lambda: legacy.model_with_buckets(x, x, x, x, [(2, 1)], None), "encoder_inputs")]:
        with pytest.raises(ValueError, match=message):
            call()
