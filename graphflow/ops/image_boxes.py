"""Boxes in images: suppression of overlapping ones, crops at them, drawing them.

A box is [y1, x1, y2, x2]: two opposite corners.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import fresh, same
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Library
from graphflow.opdef import (
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, renamed, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape

_COLORS = np.array([  # TensorFlow's table: red, green, blue, alpha
    [1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0.5, 0, 1],
    [0.5, 0, 0, 1], [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1]], np.float32)


# ---- non-maximum suppression -----------------------------------------------------------------


def _suppress_type(c: Infer) -> list[TensorType]:
    for i, rank in enumerate((2, 1, 1, 0)):
        c.require_rank(i, rank)
    overlaps, scores = c.shape(0), c.shape(1)
    if overlaps.rank is not None and scores.rank is not None and any(
            same(d, scores.sizes[0]) is False for d in overlaps.sizes):
        raise c.error(f"overlaps must be [n, n] for n scores: {c.show(0)}, {c.show(1)}")
    return [TensorType(dt.int32, TensorShape.of((fresh(),)))]


def _suppress(
    overlaps: np.ndarray, scores: np.ndarray, limits: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    if overlaps.shape != (len(scores), len(scores)):
        raise RunError(InvalidArgumentError, f"overlaps {list(overlaps.shape)} do not go with "
                                             f"{len(scores)} scores")
    open_ = scores > limits[1]
    order = [i for i in np.argsort(-scores, kind="stable") if open_[i]]
    chosen: list[int] = []
    for i in order:
        if len(chosen) < wanted and not np.any(overlaps[i, chosen] > limits[0]):
            chosen.append(i)
    return np.array(chosen, np.int32)


def _suppress_samples() -> list[Sample]:
    rng = np.random.default_rng(5)
    overlaps = rng.random((9, 9)).astype(np.float32)
    scores = rng.integers(0, 6, 9).astype(np.float32)  # with ties
    limits = np.array([0.6, 0.5], np.float32)
    return [Sample((overlaps, scores, limits, np.int32(n)), grad=False) for n in (9, 2, 0)] + [
        Sample((overlaps[:0, :0], scores[:0], limits, np.int32(4)), grad=False)]


SUPPRESS = declare(
    "NonMaxSuppressionWithOverlaps",
    "overlaps: float32, scores: float32, limits: float32, max_output_size: int32",
    infer=_suppress_type, reference=_suppress,
    grad=NotDifferentiable("the outputs are indices"),
    lowering=Library(
        "suppress", lambda ctx: ctx.in_shapes[1], lambda ctx: ((dt.int32, ctx.in_shapes[1][0]),),
        unknowns=((0, 0),), bounds=lambda ctx: ctx.in_shapes[1]),
    samples=_suppress_samples,
    errors=lambda: [ErrorSample(
        (typed(dt.float32, 3, 4), typed(dt.float32, 3), typed(dt.float32, 2), typed(dt.int32)),
        {}, ShapeError, r"overlaps must be \[n, n\] for n scores: overlaps \[3, 4\]")])


def _overlaps(boxes: Any) -> Any:
    """Intersection over union of all pairs of boxes [n, 4]: [n, n], 0 of boxes without area."""
    y1, x1, y2, x2 = (boxes[:, k] for k in range(4))
    top, bottom = F.minimum(y1, y2), F.maximum(y1, y2)
    left, right = F.minimum(x1, x2), F.maximum(x1, x2)
    area = (bottom - top) * (right - left)

    def common(low: Any, high: Any) -> Any:
        return F.maximum(F.minimum(F.expand_dims(high, 1), F.expand_dims(high, 0))
                         - F.maximum(F.expand_dims(low, 1), F.expand_dims(low, 0)), 0.0)

    both = common(top, bottom) * common(left, right)
    union = F.expand_dims(area, 1) + F.expand_dims(area, 0) - both
    proper = F.logical_and(F.expand_dims(area, 1) > 0, F.expand_dims(area, 0) > 0)
    return F.where_v2(proper, both / F.where_v2(proper, union, 1.0), 0.0)


def _chosen(
    op: str, name: str | None, overlaps: Any, scores: Any, max_output_size: Any, limit: Any,
    score_threshold: Any,
) -> Any:
    scores = F.cast(convert(scores), dt.float32)
    limits = F.stack([F.cast(convert(v), dt.float32) for v in (limit, score_threshold)])
    return apply(SUPPRESS, (overlaps, scores, limits, F.cast(convert(max_output_size), dt.int32)),
                 name=name)


def _boxes(op: str, name: str | None, boxes: Any) -> Any:
    boxes = convert(boxes)
    if not boxes.shape.is_compatible_with([None, 4]):
        raise failure(op, name, f"boxes must be [n, 4], got {boxes.shape}", cls=ShapeError)
    return F.cast(boxes, dt.float32)


@op_function
def non_max_suppression(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"), name: str | None = None,
) -> Any:
    """The indices of the best boxes, none of which overlaps an earlier one too much.

    boxes: [n, 4]; scores: [n]; max_output_size: an integer scalar; iou_threshold: a box goes if
    its intersection over union with a chosen one is larger; score_threshold: scores must be
    larger → int32 [m], by decreasing score. Raises ShapeError.
    """
    with scope(name, "non_max_suppression") as last:
        boxes = _boxes("non_max_suppression", name, boxes)
        return _chosen("non_max_suppression", last, _overlaps(boxes), scores, max_output_size,
                       iou_threshold, score_threshold)


@op_function
def non_max_suppression_overlaps(
    overlaps: Any, scores: Any, max_output_size: Any, overlap_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"), name: str | None = None,
) -> Any:
    """`non_max_suppression` with given overlaps [n, n] instead of boxes."""
    with scope(name, "non_max_suppression_overlaps") as last:
        return _chosen("non_max_suppression_overlaps", last, F.cast(convert(overlaps), dt.float32),
                       scores, max_output_size, overlap_threshold, score_threshold)


@op_function
def non_max_suppression_padded(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"), pad_to_max_output_size: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """(indices, how many of them count): with pad_to_max_output_size, 0s fill the indices up."""
    with scope(name, "non_max_suppression_padded"):
        found = non_max_suppression(boxes, scores, max_output_size, iou_threshold,
                                    score_threshold)
        count = F.size(found)
        if pad_to_max_output_size:
            more = F.cast(convert(max_output_size), dt.int32) - count
            found = F.concat([found, F.zeros(F.reshape(more, [1]), dt.int32)], 0)
        return found, count


# ---- crops at boxes --------------------------------------------------------------------------


def _places(low: Any, high: Any, length: Any, count: Any) -> Any:
    """Where the `count` samples of each box [n] lie on an axis of `length` pixels: [n, count]."""
    last = F.cast(length - 1, dt.float32)
    steps = F.cast(F.range(count), dt.float32)
    scale = (high - low) * last / F.maximum(F.cast(count - 1, dt.float32), 1.0)
    many = F.expand_dims(low * last, 1) + F.expand_dims(steps, 0) * F.expand_dims(scale, 1)
    middle = F.expand_dims((low + high) * 0.5 * last, 1) + F.expand_dims(steps * 0, 0)
    return F.where_v2(count > 1, many, middle)


@op_function
def crop_and_resize(
    image: Any, boxes: Any, box_ind: Any = None, crop_size: Any = None, method: str = "bilinear",
    extrapolation_value: float = 0, name: str | None = None, box_indices: Any = None,
) -> Any:
    """Crops at boxes, resized to one size.

    image: [b, h, w, c]; boxes: float32 [n, 4], in parts of the image's extent (y1 > y2 turns the
      crop upside down); box_ind: int32 [n], the image of each box; crop_size: [rows, columns];
      method: `bilinear` or `nearest`; extrapolation_value: what lies outside
      → float32 [n, rows, columns, c]. Gradients flow to image and boxes.
    Raises ShapeError, AttributeValueError; InvalidArgumentError at run time.
    """
    if method not in ("bilinear", "nearest"):
        raise failure("CropAndResize", name, f"method must be 'bilinear' or 'nearest', got "
                                             f"{method!r}")
    box_ind = renamed("CropAndResize", "box_indices", box_indices, "box_ind", box_ind)
    with scope(name, "CropAndResize") as last:
        image = F.cast(convert(image), dt.float32)
        boxes = _boxes("CropAndResize", name, boxes)
        if image.shape.rank not in (None, 4):
            raise failure("CropAndResize", name, f"image must be [batch, height, width, "
                                                 f"channels], got {image.shape}", cls=ShapeError)
        size = F.cast(convert(crop_size), dt.int32)
        height, width = F.shape(image)[1], F.shape(image)[2]
        rows = _places(boxes[:, 0], boxes[:, 2], height, size[0])
        columns = _places(boxes[:, 1], boxes[:, 3], width, size[1])
        inside = F.logical_and(
            F.expand_dims(_within(rows, height), 2), F.expand_dims(_within(columns, width), 1))
        which = F.cast(convert(box_ind), dt.int32)[:, np.newaxis, np.newaxis]

        def pixels(row: Any, column: Any) -> Any:
            y = F.expand_dims(_index(row, height), 2)
            x = F.expand_dims(_index(column, width), 1)
            zeros = (which + y + x) * 0
            return F.gather_nd(image, F.stack([which + zeros, y + zeros, x + zeros], -1))

        if method == "nearest":
            crops = pixels(_half_away(rows), _half_away(columns))
        else:
            crops = _between(pixels, rows, columns)
        outside = np.float32(extrapolation_value)
        return F.where_v2(F.expand_dims(inside, -1), crops, outside, name=last)


def _half_away(x: Any) -> Any:
    """x rounded, a half away from zero (x ≥ 0 where it counts)."""
    return F.floor(x + 0.5)


def _within(places: Any, length: Any) -> Any:
    return F.logical_and(places >= 0, places <= F.cast(length - 1, dt.float32))


def _index(place: Any, length: Any) -> Any:
    return F.maximum(F.minimum(F.cast(place, dt.int32), length - 1), 0)


def _between(pixels: Any, rows: Any, columns: Any) -> Any:
    """The bilinear mean of the four pixels around each place."""
    top, left = F.floor(rows), F.floor(columns)
    bottom, right = F.ceil(rows), F.ceil(columns)
    y = (rows - F.stop_gradient(top))[:, :, np.newaxis, np.newaxis]
    x = (columns - F.stop_gradient(left))[:, np.newaxis, :, np.newaxis]
    upper_left, lower_left = pixels(top, left), pixels(bottom, left)
    upper = upper_left + (pixels(top, right) - upper_left) * x
    lower = lower_left + (pixels(bottom, right) - lower_left) * x
    return upper + (lower - upper) * y


# ---- drawing ---------------------------------------------------------------------------------


@op_function
def draw_bounding_boxes(
    images: Any, boxes: Any, name: str | None = None, colors: Any = None
) -> Any:
    """Images with the outlines of boxes drawn in, one pixel wide, later boxes over earlier ones.

    images: floats [b, h, w, c] with c 1, 3 or 4; boxes: [b, n, 4], in parts of the extent;
    colors: [k, c or more], used in turn (a table of ten by default). What lies outside of the
    image is left out. Raises ShapeError.
    """
    with scope(name, "DrawBoundingBoxesV2") as last:
        images, boxes = convert(images), F.cast(convert(boxes), dt.float32)
        if images.shape.rank != 4 or images.shape.as_list()[-1] not in (1, 3, 4):
            raise failure("DrawBoundingBoxesV2", name, "images must be [batch, height, width, 1, "
                                                       f"3 or 4], got {images.shape}",
                          cls=ShapeError)
        if not boxes.shape.is_compatible_with([None, None, 4]):
            raise failure("DrawBoundingBoxesV2", name, f"boxes must be [batch, n, 4], got "
                                                       f"{boxes.shape}", cls=ShapeError)
        depth = images.shape.as_list()[-1]
        table = _COLORS if colors is None else F.cast(convert(colors), dt.float32)
        if depth == 1:
            table = np.ones((1, 1), np.float32)  # boxes in gray images are white
        height, width = F.shape(images)[1], F.shape(images)[2]
        outline = _outlines(boxes, height, width)
        numbers = F.range(F.shape(boxes)[1]) + 1
        top = F.reduce_max(F.where_v2(outline, F.reshape(numbers, [1, -1, 1, 1]), 0), axis=1)
        top = F.maximum(top, 0)
        table = convert(table)
        paint = F.gather(table[:, :depth], F.maximum(top - 1, 0) % F.shape(table)[0])
        return F.where_v2(F.expand_dims(top > 0, -1), F.cast(paint, images.dtype), images,
                          name=last)


def _outlines(boxes: Any, height: Any, width: Any) -> Any:
    """The pixels of each box's outline: bool [b, n, h, w]."""
    ends = []
    for k in range(4):
        last = F.cast((height, width)[k % 2] - 1, dt.float32)
        end = F.cast(boxes[:, :, k] * last, dt.int32)
        ends.append(end[:, :, np.newaxis, np.newaxis])
    y1, x1, y2, x2 = ends
    y = F.reshape(F.range(height), [1, 1, -1, 1])
    x = F.reshape(F.range(width), [1, 1, 1, -1])
    in_rows = F.logical_and(y >= y1, y <= y2)
    in_columns = F.logical_and(x >= x1, x <= x2)
    edges_y = F.logical_or(F.equal(y, y1), F.equal(y, y2))
    edges_x = F.logical_or(F.equal(x, x1), F.equal(x, x2))
    drawn = F.logical_or(F.logical_and(edges_y, in_columns), F.logical_and(edges_x, in_rows))
    return F.logical_and(drawn, F.logical_and(y1 <= y2, x1 <= x2))  # no box is upside down
