"""lgamma, computed in float64.

Below 8 the recurrence Γ(x + 1) = x·Γ(x) leads to 1¼ … 2½, where log Γ is (y − 2)·P(y − 2); above
it is Stirling's series with minimax coefficients (Remez' exchange, see `exponential`). Negative x
go through the reflection Γ(x)·Γ(1 − x) = π / sin πx.
"""

from __future__ import annotations

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import INFINITY, horner, is_single
from graphflow.loop_ir.approximations.logarithm import log
from graphflow.loop_ir.approximations.trigonometry import sin_pi
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr

# log Γ(2 + t) / t for −¾ ≤ t ≤ ½: 2^-56.0.
NEAR_TWO = (
    0.42278433509846713, 0.3224670334241132, -0.067352301053195285,
    0.020580808427789858, -0.0073855510289359055, 0.0028905103302291038,
    -0.0011927539023774021, 0.00050966954578900658, -0.00022315492076807849,
    9.9457078167531347e-05, -4.492474666356971e-05, 2.0512183796877267e-05,
    -9.4462206899484451e-06, 4.3421445418092815e-06, -2.0328061681836124e-06,
    1.0764233960760654e-06, -3.8168357820111428e-07, -9.8725380182529248e-09,
    -3.69629550822802e-07, 1.4613756223661742e-07, 2.8761962081803099e-07,
    1.6094030079686696e-07)
# (log Γ(x) − (x − ½)(log x − 1) − (log 2π − 1)/2) · x as a polynomial in 1/x², x ≥ 8: 2^-63.2.
STIRLING = (
    0.083333333333332454, -0.0027777777768033547, 0.00079365041833031258,
    -0.0005951698064024717, 0.00083531727926165961, -0.0016089545918319362)
STIRLING_CONSTANT = 0.41893853320467274
STIRLING_FROM = 8


def lgamma(x: Expr) -> Expr:
    """log |Γ(x)|: float32 within 1 ULP, float64 within 4 for x > 0.

    Near the zeros at negative x, absolutely within some 2⁻⁵⁰. +∞ at 0, −1, −2, … and ±∞.
    """
    if is_single(x):
        return b.cast(lgamma(b.cast(x, dtypes.float64)), dtypes.float32)
    magnitude = abs(x)
    negative = x < 0.0
    result = _of_positive(b.select(negative, magnitude + 1.0, magnitude))
    sine = sin_pi(magnitude)  # 0 at the poles
    reflected = b.select(
        b.eq(sine, 0.0), INFINITY, -log(sine * 0.3183098861837907) - result)
    return b.select(b.eq(magnitude, INFINITY), magnitude, b.rarely(negative, reflected, result))


def _of_positive(x: Expr) -> Expr:
    """log Γ(x), x ≥ 0. Of the four cases each needs one logarithm: they share it."""
    low, middle, large = x < 0.5, x < 1.25, x >= STIRLING_FROM
    product, t = b.const(1.0, x), x - 2.0
    for step in range(1, STIRLING_FROM - 1):
        factor = x - float(step)
        above = factor > 1.5
        product = b.select(above, product * factor, product)
        t = b.select(above, factor - 2.0, t)
    t = b.select(low, x, b.select(middle, x - 1.0, t))
    argument = b.select(large | b.logical_xor(middle, low), x,
                        b.select(low, b.fma(x, x, x), product))
    logarithm = log(argument)
    near = b.fma(t, horner(t, NEAR_TWO), b.select(middle, -logarithm, logarithm))
    inverse = 1.0 / x
    far = b.fma(x - 0.5, logarithm - 1.0,
                b.fma(inverse, horner(inverse * inverse, STIRLING), STIRLING_CONSTANT))
    return b.select(large, far, near)
