"""Batch normalisation against its formula in NumPy, in training and for given moments."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf

RNG = np.random.default_rng(4)
IMAGES = RNG.normal(size=(3, 4, 2, 5)) * 2 + 3
SCALE, OFFSET = RNG.uniform(0.5, 2, 5), RNG.normal(size=5)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def normalised(x, mean, variance, epsilon=0.001):
    return (x - mean) / np.sqrt(variance + epsilon) * SCALE + OFFSET


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_training_uses_and_returns_the_moments_of_the_batch(data_format):
    x = IMAGES if data_format == "NHWC" else IMAGES.transpose(0, 3, 1, 2)
    y, mean, variance = value(gf.nn.fused_batch_norm(x, SCALE, OFFSET, data_format=data_format))
    y = y if data_format == "NHWC" else y.transpose(0, 2, 3, 1)
    flat = IMAGES.reshape(-1, 5)
    np.testing.assert_allclose(y, normalised(IMAGES, flat.mean(0), flat.var(0)))
    np.testing.assert_allclose(mean, flat.mean(0))
    np.testing.assert_allclose(variance, flat.var(0, ddof=1))


def test_inference_uses_the_moments_given():
    mean, variance = RNG.normal(size=5), RNG.uniform(1, 2, 5)
    found = value(gf.nn.fused_batch_norm(IMAGES, SCALE, OFFSET, mean, variance, epsilon=0.1,
                                         is_training=False))
    for got, expected in zip(found, (normalised(IMAGES, mean, variance, 0.1), mean, variance)):
        np.testing.assert_allclose(got, expected)


def test_one_element_per_channel_has_no_variance():
    y, _, variance = value(gf.nn.fused_batch_norm(IMAGES[:1, :1, :1], SCALE, OFFSET))
    np.testing.assert_allclose(y.ravel(), OFFSET)
    np.testing.assert_array_equal(variance, np.zeros(5))


def test_half_precision_images_have_float32_moments():
    x = IMAGES.astype(np.float16)
    y, mean, _ = gf.nn.fused_batch_norm(x, SCALE.astype(np.float32), OFFSET.astype(np.float32))
    assert (y.dtype, mean.dtype) == (gf.float16, gf.float32)
    dx, = gf.gradients(y, y.op.inputs[0])
    assert dx.dtype is gf.float16
    flat = IMAGES.reshape(-1, 5)
    np.testing.assert_allclose(value(y), normalised(IMAGES, flat.mean(0), flat.var(0)), atol=0.01)


def test_gradients_pass_through_the_moments():
    x = gf.constant(IMAGES)
    y, _, _ = gf.nn.fused_batch_norm(x, SCALE, OFFSET)
    weights = RNG.normal(size=IMAGES.shape)
    dx, = value(gf.gradients(y, x, weights))
    # y depends on neither the mean nor the scale of a channel of x (but for ε)
    np.testing.assert_allclose(dx.sum((0, 1, 2)), np.zeros(5), atol=1e-12)
    composed, = value(gf.gradients(composition(x), x, weights))
    np.testing.assert_allclose(dx, composed, rtol=1e-9, atol=1e-12)


def composition(x):
    mean, variance = gf.nn.moments(x, [0, 1, 2])
    return gf.nn.batch_normalization(x, mean, variance, OFFSET, SCALE, 0.001)


def test_unknown_batch_size():
    x = gf.placeholder(gf.float64, [None, 4, 2, 5])
    y, mean, _ = gf.nn.fused_batch_norm(x, SCALE, OFFSET)
    dx, = gf.gradients([y, mean], x)
    assert y.shape.as_list() == [None, 4, 2, 5] and mean.shape.as_list() == [5]
    got = value(dx, {x: IMAGES})
    np.testing.assert_allclose(got, np.full(IMAGES.shape, 1 / 24), atol=1e-12)


def test_small_epsilons_are_raised_as_in_tensorflow():
    y, _, _ = gf.nn.fused_batch_norm(IMAGES, SCALE, OFFSET, epsilon=0.0)
    assert y.op.get_attr("epsilon") == 1.001e-5


@pytest.mark.parametrize("scale, offset", [(SCALE, OFFSET), (None, OFFSET), (SCALE, None),
                                           (None, None)])
def test_batch_normalization_by_its_formula(scale, offset):
    mean, variance = IMAGES.mean(0), IMAGES.var(0)
    got = gf.nn.batch_normalization(IMAGES, mean, variance, offset, scale, 0.01)
    expected = (IMAGES - mean) / np.sqrt(variance + 0.01)
    expected = expected * (1 if scale is None else scale) + (0 if offset is None else offset)
    np.testing.assert_allclose(value(got), expected)


@pytest.mark.parametrize("arguments, match", [
    ((IMAGES, SCALE[:3], OFFSET), r"scale must have one element per channel: x \[3, 4, 2, 5\]"),
    ((IMAGES[0, 0], SCALE, OFFSET), "x must have rank 4"),
    ((IMAGES, SCALE, OFFSET, SCALE, SCALE), "mean must be empty in training"),
    ((IMAGES.astype(np.float32), SCALE, OFFSET), "must be float32 for x of float32"),
])
def test_mistakes_are_told(arguments, match):
    with pytest.raises((ValueError, TypeError), match=match):
        gf.nn.fused_batch_norm(*arguments)


def test_inference_without_moments():
    with pytest.raises(ValueError, match="for is_training=False.*Give the moving averages"):
        gf.nn.fused_batch_norm(IMAGES, SCALE, OFFSET, is_training=False)
