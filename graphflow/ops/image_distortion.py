"""`sample_distorted_bounding_box`: a random crop that still shows an object.

TensorFlow draws crops until one fits, at most `max_attempts` times. Here all attempts are drawn at
once and the first that fits is taken, so that there is no loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope

_ATTEMPTS = 100


def _pair(op: str, name: str | None, what: str, value: Any, usual: tuple[float, float]) -> Any:
    low, high = usual if value is None or len(value) == 0 else value
    if not 0 < low <= high:
        raise failure(op, name, f"{what} must be two rising positive numbers, got {value}")
    return low, high


def _rounded(x: Any) -> Any:
    return F.cast(F.rint(x), dt.int32)


def _crops(
    height: Any, width: Any, uniforms: Any, aspects: tuple[float, float],
    areas: tuple[float, float],
) -> tuple[list[Any], Any]:
    """([y, x, height, width] of each attempt, int32; which of them are of a legal size)."""
    high, wide = F.cast(height, dt.float32), F.cast(width, dt.float32)
    aspect = aspects[0] + uniforms[:, 0] * (aspects[1] - aspects[0])
    least, most = areas[0] * high * wide, areas[1] * high * wide
    low = _rounded(F.sqrt(least / aspect))
    top = _rounded(F.sqrt(most / aspect))
    fitting = F.cast((wide + 0.5 - 1e-7) / aspect, dt.int32)
    fitting -= F.cast(_rounded(F.cast(fitting, dt.float32) * aspect) > width, dt.int32)
    top = F.where_v2(_rounded(F.cast(top, dt.float32) * aspect) > width, fitting, top)
    top = F.minimum(top, height)
    low = F.minimum(low, top)

    def extent(rows: Any) -> tuple[Any, Any]:
        columns = _rounded(F.cast(rows, dt.float32) * aspect)
        return columns, F.cast(rows * columns, dt.float32)

    rows = low + _below(uniforms[:, 1], top - low + 1)
    rows += F.cast(extent(rows)[1] < least, dt.int32)
    rows -= F.cast(extent(rows)[1] > most, dt.int32)
    columns, area = extent(rows)
    legal = F.logical_and(F.logical_and(area >= least, area <= most), F.logical_and(
        F.logical_and(columns <= width, rows <= height),
        F.logical_and(columns > 0, rows > 0)))
    y = _below(uniforms[:, 2], F.maximum(height - rows, 1))
    x = _below(uniforms[:, 3], F.maximum(width - columns, 1))
    return [y, x, rows, columns], legal


def _below(uniform: Any, count: Any) -> Any:
    """A number in [0, count) from one in [0, 1)."""
    return F.minimum(F.cast(uniform * F.cast(count, dt.float32), dt.int32), count - 1)


def _covers(crops: Sequence[Any], boxes: Any, least: Any) -> Any:
    """Which crops hold at least the part `least` of the area of some box (pixels [n, 4])."""
    y, x, rows, columns = (F.expand_dims(F.cast(v, dt.float32), 1) for v in crops)
    top, left, bottom, right = (F.expand_dims(boxes[:, k], 0) for k in range(4))
    area = (bottom - top) * (right - left)
    high = F.maximum(F.minimum(y + rows, bottom) - F.maximum(y, top), 0.0)
    wide = F.maximum(F.minimum(x + columns, right) - F.maximum(x, left), 0.0)
    some = area > 0
    part = high * wide / F.where_v2(some, area, 1.0)
    return F.reduce_any(F.logical_and(some, part >= least), axis=1)


@op_function
def sample_distorted_bounding_box(
    image_size: Any, bounding_boxes: Any, seed: int | None = None, seed2: int | None = None,
    min_object_covered: Any = 0.1, aspect_ratio_range: Any = None, area_range: Any = None,
    max_attempts: int | None = None, use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> tuple[Any, Any, Any]:
    """(begin, size, box) of a random crop, for `slice` and `draw_bounding_boxes`.

    image_size: [height, width, channels], integers; bounding_boxes: float32 [b, n, 4], the
      objects in parts of the extent; min_object_covered: the part of some object that the crop
      shows; aspect_ratio_range: width over height, (0.75, 1.33) by default; area_range: the part
      of the image that it takes, (0.05, 1). If no attempt of max_attempts (100) fits, the crop is
      the whole image.
    → begin [3] and size [3] of image_size's dtype (all channels: size −1), box float32 [1, 1, 4].
    Without boxes the image counts as one if use_image_if_no_bounding_boxes is true; otherwise
    InvalidArgumentError at run time. seed2 is ignored: seed says all.
    """
    op = "SampleDistortedBoundingBox"
    aspects = _pair(op, name, "aspect_ratio_range", aspect_ratio_range, (0.75, 1.33))
    areas = _pair(op, name, "area_range", area_range, (0.05, 1.0))
    with scope(name, "sample_distorted_bounding_box"):
        size, boxes = convert(image_size), F.cast(convert(bounding_boxes), dt.float32)
        if not size.shape.is_compatible_with([3]) or boxes.shape.rank not in (None, 3):
            raise failure(op, name, "image_size must be [3] and bounding_boxes [batch, n, 4], got "
                                    f"{size.shape}, {boxes.shape}", cls=ShapeError)
        flat = F.reshape(boxes, [-1, 4])
        if use_image_if_no_bounding_boxes:
            none = F.equal(F.shape(flat)[:1], 0)
            flat = F.concat([flat, F.tile(
                [[0.0, 0.0, 1.0, 1.0]], F.concat([F.cast(none, dt.int32), [1]], 0))], 0)
        else:
            size = F.require(size, F.shape(flat)[0] > 0)
        height, width = F.cast(size[0], dt.int32), F.cast(size[1], dt.int32)
        scale = F.stack([F.cast(v, dt.float32) for v in (height, width, height, width)])
        count = _ATTEMPTS if max_attempts is None else max_attempts
        uniforms = F.random_uniform([count, 4], seed=seed)
        crops, legal = _crops(height, width, uniforms, aspects, areas)
        least = F.cast(convert(min_object_covered), dt.float32)
        fits = F.logical_and(legal, _covers(crops, F.floor(flat * scale), least))
        first = F.argmax(F.cast(fits, dt.int32), axis=0)
        zero = convert(np.int32(0))
        y, x, rows, columns = (
            F.where_v2(F.reduce_any(fits), F.gather(crop, first), whole)
            for crop, whole in zip(crops, (zero, zero, height, width)))
        corners = F.cast(F.stack([y, x, y + rows, x + columns]), dt.float32) / scale
        return (F.cast(F.stack([y, x, 0]), size.dtype), F.cast(F.stack([rows, columns, -1]),
                                                               size.dtype),
                F.reshape(corners, [1, 1, 4]))
