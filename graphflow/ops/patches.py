"""`extract_image_patches`: the pixels that a sliding window sees, as channels.

Element (ky, kx, c) of the patch at (y, x) is pixel (y·stride + ky·rate − before, …) of channel c,
zero where that lies in the padding. The same op serves volumes, with three spatial axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import Dim, SymDim, mul
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, Scatter, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, renamed, shape_from_value, static_ints, typed
from graphflow.ops.convolution_geometry import WindowAxis, window_axis
from graphflow.ops.declare import declare
from graphflow.ops.index_maps import unravel_index
from graphflow.ops.numerics import number_of, widen
from graphflow.shapes import TensorShape, unknown_shape

_ATTRS = {"ksizes": Attr("ints"), "strides": Attr("ints"), "rates": Attr("ints"),
          "padding": Attr("str", choices=("SAME", "VALID"))}
_FAR = 1 << 40  # beyond every size: v // _FAR is 0 for v ≥ 0 and −1 below


def _windows(sizes: Sequence[Dim], attrs: dict[str, Any]) -> list[WindowAxis]:
    return [window_axis(size, k, stride, rate, attrs["padding"]) for size, k, stride, rate in zip(
        sizes, attrs["ksizes"], attrs["strides"], attrs["rates"])]


def _check_attrs(c: Infer) -> int:
    """The number of spatial axes. Raises AttributeValueError for attributes that are wrong."""
    count = len(c.attrs["ksizes"])
    for what in ("ksizes", "strides", "rates"):
        values = c.attrs[what]
        if len(values) != count or min(values, default=1) < 1:
            raise c.error(f"{what} must be {count} positive numbers, got {list(values)}",
                          cls=AttributeValueError)
    return count


def _patches_shape(c: Infer, sizes: Sequence[Dim], shown: str) -> TensorShape:
    windows = _windows(sizes[1:-1], c.attrs)
    for axis, window in enumerate(windows, 1):
        if not isinstance(window.out, SymDim) and window.out <= 0 and window.size != 0:
            raise c.error(f"a patch of {window.window} elements at rate {window.dilation} is "
                          f"longer than axis {axis} of {shown}",
                          "Use padding='SAME', or a smaller patch.")
    depth = mul(sizes[-1], int(np.prod(c.attrs["ksizes"], dtype=np.int64)))
    outs = [w.out if isinstance(w.out, SymDim) else max(w.out, 0) for w in windows]
    return TensorShape.of((sizes[0], *outs, depth))


def _type(c: Infer) -> list[TensorType]:
    rank = _check_attrs(c) + 2
    c.require_rank(0, rank)
    if c.shape(0).rank is None:
        return [TensorType(c.dtype(0), unknown_shape(rank))]
    return [TensorType(c.dtype(0), _patches_shape(c, c.shape(0).sizes, c.show(0)))]


def _reference(images: np.ndarray, **attrs: Any) -> np.ndarray:
    windows, ksizes = _windows(images.shape[1:-1], attrs), attrs["ksizes"]
    if images.ndim != len(ksizes) + 2 or any(w.out < 0 for w in windows):
        raise RunError(InvalidArgumentError, f"patches of {list(ksizes)} do not fit images "
                                             f"{list(images.shape)}")
    batch, depth = images.shape[0], images.shape[-1]
    outs = [w.out for w in windows]
    fill = number_of(0, dt.array_dtype(images))
    patches = np.full((batch, *outs, *ksizes, depth), fill, images.dtype)
    for place in np.ndindex(*ksizes):
        parts = [next(((o, s) for k, o, s in w.slices() if k == at), None)
                 for w, at in zip(windows, place)]
        if all(p is not None for p in parts):
            seen = [p for p in parts if p is not None]
            target = (slice(None), *(o for o, _ in seen), *place)
            patches[target] = images[(slice(None), *(s for _, s in seen))]
    return patches.reshape(batch, *outs, int(np.prod(ksizes, dtype=np.int64)) * depth)


def _grad_reference(g: np.ndarray, shape: np.ndarray, **attrs: Any) -> np.ndarray:
    sizes = [int(d) for d in shape]
    windows, ksizes = _windows(sizes[1:-1], attrs), attrs["ksizes"]
    outs = [w.out for w in windows]
    expected = (sizes[0], *outs, int(np.prod(ksizes, dtype=np.int64)) * sizes[-1])
    if g.shape != expected:
        raise RunError(InvalidArgumentError,
                       f"g {list(g.shape)} is not the shape of patches, {list(expected)}")
    parts = widen(g).reshape(sizes[0], *outs, *ksizes, sizes[-1])
    total = np.zeros(sizes, parts.dtype)
    for place in np.ndindex(*ksizes):
        seen = [next(((o, s) for k, o, s in w.slices() if k == at), None)
                for w, at in zip(windows, place)]
        found = [p for p in seen if p is not None]
        if len(found) == len(seen):
            total[(slice(None), *(s for _, s in found))] += parts[
                (slice(None), *(o for o, _ in found), *place)]
    return total.astype(g.dtype)


def _before(size: Any, out: Any, k: int, stride: int, rate: int, padding: str) -> Any:
    """Padding in front of an axis, by `+ - * // %`: max(needed, 0) // 2."""
    if padding == "VALID":
        return 0
    needed = (out - 1) * stride + (k - 1) * rate + 1 - size
    return needed * (1 + needed // _FAR) // 2


def _pixel(i: tuple, sizes: tuple, outs: tuple, attrs: dict[str, Any]) -> tuple:
    """The element of an image of `sizes` that element `i` of its patches is."""
    place = unravel_index(i[-1], (*attrs["ksizes"], sizes[-1]))
    space = [
        o * stride + at * rate - _before(size, out, k, stride, rate, attrs["padding"])
        for o, at, size, out, k, stride, rate in zip(
            i[1:-1], place, sizes[1:-1], outs[1:-1], attrs["ksizes"], attrs["strides"],
            attrs["rates"])]
    return (i[0], *space, place[-1])


def _attrs(k: Any, stride: Any, rate: Any, padding: str) -> dict[str, Any]:
    return {"ksizes": k, "strides": stride, "rates": rate, "padding": padding}


def _samples() -> list[Sample]:
    x = np.arange(36.0).reshape(1, 6, 3, 2) / 4 + 1
    return [
        Sample((x,), _attrs((2, 2), (1, 1), (1, 1), "VALID")),
        Sample((x,), _attrs((3, 2), (2, 1), (1, 2), "SAME")),
        Sample((x,), _attrs((2, 1), (3, 2), (2, 1), "VALID")),
        Sample((x[0],), _attrs((3,), (1,), (2,), "SAME")),
        Sample((x.reshape(1, 3, 2, 3, 2),), _attrs((2, 2, 2), (1, 2, 1), (1, 1, 1), "SAME")),
        Sample((np.zeros((0, 4, 4, 1)),), _attrs((2, 2), (2, 2), (1, 1), "SAME"))]


EXTRACT_PATCHES: OpDef = declare(
    "ExtractImagePatches", "images: any", attrs=_ATTRS, infer=_type, reference=_reference,
    grad=lambda F, op, g: [apply(PATCHES_GRAD, (g, F.shape(op.inputs[0])), op.attrs)],
    lowering=View(
        lambda i, ctx: _pixel(i, ctx.in_shapes[0], ctx.out_shapes[0], ctx.attrs),
        fill=lambda ctx: number_of(0, ctx.in_dtypes[0])),
    samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 1, 4, 3, 2),), _attrs((2, 4), (1, 1), (1, 1), "VALID"),
                    ShapeError, r"4 elements at rate 1 is longer than axis 2 of images \[1, 4"),
        ErrorSample((typed(dt.float32, 4, 3, 2),), _attrs((2, 2), (1, 1), (1, 1), "SAME"),
                    ShapeError, "rank 4"),
        ErrorSample((typed(dt.float32, 1, 4, 3, 2),), _attrs((2, 2), (1, 0), (1, 1), "SAME"),
                    AttributeValueError, r"strides must be 2 positive numbers, got \[1, 0\]"),
        ErrorSample((typed(dt.float32, 1, 4, 3, 2),), _attrs((2, 2), (1, 1), (1, 1), "FULL"),
                    AttributeValueError, "'SAME', 'VALID'")])


