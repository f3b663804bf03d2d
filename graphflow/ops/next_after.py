"""`nextafter`: the neighbouring floating-point number, by arithmetic on the bits.

The bits of floats of one sign, read as an integer, are in the order of the floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.opdef import NotDifferentiable, Sample
from graphflow.ops.declare import binary


def _body(b: Any, x: Any, y: Any) -> Any:
    whole = dt.int64 if x.dtype is dt.float64 else dt.int32
    one = b.const(1, whole)
    # |x| grows where y lies on the side of x that is away from 0.
    away = b.eq(y > x, x > 0)
    bits = b.bitcast(x, whole)
    stepped = b.bitcast(b.select(away, bits + one, bits - one), x.dtype)
    least = b.bitcast(one, x.dtype)
    stepped = b.select(b.eq(x, 0), b.select(y > 0, least, -least), stepped)
    stepped = b.select(b.eq(x, y), y, stepped)
    return b.select(b.logical_or(b.ne(x, x), b.ne(y, y)), x + y, stepped)


nextafter = binary(
    "NextAfter", "nextafter", (dt.float32, dt.float64),
    body=_body, reference=np.nextafter,
    grad=NotDifferentiable("a step to the next number has no derivative"),
    samples=lambda: [
        Sample((np.array([[1.5, -2.0, 0.0], [0.0, 4.0, -1.0]]), np.array([2.0, -1.0, -0.5]))),
        Sample((np.array([1.0, np.inf, -np.inf, np.nan, 1.0]),
                np.array([np.inf, 0.0, 0.0, 1.0, np.nan]))),
        Sample((np.array(1.0), np.array(1.0))), Sample((np.zeros((0, 2)), np.ones(2)))],
    parameters=("x1", "x2"),
    doc="""The next number of the type after x1 in the direction of x2, elementwise.

    x1, x2: float32 or float64, with broadcasting; x2 where they are equal.""")
