"""Modified Bessel functions of the first kind, of orders 0 and 1, and scaled by e^−|x|.

Chebyshev series (Clenshaw, "Chebyshev series for mathematical functions", NPL Mathematical
Tables 5, 1962): of e^−x·I₀(x) and e^−x·I₁(x)/x over 0 ≤ x ≤ 8 in t = x/4 − 1, and of
√x·e^−x·I(x) over x ≥ 8 in t = 16/x − 1. The coefficients were computed in 70 decimal digits from
the power series and the asymptotic series at Chebyshev nodes, and cut at 10⁻¹⁸.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.opdef import Sample
from graphflow.ops.declare import unary
from graphflow.ops.precision import widened

_SPLIT = 8
_ENOUGH_FOR_FLOAT32 = 2e-9

_I0_NEAR = (
    0.6767952744094761, -0.3046826723431984, 0.17162090152220877, -0.09490109704804764,
    0.04930528423967071, -0.02373741480589947, 0.010546460394594998, -0.004324309995050576,
    0.0016394756169413357, -0.0005763755745385824, 0.00018850288509584165,
    -5.754195010082104e-05, 1.6448448070728896e-05, -4.4167383584587505e-06,
    1.1173875391201037e-06, -2.670793853940612e-07, 6.046995022541919e-08,
    -1.300025009986248e-08, 2.6598237246823866e-09, -5.189795601635263e-10,
    9.675809035373237e-11, -1.726826291441556e-11, 2.95505266312964e-12, -4.856446783111929e-13,
    7.676185498604936e-14, -1.1685332877993451e-14, 1.715391285555133e-15,
    -2.431279846547955e-16, 3.3307945188222384e-17, -4.4153416464793395e-18,
)
_I0_FAR = (
    0.8044904110141088, 0.0033691164782556943, 6.889758346916825e-05, 2.8913705208347567e-06,
    2.0489185894690638e-07, 2.266668990498178e-08, 3.3962320257083865e-09, 4.94060238822497e-10,
    1.1889147107846439e-11, -3.1499165279632416e-11, -1.3215811840447713e-11,
    -1.7941785315068062e-12, 7.180124451383666e-13, 3.8527783827421426e-13, 1.54008621752141e-14,
    -4.150569347287222e-14, -9.554846698828307e-15, 3.8116806693526224e-15,
    1.7725601330565263e-15, -3.425485619677219e-16, -2.8276239805165836e-16,
    3.461222867697461e-17, 4.46562142029676e-17, -4.830504485944178e-18, -7.23318048787476e-18,
    9.921475412173676e-19, 1.1936508908460063e-18,
)
_I1_NEAR = (
    0.25258718644363365, -0.17641651835783406, 0.1026436586898471, -0.05294598120809499,
    0.024726449030626516, -0.010564084894626197, 0.004156422944312888, -0.0015135724506312532,
    0.0005122859561685758, -0.00016176081582589674, 4.781565107550054e-05,
    -1.3273163656039436e-05, 3.4702513081376785e-06, -8.568720264695455e-07,
    2.0032947535521353e-07, -4.445059128796328e-08, 9.381537386495773e-09,
    -1.8872497517228294e-09, 3.625590281552117e-10, -6.663489723502027e-11,
    1.1736186298890901e-11, -1.9839743977649436e-12, 3.223793365945575e-13,
    -5.042185504727912e-14, 7.600684294735408e-15, -1.1055969477353862e-15,
    1.5536319577362005e-16, -2.111421214358166e-17, 2.7779141127610464e-18,
)
_I1_FAR = (
    0.7785762350182801, -0.009761097491361469, -0.00011058893876262371, -3.882564808877691e-06,
    -2.512236237870209e-07, -2.6314688468895196e-08, -3.835380385964237e-09,
    -5.589743462196584e-10, -1.8974958123505413e-11, 3.2526035830154884e-11,
    1.4125807436613782e-11, 2.0356285441470896e-12, -7.198551776245908e-13,
    -4.0835511110921974e-13, -2.1015418427726643e-14, 4.272440016711951e-14,
    1.0420276984128802e-14, -3.8144030724370075e-15, -1.8803547755107825e-15,
    3.3082023109209285e-16, 2.96262899764595e-16, -3.209525921993424e-17, -4.650305368489358e-17,
    4.414348323071704e-18, 7.517296310842111e-18, -9.314178867326863e-19,
    -1.2421932751949152e-18,
)


def _coefficients(table: Sequence[float], wide: bool) -> list[float]:
    """Those that matter in the type, the highest order first."""
    least = 0.0 if wide else _ENOUGH_FOR_FLOAT32
    count = max(i for i, c in enumerate(table) if abs(c) > least) + 1
    return list(table[:count])[::-1]


def _series(t: Any, coefficients: Sequence[float]) -> Any:
    """a₀/2 + Σ aₖ·Tₖ(t), by Clenshaw's recurrence; arrays and scalar expressions."""
    twice, last, before = t * 2, t * 0, t * 0
    for c in coefficients[:-1]:
        last, before = twice * last - before + c, last
    return t * last - before + coefficients[-1] / 2


