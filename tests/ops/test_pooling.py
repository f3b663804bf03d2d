"""Pooling against explicit loops over windows; ties, padding, arguments and errors."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf

RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def looped(x, ksize, strides, padding, reduce):
    """`reduce` of the elements of each window that lie inside the image, NHWC."""
    before, out = [], []
    for size, k, s in zip(x.shape[1:3], ksize, strides):
        n = -(-size // s) if padding == "SAME" else (size - k) // s + 1
        out.append(n)
        before.append(max((n - 1) * s + k - size, 0) // 2 if padding == "SAME" else 0)
    result = np.zeros((x.shape[0], *out, x.shape[3]))
    for i in range(out[0]):
        for j in range(out[1]):
            top, left = i * strides[0] - before[0], j * strides[1] - before[1]
            window = x[:, max(top, 0):top + ksize[0], max(left, 0):left + ksize[1]]
            result[:, i, j] = reduce(window, axis=(1, 2))
    return result


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("ksize, strides", [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((3, 3), (2, 3))])
@pytest.mark.parametrize("name, reduce", [("max_pool", np.max), ("avg_pool", np.mean)])
def test_windows(name, reduce, ksize, strides, padding):
    x = RNG.normal(size=(2, 7, 6, 3))
    pool = getattr(gf.nn, name)
    expected = looped(x, ksize, strides, padding, reduce)
    last = pool(x, [1, *ksize, 1], [1, *strides, 1], padding)
    first = pool(x.transpose(0, 3, 1, 2), ksize, strides, padding, data_format="NCHW")
    np.testing.assert_allclose(value(last), expected)
    np.testing.assert_allclose(value(first).transpose(0, 2, 3, 1), expected)
    assert last.shape == expected.shape


def test_the_first_of_equal_elements_gets_the_gradient():
    x = gf.constant(np.array([[2.0, 5.0, 5.0], [5.0, 1.0, 5.0]]).reshape(1, 2, 3, 1))
    y = gf.nn.max_pool(x, 2, 1, "VALID")
    dx, = value(gf.gradients(y, x, np.array([[3.0, 7.0]]).reshape(1, 1, 2, 1)))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 10, 0], [0, 0, 0]])


def test_overlapping_windows_add_their_gradients():
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1] = 1
    image = gf.constant(x)
    dx, = value(gf.gradients(gf.nn.max_pool(image, 2, 1, "VALID"), image))
    assert dx[0, 1, 1, 0] == 4 and dx.sum() == 4


def test_padding_is_never_the_largest_nor_counted():
    x = np.full((1, 3, 3, 1), -5.0)
    for pool in (gf.nn.max_pool, gf.nn.avg_pool):
        np.testing.assert_array_equal(value(pool(x, 2, 2, "SAME")), np.full((1, 2, 2, 1), -5))
    image = gf.constant(np.full((1, 3, 3, 1), -np.inf))
    dx, = value(gf.gradients(gf.nn.max_pool(image, 3, 3, "SAME"), image))
    assert dx[0, 0, 0, 0] == 1 and dx.sum() == 1


def test_nan_is_larger_than_everything():
    x = np.array([1.0, np.nan, 3.0, 2.0]).reshape(1, 1, 4, 1)
    image = gf.constant(x)
    y = gf.nn.max_pool(image, [1, 2], [1, 2], "VALID")
    got, (dx,) = value([y, gf.gradients(y, image)])
    assert np.isnan(got[0, 0, 0, 0]) and got[0, 0, 1, 0] == 3
    np.testing.assert_array_equal(dx.ravel(), [0, 1, 1, 0])


def test_integers_have_a_maximum():
    x = np.array([[-7, -3], [-9, -128]], np.int8).reshape(1, 2, 2, 1)
    got = value(gf.nn.max_pool(x, 2, 2, "SAME"))
    assert got.dtype == np.int8 and got.item() == -3


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_unknown_sizes(name):
    x = gf.placeholder(gf.float32, [None, None, 5, 2])
    y = getattr(gf.nn, name)(x, 2, 2, "SAME")
    assert y.shape.as_list() == [None, None, 3, 2]
    dx, = gf.gradients(y, x)
    image = RNG.normal(size=(2, 3, 5, 2)).astype(np.float32)
    assert value(dx, {x: image}).sum() == pytest.approx(2 * 2 * 3 * 2)


def test_the_second_derivative_of_a_pooled_square():
    data = RNG.normal(size=(1, 4, 4, 1))
    x = gf.constant(data)
    loss = gf.reduce_sum(gf.square(gf.nn.max_pool(x, 2, 2, "VALID")))
    first, = gf.gradients(loss, x)
    second, = gf.gradients(first, x)
    largest = data == looped(data, (2, 2), (2, 2), "VALID", np.max).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(value(first), np.where(largest, 2 * data, 0))
    np.testing.assert_allclose(value(second), 2.0 * largest)


@pytest.mark.parametrize("name, op", [("max_pool", "MaxPool"), ("avg_pool", "AvgPool")])
@pytest.mark.parametrize("change, match", [
    ({"value": np.zeros((28, 28, 1))}, r"must have rank 4 \[batch, height, width, channels\], got "
     r".* \[28, 28, 1\].*gf.expand_dims"),
    ({"ksize": 5}, r"window \[5, 5\] is larger than the input's height and width \[4, 4\]"),
    ({"ksize": [1, 2, 2, 2]}, "ksize of the batch and channel axes must be 1"),
    ({"ksize": 0}, "ksize must be positive"),
    ({"strides": [1, 2, 0, 1]}, "strides must be positive"),
    ({"strides": None}, "strides is missing"),
    ({"padding": "REFLECT"}, "padding must be 'SAME', 'VALID'"),
    ({"padding": "valid"}, "got 'valid'.*Did you mean 'VALID'"),
    ({"data_format": "CHWN"}, "data_format must be 'NHWC' or 'NCHW'"),
    ({"input": np.zeros((1, 4, 4, 1))}, "value and input are both given"),
    ({"value": None}, "value is missing"),
])
def test_mistakes_are_told(name, op, change, match):
    arguments = {"value": np.zeros((1, 4, 4, 1)), "ksize": 2, "strides": 2, "padding": "VALID"}
    with pytest.raises(ValueError, match=match) as caught:
        getattr(gf.nn, name)(**{**arguments, **change}, name="p1")
    assert str(caught.value).startswith(f"{op} 'p1'")
