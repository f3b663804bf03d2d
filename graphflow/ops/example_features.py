"""What `parse_example` is told about a feature: `FixedLenFeature` and its relatives."""

from __future__ import annotations

from typing import Any, NamedTuple


class FixedLenFeature(NamedTuple):
    """Always `shape` values of `dtype` (int64, float32 or string): a dense tensor.

    default_value: stands in where the feature is missing; without one that is an error.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


class VarLenFeature(NamedTuple):
    """Any number of values of `dtype`: a SparseTensor."""

    dtype: Any


class FixedLenSequenceFeature(NamedTuple):
    """Any number of times `shape` values: a dense tensor with one axis more, filled up.

    allow_missing: a missing feature is an empty one. default_value: fills up shorter ones.
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class SparseFeature(NamedTuple):
    """A SparseTensor from two features: `index_key` with int64 places, `value_key` with values.

    size: the last size of the tensor. index_key may be a list, size then too.
    """

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False
