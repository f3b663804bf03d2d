"""How often predictions are right: 1.0 or 0.0 per sample."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.keras.loss_functions import operands
from graphflow.tensor import Tensor


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1.0 where y_pred equals y_true; their shapes are the same."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.cast(F.equal(y_true, y_pred), dt.float32)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """The mean over the last axis of 1.0 where y_pred > threshold says what y_true does."""
    y_true, y_pred = operands(y_true, y_pred)
    said = F.cast(F.greater(y_pred, F.cast(threshold, y_pred.dtype)), y_pred.dtype)
    return F.reduce_mean(F.cast(F.equal(y_true, said), dt.float32), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1.0 where the largest y_pred stands where the largest y_true does, for one-hot labels."""
    right = F.equal(F.argmax(convert(y_true), axis=-1), F.argmax(convert(y_pred), axis=-1))
    return F.cast(right, dt.float32)


def _class_numbers(y_true: Any, y_pred: Any) -> Tensor:
    y_true = convert(y_true)
    if y_pred.shape.rank is not None and y_true.shape.rank == y_pred.shape.rank:
        y_true = F.squeeze(y_true, [-1])
    return F.cast(y_true, dt.int64)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1.0 where the largest y_pred stands at the class number y_true ([batch] or [batch, 1])."""
    y_pred = convert(y_pred)
    right = F.equal(_class_numbers(y_true, y_pred), F.argmax(y_pred, axis=-1))
    return F.cast(right, dt.float32)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1.0 where the class of the one-hot y_true is among the k largest of y_pred."""
    return F.cast(F.in_top_k(convert(y_pred), F.argmax(convert(y_true), axis=-1), k), dt.float32)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1.0 where the class number y_true is among the k largest of y_pred."""
    y_pred = convert(y_pred)
    return F.cast(F.in_top_k(y_pred, _class_numbers(y_true, y_pred), k), dt.float32)
