"""Slices of a tensor by begin, end and stride: `StridedSlice`, its gradient, and `Slice`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim, SymDim, fresh, never_negative, same, sub
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Gather, LoweringContext, Scatter
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.slice_spec import (
    MASKS,
    UNKNOWN,
    SliceEntry,
    SpecError,
    check_index,
    check_stride,
    slice_entries,
    sliced_sizes,
)
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape, as_shape, unknown_shape

_MASK_ATTRS = {mask: Attr("int", 0) for mask in MASKS}


def _vector_length(c: Infer, first: int, last: int) -> int | None:
    """The common length of the vectors `first` … `last`, or None. Raises ShapeError."""
    length: Dim | None = None
    for i in range(first, last + 1):
        if c.require_rank(i, 1) is None:
            continue
        size = c.shape(i).sizes[0]
        if length is not None and same(length, size) is False:
            shown = ", ".join(c.show(k) for k in range(first, last + 1))
            raise c.error(f"begin, end and strides must have one length: {shown}")
        length = size if length is None or isinstance(length, SymDim) else length
    return None if length is None or isinstance(length, SymDim) else length


def _entries_of(value: np.ndarray | None, count: int) -> list[Any]:
    return [UNKNOWN] * count if value is None else value.tolist()


def _strided_shape(c: Infer, shape: TensorShape, first: int) -> TensorShape:
    """The shape of a slice of `shape`; begin is input `first`. Raises ShapeError."""
    count = _vector_length(c, first, first + 2)
    if count is None or shape.rank is None:
        return UNKNOWN_SHAPE
    begin, end, strides = (_entries_of(c.value(i), count) for i in range(first, first + 3))
    try:
        return TensorShape.of(sliced_sizes(shape.sizes, begin, end, strides, c.attrs))
    except SpecError as error:
        cls = AttributeValueError if "stride" in str(error) else ShapeError
        raise c.error(f"{error}: input {shape}", error.fix, cls) from None


def _strided_slice_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), _strided_shape(c, c.shape(0), 1))]


def _numpy_key(
    shape: Sequence[int], begin: Any, end: Any, strides: Any, attrs: dict[str, int]
) -> tuple[Any, ...]:
    """The NumPy index with the same meaning. Raises RunError."""
    begin, end, strides = (np.asarray(v).tolist() for v in (begin, end, strides))
    if not len(begin) == len(end) == len(strides):
        raise RunError(InvalidArgumentError, "begin, end and strides have different lengths")
    try:
        return (*(_numpy_item(e, shape, begin, end, strides)
                  for e in slice_entries(len(begin), len(shape), attrs)), Ellipsis)
    except SpecError as error:
        raise RunError(InvalidArgumentError, f"{error}: input {list(shape)}",
                       error.fix) from None


def _numpy_item(
    entry: SliceEntry, shape: Sequence[int], begin: list[int], end: list[int], strides: list[int]
) -> Any:
    if entry.axis is None:
        return None
    if entry.position is None:
        return builtins.slice(None)
    first, stop, stride = (v[entry.position] for v in (begin, end, strides))
    check_stride(stride, entry)
    if entry.index:
        check_index(first, shape[entry.axis], entry.axis)
        return first
    return builtins.slice(None if entry.open_begin else first, None if entry.open_end else stop,
                          stride)


def _strided_slice(
    x: np.ndarray, begin: np.ndarray, end: np.ndarray, strides: np.ndarray, **masks: int
) -> np.ndarray:
    return x[_numpy_key(x.shape, begin, end, strides, masks)]


def _source(
    index: tuple, load: Callable, shape: tuple, first: int, attrs: dict[str, int], count: int
) -> tuple:
    """The input index of output element `index`; begin is input `first`, strides `first` + 2.

    Only for elements that exist: where a slice is not empty, a clamped begin needs no more than
    one comparison. An index that is out of range stays so.
    """
    source: list[Any] = []
    place = 0
    for entry in slice_entries(count, len(shape), attrs):
        if entry.axis is None:
            place += 1
            continue
        if entry.position is None:
            source.append(index[place])
            place += 1
            continue
        size = shape[entry.axis]
        begin = load(first, (entry.position,))
        begin = begin + size * (begin < 0)
        if entry.index:
            source.append(begin)
            continue
        stride = load(first + 2, (entry.position,))
        if entry.open_begin:
            start = (size - 1) * (stride < 0)
        else:
            # Counted from the end and still before the axis, or beyond its end on the way back.
            start = begin * (begin >= 0) + (size - 1 - begin) * (begin >= size)
        source.append(start + index[place] * stride)
        place += 1
    return tuple(source)


def _slice_lowering(index: tuple, load: Callable, ctx: LoweringContext) -> tuple:
    return _source(index, load, ctx.in_shapes[0], 1, ctx.attrs, ctx.in_shapes[1][0])


def _grad_lowering(index: tuple, load: Callable, ctx: LoweringContext) -> tuple:
    return _source(index, load, ctx.out_shapes[0], 1, ctx.attrs, ctx.in_shapes[1][0])


def _masks_of(op: Any) -> dict[str, int]:
    return {mask: op.attrs[mask] for mask in MASKS}


def _strided_slice_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    x, begin, end, strides = op.inputs
    shape = F.shape(x, out_type=begin.dtype)
    return [F.strided_slice_grad(shape, begin, end, strides, g, **_masks_of(op)),
            None, None, None]


def _sliced(key: Any, shape: tuple[int, ...] = (3, 4, 2)) -> Sample:
    """A sample from vectors and masks written as `(begin, end, strides, masks)`."""
    begin, end, strides, masks = key
    x = np.arange(float(np.prod(shape))).reshape(shape) / 4 - 1
    vectors = (np.array(v, np.int32).reshape(-1) for v in (begin, end, strides))
    return Sample((x, *vectors), masks)


_KEYS: list[Any] = [
    ([1, 0, 0], [3, 4, 2], [1, 2, 1], {}),
    ([-2, 3, -1], [-1, 0, -3], [1, -1, -1], {}),
    ([0, 0], [0, 0], [1, -1], {"begin_mask": 3, "end_mask": 3}),
    ([1, 2], [0, 0], [1, 1], {"shrink_axis_mask": 3}),
    ([0, -1], [0, 0], [1, 1], {"ellipsis_mask": 1, "shrink_axis_mask": 2}),
    ([0, 0, 1, 0], [0, 0, 3, 0], [1, 1, 1, 1], {"new_axis_mask": 9, "ellipsis_mask": 2}),
    ([2, 0], [1, 4], [1, 3], {}),
    ([-9, 9], [9, -9], [1, -2], {}),
    ([], [], [], {}),
]


def _strided_samples() -> list[Sample]:
    samples = [_sliced(key) for key in _KEYS]
    samples.append(_sliced(([0], [0], [1], {"begin_mask": 1, "end_mask": 1}), (0, 2)))
    samples.append(_sliced(([1], [3], [1], {}), (0,)))
    return samples


def _strided_errors() -> list[ErrorSample]:
    x = typed(dt.float32, 3, 4)

    def vectors(*begin: int, end: int = 0, stride: int = 1) -> tuple[Any, ...]:
        n = len(begin)
        return (np.array(begin, np.int32), np.full(n, end, np.int32),
                np.full(n, stride, np.int32))

    return [
        ErrorSample((x, *vectors(5)), {"shrink_axis_mask": 1}, ShapeError,
                    r"index 5 is out of range for axis 0 of size 3.*\[3, 4\]"),
        ErrorSample((x, *vectors(0, 0, 0)), {}, ShapeError, "too many indices: 3.*rank 2"),
        ErrorSample((x, *vectors(0, stride=0)), {}, AttributeValueError, "stride of axis 0 is 0"),
        ErrorSample((x, *vectors(0, 0)), {"ellipsis_mask": 3}, ShapeError, "only one ellipsis"),
        ErrorSample((x, np.zeros(2, np.int32), *vectors(0)[1:]), {}, ShapeError, "one length"),
    ]


STRIDED_SLICE: OpDef = declare(
    "StridedSlice", "input: any, begin: I, end: I, strides: I", attrs=dict(_MASK_ATTRS),
    infer=_strided_slice_type, reference=_strided_slice, grad=_strided_slice_gradient,
    lowering=Gather(_slice_lowering), symbolic=True, samples=_strided_samples,
    errors=_strided_errors, I=dt.INDICES)


def _strided_grad_type(c: Infer) -> list[TensorType]:
    shape = shape_from_value(c, 0)
    expected = _strided_shape(c, shape, 1)
    if not expected.is_compatible_with(c.shape(4)):
        raise c.error(f"{c.show(4)} does not fill the slice, which has the shape {expected}")
    return [TensorType(c.dtype(4), shape)]


def _strided_slice_grad(
    shape: np.ndarray, begin: np.ndarray, end: np.ndarray, strides: np.ndarray, dy: np.ndarray,
    **masks: int,
) -> np.ndarray:
    out = np.zeros(tuple(shape.tolist()), dy.dtype)
    key = _numpy_key(out.shape, begin, end, strides, masks)
    if out[key].shape != dy.shape:
        raise RunError(
            InvalidArgumentError,
            f"dy {list(dy.shape)} does not fill the slice, which has the shape "
            f"{list(out[key].shape)}")
    out[key] = dy
    return out


def _strided_grad_samples() -> list[Sample]:
    samples = []
    for sample in _strided_samples():
        x, *vectors = sample.inputs
        dy = _strided_slice(x, *vectors, **dict.fromkeys(MASKS, 0) | sample.attrs)
        shape = np.array(x.shape, np.int32)
        samples.append(Sample((shape, *vectors, np.array(dy)), sample.attrs))
    return samples


STRIDED_SLICE_GRAD: OpDef = declare(
    "StridedSliceGrad", "shape: I, begin: I, end: I, strides: I, dy: T",
    attrs=dict(_MASK_ATTRS), infer=_strided_grad_type, reference=_strided_slice_grad,
    grad=lambda F, op, g: [None, None, None, None,
                           F.strided_slice(g, *op.inputs[1:4], **_masks_of(op))],
    lowering=Scatter(_grad_lowering, updates=4, combine="set", initial=lambda ctx: 0),
    samples=_strided_grad_samples, I=dt.INDICES, T=dt.FIXED_SIZE)


@op_function
def strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0,
    end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
    var: Any = None, name: str | None = None,
) -> Any:
    """`input_[begin[0]:end[0]:strides[0], …]`; most programs write `x[…]` instead.

    begin, end, strides: vectors of integers of one length, which may be computed at run time;
      strides are 1 by default and may be negative.
    begin_mask, end_mask: bit i set: the slice of position i starts (ends) where its axis does.
    ellipsis_mask, new_axis_mask, shrink_axis_mask: bit i set: position i stands for all axes not
      named; for a new axis of size 1; for the one index `begin[i]`, whose axis is dropped.
    Raises ShapeError for too many positions and for an index known to be out of range;
    InvalidArgumentError at run time. Assigning into a variable's slice (`var`) is not offered.
    """
    if var is not None:
        raise failure(
            "StridedSlice", name, "assigning into a slice of a variable (var=…) is not offered",
            "Use gf.scatter_update(var, indices, rows) or var.assign(new_value).")
    if strides is None:
        begin = convert(begin)
        strides = _ones_like(begin)
    masks = dict(zip(MASKS, (begin_mask, end_mask, ellipsis_mask, new_axis_mask,
                             shrink_axis_mask)))
    return apply(STRIDED_SLICE, (input_, begin, end, strides), masks, name=name)


def _ones_like(vector: Any) -> Any:
    length = vector.shape.as_list()[0] if vector.shape.rank == 1 else None
    if length is None:
        return F.ones_like(vector)
    return np.ones(length, vector.dtype.numpy)


@op_function
def strided_slice_grad(
    shape: Any, begin: Any, end: Any, strides: Any, dy: Any, begin_mask: int = 0,
    end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
    name: str | None = None,
) -> Any:
    """Zeros of `shape` with `dy` in the place of the slice; the gradient of `strided_slice`."""
    masks = dict(zip(MASKS, (begin_mask, end_mask, ellipsis_mask, new_axis_mask,
                             shrink_axis_mask)))
    return apply(STRIDED_SLICE_GRAD, (shape, begin, end, strides, dy), masks, name=name)


def _slice_type(c: Infer) -> list[TensorType]:
    count = _vector_length(c, 1, 2)
    shape = c.shape(0)
    if count is not None and shape.rank is not None and count != shape.rank:
        raise c.error(
            f"begin and size need one entry per axis: {c.show(0)}, {c.show(1)}, {c.show(2)}",
            "A size of -1 takes all that is left of an axis.")
    rank = shape.rank if shape.rank is not None else count
    if rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    sizes = shape.sizes if shape.rank is not None else unknown_shape(rank).sizes
    begins, wanted = (_entries_of(c.value(i), rank) for i in (1, 2))
    return [TensorType(c.dtype(0), TensorShape.of(
        _slice_size(c, axis, *entry) for axis, entry in enumerate(zip(sizes, begins, wanted))))]


def _slice_size(c: Infer, axis: int, size: Dim, begin: Any, wanted: Any) -> Dim:
    def fits(low: Any, value: Any, high: Any) -> bool:
        known = [isinstance(v, int) for v in (low, value, high)]
        return not (known[0] and known[1] and value < low) and not (
            known[1] and known[2] and value > high)

    if not fits(0, begin, size):
        raise c.error(f"begin {begin} is outside axis {axis} of size {size}: {c.show(0)}")
    left = fresh() if begin is UNKNOWN else sub(size, begin)
    if isinstance(wanted, int) and wanted == -1:
        return left
    if wanted is UNKNOWN or (isinstance(wanted, SymDim) and not never_negative(wanted)):
        return fresh()
    if not fits(0, wanted, left):
        raise c.error(
            f"size {wanted} from begin {begin} leaves axis {axis} of size {size}: {c.show(0)}",
            "A size of -1 takes all that is left of an axis.")
    return wanted


def _slice(x: np.ndarray, begin: np.ndarray, size: np.ndarray) -> np.ndarray:
    if not len(begin) == len(size) == x.ndim:
        raise RunError(InvalidArgumentError, f"begin and size need {x.ndim} entries, got "
                       f"{begin.tolist()} and {size.tolist()}")
    ends = [n if s == -1 else b + s for b, s, n in zip(begin.tolist(), size.tolist(), x.shape)]
    for axis, (first, stop, extent) in enumerate(zip(begin.tolist(), ends, x.shape)):
        if not 0 <= first <= stop <= extent:
            raise RunError(
                InvalidArgumentError,
                f"begin {first} and size {size[axis]} leave axis {axis} of size {extent}")
    key: list[Any] = [builtins.slice(b, e) for b, e in zip(begin.tolist(), ends)]
    return x[(*key, Ellipsis)]


def _slice_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    x, begin, _ = op.inputs
    end = begin + F.shape(g, out_type=begin.dtype)
    shape = F.shape(x, out_type=begin.dtype)
    return [F.strided_slice_grad(shape, begin, end, F.ones_like(begin), g), None, None]


def _slice_samples() -> list[Sample]:
    def sample(shape: tuple[int, ...], begin: list[int], size: list[int]) -> Sample:
        x = np.arange(float(np.prod(shape))).reshape(shape) - 3.5
        return Sample((x, np.array(begin, np.int32), np.array(size, np.int32)))

    return [sample((3, 4), [1, 0], [2, 3]), sample((3, 4), [0, 2], [-1, -1]),
            sample((3, 4), [1, 4], [0, 0]), sample((0, 2), [0, 1], [-1, 1]), sample((), [], [])]


def _slice_errors() -> list[ErrorSample]:
    x = typed(dt.float32, 3, 4)

    def vector(*values: int) -> np.ndarray:
        return np.array(values, np.int32)

    return [
        ErrorSample((x, vector(0), vector(1)), {}, ShapeError, r"one entry per axis.*\[3, 4\]"),
        ErrorSample((x, vector(4, 0), vector(1, 1)), {}, ShapeError, "begin 4 is outside axis 0"),
        ErrorSample((x, vector(0, 2), vector(1, 3)), {}, ShapeError,
                    "size 3 from begin 2 leaves axis 1 of size 4"),
    ]


SLICE: OpDef = declare(
    "Slice", "input: any, begin: I, size: I", infer=_slice_type, reference=_slice,
    grad=_slice_gradient, symbolic=True, samples=_slice_samples, errors=_slice_errors,
    lowering=Gather(lambda index, load, ctx: tuple(
        i + load(1, (axis,)) for axis, i in enumerate(index))), I=dt.INDICES)


@op_function
def slice(input_: Any, begin: Any, size: Any, name: str | None = None) -> Any:
    """The block of `input_` that starts at `begin` and has `size` elements along each axis.

    begin, size: vectors of one integer per axis, which may be computed at run time; a size of −1
      takes all that is left.
    Raises ShapeError (InvalidArgumentError at run time) where the block leaves the tensor.
    """
    return apply(SLICE, (input_, begin, size), name=name)


def known_slice_shape(
    x: Any, begin: Sequence[Any], end: Sequence[Any], strides: Sequence[Any], masks: dict[str, int]
) -> TensorShape:
    """The shape of a slice whose positions are partly `UNKNOWN`."""
    shape = as_shape(x.shape)
    if shape.rank is None:
        return UNKNOWN_SHAPE
    return TensorShape.of(sliced_sizes(shape.sizes, begin, end, strides, masks))
