"""Resizing of images: `ResizeNearestNeighbor`, `ResizeBilinear`, `ResizeBicubic`, `ResizeArea`.

An output pixel is a weighted sum of input pixels, by rows and by columns; `image_taps` says which
and how much. Forward, pixels are gathered and blended in one kernel; gradients are products with
the transposed weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, Gather
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.image_taps import METHODS, dense, matrix, taps
from graphflow.shapes import TensorShape

_FLAGS = {"align_corners": Attr("bool", False), "half_pixel_centers": Attr("bool", False)}
_IMAGES = (dt.uint8, dt.int8, dt.uint16, dt.int16, dt.int32, dt.int64, dt.float16, dt.bfloat16,
           dt.float32, dt.float64)
_FLOATS = (dt.float16, dt.bfloat16, dt.float32, dt.float64)
Array = np.ndarray


def _blend_type(dtype: DType) -> DType:
    return dt.float64 if dtype is dt.float64 else dt.float32


# ---- gathering pixels ------------------------------------------------------------------------


def _pixels_type(c: Infer) -> list[TensorType]:
    sizes = c.require_rank(0, 4) and c.shape(0).sizes
    ranks = [c.require_rank(i, 1) for i in (1, 2)]
    if not sizes or None in ranks:
        return [TensorType(c.dtype(0), TensorShape([None] * 4))]
    return [TensorType(c.dtype(0), TensorShape.of(
        (sizes[0], c.shape(1).sizes[0], c.shape(2).sizes[0], sizes[3])))]


GATHER_PIXELS = declare(
    "GatherPixels", "images: any, rows: int32, columns: int32", infer=_pixels_type,
    reference=lambda images, rows, columns: images[:, rows][:, :, columns],
    grad=NotDifferentiable("a part of resizing"),
    lowering=Gather(lambda i, load, ctx: (i[0], load(1, (i[1],)), load(2, (i[2],)), i[3])),
    samples=lambda: [Sample((np.arange(24.0).reshape(1, 3, 4, 2), np.array([2, 0, 0], np.int32),
                             np.array([3, 1], np.int32)), grad=False),
                     Sample((np.zeros((0, 2, 2, 1)), np.array([1], np.int32),
                             np.array([0], np.int32)), grad=False)])


# ---- resizing --------------------------------------------------------------------------------


def _check_align(c: Infer) -> None:
    if c.attrs["align_corners"] and c.attrs.get("half_pixel_centers"):
        raise c.error("images can have align_corners or half_pixel_centers, not both",
                      cls=AttributeValueError)


def _type(method: str) -> Any:
    def infer(c: Infer) -> list[TensorType]:
        _check_align(c)
        c.require_rank(0, 4)
        size = shape_from_value(c, 1)
        if size.rank not in (None, 2):
            raise c.error(f"size must have 2 elements, got {c.show(1)}", "Give [height, width].")
        height, width = (None, None) if size.rank is None else size.sizes
        images = c.shape(0)
        batch, depth = (None, None) if images.rank is None else (
            images.sizes[0], images.sizes[3])
        dtype = c.dtype(0) if method == "nearest" else _blend_type(c.dtype(0))
        return [TensorType(dtype, TensorShape([batch, height, width, depth]))]

    return infer


def _weights(
    method: str, sizes: tuple[int, ...], outs: tuple[int, ...], align: bool, half: bool
) -> tuple[Array, Array]:
    if min(sizes) < 1 and min(outs) > 0:
        raise RunError(InvalidArgumentError, f"an image of {list(sizes)} has no pixels to resize")
    rows, columns = (matrix(method, i, o, align, half) for i, o in zip(sizes, outs))
    return rows, columns


def _reference(method: str) -> Any:
    def reference(
        images: Array, size: Array, align_corners: bool, half_pixel_centers: bool = False
    ) -> Array:
        outs = tuple(int(d) for d in size)
        if min(outs) < 0:
            raise RunError(InvalidArgumentError, f"size must not be negative, got {list(outs)}")
        rows, columns = _weights(
            method, images.shape[1:3], outs, align_corners, half_pixel_centers)
        if method == "nearest":
            return images[:, rows.argmax(1)][:, :, columns.argmax(1)]
        wide = _blend_type(dt.array_dtype(images)).numpy
        across = np.einsum("jx,byxc->byjc", columns, images.astype(np.float64), optimize=True)
        return np.einsum("iy,byjc->bijc", rows, across, optimize=True).astype(wide)

    return reference


def _expand(method: str) -> Any:
    def expand(
        F: Any, images: Any, size: Any, align_corners: bool, half_pixel_centers: bool = False
    ) -> Any:
        sizes = F.shape(images)
        if method == "area":
            return _by_products(F, "area", images, sizes[1:3], size, align_corners, False)
        rows, columns = (taps(F, method, sizes[1 + k], size[k], align_corners,
                              half_pixel_centers) for k in range(2))
        dtype = _blend_type(images.dtype)

        def row(index: Any) -> Any:
            pixels = [(apply(GATHER_PIXELS, (images, index, i)), w) for i, w in columns]
            if method == "nearest":
                return pixels[0][0]
            return _blended([(F.cast(p, dtype), w) for p, w in pixels],
                            lambda w: F.cast(F.reshape(w, [1, 1, -1, 1]), dtype))

        found = [(row(i), w) for i, w in rows]
        if method == "nearest":
            return found[0][0]
        return _blended(found, lambda w: F.cast(F.reshape(w, [1, -1, 1, 1]), dtype))

    return expand


def _blended(parts: list[tuple[Any, Any]], column: Any) -> Any:
    """Σ w·p; of two, a step from the first to the second: equal pixels stay as they are."""
    if len(parts) == 2:
        (low, _), (high, weight) = parts
        return low + (high - low) * column(weight)
    total = parts[0][0] * column(parts[0][1])
    for pixel, weight in parts[1:]:
        total = total + pixel * column(weight)
    return total


def _by_products(
    F: Any, method: str, images: Any, sizes: Any, outs: Any, align: bool, half: bool,
    transposed: bool = False,
) -> Any:
    """Products with the matrices of weights (or their transposes: from outs back to sizes)."""
    dtype = _blend_type(images.dtype)
    shape = F.shape(images)
    batch, height, width, depth = (shape[k] for k in range(4))
    rows, columns = (F.cast(dense(F, method, sizes[k], outs[k], align, half), dtype)
                     for k in range(2))
    if transposed:
        rows, columns = F.transpose(rows), F.transpose(columns)
    new_height, new_width = (sizes[0], sizes[1]) if transposed else (outs[0], outs[1])
    wide = F.reshape(F.cast(images, dtype), F.stack([batch, height, width * depth]))
    tall = F.matmul(F.broadcast_to(rows, F.stack([batch, new_height, height])), wide)
    tall = F.reshape(tall, F.stack([batch * new_height, width, depth]))
    spread = F.broadcast_to(columns, F.stack([batch * new_height, new_width, width]))
    return F.reshape(F.matmul(spread, tall), F.stack([batch, new_height, new_width, depth]))


# ---- gradients -------------------------------------------------------------------------------


def _grad_type(c: Infer) -> list[TensorType]:
    _check_align(c)
    c.require_rank(0, 4)
    shape = shape_from_value(c, 1)
    if shape.rank not in (None, 4):
        raise c.error(f"shape must have 4 elements, got {shape}")
    return [TensorType(c.dtype(0), shape if shape.rank is not None else TensorShape([None] * 4))]


def _grad_reference(
    g: Array, shape: Array, method: str, align_corners: bool, half_pixel_centers: bool
) -> Array:
    sizes = tuple(int(d) for d in shape)
    rows, columns = _weights(method, sizes[1:3], g.shape[1:3], align_corners, half_pixel_centers)
    across = np.einsum("jx,bijc->bixc", columns, g.astype(np.float64), optimize=True)
    return np.einsum("iy,bixc->byxc", rows, across, optimize=True).astype(g.dtype)


def _expand_grad(
    F: Any, g: Any, shape: Any, method: str, align_corners: bool, half_pixel_centers: bool
) -> Any:
    back = _by_products(F, method, g, shape[1:3], F.shape(g)[1:3], align_corners,
                        half_pixel_centers, transposed=True)
    return F.cast(back, g.dtype)


def _flags(attrs: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the method itself."""
    return {k: v for k, v in attrs.items() if k in _attrs(attrs["method"])}


