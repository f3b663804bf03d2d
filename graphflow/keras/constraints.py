"""`keras.constraints`: what optimizers hold weights to after each update."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.keras.backend.settings import epsilon
from graphflow.keras.serialization import deserialize_keras_object, getter, serialize_keras_object


class Constraint:
    """The base: a function from a weight to the weight that is to stand in its place."""

    def __call__(self, w: Any) -> Any:
        """The constrained weight, of the shape of `w`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """A constraint from `get_config()`."""
        return cls(**config)


def _norms(w: Any, axis: Any) -> Any:
    return F.sqrt(F.reduce_sum(F.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Weights along `axis` are scaled down to a norm of `max_value` at most.

    Source: Srivastava and others, "Dropout", JMLR 15, 2014.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        desired = F.clip_by_value(norms, 0.0, float(self.max_value))
        return w * (desired / (epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        """{"max_value", "axis"}."""
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Negative weights become 0."""

    def __call__(self, w: Any) -> Any:
        return w * F.cast(F.greater_equal(w, 0.0), w.dtype)


class UnitNorm(Constraint):
    """Weights along `axis` get the norm 1."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        """{"axis"}."""
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """The norms along `axis` move into [min_value, max_value], the fraction `rate` of the way."""

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        inside = F.clip_by_value(norms, float(self.min_value), float(self.max_value))
        desired = self.rate * inside + (1 - self.rate) * norms
        return w * (desired / (epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        """{"min_value", "max_value", "rate", "axis"}."""
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate,
                "axis": self.axis}


max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm

_NAMES: dict[str, Any] = {
    name: kind for kind, names in (
        (MaxNorm, ("MaxNorm", "max_norm", "maxnorm")), (NonNeg, ("NonNeg", "non_neg", "nonneg")),
        (UnitNorm, ("UnitNorm", "unit_norm", "unitnorm")),
        (MinMaxNorm, ("MinMaxNorm", "min_max_norm"))) for name in names}


def serialize(constraint: Any) -> Any:
    """{"class_name", "config"} of a constraint."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The constraint of a name or config. Raises AttributeValueError if it is unknown."""
    return deserialize_keras_object(config, _NAMES, custom_objects, "constraint")


get = getter("constraint", lambda: _NAMES)
