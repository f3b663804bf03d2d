"""Colours of images: element types, brightness, contrast, hue, colour spaces, standardisation.

Images have any number of axes before the last, which is the channels; those of floats hold values
in [0, 1). Functions that compute convert integers to floats, and their result back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.scope import scope

_FLOATS = (dt.float16, dt.float32)
_GRAY = np.array([0.2989, 0.587, 0.114], np.float32)
# NTSC's and BT.601's matrices, rows by input channel, as TensorFlow has them.
_RGB_TO_YIQ = [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617],
               [0.114, -0.32134392, 0.31119955]]
_YIQ_TO_RGB = [[1, 1, 1], [0.95598634, -0.27201283, -1.10674021],
               [0.6208248, -0.64720424, 1.70423049]]
_RGB_TO_YUV = [[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512],
               [0.114, 0.43601035, -0.10001026]]
_YUV_TO_RGB = [[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]]


# ---- element types ---------------------------------------------------------------------------


@op_function
def convert_image_dtype(
    image: Any, dtype: Any, saturate: bool = False, name: str | None = None
) -> Any:
    """An image in another dtype, its values scaled: floats in [0, 1), integers in [0, max].

    saturate: values beyond the range of an integer dtype are clamped rather than wrapped.
    """
    dtype = as_dtype(dtype)
    image = convert(image)
    if image.dtype is dtype:
        return F.identity(image, name=name)
    with scope(name, "convert_image") as last:
        return F.identity(_converted(image, dtype, saturate), name=last)


def _converted(image: Any, dtype: DType, saturate: bool) -> Any:
    cast = F.saturate_cast if saturate else F.cast
    if image.dtype.is_integer and dtype.is_integer:
        inside, out = int(image.dtype.max), int(dtype.max)
        if inside > out:
            return cast(image // ((inside + 1) // (out + 1)), dtype)
        return cast(image, dtype) * ((out + 1) // (inside + 1))
    if not image.dtype.is_integer and not dtype.is_integer:
        return F.cast(image, dtype)
    if image.dtype.is_integer:
        return F.cast(image, dtype) * (1.0 / int(image.dtype.max))
    return cast(image * (int(dtype.max) + 0.5), dtype)


def _through_floats(
    op: str, name: str | None, image: Any, function: Callable[[Any], Any],
    floats: tuple[DType, ...] = _FLOATS, saturate: bool = True,
) -> Any:
    """`function` of the image as floats, back in the image's dtype."""
    with scope(name, op) as last:
        image = convert(image)
        before = image.dtype
        if before not in floats:
            image = convert_image_dtype(image, dt.float32)
        return convert_image_dtype(function(image), before, saturate=saturate, name=last)


def _channels(op: str, name: str | None, images: Any, count: int) -> Any:
    images = convert(images)
    if images.shape.rank is not None and (images.shape.rank < 1 or not images.shape[
            -1:].is_compatible_with([count])):
        raise failure(op, name, f"the last axis must have {count} channel"
                                f"{'s' if count > 1 else ''}, got {images.shape}", cls=ShapeError)
    return images


# ---- brightness, contrast, gamma -------------------------------------------------------------


@op_function
def adjust_brightness(image: Any, delta: Any) -> Any:
    """`image` + delta, delta in the range of floats, [0, 1)."""
    return _through_floats("adjust_brightness", None, image,
                           lambda x: F.add(x, F.cast(convert(delta), x.dtype)))


@op_function
def adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    """(x − mean) · contrast_factor + mean, with the mean of each channel of each image.

    images: [h, w, c], or more axes before these.
    """
    def stretched(x: Any) -> Any:
        if x.shape.rank is not None and x.shape.rank < 3:
            raise failure("adjust_contrast", None, f"images must have rank 3 or more, got "
                                                   f"{x.shape}", cls=ShapeError)
        wide = F.cast(x, dt.float32)
        mean = F.reduce_mean(wide, axis=[-3, -2], keepdims=True)
        return F.cast((wide - mean) * F.cast(convert(contrast_factor), dt.float32) + mean,
                      x.dtype)

    return _through_floats("adjust_contrast", None, images, stretched)


