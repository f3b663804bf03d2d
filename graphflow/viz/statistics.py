"""Statistics and the histogram of an array, for the panel beside a picture."""

from __future__ import annotations

import numpy as np

from graphflow.viz.model import Statistics, shortened

BARS = 24
FEW = 8


def statistics_of(array: np.ndarray) -> Statistics | None:
    """Statistics of a real array of any shape; None for strings, complex numbers, nothing.

    Sums are taken in float64. Infinite and NaN elements are counted and left out.
    """
    if array.size == 0 or array.dtype.kind in "OSUc":
        return None
    values = np.asarray(array, np.float64).ravel()
    finite = values[np.isfinite(values)]
    shown = ", ".join(f"{v:.6g}" for v in values[:FEW]) if values.size <= FEW else ""
    zeros = int(np.count_nonzero(values == 0))
    if finite.size == 0:
        return Statistics(values.size, 0, None, None, None, None, zeros, (), shown)
    least, most = float(finite.min()), float(finite.max())
    large = max(abs(least), abs(most))
    scale = large if large > 1e100 else 1.0  # squares must not overflow
    scaled = finite / scale
    return Statistics(
        values.size, finite.size, _rounded(scaled.mean() * scale), _rounded(scaled.std() * scale),
        least, most, zeros, _histogram(finite, least, most), shown)


def _histogram(finite: np.ndarray, least: float, most: float) -> tuple[int, ...]:
    """Counts in equal intervals. One bar if all elements are equal."""
    if least == most:
        return (finite.size,)
    half = most / 2 - least / 2  # most - least may overflow
    places = ((finite / 2 - least / 2) / half * BARS).astype(np.int64)
    return tuple(np.bincount(np.minimum(places, BARS - 1), minlength=BARS).tolist())


def _rounded(value: float) -> float:
    """To nine digits: sums may differ in the last ones between machines."""
    return float(f"{float(value):.9g}")


def value_text(array: np.ndarray) -> str:
    """A few elements of any array, as text."""
    return shortened(np.array2string(array, threshold=6, edgeitems=3, precision=5)
                     .replace("\n", " "), 120)
