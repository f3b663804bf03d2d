"""Initializers: objects that give the first value of a variable, `initializer(shape, dtype)`.

Classes and functions of TensorFlow 1.15's `tf.initializers` with its arguments, formulas and
`get_config`/`from_config`. Random ones draw anew each time their variable is initialised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, publish
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import AttributeValueError, DTypeError, ShapeError
from graphflow.ops.arguments import failure, is_tensor
from graphflow.shapes import TensorShape

# √Var of a normal cut at ±2 standard deviations: scipy.stats.truncnorm.std(-2, 2).
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """The base: a callable `(shape, dtype=None, partition_info=None)` → tensor.

    Subclasses list their arguments in `arguments`, in order; each is an attribute.
    """

    arguments: tuple[str, ...] = ()

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        """A tensor of `shape` and `dtype` (the initializer's own by default)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, from which `from_config` makes an equal initializer."""
        values = {name: getattr(self, name) for name in self.arguments}
        return {k: v.name if isinstance(v, DType) else v for k, v in values.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """An initializer from `get_config()`."""
        return cls(**config)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({shown})"


def floating_type(owner: object, dtype: Any) -> DType:
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise failure(type(owner).__name__, None,
                      f"Expected floating point type, got {dtype.name}", cls=FloatOnlyError)
    return dtype


class FloatOnlyError(DTypeError, ValueError):
    """An initializer of floats was asked for another type: a ValueError, as TensorFlow's."""


# --- fixed values -----------------------------------------------------------------------------


class Zeros(Initializer):
    """Zeros (False, or empty strings) of any dtype."""

    arguments = ("dtype",)

    def __init__(self, dtype: Any = dt.float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return F.zeros(shape, self.dtype if dtype is None else dtype)


class Ones(Initializer):
    """Ones (True) of any dtype but strings."""

    arguments = ("dtype",)

    def __init__(self, dtype: Any = dt.float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return F.ones(shape, self.dtype if dtype is None else dtype)


class Constant(Initializer):
    """A number, or a (nested) list or array of them, reshaped to the variable's shape.

    Too few values are filled up with the last one, as in `constant`. `verify_shape` demands
    that the value has the shape already. Raises DTypeError for a value of another Python type.
    """

    arguments = ("value", "dtype")

    def __init__(
        self, value: Any = 0, dtype: Any = dt.float32, verify_shape: bool = False
    ) -> None:
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise failure(
                "Constant", None, f"Invalid type for initial value: {type(value).__name__} "
                "(expected Python scalar, list or tuple of values, or numpy.ndarray)",
                cls=DTypeError)
        self.value, self.dtype, self._verify_shape = value, as_dtype(dtype), verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None,
        verify_shape: bool | None = None,
    ) -> Any:
        verify = self._verify_shape if verify_shape is None else verify_shape
        return F.constant(
            self.value, self.dtype if dtype is None else dtype, shape, verify_shape=verify)


class Identity(Initializer):
    """`gain` times the identity matrix, for shapes of rank 2. Raises ShapeError for others."""

    arguments = ("gain", "dtype")

    def __init__(self, gain: float = 1.0, dtype: Any = dt.float32) -> None:
        self.gain, self.dtype = gain, floating_type(self, dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        sizes = static_sizes(self, _whole_shape(shape, partition_info))
        if len(sizes) != 2:
            raise failure("Identity", None,
                          f"Identity matrix initializer can only be used for 2D matrices, got "
                          f"shape {list(sizes)}", cls=ShapeError)
        return F.constant(self.gain * np.eye(*sizes), self.dtype if dtype is None else dtype)


# --- one distribution -------------------------------------------------------------------------


class RandomUniform(Initializer):
    """Uniform in [minval, maxval); integers too. See `random_uniform`."""

    arguments = ("minval", "maxval", "seed", "dtype")

    def __init__(
        self, minval: Any = 0, maxval: Any = None, seed: int | None = None,
        dtype: Any = dt.float32,
    ) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return F.random_uniform(
            shape, self.minval, self.maxval, self.dtype if dtype is None else dtype,
            seed=self.seed)


class RandomNormal(Initializer):
    """Normal with `mean` and `stddev`. See `random_normal`."""

    arguments = ("mean", "stddev", "seed", "dtype")

    def __init__(
        self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None,
        dtype: Any = dt.float32,
    ) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed
        self.dtype = floating_type(self, dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return F.random_normal(
            shape, self.mean, self.stddev, self.dtype if dtype is None else dtype,
            seed=self.seed)


class TruncatedNormal(RandomNormal):
    """Normal, redrawn beyond two standard deviations. See `truncated_normal`."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return F.truncated_normal(
            shape, self.mean, self.stddev, self.dtype if dtype is None else dtype,
            seed=self.seed)


# --- scaled by the shape ----------------------------------------------------------------------


def _whole_shape(shape: Any, partition_info: Any) -> Any:
    """The shape of the whole variable, of which `shape` may be one part."""
    return shape if partition_info is None else partition_info.full_shape


def static_sizes(owner: object, shape: Any) -> tuple[int, ...]:
    if is_tensor(shape):
        raise failure(type(owner).__name__, None,
                      "the scale depends on the shape, which must be known while building; got "
                      f"the tensor {shape!r}", cls=ShapeError)
    known = TensorShape(shape)
    if not known.is_fully_defined():
        raise failure(type(owner).__name__, None, f"shape {known} is not fully known",
                      cls=ShapeError)
    return tuple(int(d) for d in known.sizes)


def compute_fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: [in, out], or a kernel [space…, in, out].

    A scalar has 1 and 1, a vector its length twice.
    """
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "untruncated_normal")


class VarianceScaling(Initializer):
    """Draws of variance scale / n, where n is the fan-in, fan-out, or their mean.

    scale: positive. mode: fan_in, fan_out or fan_avg. distribution: `truncated_normal` (also
    called `normal`), `untruncated_normal` or `uniform`. n is at least 1; a convolution kernel's
    fans count its receptive field. Raises AttributeValueError for other arguments, ShapeError if
    the shape is not fully known.
    """

    arguments: tuple[str, ...] = ("scale", "mode", "distribution", "seed", "dtype")

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
        seed: int | None = None, dtype: Any = dt.float32,
    ) -> None:
        self.scale, self.mode, self.distribution = scale, mode, str(distribution).lower()
        if scale <= 0.0:
            raise self._wrong(f"`scale` must be positive, got {scale}")
        if mode not in _MODES:
            raise self._wrong(f"mode must be one of {', '.join(_MODES)}, got {mode!r}")
        if self.distribution not in _DISTRIBUTIONS:
            raise self._wrong(
                f"distribution must be one of {', '.join(_DISTRIBUTIONS)}, got {distribution!r}")
        self.seed, self.dtype = seed, floating_type(self, dtype)

    def _wrong(self, problem: str) -> Exception:
        return failure(type(self).__name__, None, problem, cls=AttributeValueError)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        whole = _whole_shape(shape, partition_info)
        fan_in, fan_out = compute_fans(static_sizes(self, whole))
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, count[self.mode])
        dtype = self.dtype if dtype is None else dtype
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return F.random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return F.random_normal(shape, 0.0, math.sqrt(variance), dtype, seed=self.seed)
        stddev = math.sqrt(variance) / TRUNCATED_STDDEV
        return F.truncated_normal(shape, 0.0, stddev, dtype, seed=self.seed)


class UniformUnitScaling(Initializer):
    """Uniform in ±√(3 / n) · factor, with n the product of all sizes but the last.

    A layer of such weights keeps the scale of its inputs (Sussillo and Abbott 2014, "Random walk
    initialization for training very deep feedforward networks").
    """

    arguments = ("factor", "seed", "dtype")

    def __init__(
        self, factor: float = 1.0, seed: int | None = None, dtype: Any = dt.float32
    ) -> None:
        self.factor, self.seed, self.dtype = factor, seed, floating_type(self, dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        sizes = static_sizes(self, _whole_shape(shape, partition_info))
        limit = math.sqrt(3.0 / max(1.0, math.prod(sizes[:-1]))) * self.factor
        return F.random_uniform(
            shape, -limit, limit, self.dtype if dtype is None else dtype, seed=self.seed)


class GlorotUniform(VarianceScaling):
    """Uniform in ±√(6 / (fan_in + fan_out)) (Glorot and Bengio 2010); also named after Xavier."""

    arguments = ("seed", "dtype")

    def __init__(self, seed: int | None = None, dtype: Any = dt.float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


class GlorotNormal(VarianceScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""

    arguments = ("seed", "dtype")

    def __init__(self, seed: int | None = None, dtype: Any = dt.float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 1 / fan_in (LeCun and others 1998, "Efficient BackProp")."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in ±√(3 / fan_in)."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 2 / fan_in, for relu layers (He and others 2015)."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in ±√(6 / fan_in), for relu layers (He and others 2015)."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


zeros_initializer = publish(Zeros, "zeros_initializer")
ones_initializer = publish(Ones, "ones_initializer")
constant_initializer = publish(Constant, "constant_initializer")
identity_initializer = publish(Identity, "identity_initializer")
random_uniform_initializer = publish(RandomUniform, "random_uniform_initializer")
random_normal_initializer = publish(RandomNormal, "random_normal_initializer")
truncated_normal_initializer = publish(TruncatedNormal, "truncated_normal_initializer")
variance_scaling_initializer = publish(VarianceScaling, "variance_scaling_initializer")
uniform_unit_scaling_initializer = publish(
    UniformUnitScaling, "uniform_unit_scaling_initializer")
glorot_uniform_initializer = publish(GlorotUniform, "glorot_uniform_initializer")
glorot_normal_initializer = publish(GlorotNormal, "glorot_normal_initializer")
