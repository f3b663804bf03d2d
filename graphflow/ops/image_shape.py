"""Images turned, cut, padded and resized: 3-D images [h, w, c] and 4-D batches [b, h, w, c]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.image_resize import resized
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape

METHODS = ("bilinear", "nearest", "bicubic", "area")


class ResizeMethod:
    """How `resize_images` makes pixels; see there."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = range(4)


def image_rank(op: str, name: str | None, image: Any) -> int:
    """3 or 4. Raises ShapeError for another rank, or one that is not known."""
    rank = image.shape.rank
    if rank not in (3, 4):
        fix = "Use gf.ensure_shape or set_shape to say it." if rank is None else ""
        raise failure(op, name, f"image must be [height, width, channels] or [batch, height, "
                                f"width, channels], got {image.shape}", fix, ShapeError)
    return int(rank)


def height_width(image: Any) -> tuple[Any, Any]:
    """The two sizes: integers where they are known, else int32 scalars."""
    known = [d if isinstance(d, int) else None for d in image.shape.sizes[-3:-1]]
    if None not in known:
        return known[0], known[1]
    shape = F.shape(image)
    height, width = (k if k is not None else shape[i] for k, i in zip(known, (-3, -2)))
    return height, width


# ---- flips and turns -------------------------------------------------------------------------


def _flip(op: str, image: Any, axis: int) -> Any:
    with scope(None, op) as last:
        image = convert(image)
        rank = image_rank(op, None, image)
        return F.reverse(image, [rank + axis], name=last)


@op_function
def flip_left_right(image: Any) -> Any:
    """An image, or a batch of them, mirrored: columns in reverse order."""
    return _flip("flip_left_right", image, -2)


@op_function
def flip_up_down(image: Any) -> Any:
    """An image, or a batch of them, upside down: rows in reverse order."""
    return _flip("flip_up_down", image, -3)


def _random_flip(op: str, image: Any, axis: int, seed: int | None) -> Any:
    with scope(None, op) as last:
        image = convert(image)
        rank = image_rank(op, None, image)
        count = F.shape(image)[:1] if rank == 4 else np.zeros(0, np.int32)
        turned = F.random_uniform(count, 0, 1.0, seed=seed) < 0.5
        if rank == 4:
            turned = F.reshape(turned, [-1, 1, 1, 1])
        return F.where_v2(turned, F.reverse(image, [rank + axis]), image, name=last)


@op_function
def random_flip_left_right(image: Any, seed: int | None = None) -> Any:
    """An image mirrored with probability ½; each image of a batch by itself."""
    return _random_flip("random_flip_left_right", image, -2, seed)


@op_function
def random_flip_up_down(image: Any, seed: int | None = None) -> Any:
    """An image upside down with probability ½; each image of a batch by itself."""
    return _random_flip("random_flip_up_down", image, -3, seed)


@op_function
def transpose_image(image: Any, name: str | None = None) -> Any:
    """Rows become columns: [h, w, c] → [w, h, c], also for batches (`tf.image.transpose`)."""
    with scope(name, "transpose") as last:
        image = convert(image)
        rank = image_rank("transpose", name, image)
        return F.transpose(image, [1, 0, 2] if rank == 3 else [0, 2, 1, 3], name=last)


@op_function
def rot90(image: Any, k: Any = 1, name: str | None = None) -> Any:
    """An image, or a batch, turned counter-clockwise by k · 90°. k may be a tensor."""
    with scope(name, "rot90"):
        image = convert(image)
        axis = image_rank("rot90", name, image) - 3
        turned: list[Callable[[], Any]] = [
            lambda: image,
            lambda: F.reverse(_exchanged(image, axis), [axis]),
            lambda: F.reverse(image, [axis, axis + 1]),
            lambda: _exchanged(F.reverse(image, [axis]), axis)]
        if not is_tensor(k):
            return F.identity(turned[int(k) % 4]())
        found = F.switch_case(F.cast(k, dt.int32) % 4, dict(enumerate(turned)))
        return found


def _exchanged(image: Any, axis: int) -> Any:
    return F.transpose(image, [1, 0, 2] if axis == 0 else [0, 2, 1, 3])


# ---- crop and pad ----------------------------------------------------------------------------


def _fits(op: str, image: Any, checks: list[tuple[Any, str]]) -> Any:
    """The image, if all conditions hold: false ones known now are errors, the rest are checked.

    checks: (a number that must not be negative, what to say).
    """
    pending = []
    for number, problem in checks:
        if is_tensor(number):
            pending.append(number >= 0)
        elif number < 0:
            raise failure(op, None, f"{problem}; the image is {image.shape}")
    for condition in pending:
        image = F.require(image, condition)
    return image


