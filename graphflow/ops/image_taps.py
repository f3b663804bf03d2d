"""Which input pixels an output pixel of a resized image is made of, along one axis.

Nearest, bilinear and bicubic interpolation and the mean over areas are linear and separate: an
output row is a weighted sum of input rows. Written twice: `taps` (or `overlaps`) with ops, for
sizes that may not be known, and `matrix` with NumPy, the reference. Coordinates are float32, as
TensorFlow computes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt

Array = np.ndarray
METHODS = ("nearest", "bilinear", "bicubic", "area")
_TABLE = 1024  # TensorFlow takes the cubic's weights from a table of so many steps
_LEGACY, _KEYS = -0.75, -0.5  # Keys, "Cubic convolution interpolation", IEEE TASSP 1981


# ---- with NumPy ------------------------------------------------------------------------------


def _scale(inside: int, out: int, align_corners: bool) -> Any:
    if align_corners and out > 1:
        return np.float32(inside - 1) / np.float32(out - 1)
    return np.float32(inside) / np.float32(max(out, 1))


def _near(x: Array, a: float) -> Array:
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _far(x: Array, a: float) -> Array:
    x = x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def matrix(
    method: str, inside: int, out: int, align_corners: bool, half_pixel_centers: bool
) -> Array:
    """The weights float64 [out, inside]."""
    scale, half = _scale(inside, out, align_corners), np.float32(0.5)
    o = np.arange(out, dtype=np.float32)
    weights = np.zeros((out, inside))
    rows = np.arange(out)
    if method == "area":
        start, end = o * scale, (o + np.float32(1)) * scale
        edge = np.arange(inside + 1, dtype=np.float32)
        low, high = edge[:-1].copy(), edge[1:].copy()
        high[-1:] = np.inf  # what reaches beyond the last pixel is that pixel again
        part = np.minimum(end[:, None], high) - np.maximum(start[:, None], low)
        return np.maximum(part, 0).astype(np.float64) / float(scale)
    if method == "nearest":
        at = (o + half) * scale if half_pixel_centers else o * scale
        at = np.floor(at + half) if align_corners else np.floor(at)
        weights[rows, np.clip(at.astype(int), 0, inside - 1)] = 1
        return weights
    at = (o + half) * scale - half if half_pixel_centers else o * scale
    below = np.floor(at)
    lerp = (at - below).astype(np.float64)
    if method == "bilinear":
        np.add.at(weights, (rows, np.maximum(below, 0).astype(int)), 1 - lerp)
        np.add.at(weights, (rows, np.minimum(np.ceil(at), inside - 1).astype(int)), lerp)
        return weights
    step = np.rint(lerp * _TABLE) / _TABLE
    a = _KEYS if half_pixel_centers else _LEGACY
    parts = (_far(step, a), _near(step, a), _near(1 - step, a), _far(1 - step, a))
    for k, part in enumerate(parts):
        place = below.astype(int) + k - 1
        bound = np.clip(place, 0, inside - 1)
        np.add.at(weights, (rows, bound), np.where(place == bound, part, 0)
                  if half_pixel_centers else part)
    return weights / weights.sum(1, keepdims=True) if half_pixel_centers else weights


# ---- with ops --------------------------------------------------------------------------------


def _scaled(F: Any, inside: Any, out: Any, align_corners: bool) -> tuple[Any, Any]:
    """Output places and the scale, both float32."""
    wide, wide_out = F.cast(inside, dt.float32), F.cast(out, dt.float32)
    scale = wide / F.maximum(wide_out, 1.0)
    if align_corners:
        corners = (wide - 1) / F.maximum(wide_out - 1, 1.0)
        scale = F.where_v2(out > 1, corners, scale)
    return F.cast(F.range(out), dt.float32), scale


def taps(
    F: Any, method: str, inside: Any, out: Any, align_corners: bool, half_pixel_centers: bool
) -> list[tuple[Any, Any]]:
    """(indices int32 [out], weights float64 [out]) for each input pixel that takes part.

    inside, out: int32 scalars. The weight of a single tap is None.
    """
    o, scale = _scaled(F, inside, out, align_corners)
    last = inside - 1
    if method == "nearest":
        at = (o + 0.5) * scale if half_pixel_centers else o * scale
        at = F.floor(at + 0.5) if align_corners else F.floor(at)
        return [(F.maximum(F.minimum(F.cast(at, dt.int32), last), 0), None)]
    at = (o + 0.5) * scale - 0.5 if half_pixel_centers else o * scale
    below = F.floor(at)
    lerp = F.cast(at - below, dt.float64)
    if method == "bilinear":
        lower = F.maximum(F.cast(below, dt.int32), 0)
        upper = F.minimum(F.cast(F.ceil(at), dt.int32), last)
        return [(lower, 1 - lerp), (upper, lerp)]
    step = F.rint(lerp * float(_TABLE)) * (1 / _TABLE)
    a = _KEYS if half_pixel_centers else _LEGACY
    weights = [_far(step, a), _near(step, a), _near(1 - step, a), _far(1 - step, a)]
    first = F.cast(below, dt.int32)
    places = [first + (k - 1) for k in range(4)]
    bounds = [F.maximum(F.minimum(p, last), 0) for p in places]
    if half_pixel_centers:
        weights = [F.where_v2(F.equal(p, b), w, np.float64(0))
                   for p, b, w in zip(places, bounds, weights)]
        total = weights[0] + weights[1] + weights[2] + weights[3]
        weights = [w / total for w in weights]
    return list(zip(bounds, weights))


def overlaps(F: Any, inside: Any, out: Any, align_corners: bool) -> Any:
    """The weights float64 [out, inside] of means over areas."""
    o, scale = _scaled(F, inside, out, align_corners)
    start, end = (F.expand_dims(v, 1) for v in (o * scale, (o + 1) * scale))
    edge = F.range(inside)
    low = F.cast(edge, dt.float32)
    high = F.where_v2(F.equal(edge, inside - 1), np.float32(np.inf), low + 1)
    part = F.minimum(end, F.expand_dims(high, 0)) - F.maximum(start, F.expand_dims(low, 0))
    return F.cast(F.maximum(part, 0.0), dt.float64) / F.cast(scale, dt.float64)


def dense(
    F: Any, method: str, inside: Any, out: Any, align_corners: bool, half_pixel_centers: bool
) -> Any:
    """The weights float64 [out, inside], as a matrix."""
    if method == "area":
        return overlaps(F, inside, out, align_corners)
    columns = F.expand_dims(F.range(inside), 0)
    total = None
    for index, weight in taps(F, method, inside, out, align_corners, half_pixel_centers):
        here = F.equal(F.expand_dims(index, 1), columns)
        part = F.where_v2(here, np.float64(1) if weight is None else F.expand_dims(weight, 1),
                          np.float64(0))
        total = part if total is None else total + part
    return total
