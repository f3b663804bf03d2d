"""Elementwise operations on the bits of integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.loop_ir import semantics
from graphflow.lowering import Pointwise
from graphflow.opdef import NotDifferentiable, Sample, same_as_input
from graphflow.ops.declare import binary, declare

_INTEGER = NotDifferentiable("integer output")


def _bit_samples() -> list[Sample]:
    return [Sample((np.array([[12.0], [7.0]]), np.array([10.0, 1.0, 0.0]))),
            Sample((np.array(5.0), np.array([3.0, 6.0]))),
            Sample((np.zeros((0, 2)), np.ones(2)))]


def _bitwise(
    name: str, public_name: str, scalar_op: str, reference: Callable[..., Any], doc: str,
    commutative: bool = True,
) -> Callable[..., Any]:
    return binary(
        name, public_name, dt.INTEGERS, body=lambda b, x, y: getattr(b, scalar_op)(x, y),
        reference=reference, grad=_INTEGER, samples=_bit_samples, commutative=commutative,
        doc=f"{doc}, elementwise with broadcasting; x, y: integers of one dtype.")


bitwise_and = _bitwise("BitwiseAnd", "bitwise_and", "bit_and", np.bitwise_and,
                       "The bits that are set in x and in y")
bitwise_or = _bitwise("BitwiseOr", "bitwise_or", "bit_or", np.bitwise_or,
                      "The bits that are set in x or in y")
bitwise_xor = _bitwise("BitwiseXor", "bitwise_xor", "bit_xor", np.bitwise_xor,
                       "The bits that are set in one of x and y")
left_shift = _bitwise("LeftShift", "left_shift", "shl", semantics.shift_left,
                      "x · 2^y, wrapping, and 0 for y outside 0 … width − 1", commutative=False)
right_shift = _bitwise("RightShift", "right_shift", "shr", semantics.shift_right,
                       "⌊x / 2^y⌋ (for y outside 0 … width − 1: 0, or −1 where x < 0)",
                       commutative=False)

INVERT = declare(
    "Invert", "x: T", infer=same_as_input, reference=np.invert, grad=_INTEGER,
    lowering=Pointwise(lambda b, x: b.bit_not(x)),
    samples=lambda: [Sample((np.array([0.0, 1.0, 100.0]),)), Sample((np.zeros((0, 2)),))],
    T=dt.INTEGERS)
