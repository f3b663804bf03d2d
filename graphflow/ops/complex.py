"""Complex numbers and their parts.

The gradient of a real loss for a complex z = a + ib is ∂/∂a + i·∂/∂b, as in TensorFlow: a
holomorphic function passes on g · conj(f′).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import DType
from graphflow.loop_ir import semantics
from graphflow.lowering import Pointwise
from graphflow.opdef import Infer, Sample, TensorType, same_as_input
from graphflow.ops.declare import declare


def _complex_samples() -> list[Sample]:
    return [Sample((np.array([[1 + 2j, -3 + 0.5j], [2 - 1j, -1 - 4j]]),)),
            Sample((np.array(3 - 4j),)), Sample((np.zeros((0, 2), np.complex128),))]


def _real_output(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0).real_dtype, c.shape(0))]


def _as_complex(F: Any, real: Any) -> Any:
    return F.complex(real, F.zeros_like(real))


REAL = declare(
    "Real", "input: T", infer=_real_output, reference=lambda x: np.array(x.real),
    grad=lambda F, op, g: [_as_complex(F, g)], lowering=Pointwise(lambda b, x: b.real(x)),
    samples=_complex_samples, T=dt.COMPLEX)

IMAG = declare(
    "Imag", "input: T", infer=_real_output, reference=lambda x: np.array(x.imag),
    grad=lambda F, op, g: [F.complex(F.zeros_like(g), g)],
    lowering=Pointwise(lambda b, x: b.imag(x)), samples=_complex_samples, T=dt.COMPLEX)

CONJ = declare(
    "Conj", "input: T", infer=same_as_input, reference=np.conj,
    grad=lambda F, op, g: [F.conj(g)], lowering=Pointwise(lambda b, x: b.conj(x)),
    samples=_complex_samples, T=dt.COMPLEX)

COMPLEX_ABS = declare(
    "ComplexAbs", "x: T", infer=_real_output, reference=np.abs,
    grad=lambda F, op, g: [op.inputs[0] * _as_complex(F, F.div_no_nan(g, op.outputs[0]))],
    lowering=Pointwise(lambda b, x: b.abs(x)), samples=_complex_samples, T=dt.COMPLEX)


def _angle_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """∂θ/∂a + i·∂θ/∂b = (−b + ia) / (a² + b²) = i / conj(z)."""
    turned = F.complex(F.zeros_like(g), g)
    return [turned / F.conj(op.inputs[0])]


ANGLE = declare(
    "Angle", "input: T", infer=_real_output,
    reference=lambda x: np.asarray(np.angle(x)).astype(x.real.dtype),
    grad=_angle_grad, lowering=Pointwise(lambda b, x: b.atan2(b.imag(x), b.real(x))),
    samples=_complex_samples, T=dt.COMPLEX)


def _complex_of(dtype: DType) -> DType:
    return dt.complex64 if dtype is dt.float32 else dt.complex128


def _pair_samples() -> list[Sample]:
    return [Sample((np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([2.0, -1.0]))),
            Sample((np.array(1.5), np.array([[2.0], [3.0]]))),
            Sample((np.zeros((0, 2)), np.ones(2)))]


COMPLEX = declare(
    "Complex", "real: T, imag: T",
    infer=lambda c: [TensorType(_complex_of(c.dtype(0)), c.broadcast())],
    reference=lambda real, imag: semantics.make_complex(np.asarray(real), np.asarray(imag)),
    grad=lambda F, op, g: [F.real(g), F.imag(g)],
    lowering=Pointwise(lambda b, x, y: b.complex(x, y)), broadcasts=True, samples=_pair_samples,
    T=(dt.float32, dt.float64))


@op_function
def complex(real: Any, imag: Any, name: str | None = None) -> Any:
    """real + i·imag: float32 parts give complex64, float64 parts complex128; broadcasting."""
    return apply(COMPLEX, (real, imag), name=name)


@op_function
def real(input: Any, name: str | None = None) -> Any:
    """The real part, in the type of the parts; real numbers stay as they are."""
    input = convert(input)
    return apply(REAL, (input,), name=name) if input.dtype.is_complex else input


@op_function
def imag(input: Any, name: str | None = None) -> Any:
    """The imaginary part, in the type of the parts; 0 for real numbers."""
    input = convert(input)
    return apply(IMAG, (input,), name=name) if input.dtype.is_complex else F.zeros_like(
        input, name=name)


@op_function
def conj(x: Any, name: str | None = None) -> Any:
    """The complex conjugate; real numbers stay as they are."""
    x = convert(x)
    return apply(CONJ, (x,), name=name) if x.dtype.is_complex else x


@op_function
def angle(input: Any, name: str | None = None) -> Any:
    """The argument of complex numbers, in (−π, π]; of real numbers 0, or π if negative."""
    input = convert(input)
    if input.dtype.is_complex:
        return apply(ANGLE, (input,), name=name)
    zeros = F.zeros_like(input)
    return F.where_v2(input < zeros, F.cast(convert(np.pi), input.dtype), zeros, name=name)