@op_function
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Any:
    """gain · image ** gamma, of the image as floats.

    Raises AttributeValueError for a negative gamma; InvalidArgumentError at run time.
    """
    if not is_tensor(gamma) and gamma < 0:
        raise failure("adjust_gamma", None, f"gamma must not be negative, got {gamma}")

    def bent(x: Any) -> Any:
        exponent = F.cast(convert(gamma), x.dtype)
        return F.require(x, exponent >= 0) ** exponent * F.cast(convert(gain), x.dtype)

    return _through_floats("adjust_gamma", None, image, bent)


@op_function
def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Any:
    """`adjust_brightness` by a delta from [−max_delta, max_delta), one for all of `image`."""
    if max_delta < 0:
        raise failure("random_brightness", None, f"max_delta must not be negative, got "
                                                 f"{max_delta}")
    return adjust_brightness(image, F.random_uniform([], -max_delta, max_delta, seed=seed))


def _range(op: str, lower: float, upper: float) -> None:
    if not 0 <= lower < upper:
        raise failure(op, None, f"need 0 <= lower < upper, got lower {lower}, upper {upper}")


@op_function
def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Any:
    """`adjust_contrast` by a factor from [lower, upper), one for all of `image`."""
    _range("random_contrast", lower, upper)
    return adjust_contrast(image, F.random_uniform([], lower, upper, seed=seed))


# ---- hue and saturation ----------------------------------------------------------------------


@op_function
def rgb_to_hsv(images: Any, name: str | None = None) -> Any:
    """Red, green, blue in [0, 1] as hue, saturation, value in [0, 1]; floats [..., 3]."""
    images = _channels("RGBToHSV", name, images, 3)
    with scope(name, "RGBToHSV") as last:
        r, g, b = (images[..., k] for k in range(3))
        value = F.maximum(F.maximum(r, g), b)
        span = value - F.minimum(F.minimum(r, g), b)
        # The divisors are 1 where there is no colour, so that gradients are 0 there, not NaN.
        some, light = span > 0, value > 0
        saturation = F.where_v2(light, span / F.where_v2(light, value, 1), 0)
        unit = 1 / (6 * F.where_v2(some, span, 1))
        hue = F.where_v2(F.equal(r, value), unit * (g - b), F.where_v2(
            F.equal(g, value), unit * (b - r) + 2 / 6, unit * (r - g) + 4 / 6))
        hue = F.where_v2(some, F.where_v2(hue < 0, hue + 1, hue), 0)
        return F.stack([hue, saturation, value], axis=-1, name=last)


@op_function
def hsv_to_rgb(images: Any, name: str | None = None) -> Any:
    """Hue, saturation, value in [0, 1] as red, green, blue in [0, 1]; floats [..., 3]."""
    images = _channels("HSVToRGB", name, images, 3)
    with scope(name, "HSVToRGB") as last:
        hue, saturation, value = (images[..., k] for k in range(3))
        sixth = hue * 6
        parts = (F.abs(sixth - 3) - 1, 2 - F.abs(sixth - 2), 2 - F.abs(sixth - 4))
        return F.stack([(1 - saturation + saturation * F.clip_by_value(p, 0, 1)) * value
                        for p in parts], axis=-1, name=last)


@op_function
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Any:
    """An RGB image with `delta` added to its hue; 1 is a whole turn."""
    image = _channels("adjust_hue", name, image, 3)

    def turned(x: Any) -> Any:
        hsv = rgb_to_hsv(x)
        hue = F.floormod(hsv[..., :1] + F.cast(convert(delta), x.dtype), 1)
        return hsv_to_rgb(F.concat([hue, hsv[..., 1:]], -1))

    return _through_floats("adjust_hue", name, image, turned)


