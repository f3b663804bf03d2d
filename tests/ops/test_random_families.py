"""Gamma, Poisson, categorical, stateless draws and crops: laws, determinism, gradients, wording.

Laws are tested with fixed seeds against SciPy's distribution functions.
"""

from __future__ import annotations

import numpy as np
import pytest
from both_devices import on_both
from scipy import stats
from scipy.special import gammainc

import graphflow as tf
from graphflow import dtypes as dt
from graphflow.ops import rejection_draws as draws

COUNT = 100_000
INDEX = np.arange(COUNT)


def value(tensor, feeds=None):
    """The tensor's value, the same compiled and by the reference."""
    native, reference = on_both(tensor.graph, lambda s: s.run(tensor, feeds or {}))
    np.testing.assert_allclose(native, reference, rtol=2e-6)
    assert native.dtype == reference.dtype
    return native


def chi_square(found, probabilities):
    """The p-value of counts against probabilities, classes with few expected put together."""
    expected = np.append(probabilities, max(1 - probabilities.sum(), 0)) * found.size
    counts = np.append(np.bincount(found, minlength=len(probabilities))[:len(probabilities)], 0)
    counts[-1] = found.size - counts.sum()
    rare = expected < 5
    if rare.any():
        expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
        counts = np.append(counts[~rare], counts[rare].sum())
    return stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue


