"""Complex ops in terms of real ones, which `expand` then expands in turn.

Each function takes the parts of its operands and gives the parts of the result (or a real number).
complex64 functions other than sums, products and quotients are computed in float64, where no
intermediate result overflows. Formulas: Smith (CACM 5, 1962) for quotients; Kahan ("Branch cuts
for complex elementary functions", 1987) for the inverse functions and tanh. Errors are small
against the modulus of the result, not in each part. Infinities and NaN give what C99 (annex G)
says and NumPy does; of expm1, log1p and pow, of which C99 says nothing, they may give NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import (
    INFINITY,
    NAN,
    copy_sign,
    format_of,
    from_bits,
    to_bits,
)
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr, constant

HALF_PI = 1.5707963267948966


class Parts(NamedTuple):
    """A complex value: two expressions of one float dtype."""

    real: Expr
    imag: Expr


def rewrite(node: Expr, operands: Sequence[Any]) -> Parts | Expr:
    """The node, of complex result or operands, from its operands: Parts, or Expr for real ones."""
    if node.op == "const":
        dtype = node.dtype.real_dtype
        return Parts(constant(node.attr.real, dtype), constant(node.attr.imag, dtype))
    if node.op == "cast":
        return _cast(operands[0], node.dtype)
    if node.op in _EXACT:
        return _EXACT[node.op](*operands)
    function = _FUNCTIONS[node.op]
    if operands[0].real.dtype is not dtypes.float32:
        return function(*operands)
    result = function(*(_map(_to_double, z) for z in operands))
    return _map(_to_single, result) if isinstance(result, Parts) else _to_single(result)


def _to_double(x: Expr) -> Expr:
    return b.cast(x, dtypes.float64)


def _to_single(x: Expr) -> Expr:
    return b.cast(x, dtypes.float32)


def _map(function: Callable[..., Expr], *operands: Parts) -> Parts:
    return Parts(function(*(z.real for z in operands)), function(*(z.imag for z in operands)))


def _choose(condition: Expr, z: Parts, w: Parts) -> Parts:
    return _map(lambda x, y: b.select(condition, x, y), z, w)


def _real(x: Expr) -> Parts:
    return Parts(x, b.const(0.0, x))


def _cast(x: Any, dtype: Any) -> Any:
    if not isinstance(x, Parts):
        return _real(b.cast(x, dtype.real_dtype))
    if dtype.is_complex:
        return _map(lambda part: b.cast(part, dtype.real_dtype), x)
    return b.ne(x.real, 0.0) | b.ne(x.imag, 0.0) if dtype.is_bool else b.cast(x.real, dtype)


# --- sums, products, quotients ----------------------------------------------------------------


def _multiply(z: Parts, w: Parts) -> Parts:
    return Parts(z.real * w.real - z.imag * w.imag, z.real * w.imag + z.imag * w.real)


def _divide(z: Parts, w: Parts) -> Parts:
    """Smith's quotient; by 0, the parts divided by 0 one by one."""
    upright = abs(w.real) < abs(w.imag)
    large, small = b.select(upright, w.imag, w.real), b.select(upright, w.real, w.imag)
    ratio = small / large
    scale = 1.0 / b.fma(small, ratio, large)
    first, second = b.select(upright, z.imag, z.real), b.select(upright, z.real, z.imag)
    real = b.fma(second, ratio, first) * scale
    imag = b.fma(b.select(upright, first, -first), ratio, b.select(upright, -second, second))
    by_zero = b.eq(w.real, 0.0) & b.eq(w.imag, 0.0)
    return Parts(b.select(by_zero, z.real / abs(w.real), real),
                 b.select(by_zero, z.imag / abs(w.real), imag * scale))


def _endless(x: Expr) -> Expr:
    return b.eq(abs(x), INFINITY)


def _towards(z: Parts) -> tuple[Expr, Parts]:
    """Is a part infinite? And then: the same direction with parts −1, 0, 1 (or NaN)."""
    direction = _map(lambda x: b.select(
        _endless(x), copy_sign(b.const(1.0, x), x), b.select(abs(x) < INFINITY, x * 0.0, x)), z)
    return _endless(z.real) | _endless(z.imag), direction


def _sum_of_squares(x: Expr, y: Expr) -> Expr:
    return b.fma(x, x, y * y)


def _modulus(z: Parts) -> Expr:
    """√(x² + y²), scaled by a power of two so that neither square overflows or vanishes."""
    x, y = abs(z.real), abs(z.imag)
    layout = format_of(x)
    field = to_bits(b.max(x, y)) & ~layout.fraction_mask
    field = b.min(b.max(field, layout.power_bits(1 - layout.bias)),
                  layout.power_bits(layout.bias - 1))
    down, up = from_bits(2 * layout.power_bits(0) - field), from_bits(field)
    length = b.sqrt(_sum_of_squares(x * down, y * down)) * up
    return b.select(b.eq(x, INFINITY) | b.eq(y, INFINITY), INFINITY, length)


