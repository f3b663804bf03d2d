"""Factorisations of batches of real matrices, row-major, and solutions with the factors.

Plain unblocked loops: the inner ones run along rows, which are contiguous. Sums are accumulated in
float64 where one element needs many terms. Every kernel's first size is the number of matrices.
Source of the methods: Golub, Van Loan, "Matrix computations", 4th edition: LU 3.4, Cholesky 4.2,
Householder QR 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from numba.extending import register_jitable

from graphflow.dtypes import DType
from graphflow.kernels.pointers import elements, types

Kernel = Callable[[Any, Any], None]


def real_type(dtype: DType) -> Any:
    """The Numba type of float32 or float64 elements."""
    return {4: types.float32, 8: types.float64}[dtype.size]


def lu_factor(dtypes: tuple[DType, ...]) -> Kernel:
    """P·A = L·U with partial pivoting: L (unit diagonal) and U in one matrix.

    Buffers: A [count, n, n], LU [count, n, n], the row of A that each row came from int32
    [count, n], the sign of the permutation [count]. Sizes: count, n. Of equal pivots the first is
    taken; a column without a pivot other than 0 is left as it is.
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n = sizes[0], sizes[1]
        source = elements(buffers, 0, real)
        lu = elements(buffers, 1, real)
        rows = elements(buffers, 2, types.int32)
        signs = elements(buffers, 3, real)
        for i in range(count * n * n):
            lu[i] = source[i]
        for matrix in range(count):
            at, first = matrix * n * n, matrix * n
            sign = 1.0
            for i in range(n):
                rows[first + i] = i
            for k in range(n):
                best, largest = k, abs(lu[at + k * n + k])
                for i in range(k + 1, n):
                    size = abs(lu[at + i * n + k])
                    if size > largest:
                        best, largest = i, size
                if best != k:
                    sign = -sign
                    row = rows[first + k]
                    rows[first + k] = rows[first + best]
                    rows[first + best] = row
                    for j in range(n):
                        value = lu[at + k * n + j]
                        lu[at + k * n + j] = lu[at + best * n + j]
                        lu[at + best * n + j] = value
                if largest > 0:
                    pivot = lu[at + k * n + k]
                    for i in range(k + 1, n):
                        factor = lu[at + i * n + k] / pivot
                        lu[at + i * n + k] = factor
                        for j in range(k + 1, n):
                            lu[at + i * n + j] -= factor * lu[at + k * n + j]
            signs[matrix] = sign

    return kernel


def lu_solve(dtypes: tuple[DType, ...]) -> Kernel:
    """X with A·X = B, or Aᵀ·X = B, from the factors of A.

    Buffers: LU [count, n, n], rows int32 [count, n], B [count, n, m], X [count, n, m]; scratch
    [n, m]. Sizes: count, n, m, transposed.
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n, m, transposed = sizes[0], sizes[1], sizes[2], sizes[3]
        lu = elements(buffers, 0, real)
        rows = elements(buffers, 1, types.int32)
        right = elements(buffers, 2, real)
        out = elements(buffers, 3, real)
        work = elements(buffers, 4, real)
        for matrix in range(count):
            at, to, first = matrix * n * n, matrix * n * m, matrix * n
            for i in range(n):
                row = i if transposed else rows[first + i]
                for j in range(m):
                    work[i * m + j] = right[to + row * m + j]
            for k in range(n):  # L, or Uᵀ
                if transposed:
                    for j in range(m):
                        work[k * m + j] /= lu[at + k * n + k]
                for i in range(k + 1, n):
                    factor = lu[at + k * n + i] if transposed else lu[at + i * n + k]
                    for j in range(m):
                        work[i * m + j] -= factor * work[k * m + j]
            for k in range(n - 1, -1, -1):  # U, or Lᵀ
                if not transposed:
                    for j in range(m):
                        work[k * m + j] /= lu[at + k * n + k]
                for i in range(k):
                    factor = lu[at + k * n + i] if transposed else lu[at + i * n + k]
                    for j in range(m):
                        work[i * m + j] -= factor * work[k * m + j]
            for i in range(n):
                row = rows[first + i] if transposed else i
                for j in range(m):
                    out[to + row * m + j] = work[i * m + j]

    return kernel


def triangular_solve(dtypes: tuple[DType, ...]) -> Kernel:
    """X with T·X = B, or Tᵀ·X = B, for the lower or upper triangle T of a matrix.

    Buffers: matrix [count, n, n], B [count, n, m], X [count, n, m]. Sizes: count, n, m, lower,
    transposed.
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n, m, lower, transposed = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
        triangle = elements(buffers, 0, real)
        right = elements(buffers, 1, real)
        out = elements(buffers, 2, real)
        for i in range(count * n * m):
            out[i] = right[i]
        downwards = lower != transposed
        for matrix in range(count):
            at, to = matrix * n * n, matrix * n * m
            for step in range(n):
                k = step if downwards else n - 1 - step
                pivot = triangle[at + k * n + k]
                for j in range(m):
                    out[to + k * m + j] /= pivot
                low, high = (k + 1, n) if downwards else (0, k)
                for i in range(low, high):
                    factor = triangle[at + k * n + i] if transposed else triangle[at + i * n + k]
                    for j in range(m):
                        out[to + i * m + j] -= factor * out[to + k * m + j]

    return kernel


