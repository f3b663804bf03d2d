"""Categorical columns: words and numbers to ids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow import lookup
from graphflow.builder import F
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, DTypeError, GraphError
from graphflow.feature_column.base import (
    CategoricalColumn,
    FeatureView,
    categorical,
    checked_key,
    id_type,
)
from graphflow.ops.example_features import VarLenFeature
from graphflow.ops.graph_functions import control_dependencies
from graphflow.sparse_tensor import SparseTensor

Ids = tuple[SparseTensor, SparseTensor | None]


class _OfOneKey(CategoricalColumn):
    """A categorical column of one feature."""

    key: str
    dtype: DType

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A VarLenFeature."""
        return {self.key: VarLenFeature(self.dtype)}

    def _given(self, view: FeatureView) -> SparseTensor:
        found = view.sparse(self.key)
        if found.dtype.is_string != self.dtype.is_string or not (
                found.dtype.is_string or found.dtype.is_integer):
            raise DTypeError(f"Column dtype and SparseTensors dtype must be compatible. key: "
                             f"{self.key}, column dtype: {self.dtype.name}, tensor dtype: "
                             f"{found.dtype.name}")
        return found


@dataclass(frozen=True)
class IdentityColumn(_OfOneKey):
    """See `categorical_column_with_identity`."""

    key: str
    buckets: int
    default_value: int | None
    dtype: DType = dt.int64

    @property
    def num_buckets(self) -> int:
        """As given."""
        return self.buckets

    def ids(self, view: FeatureView) -> Ids:
        """The feature; what is out of range is the default, or an error of the run."""
        found = self._given(view)
        values = F.cast(found.values, dt.int64)
        inside = F.logical_and(values >= 0, values < self.buckets)
        if self.default_value is None:
            check = F.Assert(F.reduce_all(inside), [
                f"{self.key}: ids must be in [0, {self.buckets})", values])
            with control_dependencies([check]):
                values = F.identity(values)
        else:
            values = F.where(inside, values, F.fill(
                F.shape(values), F.constant(self.default_value, dt.int64)))
        return SparseTensor(found.indices, values, found.dense_shape), None


def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityColumn:
    """Whole numbers 0 … num_buckets − 1 as ids. default_value: for others, else an error."""
    if num_buckets < 1:
        raise AttributeValueError(f"num_buckets {num_buckets} < 1, column_name {key}")
    if default_value is not None and not 0 <= default_value < num_buckets:
        raise AttributeValueError(f"default_value {default_value} not in range "
                                  f"[0, {num_buckets}), column_name {key}")
    return IdentityColumn(checked_key(key, "categorical_column_with_identity"), int(num_buckets),
                          default_value)


@dataclass(frozen=True)
class HashedColumn(_OfOneKey):
    """See `categorical_column_with_hash_bucket`."""

    key: str
    hash_bucket_size: int
    dtype: DType

    @property
    def num_buckets(self) -> int:
        """As given."""
        return self.hash_bucket_size

    def ids(self, view: FeatureView) -> Ids:
        """The bucket of each value's hash."""
        found = self._given(view)
        words = found.values if found.dtype.is_string else F.as_string(found.values)
        ids = F.string_to_hash_bucket_fast(words, self.hash_bucket_size)
        return SparseTensor(found.indices, ids, found.dense_shape), None


def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = dt.string
) -> HashedColumn:
    """Words or numbers by their hash, as `gf.string_to_hash_bucket_fast`."""
    if hash_bucket_size is None or hash_bucket_size < 1:
        raise AttributeValueError(f"hash_bucket_size must be at least 1. hash_bucket_size: "
                                  f"{hash_bucket_size}, key: {key}")
    return HashedColumn(checked_key(key, "categorical_column_with_hash_bucket"),
                        int(hash_bucket_size),
                        id_type(dtype, "categorical_column_with_hash_bucket"))