def _sign(z: Parts) -> Parts:
    """z/|z|; with one infinite part, the axis on which that lies."""
    of_real, of_imag = _endless(z.real), _endless(z.imag)
    axis = Parts(*(b.select(here, copy_sign(b.const(1.0, part), part), 0.0)
                   for here, part in ((of_real, z.real), (of_imag, z.imag))))
    z = _choose(b.ne(of_real, of_imag), axis, z)
    length = _modulus(z)
    return _map(lambda part: b.select(b.eq(length, 0.0), 0.0, part / length), z)


# --- exponentials and logarithms --------------------------------------------------------------


def _exp(z: Parts) -> Parts:
    """eˣ·(cos y + i·sin y), with eˣ as a square: a large eˣ and a small sine meet."""
    root = b.exp(z.real * 0.5)
    turning = abs(z.imag) < INFINITY
    vanished = b.eq(z.real, -INFINITY) & ~turning
    real = b.select(b.eq(z.real, INFINITY) & ~turning, INFINITY, root * b.cos(z.imag) * root)
    imag = b.select(b.eq(z.imag, 0.0), z.imag, root * b.sin(z.imag) * root)
    real = b.select(b.eq(z.imag, 0.0), b.exp(z.real), real)
    zero = b.const(0.0, z.real)
    return _choose(vanished, Parts(zero, copy_sign(zero, z.imag)), Parts(real, imag))


def _expm1(z: Parts) -> Parts:
    half = b.sin(z.imag * 0.5)
    return Parts(b.expm1(z.real) * b.cos(z.imag) - 2.0 * half * half, _exp(z).imag)


def _log(z: Parts) -> Parts:
    """log |z| from |z|² − 1 = (x − 1)(x + 1) + y² where |z| is near 1."""
    x, y = b.max(abs(z.real), abs(z.imag)), b.min(abs(z.real), abs(z.imag))
    excess = b.fma(x - 1.0, x + 1.0, y * y)
    return Parts(_log_length(_modulus(z), excess), b.atan2(z.imag, z.real))


def _log1p(z: Parts) -> Parts:
    x = z.real + 1.0
    excess = b.fma(z.real, z.real + 2.0, z.imag * z.imag)
    return Parts(_log_length(_modulus(Parts(x, z.imag)), excess), b.atan2(z.imag, x))


def _log_length(length: Expr, excess: Expr) -> Expr:
    """The logarithm of `length`; its square is 1 + `excess`."""
    near = (length > 0.5) & (length < 2.0)
    return b.select(near, b.log1p(excess) * 0.5, b.log(length))


def _power(z: Parts, w: Parts) -> Parts:
    """e^(w·log z); z⁰ is 1; 0 to a power is 0 if the real part of that is positive, else NaN.

    A constant whole power is a product, as in NumPy.
    """
    exponent = _known_whole(w)
    if exponent is not None and 0 < abs(exponent) < 100:
        result = _whole_power(z, exponent)
    else:
        of_one = b.eq(w.real, 1.0) & b.eq(w.imag, 0.0)
        result = _choose(of_one, z, _exp(_multiply(w, _log(z))))
    of_zero = b.select(w.real > 0.0, b.const(0.0, w.real), NAN)
    result = _choose(b.eq(z.real, 0.0) & b.eq(z.imag, 0.0), Parts(of_zero, of_zero), result)
    return _choose(b.eq(w.real, 0.0) & b.eq(w.imag, 0.0), _real(b.const(1.0, w.real)), result)


def _known_whole(w: Parts) -> int | None:
    """The whole number that w is a constant of; None if it is another number or not constant."""
    real, imag = (x.args[0] if x.op == "cast" else x for x in w)
    known = real.op == imag.op == "const" and imag.attr == 0 and float(real.attr).is_integer()
    return int(real.attr) if known else None


def _whole_power(z: Parts, exponent: int) -> Parts:
    """By squaring, in NumPy's order of products; a negative power is one over the positive one."""
    if 0 < exponent <= 3:
        square = z if exponent == 1 else _multiply(z, z)
        return _multiply(square, z) if exponent == 3 else square
    one = _real(b.const(1.0, z.real))
    result, square = one, z
    for digit in reversed(f"{abs(exponent):b}"):
        if digit == "1":
            result = _multiply(result, square)
        square = _multiply(square, square)
    return result if exponent > 0 else _divide(one, result)


