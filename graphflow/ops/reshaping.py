"""The same elements under another shape: reshape, expand_dims, squeeze, ensure_shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.dims import Dim, SymDim, equal, floordiv, fresh, never_negative, product, same
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, Pointwise, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import (
    failure,
    renamed,
    shape_argument,
    shape_from_value,
    static_int,
    static_ints,
    typed,
)
from graphflow.ops.declare import declare
from graphflow.ops.index_maps import linear_index, unravel_index
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape, as_shape


def _same_position(i: tuple, ctx: LoweringContext) -> tuple:
    """The input element at the row-major position of output element `i`."""
    return unravel_index(linear_index(i, ctx.out_shapes[0]), ctx.in_shapes[0])


# ---- reshape ---------------------------------------------------------------------------------


def _reshape_type(c: Infer) -> list[TensorType]:
    target = shape_from_value(c, 1, free=lambda size: size == -1)
    value = c.value(1)
    if value is None:
        return [TensorType(c.dtype(0), target)]
    wanted = value.tolist()
    if wanted.count(-1) > 1:
        raise c.error(f"only one size may be -1, got {wanted}")
    symbols = [i for i, d in enumerate(wanted) if isinstance(d, SymDim)]
    if len(symbols) == 1 and not never_negative(wanted[symbols[0]]) and not {0, -1} & {*wanted}:
        # Whether it turns out to be -1 or the very number, it is what is left over.
        wanted[symbols[0]] = -1
    total = None if c.shape(0).rank is None else product(c.shape(0).sizes)
    rest = product([d for d in wanted if isinstance(d, SymDim) or d != -1])
    if -1 not in wanted:
        if total is not None and equal(total, rest) is False:
            raise c.error(_mismatch(c, wanted, total, rest))
        return [TensorType(c.dtype(0), target)]
    sizes = list(target.sizes)
    sizes[wanted.index(-1)] = _inferred_size(c, wanted, total, rest)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _mismatch(c: Infer, wanted: list[Any], total: Dim, rest: Dim) -> str:
    return (f"cannot reshape {c.shape(0)} ({total} elements) into "
            f"[{', '.join(map(str, wanted))}] ({rest} elements)")


def _inferred_size(c: Infer, wanted: list[Any], total: Dim | None, rest: Dim) -> Dim:
    """The size that −1 stands for, as far as it follows."""
    if isinstance(rest, int) and rest == 0:
        raise c.error("cannot infer the size -1 where another size is 0: "
                      f"{c.shape(0)} into {wanted}")
    if total is None:
        return fresh()
    if isinstance(total, int) and isinstance(rest, int) and total % rest:
        raise c.error(f"cannot reshape {c.shape(0)} ({total} elements) into {wanted}: "
                      f"{total} is not a multiple of {rest}")
    quotient = floordiv(total, rest)
    # An inexact quotient by a symbol would divide by zero where that symbol is 0.
    exact = not isinstance(rest, SymDim) or equal(quotient * rest, total)
    return quotient if exact else fresh()


def _reshape_reference(tensor: np.ndarray, shape: np.ndarray) -> np.ndarray:
    sizes = [int(d) for d in shape]
    rest = int(np.prod([d for d in sizes if d != -1], dtype=np.int64))
    problem = f"cannot reshape {list(tensor.shape)} ({tensor.size} elements) into {sizes}"
    if sizes.count(-1) > 1 or any(d < -1 for d in sizes):
        raise RunError(InvalidArgumentError, f"{sizes} is not a shape")
    if -1 in sizes and rest == 0:
        raise RunError(InvalidArgumentError,
                       f"{problem}: -1 cannot be inferred where another size is 0")
    if -1 in sizes and tensor.size % rest:
        raise RunError(InvalidArgumentError,
                       f"{problem}: {tensor.size} is not a multiple of {rest}")
    if -1 not in sizes and rest != tensor.size:
        raise RunError(InvalidArgumentError, f"{problem} ({rest} elements)")
    return tensor.reshape(sizes)


RESHAPE = declare(
    "Reshape", "tensor: any, shape: S", infer=_reshape_type, reference=_reshape_reference,
    grad=lambda F, op, g: [F.reshape(g, F.shape(op.inputs[0])), None],
    lowering=View(_same_position, contiguous=True), symbolic=True,
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3), np.array([3, 2], np.int32))),
        Sample((np.arange(6.0).reshape(2, 3), np.array([-1], np.int64))),
        Sample((np.array(2.5), np.array([1, 1], np.int32))),
        Sample((np.array([2.5]), np.array([], np.int32))),
        Sample((np.zeros((0, 3)), np.array([3, 0, 2], np.int32))),
        Sample((np.arange(24.0).reshape(2, 3, 4), np.array([4, -1, 2], np.int32)))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), np.array([4, 2])), {}, ShapeError,
                    r"cannot reshape \[2, 3\] \(6 elements\) into \[4, 2\] \(8 elements\)"),
        ErrorSample((typed(dt.float32, 2, 3), np.array([-1, 4])), {}, ShapeError,
                    "6 is not a multiple of 4"),
        ErrorSample((typed(dt.float32, 2, 3), np.array([-1, -1])), {}, ShapeError, "only one"),
        ErrorSample((typed(dt.float32, 2, 3), np.array([-2, 3])), {}, ShapeError, "negative"),
        ErrorSample((typed(dt.float32, 2, 3), np.array(6)), {}, ShapeError, "rank 1")],
    S=dt.INDICES)


@op_function
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Any:
    """The elements of `tensor`, in row-major order, under another shape.

    shape: a vector of sizes, known or computed when the graph runs; one of them may be −1 and is
      then what is left over. A list may mix numbers and scalar tensors.
    Raises ShapeError (InvalidArgumentError at run time) if the numbers of elements differ.
    """
    return apply(RESHAPE, (tensor, shape_argument("Reshape", name, shape)), name=name)


# ---- expand_dims -----------------------------------------------------------------------------


def _new_axes(axis: tuple[int, ...], out_rank: int) -> list[int]:
    return sorted(a % out_rank for a in axis)


def _expand_dims_type(c: Infer) -> list[TensorType]:
    axis, rank = c.attrs["axis"], c.shape(0).rank
    if rank is None:
        return [TensorType(c.dtype(0))]
    out_rank = rank + len(axis)
    for a in axis:
        if not -out_rank <= a < out_rank:
            raise c.error(f"axis {a} is outside [{-out_rank}, {out_rank}) for {c.show(0)}",
                          cls=AttributeValueError)
    sizes = list(c.shape(0).sizes)
    for a in _new_axes(axis, out_rank):
        sizes.insert(a, 1)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _expand_dims_reference(input: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    out_rank = input.ndim + len(axis)
    if any(not -out_rank <= a < out_rank for a in axis):
        raise RunError(InvalidArgumentError,
                       f"axis {list(axis)} is outside [{-out_rank}, {out_rank})")
    return np.expand_dims(input, axis)


def _without_new_axes(i: tuple, ctx: LoweringContext) -> tuple:
    new = _new_axes(ctx.attrs["axis"], len(i))
    return tuple(v for k, v in enumerate(i) if k not in new)


EXPAND_DIMS = declare(
    "ExpandDims", "input: any", attrs={"axis": Attr("ints")}, infer=_expand_dims_type,
    reference=_expand_dims_reference,
    grad=lambda F, op, g: [apply(SQUEEZE, (g,), {"axis": op.attrs["axis"]})],
    lowering=View(_without_new_axes, contiguous=True), symbolic=True,
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3),), {"axis": (0,)}),
        Sample((np.arange(6.0).reshape(2, 3),), {"axis": (-1,)}),
        Sample((np.arange(6.0).reshape(2, 3),), {"axis": (0, -1)}),
        Sample((np.array(2.0),), {"axis": (-1,)}), Sample((np.zeros((0, 2)),), {"axis": (1,)})],
    errors=lambda: [ErrorSample((typed(dt.float32, 2, 3),), {"axis": (3,)}, AttributeValueError,
                                r"axis 3 is outside \[-3, 3\)")])


@op_function
def expand_dims(
    input: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Any:
    """`input` with an axis of size 1 inserted at `axis`, −1 being the last.

    dim: the old name of `axis`.
    Raises AttributeValueError unless −rank − 1 ≤ axis ≤ rank.
    """
    axis = renamed("ExpandDims", "axis", axis, "dim", dim)
    if axis is None:
        raise failure("ExpandDims", name, "axis is missing")
    axis = static_int("ExpandDims", name, "axis", axis)
    return apply(EXPAND_DIMS, (input,), {"axis": (axis,)}, name=name)


def expand_axes(x: Any, axis: tuple[int, ...]) -> Any:
    """`x` with axes of size 1 at the places `axis` of the result; `x` itself if there are none."""
    return apply(EXPAND_DIMS, (x,), {"axis": tuple(axis)}) if axis else x


# ---- squeeze ---------------------------------------------------------------------------------


def _squeeze_type(c: Infer) -> list[TensorType]:
    axis, shape = c.attrs["axis"], c.shape(0)
    if shape.rank is None:
        return [TensorType(c.dtype(0))]
    sizes = shape.sizes
    if axis:
        dropped = {c.axis(a, shape.rank) for a in axis}
        for a in sorted(dropped):
            if same(sizes[a], 1) is False:
                raise c.error(f"axis {a} has size {sizes[a]}, not 1: {c.show(0)}",
                              "Only axes of size 1 can be squeezed.")
    else:
        ones = [same(d, 1) for d in sizes]
        if None in ones:
            return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
        dropped = {a for a, one in enumerate(ones) if one}
    kept = [d for a, d in enumerate(sizes) if a not in dropped]
    return [TensorType(c.dtype(0), TensorShape.of(kept))]


def _squeeze_reference(input: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    if not axis:
        return input.reshape([d for d in input.shape if d != 1])
    for a in axis:
        if not -input.ndim <= a < input.ndim or input.shape[a] != 1:
            raise RunError(InvalidArgumentError,
                           f"axis {a} of {list(input.shape)} has not size 1",
                           "Only axes of size 1 can be squeezed.")
    dropped = {a % input.ndim for a in axis}
    return input.reshape([d for a, d in enumerate(input.shape) if a not in dropped])


SQUEEZE: OpDef = declare(
    "Squeeze", "input: any", attrs={"axis": Attr("ints", ())}, infer=_squeeze_type,
    reference=_squeeze_reference,
    grad=lambda F, op, g: [F.reshape(g, F.shape(op.inputs[0]))],
    lowering=View(_same_position, contiguous=True), symbolic=True,
    samples=lambda: [
        Sample((np.arange(6.0).reshape(1, 2, 1, 3),)),
        Sample((np.arange(6.0).reshape(1, 2, 1, 3),), {"axis": (-2,)}),
        Sample((np.arange(6.0).reshape(1, 2, 1, 3),), {"axis": (2, 0)}),
        Sample((np.array([[2.0]]),)), Sample((np.array(2.0),)), Sample((np.zeros((0, 1)),))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 1),), {"axis": (0,)}, ShapeError,
                    r"axis 0 has size 2, not 1: input \[2, 1\]"),
        ErrorSample((typed(dt.float32, 2, 1),), {"axis": (2,)}, AttributeValueError,
                    r"axis 2 is outside \[-2, 2\)")])


@op_function
def squeeze(
    input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None
) -> Any:
    """`input` without its axes of size 1, or without those named by `axis` (number or list).

    squeeze_dims: the old name of `axis`.
    Raises ShapeError (InvalidArgumentError at run time) if a named axis has another size.
    """
    axis = renamed("Squeeze", "axis", axis, "squeeze_dims", squeeze_dims)
    numbers = () if axis is None else static_ints("Squeeze", name, "axis", axis)
    return apply(SQUEEZE, (input,), {"axis": numbers}, name=name)


# ---- ensure_shape ----------------------------------------------------------------------------


def _ensure_shape_type(c: Infer) -> list[TensorType]:
    wanted, got = c.attrs["shape"], c.shape(0)
    fits = got.is_compatible_with(wanted)
    if fits and wanted.rank is not None and got.rank is not None:
        fits = all(isinstance(w, SymDim) or same(d, w) is not False
                   for d, w in zip(got.sizes, wanted.sizes))
    if not fits:
        raise c.error(f"{c.show(0)} is not compatible with {wanted}")
    return [TensorType(c.dtype(0), got.merge_with(wanted))]


def _ensure_shape_reference(input: np.ndarray, shape: TensorShape) -> np.ndarray:
    if not shape.is_compatible_with(input.shape):
        raise RunError(InvalidArgumentError,
                       f"input {list(input.shape)} is not compatible with {shape}")
    return input


ENSURE_SHAPE = declare(
    "EnsureShape", "input: any", attrs={"shape": Attr("shape")}, infer=_ensure_shape_type,
    reference=_ensure_shape_reference, grad=lambda F, op, g: [g],
    lowering=Pointwise(lambda b, x, shape: x), symbolic=True,
    samples=lambda: [Sample((np.ones((2, 3)),), {"shape": TensorShape([2, 3])}),
                     Sample((np.ones((2, 3)),), {"shape": TensorShape([None, 3])}),
                     Sample((np.ones(()),), {"shape": TensorShape(None)}),
                     Sample((np.zeros((0, 3)),), {"shape": TensorShape([None, 3])})],
    errors=lambda: [ErrorSample((typed(dt.float32, 2, 3),), {"shape": TensorShape([2, 4])},
                                ShapeError, r"\[2, 3\] is not compatible with \[2, 4\]")])


@op_function
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Any:
    """`x`, whose shape is checked against `shape` when the graph runs, and known from here on.

    shape: sizes, None where any size is fine.
    Raises ShapeError while building, InvalidArgumentError at run time.
    """
    return apply(ENSURE_SHAPE, (convert(x),), {"shape": as_shape(shape)}, name=name)
