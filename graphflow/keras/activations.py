"""`keras.activations`: functions of a tensor, by name or as they are."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.errors import ShapeError
from graphflow.keras.serialization import deserialize_keras_object, getter, serialize_keras_object


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / Σ exp(x) along `axis`. Raises ShapeError for a tensor of fewer than two axes."""
    x = convert(x)
    if x.shape.rank is not None and x.shape.rank < 2:
        raise ShapeError(f"Cannot apply softmax to a tensor that is 1D. Received input: {x!r}")
    return F.softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, alpha·(exp(x) − 1) elsewhere."""
    res = F.elu(x)
    return res if alpha == 1 else F.where_v2(F.greater(x, 0), res, alpha * res)


def selu(x: Any) -> Any:
    """The scaled elu whose outputs keep mean 0 and variance 1."""
    return F.selu(x)


def softplus(x: Any) -> Any:
    """log(exp(x) + 1)."""
    return F.softplus(x)


def softsign(x: Any) -> Any:
    """x / (|x| + 1)."""
    return F.softsign(x)


def relu(x: Any, alpha: Any = 0.0, max_value: Any = None, threshold: Any = 0) -> Any:
    """min(x, max_value) where x ≥ threshold, alpha·(x − threshold) elsewhere."""
    x = convert(x)
    if alpha == 0.0 and threshold == 0:
        if max_value is None:
            return F.relu(x)
        if max_value == 6:
            return F.relu6(x)
    below = alpha * (x - threshold) if alpha != 0.0 else F.zeros_like(x)
    value = F.where_v2(F.greater_equal(x, F.cast(threshold, x.dtype)), x, below)
    return value if max_value is None else F.minimum(value, F.cast(max_value, x.dtype))


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return F.tanh(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x))."""
    return F.sigmoid(x)


def exponential(x: Any) -> Any:
    """exp(x)."""
    return F.exp(x)


def hard_sigmoid(x: Any) -> Any:
    """0.2·x + 0.5, cut to [0, 1]."""
    return F.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


def swish(x: Any) -> Any:
    """x · sigmoid(x)."""
    return F.swish(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x · Φ(x) with the normal distribution Φ; by way of tanh if `approximate`."""
    return F.gelu(x, approximate=approximate)


def linear(x: Any) -> Any:
    """x itself."""
    return x


_FUNCTIONS = (softmax, elu, selu, softplus, softsign, relu, tanh, sigmoid, exponential,
              hard_sigmoid, swish, gelu, linear)
_NAMES: dict[str, Any] = {f.__name__: f for f in _FUNCTIONS}


def serialize(activation: Any) -> Any:
    """The name of an activation."""
    return serialize_keras_object(activation)


def deserialize(name: Any, custom_objects: Any = None) -> Any:
    """The activation of a name. Raises AttributeValueError (a ValueError) if it is unknown."""
    return deserialize_keras_object(name, _NAMES, custom_objects, "activation function")


_get = getter("activation function", lambda: _NAMES)


def get(identifier: Any) -> Any:
    """The activation of a name, or the function itself; `linear` for None."""
    return linear if identifier is None else _get(identifier)
