"""Columns that make dense numbers of categories: indicators and embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError, GraphError
from graphflow.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureView,
    categorical,
)
from graphflow.graph import get_default_graph
from graphflow.ops.initializers import TruncatedNormal
from graphflow.ops.variable_scope import get_variable
from graphflow.train.checkpoint_reader import load_variable


@dataclass(frozen=True)
class IndicatorColumn(DenseColumn):
    """See `indicator_column`."""

    categorical_column: CategoricalColumn

    @property
    def name(self) -> str:
        """The column's name with `_indicator`."""
        return f"{self.categorical_column.name}_indicator"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The column's."""
        return self.categorical_column.parse_example_spec

    @property
    def width(self) -> int:
        """One number per id."""
        return self.categorical_column.num_buckets

    def dense(self, view: FeatureView, trainable: bool = True) -> Any:
        """How often (or with what weight) each id occurs: [batch, ids]."""
        ids, weights = view.ids(self.categorical_column)
        ones = F.one_hot(ids.values, self.width)  # a row of zeros for an id of -1
        if weights is not None:
            ones = ones * F.expand_dims(weights.values, 1)
        rows = F.cast(ids.dense_shape[0], dt.int32)
        found = F.unsorted_segment_sum(ones, ids.indices[:, 0], rows)
        found.set_shape([None, self.width])
        return found


def indicator_column(categorical_column: Any) -> IndicatorColumn:
    """For each id a number: how often it occurs in the example."""
    return IndicatorColumn(categorical(categorical_column, "indicator_column"))


@dataclass(frozen=True)
class EmbeddingColumn(DenseColumn):
    """See `embedding_column`. shared: the name of a table that several columns use, or None."""

    categorical_column: CategoricalColumn
    dimension: int
    combiner: str
    initializer: Any
    ckpt_to_load_from: str | None
    tensor_name_in_ckpt: str | None
    max_norm: float | None
    trainable: bool
    shared: str | None = None

    @property
    def name(self) -> str:
        """The column's name with `_embedding`, or `_shared_embedding`."""
        return f"{self.categorical_column.name}_{'shared_' if self.shared else ''}embedding"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The column's."""
        return self.categorical_column.parse_example_spec

    @property
    def width(self) -> int:
        """The dimension."""
        return self.dimension

    def _table(self, trainable: bool) -> Any:
        initializer: Any = self.initializer
        if self.ckpt_to_load_from is not None:
            value = load_variable(self.ckpt_to_load_from, self.tensor_name_in_ckpt or "")
            initializer = F.constant_initializer(value)
        shape = [self.categorical_column.num_buckets, self.dimension]

        def make(name: str) -> Any:
            return get_variable(name, shape=shape, dtype=dt.float32, initializer=initializer,
                                trainable=self.trainable and trainable)

        if self.shared is None:
            return make("embedding_weights")
        tables = get_default_graph().kept(_SHARED, dict)
        if self.shared not in tables:
            tables[self.shared] = make(self.shared)
        return tables[self.shared]

    def dense(self, view: FeatureView, trainable: bool = True) -> Any:
        """The combined embeddings of the ids: [batch, dimension]."""
        ids, weights = view.ids(self.categorical_column)
        found = F.safe_embedding_lookup_sparse(
            self._table(trainable), ids, weights, combiner=self.combiner, max_norm=self.max_norm)
        found.set_shape([None, self.dimension])
        return found


_SHARED = ("shared_embedding_tables",)  # no collection of the user's


def embedding_column(
    categorical_column: Any, dimension: int, combiner: str = "mean", initializer: Any = None,
    ckpt_to_load_from: str | None = None, tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None, trainable: bool = True, use_safe_embedding_lookup: bool = True,
) -> EmbeddingColumn:
    """A trained vector of `dimension` numbers for each id; several ids of an example combined.

    combiner: "mean", "sqrtn" or "sum". initializer: truncated normal of deviation 1/√dimension.
    """
    if dimension is None or dimension < 1:
        raise AttributeValueError(f"embedding_column: Invalid dimension {dimension}.")
    if (ckpt_to_load_from is None) != (tensor_name_in_ckpt is None):
        raise GraphError("embedding_column: Must specify both `ckpt_to_load_from` and "
                         "`tensor_name_in_ckpt` or none of them.")
    if initializer is not None and not callable(initializer):
        raise GraphError(f"initializer must be callable if specified. Embedding of column_name: "
                         f"{categorical_column.name}")
    return EmbeddingColumn(
        categorical(categorical_column, "embedding_column"), int(dimension), combiner,
        initializer or TruncatedNormal(0.0, 1 / math.sqrt(dimension)), ckpt_to_load_from,
        tensor_name_in_ckpt, max_norm, trainable)


def shared_embedding_columns(
    categorical_columns: Sequence[Any], dimension: int, combiner: str = "mean",
    initializer: Any = None, shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: str | None = None, tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None, trainable: bool = True, use_safe_embedding_lookup: bool = True,
) -> list[EmbeddingColumn]:
    """An `embedding_column` for each column, all of one table: ids mean the same in each."""
    columns = [categorical(c, "shared_embedding_columns") for c in categorical_columns]
    if len({c.num_buckets for c in columns}) != 1:
        raise GraphError("shared_embedding_columns: To use shared_embedding_column, all "
                         "categorical_columns must have the same number of buckets, got "
                         f"{[c.num_buckets for c in columns]}.")
    shared = shared_embedding_collection_name or (
        "_".join(sorted(c.name for c in columns)) + "_shared_embedding")
    first = embedding_column(columns[0], dimension, combiner, initializer, ckpt_to_load_from,
                             tensor_name_in_ckpt, max_norm, trainable)
    return [EmbeddingColumn(c, first.dimension, combiner, first.initializer, ckpt_to_load_from,
                            tensor_name_in_ckpt, max_norm, trainable, shared) for c in columns]

