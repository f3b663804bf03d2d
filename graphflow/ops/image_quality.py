"""How images differ and how they vary: PSNR, SSIM, total variation, gradients, Sobel edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.image_color import convert_image_dtype
from graphflow.ops.scope import scope

_MSSSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _pair(op: str, name: str | None, a: Any, b: Any) -> tuple[Any, Any]:
    a, b = convert(a), convert(b)
    for x in (a, b):
        if x.shape.rank is None or x.shape.rank < 3:
            raise failure(op, name, f"images must be [..., height, width, channels], got "
                                    f"{x.shape}", cls=ShapeError)
    if not a.shape[-3:].is_compatible_with(b.shape[-3:]):
        raise failure(op, name, f"images differ in shape: {a.shape}, {b.shape}", cls=ShapeError)
    return a, b


def _as_floats(max_val: Any, *images: Any) -> list[Any]:
    """max_val, of the images' dtype, and the images, all as float32 images are."""
    limit = F.cast(convert(max_val), images[0].dtype)
    return [convert_image_dtype(v, dt.float32) for v in (limit, *images)]


@op_function
def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Any:
    """Peak signal-to-noise ratio of two sets of images in decibels: float32.

    a, b: [..., h, w, c]; max_val: the largest possible value less the least → [...].
    """
    with scope(name, "PSNR") as last:
        a, b = _pair("PSNR", name, a, b)
        limit, a, b = _as_floats(max_val, a, b)
        error = F.reduce_mean(F.squared_difference(a, b), [-3, -2, -1])
        ten = np.float32(math.log(10))
        return F.subtract(20 * F.log(limit) / ten, np.float32(10 / math.log(10)) * F.log(error),
                          name=last)


# ---- structural similarity -------------------------------------------------------------------


def _window(size: int, sigma: float, channels: int) -> np.ndarray:
    """A Gaussian of `size` × `size` with sum 1, for each channel: [size, size, channels, 1]."""
    squares = (np.arange(size, dtype=np.float32) - np.float32(size - 1) / 2) ** 2
    logs = squares * np.float32(-0.5 / sigma**2)
    weights = np.exp(logs[:, None] + logs)
    return np.tile((weights / weights.sum())[:, :, None, None], (1, 1, channels, 1))


def _similarity(
    a: Any, b: Any, limit: Any, size: int, sigma: float, k1: float, k2: float
) -> tuple[Any, Any]:
    """SSIM and its contrast-structure part at each place and channel.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", IEEE TIP 13 (2004).
    """
    shape = a.shape.as_list()
    if any(n is not None and n < size for n in shape[-3:-1]):
        raise failure("SSIM", None, f"images {a.shape} are smaller than the window of {size} "
                                    "pixels", "Give a smaller filter_size.", ShapeError)
    if shape[-1] is None:
        raise failure("SSIM", None, f"the number of channels must be known, got {a.shape}",
                      cls=ShapeError)
    kernel = _window(size, sigma, shape[-1])

    def mean(x: Any) -> Any:
        sizes = F.shape(x)
        flat = F.reshape(x, F.concat([[-1], sizes[-3:]], 0))
        y = F.depthwise_conv2d(flat, kernel, [1, 1, 1, 1], "VALID")
        return F.reshape(y, F.concat([sizes[:-3], F.shape(y)[1:]], 0))

    c1, c2 = (k1 * limit) ** 2, (k2 * limit) ** 2
    mean_a, mean_b = mean(a), mean(b)
    product, squares = mean_a * mean_b * 2, F.square(mean_a) + F.square(mean_b)
    luminance = (product + c1) / (squares + c1)
    structure = (mean(a * b) * 2 - product + c2) / (
        mean(F.square(a) + F.square(b)) - squares + c2)
    return luminance * structure, structure


@op_function
def ssim(
    img1: Any, img2: Any, max_val: Any, filter_size: int = 11, filter_sigma: float = 1.5,
    k1: float = 0.01, k2: float = 0.03,
) -> Any:
    """The structural similarity of two sets of images: float32 [...], 1 for equal ones.

    img1, img2: [..., h, w, c], no smaller than the window; max_val: the largest possible value.
    """
    with scope(None, "SSIM") as last:
        img1, img2 = _pair("SSIM", None, img1, img2)
        limit, a, b = _as_floats(max_val, img1, img2)
        similar, _ = _similarity(a, b, limit, filter_size, filter_sigma, k1, k2)
        return F.reduce_mean(F.reduce_mean(similar, [-3, -2]), [-1], name=last)


