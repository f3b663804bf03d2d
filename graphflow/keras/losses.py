"""`keras.losses`: losses as objects and functions, by name or as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.keras.loss_functions import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_proximity,
    cosine_similarity,
    hinge,
    huber_loss,
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
from graphflow.keras.serialization import (
    deserialize_keras_object,
    getter,
    serialize_keras_object,
)
from graphflow.keras.weighting import weighted
from graphflow.ops.scope import scope as name_scope
from graphflow.tensor import Tensor


class Reduction:
    """How the losses of a batch become one number."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All ways."""
        return cls.AUTO, cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE

    @classmethod
    def validate(cls, key: Any) -> None:
        """Raises AttributeValueError (a ValueError) for anything else."""
        if key not in cls.all():
            raise AttributeValueError(f"Invalid Reduction Key {key}.")


class Loss:
    """The base: `loss(y_true, y_pred, sample_weight=None)` → a scalar.

    A subclass defines `call(y_true, y_pred)`, one loss per sample. reduction: AUTO and
    SUM_OVER_BATCH_SIZE give the mean, SUM the sum, NONE the losses themselves.
    """

    def __init__(self, reduction: str = Reduction.AUTO, name: str | None = None) -> None:
        Reduction.validate(reduction)
        self.reduction, self.name = reduction, name

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss per sample."""
        raise NotImplementedError

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss of a batch; sample_weight: one weight per sample, or per loss."""
        with name_scope(None, (self.name or type(self).__name__).strip("<>")):
            losses = weighted(convert(self.call(y_true, y_pred)), sample_weight)
            if self.reduction == Reduction.NONE:
                return losses
            total = F.reduce_sum(losses)
            if self.reduction == Reduction.SUM:
                return total
            return F.div_no_nan(total, F.cast(F.size(losses), total.dtype))

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """A loss from `get_config()`."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss function as an object; keywords go to the function."""

    def __init__(
        self, fn: Callable[..., Any], reduction: str = Reduction.AUTO, name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reduction, name)
        self.fn, self._fn_kwargs = fn, kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The function's losses."""
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), **self._fn_kwargs}


def _loss_class(name: str, function: Callable[..., Any]) -> type[LossFunctionWrapper]:
    """A class of losses without arguments of their own."""

    def __init__(self: Any, reduction: str = Reduction.AUTO, name: str | None = None) -> None:
        LossFunctionWrapper.__init__(self, function, reduction, name or function.__name__)

    return type(name, (LossFunctionWrapper,), {
        "__init__": __init__, "__doc__": function.__doc__, "__module__": __name__})


MeanSquaredError = _loss_class("MeanSquaredError", mean_squared_error)
MeanAbsoluteError = _loss_class("MeanAbsoluteError", mean_absolute_error)
MeanAbsolutePercentageError = _loss_class(
    "MeanAbsolutePercentageError", mean_absolute_percentage_error)
MeanSquaredLogarithmicError = _loss_class(
    "MeanSquaredLogarithmicError", mean_squared_logarithmic_error)
Hinge = _loss_class("Hinge", hinge)
SquaredHinge = _loss_class("SquaredHinge", squared_hinge)
CategoricalHinge = _loss_class("CategoricalHinge", categorical_hinge)
Poisson = _loss_class("Poisson", poisson)
LogCosh = _loss_class("LogCosh", logcosh)
KLDivergence = _loss_class("KLDivergence", kullback_leibler_divergence)


class BinaryCrossentropy(LossFunctionWrapper):
    """Cross-entropy of labels 0 and 1 with probabilities; see `binary_crossentropy`."""

    def __init__(
        self, from_logits: bool = False, label_smoothing: Any = 0,
        reduction: str = Reduction.AUTO, name: str = "binary_crossentropy",
    ) -> None:
        super().__init__(binary_crossentropy, reduction, name, from_logits=from_logits,
                         label_smoothing=label_smoothing)
        self.from_logits = from_logits


class CategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy of one-hot labels with probabilities; see `categorical_crossentropy`."""

    def __init__(
        self, from_logits: bool = False, label_smoothing: Any = 0,
        reduction: str = Reduction.AUTO, name: str = "categorical_crossentropy",
    ) -> None:
        super().__init__(categorical_crossentropy, reduction, name, from_logits=from_logits,
                         label_smoothing=label_smoothing)


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy of class numbers; see `sparse_categorical_crossentropy`."""

    def __init__(
        self, from_logits: bool = False, reduction: str = Reduction.AUTO,
        name: str = "sparse_categorical_crossentropy",
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy, reduction, name, from_logits=from_logits)


class Huber(LossFunctionWrapper):
    """Squares for small errors, absolute values for large ones; see `huber_loss`."""

    def __init__(
        self, delta: float = 1.0, reduction: str = Reduction.AUTO, name: str = "huber_loss"
    ) -> None:
        super().__init__(huber_loss, reduction, name, delta=delta)


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine of the angle between labels and predictions."""

    def __init__(
        self, axis: Any = -1, reduction: str = Reduction.AUTO, name: str = "cosine_similarity"
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, axis=axis)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
huber = huber_loss
log_cosh = logcosh

_CLASSES = (
    MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError, Hinge, SquaredHinge, CategoricalHinge, Poisson, LogCosh,
    KLDivergence, BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy,
    Huber, CosineSimilarity)
_FUNCTIONS = (
    binary_crossentropy, categorical_crossentropy, categorical_hinge, cosine_similarity, hinge,
    huber_loss, kullback_leibler_divergence, logcosh, mean_absolute_error,
    mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, poisson,
    sparse_categorical_crossentropy, squared_hinge)
_NAMES: dict[str, Any] = {
    **{c.__name__: c for c in _CLASSES}, **{f.__name__: f for f in _FUNCTIONS},
    "mse": mse, "MSE": mse, "mae": mae, "MAE": mae, "mape": mape, "MAPE": mape, "msle": msle,
    "MSLE": msle, "kld": kld, "KLD": kld, "huber": huber_loss, "log_cosh": logcosh,
    "cosine_proximity": cosine_similarity}


def serialize(loss: Any) -> Any:
    """The name of a loss function, {"class_name", "config"} of an object."""
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Any = None) -> Any:
    """The loss of a name or config. Raises AttributeValueError if it is unknown."""
    return deserialize_keras_object(name, _NAMES, custom_objects, "loss function")


get = getter("loss function", lambda: _NAMES)


def as_loss(identifier: Any) -> Any:
    """A `Loss` object: functions are wrapped; None stays None."""
    found = get(identifier)
    if found is None or isinstance(found, Loss):
        return found
    return LossFunctionWrapper(found, name=getattr(found, "__name__", None))


__all__ = [
    "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity",
    "Hinge", "Huber", "KLD", "KLDivergence", "LogCosh", "Loss", "LossFunctionWrapper", "MAE",
    "MAPE", "MSE", "MSLE", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Poisson", "Reduction", "SparseCategoricalCrossentropy",
    "SquaredHinge", "as_loss", "binary_crossentropy", "categorical_crossentropy",
    "categorical_hinge", "cosine_proximity", "cosine_similarity", "deserialize", "get", "hinge",
    "huber", "huber_loss", "kld", "kullback_leibler_divergence", "log_cosh", "logcosh", "mae",
    "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "serialize",
    "sparse_categorical_crossentropy", "squared_hinge",
]
