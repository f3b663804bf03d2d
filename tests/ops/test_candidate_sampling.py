"""Candidate samplers: distributions, expected counts, distinctness; CTC's corner cases."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.ops.candidate_sampling import pool_size


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def runs(fetch, times):
    with gf.Session() as session:
        return [session.run(fetch) for _ in range(times)]


def zipf(classes):
    k = np.arange(classes)
    return np.log((k + 2) / (k + 1)) / np.log(classes + 1)


@pytest.mark.parametrize("make, probabilities", [
    (gf.nn.uniform_candidate_sampler, np.full(10, 0.1)),
    (gf.nn.log_uniform_candidate_sampler, zipf(10)),
    (lambda *a, **k: gf.nn.fixed_unigram_candidate_sampler(
        *a, unigrams=range(1, 10), distortion=0.5, num_reserved_ids=1, **k),
     np.sqrt(np.arange(10)) / np.sqrt(np.arange(10)).sum()),
])
def test_candidates_follow_their_distribution(make, probabilities):
    sampled, true_count, count = make([[2, 3]], 2, 4000, False, 10, seed=3)
    [(found, of_true, of_sampled)] = runs([sampled, true_count, count], 1)
    shares = np.bincount(found, minlength=10) / 4000
    assert np.abs(shares - probabilities).max() < 4 * np.sqrt(0.25 / 4000)
    np.testing.assert_allclose(of_true, [4000 * probabilities[2:4]], rtol=1e-6)
    np.testing.assert_allclose(of_sampled, 4000 * probabilities[found], rtol=1e-6)


def test_distinct_candidates_and_how_often_they_are_expected():
    """The counts are the frequencies over many runs, up to the chance of 2000 runs.

    Of rare classes: as in TensorFlow, the count of a frequent one is too high where all draws
    differ, since it is p · n then.
    """
    sampled, true_count, _ = gf.nn.log_uniform_candidate_sampler(
        [[5, 9, 19]], 3, 5, True, 20, seed=1)
    found = runs([sampled, true_count], 2000)
    assert all(len(set(s)) == 5 and s.min() >= 0 and s.max() < 20 for s, _ in found)
    counts = np.mean([[(s == k).sum() for k in (5, 9, 19)] for s, _ in found], 0)
    np.testing.assert_allclose(counts, np.mean([c[0] for _, c in found], 0), atol=0.03)


def test_all_classes_can_be_asked_for():
    sampled, _, _ = gf.nn.log_uniform_candidate_sampler([[0]], 1, 12, True, 12)
    assert all(sorted(s) == list(range(12)) for s in runs(sampled, 20))


def test_a_pool_is_large_enough():
    """A simulation of 300 runs never needs more draws than the bound."""
    p = zipf(60)
    rng = np.random.default_rng(0)
    for count in (1, 20, 60):
        size = pool_size(p, count)
        draws = rng.choice(60, size=(300, size), p=p / p.sum())
        assert min(len(set(row)) for row in draws) >= count


def test_frequencies_from_a_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("the,5\nof,3\n\"a,b\",2\n")
    sampled, true_count, _ = gf.nn.fixed_unigram_candidate_sampler(
        [[1]], 1, 10, False, 3, vocab_file=str(path))
    np.testing.assert_allclose(runs(true_count, 1)[0], [[3.0]], rtol=1e-6)
    sharded, _, _ = gf.nn.fixed_unigram_candidate_sampler(
        [[1]], 1, 20, False, 3, vocab_file=str(path), num_shards=2, shard=0)
    assert set(runs(sharded, 1)[0]) <= {0, 2}


@pytest.mark.parametrize("call, error, message", [
    (lambda: gf.nn.uniform_candidate_sampler([[1]], 1, 5, True, 4), AttributeValueError,
     "Sampler's range is too small"),
    (lambda: gf.nn.uniform_candidate_sampler([[1]], 2, 3, True, 4), ShapeError,
     r"true_classes must be \[batch, 2\]"),
    (lambda: gf.nn.fixed_unigram_candidate_sampler([[1]], 1, 3, True, 4, unigrams=[1, 2]),
     AttributeValueError, "range_max is 4, but there are 2 classes"),
    (lambda: gf.nn.fixed_unigram_candidate_sampler([[1]], 1, 3, True, 4, vocab_file="/no/such"),
     AttributeValueError, "No such file"),
    (lambda: gf.nn.fixed_unigram_candidate_sampler([[1]], 1, 3, True, 4), AttributeValueError,
     "either vocab_file or unigrams"),
    (lambda: gf.nn.nce_loss(gf.zeros([9, 2]), gf.zeros([9]), [1, 2], gf.zeros([2, 2]), 3, 9),
     ShapeError, r"labels must be \[batch, 1\]"),
])
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_default_sampler_trains_embeddings():
    """word2vec in small: pairs (i, i) get likelier than others."""
    gf.set_random_seed(1)
    inputs = gf.placeholder(gf.int64, [None])
    table = gf.Variable(gf.random_uniform([12, 6], -0.5, 0.5))
    weights, biases = gf.Variable(gf.zeros([12, 6])), gf.Variable(gf.zeros([12]))
    rows = gf.nn.embedding_lookup(table, inputs)
    loss = gf.reduce_mean(gf.nn.nce_loss(
        weights, biases, gf.reshape(inputs, [-1, 1]), rows, 4, 12))
    step = gf.train.GradientDescentOptimizer(0.5).minimize(loss)
    scores = gf.matmul(table, weights, transpose_b=True) + biases
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(400):
            session.run(step, {inputs: np.arange(12)})
        assert (session.run(scores).argmax(1) == np.arange(12)).mean() > 0.9


# ---- CTC --------------------------------------------------------------------------------------


def by_alignments(log_probs, labels, blank):
    """−log of the sum over all alignments, one by one."""
    time, classes = log_probs.shape
    total = -np.inf
    for path in np.ndindex(*[classes] * time):
        merged = [c for i, c in enumerate(path) if i == 0 or path[i - 1] != c]
        if [c for c in merged if c != blank] == list(labels):
            total = np.logaddexp(total, sum(log_probs[t, c] for t, c in enumerate(path)))
    return -total


def test_ctc_loss_sums_over_alignments():
    x = np.random.default_rng(5).normal(size=(5, 3, 3))
    labels = np.array([[0, 1, -1], [1, 1, -1], [0, 1, 0]])
    found, = runs(gf.nn.ctc_loss(labels.astype(np.int32), x, [5, 4, 5]), 1)
    log_probs = x - np.log(np.exp(x).sum(2, keepdims=True))
    expected = [by_alignments(log_probs[:t, i], [c for c in labels[i] if c >= 0], 2)
                for i, t in enumerate((5, 4, 5))]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_sequence_that_is_too_short_has_an_infinite_loss_or_none():
    x = gf.constant(np.random.default_rng(6).normal(size=(2, 1, 3)))
    labels = np.array([[0, 0]], np.int32)  # needs a blank between: three times
    loss = gf.nn.ctc_loss(labels, x, [2])
    ignored = gf.nn.ctc_loss(labels, x, [2], ignore_longer_outputs_than_inputs=True)
    (a, b, slope), = runs([loss, ignored, gf.gradients(ignored, x)[0]], 1)
    assert a == [np.inf] and b == [0.0]
    np.testing.assert_array_equal(slope, 0.0)


def test_wide_prefix_search_finds_the_likeliest_labels():
    x = np.random.default_rng(8).normal(size=(4, 1, 3))
    decoded, score = gf.nn.ctc_beam_search_decoder(x, [4], beam_width=100, merge_repeated=False)
    (labels, found), = runs([decoded[0], score], 1)
    log_probs = (x - np.log(np.exp(x).sum(2, keepdims=True)))[:, 0]
    words = [w for n in range(5) for w in np.ndindex(*[2] * n)]
    best = min(words, key=lambda w: by_alignments(log_probs, w, 2))
    assert tuple(labels.values) == best
    np.testing.assert_allclose(found, [[-by_alignments(log_probs, best, 2)]], rtol=1e-9)


# ---- learned frequencies ----------------------------------------------------------------------


def test_learned_frequencies_are_those_of_earlier_runs():
    """The true classes of a run count from the next one on; no initialiser is needed."""
    true = gf.placeholder(gf.int64, [None, 2])
    sampled, true_count, count = gf.nn.learned_unigram_candidate_sampler(
        true, 2, 3000, False, 6, seed=4)
    weights = np.ones(6)
    with gf.Session() as session:
        for batch in ([[0, 1]], [[0, 5], [0, 5], [0, 3]], [[2, 2]]):
            p = weights / weights.sum()
            found, of_true, of_sampled = session.run([sampled, true_count, count], {true: batch})
            np.testing.assert_allclose(of_true, 3000 * p[np.array(batch)], rtol=1e-6)
            np.testing.assert_allclose(of_sampled, 3000 * p[found], rtol=1e-6)
            shares = np.bincount(found, minlength=6) / 3000
            assert np.abs(shares - p).max() < 4 * np.sqrt(0.25 / 3000)
            weights += np.bincount(np.ravel(batch), minlength=6)
    with gf.Session() as session:  # another session starts anew
        np.testing.assert_allclose(session.run(true_count, {true: [[0, 5]]}), [[500, 500]])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_distinct_learned_candidates_have_the_distribution_of_rejection(device):
    """Sets, first candidates and numbers of tries, against the exact figures of 3 of 4 classes."""
    learn = gf.placeholder(gf.int64, [None, 1])
    sampled, _, count = gf.nn.learned_unigram_candidate_sampler(learn, 1, 3, True, 4, seed=8)
    empty = np.zeros((0, 1), np.int64)
    with gf.Session(device=device) as session:
        session.run(sampled, {learn: np.repeat([0, 1], [5, 1])[:, None]})
        found = [session.run([sampled, count], {learn: empty}) for _ in range(1500)]
    p = np.array([6, 2, 1, 1]) / 10
    orders = np.array([s for s, _ in found])
    assert all(len(set(s)) == 3 for s in orders)
    firsts = np.bincount(orders[:, 0], minlength=4) / 1500
    np.testing.assert_allclose(firsts, p, atol=4 * np.sqrt(0.25 / 1500))
    pair = np.mean((orders[:, 0] == 0) & (orders[:, 1] == 1))
    assert pair == pytest.approx(p[0] * p[1] / (1 - p[0]), abs=0.05)
    # Expected counts invert to the number of draws: 1 − (1 − p)ᵗ, or 3 · p if all t = 3 differ.
    tries = []
    for order, counts in found:
        at = list(order).index(0) if 0 in order else 0
        share, value = p[order[at]], counts[at]
        tries.append(3 if np.isclose(value, 3 * share, rtol=1e-5) else
                     np.log1p(-np.minimum(value, 1 - 1e-7)) / np.log1p(-share))
    expected = 1.0
    for i in range(4):
        for j in range(4):
            if i != j:
                expected += p[i] * p[j] / (1 - p[i]) * (1 / (1 - p[i]) + 1 / (1 - p[i] - p[j]))
    assert np.mean(tries) == pytest.approx(expected, rel=0.06)


def test_learned_frequencies_serve_a_loss():
    weights, biases = gf.Variable(gf.ones([9, 2])), gf.Variable(gf.zeros([9]))
    labels = gf.constant([[1], [2]], gf.int64)
    samples = gf.nn.learned_unigram_candidate_sampler(labels, 1, 4, True, 9)
    loss = gf.nn.nce_loss(weights, biases, labels, gf.ones([2, 2]), 4, 9, sampled_values=samples)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(3):
            assert np.isfinite(session.run(loss)).all()


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_true_class_beyond_the_range_is_refused(device):
    sampled, *_ = gf.nn.learned_unigram_candidate_sampler([[7]], 1, 3, False, 6)
    with gf.Session(device=device) as session, pytest.raises(gf.errors.InvalidArgumentError):
        session.run(sampled)
    with pytest.raises(AttributeValueError, match="Sampler's range is too small"):
        gf.nn.learned_unigram_candidate_sampler([[1]], 1, 5, True, 4)
