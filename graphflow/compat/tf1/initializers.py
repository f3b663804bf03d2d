"""The initialisers of `tf.contrib.layers`: Xavier, and scaling of variances with its own rule.

Sources: Glorot & Bengio 2010; He et al. 2015; contrib/layers/python/layers/initializers.py, whose
truncated normal has the variance 1.3 · factor / n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError

_MODES = ("FAN_IN", "FAN_OUT", "FAN_AVG")


class VarianceScalingInitializer:
    """An initialiser: called with a shape and dtype, it gives random values."""

    def __init__(self, factor: float, mode: str, uniform: bool, seed: int | None,
                 dtype: Any) -> None:
        if mode not in _MODES:
            raise AttributeValueError(f"variance_scaling_initializer: mode must be one of "
                                      f"{', '.join(_MODES)}, got {mode!r}.")
        if not dt.as_dtype(dtype).is_floating:
            raise AttributeValueError("Cannot create initializer for non-floating point type.")
        self._settings = factor, mode, uniform, seed
        self._dtype = dtype

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        factor, mode, uniform, seed = self._settings
        sizes = [int(n) for n in shape]
        inward, outward = _fans(sizes)
        n = {"FAN_IN": inward, "FAN_OUT": outward, "FAN_AVG": (inward + outward) / 2}[mode]
        kind = dt.as_dtype(dtype or self._dtype)
        if uniform:
            limit = math.sqrt(3.0 * factor / n)
            return F.random_uniform(sizes, -limit, limit, kind, seed=seed)
        return F.truncated_normal(sizes, 0.0, math.sqrt(1.3 * factor / n), kind, seed=seed)


def _fans(sizes: Sequence[int]) -> tuple[float, float]:
    """How many inputs and outputs a unit has. sizes: [..., inputs, outputs]."""
    window = math.prod(sizes[:-2])
    inward = sizes[-2] if len(sizes) > 1 else sizes[-1] if sizes else 1
    return float(inward * window), float((sizes[-1] if sizes else 1) * window)


def variance_scaling_initializer(
    factor: float = 2.0, mode: str = "FAN_IN", uniform: bool = False, seed: int | None = None,
    dtype: Any = dt.float32,
) -> VarianceScalingInitializer:
    """Values of variance about factor / n, n by the mode FAN_IN, FAN_OUT or FAN_AVG.

    Uniform, or normal cut off at two deviations. Raises AttributeValueError for another mode.
    """
    return VarianceScalingInitializer(factor, mode, uniform, seed, dtype)


def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: Any = dt.float32
) -> VarianceScalingInitializer:
    """Glorot & Bengio's rule: variance_scaling_initializer(1.0, "FAN_AVG")."""
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer

__all__ = ["variance_scaling_initializer", "xavier_initializer", "xavier_initializer_conv2d"]
