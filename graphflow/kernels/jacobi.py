"""Singular values by Jacobi's rotations.

Rotations make the vectors of the matrix's shorter side orthogonal, pair by pair, in sweeps over
all pairs until none is needed; their lengths are the singular values. It is slower than reduction
to bidiagonal form for large matrices, and as accurate as possible. The sign of each pair of
vectors is chosen so that Σ vᵢ / (i + 1) of the right one is not negative.
Source: Golub, Van Loan, "Matrix computations", 4th edition, 8.6; Demmel, Veselić, "Jacobi's
method is more accurate than QR", 1992.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from numba.extending import register_jitable

from graphflow.dtypes import DType
from graphflow.kernels.linear_algebra import Kernel, real_type
from graphflow.kernels.pointers import elements, types

_SWEEPS = 60
_SMALL = {4: 1e-8, 8: 1e-16}  # below the rounding of the element type


@register_jitable
def _dot(rows: Any, p: int, q: int, length: int) -> float:
    """The product of two rows, as four sums at a time."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    x, y = p * length, q * length
    whole = length - length % 4
    for i in range(0, whole, 4):
        a += rows[x + i] * rows[y + i]
        b += rows[x + i + 1] * rows[y + i + 1]
        c += rows[x + i + 2] * rows[y + i + 2]
        d += rows[x + i + 3] * rows[y + i + 3]
    for i in range(whole, length):
        a += rows[x + i] * rows[y + i]
    return (a + b) + (c + d)


@register_jitable
def _rotate(rows: Any, p: int, q: int, length: int, c: float, s: float) -> None:
    for i in range(length):
        x, y = rows[p * length + i], rows[q * length + i]
        rows[p * length + i] = c * x - s * y
        rows[q * length + i] = s * x + c * y


@register_jitable
def _exchange(rows: Any, p: int, q: int, length: int) -> None:
    for i in range(length):
        x = rows[p * length + i]
        rows[p * length + i] = rows[q * length + i]
        rows[q * length + i] = x


@register_jitable
def _orthogonalise(
    w: Any, v: Any, squares: Any, k: int, length: int, small: float
) -> None:
    """Turns the rows of w until they are orthogonal, and those of v with them.

    squares: room for the squares of the rows, which are counted anew in each sweep.
    """
    for _ in range(_SWEEPS):
        turned = False
        for p in range(k):
            squares[p] = _dot(w, p, p, length)
        for p in range(k - 1):
            for q in range(p + 1, k):
                pp, qq = squares[p], squares[q]
                pq = _dot(w, p, q, length)
                if abs(pq) > small * sqrt(max(pp, 0.0) * max(qq, 0.0)):
                    turned = True
                    angle = (qq - pp) / (2 * pq)
                    t = 1 / (abs(angle) + sqrt(1 + angle * angle))
                    t = -t if angle < 0 else t
                    c = 1 / sqrt(1 + t * t)
                    _rotate(w, p, q, length, c, t * c)
                    _rotate(v, p, q, k, c, t * c)
                    squares[p], squares[q] = pp - t * pq, qq + t * pq
        if not turned:
            break


@register_jitable
def _complete(w: Any, place: int, length: int) -> None:
    """Row `place`: the unit vector that is farthest from the rows before, made orthogonal."""
    least, chosen = 2.0, 0
    for i in range(length):
        known = 0.0
        for p in range(place):
            known += w[p * length + i] * w[p * length + i]
        if known < least:
            least, chosen = known, i
    for i in range(length):
        w[place * length + i] = 1.0 if i == chosen else 0.0
    for _ in range(2):
        for p in range(place):
            known = _dot(w, p, place, length)
            for i in range(length):
                w[place * length + i] -= known * w[p * length + i]
    size = sqrt(_dot(w, place, place, length))
    for i in range(length):
        w[place * length + i] /= size


@register_jitable
def _sort(w: Any, v: Any, values: Any, at: int, k: int, length: int) -> None:
    """Lengths in descending order as values[at …], rows of w divided by them."""
    top = 0.0
    for place in range(k):
        best, largest = place, -1.0
        for p in range(place, k):
            squares = _dot(w, p, p, length)
            if squares > largest:
                best, largest = p, squares
        _exchange(w, best, place, length)
        _exchange(v, best, place, k)
        value = sqrt(largest)
        values[at + place] = value
        top = value if place == 0 else top
        if value > top * 1e-30:
            for i in range(length):
                w[place * length + i] /= value
        else:
            _complete(w, place, length)


@register_jitable
def _as_columns(
    rows: Any, out: Any, at: int, place: int, k: int, length: int, sign: float
) -> None:
    for i in range(length):
        out[at + i * k + place] = sign * rows[place * length + i]


def svd(dtypes: tuple[DType, ...]) -> Kernel:
    """A = U·diag(s)·Vᵀ with s in descending order.

    Buffers: A [count, m, n], s [count, k], U [count, m, k], V [count, n, k], k = min(m, n);
    scratch float64: the shorter side's vectors as rows [k, max(m, n)], their rotations [k, k],
    room [k]. Sizes: count, m, n. Vectors of the value 0 are completed to an orthonormal set.
    """
    real, small = real_type(dtypes[0]), _SMALL[dtypes[0].size]

    def kernel(buffers: Any, sizes: Any) -> None:
        count, m, n = sizes[0], sizes[1], sizes[2]
        source = elements(buffers, 0, real)
        values = elements(buffers, 1, real)
        left = elements(buffers, 2, real)
        right = elements(buffers, 3, real)
        w = elements(buffers, 4, types.float64)
        v = elements(buffers, 5, types.float64)
        squares = elements(buffers, 6, types.float64)
        tall = m >= n
        k, length = (n, m) if tall else (m, n)
        for matrix in range(count):
            at, first, second = matrix * m * n, matrix * m * k, matrix * n * k
            for i in range(k):
                for j in range(length):
                    w[i * length + j] = source[at + (j * n + i if tall else i * n + j)]
                for j in range(k):
                    v[i * k + j] = 1.0 if i == j else 0.0
            _orthogonalise(w, v, squares, k, length, small)
            _sort(w, v, values, matrix * k, k, length)
            for place in range(k):
                weight = 0.0
                for i in range(n):
                    weight += (v[place * k + i] if tall else w[place * length + i]) / (i + 1)
                sign = -1.0 if weight < 0 else 1.0
                if tall:
                    _as_columns(w, left, first, place, k, length, sign)
                    _as_columns(v, right, second, place, k, k, sign)
                else:
                    _as_columns(v, left, first, place, k, k, sign)
                    _as_columns(w, right, second, place, k, length, sign)

    return kernel
