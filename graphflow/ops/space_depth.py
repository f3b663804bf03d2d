"""`space_to_depth` and `depth_to_space`: blocks of pixels become channels, and back.

With block size s, pixel (y·s + dy, x·s + dx) of channel c and element (y, x) of channel
(dy·s + dx)·C + c are the same, where C is the number of channels of the larger image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import SymDim, floordiv, mul
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, static_int, typed
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape, unknown_shape

_ATTRS = {"block_size": Attr("int"),
          "data_format": Attr("str", "NHWC", choices=("NHWC", "NCHW"))}


def _axes(data_format: str) -> tuple[int, int, int]:
    """The axes of height, width and channels."""
    return (1, 2, 3) if data_format == "NHWC" else (2, 3, 1)


def _checked_sizes(c: Infer) -> list[Any] | None:
    """The input's sizes, None if its rank is unknown. Raises for a wrong block size or rank."""
    if c.attrs["block_size"] < 2:
        raise c.error(f"block_size must be at least 2, got {c.attrs['block_size']}",
                      cls=AttributeValueError)
    c.require_rank(0, 4)
    return None if c.shape(0).rank is None else list(c.shape(0).sizes)


def _require_multiple(c: Infer, size: Any, block: int, what: str) -> None:
    if not isinstance(size, SymDim) and size % block:
        raise c.error(f"{what} must be a multiple of {block}, got {size}: {c.show(0)}")


def _space_to_depth_type(c: Infer) -> list[TensorType]:
    sizes, block = _checked_sizes(c), c.attrs["block_size"]
    if sizes is None:
        return [TensorType(c.dtype(0), unknown_shape(4))]
    height, width, depth = _axes(c.attrs["data_format"])
    for axis, what in ((height, "the height"), (width, "the width")):
        _require_multiple(c, sizes[axis], block, what)
        sizes[axis] = floordiv(sizes[axis], block)
    sizes[depth] = mul(sizes[depth], block * block)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _depth_to_space_type(c: Infer) -> list[TensorType]:
    sizes, block = _checked_sizes(c), c.attrs["block_size"]
    if sizes is None:
        return [TensorType(c.dtype(0), unknown_shape(4))]
    height, width, depth = _axes(c.attrs["data_format"])
    _require_multiple(c, sizes[depth], block * block, "the number of channels")
    sizes[depth] = floordiv(sizes[depth], block * block)
    sizes[height], sizes[width] = mul(sizes[height], block), mul(sizes[width], block)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _require_blocks(x: np.ndarray, fits: bool, block: int) -> None:
    if not fits:
        raise RunError(InvalidArgumentError,
                       f"input {list(x.shape)} does not divide into blocks of {block} × {block}")


