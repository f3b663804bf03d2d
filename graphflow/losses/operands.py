"""Labels and predictions: there, and of one shape."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.tensor import Tensor


def as_floats(
    function: str, predictions: Any, labels: Any, names: tuple[str, str] = (
        "predictions", "labels"),
) -> tuple[Tensor, Tensor]:
    """(predictions, labels) as float32.

    Raises AttributeValueError if one is None, ShapeError if their shapes differ.
    """
    require(function, **{names[1]: labels, names[0]: predictions})
    predictions, labels = F.cast(predictions, dt.float32), F.cast(labels, dt.float32)
    require_one_shape(function, predictions, labels, names)
    return predictions, labels


def as_logits(
    function: str, logits: Any, labels: Any, labels_name: str
) -> tuple[Tensor, Tensor]:
    """(logits, labels) in the type of the logits; errors as in `as_floats`."""
    require(function, **{labels_name: labels, "logits": logits})
    logits = convert(logits)
    labels = F.cast(labels, logits.dtype)
    require_one_shape(function, logits, labels, ("logits", labels_name))
    return logits, labels


def require(function: str, **arguments: Any) -> None:
    """Raises AttributeValueError (a ValueError) for an argument that is None."""
    for name, value in arguments.items():
        if value is None:
            raise AttributeValueError(f"{function}: Argument `{name}` must not be None.")


def require_one_shape(
    function: str, first: Tensor, second: Tensor, names: tuple[str, str]
) -> None:
    """Raises ShapeError (a ValueError) if two shapes surely differ."""
    if not first.shape.is_compatible_with(second.shape):
        raise ShapeError(
            f"{function}: {names[0]} and {names[1]} must have the same shape, got "
            f"{first.shape} and {second.shape}. Reshape one of them: axes of size 1 are not "
            "added or dropped, for they would broadcast to all pairs.")