@dataclass(frozen=True)
class VocabularyColumn(_OfOneKey):
    """See `categorical_column_with_vocabulary_list` and `…_file`.

    words: the list, or None where `path` names a file of `size` lines.
    """

    key: str
    words: tuple[Any, ...] | None
    path: str | None
    size: int
    dtype: DType
    default_value: int
    num_oov_buckets: int

    @property
    def num_buckets(self) -> int:
        """The words and the further buckets."""
        return self.size + self.num_oov_buckets

    def ids(self, view: FeatureView) -> Ids:
        """The place of each value in the vocabulary."""
        found = self._given(view)
        if self.words is not None:
            table = lookup.index_table_from_tensor(
                list(self.words), self.num_oov_buckets, self.default_value, dtype=found.dtype
                if found.dtype.is_string else dt.int64, name=f"{self.key}_lookup")
        else:
            table = lookup.index_table_from_file(
                self.path, self.num_oov_buckets, self.size, self.default_value,
                key_dtype=self.dtype, name=f"{self.key}_lookup")
        keys = found.values if found.dtype.is_string else F.cast(found.values, dt.int64)
        return SparseTensor(found.indices, table.lookup(keys), found.dense_shape), None


def categorical_column_with_vocabulary_list(
    key: str, vocabulary_list: Sequence[Any], dtype: Any = None, default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyColumn:
    """Words by their place in a list.

    Others: one of `num_oov_buckets` further ids by their hash, or `default_value` (-1: left out).
    """
    who = "categorical_column_with_vocabulary_list"
    words = tuple(vocabulary_list) if vocabulary_list is not None else ()
    if not words:
        raise AttributeValueError(f"vocabulary_list must be non-empty, column_name: {key}")
    if len(set(words)) != len(words):
        raise AttributeValueError(f"Duplicate keys in vocabulary_list: {words}, column_name: "
                                  f"{key}")
    if num_oov_buckets < 0 or (num_oov_buckets and default_value != -1):
        raise AttributeValueError(f"Can't specify both num_oov_buckets and default_value in {key}")
    own = dt.string if isinstance(words[0], (str, bytes)) else dt.as_dtype(
        np.asarray(words).dtype)
    found = id_type(own if dtype is None else dtype, who)
    if found.is_string != own.is_string:
        raise AttributeValueError(f"dtype {found.name} and vocabulary dtype {own.name} do not "
                                  f"match, column_name: {key}")
    return VocabularyColumn(checked_key(key, who), words, None, len(words), found, default_value,
                            num_oov_buckets)


def categorical_column_with_vocabulary_file(
    key: str, vocabulary_file: Any, vocabulary_size: int | None = None, num_oov_buckets: int = 0,
    default_value: int | None = None, dtype: Any = dt.string,
) -> VocabularyColumn:
    """Words by the number of their line in a file; see `categorical_column_with_vocabulary_list`.

    vocabulary_size: how many lines count; all by default.
    """
    who = "categorical_column_with_vocabulary_file"
    if not vocabulary_file:
        raise AttributeValueError(f"Missing vocabulary_file in {key}.")
    path = os.fspath(vocabulary_file)
    if vocabulary_size is None:
        if not os.path.exists(path):
            raise AttributeValueError(f"vocabulary_file in {key} does not exist: {path}")
        with open(path, "rb") as stream:
            vocabulary_size = len(stream.read().splitlines())
    if vocabulary_size < 1:
        raise AttributeValueError(f"Invalid vocabulary_size in {key}.")
    if num_oov_buckets and default_value is not None:
        raise AttributeValueError(f"Can't specify both num_oov_buckets and default_value in {key}")
    return VocabularyColumn(checked_key(key, who), None, path, int(vocabulary_size),
                            id_type(dtype, who), -1 if default_value is None else default_value,
                            num_oov_buckets)


@dataclass(frozen=True)
class WeightedColumn(CategoricalColumn):
    """See `weighted_categorical_column`."""

    categorical_column: CategoricalColumn
    weight_feature_key: str
    dtype: DType

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The column's and the weights'."""
        return {**self.categorical_column.parse_example_spec,
                self.weight_feature_key: VarLenFeature(self.dtype)}

    @property
    def num_buckets(self) -> int:
        """The column's."""
        return self.categorical_column.num_buckets

    def ids(self, view: FeatureView) -> Ids:
        """The column's ids, with a weight for each."""
        ids, _ = view.ids(self.categorical_column)
        raw = view.raw(self.weight_feature_key)
        if isinstance(raw, SparseTensor):
            return ids, SparseTensor(raw.indices, F.cast(raw.values, dt.float32), raw.dense_shape)
        return ids, SparseTensor(
            ids.indices, F.cast(F.gather_nd(raw, ids.indices), dt.float32), ids.dense_shape)


def weighted_categorical_column(
    categorical_column: Any, weight_feature_key: str, dtype: Any = dt.float32
) -> WeightedColumn:
    """A categorical column with a feature of weights at the same places."""
    return WeightedColumn(categorical(categorical_column, "weighted_categorical_column"),
                          checked_key(weight_feature_key, "weighted_categorical_column"),
                          dt.as_dtype(dtype))


@dataclass(frozen=True)
class CrossedColumn(CategoricalColumn):
    """See `crossed_column`."""

    keys: tuple[Any, ...]
    hash_bucket_size: int
    hash_key: int | None

    @property
    def name(self) -> str:
        """The sorted names of what is crossed, joined by `_X_`."""
        return "_X_".join(sorted(k if isinstance(k, str) else k.name for k in self._leaves()))

    def _leaves(self) -> list[Any]:
        """The keys, with those of crossed columns among them."""
        return [leaf for key in self.keys for leaf in (
            key._leaves() if isinstance(key, CrossedColumn) else [key])]

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """Those of what is crossed."""
        spec: dict[str, Any] = {}
        for key in self._leaves():
            spec.update({key: VarLenFeature(dt.string)} if isinstance(key, str)
                        else key.parse_example_spec)
        return spec

    @property
    def num_buckets(self) -> int:
        """As given."""
        return self.hash_bucket_size

    def ids(self, view: FeatureView) -> Ids:
        """The bucket of each combination."""
        inputs = [view.raw(key) if isinstance(key, str) else view.ids(key)[0]
                  for key in self._leaves()]
        return F.sparse_cross_hashed(inputs, self.hash_bucket_size, self.hash_key), None


def crossed_column(
    keys: Sequence[Any], hash_bucket_size: int, hash_key: int | None = None
) -> CrossedColumn:
    """Combinations of features, by their hash.

    keys: at least two names of features, bucketized, categorical (other than hashed) or crossed
      columns.
    """
    if not hash_bucket_size or hash_bucket_size < 1:
        raise AttributeValueError(f"hash_bucket_size must be > 1. hash_bucket_size: "
                                  f"{hash_bucket_size}")
    if not keys or len(keys) < 2:
        raise AttributeValueError(f"keys must be a list with length > 1. Given: {keys}")
    for key in keys:
        if not isinstance(key, (str, CategoricalColumn)):
            raise GraphError(f"Unsupported key type. All keys must be either string, or "
                             f"categorical column except HashedCategoricalColumn. Given: {key!r}")
        if isinstance(key, HashedColumn):
            raise GraphError(f"crossed_column: {key.key!r} is hashed already: hashing twice makes "
                             "more collisions. Use the name of the feature instead.")
    return CrossedColumn(tuple(keys), int(hash_bucket_size), hash_key)


__all__ = [
    "categorical_column_with_hash_bucket", "categorical_column_with_identity",
    "categorical_column_with_vocabulary_file", "categorical_column_with_vocabulary_list",
    "crossed_column", "weighted_categorical_column",
]
