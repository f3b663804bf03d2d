"""erf and erfc.

For small x, erf x = x + x·P(x²). For large x, erf x = 1 − e^−Q(x), and erfc x = e^(−x²)·R(u)·u
with u = 1/(x + k): R is e^(x²)·erfc(x)·(x + k), smooth up to where erfc underflows (the idea is
that of Shepherd and Laframboise, Math. Comp. 36, 1981). All are minimax (Remez' exchange, see
`exponential`).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow import dtypes
from graphflow.loop_ir.approximations.exponential import power_of_e, scale_by_power
from graphflow.loop_ir.approximations.floats import (
    at_most,
    fast_two_sum,
    flip,
    format_of,
    horner,
    power_of_two,
    sign_of,
    two_product,
)
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the format.

    Attributes:
      near: erf(x)/x − 1 as a polynomial in x², 0 ≤ x ≤ 1.
      far: −log erfc x for 1 ≤ x ≤ erf_high, in absolute error of erf.
      erf_high: above, erf is 1.
      offset, centre: k, and the u that the next is expanded around.
      scaled: R as a polynomial in u − centre, 0.73 ≤ x ≤ erfc_high.
      erfc_high: above, erfc is 0.
    """

    near: tuple[float, ...]
    far: tuple[float, ...]
    erf_high: float
    offset: float
    centre: float
    scaled: tuple[float, ...]
    erfc_high: float


_CONSTANTS = {
    dtypes.float32: _Constants(
        near=(  # 2^-29.4
            0.128379166, -0.37612626, 0.112835787, -0.0268533472, 0.0051871622, -0.00079978531,
            7.80690316e-05),
        far=(  # 2^-29.6
            0.000281159679, 1.12732828, 0.637758017, 0.103433691, -0.0219901968, 0.0029845878,
            -0.000190030682),
        erf_high=3.95, offset=1.5, centre=0.235,
        scaled=(  # 2^-28.6
            0.822665036, 1.35586643, 1.00111139, -0.812888265, -1.71166992, 1.60273647,
            3.21058965, -5.61491203, -4.58449745, 15.3166323),
        erfc_high=10.1),
    dtypes.float64: _Constants(
        near=(  # 2^-55.8
            0.12837916709551256, -0.3761263890318331, 0.1128379167093527, -0.026866170641676099,
            0.0052239775944161911, -0.00085483253769524123, 0.00012055277409264557,
            -1.4924409626196112e-05, 1.6443503452519725e-06, -1.6179382575596518e-07,
            1.3598268123458875e-08, -7.5761622299133008e-10),
        far=(  # 2^-56.6
            4.0931897418705706e-07, 1.128374966992389, 0.63663980538729681, 0.10271370647820569,
            -0.019009215841883632, -0.00038477168771610857, 0.0018893103236315711,
            -0.00074939566124760932, 0.00012176029073596539, 2.6820677590462184e-05,
            -2.5370594180362653e-05, 9.4436804890973314e-06, -2.3188867666034017e-06,
            4.0606642750072119e-07, -5.071164611669028e-08, 4.3214944575461974e-09,
            -2.2603004961320568e-10, 5.4839593382085844e-12),
        erf_high=5.95, offset=2.0, centre=0.2107,
        scaled=(  # 2^-55.9
            0.92031327848093203, 2.409236438266348, 4.1499931626596229, 3.0814887651259748,
            -3.9459054779562441, -9.0335424234502071, 7.1325263775379781, 25.697268127172794,
            -28.864426381934702, -74.035230467081192, 158.14402760110173, 149.35926635979428,
            -817.13547526415664, 363.87256434359733, 3229.7772823570458, -6824.4152848157746,
            -5091.1069173832939, 47820.711041617978, -43629.228832974513,
            -228394.26869294461, 308326.62863187009, 751445.01808004745),
        erfc_high=27.3),
}


def erf(x: Expr) -> Expr:
    """The error function within 2 ULP; keeps −0."""
    constants = _CONSTANTS[x.dtype]
    magnitude = abs(x)
    exponent = -horner(at_most(magnitude, constants.erf_high), constants.far)
    power = power_of_e(exponent)
    scale = power_of_two(power.bits, format_of(x))
    far = 1.0 - b.fma(power.r, power.slope, 1.0) * scale
    return flip(b.select(magnitude < 1.0, _near(magnitude), far), sign_of(x))


def erfc(x: Expr) -> Expr:
    """1 − erf x within 2 ULP of the result, also where it underflows."""
    constants = _CONSTANTS[x.dtype]
    magnitude = at_most(abs(x), constants.erfc_high)
    shifted = magnitude + constants.offset
    u = 1.0 / shifted
    # What the sum and the quotient have rounded away, relative to u: it would count twice over.
    lost = magnitude - (shifted - constants.offset)
    error = b.fma(u, -lost, b.fma(u, -shifted, 1.0))
    t = b.fma(u, error, u - constants.centre)
    first, *others = constants.scaled
    polynomial, polynomial_low = fast_two_sum(b.const(first, x), t * horner(t, others))
    scaled, scaled_low = two_product(polynomial, u)
    scaled_low = b.fma(polynomial_low, u, scaled_low)
    square = magnitude * magnitude  # what it rounds away is a factor of e^(−x²)
    error = error + b.fma(-magnitude, magnitude, square)
    power = power_of_e(-square)
    growth, growth_low = two_product(power.r, power.slope)
    little = b.fma(scaled, growth_low + b.fma(error, growth, error), scaled_low)
    right = scale_by_power(scaled + b.fma(scaled, growth, little), power)
    far = b.select(x < 0.0, 2.0 - right, right)
    return b.select(magnitude < 0.75, 1.0 - flip(_near(magnitude), sign_of(x)), far)


def _near(x: Expr) -> Expr:
    return b.fma(x, horner(x * x, _CONSTANTS[x.dtype].near), x)