def cholesky(dtypes: tuple[DType, ...]) -> Kernel:
    """The lower L with L·Lᵀ = A, from the lower triangle of A; NaN where A is not positive.

    Buffers: A [count, n, n], L [count, n, n]. Sizes: count, n.
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n = sizes[0], sizes[1]
        source = elements(buffers, 0, real)
        out = elements(buffers, 1, real)
        for matrix in range(count):
            at = matrix * n * n
            for i in range(n):
                for j in range(i + 1):
                    total = 0.0
                    for k in range(j):
                        total += out[at + i * n + k] * out[at + j * n + k]
                    rest = source[at + i * n + j] - total
                    if i > j:
                        out[at + i * n + j] = rest / out[at + j * n + j]
                    elif rest > 0:
                        out[at + i * n + i] = sqrt(rest)
                    else:
                        out[at + i * n + i] = rest * 0.0 / 0.0
                for j in range(i + 1, n):
                    out[at + i * n + j] = 0.0

    return kernel


@register_jitable
def _reflect(work: Any, factors: Any, c: int, m: int, n: int) -> None:
    """Zeros below element (c, c): the reflection's vector takes their place, its factor too."""
    squares = 0.0
    for i in range(c + 1, m):
        squares += work[i * n + c] * work[i * n + c]
    head = work[c * n + c]
    factors[c] = 0.0
    if squares > 0:
        length = sqrt(head * head + squares)
        beta = -length if head >= 0 else length
        factors[c] = (beta - head) / beta
        for i in range(c + 1, m):
            work[i * n + c] /= head - beta
        work[c * n + c] = beta
        for j in range(c + 1, n):
            _apply(work, work, factors[c], c, j, m, n, 0, n)


@register_jitable
def _apply(
    work: Any, out: Any, factor: float, c: int, j: int, m: int, n: int, at: int, width: int
) -> None:
    """Column j of a matrix at out[at …], reflected by the vector in column c of `work`."""
    total = out[at + c * width + j] * 1.0
    for i in range(c + 1, m):
        total += work[i * n + c] * out[at + i * width + j]
    total *= factor
    out[at + c * width + j] -= total
    for i in range(c + 1, m):
        out[at + i * width + j] -= total * work[i * n + c]


def qr(dtypes: tuple[DType, ...]) -> Kernel:
    """A = Q·R by Householder reflections; the diagonal of R has LAPACK's signs.

    Buffers: A [count, m, n], Q [count, m, k], R [count, k, n] with k = min(m, n), or k = m for
    the full Q; scratch: A's copy [m, n] and the reflections' factors [n + 1]. Sizes: count, m, n,
    k.
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, m, n, k = sizes[0], sizes[1], sizes[2], sizes[3]
        source = elements(buffers, 0, real)
        q = elements(buffers, 1, real)
        r = elements(buffers, 2, real)
        work = elements(buffers, 3, real)
        factors = elements(buffers, 4, real)
        steps = m if m < n else n
        for matrix in range(count):
            for i in range(m * n):
                work[i] = source[matrix * m * n + i]
            for c in range(steps):
                _reflect(work, factors, c, m, n)
            for i in range(k):
                for j in range(n):
                    r[matrix * k * n + i * n + j] = work[i * n + j] if j >= i else 0.0
            to = matrix * m * k
            for i in range(m):
                for j in range(k):
                    q[to + i * k + j] = 1.0 if i == j else 0.0
            for c in range(steps - 1, -1, -1):
                for j in range(c, k):
                    _apply(work, q, factors[c], c, j, m, n, to, k)

    return kernel
