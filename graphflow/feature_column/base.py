"""What feature columns share: their kinds, and the features of a batch as columns see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, DTypeError, GraphError
from graphflow.sparse_tensor import SparseTensor


class FeatureColumn:
    """A way from raw features to what a model takes. Columns are equal if their fields are."""

    @property
    def name(self) -> str:
        """The name, unique in a model."""
        raise NotImplementedError

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """What `parse_example` needs for this column."""
        raise NotImplementedError


class DenseColumn(FeatureColumn):
    """A column that gives a dense tensor."""

    @property
    def width(self) -> int:
        """How many numbers it gives for each example."""
        raise NotImplementedError

    def dense(self, view: FeatureView, trainable: bool) -> Any:
        """The tensor [batch, …, width] of a batch."""
        raise NotImplementedError


class CategoricalColumn(FeatureColumn):
    """A column that gives ids below `num_buckets`."""

    @property
    def num_buckets(self) -> int:
        """How many ids there are."""
        raise NotImplementedError

    def ids(self, view: FeatureView) -> tuple[SparseTensor, SparseTensor | None]:
        """(ids [batch, n], weights at the same places or None)."""
        raise NotImplementedError


class FeatureView:
    """The features of a batch; what columns make of them is made once."""

    def __init__(self, features: Mapping[str, Any]) -> None:
        self._features, self._made = features, dict[Any, Any]()

    def raw(self, key: str) -> Any:
        """A feature as a tensor of rank 2 or more, or as a SparseTensor.

        Raises GraphError (a ValueError) if there is none of that name.
        """
        if key not in self._features:
            raise GraphError(f"Feature {key} is not in features dictionary. It has: "
                             f"{', '.join(map(str, self._features))}.")
        if ("raw", key) not in self._made:
            value = self._features[key]
            if not isinstance(value, SparseTensor):
                value = convert(value)
                if value.shape.rank == 1:
                    value = F.expand_dims(value, -1)
                elif value.shape.rank in (0, None):
                    raise GraphError(f"Feature (key: {key}) cannot have rank 0 or an unknown "
                                     f"rank. Give: {value!r}")
            self._made["raw", key] = value
        return self._made["raw", key]

    def sparse(self, key: str) -> SparseTensor:
        """A feature as a SparseTensor; of a dense one, -1 and "" are left out."""
        value = self.raw(key)
        if isinstance(value, SparseTensor):
            return value
        if ("sparse", key) not in self._made:
            missing = F.constant("" if value.dtype.is_string else -1, value.dtype)
            places = F.where(F.not_equal(value, missing))
            self._made["sparse", key] = SparseTensor(
                places, F.gather_nd(value, places), F.shape(value, out_type=dt.int64))
        return self._made["sparse", key]

    def ids(self, column: CategoricalColumn) -> tuple[SparseTensor, SparseTensor | None]:
        """`column.ids`, made once."""
        if column not in self._made:
            self._made[column] = column.ids(self)
        return self._made[column]


def categorical(value: Any, who: str) -> CategoricalColumn:
    """`value`. Raises DTypeError (a TypeError and ValueError) if it is no categorical column."""
    if not isinstance(value, CategoricalColumn):
        raise DTypeError(f"{who}: categorical_column must be a categorical column, got {value!r}. "
                         "Use categorical_column_with_… or bucketized_column.")
    return value


def checked_key(key: Any, who: str) -> str:
    """`key`, which must be a string."""
    if not isinstance(key, str):
        raise DTypeError(f"{who}: key must be a string, got {key!r}.")
    return key


def id_type(dtype: Any, who: str) -> DType:
    """A type of categories: string or an integer type."""
    found = dt.as_dtype(dtype)
    if not found.is_string and not found.is_integer:
        raise AttributeValueError(f"{who}: dtype must be string or integer, got {found.name}.")
    return found
