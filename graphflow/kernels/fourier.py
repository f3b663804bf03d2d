"""Discrete Fourier transforms of rows.

Lengths whose prime factors are small are done by the self-sorting (Stockham) algorithm with
radices 4, 2, 3 and 5, and a plain one for 7, 11 and 13; any other length by Bluestein's, as a
convolution of a power of two. Everything is computed in float64. Angles are reduced to an eighth
of a turn in whole numbers before sine and cosine are taken, so that these are right to the last
digit.
Sources: Van Loan, "Computational frameworks for the fast Fourier transform", 1992, 1.7; Bluestein,
"A linear filtering approach to the computation of the discrete Fourier transform", 1970.

A complex number is two float64, real part first. The inverse transform is the forward one with
real and imaginary parts exchanged before and after.
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from graphflow.dtypes import DType
from graphflow.kernels.linear_algebra import Kernel, real_type
from graphflow.kernels.pointers import elements, types

_QUARTER_PI = 0.78539816339744830962
_LARGEST_FACTOR = 13
_SIN60 = 0.86602540378443864676
_COS72, _COS144 = 0.30901699437494742410, -0.80901699437494742410
_SIN72, _SIN144 = 0.95105651629515357212, 0.58778525229247312917


@register_jitable
def _turn(table: Any, place: int, k: int, n: int) -> None:
    """exp(−2πi · k / n), for 0 ≤ k < n, as complex number `place` of a table."""
    octant, rest = 8 * k // n, 8 * k % n
    x = rest / n * _QUARTER_PI
    if octant % 2 == 1:
        x = (rest - n) / n * _QUARTER_PI
    quadrant = (octant + 1) // 2 % 4
    y = x * x
    c = 1 - y * (1 / 2 - y * (1 / 24 - y * (1 / 720 - y * (1 / 40320 - y * (
        1 / 3628800 - y * (1 / 479001600 - y / 87178291200))))))
    s = x * (1 - y * (1 / 6 - y * (1 / 120 - y * (1 / 5040 - y * (1 / 362880 - y * (
        1 / 39916800 - y * (1 / 6227020800 - y / 1307674368000)))))))
    real, imaginary = c, s
    if quadrant == 1:
        real, imaginary = -s, c
    elif quadrant == 2:
        real, imaginary = -c, -s
    elif quadrant == 3:
        real, imaginary = s, -c
    table[2 * place], table[2 * place + 1] = real, -imaginary


@register_jitable
def _is_smooth(n: int) -> bool:
    """Whether there is no prime factor above 13."""
    rest = n
    for factor in range(2, _LARGEST_FACTOR + 1):
        while rest > 1 and rest % factor == 0:
            rest //= factor
    return bool(rest <= 1)


@register_jitable
def _next_radix(n: int) -> int:
    if n % 4 == 0:
        return 4
    for factor in range(2, _LARGEST_FACTOR + 1):
        if n % factor == 0:
            return factor
    return n


@register_jitable
def _put(y: Any, at: int, real: float, imaginary: float, w: Any, turn: int) -> None:
    """y[at] = (real + i·imaginary) · w[turn]."""
    c, s = w[2 * turn], w[2 * turn + 1]
    y[2 * at], y[2 * at + 1] = real * c - imaginary * s, real * s + imaginary * c


@register_jitable
def _stage2(x: Any, y: Any, m: int, s: int, w: Any) -> None:
    for p in range(m):
        for q in range(s):
            a, b = 2 * (q + s * p), 2 * (q + s * (p + m))
            at = q + s * 2 * p
            y[2 * at], y[2 * at + 1] = x[a] + x[b], x[a + 1] + x[b + 1]
            _put(y, at + s, x[a] - x[b], x[a + 1] - x[b + 1], w, p * s)


@register_jitable
def _stage3(x: Any, y: Any, m: int, s: int, w: Any) -> None:
    for p in range(m):
        for q in range(s):
            a, b, c = 2 * (q + s * p), 2 * (q + s * (p + m)), 2 * (q + s * (p + 2 * m))
            at = q + s * 3 * p
            tr, ti = x[b] + x[c], x[b + 1] + x[c + 1]
            dr, di = _SIN60 * (x[b] - x[c]), _SIN60 * (x[b + 1] - x[c + 1])
            mr, mi = x[a] - 0.5 * tr, x[a + 1] - 0.5 * ti
            y[2 * at], y[2 * at + 1] = x[a] + tr, x[a + 1] + ti
            _put(y, at + s, mr + di, mi - dr, w, p * s)
            _put(y, at + 2 * s, mr - di, mi + dr, w, 2 * p * s)


@register_jitable
def _stage4(x: Any, y: Any, m: int, s: int, w: Any) -> None:
    for p in range(m):
        for q in range(s):
            a, b = 2 * (q + s * p), 2 * (q + s * (p + m))
            c, d = 2 * (q + s * (p + 2 * m)), 2 * (q + s * (p + 3 * m))
            at = q + s * 4 * p
            sr, si, dr, di = x[a] + x[c], x[a + 1] + x[c + 1], x[a] - x[c], x[a + 1] - x[c + 1]
            tr, ti, er, ei = x[b] + x[d], x[b + 1] + x[d + 1], x[b] - x[d], x[b + 1] - x[d + 1]
            y[2 * at], y[2 * at + 1] = sr + tr, si + ti
            _put(y, at + s, dr + ei, di - er, w, p * s)
            _put(y, at + 2 * s, sr - tr, si - ti, w, 2 * p * s)
            _put(y, at + 3 * s, dr - ei, di + er, w, 3 * p * s)


@register_jitable
def _stage5(x: Any, y: Any, m: int, s: int, w: Any) -> None:
    for p in range(m):
        for q in range(s):
            a, b, c = 2 * (q + s * p), 2 * (q + s * (p + m)), 2 * (q + s * (p + 2 * m))
            d, e = 2 * (q + s * (p + 3 * m)), 2 * (q + s * (p + 4 * m))
            at = q + s * 5 * p
            ur, ui, vr, vi = x[b] + x[e], x[b + 1] + x[e + 1], x[b] - x[e], x[b + 1] - x[e + 1]
            tr, ti, zr, zi = x[c] + x[d], x[c + 1] + x[d + 1], x[c] - x[d], x[c + 1] - x[d + 1]
            fr, fi = x[a] + _COS72 * ur + _COS144 * tr, x[a + 1] + _COS72 * ui + _COS144 * ti
            gr, gi = x[a] + _COS144 * ur + _COS72 * tr, x[a + 1] + _COS144 * ui + _COS72 * ti
            hr, hi = _SIN72 * vr + _SIN144 * zr, _SIN72 * vi + _SIN144 * zi
            kr, ki = _SIN144 * vr - _SIN72 * zr, _SIN144 * vi - _SIN72 * zi
            y[2 * at], y[2 * at + 1] = x[a] + ur + tr, x[a + 1] + ui + ti
            _put(y, at + s, fr + hi, fi - hr, w, p * s)
            _put(y, at + 2 * s, gr + ki, gi - kr, w, 2 * p * s)
            _put(y, at + 3 * s, gr - ki, gi + kr, w, 3 * p * s)
            _put(y, at + 4 * s, fr - hi, fi + hr, w, 4 * p * s)


@register_jitable
def _stage(x: Any, y: Any, r: int, m: int, s: int, w: Any) -> None:
    """Any radix r."""
    for p in range(m):
        for q in range(s):
            for j in range(r):
                real, imaginary = 0.0, 0.0
                for k in range(r):
                    turn = 2 * (j * k % r) * m * s
                    a = 2 * (q + s * (p + m * k))
                    real += x[a] * w[turn] - x[a + 1] * w[turn + 1]
                    imaginary += x[a] * w[turn + 1] + x[a + 1] * w[turn]
                _put(y, q + s * (r * p + j), real, imaginary, w, p * j * s)


@register_jitable
def _smooth(x: Any, y: Any, n: int, w: Any) -> bool:
    """The transform of x, for smooth n; True if it is in y, False if in x. w: n turns of 1 / n."""
    size, s, in_y = n, 1, False
    while size > 1:
        r = _next_radix(size)
        m = size // r
        source, to = (y, x) if in_y else (x, y)
        if r == 4:
            _stage4(source, to, m, s, w)
        elif r == 2:
            _stage2(source, to, m, s, w)
        elif r == 3:
            _stage3(source, to, m, s, w)
        elif r == 5:
            _stage5(source, to, m, s, w)
        else:
            _stage(source, to, r, m, s, w)
        size, s, in_y = m, s * r, not in_y
    return in_y


@register_jitable
def _power_above(n: int) -> int:
    """The least power of two that is not below n."""
    power = 1
    while power < n:
        power *= 2
    return power


@register_jitable
def _prepare(x: Any, y: Any, w: Any, chirp: Any, filters: Any, n: int) -> None:
    """Tables for length n: the turns, and for Bluestein's method chirp and transformed filter."""
    if _is_smooth(n):
        for k in range(n):
            _turn(w, k, k, n)
        return
    m = _power_above(2 * n - 1)
    for k in range(m):
        _turn(w, k, k, m)
        x[2 * k], x[2 * k + 1] = 0.0, 0.0
    for k in range(n):
        _turn(chirp, k, k * k % (2 * n), 2 * n)
        x[2 * k], x[2 * k + 1] = chirp[2 * k], -chirp[2 * k + 1]
        if k > 0:
            x[2 * (m - k)], x[2 * (m - k) + 1] = chirp[2 * k], -chirp[2 * k + 1]
    found = y if _smooth(x, y, m, w) else x
    for i in range(2 * m):
        filters[i] = found[i] / m


