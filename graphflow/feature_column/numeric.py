"""Numeric and bucketized columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, DTypeError, GraphError, ShapeError
from graphflow.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureView,
    checked_key,
)
from graphflow.ops.example_features import FixedLenFeature
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor


@dataclass(frozen=True)
class NumericColumn(DenseColumn):
    """See `numeric_column`."""

    key: str
    shape: tuple[int, ...]
    default_value: tuple[float, ...] | None
    dtype: DType
    normalizer_fn: Callable[[Any], Any] | None

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A FixedLenFeature."""
        return {self.key: FixedLenFeature(list(self.shape), self.dtype, self.default_value)}

    @property
    def width(self) -> int:
        """The product of the shape."""
        return int(np.prod(self.shape))

    def dense(self, view: FeatureView, trainable: bool = True) -> Any:
        """The feature as float32 [batch, *shape]."""
        value = view.raw(self.key)
        if isinstance(value, SparseTensor):
            raise GraphError(f"The corresponding Tensor of numerical column must be a Tensor. "
                             f"SparseTensor is not supported. key: {self.key}")
        if not value.dtype.is_floating and not value.dtype.is_integer:
            raise DTypeError(f"numeric_column {self.key!r}: the feature must hold numbers, got "
                             f"{value.dtype.name}.")
        if self.normalizer_fn is not None:
            value = self.normalizer_fn(value)
        sizes = TensorShape([None, *self.shape])
        if not value.shape.is_compatible_with(sizes) and (
                value.shape.rank is not None and value.shape[1:].num_elements() != self.width):
            raise ShapeError(f"numeric_column {self.key!r}: the feature must have shape {sizes}, "
                             f"got {value.shape}. Pass shape= to the column.")
        return F.cast(value, dt.float32)


def numeric_column(
    key: str, shape: Any = (1,), default_value: Any = None, dtype: Any = dt.float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> NumericColumn:
    """Real numbers as they are.

    shape: the sizes of the feature in one example. default_value: for `parse_example`.
    normalizer_fn: a function of the tensor that is applied first.
    """
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in sizes):
        raise AttributeValueError(f"numeric_column: shape dimensions must be integers greater "
                                  f"than 0, got {shape!r}.")
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise DTypeError(f"normalizer_fn must be a callable. Given: {normalizer_fn!r}")
    default = None if default_value is None else tuple(
        np.broadcast_to(np.asarray(default_value, np.float64), sizes).ravel().tolist())
    return NumericColumn(checked_key(key, "numeric_column"), tuple(map(int, sizes)), default,
                         dt.as_dtype(dtype), normalizer_fn)


@dataclass(frozen=True)
class BucketizedColumn(DenseColumn, CategoricalColumn):
    """See `bucketized_column`."""

    source_column: NumericColumn
    boundaries: tuple[float, ...]

    @property
    def name(self) -> str:
        """The source's name with `_bucketized`."""
        return f"{self.source_column.name}_bucketized"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The source's."""
        return self.source_column.parse_example_spec

    @property
    def width(self) -> int:
        """One number per bucket and element."""
        return self.num_buckets

    @property
    def num_buckets(self) -> int:
        """Buckets of all elements."""
        return (len(self.boundaries) + 1) * self.source_column.width

    def _buckets(self, view: FeatureView) -> Any:
        """int32 [batch, elements]: the bucket of each element; a limit is in the upper one."""
        source = F.reshape(self.source_column.dense(view), [-1, self.source_column.width])
        limits = F.constant(list(self.boundaries), dt.float32)
        flat = F.reshape(source, [-1])
        return F.reshape(F.searchsorted(limits, flat, side="right"),
                         [-1, self.source_column.width])

    def dense(self, view: FeatureView, trainable: bool = True) -> Any:
        """Ones and zeros [batch, elements, buckets]."""
        return F.one_hot(self._buckets(view), len(self.boundaries) + 1)

    def ids(self, view: FeatureView) -> tuple[SparseTensor, SparseTensor | None]:
        """Each element has buckets of its own."""
        width, each = self.source_column.width, len(self.boundaries) + 1
        ids = self._buckets(view) + np.arange(width, dtype=np.int32) * each
        shape = F.shape(ids, out_type=dt.int64)
        places = F.where(F.fill(shape, True))
        return SparseTensor(places, F.cast(F.reshape(ids, [-1]), dt.int64), shape), None


def bucketized_column(source_column: NumericColumn, boundaries: Sequence[float]
                      ) -> BucketizedColumn:
    """Numbers by the interval they lie in: n boundaries make n + 1 buckets.

    source_column: a numeric column of a one-dimensional shape. boundaries: sorted.
    """
    if not isinstance(source_column, NumericColumn):
        raise GraphError("bucketized_column: source_column must be a column generated with "
                         f"numeric_column(), got {source_column!r}.")
    if len(source_column.shape) > 1:
        raise GraphError("bucketized_column: source_column must be one-dimensional column, got "
                         f"shape {source_column.shape}.")
    limits = [float(b) for b in boundaries]
    if not limits or any(a >= b for a, b in zip(limits, limits[1:])):
        raise GraphError(f"bucketized_column: boundaries must be a sorted list, got {boundaries}.")
    return BucketizedColumn(source_column, tuple(limits))
