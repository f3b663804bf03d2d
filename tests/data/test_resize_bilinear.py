"""resize_bilinear against scipy.ndimage.zoom and an explicit loop over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from graphflow.data import resize_bilinear
from graphflow.errors import DatasetError


def resize_by_loops(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """One image [H, W], pixel by pixel: the four neighbours weighted by distance."""
    result = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * image.shape[0] / height - 0.5, 0), image.shape[0] - 1)
            x = min(max((j + 0.5) * image.shape[1] / width - 0.5, 0), image.shape[1] - 1)
            total = 0.0
            for row in (math.floor(y), math.ceil(y)):
                for column in (math.floor(x), math.ceil(x)):
                    weight_y = 1 - abs(y - row) if y != row else 0.5
                    weight_x = 1 - abs(x - column) if x != column else 0.5
                    total += weight_y * weight_x * image[row, column]
            result[i, j] = total
    return result


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (5, 13), (1, 3), (16, 4)])
def test_equals_a_loop_over_pixels(size: tuple[int, int]) -> None:
    images = np.random.RandomState(1).rand(3, 8, 6, 2)
    resized = resize_bilinear(images, *size)
    assert resized.shape == (3, *size, 2)
    for n in range(3):
        for channel in range(2):
            expected = resize_by_loops(images[n, :, :, channel], *size)
            np.testing.assert_allclose(resized[n, :, :, channel], expected, atol=1e-12)


def test_equals_scipy_zoom() -> None:
    images = np.random.RandomState(2).rand(4, 8, 8, 1)
    expected = ndimage.zoom(images, (1, 3.5, 3.5, 1), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resize_bilinear(images, 28, 28), expected, atol=1e-12)


def test_linear_ramp_stays_linear_away_from_the_edges() -> None:
    ramp = np.arange(8.0).reshape(1, 1, 8, 1)
    doubled = resize_bilinear(ramp, 1, 16)[0, 0, :, 0]
    np.testing.assert_allclose(doubled[1:-1], np.arange(0.25, 7, 0.5))
    assert doubled[0] == 0 and doubled[-1] == 7


def test_dtypes_and_untouched_input() -> None:
    whole = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    assert resize_bilinear(whole, 3, 3).dtype == np.float32
    assert resize_bilinear(whole.astype(np.float64), 3, 3).dtype == np.float64
    np.testing.assert_array_equal(whole.ravel(), [0, 1, 2, 3])


def test_no_images_is_fine() -> None:
    assert resize_bilinear(np.zeros((0, 8, 8, 1), np.float32), 28, 28).shape == (0, 28, 28, 1)


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        ((8, 8), (28, 28), r"expected images \[N, H, W, C\].*got \[8, 8\]"),
        ((1, 0, 8, 1), (28, 28), r"H and W at least 1, got \[1, 0, 8, 1\]"),
        ((1, 8, 8, 1), (0, 28), r"at least 1 x 1, got 0 x 28"),
    ],
)
def test_errors(shape: tuple[int, ...], size: tuple[int, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        resize_bilinear(np.zeros(shape, np.float32), *size)