def _scaled_reference(order: int) -> Callable[[np.ndarray], np.ndarray]:
    near, far = (_I1_NEAR, _I1_FAR) if order else (_I0_NEAR, _I0_FAR)

    def scaled(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        size, wide, one = np.abs(x), x.dtype == np.float64, x.dtype.type(1)
        inner = _series(np.minimum(size, _SPLIT) / 4 - one, _coefficients(near, wide))
        outer = np.maximum(size, _SPLIT)
        outer = _series(16 / outer - one, _coefficients(far, wide)) / np.sqrt(outer)
        if order:
            inner = inner * size
        value = np.where(size <= _SPLIT, inner, outer)
        value = np.where(x != x, x, value)
        return np.where(x < 0, -value, value) if order else value

    return scaled


def _scaled_body(order: int) -> Callable[[Any, Any], Any]:
    near, far = (_I1_NEAR, _I1_FAR) if order else (_I0_NEAR, _I0_FAR)

    def scaled(b: Any, x: Any) -> Any:
        size, wide = abs(x), x.dtype is dt.float64
        inner = _series(b.min(size, _SPLIT) * 0.25 - 1, _coefficients(near, wide))
        outer = b.max(size, _SPLIT)
        outer = _series(16 / outer - 1, _coefficients(far, wide)) / b.sqrt(outer)
        if order:
            inner = inner * size
        value = b.select(size <= _SPLIT, inner, outer)
        value = b.select(b.ne(x, x), x, value)
        return b.select(x < 0, -value, value) if order else value

    return scaled


_i0e, _i1e = _scaled_reference(0), _scaled_reference(1)
_i0e_body, _i1e_body = _scaled_body(0), _scaled_body(1)


def _over(F: Any, y: Any, x: Any) -> Any:
    """I₁(x)/x, scaled or not; its limit at 0 is ½."""
    zero = F.equal(x, 0)
    return F.where_v2(zero, 0.5, y / F.where_v2(zero, 1, x))


def _samples() -> list[Sample]:
    return [Sample((np.array([[-2.5, -0.5, 0.25], [0.75, 6.5, 9.5]]),)), Sample((np.array(1.5),)),
            Sample((np.array([0.0, -7.9, 8.1, 60.0]),), grad=False), Sample((np.zeros((0, 2)),))]


bessel_i0e = unary(
    "BesselI0e", "bessel_i0e", dt.FLOATS, body=_i0e_body, reference=widened(_i0e),
    grad=lambda F, op, g: [
        g * (F.bessel_i1e(op.inputs[0]) - F.sign(op.inputs[0]) * op.outputs[0])],
    samples=_samples, doc="e^−|x| · I₀(x), elementwise.")

bessel_i1e = unary(
    "BesselI1e", "bessel_i1e", dt.FLOATS, body=_i1e_body, reference=widened(_i1e),
    grad=lambda F, op, g: [
        g * (F.bessel_i0e(op.inputs[0]) - F.sign(op.inputs[0]) * op.outputs[0]
             - _over(F, op.outputs[0], op.inputs[0]))],
    samples=_samples, doc="e^−|x| · I₁(x), elementwise.")

bessel_i0 = unary(
    "BesselI0", "bessel_i0", dt.FLOATS,
    body=lambda b, x: b.exp(abs(x)) * _i0e_body(b, x),
    reference=widened(lambda x: np.exp(np.abs(x)) * _i0e(x)),
    grad=lambda F, op, g: [g * F.bessel_i1(op.inputs[0])],
    samples=lambda: _samples()[:2] + _samples()[3:],
    doc="The modified Bessel function of the first kind of order 0, elementwise.")

bessel_i1 = unary(
    "BesselI1", "bessel_i1", dt.FLOATS,
    body=lambda b, x: b.exp(abs(x)) * _i1e_body(b, x),
    reference=widened(lambda x: np.exp(np.abs(x)) * _i1e(x)),
    grad=lambda F, op, g: [
        g * (F.bessel_i0(op.inputs[0]) - _over(F, op.outputs[0], op.inputs[0]))],
    samples=lambda: _samples()[:2] + _samples()[3:],
    doc="The modified Bessel function of the first kind of order 1, elementwise.")