def _attrs(method: str) -> dict[str, Attr]:
    return {k: v for k, v in _FLAGS.items() if method != "area" or k == "align_corners"}


def _grad_samples() -> list[Sample]:
    g = np.arange(48.0).reshape(1, 4, 6, 2) / 16 - 1
    shape = np.array([1, 3, 5, 2], np.int32)
    return [*(Sample((g, shape), {"method": m, **flags})
              for m in METHODS for flags in _flag_choices(m)),
            Sample((g[:0], np.array([0, 3, 5, 2], np.int32)), {"method": "bilinear"})]


RESIZE_GRAD: OpDef = declare(
    "ResizeGrad", "g: T, shape: int32", attrs={"method": Attr("str", choices=METHODS), **_FLAGS},
    infer=_grad_type, reference=_grad_reference,
    grad=lambda F, op, g: [
        F.cast(apply(RESIZE[op.attrs["method"]], (g, F.shape(op.inputs[0])[1:3]),
                     _flags(op.attrs)), g.dtype), None],
    lowering=Composite(_expand_grad), samples=_grad_samples,
    errors=lambda: [ErrorSample(
        (typed(dt.float32, 1, 2, 3, 1), np.array([1, 2], np.int32)), {"method": "area"},
        ShapeError, "shape must have 4 elements")], T=_FLOATS)