def _grad_type(c: Infer) -> list[TensorType]:
    rank = _check_attrs(c) + 2
    c.require_rank(0, rank)
    shape = shape_from_value(c, 1)
    if shape.rank is None:
        return [TensorType(c.dtype(0), unknown_shape(rank))]
    if shape.rank != rank:
        raise c.error(f"shape has {shape.rank} sizes, images have {rank} axes")
    expected = _patches_shape(c, shape.sizes, f"images {shape}")
    if not c.shape(0).is_compatible_with(expected):
        raise c.error(f"{c.show(0)} is not the shape of patches, {expected}")
    return [TensorType(c.dtype(0), shape)]


def _target(i: tuple, load: Any, ctx: LoweringContext) -> tuple:
    return _pixel(i, ctx.out_shapes[0], ctx.in_shapes[0], ctx.attrs)


def _inside(i: tuple, load: Any, ctx: LoweringContext) -> Any:
    """True where the pixel is no padding: as one comparison, of a sum of terms ≤ 0."""
    sizes = ctx.out_shapes[0]
    outside: Any = 0
    for p, size in zip(_target(i, load, ctx)[1:-1], sizes[1:-1]):
        outside = outside + p // _FAR + (size - 1 - p) // _FAR
    return outside >= 0


PATCHES_GRAD: OpDef = declare(
    "ExtractImagePatchesGrad", "g: T, shape: S", attrs=_ATTRS, infer=_grad_type,
    reference=_grad_reference,
    grad=lambda F, op, g: [apply(EXTRACT_PATCHES, (g,), op.attrs), None],
    lowering=Scatter(_target, updates=0, combine="add", initial=lambda ctx: 0, keep=_inside),
    samples=lambda: [
        Sample((_reference(s.inputs[0], **s.attrs) + 0.5,
                np.array(s.inputs[0].shape, np.int32)), s.attrs) for s in _samples()],
    errors=lambda: [ErrorSample(
        (typed(dt.float32, 1, 4, 3, 2), np.array([1, 4, 3, 2])),
        _attrs((2, 2), (1, 1), (1, 1), "SAME"), ShapeError,
        r"g \[1, 4, 3, 2\] is not the shape of patches, \[1, 4, 3, 8\]")],
    T=dt.NUMBERS, S=dt.INDICES)


