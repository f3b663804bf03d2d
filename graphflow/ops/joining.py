"""Tensors put together along an axis: concat and stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim, add, fresh, fresh_integer
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Join, LoweringContext
from graphflow.opdef import (
    MAX_SYMBOLIC_ELEMENTS,
    Attr,
    ErrorSample,
    Infer,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import (
    failure,
    holds_tensor,
    is_tensor,
    static_int,
    typed,
)
from graphflow.ops.declare import declare
from graphflow.ops.shape_ops import size_over
from graphflow.shapes import TensorShape

_AXIS = Attr("int", 0)


def _values(op: str, name: str | None, values: Any) -> list[Any]:
    """The inputs: lists with tensors in them are stacked, in the dtype of the first tensor.

    Numbers and arrays are left to `apply`, which gives them the dtype of the tensors beside.
    """
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        raise failure(op, name, "needs at least one tensor", "The list is empty.", ShapeError)
    if not any(isinstance(v, (list, tuple)) and holds_tensor(v) for v in values):
        return list(values)
    dtype = _dtype_in(values)
    label = f"{(name or 'stack').rstrip('/')}/values"
    return [v if is_tensor(v) else convert(v, dtype, f"{label}_{i}") for i, v in enumerate(values)]


def _dtype_in(values: Sequence[Any]) -> Any:
    """The dtype of the first tensor in a nested list, or None."""
    for value in values:
        if isinstance(value, (list, tuple)):
            found = _dtype_in(value)
            if found is not None:
                return found
        elif is_tensor(value):
            return value.dtype
    return None


def own_axis(axis: int, rank: int) -> int:
    """`axis` as a non-negative number, for references. Raises RunError if it is outside."""
    if not -rank <= axis < rank:
        raise RunError(InvalidArgumentError, f"axis {axis} is outside [{-rank}, {rank})")
    return axis % rank


def _agreed(c: Infer, shapes: Sequence[TensorShape], skip: int | None) -> list[Dim] | None:
    """The sizes that all inputs share (axis `skip` left as it is); None if no rank is known.

    Raises ShapeError if ranks or sizes are known to differ.
    """
    agreed: list[Dim] | None = None
    first = 0
    for k, shape in enumerate(shapes):
        if shape.rank is None:
            continue
        if agreed is None:
            agreed, first = list(shape.sizes), k
            continue
        if shape.rank != len(agreed):
            raise c.error(f"ranks differ: {c.show(first)}, {c.show(k)}")
        for a, size in enumerate(shape.sizes):
            if a != skip:
                agreed[a] = c.require_same(
                    agreed[a], size, f"sizes differ along axis {a}: {c.show(first)}, {c.show(k)}")
    return agreed


def _joined_value(reference: Callable[..., np.ndarray]) -> Callable[[Infer], list[Any]]:
    """The numbers of a vector that is put together; an integer of its own for each unknown one.

    `reference` joins the parts. Nothing is known of such an integer, not even that it is not
    −1, and every vector has others, but what stands beside it stays known.
    """
    def values(c: Infer) -> list[Any]:
        if all(v is None for v in c.values):
            return [None]
        parts = [_known_part(t.shape) if v is None else v for t, v in zip(c.types, c.values)]
        return [None if any(p is None for p in parts) else reference(*parts, **c.attrs)]

    return values


def _known_part(shape: TensorShape) -> np.ndarray | None:
    """Fresh integers for an input of which only the shape is known; None if that is not."""
    count = shape.num_elements()
    if count is None or len(shape.sizes) > 1 or count > MAX_SYMBOLIC_ELEMENTS:
        return None
    fresh_numbers = [fresh_integer() for _ in range(count)]
    return np.array(fresh_numbers if shape.rank else fresh_numbers[0], object)


# ---- concat ----------------------------------------------------------------------------------


def _concat_type(c: Infer) -> list[TensorType]:
    shapes = [t.shape for t in c.types]
    rank = next((s.rank for s in shapes if s.rank is not None), None)
    if rank is None:
        return [TensorType(c.dtype(0))]
    if rank == 0:
        raise c.error(f"scalars cannot be concatenated: {c.show(0)}", "Use gf.stack instead.")
    axis = c.axis(c.attrs["axis"], rank)
    sizes = _agreed(c, shapes, axis)
    assert sizes is not None  # a rank is known
    total: Dim = 0
    for shape in shapes:
        total = add(total, shape.sizes[axis] if shape.rank is not None else fresh())
    sizes[axis] = total
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _concat_reference(*values: np.ndarray, axis: int) -> np.ndarray:
    try:
        return np.concatenate(values, axis=own_axis(axis, values[0].ndim))
    except ValueError:
        shown = ", ".join(str(list(v.shape)) for v in values)
        raise RunError(InvalidArgumentError,
                       f"sizes differ in another axis than {axis}: {shown}") from None


def _concat_grad(F: Any, op: Any, g: Any) -> list[Any]:
    if len(op.inputs) == 1:
        return [g]
    axis = op.attrs["axis"]
    sizes = [size_over(v, (axis,)) for v in op.inputs]
    return list(F.split(g, sizes, axis))


def _concat_place(k: int, index: tuple, ctx: LoweringContext) -> tuple:
    axis = ctx.attrs["axis"] % len(index)
    offset = sum(ctx.in_shapes[j][axis] for j in range(k))
    return (*index[:axis], index[axis] + offset, *index[axis + 1:])


CONCAT = declare(
    "ConcatV2", "values: *T", attrs={"axis": _AXIS}, infer=_concat_type,
    reference=_concat_reference, grad=_concat_grad, lowering=Join(_concat_place),
    symbolic=_joined_value(_concat_reference),
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3), np.arange(3.0).reshape(1, 3)), {"axis": 0}),
        Sample((np.arange(6.0).reshape(2, 3), np.arange(4.0).reshape(2, 2), np.zeros((2, 0))),
               {"axis": -1}),
        Sample((np.arange(3.0),), {"axis": 0})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.float32, 3, 2)), {"axis": 0}, ShapeError,
                    r"sizes differ along axis 1: values\[0\] \[2, 3\], values\[1\] \[3, 2\]"),
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.float32, 2)), {"axis": 0}, ShapeError,
                    "ranks differ"),
        ErrorSample((typed(dt.float32),), {"axis": 0}, ShapeError, "Use gf.stack"),
        ErrorSample((typed(dt.float32, 2),), {"axis": 1}, AttributeValueError, "axis 1 is out")],
    T=dt.ALL)


@op_function
def concat(values: Any, axis: Any, name: str | None = "concat") -> Any:
    """The tensors one after the other along `axis`, which must be known while building.

    values: tensors of one dtype whose shapes agree but along `axis`.
    Raises ShapeError if they do not, or if they are scalars.
    """
    if isinstance(values, int) or (isinstance(axis, (list, tuple)) and len(axis) != 1):
        raise failure("ConcatV2", name, f"axis must be one integer, got {axis!r}",
                      "The order of arguments is concat(values, axis).")
    values = _values("ConcatV2", name, values)
    axis = static_int("ConcatV2", name, "axis", axis)
    return apply(CONCAT, values, {"axis": axis}, name=name, default_name="concat")


# ---- stack -----------------------------------------------------------------------------------


def _stack_type(c: Infer) -> list[TensorType]:
    sizes = _agreed(c, [t.shape for t in c.types], None)
    if sizes is None:
        return [TensorType(c.dtype(0))]
    axis = c.axis(c.attrs["axis"], len(sizes) + 1)
    sizes.insert(axis, len(c.types))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _stack_reference(*values: np.ndarray, axis: int) -> np.ndarray:
    shapes = {np.shape(v) for v in values}
    if len(shapes) > 1:
        shown = ", ".join(str(list(np.shape(v))) for v in values)
        raise RunError(InvalidArgumentError, f"shapes differ: {shown}")
    return np.stack(values, axis=own_axis(axis, np.ndim(values[0]) + 1))


def _stack_place(k: int, index: tuple, ctx: LoweringContext) -> tuple:
    axis = ctx.attrs["axis"] % (len(index) + 1)
    return (*index[:axis], k, *index[axis:])


STACK = declare(
    "Pack", "values: *T", attrs={"axis": _AXIS}, infer=_stack_type, reference=_stack_reference,
    grad=lambda F, op, g: list(F.unstack(g, len(op.inputs), op.attrs["axis"])),
    lowering=Join(_stack_place), symbolic=_joined_value(_stack_reference),
    samples=lambda: [
        Sample((np.array(1.0), np.array(2.0), np.array(3.0))),
        Sample((np.arange(6.0).reshape(2, 3), -np.arange(6.0).reshape(2, 3)), {"axis": -1}),
        Sample((np.arange(3.0), np.ones(3)), {"axis": 1}), Sample((np.zeros((0, 2)),))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2), typed(dt.float32, 3)), {}, ShapeError,
                    r"sizes differ along axis 0: values\[0\] \[2\], values\[1\] \[3\]"),
        ErrorSample((typed(dt.float32, 2),), {"axis": 2}, AttributeValueError, "axis 2 is out")],
    T=dt.ALL)


@op_function
def stack(values: Any, axis: int = 0, name: str | None = "stack") -> Any:
    """Tensors of one shape put together along a new axis: N of shape [...] give [..., N, ...].

    A list of Python values becomes one constant. Raises ShapeError if the shapes differ.
    """
    if axis == 0 and not holds_tensor(values) and np.size(values) > 0:
        return F.constant(values, name=name or "stack")
    if is_tensor(values):
        values = F.unstack(values)
    return apply(STACK, _values("Pack", name, values),
                 {"axis": static_int("Pack", name, "axis", axis)}, name=name,
                 default_name="stack")


@op_function
def parallel_stack(values: Any, name: str | None = "parallel_stack") -> Any:
    """`stack(values, axis=0)`."""
    return stack(list(values), 0, name or "parallel_stack")