@op_function
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Any:
    """An RGB image with its saturation times `saturation_factor`, at most 1."""
    image = _channels("adjust_saturation", name, image, 3)

    def deeper(x: Any) -> Any:
        hsv = rgb_to_hsv(x)
        saturation = F.clip_by_value(
            hsv[..., 1:2] * F.cast(convert(saturation_factor), x.dtype), 0, 1)
        return hsv_to_rgb(F.concat([hsv[..., :1], saturation, hsv[..., 2:]], -1))

    return _through_floats("adjust_saturation", name, image, deeper)


@op_function
def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Any:
    """`adjust_hue` by a delta from [−max_delta, max_delta), max_delta in [0, ½]."""
    if not 0 <= max_delta <= 0.5:
        raise failure("random_hue", None, f"max_delta must be in [0, 0.5], got {max_delta}")
    return adjust_hue(image, F.random_uniform([], -max_delta, max_delta, seed=seed))


@op_function
def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Any:
    """`adjust_saturation` by a factor from [lower, upper)."""
    _range("random_saturation", lower, upper)
    return adjust_saturation(image, F.random_uniform([], lower, upper, seed=seed))


# ---- colour spaces ---------------------------------------------------------------------------


@op_function
def rgb_to_grayscale(images: Any, name: str | None = None) -> Any:
    """The luma of RGB images: [..., 3] → [..., 1] of the same dtype."""
    images = _channels("rgb_to_grayscale", name, images, 3)
    return _through_floats(
        "rgb_to_grayscale", name, images, lambda x: F.reduce_sum(
            F.cast(x, dt.float32) * _GRAY, axis=-1, keepdims=True), (dt.float32,), False)


@op_function
def grayscale_to_rgb(images: Any, name: str | None = None) -> Any:
    """One channel three times: [..., 1] → [..., 3]."""
    images = _channels("grayscale_to_rgb", name, images, 1)
    with scope(name, "grayscale_to_rgb") as last:
        return F.concat([images, images, images], -1, name=last)


def _product(op: str, images: Any, matrix: Any) -> Any:
    with scope(None, op) as last:
        images = _channels(op, None, images, 3)
        kernel = np.array(matrix, images.dtype.numpy)
        return F.tensordot(images, kernel, [[images.shape.rank - 1], [0]], name=last)


@op_function
def rgb_to_yiq(images: Any) -> Any:
    """RGB images (floats) in the colour space YIQ."""
    return _product("rgb_to_yiq", images, _RGB_TO_YIQ)


@op_function
def yiq_to_rgb(images: Any) -> Any:
    """YIQ images (floats) as RGB."""
    return _product("yiq_to_rgb", images, _YIQ_TO_RGB)


@op_function
def rgb_to_yuv(images: Any) -> Any:
    """RGB images (floats) in the colour space YUV."""
    return _product("rgb_to_yuv", images, _RGB_TO_YUV)


@op_function
def yuv_to_rgb(images: Any) -> Any:
    """YUV images (floats) as RGB."""
    return _product("yuv_to_rgb", images, _YUV_TO_RGB)


# ---- standardisation -------------------------------------------------------------------------


@op_function
def per_image_standardization(image: Any) -> Any:
    """(x − mean) / max(stddev, 1/√n) of each image [h, w, c] of n elements; float32."""
    with scope(None, "per_image_standardization") as last:
        image = convert(image)
        if image.shape.rank is not None and image.shape.rank < 3:
            raise failure("per_image_standardization", None, f"image must have rank 3 or more, "
                                                             f"got {image.shape}", cls=ShapeError)
        if image.dtype not in _FLOATS:
            image = F.cast(image, dt.float32)
        count = F.cast(F.reduce_prod(F.shape(image)[-3:]), dt.float32)
        axes = [-1, -2, -3]
        mean = F.reduce_mean(image, axis=axes, keepdims=True)
        stddev = F.reduce_std(image, axis=axes, keepdims=True)
        least = F.cast(F.rsqrt(count), image.dtype)
        return F.truediv(image - mean, F.maximum(stddev, least), name=last)