def _space_to_depth(input: np.ndarray, block_size: int, data_format: str) -> np.ndarray:
    x = input if data_format == "NHWC" else np.moveaxis(input, 1, 3)
    n, h, w, depth = x.shape
    s = block_size
    _require_blocks(input, h % s == 0 and w % s == 0, s)
    x = x.reshape(n, h // s, s, w // s, s, depth).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(n, h // s, w // s, s * s * depth)
    return x if data_format == "NHWC" else np.moveaxis(x, 3, 1)


def _depth_to_space(input: np.ndarray, block_size: int, data_format: str) -> np.ndarray:
    x = input if data_format == "NHWC" else np.moveaxis(input, 1, 3)
    n, h, w, depth = x.shape
    s = block_size
    _require_blocks(input, depth % (s * s) == 0, s)
    x = x.reshape(n, h, w, s, s, depth // (s * s)).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(n, h * s, w * s, depth // (s * s))
    return x if data_format == "NHWC" else np.moveaxis(x, 3, 1)


def _pixel(i: tuple, ctx: LoweringContext) -> tuple:
    """The pixel that a channel of a block is."""
    height, width, depth = _axes(ctx.attrs["data_format"])
    block, channels = ctx.attrs["block_size"], ctx.in_shapes[0][depth]
    place = i[depth] // channels
    source = list(i)
    source[height] = i[height] * block + place // block
    source[width] = i[width] * block + place % block
    source[depth] = i[depth] % channels
    return tuple(source)


def _channel(i: tuple, ctx: LoweringContext) -> tuple:
    """The channel of a block that a pixel is."""
    height, width, depth = _axes(ctx.attrs["data_format"])
    block, channels = ctx.attrs["block_size"], ctx.out_shapes[0][depth]
    source = list(i)
    source[height], source[width] = i[height] // block, i[width] // block
    place = (i[height] % block) * block + i[width] % block
    source[depth] = place * channels + i[depth]
    return tuple(source)


SPACE_TO_DEPTH: OpDef = declare(
    "SpaceToDepth", "input: any", attrs=_ATTRS, infer=_space_to_depth_type,
    reference=_space_to_depth, grad=lambda F, op, g: [apply(DEPTH_TO_SPACE, (g,), op.attrs)],
    lowering=View(_pixel),
    samples=lambda: [
        Sample((np.arange(48.0).reshape(1, 4, 6, 2),), {"block_size": 2}),
        Sample((np.arange(48.0).reshape(2, 2, 2, 6),), {"block_size": 2, "data_format": "NCHW"}),
        Sample((np.zeros((0, 3, 6, 1)),), {"block_size": 3})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 1, 4, 5, 2),), {"block_size": 2}, ShapeError,
                    r"the width must be a multiple of 2, got 5: input \[1, 4, 5, 2\]"),
        ErrorSample((typed(dt.float32, 4, 4, 2),), {"block_size": 2}, ShapeError, "rank 4"),
        ErrorSample((typed(dt.float32, 1, 4, 4, 2),), {"block_size": 1}, AttributeValueError,
                    "block_size must be at least 2, got 1")])

DEPTH_TO_SPACE: OpDef = declare(
    "DepthToSpace", "input: any", attrs=_ATTRS, infer=_depth_to_space_type,
    reference=_depth_to_space, grad=lambda F, op, g: [apply(SPACE_TO_DEPTH, (g,), op.attrs)],
    lowering=View(_channel),
    samples=lambda: [
        Sample((np.arange(48.0).reshape(1, 2, 3, 8),), {"block_size": 2}),
        Sample((np.arange(36.0).reshape(1, 9, 2, 2),), {"block_size": 3, "data_format": "NCHW"}),
        Sample((np.zeros((2, 0, 2, 4)),), {"block_size": 2})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 1, 4, 5, 6),), {"block_size": 2}, ShapeError,
                    r"the number of channels must be a multiple of 4, got 6"),
        ErrorSample((typed(dt.float32, 4),), {"block_size": 2}, ShapeError, "rank 4")])


def _attrs(op: str, name: str | None, block_size: Any, data_format: str | None) -> dict[str, Any]:
    kind = data_format or "NHWC"
    if kind not in ("NHWC", "NCHW"):
        raise failure(op, name, f"data_format must be NHWC or NCHW, got {data_format!r}")
    return {"block_size": static_int(op, name, "block_size", block_size), "data_format": kind}


@op_function
def space_to_depth(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Any:
    """Blocks of `block_size` × `block_size` pixels as the channels of one.

    input: [n, h, w, c], or [n, c, h, w] for data_format `NCHW`; h and w are multiples of the
      block size s ≥ 2 → [n, h/s, w/s, s²·c]. Raises ShapeError or AttributeValueError.
    """
    attrs = _attrs("SpaceToDepth", name, block_size, data_format)
    return apply(SPACE_TO_DEPTH, (input,), attrs, name=name)


@op_function
def depth_to_space(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Any:
    """Channels spread over blocks of `block_size` × `block_size` pixels: sub-pixel upsampling.

    input: [n, h, w, s²·c], or [n, s²·c, h, w] for data_format `NCHW` → [n, h·s, w·s, c]; the
      inverse of `space_to_depth`. Raises ShapeError or AttributeValueError.
    """
    attrs = _attrs("DepthToSpace", name, block_size, data_format)
    return apply(DEPTH_TO_SPACE, (input,), attrs, name=name)
