"""bias_add, dropout, l2_loss and the small compositions of tf.nn."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


# ---- bias_add ---------------------------------------------------------------------------------


def test_a_bias_stands_along_the_channels():
    x, bias = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=5)
    np.testing.assert_allclose(value(gf.nn.bias_add(x, bias)), x + bias)
    first = gf.nn.bias_add(x, bias[:3], data_format="NCHW")
    np.testing.assert_allclose(value(first), x + bias[:3, None, None])


@pytest.mark.parametrize("data_format, axes", [("NHWC", (0, 1, 2)), ("NCHW", (0, 2, 3))])
def test_the_gradient_of_a_bias_is_the_sum_over_the_other_axes(data_format, axes):
    x, weights = gf.placeholder(gf.float64), RNG.normal(size=(2, 3, 4, 3))
    bias = gf.constant(RNG.normal(size=3))
    y = gf.nn.bias_add(x, bias, data_format)
    db, = gf.gradients(y, bias, weights)
    np.testing.assert_allclose(value(db, {x: np.zeros(weights.shape)}), weights.sum(axes))


@pytest.mark.parametrize("value_shape, bias_shape, match", [
    ([4, 3], [4], r"bias has 4 elements, value has 3 channels: value \[4, 3\], bias \[4\]"),
    ([4, 3], [1, 3], "bias must have rank 1"),
    ([3], [3], "value must have rank at least 2"),
])
def test_a_bias_that_does_not_fit(value_shape, bias_shape, match):
    with pytest.raises(gf.errors.ShapeError, match=match):
        gf.nn.bias_add(np.zeros(value_shape), np.zeros(bias_shape))


def test_an_unknown_layout():
    with pytest.raises(ValueError, match="data_format must be of the form"):
        gf.nn.bias_add(np.zeros((2, 3)), np.zeros(3), data_format="CHWN")


# ---- dropout ----------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps():
    x = RNG.normal(size=(200, 50)) + 10
    got = value(gf.nn.dropout(x, rate=0.2, seed=1))
    kept = got != 0
    np.testing.assert_allclose(got[kept], x[kept] / 0.8)
    assert abs(kept.mean() - 0.8) < 0.02  # five standard deviations of 10,000 draws


@pytest.mark.parametrize("arguments", [{"rate": 0.3}, {"keep_prob": 0.7}])
def test_the_two_ways_to_give_the_rate(arguments):
    got = value(gf.nn.dropout(gf.ones([20000]), seed=2, **arguments))
    assert set(np.unique(got)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((got != 0).mean() - 0.7) < 0.02


def test_keep_prob_is_often_a_placeholder():
    keep_prob = gf.placeholder(gf.float32)
    x = gf.ones([1000])
    y = gf.nn.dropout(x, keep_prob)
    with gf.Session() as session:
        np.testing.assert_array_equal(session.run(y, {keep_prob: 1.0}), np.ones(1000))
        half = session.run(y, {keep_prob: 0.5})
    assert set(np.unique(half)) == {0, 2}


def test_the_gradient_uses_the_same_mask():
    x = gf.constant(RNG.normal(size=100) + 5)
    y = gf.nn.dropout(x, rate=0.5)
    got, slope = value([y, gf.gradients(y, x)[0]])
    np.testing.assert_array_equal(slope, np.where(got != 0, 2.0, 0.0))


def test_each_run_draws_anew():
    y = gf.nn.dropout(gf.ones([100]), rate=0.5, seed=3)
    with gf.Session() as session:
        assert (session.run(y) != session.run(y)).any()


def test_noise_shape_drops_whole_columns():
    x = gf.placeholder(gf.float32, [None, 30])
    y = gf.nn.dropout(x, rate=0.5, noise_shape=[1, 30], seed=4)
    z = gf.nn.dropout(x, rate=0.5, noise_shape=[None, 1], seed=4)
    columns, rows = value([y, z], {x: np.ones((40, 30))})
    assert (columns == columns[:1]).all() and len(np.unique(columns)) == 2
    assert (rows == rows[:, :1]).all() and len(np.unique(rows)) == 2


def test_dropped_elements_are_zero_even_if_not_finite():
    got = value(gf.nn.dropout(np.full(100, np.inf), rate=0.5))
    assert set(np.unique(got)) == {0, np.inf}


def test_a_rate_of_zero_is_the_input_itself():
    x = gf.ones([3])
    assert gf.nn.dropout(x, rate=0) is x
    assert gf.nn.dropout(x, keep_prob=1.0) is x


@pytest.mark.parametrize("dtype", [gf.float16, gf.bfloat16])
def test_half_precision(dtype):
    got = value(gf.nn.dropout(gf.ones([20000], dtype), rate=0.125)).astype(np.float32)
    assert abs((got == 0).mean() - 0.125) < 0.012
    np.testing.assert_allclose(got.max(), 1 / 0.875, rtol=0.01)


@pytest.mark.parametrize("arguments, match", [
    ({}, "needs a rate"), ({"rate": 0.5, "keep_prob": 0.5}, "both rate and keep_prob"),
    ({"rate": 1.0}, r"number in \[0, 1\), got 1.0"), ({"rate": -0.1}, r"\[0, 1\)"),
    ({"keep_prob": 0}, r"number in \(0, 1\], got 0"), ({"keep_prob": "x"}, "number or a tensor"),
    ({"rate": [0.1, 0.2]}, "rate must be a scalar"),
    ({"rate": 0.5, "noise_shape": [2]}, "does not broadcast"),
    ({"rate": 0.5, "noise_shape": [1, 3]}, "more axes"),
])
def test_dropout_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        gf.nn.dropout(gf.ones([3]), **arguments)


def test_dropout_of_integers():
    with pytest.raises(TypeError, match="x must be of floats"):
        gf.nn.dropout(gf.constant([1, 2]), rate=0.5)


# ---- losses, norms, layers --------------------------------------------------------------------


def test_l2_loss_is_half_the_sum_of_squares():
    data = RNG.normal(size=(3, 4))
    t = gf.constant(data)
    loss = gf.nn.l2_loss(t)
    got, slope = value([loss, gf.gradients(loss, t)[0]])
    assert got == pytest.approx((data**2).sum() / 2)
    np.testing.assert_array_equal(slope, data)


def test_l2_loss_of_float16_is_summed_in_float32():
    assert value(gf.nn.l2_loss(np.full(30000, 1, np.float16))) == np.float16(15000)


def test_l2_normalize():
    x = RNG.normal(size=(3, 4))
    got = value([gf.nn.l2_normalize(x, 1), gf.nn.l2_normalize(x, dim=0), gf.nn.l2_normalize(x)])
    for found, axis in zip(got, (1, 0, None)):
        expected = x / np.sqrt((x**2).sum(axis, keepdims=True))
        np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(value(gf.nn.l2_normalize(np.zeros((2, 2)), 1)), np.zeros((2, 2)))


def test_zero_fraction():
    assert value(gf.nn.zero_fraction([0, 5, 0, 0])) == np.float32(0.75)


def test_layers():
    x, w, b = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)
    plain, rectified = gf.nn.xw_plus_b(x, w, b, name="h"), gf.nn.relu_layer(x, w, b)
    assert (plain.op.name, rectified.op.name) == ("h", "relu_layer")
    np.testing.assert_allclose(value(plain), x @ w + b)
    np.testing.assert_allclose(value(rectified), np.maximum(x @ w + b, 0))


def test_in_top_k_counts_ties_and_refuses_what_is_not_finite():
    predictions = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.1], [2.0, np.inf, 1.0], [1.0, 2.0, 3.0]],
                           np.float32)
    targets = gf.placeholder(gf.int64, [None])
    one, two = (gf.nn.in_top_k(predictions, targets, k) for k in (1, 2))
    got = value([one, two], {targets: [2, 1, 0, 7]})
    np.testing.assert_array_equal(got, [[False, True, False, False], [True, True, False, False]])


def test_dropout_with_a_placeholder_of_no_shape_keeps_the_shape():
    with gf.Graph().as_default(), gf.Session() as sess:
        keep = gf.placeholder(gf.float32)
        kept = gf.nn.dropout(gf.ones([2, 3]), keep)
        assert kept.shape.as_list() == [2, 3]
        np.testing.assert_array_equal(sess.run(kept, {keep: 1.0}), np.ones((2, 3)))
