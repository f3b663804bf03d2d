"""`x[key]`: NumPy's basic indexing, read into the vectors and masks of a `StridedSlice`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import SymDim
from graphflow.errors import DTypeError, GraphflowError, ShapeError
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.scope import scope
from graphflow.ops.slice_spec import MASKS, UNKNOWN, SpecError
from graphflow.ops.slicing import STRIDED_SLICE, known_slice_shape


class _Positions:
    """The positions of a key, as they are read: three lists and the masks."""

    def __init__(self, problem: Callable[[str, str], GraphflowError]) -> None:
        self.begin: list[Any] = []
        self.end: list[Any] = []
        self.strides: list[Any] = []
        self.masks = dict.fromkeys(MASKS, 0)
        self.problem = problem

    def _add(self, begin: Any, end: Any, stride: Any, *masks: str) -> None:
        for mask in masks:
            self.masks[mask] |= 1 << len(self.begin)
        self.begin.append(begin)
        self.end.append(end)
        self.strides.append(stride)

    def read(self, item: Any) -> None:
        """Adds one item of a key. Raises DTypeError for what cannot index."""
        if item is None:
            self._add(0, 0, 1, "new_axis_mask")
        elif item is Ellipsis:
            self._add(0, 0, 1, "ellipsis_mask")
        elif isinstance(item, slice):
            self._read_slice(item)
        else:
            index = self._integer(item)
            # The end is not looked at; it stands one further, as TensorFlow writes it.
            self._add(index, index + 1, 1, "shrink_axis_mask")

    def _read_slice(self, item: slice) -> None:
        masks = []
        if item.start is None:
            masks.append("begin_mask")
        if item.stop is None:
            masks.append("end_mask")
        begin, end, stride = (
            default if v is None else self._integer(v)
            for v, default in ((item.start, 0), (item.stop, 0), (item.step, 1)))
        self._add(begin, end, stride, *masks)

    def _integer(self, item: Any) -> Any:
        """`item` as a Python integer or a scalar integer tensor."""
        if isinstance(item, SymDim):
            raise self.problem(
                f"the size {item} is not known while the graph is built",
                "Use gf.shape(x)[axis], which is a tensor, as the index.")
        if is_tensor(item):
            return self._tensor(convert(item))
        if isinstance(item, (bool, np.bool_)) or _holds_bools(item):
            raise self.problem("a boolean mask cannot be combined with other indices",
                               "Use gf.boolean_mask(x, mask, axis=…).")
        if isinstance(item, (list, tuple)) or (isinstance(item, np.ndarray) and item.ndim):
            raise self.problem(f"cannot be indexed by {_short(item)}",
                               "Use gf.gather(x, indices, axis=…) to pick several indices.")
        try:
            return int(item.__index__())
        except (AttributeError, TypeError):
            raise self.problem(
                f"an index must be an integer, a slice, ..., gf.newaxis or a scalar integer "
                f"tensor, got {_short(item)} ({type(item).__name__})", "") from None

    def _tensor(self, item: Any) -> Any:
        if item.dtype.is_bool:
            raise self.problem("a boolean mask cannot be combined with other indices",
                               "Use gf.boolean_mask(x, mask, axis=…).")
        if not item.dtype.is_integer:
            raise self.problem(f"an index must be an integer, got {item!r}",
                               "Use gf.cast(index, gf.int32).")
        if item.shape.rank not in (None, 0):
            raise self.problem(f"an index must be a scalar, got {item!r}",
                               "Use gf.gather(x, indices, axis=…) to pick several indices.")
        return item


def _holds_bools(item: Any) -> bool:
    """True for an array of booleans, or a list (of lists) of them."""
    if isinstance(item, np.ndarray):
        return item.dtype.kind == "b"
    return isinstance(item, list) and bool(item) and all(
        isinstance(v, (bool, np.bool_)) or _holds_bools(v) for v in item)


def _short(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _is_mask(key: Any) -> bool:
    return isinstance(key, (bool, np.bool_)) or _holds_bools(key) or (
        is_tensor(key) and key.dtype.is_bool)


def _vector(entries: list[Any]) -> Any:
    """The entries as one vector: a constant, or stacked where some are tensors."""
    tensors = [v for v in entries if is_tensor(v)]
    if not tensors:
        wide = any(not -(2**31) <= v < 2**31 for v in entries)
        return convert(np.array(entries, np.int64 if wide else np.int32), name="stack")
    dtype = dt.int32 if all(t.dtype is dt.int32 for t in tensors) else dt.int64
    return F.stack([
        (v if v.dtype is dtype else F.cast(v, dtype)) if is_tensor(v)
        else np.array(v, dtype.numpy) for v in entries], name="stack")


def _vectors(positions: _Positions) -> list[Any]:
    """begin, end and strides as vectors of one integer type."""
    lists = (positions.begin, positions.end, positions.strides)
    vectors = [_vector(entries) for entries in lists]
    if all(v.dtype is dt.int32 for v in vectors):
        return vectors
    return [v if v.dtype is dt.int64 else F.cast(v, dt.int64) for v in vectors]


def _known_shape(x: Any, positions: _Positions) -> Any:
    begin, end, strides = ([_known(v) for v in entries] for entries in (
        positions.begin, positions.end, positions.strides))
    return known_slice_shape(x, begin, end, strides, positions.masks)


def _known(entry: Any) -> Any:
    if not is_tensor(entry):
        return entry
    value = getattr(entry, "symbolic_value", None)
    return UNKNOWN if value is None else value.reshape(()).item()


@op_function
def getitem(x: Any, key: Any, name: str | None = None) -> Any:
    """`x[key]`, for integers, slices, `...`, `newaxis` and scalar integer tensors.

    Starts, stops and steps may be tensors too; negative numbers count from the end. A boolean
    mask as the whole key is `boolean_mask(x, key)`.
    Raises ShapeError for too many indices and for an index known to be out of range (at run time
    InvalidArgumentError), DTypeError for what cannot index (a float, a list, text).
    """
    x = convert(x)

    def problem(text: str, fix: str) -> GraphflowError:
        return failure("StridedSlice", None, f"{text}: {x!r}", fix, DTypeError)

    if _is_mask(key):
        if isinstance(key, (bool, np.bool_)):
            raise problem(f"cannot be indexed by {key}", "A boolean index must be a mask.")
        return F.boolean_mask(x, key)
    positions = _Positions(problem)
    for item in key if isinstance(key, tuple) else (key,):
        positions.read(item)
    with scope(name, "strided_slice") as inner:
        vectors = _vectors(positions)
        out = apply(STRIDED_SLICE, (x, *vectors), positions.masks, name=inner)
    if any(v.symbolic_value is None for v in vectors) and hasattr(out, "narrow"):
        _add_known_sizes(out, x, positions)
    return out


def _add_known_sizes(out: Any, x: Any, positions: _Positions) -> None:
    """Sizes of axes whose slice is known though an index of another axis is not.

    Inference sees begin, end and strides as whole vectors, which are unknown if one entry is.
    """
    try:
        out.narrow(_known_shape(x, positions))
    except SpecError as error:
        raise failure("StridedSlice", out.op.name, f"{error}: input {x.shape}", error.fix,
                      ShapeError) from None
