"""Neural operations of `keras.backend`: activations, losses, convolutions, conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.keras import activations
from graphflow.keras import loss_functions as losses
from graphflow.keras.backend.settings import floatx, normalize_data_format
from graphflow.keras.backend.values import variable
from graphflow.layers.layouts import layout_name
from graphflow.tensor import Tensor

relu, elu, softmax = activations.relu, activations.elu, activations.softmax
softplus, softsign, tanh = activations.softplus, activations.softsign, activations.tanh
sigmoid, hard_sigmoid = activations.sigmoid, activations.hard_sigmoid


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of zeros."""
    return variable(np.zeros(shape), dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A variable of ones."""
    return variable(np.ones(shape), dtype, name)


def eye(size: int, dtype: Any = None, name: str | None = None) -> Any:
    """A variable that is the identity matrix."""
    return variable(np.eye(size), dtype, name)


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None,
    seed: int | None = None,
) -> Any:
    """A variable of uniform numbers."""
    kind = as_dtype(dtype or floatx())
    return variable(F.random_uniform(shape, low, high, kind, seed=seed), None, name)


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None,
    seed: int | None = None,
) -> Any:
    """A variable of normal numbers."""
    kind = as_dtype(dtype or floatx())
    return variable(F.random_normal(shape, mean, scale, kind, seed=seed), None, name)


def update(x: Any, new_x: Any) -> Tensor:
    """Sets a variable."""
    return x.assign(new_x)


def update_add(x: Any, increment: Any) -> Tensor:
    """Adds to a variable."""
    return x.assign_add(increment)


def update_sub(x: Any, decrement: Any) -> Tensor:
    """Subtracts from a variable."""
    return x.assign_sub(decrement)


def moving_average_update(x: Any, value: Any, momentum: float) -> Tensor:
    """x ← momentum·x + (1 − momentum)·value."""
    return x.assign_sub((x - value) * (1.0 - momentum))


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Tensor:
    """x with a random fraction `level` set to 0, the rest scaled up."""
    return F.dropout(x, noise_shape=noise_shape, seed=seed, rate=level)


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Cross-entropy of one-hot labels and probabilities (or logits) along the last axis."""
    return losses.categorical_crossentropy(target, output, from_logits)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Cross-entropy of class numbers and probabilities (or logits)."""
    return losses.sparse_categorical_crossentropy(target, output, from_logits, axis)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Cross-entropy of labels 0 and 1 with probabilities (or logits), element by element."""
    target, output = losses.operands(target, output)
    return losses.elementwise_binary_crossentropy(target, output, from_logits)


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Tensor:
    """x plus one number per channel."""
    x = convert(x)
    if normalize_data_format(data_format) == "channels_last" or x.shape.rank < 3:
        return x + bias
    return F.bias_add(x, bias, data_format=layout_name("channels_first", x.shape.rank - 2))


def _convolved(
    x: Any, kernel: Any, strides: Any, padding: str, data_format: str | None, dilation: Any,
    rank: int,
) -> Tensor:
    def listed(v: Any) -> list[int]:
        return [v] * rank if isinstance(v, int) else list(v)

    layout = layout_name(normalize_data_format(data_format), rank)
    return F.convolution(x, kernel, padding.upper(), strides=listed(strides),
                         dilation_rate=listed(dilation), data_format=layout)


def conv1d(x: Any, kernel: Any, strides: Any = 1, padding: str = "valid",
           data_format: str | None = None, dilation_rate: Any = 1) -> Tensor:
    """A convolution of sequences."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 1)


def conv2d(x: Any, kernel: Any, strides: Any = (1, 1), padding: str = "valid",
           data_format: str | None = None, dilation_rate: Any = (1, 1)) -> Tensor:
    """A convolution of images."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 2)


def pool2d(x: Any, pool_size: Any, strides: Any = (1, 1), padding: str = "valid",
           data_format: str | None = None, pool_mode: str = "max") -> Tensor:
    """The largest elements ("max") or means ("avg") of windows of images."""
    layout = layout_name(normalize_data_format(data_format), 2)
    return F.pool(x, list(pool_size), pool_mode.upper(), padding.upper(),
                  strides=list(strides), data_format=layout)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Tensor:
    """`then` where the condition holds, else `else`: element by element, or as a whole for a
    scalar condition and functions."""
    condition = F.cast(condition, dt.bool_)
    if condition.shape.rank == 0 and callable(then_expression) and callable(else_expression):
        return F.cond(condition, then_expression, else_expression)
    first, second = (convert(e() if callable(e) and not isinstance(e, Tensor) else e)
                     for e in (then_expression, else_expression))
    for _ in range((first.shape.rank or 0) - (condition.shape.rank or 0)):
        condition = F.expand_dims(condition, -1)
    return F.where_v2(condition, first, second)


def map_fn(fn: Any, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """A function of each row of a tensor."""
    return F.map_fn(fn, elems, dtype=dtype, name=name)


def foldl(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """A function of what came before and the next row, from the first row to the last."""
    return F.foldl(fn, elems, initializer=initializer, name=name)


def foldr(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """A function of what came before and the next row, from the last row to the first."""
    return F.foldr(fn, elems, initializer=initializer, name=name)