@op_function
def ssim_multiscale(
    img1: Any, img2: Any, max_val: Any, power_factors: Sequence[float] = _MSSSIM_WEIGHTS,
    filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01, k2: float = 0.03,
) -> Any:
    """SSIM over several scales (Wang, Simoncelli, Bovik 2003): float32 [...].

    power_factors: the weight of each scale, each half as large as the one before.
    """
    with scope(None, "MS-SSIM") as last:
        img1, img2 = _pair("MS-SSIM", None, img1, img2)
        limit, a, b = _as_floats(max_val, img1, img2)
        scores: list[Any] = []
        for level in range(len(power_factors)):
            if level:
                a, b = _half(a), _half(b)
            similar, structure = _similarity(a, b, limit, filter_size, filter_sigma, k1, k2)
            final = level == len(power_factors) - 1
            scores.append(F.relu(F.reduce_mean(similar if final else structure, [-3, -2])))
        powers = F.stack(scores, axis=-1) ** np.array(power_factors, np.float32)
        return F.reduce_mean(F.reduce_prod(powers, [-1]), [-1], name=last)


def _half(image: Any) -> Any:
    """Means of 2 × 2 pixels; the last row and column of an odd size are doubled first."""
    sizes = F.shape(image)
    flat = F.reshape(image, F.concat([[-1], sizes[-3:]], 0))
    odd = sizes[-3:-1] % 2
    paddings = F.reshape(F.stack([0, 0, 0, odd[0], 0, odd[1], 0, 0]), [4, 2])
    known = image.shape.as_list()[-3:-1]
    if None not in known:
        paddings = np.array([[0, 0], [0, known[0] % 2], [0, known[1] % 2], [0, 0]])
    small = F.avg_pool(F.pad(flat, paddings, "SYMMETRIC"), [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    return F.reshape(small, F.concat([sizes[:-3], F.shape(small)[1:]], 0))


# ---- variation -------------------------------------------------------------------------------


@op_function
def total_variation(images: Any, name: str | None = None) -> Any:
    """Σ |differences of neighbouring pixels|: a scalar of an image, [b] of a batch."""
    with scope(name, "total_variation") as last:
        images = convert(images)
        if images.shape.rank not in (3, 4):
            raise failure("total_variation", name, f"images must have rank 3 or 4, got "
                                                   f"{images.shape}", cls=ShapeError)
        axes = [-3, -2, -1] if images.shape.rank == 4 else None
        down = images[..., 1:, :, :] - images[..., :-1, :, :]
        right = images[..., 1:, :] - images[..., :-1, :]
        return F.add(F.reduce_sum(F.abs(down), axes), F.reduce_sum(F.abs(right), axes),
                     name=last)


@op_function
def image_gradients(image: Any) -> tuple[Any, Any]:
    """(dy, dx): the next row, or column, minus this one; 0 in the last. image: [b, h, w, c]."""
    with scope(None, "image_gradients"):
        image = convert(image)
        if image.shape.rank != 4:
            raise failure("image_gradients", None, f"image must be [batch, height, width, "
                                                   f"channels], got {image.shape}",
                          cls=ShapeError)
        dy = F.pad(image[:, 1:] - image[:, :-1], [[0, 0], [0, 1], [0, 0], [0, 0]])
        dx = F.pad(image[:, :, 1:] - image[:, :, :-1], [[0, 0], [0, 0], [0, 1], [0, 0]])
        return dy, dx


@op_function
def sobel_edges(image: Any) -> Any:
    """Sobel's filters: image [b, h, w, c] → [b, h, w, c, 2], vertical and horizontal."""
    with scope(None, "sobel_edges") as last:
        image = convert(image)
        channels = image.shape.as_list()[-1] if image.shape.rank == 4 else None
        if channels is None:
            raise failure("sobel_edges", None, "image must be [batch, height, width, channels] "
                                               f"with known channels, got {image.shape}",
                          cls=ShapeError)
        down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], image.dtype.numpy)
        kernels = np.tile(np.stack([down, down.T], -1)[:, :, None], (1, 1, channels, 1))
        padded = F.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
        edges = F.depthwise_conv2d(padded, kernels, [1, 1, 1, 1], "VALID")
        return F.reshape(edges, F.concat([F.shape(image), [2]], 0), name=last)
