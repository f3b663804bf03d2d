"""What all metrics are made of: local variables that grow with each batch.

A metric gives (value, update): `value` reads what was accumulated before this run, `update` adds
the batch and gives the metric with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.errors import ShapeError
from graphflow.graph import get_default_graph
from graphflow.ops.squeezable import fit_weights, remove_squeezable_dimensions
from graphflow.ops.variables import Variable, VariableAggregation, VariableSynchronization
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor

Metric = tuple[Any, Any]


def metric_variable(shape: Sequence[int], dtype: Any, name: str) -> Variable:
    """A variable of zeros in LOCAL_VARIABLES and METRIC_VARIABLES, named under the name scope."""
    return Variable(
        lambda: F.zeros(shape, dtype), trainable=False, name=name,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        synchronization=VariableSynchronization.ON_READ, aggregation=VariableAggregation.SUM)


def collect(metric: Metric, metrics_collections: Any, updates_collections: Any) -> Metric:
    """The metric, whose two tensors were added to collections (none if there are no names)."""
    graph = get_default_graph()
    for collections, tensor in zip((metrics_collections, updates_collections), metric):
        if collections:
            graph.add_to_collections(collections, tensor)
    return metric


def fitted(
    metric: str, labels: Any, predictions: Any, weights: Any
) -> tuple[Tensor, Tensor, Any]:
    """(labels, predictions, weights) of one rank: last axes of size 1 are dropped or added.

    Raises ShapeError if labels and predictions surely differ in shape.
    """
    labels, predictions = remove_squeezable_dimensions(labels, predictions)
    require_one_shape(metric, labels, predictions)
    return labels, predictions, None if weights is None else fit_weights(weights, predictions)


def require_one_shape(metric: str, labels: Tensor, predictions: Tensor) -> None:
    """Raises ShapeError (a ValueError) if two shapes surely differ."""
    labels, predictions = convert(labels), convert(predictions)
    if not labels.shape.is_compatible_with(predictions.shape):
        raise ShapeError(
            f"{metric}: labels and predictions must have the same shape, got {labels.shape} and "
            f"{predictions.shape}.")
