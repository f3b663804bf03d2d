"""What models make of feature columns: `input_layer`, `linear_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import GraphError
from graphflow.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    FeatureView,
)
from graphflow.graph import get_default_graph
from graphflow.ops.initializers import Zeros
from graphflow.ops.variable_scope import get_variable, variable_scope


def _columns(given: Any, who: str) -> list[Any]:
    """The columns by name. Raises GraphError for none, two of one name, or what is no column."""
    columns = [given] if isinstance(given, FeatureColumn) else list(given)
    if not columns:
        raise GraphError(f"{who}: feature_columns must not be empty.")
    for column in columns:
        if not isinstance(column, FeatureColumn):
            raise GraphError(f"{who}: Items of feature_columns must be a FeatureColumn, got "
                             f"{column!r}.")
    names = [c.name for c in columns]
    if len(set(names)) != len(names):
        raise GraphError(f"{who}: Duplicate feature column name found: {sorted(names)}.")
    return sorted(columns, key=lambda c: c.name)


def _check_features(features: Any, who: str) -> None:
    if not isinstance(features, Mapping):
        raise GraphError(f"{who}: We expected a dictionary here. Instead we got: {features!r}")


def input_layer(
    features: Mapping[str, Any], feature_columns: Any, weight_collections: Any = None,
    trainable: bool = True, cols_to_vars: dict | None = None,
    cols_to_output_tensors: dict | None = None,
) -> Any:
    """The columns of a batch beside one another, by name: float32 [batch, sum of the widths].

    features: names to tensors or SparseTensors. cols_to_vars, cols_to_output_tensors: dicts that
      are filled with each column's variables and tensor.
    Raises GraphError (a ValueError) for categorical columns: wrap them first.
    """
    _check_features(features, "input_layer")
    columns, view = _columns(feature_columns, "input_layer"), FeatureView(features)
    for column in columns:
        if not isinstance(column, DenseColumn):
            raise GraphError(f"input_layer: Items of feature_columns must be a _DenseColumn. You "
                             f"can wrap a categorical column with an embedding_column or "
                             f"indicator_column. Given: {column!r}")
    outputs = []
    with variable_scope(None, default_name="input_layer"):
        for column in columns:
            with variable_scope(None, default_name=column.name):
                before = _variables()
                dense = F.reshape(column.dense(view, trainable), [-1, column.width])
                outputs.append(dense)
                _note(cols_to_vars, column, before, weight_collections)
                if cols_to_output_tensors is not None:
                    cols_to_output_tensors[column] = dense
        return F.concat(outputs, axis=1)


def _variables() -> list[Any]:
    return get_default_graph().get_collection("variables")


def _note(cols_to_vars: dict | None, column: Any, before: list[Any], collections: Any) -> None:
    """Notes the variables that a column has made."""
    made = _variables()[len(before):]
    for key in collections or ():
        for variable in made:
            if key != "variables":
                get_default_graph().add_to_collection(key, variable)
    if cols_to_vars is not None:
        cols_to_vars[column] = made


def linear_model(
    features: Mapping[str, Any], feature_columns: Any, units: int = 1,
    sparse_combiner: str = "sum",
    weight_collections: Any = None, trainable: bool = True, cols_to_vars: dict | None = None,
) -> Any:
    """The weighted sum of all columns and a bias: float32 [batch, units].

    Each column has its `weights`, zero at first; an id of a categorical column has one of its own.
    sparse_combiner: "sum", "mean" or "sqrtn" of the ids of one example.
    """
    _check_features(features, "linear_model")
    columns, view = _columns(feature_columns, "linear_model"), FeatureView(features)
    terms = []
    with variable_scope(None, default_name="linear_model"):
        for column in columns:
            with variable_scope(None, default_name=column.name):
                before = _variables()
                terms.append(_weighted(column, view, units, sparse_combiner, trainable))
                _note(cols_to_vars, column, before, weight_collections)
        before = _variables()
        bias = get_variable("bias_weights", shape=[units], initializer=Zeros(),
                            trainable=trainable)
        _note(cols_to_vars, "bias", before, weight_collections)
        return F.bias_add(F.add_n(terms), bias)


def _weighted(
    column: FeatureColumn, view: FeatureView, units: int, combiner: str, trainable: bool
) -> Any:
    def weights(rows: int) -> Any:
        return get_variable("weights", shape=[rows, units], dtype=dt.float32,
                            initializer=Zeros(), trainable=trainable)

    if isinstance(column, CategoricalColumn):
        ids, scale = view.ids(column)
        found = F.safe_embedding_lookup_sparse(weights(column.num_buckets), ids, scale,
                                               combiner=combiner)
        found.set_shape([None, units])
        return found
    assert isinstance(column, DenseColumn)
    dense = F.reshape(column.dense(view, trainable), [-1, column.width])
    return F.matmul(dense, weights(column.width))


def make_parse_example_spec(feature_columns: Iterable[Any]) -> dict[str, Any]:
    """What `parse_example` needs for these columns. Raises GraphError if two contradict."""
    found: dict[str, Any] = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise GraphError(f"All feature_columns must be FeatureColumn instances. Given: "
                             f"{column!r}")
        for key, spec in column.parse_example_spec.items():
            if found.setdefault(key, spec) != spec:
                raise GraphError(f"feature_columns contain different parse_spec for key {key}. "
                                 f"Given {spec} and {found[key]}")
    return found