def _gradient(method: str) -> Any:
    def gradient(F: Any, op: Any, g: Any) -> list[Any]:
        images = op.inputs[0]
        if not images.dtype.is_floating:
            return [None, None]
        back = apply(RESIZE_GRAD, (g, F.shape(images)), {"method": method, **op.attrs})
        return [F.cast(back, images.dtype), None]

    return gradient


def _flag_choices(method: str) -> list[dict[str, bool]]:
    both = [{}, {"align_corners": True}]
    return both if method == "area" else [*both, {"half_pixel_centers": True}]


def _samples(method: str) -> Any:
    x = np.sin(np.arange(30.0)).reshape(1, 3, 5, 2) * 4

    def samples() -> list[Sample]:
        found = [Sample((x, np.array(size, np.int32)), flags)
                 for size in ([4, 7], [2, 3]) for flags in _flag_choices(method)]
        return [*found, Sample((x, np.array([1, 1], np.int32)), {"align_corners": True}),
                Sample((x[:0], np.array([2, 2], np.int32)))]

    return samples


def _declare(op: str, method: str) -> OpDef:
    return declare(
        op, "images: T, size: int32", attrs=_attrs(method), infer=_type(method),
        reference=_reference(method), grad=_gradient(method), lowering=Composite(_expand(method)),
        samples=_samples(method),
        errors=lambda: [
            ErrorSample((typed(dt.float32, 3, 4, 1), np.array([2, 2], np.int32)), {}, ShapeError,
                        "images must have rank 4"),
            ErrorSample((typed(dt.float32, 1, 3, 4, 1), np.array([2, 2, 1], np.int32)), {},
                        ShapeError, "size must have 2 elements"),
            ErrorSample((typed(dt.float32, 1, 3, 4, 1), np.array([2, 2], np.int32)),
                        {"align_corners": True, "half_pixel_centers": True}, AttributeValueError,
                        "not both")][:2 if method == "area" else 3],
        depth=2, T=_IMAGES)


RESIZE: dict[str, OpDef] = {
    "nearest": _declare("ResizeNearestNeighbor", "nearest"),
    "bilinear": _declare("ResizeBilinear", "bilinear"),
    "bicubic": _declare("ResizeBicubic", "bicubic"),
    "area": _declare("ResizeArea", "area"),
}


# ---- public functions ------------------------------------------------------------------------


def resized(
    method: str, images: Any, size: Any, align_corners: bool, half_pixel_centers: bool,
    name: str | None,
) -> Any:
    """Images [b, h, w, c] by one method; the result is float32 except for `nearest`."""
    attrs = {"align_corners": align_corners}
    if method != "area":
        attrs["half_pixel_centers"] = half_pixel_centers
    images, size = convert(images), F.cast(convert(size), dt.int32)
    found = apply(RESIZE[method], (images, size), attrs, name=name)
    return F.cast(found, dt.float32) if method != "nearest" else found


@op_function
def resize_nearest_neighbor(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None,
    half_pixel_centers: bool = False,
) -> Any:
    """Images of another size; each pixel is the nearest one of the input.

    images: [b, h, w, c] of any number type; size: [new height, new width] → the same type.
    align_corners: the corner pixels' centres stay where they are; half_pixel_centers: pixel i
    lies at i + ½. Raises ShapeError, AttributeValueError.
    """
    return resized("nearest", images, size, align_corners, half_pixel_centers, name)


@op_function
def resize_bilinear(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None,
    half_pixel_centers: bool = False,
) -> Any:
    """Images of another size, linear between neighbours; float32. See the nearest neighbour."""
    return resized("bilinear", images, size, align_corners, half_pixel_centers, name)


@op_function
def resize_bicubic(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None,
    half_pixel_centers: bool = False,
) -> Any:
    """Images of another size by cubic convolution (Keys 1981); float32.

    As in TensorFlow the cubic's parameter is −0.75, or −0.5 with half_pixel_centers. See
    `resize_nearest_neighbor` for the arguments.
    """
    return resized("bicubic", images, size, align_corners, half_pixel_centers, name)


@op_function
def resize_area(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None
) -> Any:
    """Images of another size; each pixel is the mean over its area in the input; float32."""
    return resized("area", images, size, align_corners, False, name)