@register_jitable
def _bluestein(x: Any, y: Any, w: Any, chirp: Any, filters: Any, n: int) -> None:
    """x becomes its transform."""
    m = _power_above(2 * n - 1)
    for k in range(n):
        _put(x, k, x[2 * k], x[2 * k + 1], chirp, k)
    for i in range(2 * n, 2 * m):
        x[i] = 0.0
    found, other = (y, x) if _smooth(x, y, m, w) else (x, y)
    for k in range(m):  # parts are exchanged for the inverse transform
        a, b, c, d = found[2 * k], found[2 * k + 1], filters[2 * k], filters[2 * k + 1]
        found[2 * k], found[2 * k + 1] = a * d + b * c, a * c - b * d
    last = other if _smooth(found, other, m, w) else found
    for k in range(n):
        _put(x, k, last[2 * k + 1], last[2 * k], chirp, k)


@register_jitable
def _transform(x: Any, y: Any, w: Any, chirp: Any, filters: Any, n: int) -> bool:
    """The transform of x, which is overwritten; True if it is in y, False if in x."""
    if _is_smooth(n):
        return _smooth(x, y, n, w)
    _bluestein(x, y, w, chirp, filters, n)
    return False


def fft(dtypes: tuple[DType, ...]) -> Kernel:
    """The transform of each row of complex numbers, or the inverse one.

    Buffers: rows [count, n], their transforms [count, n]; scratch float64: two work rows, turns,
    chirp and filter (`fourier_scratch` in `ops/fourier.py` says how much). Sizes: count, n,
    inverse.
    """
    real = real_type(dtypes[0].real_dtype)

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n, inverse = sizes[0], sizes[1], sizes[2]
        source, out = elements(buffers, 0, real), elements(buffers, 1, real)
        x, y = elements(buffers, 2, types.float64), elements(buffers, 3, types.float64)
        w, chirp = elements(buffers, 4, types.float64), elements(buffers, 5, types.float64)
        filters = elements(buffers, 6, types.float64)
        if count * n == 0:
            return
        _prepare(x, y, w, chirp, filters, n)
        scale = 1.0 / n if inverse else 1.0
        swap = 1 if inverse else 0
        for row in range(count):
            at = 2 * row * n
            for k in range(n):
                x[2 * k + swap], x[2 * k + 1 - swap] = source[at + 2 * k], source[at + 2 * k + 1]
            found = y if _transform(x, y, w, chirp, filters, n) else x
            for k in range(n):
                out[at + 2 * k] = found[2 * k + swap] * scale
                out[at + 2 * k + 1] = found[2 * k + 1 - swap] * scale

    return kernel


