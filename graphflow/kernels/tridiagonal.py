"""Eigenvalues and eigenvectors of symmetric matrices.

Householder reflections make the matrix tridiagonal, implicit QL steps make it diagonal. The
matrix of the vectors is kept as rows, so that both parts run along contiguous memory. The sign of
each vector is chosen so that Σ vᵢ / (i + 1) is not negative.
Source: Wilkinson, Reinsch, "Handbook for automatic computation II", 1971, II/2 (tred2) and II/4
(tql2); Golub, Van Loan, "Matrix computations", 4th edition, 8.3.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from numba.extending import register_jitable

from graphflow.dtypes import DType
from graphflow.kernels.linear_algebra import Kernel, real_type
from graphflow.kernels.pointers import elements, types

_STEPS = 50  # QL steps for one eigenvalue; three are usual


@register_jitable
def _tridiagonal(a: Any, q: Any, d: Any, e: Any, p: Any, n: int) -> None:
    """T = Q·A·Qᵀ, tridiagonal: d its diagonal, e[i] beside d[i] and d[i + 1], q the rows of Q.

    a: the symmetric matrix, destroyed; p: room for n numbers.
    """
    for k in range(n - 2):
        scale = 0.0
        for i in range(k + 1, n):
            scale += abs(a[k * n + i])
        beta = 0.0
        if scale > 0:
            squares = 0.0
            for i in range(k + 1, n):
                a[k * n + i] /= scale
                squares += a[k * n + i] * a[k * n + i]
            length = sqrt(squares)
            head = a[k * n + k + 1]
            length = -length if head > 0 else length
            a[k * n + k + 1] = head - length
            beta = squares - head * length  # half of the reflection vector's square
            e[k] = scale * length
        else:
            e[k] = 0.0
        p[k] = beta
        if beta > 0:
            _reflect(a, d, k, beta, n)
    for i in range(n):
        d[i] = a[i * n + i]
        for j in range(n):
            q[i * n + j] = 1.0 if i == j else 0.0
    if n > 1:
        e[n - 2] = a[(n - 2) * n + n - 1]
    for k in range(n - 3, -1, -1):
        if p[k] > 0:
            _reflect_rows(a, q, k, p[k], n)


@register_jitable
def _reflect(a: Any, w: Any, k: int, beta: float, n: int) -> None:
    """A − v·wᵀ − w·vᵀ for the rows after k; v stands in row k, w is made of A·v."""
    total = 0.0
    for i in range(k + 1, n):
        product = 0.0
        for j in range(k + 1, n):
            product += a[i * n + j] * a[k * n + j]
        w[i] = product / beta
        total += w[i] * a[k * n + i]
    for i in range(k + 1, n):
        w[i] -= total / (2 * beta) * a[k * n + i]
    for i in range(k + 1, n):
        x, y = a[k * n + i], w[i]
        for j in range(k + 1, n):
            a[i * n + j] -= x * w[j] + y * a[k * n + j]


@register_jitable
def _reflect_rows(a: Any, q: Any, k: int, beta: float, n: int) -> None:
    """Rows of Q, each reflected by the vector in row k of a."""
    for i in range(k + 1, n):
        product = 0.0
        for j in range(k + 1, n):
            product += q[i * n + j] * a[k * n + j]
        product /= beta
        for j in range(k + 1, n):
            q[i * n + j] -= product * a[k * n + j]


@register_jitable
def _diagonal(q: Any, d: Any, e: Any, n: int) -> None:
    """QL steps with implicit shifts on d and e until e is negligible; q's rows turn along."""
    for low in range(n):
        for _ in range(_STEPS):
            high = low
            while high < n - 1 and abs(e[high]) > 2.3e-16 * (abs(d[high]) + abs(d[high + 1])):
                high += 1
            if high == low:
                break
            g = (d[low + 1] - d[low]) / (2 * e[low])
            r = sqrt(1 + g * g)
            g = d[high] - d[low] + e[low] / (g + (r if g >= 0 else -r))
            s, c, shift = 1.0, 1.0, 0.0
            i = high - 1
            while i >= low:
                f, b = s * e[i], c * e[i]
                r = _length(f, g)
                e[i + 1] = r
                if r == 0:  # the matrix falls apart here
                    d[i + 1] -= shift
                    e[high] = 0.0
                    break
                s, c = f / r, g / r
                g = d[i + 1] - shift
                r = (d[i] - g) * s + 2 * c * b
                shift = s * r
                d[i + 1] = g + shift
                g = c * r - b
                for k in range(n):
                    x, y = q[i * n + k], q[(i + 1) * n + k]
                    q[(i + 1) * n + k] = s * x + c * y
                    q[i * n + k] = c * x - s * y
                i -= 1
            if i < low:
                d[low] -= shift
                e[low] = g
                e[high] = 0.0


@register_jitable
def _length(x: float, y: float) -> float:
    """√(x² + y²) without overflow."""
    x, y = abs(x), abs(y)
    large, small = (x, y) if x > y else (y, x)
    if large == 0:
        return 0.0
    ratio = small / large
    return large * sqrt(1 + ratio * ratio)


def eigh(dtypes: tuple[DType, ...]) -> Kernel:
    """Eigenvalues in ascending order and eigenvectors, from the lower triangle of A.

    Buffers: A [count, n, n], values [count, n], vectors as columns [count, n, n]; scratch
    float64: the matrix [n, n], the vectors' rows [n, n], both diagonals and room, [n]
    each. Sizes: count, n.
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n = sizes[0], sizes[1]
        source = elements(buffers, 0, real)
        values = elements(buffers, 1, real)
        vectors = elements(buffers, 2, real)
        a = elements(buffers, 3, types.float64)
        q = elements(buffers, 4, types.float64)
        d = elements(buffers, 5, types.float64)
        e = elements(buffers, 6, types.float64)
        room = elements(buffers, 7, types.float64)
        for matrix in range(count):
            at = matrix * n * n
            for i in range(n):
                e[i] = 0.0
                for j in range(n):
                    a[i * n + j] = source[at + (i * n + j if i >= j else j * n + i)]
            _tridiagonal(a, q, d, e, room, n)
            _diagonal(q, d, e, n)
            for place in range(n):  # the least of the values that are left
                best = place
                for i in range(place + 1, n):
                    if d[i] < d[best]:
                        best = i
                value = d[best]
                d[best] = d[place]
                values[matrix * n + place] = value
                weight = 0.0
                for i in range(n):
                    x = q[best * n + i]
                    q[best * n + i] = q[place * n + i]
                    weight += x / (i + 1)
                    vectors[at + i * n + place] = x
                if weight < 0:
                    for i in range(n):
                        vectors[at + i * n + place] = -vectors[at + i * n + place]

    return kernel
