"""Expressions rewritten into basic ops, those that every emitter translates.

Input: a typed expression with any op of `scalar_ops.OPS`. Output: one that computes the same with
basic ops alone (`ScalarOp.basic`): transcendental functions become branch-free polynomial bodies
without tables, float16 and bfloat16 are computed in float32, complex values are two reals.

Accuracy, in units in the last place of the result: float32 within 2 (erfc and atanh 3, tan 4),
float64 within 4; the functions state theirs, the tests measure them. Zeros keep their signs,
infinities and NaN give what IEEE 754 and C99 say, subnormal numbers are right and underflow is
gradual.
"""

from __future__ import annotations

from graphflow.loop_ir.approximations.expansion import (
    RealLeaf,
    expand,
    expand_all,
    expander,
    is_basic,
    split_complex,
)

__all__ = ["RealLeaf", "expand", "expand_all", "expander", "is_basic", "split_complex"]