@op_function
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    """The part of an image, or of each image of a batch, that begins at an offset.

    Offsets and sizes: integers or integer scalars. Raises AttributeValueError where the part is
    known to reach beyond the image; InvalidArgumentError at run time.
    """
    op = "crop_to_bounding_box"
    with scope(None, op) as last:
        image = convert(image)
        rank = image_rank(op, None, image)
        height, width = height_width(image)
        image = _fits(op, image, [
            (offset_width, "offset_width must be >= 0."),
            (offset_height, "offset_height must be >= 0."),
            (target_width - 1, "target_width must be > 0."),
            (target_height - 1, "target_height must be > 0."),
            (width - (target_width + offset_width), "width must be >= target + offset."),
            (height - (target_height + offset_height), "height must be >= target + offset.")])
        begin, size = [offset_height, offset_width, 0], [target_height, target_width, -1]
        if rank == 4:
            begin, size = [0, *begin], [-1, *size]
        cut = F.slice(image, _vector(begin), _vector(size), name=last)
        return _of_size(cut, target_height, target_width)


def _placed(image: Any, offsets: list[Any], targets: list[Any]) -> Any:
    """Padding by margins that the run decides: each pixel of the target looks for its own."""
    inside: Any = None
    axis = image.shape.rank - 3
    sizes = height_width(image)
    for k in range(2):
        place = F.range(F.cast(convert(targets[k]), dt.int32)) - offsets[k]
        here = F.logical_and(place >= 0, place < sizes[k])
        here = F.reshape(here, [-1, 1, 1] if k == 0 else [1, -1, 1])
        inside = here if inside is None else F.logical_and(inside, here)
        image = F.gather(image, F.maximum(F.minimum(place, sizes[k] - 1), 0), axis=axis + k)
    return F.where_v2(inside, image, F.zeros([], image.dtype))


def _of_size(image: Any, height: Any, width: Any) -> Any:
    """The image, which has these sizes where they are numbers, whatever else is known of it."""
    if hasattr(image, "narrow"):
        known = [None if is_tensor(v) else int(v) for v in (height, width)]
        lead = [None] * (image.shape.rank - 3)
        image.narrow(TensorShape([*lead, *known, None]))
    return image


def _vector(parts: list[Any]) -> Any:
    if any(is_tensor(p) for p in parts):
        return F.stack([F.cast(convert(p), dt.int32) for p in parts])
    return np.array(parts, np.int32)


@op_function
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    """An image, or each of a batch, in a black one of the target size, at an offset.

    Offsets and sizes: integers or integer scalars. Raises AttributeValueError where the image is
    known not to fit; InvalidArgumentError at run time.
    """
    op = "pad_to_bounding_box"
    with scope(None, op) as last:
        image = convert(image)
        rank = image_rank(op, None, image)
        height, width = height_width(image)
        below = target_height - offset_height - height
        right = target_width - offset_width - width
        image = _fits(op, image, [
            (offset_height, "offset_height must be >= 0."),
            (offset_width, "offset_width must be >= 0."),
            (right, "width must be <= target - offset."),
            (below, "height must be <= target - offset.")])
        sides = [offset_height, below, offset_width, right, 0, 0]
        paddings = F.reshape(_vector([0, 0, *sides] if rank == 4 else sides), [rank, 2])
        given = (offset_height, offset_width, target_height, target_width)
        if all(not is_tensor(v) or convert(v).symbolic_value is not None for v in given):
            return _of_size(F.pad(image, paddings, name=last), target_height, target_width)
        found = _placed(image, [offset_height, offset_width], [target_height, target_width])
        return _of_size(F.identity(found, name=last), target_height, target_width)


