"""Convolution against SciPy's correlate2d and explicit loops; its arguments and errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal

import graphflow as gf

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def correlated(x, f, mode):
    """Stride 1 by SciPy, summed over the input channels."""
    out = [sum(scipy.signal.correlate2d(x[n, :, :, i], f[:, :, i, o], mode)
               for i in range(x.shape[3]))
           for n in range(x.shape[0]) for o in range(f.shape[3])]
    return np.array(out).reshape(x.shape[0], f.shape[3], *out[0].shape).transpose(0, 2, 3, 1)


def looped(x, f, strides, pads, dilations=(1, 1), groups=1):
    """The definition, term by term, NHWC."""
    (top, bottom), (left, right) = pads
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    kh, kw, cin, cout = f.shape
    oh = (x.shape[1] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    ow = (x.shape[2] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    out = np.zeros((x.shape[0], oh, ow, cout))
    for n, i, j, o, p, q, c in itertools.product(*map(range, (*out.shape, kh, kw, cin))):
        channel = o // (cout // groups) * cin + c
        out[n, i, j, o] += f[p, q, c, o] * x[
            n, i * strides[0] + p * dilations[0], j * strides[1] + q * dilations[1], channel]
    return out


@pytest.mark.parametrize("padding, mode", [("SAME", "same"), ("VALID", "valid")])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_stride_one_is_correlation(padding, mode, data_format):
    x, f = RNG.normal(size=(2, 6, 5, 3)), RNG.normal(size=(3, 3, 3, 4))
    images = x if data_format == "NHWC" else x.transpose(0, 3, 1, 2)
    got = value(gf.nn.conv2d(images, f, 1, padding, data_format=data_format))
    got = got if data_format == "NHWC" else got.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(got, correlated(x, f, mode), rtol=1e-10)


@pytest.mark.parametrize("padding, pads", [
    ("VALID", ((0, 0), (0, 0))),
    ("SAME", ((0, 0), (1, 1))),  # 3 outputs reach over (3 − 1)·2 + 2 = 6 rows and 7 columns
    ([[0, 0], [2, 1], [0, 3], [0, 0]], ((2, 1), (0, 3))),
])
def test_strides_and_padding_by_the_definition(padding, pads):
    x, f = RNG.normal(size=(2, 6, 5, 2)), RNG.normal(size=(2, 3, 2, 3))
    got = value(gf.nn.conv2d(x, f, [1, 2, 2, 1], padding))
    np.testing.assert_allclose(got, looped(x, f, (2, 2), pads), rtol=1e-10)


def test_dilation_by_the_definition():
    x, f = RNG.normal(size=(1, 8, 7, 2)), RNG.normal(size=(3, 2, 2, 2))
    got = value(gf.nn.conv2d(x, f, 1, "VALID", dilations=[2, 3]))
    np.testing.assert_allclose(got, looped(x, f, (1, 1), ((0, 0), (0, 0)), (2, 3)), rtol=1e-10)


def test_groups_by_the_definition():
    x, f = RNG.normal(size=(2, 4, 4, 6)), RNG.normal(size=(2, 2, 2, 9))
    no_pads = ((0, 0), (0, 0))
    got = value(gf.nn.conv2d(x, f, 1, "VALID"))
    np.testing.assert_allclose(got, looped(x, f, (1, 1), no_pads, groups=3), rtol=1e-10)


def test_same_puts_the_odd_element_of_padding_at_the_end():
    x, f = np.arange(4.0).reshape(1, 1, 4, 1), np.array([1.0, 10.0]).reshape(1, 2, 1, 1)
    got = value(gf.nn.conv2d(x, f, 1, "SAME"))
    np.testing.assert_array_equal(got.ravel(), [10, 21, 32, 3])


def test_batch_and_image_sizes_may_be_unknown():
    x = gf.placeholder(gf.float64, [None, None, None, 2], name="x")
    f = gf.constant(RNG.normal(size=(3, 3, 2, 4)))
    y = gf.nn.conv2d(x, f, 2, "SAME")
    assert y.shape.as_list() == [None, None, None, 4]
    dx, df = gf.gradients(y, [x, f])
    assert dx.shape.as_list() == [None, None, None, 2]
    image = RNG.normal(size=(2, 5, 6, 2))
    got, got_dx, got_df = value([y, dx, df], {x: image})
    assert got.shape == (2, 3, 3, 4) and got_dx.shape == image.shape
    np.testing.assert_allclose(  # a convolution is linear in each operand
        [(got_dx * image).sum(), (got_df * value(f)).sum()], [got.sum()] * 2, rtol=1e-9)


def test_an_image_of_unknown_rank():
    x = gf.placeholder(gf.float32)
    y = gf.nn.conv2d(x, np.ones((1, 1, 2, 3)), 1, "VALID")
    assert y.shape.as_list() == [None, None, None, 3]
    assert value(y, {x: np.ones((1, 2, 2, 2))}).shape == (1, 2, 2, 3)


def test_large_batches_are_convolved_in_parts():
    x = RNG.normal(size=(9, 40, 40, 8)).astype(np.float32)
    f = RNG.normal(size=(5, 5, 8, 2)).astype(np.float32)
    got = value(gf.nn.conv2d(x, f, 1, "SAME"))
    np.testing.assert_allclose(got[8:], value(gf.nn.conv2d(x[8:], f, 1, "SAME")), rtol=1e-4,
                               atol=1e-4)
    np.testing.assert_allclose(got[:1], correlated(x[:1], f, "same"), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("image, filter", [
    ((1, 3, 3, 0), (2, 2, 0, 2)), ((1, 3, 3, 2), (2, 2, 2, 0)), ((0, 3, 3, 2), (2, 2, 2, 2))])
def test_axes_without_elements(image, filter):
    x, f = gf.zeros(image), gf.zeros(filter)
    y = gf.nn.conv2d(x, f, 1, "SAME")
    got, dx, df = value([y, *gf.gradients(y, [x, f])])
    assert (got.shape, dx.shape, df.shape) == ((image[0], 3, 3, filter[3]), image, filter)
    assert not got.any() and not df.any()


def test_transpose_is_the_adjoint():
    x, f = RNG.normal(size=(2, 7, 6, 3)), RNG.normal(size=(3, 2, 3, 4))
    y = gf.nn.conv2d(x, f, 2, "SAME")
    g = RNG.normal(size=y.shape.as_list())
    back = gf.nn.conv2d_transpose(g, f, x.shape, 2)
    assert back.op.name == "conv2d_transpose"
    forward, backward = value([y, back])
    np.testing.assert_allclose((forward * g).sum(), (backward * x).sum(), rtol=1e-10)


def test_transpose_to_a_computed_shape():
    g = gf.placeholder(gf.float32, [None, 2, 2, 4])
    f = np.ones((2, 2, 3, 4), np.float32)
    back = gf.nn.conv2d_transpose(g, f, [gf.shape(g)[0], 4, 4, 3], [1, 2, 2, 1])
    assert back.shape.as_list() == [None, 4, 4, 3]
    assert value(back, {g: np.ones((5, 2, 2, 4))}).shape == (5, 4, 4, 3)


def test_backprop_functions_are_the_gradients():
    x, f = gf.constant(RNG.normal(size=(1, 4, 4, 2))), gf.constant(RNG.normal(size=(2, 2, 2, 3)))
    g = RNG.normal(size=(1, 3, 3, 3))
    y = gf.nn.conv2d(x, f, 1, "VALID")
    dx = gf.nn.conv2d_backprop_input([1, 4, 4, 2], f, g, 1, "VALID")
    df = gf.nn.conv2d_backprop_filter(x, [2, 2, 2, 3], g, 1, "VALID")
    for expected, got in zip(value(gf.gradients(y, [x, f], g)), value([dx, df])):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("change, match", [
    ({"filter": np.zeros((3, 3, 1, 32))}, r"input has 3 channels, filter expects 1: input "
     r"\[n.0, 28, 28, 3\], filter \[3, 3, 1, 32\].*multiple of 3"),
    ({"input": np.zeros((4, 784), np.float32)}, "input must have rank 4 .*gf.reshape"),
    ({"filter": np.zeros((30, 3, 3, 8))}, r"window \[30, 3\] is larger .* \[28, 28\]"),
    ({"filter": np.zeros((16, 3, 3, 8)), "dilations": 2}, r"\(dilated: \[31, 5\]\)"),
    ({"strides": [1, 0, 1, 1]}, "strides must be positive"),
    ({"strides": [2, 1, 1, 1]}, "strides of the batch and channel axes must be 1"),
    ({"strides": [1, 1, 1]}, "strides must be an int or a list of 1, 2 or 4"),
    ({"strides": 1.5}, "strides must be an int"),
    ({"strides": None}, "strides is missing"),
    ({"padding": "FULL"}, "padding must be 'SAME', 'VALID' or four pairs"),
    ({"padding": "same"}, "got 'same'.*Did you mean 'SAME'"),
    ({"padding": [[0, 0], [1, 1]]}, "explicit padding must be four pairs"),
    ({"padding": [[1, 0], [1, 1], [0, 0], [0, 0]]}, "0 for the batch and channel axes"),
    ({"data_format": "NHCW"}, "data_format must be 'NHWC' or 'NCHW'"),
    ({"filters": np.zeros((3, 3, 3, 1))}, "filter and filters are both given"),
    ({"filter": None}, "filter is missing"),
])
def test_mistakes_are_told(change, match):
    n = gf.placeholder(gf.float32, [None, 28, 28, 3], name="n")
    arguments = {"input": n, "filter": np.zeros((3, 3, 3, 8)), "strides": 1, "padding": "VALID"}
    with pytest.raises(ValueError, match=match) as caught:
        gf.nn.conv2d(**{**arguments, **change}, name="c1")
    assert str(caught.value).startswith("Conv2D 'c1'")
    assert "test_convolution.py" in str(caught.value)


def test_a_gradient_of_the_wrong_size_fed_at_run_time_is_an_error():
    sizes = gf.placeholder(gf.int32, [4])
    back = gf.nn.conv2d_backprop_input(sizes, np.ones((2, 2, 1, 1)), np.ones((1, 3, 3, 1)), 1,
                                       "VALID")
    assert value(back, {sizes: [1, 4, 4, 1]}).shape == (1, 4, 4, 1)
    with pytest.raises(ValueError, match=r"out_backprop"):
        value(back, {sizes: [1, 5, 4, 1]})
