"""Convolutions to few channels, whose rows share what they load of the image, or of the filter."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.options import Options

Pads = tuple[tuple[int, int], tuple[int, int]]


def forward(x: np.ndarray, w: np.ndarray, stride: int, pads: Pads) -> np.ndarray:
    """The convolution as a sum over window positions, in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), *pads, (0, 0)))
    height, width = ((n - k) // stride + 1 for n, k in zip(padded.shape[1:3], w.shape))
    return sum(padded[:, i:i + (height - 1) * stride + 1:stride,
                      j:j + (width - 1) * stride + 1:stride] @ w[i, j].astype(np.float64)
               for i, j in np.ndindex(*w.shape[:2]))


def by_data(g: np.ndarray, w: np.ndarray, stride: int, pads: Pads, like: tuple) -> np.ndarray:
    """Its gradient, place by place of the gradient of the output, in float64."""
    padded = np.zeros((like[0], *(n + sum(p) for n, p in zip(like[1:3], pads)), like[3]))
    for i, j in np.ndindex(*w.shape[:2]):
        rows, columns = (slice(k, k + (n - 1) * stride + 1, stride)
                         for k, n in zip((i, j), g.shape[1:3]))
        padded[:, rows, columns] += g.astype(np.float64) @ w[i, j].astype(np.float64).T
    (top, _), (left, _) = pads
    return padded[:, top:top + like[1], left:left + like[2]]


# Borders on one side or both, none, windows as wide as the image and wider, 2 to 8 positions.
CASES = [
    ((3, 3), ((1, 1), (1, 1)), (5, 9, 32), 1), ((3, 3), ((0, 0), (0, 0)), (2, 9, 11), 1),
    ((1, 2), ((0, 0), (1, 0)), (3, 4, 9), 1), ((3, 5), ((1, 1), (2, 2)), (2, 5, 5), 1),
    ((5, 7), ((2, 2), (3, 3)), (4, 7, 7), 1), ((1, 8), ((0, 0), (4, 3)), (3, 3, 12), 1),
    ((3, 3), ((0, 1), (0, 1)), (2, 8, 16), 2), ((2, 4), ((0, 0), (1, 1)), (2, 6, 18), 2),
    ((3, 3), ((1, 1), (1, 1)), (1, 3, 61), 1),
]


# Sixteen channels come out, or less; one to three, which the gradients of images have, too.
CHANNELS = [(16, 16), (16, 10), (5, 33), (40, 16), (3, 8), (1, 33), (2, 16), (3, 40), (20, 1)]


@pytest.mark.parametrize(("channels", "columns"), CHANNELS)
@pytest.mark.parametrize(("window", "pads", "image", "stride"), CASES, ids=str)
def test_they_are_the_sums_over_window_positions(
    window: tuple[int, int], pads: Pads, image: tuple[int, int, int], stride: int,
    channels: int, columns: int,
) -> None:
    rng = np.random.default_rng(3)
    dtype = "float64" if channels in (2, 5) else "float32"
    x = rng.standard_normal((*image, channels)).astype(dtype)
    w = rng.standard_normal((*window, channels, columns)).astype(dtype)
    expected = forward(x, w, stride, pads)
    g = rng.standard_normal(expected.shape).astype(dtype)
    found = []
    for threads in (1, 2):
        with gf.Graph().as_default():
            given = gf.placeholder(dtype, [None, *x.shape[1:]])
            filter, grad = (gf.placeholder(dtype, a.shape) for a in (w, g))
            y = gf.nn.conv2d(given, filter, stride, [[0, 0], *map(list, pads), [0, 0]])
            with gf.Session(options=Options(threads=threads)) as session:
                found.append(session.run([y, *gf.gradients(y, given, grad)],
                                         {given: x, filter: w, grad: g}))
    epsilon = (window[0] * window[1] * max(channels, columns) + 2) * np.finfo(dtype).eps
    for one, want, size in (
            (found[0][0], expected, forward(abs(x), abs(w), stride, pads)),
            (found[0][1], by_data(g, w, stride, pads, x.shape),
             by_data(abs(g), abs(w), stride, pads, x.shape))):
        assert (abs(one - want) <= epsilon * size + np.finfo(dtype).tiny).all()
    for one, two in zip(*found):
        np.testing.assert_array_equal(one, two)
