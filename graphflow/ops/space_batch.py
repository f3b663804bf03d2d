"""`space_to_batch` and `batch_to_space`: positions within blocks become batch entries, and back.

With block sizes s and `paddings` [before, after] around the axes 1 … m, position p of the padded
axes and element p // s of the batch entry (p mod s, row-major)·B + b are the same. Atrous
convolution is a convolution between the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import SymDim, add, floordiv, mul
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, static_ints, static_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.index_maps import linear_index, unravel_index
from graphflow.ops.numerics import number_of
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

Pairs = tuple[tuple[int, int], ...]


def _checked(c: Infer, what: str) -> tuple[tuple[int, ...], Pairs]:
    """Block sizes and pairs. Raises AttributeValueError or ShapeError if they are wrong."""
    block, pairs = c.attrs["block_shape"], c.attrs[what]
    if any(s < 1 for s in block):
        raise c.error(f"block_shape must be positive, got {list(block)}", cls=AttributeValueError)
    if len(pairs) != len(block):
        raise c.error(f"{what} is [{len(pairs)}, 2], but block_shape has {len(block)} entries",
                      cls=AttributeValueError)
    if any(n < 0 for pair in pairs for n in pair):
        raise c.error(f"{what} must not be negative, got {[list(p) for p in pairs]}",
                      cls=AttributeValueError)
    c.require_rank(0, at_least=1 + len(block))
    return block, pairs


def _space_to_batch_type(c: Infer) -> list[TensorType]:
    block, pairs = _checked(c, "paddings")
    if c.shape(0).rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    sizes = list(c.shape(0).sizes)
    for axis, (s, (before, after)) in enumerate(zip(block, pairs), 1):
        padded = add(sizes[axis], before + after)
        if not isinstance(padded, SymDim) and padded % s:
            raise c.error(f"axis {axis} has {padded} elements with its padding, which blocks of "
                          f"{s} do not divide: {c.show(0)}, paddings {[list(p) for p in pairs]}",
                          "gf.required_space_to_batch_paddings gives paddings that fit.")
        sizes[axis] = floordiv(padded, s)
        sizes[0] = mul(sizes[0], s)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _batch_to_space_type(c: Infer) -> list[TensorType]:
    block, crops = _checked(c, "crops")
    if c.shape(0).rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    sizes = list(c.shape(0).sizes)
    count = int(np.prod(block, dtype=np.int64))
    if not isinstance(sizes[0], SymDim) and sizes[0] % count:
        raise c.error(f"the batch size must be a multiple of {count}, the elements of a block, "
                      f"got {c.show(0)}")
    sizes[0] = floordiv(sizes[0], count)
    for axis, (s, (before, after)) in enumerate(zip(block, crops), 1):
        kept = add(mul(sizes[axis], s), -before - after)
        if not isinstance(kept, SymDim) and kept < 0:
            raise c.error(f"crops {[before, after]} are more than axis {axis} has: {c.show(0)}")
        sizes[axis] = kept
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _space_to_batch(
    input: np.ndarray, block_shape: tuple[int, ...], paddings: Pairs
) -> np.ndarray:
    spatial, rest = len(block_shape), input.shape[1 + len(block_shape):]
    fill = number_of(0, dt.array_dtype(input))
    sizes = [n + b + a for n, (b, a) in zip(input.shape[1:], paddings)]
    padded = np.full((len(input), *sizes, *rest), fill, input.dtype)
    inside = tuple(slice(b, b + n) for n, (b, _) in zip(input.shape[1:], paddings))
    padded[(slice(None), *inside)] = input
    if any(n % s for n, s in zip(sizes, block_shape)):
        raise RunError(InvalidArgumentError, f"blocks of {list(block_shape)} do not divide the "
                                             f"padded sizes {sizes}")
    blocks = [part for n, s in zip(sizes, block_shape) for part in (n // s, s)]
    x = padded.reshape(len(input), *blocks, *rest)
    within = [2 + 2 * k for k in range(spatial)]
    outer = [1 + 2 * k for k in range(spatial)]
    x = x.transpose(*within, 0, *outer, *range(1 + 2 * spatial, x.ndim))
    batch = len(input) * int(np.prod(block_shape, dtype=np.int64))
    return x.reshape(batch, *(n // s for n, s in zip(sizes, block_shape)), *rest)


def _batch_to_space(input: np.ndarray, block_shape: tuple[int, ...], crops: Pairs) -> np.ndarray:
    spatial, count = len(block_shape), int(np.prod(block_shape, dtype=np.int64))
    sizes, rest = input.shape[1:1 + spatial], input.shape[1 + spatial:]
    whole = [n * s for n, s in zip(sizes, block_shape)]
    if len(input) % count or any(b + a > n for n, (b, a) in zip(whole, crops)):
        raise RunError(InvalidArgumentError, f"input {list(input.shape)} does not fit blocks of "
                                             f"{list(block_shape)} with crops {list(crops)}")
    x = input.reshape(*block_shape, len(input) // count, *sizes, *rest)
    mixed = [axis for k in range(spatial) for axis in (spatial + 1 + k, k)]
    x = x.transpose(spatial, *mixed, *range(1 + 2 * spatial, x.ndim))
    x = x.reshape(len(input) // count, *whole, *rest)
    return x[(slice(None), *(slice(b, n - a) for n, (b, a) in zip(whole, crops)))]


def _position(i: tuple, ctx: LoweringContext) -> tuple:
    """The position in space that an element of a batch entry is, before padding."""
    block, batch = ctx.attrs["block_shape"], ctx.in_shapes[0][0]
    offsets = unravel_index(i[0] // batch, block)
    space = tuple(k * s + offset - before for k, s, offset, (before, _) in zip(
        i[1:], block, offsets, ctx.attrs["paddings"]))
    return (i[0] % batch, *space, *i[1 + len(block):])


def _entry(i: tuple, ctx: LoweringContext) -> tuple:
    """The element of a batch entry that a position in space is."""
    block = ctx.attrs["block_shape"]
    places = [k + before for k, (before, _) in zip(i[1:], ctx.attrs["crops"])]
    offset = linear_index([p % s for p, s in zip(places, block)], block)
    return (offset * ctx.out_shapes[0][0] + i[0], *(p // s for p, s in zip(places, block)),
            *i[1 + len(block):])


SPACE_TO_BATCH: OpDef = declare(
    "SpaceToBatchND", "input: any",
    attrs={"block_shape": Attr("ints"), "paddings": Attr("pairs")},
    infer=_space_to_batch_type, reference=_space_to_batch,
    grad=lambda F, op, g: [apply(BATCH_TO_SPACE, (g,), {
        "block_shape": op.attrs["block_shape"], "crops": op.attrs["paddings"]})],
    lowering=View(_position, fill=lambda ctx: number_of(0, ctx.in_dtypes[0])),
    samples=lambda: [
        Sample((np.arange(24.0).reshape(1, 4, 6, 1) + 1,),
               {"block_shape": (2, 3), "paddings": ((0, 0), (0, 0))}),
        Sample((np.arange(12.0).reshape(2, 3, 2) + 1,),
               {"block_shape": (2,), "paddings": ((2, 1),)}),
        Sample((np.arange(12.0).reshape(1, 3, 4) + 1,),
               {"block_shape": (1, 2), "paddings": ((0, 1), (1, 1))}),
        Sample((np.zeros((0, 4)),), {"block_shape": (2,), "paddings": ((0, 0),)}),
        Sample((np.arange(4.0),), {"block_shape": (), "paddings": ()})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 1, 5, 2),),
                    {"block_shape": (2,), "paddings": ((0, 0),)}, ShapeError,
                    "axis 1 has 5 elements with its padding, which blocks of 2 do not divide"),
        ErrorSample((typed(dt.float32, 1, 4),),
                    {"block_shape": (2, 2), "paddings": ((0, 0), (0, 0))}, ShapeError,
                    "rank at least 3"),
        ErrorSample((typed(dt.float32, 1, 4),), {"block_shape": (2,), "paddings": ()},
                    AttributeValueError, r"paddings is \[0, 2\], but block_shape has 1 entries"),
        ErrorSample((typed(dt.float32, 1, 4),),
                    {"block_shape": (0,), "paddings": ((0, 0),)}, AttributeValueError,
                    "block_shape must be positive")])

BATCH_TO_SPACE: OpDef = declare(
    "BatchToSpaceND", "input: any",
    attrs={"block_shape": Attr("ints"), "crops": Attr("pairs")},
    infer=_batch_to_space_type, reference=_batch_to_space,
    grad=lambda F, op, g: [apply(SPACE_TO_BATCH, (g,), {
        "block_shape": op.attrs["block_shape"], "paddings": op.attrs["crops"]})],
    lowering=View(_entry),
    samples=lambda: [
        Sample((np.arange(24.0).reshape(6, 2, 2, 1),),
               {"block_shape": (2, 3), "crops": ((0, 0), (0, 0))}),
        Sample((np.arange(24.0).reshape(4, 3, 2),), {"block_shape": (2,), "crops": ((2, 1),)}),
        Sample((np.zeros((0, 4)),), {"block_shape": (2,), "crops": ((0, 0),)})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 5, 4),), {"block_shape": (2,), "crops": ((0, 0),)},
                    ShapeError, r"multiple of 2, the elements of a block, got input \[5, 4\]"),
        ErrorSample((typed(dt.float32, 4, 1),), {"block_shape": (2,), "crops": ((2, 1),)},
                    ShapeError, r"crops \[2, 1\] are more than axis 1 has")])


# ---- the public functions --------------------------------------------------------------------


def _static_pairs(op: str, name: str | None, what: str, value: Any) -> Pairs:
    known = static_value(value)
    if known is None:
        raise failure(op, name, f"{what} must be known while the graph is built, got {value!r}")
    if known.size == 0:
        return ()
    if known.ndim != 2 or known.shape[1] != 2 or known.dtype.kind not in "iu":
        raise failure(op, name, f"{what} must be [m, 2] integers, got shape {list(known.shape)}",
                      cls=ShapeError)
    return tuple((int(before), int(after)) for before, after in known)


@op_function
def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Any:
    """Positions within blocks of the (zero-padded) axes 1 … m become batch entries.

    input: [b, d₁ … dₘ, rest…]; block_shape: m integers s; paddings: [m, 2], known while
      building → [b·Πs, (dₖ + paddings)/sₖ …, rest…].
    Raises ShapeError if blocks do not divide a padded axis, AttributeValueError for arguments
    that are wrong or computed at run time.
    """
    attrs = {"block_shape": static_ints("SpaceToBatchND", name, "block_shape", block_shape),
             "paddings": _static_pairs("SpaceToBatchND", name, "paddings", paddings)}
    return apply(SPACE_TO_BATCH, (input,), attrs, name=name)


@op_function
def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Any:
    """The inverse of `space_to_batch_nd`, with `crops` cut off what it gives.

    input: [b·Πs, d₁ … dₘ, rest…] → [b, dₖ·sₖ − crops …, rest…]. Raises ShapeError or
    AttributeValueError if the arguments do not fit.
    """
    attrs = {"block_shape": static_ints("BatchToSpaceND", name, "block_shape", block_shape),
             "crops": _static_pairs("BatchToSpaceND", name, "crops", crops)}
    return apply(BATCH_TO_SPACE, (input,), attrs, name=name)


def _square(op: str, name: str | None, block_size: Any, block_shape: Any) -> Any:
    """Block sizes from the old argument (a number for both axes) or the new one."""
    given = block_size if block_shape is None else block_shape
    if given is None or (block_size is not None and block_shape is not None):
        raise failure(op, name, "give one of block_size and block_shape")
    known = static_ints(op, name, "block_size", given)
    return known * 2 if len(known) == 1 and np.ndim(given) == 0 else known


@op_function
def space_to_batch(
    input: Any, paddings: Any, block_size: Any = None, name: str | None = None,
    block_shape: Any = None,
) -> Any:
    """`space_to_batch_nd` of images [b, h, w, c] with blocks of block_size × block_size."""
    block = _square("SpaceToBatch", name, block_size, block_shape)
    return space_to_batch_nd(input, block, paddings, name=name)


@op_function
def batch_to_space(
    input: Any, crops: Any, block_size: Any, name: str | None = None, block_shape: Any = None
) -> Any:
    """`batch_to_space_nd` of images [b, h, w, c] with blocks of block_size × block_size."""
    block = _square("BatchToSpace", name, block_size, block_shape)
    return batch_to_space_nd(input, block, crops, name=name)


@op_function
def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Any, Any]:
    """Paddings that make blocks divide the padded sizes, and the crops that undo the excess.

    input_shape, block_shape: m integers; base_paddings: [m, 2], the least paddings (none by
      default), all known while building → (paddings, crops), constants [m, 2] int32.
    Raises AttributeValueError or ShapeError for arguments that do not fit.
    """
    from graphflow.ops.leaves import constant

    op = "required_space_to_batch_paddings"
    sizes = static_ints(op, name, "input_shape", input_shape)
    block = static_ints(op, name, "block_shape", block_shape)
    base = _static_pairs(op, name, "base_paddings", base_paddings) if (
        base_paddings is not None) else ((0, 0),) * len(block)
    if not len(sizes) == len(block) == len(base):
        raise failure(op, name, f"got {len(sizes)} sizes, {len(block)} block sizes and "
                      f"{len(base)} base paddings", cls=ShapeError)
    extra = [-(n + before + after) % s for n, s, (before, after) in zip(sizes, block, base)]
    paddings = [[before, after + more] for (before, after), more in zip(base, extra)]
    crops = [[0, more] for more in extra]
    as_pairs = [np.array(p, np.int32).reshape(len(block), 2) for p in (paddings, crops)]
    return constant(as_pairs[0], name="paddings"), constant(as_pairs[1], name="crops")