@op_function
def resize_image_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Any:
    """An image, or a batch, of the target size: cut or padded with black evenly on both sides."""
    with scope(None, "resize_image_with_crop_or_pad") as last:
        image = convert(image)
        image_rank("resize_image_with_crop_or_pad", None, image)
        height, width = height_width(image)
        more_width, more_height = target_width - width, target_height - height
        cropped = crop_to_bounding_box(
            image, _most(-more_height // 2, 0), _most(-more_width // 2, 0),
            _least(target_height, height), _least(target_width, width))
        padded = pad_to_bounding_box(
            cropped, _most(more_height // 2, 0), _most(more_width // 2, 0), target_height,
            target_width)
        return F.identity(padded, name=last)


def _most(a: Any, b: Any) -> Any:
    return F.maximum(a, b) if is_tensor(a) or is_tensor(b) else max(a, b)


def _least(a: Any, b: Any) -> Any:
    return F.minimum(a, b) if is_tensor(a) or is_tensor(b) else min(a, b)


@op_function
def central_crop(image: Any, central_fraction: float) -> Any:
    """The middle of an image, or of each of a batch: this fraction of its height and width.

    Raises AttributeValueError unless 0 < central_fraction ≤ 1.
    """
    if not 0.0 < central_fraction <= 1.0:
        raise failure("central_crop", None, f"central_fraction must be in (0, 1], got "
                                            f"{central_fraction}")
    with scope(None, "central_crop"):
        image = convert(image)
        rank = image_rank("central_crop", None, image)
        if central_fraction == 1.0:
            return image
        begin, size = [], []
        for length in height_width(image):
            if is_tensor(length):
                whole = F.cast(length, dt.float64)
                start = F.cast((whole - whole * central_fraction) / 2, dt.int32)
            else:
                start = int((length - length * central_fraction) / 2)
            begin.append(start)
            size.append(length - start * 2)
        lead = [0] * (rank - 3)
        return F.slice(image, _vector([*lead, *begin, 0]), _vector([*(-1 for _ in lead), *size,
                                                                    -1]))


# ---- resize ----------------------------------------------------------------------------------


def _method(op: str, name: str | None, method: Any) -> str:
    if isinstance(method, (int, np.integer)) and 0 <= method < len(METHODS):
        return METHODS[int(method)]
    raise failure(op, name, f"method must be one of the numbers of gf.image.ResizeMethod, got "
                            f"{method!r}")


@op_function
def resize_images(
    images: Any, size: Any, method: Any = 0, align_corners: bool = False,
    preserve_aspect_ratio: bool = False, name: str | None = None,
) -> Any:
    """An image, or a batch, of another size.

    size: [new height, new width]; method: one of `tf.image.ResizeMethod` (bilinear by default).
    align_corners: the centres of the corner pixels stay. preserve_aspect_ratio: the largest size
    of the image's proportions that fits. The result is float32, but of the images' dtype for the
    nearest neighbour, or where the size is known to stay. Raises ShapeError, AttributeValueError.
    """
    with scope(name, "resize") as last:
        images = convert(images)
        rank = image_rank("resize_images", name, images)
        kind = _method("resize_images", name, method)
        size = F.cast(convert(size), dt.int32)
        if not size.shape.is_compatible_with([2]):
            raise failure("resize_images", name, f"size must be [new_height, new_width], got "
                                                 f"{size.shape}", cls=ShapeError)
        if preserve_aspect_ratio:
            size = _in_proportion(images, size)
        known = size.symbolic_value
        if known is not None and list(known) == list(height_width(images)):
            return images
        batch = images if rank == 4 else F.expand_dims(images, 0)
        found = resized(kind, batch, size, align_corners, False, last if rank == 4 else None)
        return found if rank == 4 else F.squeeze(found, [0], name=last)


def _in_proportion(images: Any, size: Any) -> Any:
    lengths = [convert(v) for v in height_width(images)]
    wide = [F.cast(v, dt.float32) for v in lengths]
    scales = [F.cast(size[k], dt.float32) / wide[k] for k in range(2)]
    scale = F.minimum(*scales)
    return F.stack([F.cast(F.round(scale * w), dt.int32) for w in wide])


@op_function
def resize_image_with_pad(
    image: Any, target_height: Any, target_width: Any, method: Any = 0,
    align_corners: bool = False,
) -> Any:
    """An image, or a batch, resized in its proportions to fit, and padded to the target size."""
    with scope(None, "resize_image_with_pad") as last:
        image = convert(image)
        image_rank("resize_image_with_pad", None, image)
        lengths = height_width(image)
        targets = (target_height, target_width)
        size, before = _fitted(lengths, targets)
        small = resize_images(image, _vector(size), method, align_corners)
        return F.identity(pad_to_bounding_box(small, *before, *targets), name=last)


def _fitted(lengths: tuple[Any, Any], targets: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The size of an image in its proportions inside the targets, and the margins before it."""
    if not any(is_tensor(v) for v in (*lengths, *targets)):
        ratio = max(n / t for n, t in zip(lengths, targets))
        return ([math.floor(n / ratio) for n in lengths],
                [max(math.floor((t - n / ratio) / 2), 0) for n, t in zip(lengths, targets)])
    inside, outside = ([F.cast(convert(v), dt.float64) for v in pair]
                       for pair in (lengths, targets))
    ratio = F.maximum(*(n / t for n, t in zip(inside, outside)))
    fitted = [n / ratio for n in inside]
    return ([F.cast(F.floor(f), dt.int32) for f in fitted],
            [F.maximum(F.cast(F.floor((t - f) / 2), dt.int32), 0)
             for t, f in zip(outside, fitted)])
