"""Means over batches: of values, of errors, of correct answers."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.metrics.accumulators import (
    Metric,
    collect,
    fitted,
    metric_variable,
    require_one_shape,
)
from graphflow.ops import state
from graphflow.ops.squeezable import (
    broadcast_weights,
    fit_weights,
    remove_squeezable_dimensions,
)
from graphflow.ops.variable_scope import variable_scope


def mean(
    values: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """(the weighted mean of all values so far, the same with this batch): float32 scalars.

    values: numbers of any shape; weights: a scalar, or of their rank with sizes that are the same
    or 1. 0 before the first batch. Raises ShapeError for weights that do not fit.
    """
    with variable_scope(name, "mean", [values, weights]):
        values = F.cast(values, dt.float32)
        total = metric_variable([], dt.float32, "total")
        count = metric_variable([], dt.float32, "count")
        number = F.cast(F.size(values), dt.float32)
        if weights is not None:
            factors = broadcast_weights(fit_weights(weights, values), values)
            number = factors * number if factors.shape.rank == 0 else F.reduce_sum(factors)
            values = values * factors
        value = F.div_no_nan(total, F.maximum(count, 0), name="value")
        sums = state.assign_add(total, F.reduce_sum(values))
        counts = state.assign_add(count, number)
        update = F.div_no_nan(sums, F.maximum(counts, 0), name="update_op")
        return collect((value, update), metrics_collections, updates_collections)


def mean_tensor(
    values: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """(the weighted mean of each element over all batches so far, the same with this batch).

    values: numbers of a known shape, which is that of the result; weights as in `mean`.
    """
    with variable_scope(name, "mean", [values, weights]):
        values = F.cast(values, dt.float32)
        total = metric_variable(values.shape.as_list(), dt.float32, "total_tensor")
        count = metric_variable(values.shape.as_list(), dt.float32, "count_tensor")
        number = F.ones_like(values)
        if weights is not None:
            factors = broadcast_weights(fit_weights(weights, values), values)
            values, number = values * factors, number * factors
        value = F.div_no_nan(total, F.maximum(count, 0), name="value")
        update = F.div_no_nan(
            state.assign_add(total, values), F.maximum(state.assign_add(count, number), 0),
            name="update_op")
        return collect((value, update), metrics_collections, updates_collections)


def accuracy(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """How often predictions equal labels; see `mean`.

    labels, predictions: of one shape (a last axis of size 1 may be missing in one of them).
    Raises ShapeError otherwise.
    """
    labels, predictions, weights = fitted("accuracy", labels, predictions, weights)
    if labels.dtype is not predictions.dtype:
        predictions = F.cast(predictions, labels.dtype)
    correct = F.cast(F.equal(predictions, labels), dt.float32)
    return mean(correct, weights, metrics_collections, updates_collections, name or "accuracy")


def percentage_below(
    values: Any, threshold: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The share of values below `threshold`, from 0 to 1; see `mean`."""
    below = F.cast(F.less(values, threshold), dt.float32)
    return mean(below, weights, metrics_collections, updates_collections,
                name or "percentage_below_threshold")


def mean_absolute_error(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The mean of |predictions − labels|; arguments as for `accuracy`."""
    labels, predictions, weights = fitted("mean_absolute_error", labels, predictions, weights)
    return mean(F.abs(predictions - labels), weights, metrics_collections, updates_collections,
                name or "mean_absolute_error")


def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The mean of (predictions − labels)²; arguments as for `accuracy`."""
    labels, predictions, weights = fitted("mean_squared_error", labels, predictions, weights)
    return mean(F.squared_difference(labels, predictions), weights, metrics_collections,
                updates_collections, name or "mean_squared_error")


def root_mean_squared_error(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The square root of `mean_squared_error`."""
    value, update = mean_squared_error(
        labels, predictions, weights, None, None, name or "root_mean_squared_error")
    return collect((F.sqrt(value), F.sqrt(update)), metrics_collections, updates_collections)


def mean_relative_error(
    labels: Any, predictions: Any, normalizer: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The mean of |labels − predictions| / normalizer, which is 0 where the normalizer is.

    normalizer: of the predictions' shape; other arguments as for `accuracy`.
    """
    labels, predictions, weights = fitted("mean_relative_error", labels, predictions, weights)
    predictions, normalizer = remove_squeezable_dimensions(predictions, normalizer)
    require_one_shape("mean_relative_error (normalizer)", normalizer, predictions)
    errors = F.where_v2(
        F.equal(normalizer, 0), F.zeros_like(labels),
        F.divide(F.abs(labels - predictions), normalizer))
    return mean(errors, weights, metrics_collections, updates_collections,
                name or "mean_relative_error")


def mean_cosine_distance(
    labels: Any, predictions: Any, dim: int, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """1 − the mean of Σ labels · predictions along the axis `dim`, for vectors of length 1."""
    labels, predictions, weights = fitted("mean_cosine_distance", labels, predictions, weights)
    products = F.reduce_sum(convert(predictions) * labels, axis=[dim], keepdims=True)
    value, update = mean(products, weights, None, None, name or "mean_cosine_distance")
    return collect((F.subtract(1.0, value), F.subtract(1.0, update)), metrics_collections,
                   updates_collections)
