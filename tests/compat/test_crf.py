"""`tf.contrib.crf` against the sum over all sequences of tags, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphflow as tf
from graphflow.contrib import crf

BATCH, TIME, TAGS = 4, 5, 3
LENGTHS = np.array([5, 3, 1, 0], np.int32)
RNG = np.random.RandomState(0)
UNARY = RNG.normal(size=(BATCH, TIME, TAGS))
TRANSITIONS = RNG.normal(size=(TAGS, TAGS))
CHOSEN = RNG.randint(0, TAGS, (BATCH, TIME))


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetch, feeds)


def score(row, tags):
    unary = sum(UNARY[row, t, k] for t, k in enumerate(tags))
    return unary + sum(TRANSITIONS[a, b] for a, b in itertools.pairwise(tags))


def sequences(row):
    """(tags, score) of every sequence of the row's length."""
    every = itertools.product(range(TAGS), repeat=int(LENGTHS[row]))
    return [(list(tags), score(row, tags)) for tags in every]


def log_sum(values):
    return np.logaddexp.reduce(list(values))


@pytest.mark.parametrize("known", [True, False])
def test_likelihood_is_the_share_of_a_sequence(known):
    inputs = tf.constant(UNARY) if known else tf.placeholder(tf.float64, [None, None, TAGS])
    likelihood, _ = crf.crf_log_likelihood(inputs, CHOSEN, LENGTHS, tf.constant(TRANSITIONS))
    norm = crf.crf_log_norm(inputs, LENGTHS, TRANSITIONS)
    own = crf.crf_sequence_score(inputs, CHOSEN, LENGTHS, TRANSITIONS)
    parts = (crf.crf_unary_score(CHOSEN, LENGTHS, inputs)
             + crf.crf_binary_score(CHOSEN, LENGTHS, TRANSITIONS))
    found = run([likelihood, norm, own, parts], None if known else {inputs: UNARY})
    scores = [score(i, CHOSEN[i, :n]) for i, n in enumerate(LENGTHS)]
    norms = [log_sum(s for _, s in sequences(i)) if n else 0 for i, n in enumerate(LENGTHS)]
    for a, b in zip(found, [np.subtract(scores, norms), norms, scores, scores]):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_gradients_are_observed_minus_expected_counts():
    inputs, transitions = tf.constant(UNARY), tf.constant(TRANSITIONS)
    likelihood, _ = crf.crf_log_likelihood(inputs, CHOSEN, LENGTHS, transitions)
    found = run(tf.gradients(tf.reduce_sum(likelihood), [inputs, transitions]))
    unary, binary = np.zeros_like(UNARY), np.zeros_like(TRANSITIONS)
    for row, length in enumerate(LENGTHS):
        if not length:
            continue
        every = sequences(row)
        norm = log_sum(s for _, s in every)
        counted = [(list(CHOSEN[row, :length]), 1.0)] + [
            (tags, -np.exp(s - norm)) for tags, s in every]
        for tags, weight in counted:
            for t, k in enumerate(tags):
                unary[row, t, k] += weight
            for pair in itertools.pairwise(tags):
                binary[pair] += weight
    np.testing.assert_allclose(found[0], unary, atol=1e-10)
    np.testing.assert_allclose(found[1], binary, atol=1e-10)


@pytest.mark.parametrize("known", [True, False])
def test_decoding_finds_the_best_sequence(known):
    inputs = tf.constant(UNARY) if known else tf.placeholder(tf.float64, [None, None, TAGS])
    tags, best = run(crf.crf_decode(inputs, tf.constant(TRANSITIONS), LENGTHS),
                     None if known else {inputs: UNARY})
    assert tags.dtype == np.int32 and tags.shape == (BATCH, TIME)
    for row, length in enumerate(LENGTHS):
        expected, value = max(sequences(row), key=lambda item: item[1])
        assert list(tags[row]) == expected + [0] * (TIME - length)
        assert best[row] == pytest.approx(value)
        if length:
            assert crf.viterbi_decode(UNARY[row, :length], TRANSITIONS)[0] == expected
            assert crf.viterbi_decode(UNARY[row, :length], TRANSITIONS)[1] == pytest.approx(value)


def test_sequences_of_one_step():
    unary = np.array([[[1.0, 3.0]], [[2.0, -1.0]]], np.float32)
    tags, best = crf.crf_decode(unary, np.ones((2, 2), np.float32), [1, 1])
    likelihood, _ = crf.crf_log_likelihood(unary, [[1], [1]], [1, 1], np.ones((2, 2), np.float32))
    a, b, c = run([tags, best, likelihood])
    np.testing.assert_array_equal(a, [[1], [0]])
    np.testing.assert_allclose(b, [3, 2])
    np.testing.assert_allclose(c, [-np.log1p(np.exp(-2)), -np.log1p(np.exp(3))], rtol=1e-5)


def test_several_allowed_tags():
    allowed = RNG.uniform(size=UNARY.shape) < 0.6
    allowed[..., 0] = True
    found = run(crf.crf_multitag_sequence_score(UNARY, allowed, LENGTHS, TRANSITIONS))
    for row in range(3):
        expected = log_sum(s for tags, s in sequences(row)
                           if all(allowed[row, t, k] for t, k in enumerate(tags)))
        assert found[row] == pytest.approx(expected)


def test_transitions_are_a_variable_of_the_scope():
    inputs = tf.placeholder(tf.float32, [None, None, TAGS])
    with tf.variable_scope("crf"):
        _, transitions = crf.crf_log_likelihood(inputs, CHOSEN, LENGTHS)
    assert [v.op.name for v in tf.trainable_variables()] == ["crf/transitions"]
    assert transitions.shape.as_list() == [TAGS, TAGS]
    with pytest.raises(ValueError, match=r"inputs must be \[batch, time, tags\]"):
        crf.crf_log_likelihood(tf.zeros([2, 3]), [[1]], [1])