def _sqrt(z: Parts) -> Parts:
    """t = √((|x| + |z|)/2) and y/(2t), exchanged left of the imaginary axis; scaled."""
    size, one = b.max(abs(z.real), abs(z.imag)), b.const(1.0, z.real)
    large, small = size > 2.0**1000, size < 2.0**-900
    scale = b.select(large, 2.0**-100, b.select(small, 2.0**100, one))
    unscale = b.select(large, 2.0**50, b.select(small, 2.0**-50, one))
    x, y = z.real * scale, z.imag * scale
    t = b.sqrt((abs(x) + _modulus(Parts(x, y))) * 0.5)
    other = b.select(b.eq(t, 0.0), y, y * 0.5 / t)
    t, other = t * unscale, other * unscale
    left = z.real < 0.0
    real = b.select(left, abs(other), t)
    imag = b.select(left, copy_sign(t, z.imag), other)
    endless = b.eq(abs(z.imag), INFINITY)
    return Parts(b.select(endless, INFINITY, real), b.select(endless, z.imag, imag))


# --- circular and hyperbolic functions --------------------------------------------------------


def _times_sinh(factor: Expr, x: Expr) -> Expr:
    return _grown(factor, x, b.sinh(x), -1.0)


def _times_cosh(factor: Expr, x: Expr) -> Expr:
    return _grown(factor, x, b.cosh(x), 1.0)


def _grown(factor: Expr, x: Expr, grown: Expr, on_the_left: float) -> Expr:
    """factor · grown, which is ±e^|x|/2 for large x and may overflow alone; 0 · ∞ is 0."""
    root = b.exp(abs(x) * 0.5)
    half = factor * b.select(x < 0.0, b.const(on_the_left * 0.5, x), 0.5)
    product = b.select(b.eq(factor, 0.0), half, half * root * root)
    return b.select(abs(x) > 700.0, product, factor * grown)


def _sinh(z: Parts) -> Parts:
    real, imag = _times_sinh(b.cos(z.imag), z.real), _times_cosh(b.sin(z.imag), z.real)
    turning = abs(z.imag) < INFINITY
    real = b.select(turning, real, b.select(
        b.eq(z.real, 0.0), z.real, b.select(_endless(z.real), INFINITY, real)))
    return Parts(real, b.select(b.eq(z.imag, 0.0), z.imag, imag))


def _cosh(z: Parts) -> Parts:
    real, imag = _times_cosh(b.cos(z.imag), z.real), _times_sinh(b.sin(z.imag), z.real)
    turning = abs(z.imag) < INFINITY
    real = b.select(~turning & _endless(z.real), INFINITY, real)
    imag = b.select(b.eq(z.real, 0.0) & ~turning, 0.0, imag)
    return Parts(real, b.select(b.eq(z.imag, 0.0) & b.is_nan(z.real), z.imag, imag))


def _tanh(z: Parts) -> Parts:
    """(β·ρ·s + i·t) / (1 + β·s²), t = tan y, s = sinh x, β = 1 + t², ρ = √(1 + s²) (Kahan)."""
    large = abs(z.real) > 22.0
    t, s = b.tan(z.imag), b.sinh(b.select(large, 0.0, z.real))
    beta = b.fma(t, t, 1.0)
    rho = b.sqrt(b.fma(s, s, b.const(1.0, s)))
    below = b.fma(beta * s, s, 1.0)
    decay = 4.0 * b.sin(z.imag) * b.cos(z.imag) * b.exp(-2.0 * abs(z.real))
    one = copy_sign(b.const(1.0, s), z.real)
    real, imag = _choose(large, Parts(one, decay), Parts(beta * rho * s / below, t / below))
    turning = abs(z.imag) < INFINITY
    imag = b.select(~turning & _endless(z.real), copy_sign(b.const(0.0, s), z.imag), imag)
    return Parts(b.select(~turning & b.eq(z.real, 0.0), z.real, real),
                 b.select(b.eq(z.imag, 0.0), z.imag, imag))


def _of_turned(function: Callable[[Parts], Parts]) -> Callable[[Parts], Parts]:
    """−i·f(i·z): the circular function that belongs to a hyperbolic one, and the other way."""
    def turned(z: Parts) -> Parts:
        result = function(Parts(-z.imag, z.real))
        return Parts(result.imag, -result.real)
    return turned


def _sin(z: Parts) -> Parts:
    imag, real = _sinh(Parts(z.imag, z.real))
    return Parts(real, imag)


def _cos(z: Parts) -> Parts:
    return _cosh(Parts(-z.imag, z.real))