@register_jitable
def _frequency(source: Any, at: int, k: int, have: int, n: int) -> Any:
    """Number k of half a transform; without an imaginary part where a real row's has none."""
    if k >= have:
        return 0.0, 0.0
    real, imaginary = source[2 * (at + k)], source[2 * (at + k) + 1]
    return real, (0.0 if k == 0 or 2 * k == n else imaginary)


@register_jitable
def _unfold(found: Any, out: Any, at: int, h: int, turns: Any) -> None:
    """Half the transform of 2h real numbers from that of h pairs of them.

    With E and O the transforms of the numbers at even and odd places: found = E + i·O, and the
    result is E + w·O, w being a turn of 1 / 2h.
    """
    for k in range(h + 1):
        a, b = 2 * (k if k < h else 0), 2 * (h - k if k > 0 else 0)
        er, ei = 0.5 * (found[a] + found[b]), 0.5 * (found[a + 1] - found[b + 1])
        dr, di = 0.5 * (found[a] - found[b]), 0.5 * (found[a + 1] + found[b + 1])
        c, s = turns[2 * k], turns[2 * k + 1]
        out[at + 2 * k] = er + dr * s + di * c
        out[at + 2 * k + 1] = ei - dr * c + di * s


@register_jitable
def _fold(source: Any, at: int, have: int, x: Any, h: int, turns: Any) -> None:
    """The reverse of `_unfold`: x = E + i·O, with parts exchanged for the inverse transform."""
    for k in range(h):
        ar, ai = _frequency(source, at, k, have, 2 * h)
        br, bi = _frequency(source, at, h - k, have, 2 * h)
        er, ei, dr, di = 0.5 * (ar + br), 0.5 * (ai - bi), 0.5 * (ar - br), 0.5 * (ai + bi)
        c, s = turns[2 * k], -turns[2 * k + 1]
        x[2 * k + 1] = er - (dr * s + di * c)
        x[2 * k] = ei + (dr * c - di * s)


