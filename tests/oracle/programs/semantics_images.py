"""Images: sizes, crops, turns, colours, measures, boxes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, shape_of, wave


def picture(*shape: int) -> np.ndarray:
    """Values in [0, 1]."""
    return wave(*shape) / 2 + np.float32(0.5)


def numbers(*shape: int) -> np.ndarray:
    """Values in 0 … 255."""
    return np.uint8(picture(*shape) * 255)


def slope(tf: ModuleType, y: Any, x: Any) -> Any:
    weights = tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)), tf.float32)
    return tf.gradients(tf.reduce_sum(y * tf.cos(weights)), x)[0]


SIZES = ((4, 9), (2, 3), (6, 5), (1, 1), (3, 5))


@case(atol=2e-6)
def resizing(tf: ModuleType) -> Any:
    """The four methods with their flags, and their gradients."""
    x = tf.constant(picture(2, 3, 5, 2))
    methods = {"nearest": "resize_nearest_neighbor", "bilinear": "resize_bilinear",
               "bicubic": "resize_bicubic"}

    def found(function: str, size: Any, **flags: Any) -> list[Any]:
        y = getattr(tf.image, function)(x, size, **flags)
        return [y, slope(tf, y, x)]

    return evaluated(tf, {
        **{f"{name} {size} {flags}": lambda f=function, s=size, k=flags: found(f, s, **k)
           for name, function in methods.items() for size in SIZES
           for flags in ({}, {"align_corners": True}, {"half_pixel_centers": True})},
        **{f"area {size} {corners}": lambda s=size, c=corners: tf.image.resize_area(
            x, s, align_corners=c) for size in SIZES for corners in (False, True)},
        "bytes": lambda: [getattr(tf.image, f)(tf.constant(numbers(1, 3, 4, 1)), (2, 6))
                          for f in (*methods.values(), "resize_area")],
        "doubles": lambda: [tf.image.resize_bilinear(tf.cast(x, tf.float64), (2, 2)),
                            tf.image.resize_nearest_neighbor(tf.cast(x, tf.float64), (2, 2))]})


@case(atol=2e-6)
def resize_images(tf: ModuleType) -> Any:
    """resize_images and resize_image_with_pad: ranks, methods, proportions, static shapes."""
    image, batch = tf.constant(picture(3, 5, 3)), tf.constant(numbers(2, 4, 4, 1))
    method = tf.image.ResizeMethod
    size = tf.placeholder(tf.int32, [2])
    shapes = [shape_of(tf.image.resize_images(image, (6, 7))),
              shape_of(tf.image.resize_images(batch, size)),
              shape_of(tf.image.resize_image_with_pad(image, 8, 8)),
              shape_of(tf.image.resize_image_with_pad(tf.placeholder(
                  tf.float32, [None, None, 3]), 8, 8))]
    kinds = [method.BILINEAR, method.NEAREST_NEIGHBOR, method.BICUBIC, method.AREA]
    return evaluated(tf, {
        **{f"method {k}": lambda k=k: [tf.image.resize_images(image, (2, 7), k),
                                       tf.image.resize(batch, (3, 8), k)] for k in kinds},
        "fed": lambda: tf.image.resize_images(image, size, align_corners=True),
        "proportion": lambda: [
            tf.image.resize_images(image, (6, 6), preserve_aspect_ratio=True),
            tf.image.resize_images(image, (2, 20), preserve_aspect_ratio=True)],
        "same": lambda: tf.image.resize_images(batch, (4, 4)),
        "pad": lambda: [tf.image.resize_image_with_pad(image, 8, 8),
                        tf.image.resize_image_with_pad(image, 2, 9),
                        tf.image.resize_image_with_pad(batch, 3, 6, kinds[1])],
        "rank": lambda: tf.image.resize_images(image[0], (2, 2)),
        "size": lambda: tf.image.resize_images(image, (2, 2, 2)),
        "wrong method": lambda: tf.image.resize_images(image, (2, 2), 9),
    }, {size: [2, 3]}) | {"shapes": shapes, "kinds": kinds}


@case()
def shapes(tf: ModuleType) -> Any:
    """Flips, turns, crops and pads."""
    image, batch = tf.constant(numbers(3, 4, 2)), tf.constant(picture(2, 3, 4, 1))
    fed = tf.placeholder(tf.float32, [None, None, None, 1])
    turns = tf.placeholder(tf.int32, [])
    return evaluated(tf, {
        **{name: lambda n=name: [getattr(tf.image, n)(image), getattr(tf.image, n)(batch)]
           for name in ("flip_left_right", "flip_up_down", "transpose", "transpose_image")},
        "rot90": lambda: [tf.image.rot90(v, k) for v in (image, batch) for k in range(-1, 5)],
        "rot90 fed": lambda: tf.image.rot90(image, turns),
        "crop": lambda: [tf.image.crop_to_bounding_box(v, 1, 0, 2, 3) for v in (image, batch)],
        "crop fed": lambda: tf.image.crop_to_bounding_box(fed, turns - 2, 0, 2, turns),
        "crop outside": lambda: tf.image.crop_to_bounding_box(image, 2, 0, 2, 3),
        "crop outside fed": lambda: tf.image.crop_to_bounding_box(fed, turns, 0, 2, 3),
        "pad": lambda: [tf.image.pad_to_bounding_box(v, 1, 2, 5, 7) for v in (image, batch)],
        "pad fed": lambda: tf.image.pad_to_bounding_box(fed, 0, 1, 4, turns + 3),
        "pad too small": lambda: tf.image.pad_to_bounding_box(image, 0, 2, 5, 4),
        "crop or pad": lambda: [tf.image.resize_image_with_crop_or_pad(v, h, w)
                                for v in (image, batch, fed) for h, w in ((2, 7), (5, 1), (4, 4))],
        "central": lambda: [tf.image.central_crop(v, f) for v in (image, batch, fed)
                            for f in (0.5, 0.3, 1.0)],
        "central wrong": lambda: tf.image.central_crop(image, 1.5),
        "rank": lambda: tf.image.flip_up_down(image[0, 0]),
    }, {fed: picture(2, 3, 4, 1), turns: 3}) | {"shapes": [
        shape_of(tf.image.crop_to_bounding_box(fed, 0, 0, 2, 3)),
        shape_of(tf.image.pad_to_bounding_box(fed, 0, 0, 5, 6)),
        shape_of(tf.image.resize_image_with_crop_or_pad(fed, 5, 6)),
        shape_of(tf.image.flip_left_right(fed))]}


@case(rtol=1e-4, atol=1e-5)
def colors(tf: ModuleType) -> Any:
    """Brightness, contrast, gamma, hue, saturation, colour spaces, element types."""
    floats, small = tf.constant(picture(2, 3, 4, 3)), tf.constant(numbers(3, 4, 3))
    gray = tf.constant([[[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]])
    image = tf.image
    functions = {
        "brightness": lambda x: image.adjust_brightness(x, 0.2),
        "contrast": lambda x: image.adjust_contrast(x, 1.7),
        "gamma": lambda x: image.adjust_gamma(x, 1.5, 0.9),
        "hue": lambda x: image.adjust_hue(x, 0.3), "hue back": lambda x: image.adjust_hue(x, -0.4),
        "saturation": lambda x: image.adjust_saturation(x, 1.4),
        "paler": lambda x: image.adjust_saturation(x, 0.3),
        "grayscale": image.rgb_to_grayscale,
        "standardised": image.per_image_standardization}
    types = ("uint8", "int16", "int32", "float16", "float32", "float64")
    float_only = {"hsv": image.rgb_to_hsv, "rgb": image.hsv_to_rgb, "yiq": image.rgb_to_yiq,
                  "yuv": image.rgb_to_yuv, "from yiq": image.yiq_to_rgb,
                  "from yuv": image.yuv_to_rgb}

    def slopes(name: str) -> Any:
        y = (functions | float_only)[name](floats)
        return slope(tf, y, floats)

    return evaluated(tf, {
        **{name: lambda f=f: [f(floats), f(gray)] for name, f in (functions | float_only).items()},
        **{f"{name} of bytes": lambda f=f: f(small) for name, f in functions.items()},
        **{f"slope of {name}": lambda n=name: slopes(n)
           for name in ("brightness", "gamma", "grayscale", "standardised", "yuv")},
        **{f"{a} to {b}": lambda a=a, b=b: image.convert_image_dtype(
            image.convert_image_dtype(floats[0, 0], getattr(tf, a)), getattr(tf, b))
           for a in types for b in types if (a, b) != ("float16", "int32")},  # 65504 < 2³¹
        "saturate": lambda: image.convert_image_dtype(floats * 3 - 1, tf.uint8, saturate=True),
        "to rgb": lambda: image.grayscale_to_rgb(floats[..., :1]),
        "channels": lambda: image.rgb_to_grayscale(floats[..., :2]),
        "gray channels": lambda: image.grayscale_to_rgb(floats),
        "random": lambda: [tf.shape(f) for f in (
            image.random_brightness(small, 0.3), image.random_contrast(floats, 0.5, 1.5),
            image.random_hue(floats, 0.2), image.random_saturation(floats, 0.5, 1.5),
            image.random_flip_left_right(small), image.random_flip_up_down(floats))],
        "random wrong": lambda: image.random_contrast(floats, 1.5, 0.5)})


@case(rtol=2e-4, atol=1e-5)
def measures(tf: ModuleType) -> Any:
    """psnr, ssim, total variation, gradients, Sobel edges."""
    a = tf.constant(picture(2, 13, 12, 1))
    b = tf.constant(np.clip(picture(2, 13, 12, 1) + wave(2, 13, 12, 1, phase=1.0) / 9, 0, 1))
    large = [tf.image.resize_bilinear(v, (181, 180)) for v in (a, b)]
    bytes_ = [tf.cast(v * 255, tf.uint8) for v in (a, b)]
    similar = tf.image.ssim(a, b, 1.0)
    return evaluated(tf, {
        "psnr": lambda: [tf.image.psnr(a, b, 1.0), tf.image.psnr(*bytes_, 255),
                         tf.image.psnr(a[0], b[0], 2.0)],
        "ssim": lambda: [similar, tf.image.ssim(*bytes_, 255), tf.image.ssim(
            a, b, 1.0, filter_size=5, filter_sigma=0.8, k1=0.02, k2=0.05)],
        "ssim slope": lambda: tf.gradients(similar, a)[0],
        "multiscale": lambda: [tf.image.ssim_multiscale(*large, 1.0), tf.image.ssim_multiscale(
            a, b, 1.0, power_factors=(0.4, 0.6), filter_size=5)],
        "ssim small": lambda: tf.image.ssim(a[:, :5], b[:, :5], 1.0),
        "variation": lambda: [tf.image.total_variation(a), tf.image.total_variation(a[0]),
                              tf.gradients(tf.image.total_variation(a), a)[0]],
        "gradients": lambda: list(tf.image.image_gradients(a)),
        "sobel": lambda: tf.image.sobel_edges(a),
        "shapes": lambda: tf.image.psnr(a, b[:, 1:], 1.0)})


@case(atol=3e-6)
def boxes(tf: ModuleType) -> Any:
    """Crops at boxes, suppression, drawing."""
    images = tf.constant(picture(2, 5, 6, 3))
    where = tf.constant([[0.1, 0.2, 0.7, 0.9], [0.8, 0.1, 0.2, 0.6], [-0.3, 0.0, 1.2, 1.0]])
    which = [0, 1, 1]
    rng = np.random.RandomState(3)
    corners = rng.uniform(0, 1, (12, 2)).astype(np.float32)
    spots = np.concatenate([corners, corners + rng.uniform(0.1, 0.6, (12, 2))], 1).astype(
        np.float32)
    spots[3] = spots[3][[2, 3, 0, 1]]
    scores = (rng.randint(0, 8, 12) / 8).astype(np.float32)
    overlaps = rng.uniform(0, 1, (12, 12)).astype(np.float32)

    def crops(**arguments: Any) -> list[Any]:
        y = tf.image.crop_and_resize(images, where, which, (3, 4), **arguments)
        return [y, slope(tf, y, images), slope(tf, y, where)]

    def drawn(channels: int, **arguments: Any) -> Any:
        outline = tf.stack([where, where[::-1] + 0.05])
        return tf.image.draw_bounding_boxes(images[..., :channels], outline, **arguments)

    return evaluated(tf, {
        "bilinear": crops, "value": lambda: crops(extrapolation_value=0.5)[0],
        "nearest": lambda: tf.image.crop_and_resize(
            images, where, which, (3, 4), method="nearest"),
        "one": lambda: tf.image.crop_and_resize(images, where, which, (1, 1)),
        "method": lambda: tf.image.crop_and_resize(images, where, which, (1, 1), method="cubic"),
        **{f"suppression {iou} {score} {most}": lambda i=iou, s=score, m=most: [
            tf.image.non_max_suppression(spots, scores, m, i, s),
            tf.image.non_max_suppression_overlaps(overlaps, scores, m, i, s)]
           for iou in (0.1, 0.5, 0.9) for score in (-np.inf, 0.4) for most in (3, 20)},
        "padded": lambda: list(tf.image.non_max_suppression_padded(
            spots, scores, 15, 0.3, pad_to_max_output_size=True)),
        "draw": lambda: [drawn(3), drawn(1)],
        "colors": lambda: drawn(3, colors=np.array([[0.1, 0.2, 0.3], [0.9, 0.8, 0.7]]))})