def _acos(z: Parts) -> Parts:
    minus, plus = _around_one(z)
    near = Parts(2.0 * b.atan2(minus.real, plus.real),
                 b.asinh(plus.real * minus.imag - plus.imag * minus.real))
    endless, direction = _towards(z)
    far = Parts(b.atan2(abs(direction.imag), direction.real),
                copy_sign(b.const(INFINITY, z.real), -z.imag))
    real, imag = _choose(endless, far, near)
    return Parts(b.select(b.eq(z.real, 0.0) & b.is_nan(z.imag), HALF_PI, real), imag)


def _asin(z: Parts) -> Parts:
    minus, plus = _around_one(z)
    near = Parts(b.atan2(z.real, minus.real * plus.real - minus.imag * plus.imag),
                 b.asinh(minus.real * plus.imag - minus.imag * plus.real))
    endless, direction = _towards(z)
    far = Parts(b.atan2(direction.real, abs(direction.imag)),
                copy_sign(b.const(INFINITY, z.real), z.imag))
    real, imag = _choose(endless, far, near)
    return Parts(b.select(b.eq(z.real, 0.0), z.real, real), imag)


def _around_one(z: Parts) -> tuple[Parts, Parts]:
    """√(1 − z) and √(1 + z)."""
    return _sqrt(Parts(1.0 - z.real, -z.imag)), _sqrt(Parts(1.0 + z.real, z.imag))


def _acosh(z: Parts) -> Parts:
    minus, plus = _sqrt(Parts(z.real - 1.0, z.imag)), _sqrt(Parts(z.real + 1.0, z.imag))
    near = Parts(b.asinh(minus.real * plus.real + minus.imag * plus.imag),
                 2.0 * b.atan2(minus.imag, plus.real))
    endless, direction = _towards(z)
    far = Parts(b.const(INFINITY, z.real), b.atan2(direction.imag, direction.real))
    real, imag = _choose(endless, far, near)
    return Parts(real, b.select(b.eq(z.real, 0.0) & b.is_nan(z.imag), HALF_PI, imag))


def _atanh(z: Parts) -> Parts:
    """log1p(4x/((1 − x)² + y²))/4 and half the angle of (1 − x)(1 + x) − y² + 2iy, for x ≥ 0."""
    x, y = abs(z.real), z.imag
    far = b.max(x, abs(y)) > 2.0**500
    one_less = 1.0 - x
    ratio = _modulus(Parts(one_less, y)) / (2.0 * b.sqrt(x))
    near_real = b.select(
        ratio < 2.0**-500, b.log(ratio) * -0.5, b.log1p(1.0 / (ratio * ratio)) * 0.25)
    near_imag = b.atan2(2.0 * y, one_less * (1.0 + x) - y * y) * 0.5
    length = _modulus(z)
    far_real = b.select(length < INFINITY, x / length / length, 0.0)
    real = b.select(far, far_real, near_real)
    real = b.select(b.eq(x, 0.0) | _endless(x) | _endless(y), 0.0, real)
    imag = b.select(far | _endless(y), copy_sign(b.const(HALF_PI, x), y), near_imag)
    return Parts(copy_sign(real, z.real), imag)


_EXACT: dict[str, Callable[..., Any]] = {
    "add": lambda z, w: _map(lambda x, y: x + y, z, w),
    "sub": lambda z, w: _map(lambda x, y: x - y, z, w),
    "mul": _multiply,
    "div": _divide,
    "square": lambda z: _multiply(z, z),
    "reciprocal": lambda z: _divide(_real(b.const(1.0, z.real)), z),
    "neg": lambda z: _map(lambda x: -x, z),
    "conj": lambda z: Parts(z.real, -z.imag),
    "real": lambda z: z.real,
    "imag": lambda z: z.imag,
    "complex": Parts,
    "eq": lambda z, w: b.eq(z.real, w.real) & b.eq(z.imag, w.imag),
    "ne": lambda z, w: b.ne(z.real, w.real) | b.ne(z.imag, w.imag),
    "select": _choose,
    "rarely": lambda c, z, w: _map(lambda x, y: b.rarely(c, x, y), z, w),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _modulus, "sign": _sign, "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p,
    "pow": _power, "sqrt": _sqrt,
    "rsqrt": lambda z: _divide(_real(b.const(1.0, z.real)), _sqrt(z)),
    "sinh": _sinh, "cosh": _cosh, "tanh": _tanh,
    "sin": _sin, "cos": _cos, "tan": _of_turned(_tanh),
    "asin": _asin, "acos": _acos, "atan": _of_turned(_atanh),
    "asinh": _of_turned(_asin), "acosh": _acosh, "atanh": _atanh,
}
