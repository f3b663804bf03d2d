"""`tf.distributions` against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import graphflow as tf

X = np.array([-1.5, 0.0, 0.7], np.float64)


@pytest.fixture(autouse=True)
def graph() -> Any:
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        yield graph


def run(*fetches: Any) -> list[Any]:
    with tf.Session() as sess:
        return sess.run(list(fetches))


def test_normal():
    loc, scale = np.array([0.5, -1.0, 0.0]), np.array([1.0, 0.3, 2.0])
    d = tf.distributions.Normal(tf.constant(loc), tf.constant(scale))
    other = tf.distributions.Normal(tf.constant(0.0, tf.float64), tf.constant(1.0, tf.float64))
    log_prob, prob, cdf, entropy, kl, draws = run(
        d.log_prob(X), d.prob(X), d.cdf(X), d.entropy(), tf.distributions.kl_divergence(d, other),
        d.sample(20000))
    truth = stats.norm(loc, scale)
    np.testing.assert_allclose(log_prob, truth.logpdf(X))
    np.testing.assert_allclose(prob, truth.pdf(X))
    np.testing.assert_allclose(cdf, truth.cdf(X))
    np.testing.assert_allclose(entropy, truth.entropy())
    np.testing.assert_allclose(kl, (scale ** 2 + loc ** 2 - 1) / 2 - np.log(scale))
    assert draws.shape == (20000, 3)
    np.testing.assert_allclose(draws.mean(0), loc, atol=0.06)
    np.testing.assert_allclose(draws.std(0), scale, rtol=0.03)


def test_uniform():
    d = tf.distributions.Uniform(-1.0, 1.0)
    prob, entropy, draws = run(d.prob(X.astype(np.float32)), d.entropy(), d.sample([3000]))
    np.testing.assert_allclose(prob, [0, 0.5, 0.5])
    assert entropy == pytest.approx(np.log(2))
    assert draws.min() >= -1 and draws.max() < 1 and abs(draws.mean()) < 0.05


def test_bernoulli():
    p = special.expit(X)
    d = tf.distributions.Bernoulli(logits=tf.constant(X))
    other = tf.distributions.Bernoulli(probs=tf.constant(0.5, tf.float64))
    one, zero, entropy, kl, draws = run(
        d.log_prob([1, 1, 1]), d.log_prob(0), d.entropy(), d.kl_divergence(other), d.sample(20000))
    np.testing.assert_allclose([one, zero], [np.log(p), np.log1p(-p)])
    np.testing.assert_allclose(entropy, stats.bernoulli(p).entropy())
    np.testing.assert_allclose(kl, special.rel_entr(p, 0.5) + special.rel_entr(1 - p, 0.5))
    np.testing.assert_allclose(draws.mean(0), p, atol=0.02)


def test_categorical():
    probs = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    d = tf.distributions.Categorical(probs=tf.constant(probs))
    even = tf.distributions.Categorical(logits=tf.zeros([2, 3], tf.float64))
    log_prob, entropy, kl, mode, one, draws = run(
        d.log_prob([1, 2]), d.entropy(), d.kl_divergence(even), d.mode(), d.sample(),
        d.sample(20000))
    np.testing.assert_allclose(log_prob, np.log([0.5, 0.8]))
    np.testing.assert_allclose(entropy, stats.entropy(probs, axis=1))
    np.testing.assert_allclose(kl, np.log(3) - stats.entropy(probs, axis=1), rtol=1e-6)
    assert mode.tolist() == [1, 2] and one.shape == (2,) and draws.shape == (20000, 2)
    for k in range(3):
        np.testing.assert_allclose((draws == k).mean(0), probs[:, k], atol=0.02)


def test_mistakes_are_told():
    with pytest.raises(tf.errors.AttributeValueError, match="either logits or probs"):
        tf.distributions.Categorical()
    with pytest.raises(NotImplementedError, match="Normal and Uniform"):
        tf.distributions.kl_divergence(tf.distributions.Normal(0, 1), tf.distributions.Uniform())
