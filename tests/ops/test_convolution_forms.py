"""Convolution and pooling beyond images: arguments, errors, names; numbers stand in the oracle."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

import graphflow as gf
from graphflow.errors import AttributeValueError, ShapeError

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def test_conv3d_of_stride_one_is_correlation():
    x, f = RNG.normal(size=(4, 5, 6)), RNG.normal(size=(2, 3, 2))
    got = value(gf.nn.conv3d(x[None, ..., None], f[..., None, None], [1] * 5, "VALID"))
    np.testing.assert_allclose(got[0, ..., 0], scipy.signal.correlate(x, f, "valid"), rtol=1e-10)


def test_channels_second_is_channels_last_transposed():
    x, f = RNG.normal(size=(1, 3, 4, 5, 2)), RNG.normal(size=(2, 2, 2, 2, 3))
    last = gf.nn.conv3d(x, f, [1, 1, 2, 1, 1], "SAME")
    second = gf.nn.conv3d(np.moveaxis(x, 4, 1), f, [1, 1, 1, 2, 1], "SAME", data_format="NCDHW")
    pooled = gf.nn.max_pool3d(x, 2, 2, "SAME")
    pooled_second = gf.nn.max_pool3d(np.moveaxis(x, 4, 1), 2, 2, "SAME", data_format="NCDHW")
    a, b, c, d = value([last, second, pooled, pooled_second])
    np.testing.assert_allclose(np.moveaxis(b, 1, 4), a, rtol=1e-10)
    np.testing.assert_array_equal(np.moveaxis(d, 1, 4), c)


def test_conv1d_takes_old_names_of_layouts_and_groups():
    x, f = RNG.normal(size=(2, 7, 4)), RNG.normal(size=(3, 2, 6))
    plain = gf.nn.conv1d(x, f, 1, "VALID")
    second = gf.nn.conv1d(x.swapaxes(1, 2), f, 1, "VALID", data_format="NCHW")
    a, b = value([plain, second])
    np.testing.assert_allclose(b.swapaxes(1, 2), a, rtol=1e-10)
    halves = [sum(np.einsum("ni,io->no", x[:, t:t + 1, part][:, 0], f[t, :, out])
                  for t in range(3))
              for part, out in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 6)))]
    np.testing.assert_allclose(a[:, 0], np.concatenate(halves, 1), rtol=1e-10)


def test_transposed_sequence_with_a_size_of_the_run():
    x = gf.placeholder(gf.float32, [None, 4, 2])
    f = gf.constant(RNG.normal(size=(3, 3, 2)).astype(np.float32))
    y = gf.nn.conv1d_transpose(x, f, gf.stack([gf.shape(x)[0], 8, 3]), 2)
    assert value(y, {x: np.ones((5, 4, 2))}).shape == (5, 8, 3)


@pytest.mark.parametrize("call, error, message", [
    (lambda x: gf.nn.conv1d(x, np.ones((2, 3, 1)), 1), AttributeValueError, "padding is missing"),
    (lambda x: gf.nn.conv1d(x, np.ones((2, 3)), 1, "SAME"), ShapeError,
     "filters must have rank 3"),
    (lambda x: gf.nn.conv1d(x, np.ones((2, 3, 1)), [2, 1, 1], "SAME"), AttributeValueError,
     "batch and channel axes must be 1"),
    (lambda x: gf.nn.conv1d(x, np.ones((2, 3, 1)), 1, "SAME", data_format="NDHWC"),
     AttributeValueError, "data_format must be 'NWC' or 'NCW'"),
    (lambda x: gf.nn.conv3d(x, np.ones((2, 3, 1)), 1, "SAME"), ShapeError, "must have rank 5"),
    (lambda x: gf.nn.conv3d(x, np.ones((2, 3, 1)), [1, 2], "SAME"), AttributeValueError,
     "strides must be an int or a list of 1, 3 or 5 ints"),
    (lambda x: gf.nn.convolution(x, np.ones((2, 1)), "SAME"), ShapeError,
     "filter must have rank 3, 4 or 5"),
    (lambda x: gf.nn.pool(x, [2], "SUM", "SAME"), AttributeValueError, "'MAX' or 'AVG'"),
    (lambda x: gf.nn.pool(x, [2], "MAX", "VALID", dilation_rate=[2], strides=[2]),
     AttributeValueError, "must be 1 where dilation_rate"),
    (lambda x: gf.nn.max_pool_v2(gf.zeros([2, 2]), 2, 2, "SAME"), ShapeError,
     "rank 3, 4 or 5"),
    (lambda x: gf.nn.separable_conv2d(np.ones((1, 3, 3, 2)), np.ones((2, 2, 2, 1)),
                                      np.ones((2, 2, 2, 1)), 1, "SAME"), ShapeError,
     r"pointwise_filter must be \[1, 1"),
    (lambda x: gf.nn.depthwise_conv2d(np.ones((1, 3, 3, 2)), np.ones((2, 2, 2, 1)), 2, "SAME", 2),
     AttributeValueError, "must be 1 where rate"),
])
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(gf.constant(np.ones((2, 5, 3))))


def test_depthwise_is_a_convolution_of_each_channel():
    x, f = RNG.normal(size=(1, 6, 5, 2)), RNG.normal(size=(3, 2, 2, 3))
    got = value(gf.nn.depthwise_conv2d(x, f, [1] * 4, "VALID"))
    for c in range(2):
        for q in range(3):
            np.testing.assert_allclose(
                got[0, :, :, c * 3 + q],
                scipy.signal.correlate2d(x[0, :, :, c], f[:, :, c, q], "valid"), rtol=1e-9)


def test_names_are_those_of_tensorflow():
    x, f = gf.ones([1, 4, 4, 2]), gf.ones([2, 2, 2, 1])
    assert gf.nn.depthwise_conv2d(x, f, [1] * 4, "SAME").name == "depthwise:0"
    assert gf.nn.depthwise_conv2d_native(x, f, [1] * 4, "SAME").name == "DepthwiseConv2dNative:0"
    assert gf.nn.conv1d(x[0], f[0], 1, "SAME").name == "conv1d/Squeeze:0"
    assert gf.nn.conv3d(x[None], f[None], 1, "SAME").name == "Conv3D:0"


def test_moments_of_single_examples():
    x = RNG.normal(size=(2, 3, 4, 6)) * 2 + 1
    scale, offset = RNG.normal(size=6), RNG.normal(size=6)
    layer = gf.nn.layer_normalization(x, scale, offset)
    instance = gf.nn.instance_normalization(x, scale, offset)
    group = gf.nn.group_normalization(x, scale, offset, groups=2)
    second = gf.nn.group_normalization(np.moveaxis(x, 3, 1), scale, offset, groups=2,
                                       data_format="NCHW")

    def normal(values, axes):
        mean = values.mean(axes, keepdims=True)
        return (values - mean) / np.sqrt(values.var(axes, keepdims=True) + 1e-5)

    parts = normal(x.reshape(2, 3, 4, 2, 3), (1, 2, 4)).reshape(x.shape) * scale + offset
    a, b, c, d = value([layer, instance, group, second])
    np.testing.assert_allclose(a, normal(x, 3) * scale + offset, rtol=1e-9)
    np.testing.assert_allclose(b, normal(x, (1, 2)) * scale + offset, rtol=1e-9)
    np.testing.assert_allclose(c, parts, rtol=1e-9)
    np.testing.assert_allclose(np.moveaxis(d, 1, 3), parts, rtol=1e-9)
    with pytest.raises(ShapeError, match="multiple of groups 4"):
        gf.nn.group_normalization(x, groups=4)


def test_attention_weighs_values_by_softmax():
    q, k, v = (RNG.normal(size=s) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 2)))
    mask = RNG.random((3, 5)) < 0.7
    mask[:, 0] = True
    plain = gf.nn.scaled_dot_product_attention(q, k, v)
    masked = gf.nn.scaled_dot_product_attention(q, k, v, mask=mask)
    causal = gf.nn.scaled_dot_product_attention(q, k, v, causal=True, scale=1.0)

    def expected(allowed, scale):
        scores = np.where(allowed, q @ k.swapaxes(1, 2) * scale, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True) @ v

    a, b, c = value([plain, masked, causal])
    np.testing.assert_allclose(a, expected(True, 0.5), rtol=1e-9)
    np.testing.assert_allclose(b, expected(mask, 0.5), rtol=1e-9)
    np.testing.assert_allclose(c, expected(np.tril(np.ones((3, 5), bool)), 1.0), rtol=1e-9)