# ---- the public functions --------------------------------------------------------------------


def _spatial(name: str | None, what: str, value: Any, rank: int) -> tuple[int, ...]:
    """The spatial entries of [1, …, 1]; `rank` is that of the images."""
    numbers = static_ints("ExtractImagePatches", name, what, value)
    if len(numbers) != rank or (numbers[0], numbers[-1]) != (1, 1):
        raise failure("ExtractImagePatches", name,
                      f"{what} must be {rank} numbers, the first and the last of them 1, got "
                      f"{list(numbers)}")
    return numbers[1:-1]


def _checked_padding(name: str | None, padding: Any) -> str:
    kind = str(padding).upper()
    if kind not in ("SAME", "VALID"):
        raise failure("ExtractImagePatches", name, f"padding must be SAME or VALID, got "
                                                   f"{padding!r}")
    return kind


@op_function
def extract_image_patches(
    images: Any, ksizes: Any = None, strides: Any = None, rates: Any = None, padding: Any = None,
    name: str | None = None, sizes: Any = None,
) -> Any:
    """Patches of images: what a window of ksizes sees at each stride, laid out as channels.

    images: [b, h, w, c]; ksizes, strides, rates: [1, rows, columns, 1], a rate being the step
      between the elements of a patch; padding: `SAME` or `VALID`
      → [b, h′, w′, rows·columns·c]. `sizes` is another name of `ksizes`.
    Raises ShapeError or AttributeValueError for arguments that do not fit.
    """
    size = renamed("ExtractImagePatches", "sizes", sizes, "ksizes", ksizes)
    attrs = {"ksizes": _spatial(name, "ksizes", size, 4),
             "strides": _spatial(name, "strides", strides, 4),
             "rates": _spatial(name, "rates", rates, 4),
             "padding": _checked_padding(name, padding)}
    return apply(EXTRACT_PATCHES, (images,), attrs, name=name)


@op_function
def extract_patches(
    images: Any, sizes: Any, strides: Any, rates: Any, padding: Any, name: str | None = None
) -> Any:
    """`extract_image_patches` under its later name."""
    return extract_image_patches(images, sizes, strides, rates, padding, name)


@op_function
def extract_volume_patches(
    input: Any, ksizes: Any, strides: Any, padding: str, name: str | None = None
) -> Any:
    """Patches of volumes: input [b, d, h, w, c]; ksizes and strides [1, planes, rows, columns, 1].

    → [b, d′, h′, w′, planes·rows·columns·c]; else as `extract_image_patches`.
    """
    attrs = {"ksizes": _spatial(name, "ksizes", ksizes, 5),
             "strides": _spatial(name, "strides", strides, 5), "rates": (1, 1, 1),
             "padding": _checked_padding(name, padding)}
    return apply(EXTRACT_PATCHES, (input,), attrs, name=name, default_name="ExtractVolumePatches")
