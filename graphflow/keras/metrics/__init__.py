"""`keras.metrics`: numbers over many batches, by name, as functions or as objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.builder import F
from graphflow.keras import loss_functions as functions
from graphflow.keras.loss_functions import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_proximity,
    hinge,
    kullback_leibler_divergence,
    logcosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from graphflow.keras.metrics.accuracies import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from graphflow.keras.metrics.base import Mean, MeanMetricWrapper, Metric, Sum
from graphflow.keras.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    MeanIoU,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from graphflow.keras.serialization import deserialize_keras_object, serialize_keras_object


def _metric_class(
    name: str, function: Callable[..., Any], label: str | None = None
) -> type[MeanMetricWrapper]:
    """The mean of a function of labels and predictions, as a class."""

    def __init__(
        self: Any, name: str = label or function.__name__, dtype: Any = None, **kwargs: Any
    ) -> None:
        MeanMetricWrapper.__init__(self, function, name, dtype, **kwargs)

    return type(name, (MeanMetricWrapper,), {
        "__init__": __init__, "__module__": __name__,
        "__doc__": f"The mean of `{function.__name__}`; keywords go to the function."})


Accuracy = _metric_class("Accuracy", accuracy)
BinaryAccuracy = _metric_class("BinaryAccuracy", binary_accuracy)
CategoricalAccuracy = _metric_class("CategoricalAccuracy", categorical_accuracy)
SparseCategoricalAccuracy = _metric_class(
    "SparseCategoricalAccuracy", sparse_categorical_accuracy)
MeanSquaredError = _metric_class("MeanSquaredError", mean_squared_error)
MeanAbsoluteError = _metric_class("MeanAbsoluteError", mean_absolute_error)
MeanAbsolutePercentageError = _metric_class(
    "MeanAbsolutePercentageError", mean_absolute_percentage_error)
MeanSquaredLogarithmicError = _metric_class(
    "MeanSquaredLogarithmicError", mean_squared_logarithmic_error)
Hinge = _metric_class("Hinge", hinge)
SquaredHinge = _metric_class("SquaredHinge", squared_hinge)
CategoricalHinge = _metric_class("CategoricalHinge", categorical_hinge)
KLDivergence = _metric_class("KLDivergence", kullback_leibler_divergence)
Poisson = _metric_class("Poisson", poisson)
LogCoshError = _metric_class("LogCoshError", logcosh)
BinaryCrossentropy = _metric_class("BinaryCrossentropy", binary_crossentropy)
CategoricalCrossentropy = _metric_class("CategoricalCrossentropy", categorical_crossentropy)
SparseCategoricalCrossentropy = _metric_class(
    "SparseCategoricalCrossentropy", sparse_categorical_crossentropy)
CosineSimilarity = _metric_class("CosineSimilarity", cosine_proximity, "cosine_similarity")


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the right class is among the k best, for one-hot labels."""

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the right class is among the k best, for class numbers."""

    def __init__(
        self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k)


class RootMeanSquaredError(Mean):
    """The root of the mean of (y_pred − y_true)²."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]  # two arguments in the place of one
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Takes in labels and predictions of one shape."""
        y_true, y_pred = functions.operands(y_true, y_pred)
        return super().update_state(F.squared_difference(y_pred, y_true), sample_weight)

    def result(self) -> Any:
        """The root of the mean."""
        return F.sqrt(super().result())


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
cosine_similarity = cosine_proximity

_CLASSES = (
    AUC, Accuracy, BinaryAccuracy, BinaryCrossentropy, CategoricalAccuracy,
    CategoricalCrossentropy, CategoricalHinge, CosineSimilarity, FalseNegatives, FalsePositives,
    Hinge, KLDivergence, LogCoshError, Mean, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanIoU, MeanSquaredError, MeanSquaredLogarithmicError, Poisson, Precision, Recall,
    RootMeanSquaredError, SparseCategoricalAccuracy, SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy, SquaredHinge, Sum, TopKCategoricalAccuracy, TrueNegatives,
    TruePositives)
_FUNCTIONS = (
    accuracy, binary_accuracy, binary_crossentropy, categorical_accuracy,
    categorical_crossentropy, categorical_hinge, cosine_proximity, hinge,
    kullback_leibler_divergence, logcosh, mean_absolute_error, mean_absolute_percentage_error,
    mean_squared_error, mean_squared_logarithmic_error, poisson, sparse_categorical_accuracy,
    sparse_categorical_crossentropy, sparse_top_k_categorical_accuracy, squared_hinge,
    top_k_categorical_accuracy)
_NAMES: dict[str, Any] = {
    **{c.__name__: c for c in _CLASSES}, **{f.__name__: f for f in _FUNCTIONS},
    "mse": mse, "MSE": mse, "mae": mae, "MAE": mae, "mape": mape, "MAPE": mape, "msle": msle,
    "MSLE": msle, "kld": kld, "KLD": kld, "cosine": cosine_proximity,
    "cosine_similarity": cosine_proximity}


def serialize(metric: Any) -> Any:
    """The name of a metric function, {"class_name", "config"} of an object."""
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The metric of a name or config. Raises AttributeValueError if it is unknown."""
    return deserialize_keras_object(config, _NAMES, custom_objects, "metric function")


def get(identifier: Any) -> Any:
    """The metric function or object of a name or config, or the function itself.

    Raises AttributeValueError (a ValueError) for an unknown name.
    """
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return identifier() if isinstance(identifier, type) else deserialize(identifier)


__all__ = [
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "FalseNegatives",
    "FalsePositives", "Hinge", "KLD", "KLDivergence", "LogCoshError", "MAE", "MAPE", "MSE",
    "MSLE", "Mean", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU",
    "MeanMetricWrapper", "MeanSquaredError", "MeanSquaredLogarithmicError", "Metric", "Poisson",
    "Precision", "Recall", "RootMeanSquaredError", "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy", "SquaredHinge", "Sum",
    "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives", "accuracy", "binary_accuracy",
    "binary_crossentropy", "categorical_accuracy", "categorical_crossentropy",
    "categorical_hinge", "cosine_proximity", "cosine_similarity", "deserialize", "get", "hinge",
    "kld", "kullback_leibler_divergence", "logcosh", "mae", "mape", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
    "mse", "msle", "poisson", "serialize", "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy", "squared_hinge",
    "top_k_categorical_accuracy",
]
