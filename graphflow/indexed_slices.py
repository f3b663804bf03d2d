"""`IndexedSlices`: the sparse gradient of a gather, a few rows of a larger tensor.

`IndexedSlices(values, indices, dense_shape)` stands for a tensor of `dense_shape` that is zero
but for the rows `dense[indices[i], ...] += values[i, ...]`; an index may occur several times.
Where an op needs a tensor, it is added up into one by `unsorted_segment_sum`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.conversion import register_tensor_conversion_function
from graphflow.dtypes import DType, as_dtype, int64
from graphflow.errors import DTypeError, GraphError, ShapeError
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape


class IndexedSlices:
    """Rows of a tensor and their places, as `tf.IndexedSlices`.

    Args:
      values: [n, d1, …], the rows.
      indices: [n], integers: the place of each row on axis 0.
      dense_shape: vector of integers, the shape [d0, d1, …] of the tensor that is meant; without
        it the slices cannot become a tensor.
    """

    __slots__ = ("_dense_shape", "_indices", "_values")

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self._values, self._indices, self._dense_shape = values, indices, dense_shape

    @property
    def values(self) -> Any:
        """The rows: [n, d1, …]."""
        return self._values

    @property
    def indices(self) -> Any:
        """The place of each row: [n]."""
        return self._indices

    @property
    def dense_shape(self) -> Any:
        """The shape of the tensor that is meant, as a tensor, or None."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The static shape of the tensor that is meant, as far as it is known."""
        known = getattr(self._dense_shape, "symbolic_value", None)
        rows = self._values.shape
        if known is not None:
            return TensorShape.of(known.tolist())
        if rows.rank is None:
            return UNKNOWN_SHAPE
        return TensorShape([None]).concatenate(rows[1:])

    def get_shape(self) -> TensorShape:
        """The static shape of the tensor that is meant, as far as it is known."""
        return self.shape

    @property
    def dtype(self) -> DType:
        """The element type of the rows."""
        return self._values.dtype

    @property
    def name(self) -> str:
        """The name of `values`."""
        return self._values.name

    @property
    def device(self) -> str:
        """The device string of the operation that gives `values`."""
        return self._values.device

    @property
    def op(self) -> Any:
        """The operation that gives `values`."""
        return self._values.op

    @property
    def graph(self) -> Any:
        """The graph that holds `values`."""
        return self._values.graph

    def consumers(self) -> list[Any]:
        """The operations that take `values`."""
        return self._values.consumers()

    def map_dense(self, function: Callable[[Any], Any]) -> IndexedSlices:
        """The slices with `function(values)` for values, at the same places."""
        return IndexedSlices(function(self._values), self._indices, self._dense_shape)

    def __neg__(self) -> IndexedSlices:
        return self.map_dense(F.negative)

    def __repr__(self) -> str:
        shape = "" if self._dense_shape is None else f", dense_shape={self._dense_shape!r}"
        return f"IndexedSlices(values={self._values!r}, indices={self._indices!r}{shape})"

    __str__ = __repr__


def densify(slices: IndexedSlices, name: str | None = None) -> Any:
    """The tensor that `slices` stand for: rows with one index are added.

    Raises ShapeError if the slices have no `dense_shape`.
    """
    if slices.dense_shape is None:
        raise ShapeError(
            f"The IndexedSlices with values {slices.values!r} have no dense_shape, so they cannot "
            "become a tensor. Pass dense_shape=gf.shape(params) when you make them."
        )
    rows = F.getitem(convert(slices.dense_shape), 0)
    return F.unsorted_segment_sum(slices.values, slices.indices, rows, name=name)


def concat_slices(parts: Sequence[IndexedSlices], name: str | None = None) -> IndexedSlices:
    """The sum of `parts` (of one dense shape), as slices: the rows and places side by side.

    Places of different integer types become int64. Raises GraphError if `parts` is empty.
    """
    if not parts:
        raise GraphError("concat_slices: needs at least one IndexedSlices.")
    if len(parts) == 1:
        return parts[0]
    indices = [p.indices for p in parts]
    if any(i.dtype is not indices[0].dtype for i in indices):
        indices = [i if i.dtype is int64 else F.cast(i, int64) for i in indices]
    shape = next((p.dense_shape for p in parts if p.dense_shape is not None), None)
    return IndexedSlices(
        F.concat([p.values for p in parts], 0, name=name or "concat"),
        F.concat(indices, 0, name=f"{name}/indices" if name else "concat"), shape)


def _to_tensor(value: IndexedSlices, dtype: Any, name: str | None, as_ref: bool) -> Any:
    if dtype is not None and as_dtype(dtype) is not value.dtype:
        raise DTypeError(
            f"Tensor conversion asked for dtype {as_dtype(dtype).name}, but {value!r} is "
            f"{value.dtype.name}."
        )
    return densify(value, name)


register_tensor_conversion_function(IndexedSlices, _to_tensor)