# ---- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.6, 1.0, 1.3, 10.0, 5000.0])
def test_gamma_draws_follow_their_law(alpha):
    for run in (0, 2**40):
        x = draws.gamma(np.full(COUNT, alpha), INDEX, np.int64(run), 2024, 7)
        assert stats.kstest(x, stats.gamma(alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("mean", [0.02, 0.9, 4.5, 9.99, 10.0, 17.0, 250.0])
def test_poisson_draws_follow_their_law(mean):
    law = stats.poisson(mean)
    for run in (0, 2**40):
        x = draws.poisson(np.full(COUNT, mean), INDEX, np.int64(run), 2024, 7, dt.int64)
        assert chi_square(x, law.pmf(np.arange(int(law.ppf(0.9999)) + 1))) > 1e-3


@pytest.mark.parametrize("mean", [1e4, 1e9, 1e15])
def test_poisson_draws_of_large_means_are_nearly_normal(mean):
    x = draws.poisson(np.full(COUNT, mean), INDEX, np.int64(0), 2024, 7, dt.float64)
    z = (x - mean) / np.sqrt(mean)
    assert abs(z.mean()) < 4 / np.sqrt(COUNT) and abs(z.var() - 1) < 0.02
    assert stats.kstest(z, stats.norm.cdf).pvalue > 1e-3


def test_gamma_and_poisson_in_a_graph():
    tf.reset_default_graph()
    g = tf.random_gamma([2000], [0.5, 3.0], beta=[[1.0], [4.0]], seed=3)
    p = tf.random_poisson([0.5, 30.0], [2000], seed=3, dtype=tf.int32)
    assert g.shape.as_list() == [2000, 2, 2] and p.shape.as_list() == [2000, 2]
    assert (g.op.name, p.op.name) == ("random_gamma", "random_poisson")
    found, counts = value(g), value(p)
    assert counts.dtype == np.int32
    for i, beta in enumerate((1.0, 4.0)):
        for j, alpha in enumerate((0.5, 3.0)):
            law = stats.gamma(alpha, scale=1 / beta)
            assert stats.kstest(found[:, i, j], law.cdf).pvalue > 0.01
    assert abs(counts.mean(0) - [0.5, 30.0]).max() < 0.5


def test_gamma_is_never_zero_and_takes_fed_parameters():
    tf.reset_default_graph()
    alpha, shape = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [1])
    drawn = tf.random.gamma(shape, alpha, seed=1)
    found = value(drawn, {alpha: [1e-3, 2.0], shape: [500]})
    assert found.shape == (500, 2) and found.min() == np.finfo(np.float32).tiny


def test_gradient_of_a_gamma_draw_is_that_of_its_quantile():
    """At a fixed P(α, x), dx/dα; by central differences of SciPy's quantile function."""
    tf.reset_default_graph()
    alpha = tf.constant([0.4, 1.5, 20.0], tf.float64)
    x = tf.random_gamma([3], alpha, dtype=tf.float64, seed=5)
    slope = tf.gradients(x, alpha, grad_ys=tf.one_hot([0, 1, 2], 3, dtype=tf.float64))[0]
    drawn, found = on_both(alpha.graph, lambda s: s.run([x, slope]))[0]
    for i, a in enumerate((0.4, 1.5, 20.0)):
        level, step = gammainc(a, drawn[i, i]), 1e-5 * a
        wanted = (stats.gamma(a + step).ppf(level) - stats.gamma(a - step).ppf(level)) / (2 * step)
        np.testing.assert_allclose(found[i], wanted, rtol=1e-5)


def test_draws_do_not_depend_on_what_else_is_drawn():
    """Element i is the same in a short run and in a long one."""
    short = draws.gamma(np.full(7, 0.3), np.arange(7), np.int64(3), 1, 2)
    long = draws.gamma(np.full(1000, 0.3), np.arange(1000), np.int64(3), 1, 2)
    np.testing.assert_array_equal(short, long[:7])


# ---- categorical --------------------------------------------------------------------------------


def test_categorical_draws_follow_the_softmax():
    tf.reset_default_graph()
    p = np.array([[0.1, 0.2, 0.3, 0.4], [0.97, 0.01, 0.02, 0.0]])
    with np.errstate(divide="ignore"):
        logits = tf.constant(np.log(p) + 5, tf.float32)
    for function in (tf.random.categorical, tf.multinomial):
        found = value(function(logits, 20_000, seed=11))
        assert found.shape == (2, 20_000) and found.dtype == np.int64
        assert chi_square(found[0], p[0]) > 0.01 and chi_square(found[1], p[1][:3]) > 0.01
        assert found[1].max() < 3
    narrow = tf.multinomial(tf.placeholder(tf.float64), 3, output_dtype=tf.int32)
    assert narrow.dtype is tf.int32


def test_draws_differ_from_run_to_run_and_repeat_in_a_new_session():
    tf.reset_default_graph()
    tf.set_random_seed(4)
    made = [tf.multinomial(tf.zeros([1, 1000]), 8), tf.random_gamma([8], 2.0),
            tf.random_poisson(50.0, [8]), tf.random_crop(tf.range(1000), [3])]
    sessions = []
    for _ in range(2):
        with tf.Session() as session:
            sessions.append([session.run(made), session.run(made)])
    for i in range(len(made)):
        np.testing.assert_array_equal(sessions[0][0][i], sessions[1][0][i])
        np.testing.assert_array_equal(sessions[0][1][i], sessions[1][1][i])
        assert not np.array_equal(sessions[0][0][i], sessions[0][1][i])


# ---- stateless ----------------------------------------------------------------------------------


def test_stateless_draws_depend_on_the_seed_alone():
    tf.reset_default_graph()
    seed = tf.placeholder(tf.int32, [2])
    shape = [4000]
    made = [tf.random.stateless_uniform(shape, seed, -1.0, 2.0),
            tf.random.stateless_normal(shape, seed, 1.0, 3.0),
            tf.random.stateless_truncated_normal(shape, seed, dtype=tf.float64),
            tf.random.stateless_uniform(shape, seed, 0, 6, tf.int64),
            tf.random.stateless_categorical(tf.math.log([[0.25, 0.75]]), 4000, seed),
            tf.random.stateless_multinomial(tf.zeros([1, 3]), 4000, seed, tf.int32)]
    one, again = (on_both(seed.graph, lambda s: s.run(made, {seed: [3, 5]}))[k] for k in (0, 1))
    other = on_both(seed.graph, lambda s: s.run(made, {seed: [5, 3]}))[0]
    for a, b, c in zip(one, again, other):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
        assert not np.array_equal(a, c)
    laws = (stats.uniform(-1, 3), stats.norm(1, 3), stats.truncnorm(-2, 2))
    for found, law in zip(one, laws):
        assert stats.kstest(found, law.cdf).pvalue > 0.01
    assert chi_square(one[3], np.full(6, 1 / 6)) > 0.01
    assert chi_square(one[4][0], np.array([0.25, 0.75])) > 0.01
    assert one[5].dtype == np.int32


# ---- crops --------------------------------------------------------------------------------------


def test_random_crop_takes_every_place_equally_often():
    tf.reset_default_graph()
    crop = tf.random_crop(tf.reshape(tf.range(12), [3, 4]), [2, 3], seed=9)
    assert crop.shape.as_list() == [2, 3] and crop.op.name == "random_crop"
    with tf.Session() as session:
        corners = [session.run(crop) for _ in range(400)]
    counts = {}
    for found in corners:
        first = int(found[0, 0])
        np.testing.assert_array_equal(found, first + np.array([[0, 1, 2], [4, 5, 6]]))
        counts[first] = counts.get(first, 0) + 1
    assert sorted(counts) == [0, 1, 4, 5]
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


@pytest.mark.parametrize(("build", "match"), [
    (lambda: tf.random_crop(tf.zeros([2, 3]), [3, 3]),
     r"Need value.shape >= size, got value \[2, 3\], size \[3, 3\]"),
    (lambda: tf.multinomial(tf.zeros([3]), 2), r"logits must be \[batch, classes\], got \[3\]"),
    (lambda: tf.random.categorical(tf.zeros([3, 2]), 2, tf.int8), "int32 or int64, got int8"),
    (lambda: tf.random_gamma([2], 1.0, dtype=tf.int32), "dtype must be one of float16"),
    (lambda: tf.random_poisson(1.0, [2], tf.uint8), "dtype must be one of float16"),
    (lambda: tf.random.stateless_normal([2], [1, 2, 3]), r"seed must have shape \[2\]"),
    (lambda: tf.random.stateless_normal([2], [1.0, 2.0]), "seed must be int32 or int64"),
    (lambda: tf.random.stateless_uniform([2], [1, 2], dtype=tf.int32), "Must specify maxval"),
])
def test_mistakes_are_named(build, match):
    tf.reset_default_graph()
    with pytest.raises((ValueError, TypeError), match=match):
        build()
