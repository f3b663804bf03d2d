"""`keras.initializers`: how weights get their first values, by name or as objects.

The defaults of the random ones are Keras's, which differ from those of `tf.initializers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.errors import ShapeError
from graphflow.keras.serialization import deserialize_keras_object, getter, serialize_keras_object
from graphflow.ops import initializers as base
from graphflow.ops.initializers import (
    Constant,
    Identity,
    Initializer,
    Ones,
    VarianceScaling,
    Zeros,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)

GlorotUniform, GlorotNormal = base.GlorotUniform, base.GlorotNormal


class RandomNormal(base.RandomNormal):
    """Normal, with a standard deviation of 0.05 by default."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(mean, stddev, seed, dtype)


class RandomUniform(base.RandomUniform):
    """Uniform in [minval, maxval), ±0.05 by default."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(minval, maxval, seed, dtype)


class TruncatedNormal(base.TruncatedNormal):
    """Normal, redrawn beyond two standard deviations, which are of 0.05 by default."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(mean, stddev, seed, dtype)


class Orthogonal(Initializer):
    """`gain` times a random matrix with orthonormal rows or columns.

    Weights of more axes are such matrices [all but the last, last]. Raises ShapeError for fewer
    than two axes. Source: Saxe and others, "Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks", ICLR 2014.
    """

    arguments = ("gain", "seed", "dtype")

    def __init__(
        self, gain: float = 1.0, seed: int | None = None, dtype: Any = "float32"
    ) -> None:
        self.gain, self.seed, self.dtype = gain, seed, dtype

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        sizes = [int(n) for n in shape]
        if len(sizes) < 2:
            raise ShapeError(
                "The tensor to initialize must be at least two-dimensional, got shape "
                f"{sizes}.")
        rows, columns = int(np.prod(sizes[:-1])), sizes[-1]
        dtype = self.dtype if dtype is None else dtype
        drawn = F.random_normal(
            [max(rows, columns), min(rows, columns)], dtype=dtype, seed=self.seed)
        q, r = F.qr(drawn, full_matrices=False)
        # With R's diagonal positive, Q is uniformly distributed.
        q = q * F.sign(F.matrix_diag_part(r))
        if rows < columns:
            q = F.transpose(q)
        return F.cast(self.gain, dtype) * F.reshape(q, sizes)


zeros = zero = Zeros
ones = one = Ones
constant = Constant
identity = Identity
random_uniform = uniform = RandomUniform
random_normal = normal = RandomNormal
truncated_normal = TruncatedNormal
orthogonal = Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal

_NAMES: dict[str, Any] = {
    "zeros": Zeros, "ones": Ones, "constant": Constant, "identity": Identity,
    "random_uniform": RandomUniform, "random_normal": RandomNormal, "uniform": RandomUniform,
    "normal": RandomNormal, "truncated_normal": TruncatedNormal, "orthogonal": Orthogonal,
    "glorot_uniform": GlorotUniform, "glorot_normal": GlorotNormal, "zero": Zeros, "one": Ones,
    "variance_scaling": VarianceScaling, "Zeros": Zeros, "Ones": Ones, "Constant": Constant,
    "Identity": Identity, "RandomUniform": RandomUniform, "RandomNormal": RandomNormal,
    "TruncatedNormal": TruncatedNormal, "Orthogonal": Orthogonal,
    "GlorotUniform": GlorotUniform, "GlorotNormal": GlorotNormal,
    "VarianceScaling": VarianceScaling,
}
_FACTORIES = {"he_normal": he_normal, "he_uniform": he_uniform, "lecun_normal": lecun_normal,
              "lecun_uniform": lecun_uniform}


def serialize(initializer: Any) -> Any:
    """{"class_name", "config"} of an initialiser."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The initialiser of a name or config. Raises AttributeValueError if it is unknown."""
    return get(config) if not custom_objects else deserialize_keras_object(
        config, {**_NAMES, **_FACTORIES}, custom_objects, "initializer")


_get = getter("initializer", lambda: _NAMES)


def get(identifier: Any) -> Any:
    """The initialiser of a name, config or class, or the object itself; None stays None."""
    if isinstance(identifier, str) and identifier in _FACTORIES:
        return _FACTORIES[identifier]()
    return _get(identifier)