def rfft(dtypes: tuple[DType, ...]) -> Kernel:
    """The first n // 2 + 1 numbers of the transforms of real rows.

    Buffers: rows [count, n], their transforms [count, n // 2 + 1]; scratch as for `fft`, and
    turns [n // 2 + 1]. Sizes: count, n. Rows of even length are n / 2 pairs (Sorensen et al.,
    "Real-valued fast Fourier transform algorithms", 1987).
    """
    real = real_type(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n = sizes[0], sizes[1]
        source, out = elements(buffers, 0, real), elements(buffers, 1, real)
        x, y = elements(buffers, 2, types.float64), elements(buffers, 3, types.float64)
        w, chirp = elements(buffers, 4, types.float64), elements(buffers, 5, types.float64)
        filters, turns = elements(buffers, 6, types.float64), elements(buffers, 7, types.float64)
        half, even = n // 2 + 1, n % 2 == 0
        if count * n == 0:
            for i in range(2 * count * half):
                out[i] = 0.0
            return
        size = n // 2 if even else n
        _prepare(x, y, w, chirp, filters, size)
        for k in range(half):
            _turn(turns, k, k, n)
        for row in range(count):
            if even:
                for i in range(n):
                    x[i] = source[row * n + i]
            else:
                for k in range(n):
                    x[2 * k], x[2 * k + 1] = source[row * n + k], 0.0
            found = y if _transform(x, y, w, chirp, filters, size) else x
            if even:
                _unfold(found, out, 2 * row * half, size, turns)
            else:
                for i in range(2 * half):
                    out[2 * row * half + i] = found[i]

    return kernel


def irfft(dtypes: tuple[DType, ...]) -> Kernel:
    """The real rows of length n whose transforms begin with the given rows.

    Buffers: transforms [count, have], anything of length n, rows [count, n]; scratch as for `fft`,
    and turns [n // 2 + 1]. Sizes: count, have, n. What is missing of n // 2 + 1 numbers is zeros;
    imaginary parts that a real row's transform does not have (of the first, and of the middle one
    if n is even) are ignored.
    """
    real = real_type(dtypes[0].real_dtype)

    def kernel(buffers: Any, sizes: Any) -> None:
        count, have, n = sizes[0], sizes[1], sizes[2]
        source, out = elements(buffers, 0, real), elements(buffers, 2, real)
        x, y = elements(buffers, 3, types.float64), elements(buffers, 4, types.float64)
        w, chirp = elements(buffers, 5, types.float64), elements(buffers, 6, types.float64)
        filters, turns = elements(buffers, 7, types.float64), elements(buffers, 8, types.float64)
        if count * n == 0:
            return
        even = n % 2 == 0
        size = n // 2 if even else n
        _prepare(x, y, w, chirp, filters, size)
        for k in range(n // 2 + 1):
            _turn(turns, k, k, n)
        scale = 1.0 / size
        for row in range(count):
            if even:
                _fold(source, row * have, have, x, size, turns)
            else:
                for k in range(n // 2 + 1):  # real parts are the second ones, for the inverse
                    a, b = _frequency(source, row * have, k, have, n)
                    if k > 0:
                        x[2 * (n - k) + 1], x[2 * (n - k)] = a, -b
                    x[2 * k + 1], x[2 * k] = a, b
            found = y if _transform(x, y, w, chirp, filters, size) else x
            for k in range(size):
                if even:
                    out[row * n + 2 * k] = found[2 * k + 1] * scale
                    out[row * n + 2 * k + 1] = found[2 * k] * scale
                else:
                    out[row * n + k] = found[2 * k + 1] * scale

    return kernel
