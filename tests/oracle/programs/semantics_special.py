"""Special functions: values, first and second derivatives."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated

POSITIVE = [[0.1, 0.5, 0.9], [0.05, 0.97, 0.3]]
BOTH_SIGNS = [[-2.5, -0.75, 0.25], [1.5, 6.0, 9.5]]


@case()
def one_argument(tf: ModuleType) -> Any:
    """erfinv, ndtri, erfcinv, lbeta, Bessel functions, to second order."""
    def derivatives(name: str, values: Any) -> list[Any]:
        x = tf.constant(values, tf.float64)
        y = getattr(tf.math, name)(x)
        first = tf.gradients(y, x)[0]
        return [y, first, tf.gradients(first, x)[0]]

    inside = ("erfinv", "ndtri", "erfcinv", "lbeta")
    bessel = ("bessel_i0", "bessel_i1", "bessel_i0e", "bessel_i1e")
    found = {n: lambda n=n: derivatives(n, POSITIVE) for n in inside}
    found |= {n: lambda n=n: derivatives(n, BOTH_SIGNS) for n in bessel}
    return evaluated(tf, found | {
        f"{n} in float32": lambda n=n: getattr(tf.math, n)(np.float32(POSITIVE))
        for n in (*inside, *bessel)})


@case()
def several_arguments(tf: ModuleType) -> Any:
    """Incomplete gamma and beta, xlog1py, nextafter: values, gradients, ends of the ranges."""
    a = tf.constant([0.5, 2.0, 3.5, 40.0], tf.float64)
    x = tf.constant([0.1, 3.0, 3.0, 45.0], tf.float64)
    half = tf.constant([0.2, 0.5, 0.75, 0.3], tf.float64)

    def both(y: Any, xs: list[Any]) -> list[Any]:
        return [y, *tf.gradients(y, xs)]

    ends = [np.array(v) for v in ([-1.0, 1.0, 1.0, 0.0], [1.0, 0.0, -1.0, 1.0])]
    zeros, ones = np.array([0.0, 0.0, 2.0, -1.0]), np.array([-1.0, np.inf, 0.5, 2.0])
    return evaluated(tf, {
        "igamma": lambda: both(tf.igamma(a, x), [a, x]),
        "igammac": lambda: both(tf.igammac(a, x), [a, x]),
        "igamma at ends": lambda: [tf.igamma(*ends), tf.igammac(*ends)],
        "igamma in float32": lambda: tf.igamma([1.0, 2.0], [[0.5], [4.0]]),
        "betainc": lambda: both(tf.betainc(a, x, half), [half]),
        "xlog1py": lambda: tf.math.xlog1py(zeros, ones),
        "xlog1py slopes": lambda: tf.gradients(
            tf.math.xlog1py(half, x), [half, x]),
        "nextafter": lambda: tf.math.nextafter(
            np.float32([1, 0, -1, 1, 0]), np.float32([2, -1, -5, 1, 3]))})
