"""Selection by a boolean mask."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.dims import product
from graphflow.errors import AttributeValueError, DTypeError, ShapeError
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape


@op_function
def boolean_mask(
    tensor: Any, mask: Any, name: str | None = "boolean_mask", axis: int | None = None
) -> Any:
    """The slices of `tensor` where `mask` is true, in row-major order of the mask.

    tensor: [d0, d1, …]; mask: booleans of known rank k ≥ 1, whose shape is that of k axes of
      `tensor` from `axis` (0 by default) on; these become one axis, as long as there are trues.
    Raises DTypeError if `mask` is not boolean, ShapeError if it is a scalar, of unknown rank, or
    does not fit, AttributeValueError if `axis` is not a number.
    """
    tensor, mask = convert(tensor), convert(mask)
    if not mask.dtype.is_bool:
        raise DTypeError(f"boolean_mask: mask must be bool, got {mask!r}. Use mask != 0.")
    rank = mask.shape.rank
    if not rank:
        raise ShapeError(
            f"boolean_mask: mask must have a known rank of at least 1, got {mask!r}.")
    start = _first_axis(tensor, axis)
    _check_mask(tensor, mask, start, rank)
    with scope(name, "boolean_mask"):
        flat = _merge_axes(tensor, start, rank)
        places = F.reshape(F.where(F.reshape(mask, [-1])), [-1])
        return F.gather(flat, places, axis=start)


def _first_axis(tensor: Any, axis: Any) -> int:
    if axis is None:
        return 0
    if hasattr(axis, "symbolic_value"):
        axis = axis.symbolic_value
    try:
        axis = int(axis)
    except (TypeError, ValueError):
        raise AttributeValueError("boolean_mask: axis must be known when it is built.") from None
    if axis >= 0:
        return axis
    if tensor.shape.rank is None:
        raise ShapeError("boolean_mask: a negative axis needs a tensor of known rank.")
    return axis + tensor.shape.rank


def _check_mask(tensor: Any, mask: Any, start: int, rank: int) -> None:
    shape = tensor.shape
    if shape.rank is None:
        return
    covered = shape[start:start + rank]
    if start + rank > shape.rank or not covered.is_compatible_with(mask.shape):
        raise ShapeError(
            f"boolean_mask: the shape of mask {mask.shape} is not that of the axes {start} to "
            f"{start + rank - 1} of tensor {shape}.")


def _merge_axes(tensor: Any, start: int, rank: int) -> Any:
    """`tensor` with `rank` axes from `start` on made one."""
    if rank == 1:
        return tensor
    if tensor.shape.rank is not None:
        sizes = tensor.shape.sizes
        merged = TensorShape.of(
            (*sizes[:start], product(sizes[start:start + rank]), *sizes[start + rank:]))
        if merged.is_fully_defined():
            return F.reshape(tensor, merged.as_list())
    shape = F.shape(tensor)
    count = F.reduce_prod(shape[start:start + rank], keepdims=True)
    return F.reshape(tensor, F.concat([shape[:start], count, shape[start + rank:]], 0))
