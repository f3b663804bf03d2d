"""Elementwise arithmetic: sums, differences, products, powers, absolute values and signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import DTypeError, InvalidArgumentError, ShapeError
from graphflow.lowering import Pointwise
from graphflow.opdef import ErrorSample, Infer, RunError, Sample, TensorType, broadcast_inputs
from graphflow.ops.declare import binary, declare, unary
from graphflow.ops.precision import widened
from graphflow.shapes import TensorShape, as_shape


def pair_samples() -> list[Sample]:
    """Broadcasting, scalars, empty arrays."""
    return [
        Sample((np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]]), np.array([2.0, 3.0, -0.5]))),
        Sample((np.array(2.0), np.array([[3.0], [-4.0]]))),
        Sample((np.zeros((0, 3)), np.ones((3,)))),
    ]


def real_samples() -> list[Sample]:
    """A few numbers of both signs, away from zero."""
    return [Sample((np.array([[-2.5, -1.0, 0.5], [1.0, 2.0, 3.5]]),)), Sample((np.zeros((0, 2)),)),
            Sample((np.array(1.25),))]


add = binary(
    "Add", "add", dt.NUMBERS,
    body=lambda b, x, y: x + y,
    reference=np.add,
    grad=lambda F, op, g: [g, g],
    samples=pair_samples, symbolic=True, commutative=True,
    doc="""x + y, elementwise with broadcasting.

    x, y: numbers of one dtype. Raises ShapeError if the shapes cannot be broadcast.""")

subtract = binary(
    "Sub", "subtract", dt.NUMBERS,
    body=lambda b, x, y: x - y,
    reference=np.subtract,
    grad=lambda F, op, g: [g, F.negative(g)],
    samples=pair_samples, symbolic=True,
    doc="x − y, elementwise with broadcasting.")

multiply = binary(
    "Mul", "multiply", dt.NUMBERS,
    body=lambda b, x, y: x * y,
    reference=np.multiply,
    grad=lambda F, op, g: [g * F.conj(op.inputs[1]), g * F.conj(op.inputs[0])],
    samples=pair_samples, symbolic=True, commutative=True,
    doc="x · y, elementwise with broadcasting.")

negative = unary(
    "Neg", "negative", dt.NUMBERS, keeps_zero=True,
    body=lambda b, x: -x,
    reference=np.negative,
    grad=lambda F, op, g: [F.negative(g)],
    samples=real_samples, symbolic=True,
    doc="−x, elementwise; integers wrap.")

square = unary(
    "Square", "square", dt.NUMBERS, keeps_zero=True,
    body=lambda b, x: x * x,
    reference=np.square,
    grad=lambda F, op, g: [g * (F.conj(op.inputs[0]) * 2)],
    samples=real_samples, symbolic=True,
    doc="x², elementwise.")


def _squared_difference_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, y = op.inputs
    towards_x = g * (2 * (x - y))
    return [towards_x, F.negative(towards_x)]


squared_difference = binary(
    "SquaredDifference", "squared_difference", dt.REALS,
    body=lambda b, x, y: (x - y) * (x - y),
    reference=widened(lambda x, y: np.square(x - y)),
    grad=_squared_difference_grad,
    samples=pair_samples, commutative=True,
    doc="(x − y)², elementwise with broadcasting.")


# ---- a product whose zero factor wins -----------------------------------------------------------


def _no_nan_samples() -> list[Sample]:
    return [
        Sample((np.array([[1.5, -2.0], [0.5, 4.0]]), np.array([2.0, -3.0]))),
        Sample((np.array([np.inf, np.nan, 2.0]), np.array([0.0, 0.0, 3.0])), grad=False),
        Sample((np.zeros((0, 2)), np.ones(2))),
    ]


def _product_no_nan(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y == 0, x.dtype.type(0), x * y)


MUL_NO_NAN = declare(
    "MulNoNan", "x: T, y: T", infer=broadcast_inputs, reference=widened(_product_no_nan),
    grad=lambda F, op, g: [F.multiply_no_nan(g, F.conj(op.inputs[1])),
                           F.multiply_no_nan(F.conj(op.inputs[0]), g)],
    lowering=Pointwise(lambda b, x, y: b.select(b.eq(y, 0), 0, x * y)), broadcasts=True,
    samples=_no_nan_samples, T=dt.INEXACT)


@op_function
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """x · y, and 0 wherever y is 0 even if x is infinite or NaN; with broadcasting."""
    return apply(MUL_NO_NAN, (x, y), name=name or "multiply_no_nan")


# ---- powers -------------------------------------------------------------------------------------


def _power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "i" and x.size and np.any(y < 0):
        raise RunError(InvalidArgumentError,
                       "integers cannot be raised to negative integer powers",
                       "Cast to a floating type first: gf.cast(x, gf.float32).")
    return np.power(x, y)


def _power_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """d/dx = y·x^(y−1). Where y is 0 that is 0, and x^(−1) is not even computed: at x = 0 it
    would make NaN of this gradient or of the next.

    d/dy = x^y·log x where x > 0 (complex: x ≠ 0), and 0 elsewhere, where it has no real value;
    the logarithm is taken of 1 there, so that its own gradient stays finite.
    """
    x, y, z = F.conj(op.inputs[0]), F.conj(op.inputs[1]), F.conj(op.outputs[0])
    constant = F.equal(y, 0)
    towards_x = g * F.where_v2(constant, 0, y * F.pow(x, F.where_v2(constant, 1, y - 1)))
    inside = F.not_equal(x, 0) if x.dtype.is_complex else x > 0
    towards_y = g * z * F.log(F.where_v2(inside, x, 1))
    return [towards_x, towards_y]


def _power_samples() -> list[Sample]:
    return [
        Sample((np.array([[1.0, 2.0, 3.0], [0.5, 1.5, 2.5]]), np.array([2.0, 3.0, 1.0]))),
        Sample((np.array(2.0), np.array([[3.0], [1.0]]))),
        Sample((np.array([0.5, 2.0]), np.array([-1.5, -2.0])), dtypes=dt.FLOATS),
        Sample((np.array([0.0, 0.0, -2.0, -2.0]), np.array([0.0, 2.0, 2.0, 3.0])), grad=False,
               dtypes=dt.FLOATS),
        Sample((np.zeros((0, 2)), np.ones(2))),
    ]


pow = binary(
    "Pow", "pow", dt.NUMBERS,
    body=lambda b, x, y: b.pow(x, y),
    reference=widened(_power),
    grad=_power_grad,
    samples=_power_samples,
    doc="""x to the power y, elementwise with broadcasting.

    Raises InvalidArgumentError at run time for a negative exponent of signed integers.
    Where x ≤ 0, the gradient for y is 0.""")


# ---- absolute value and sign --------------------------------------------------------------------

ABS = declare(
    "Abs", "x: T", infer=lambda c: [TensorType(c.dtype(0), c.shape(0))], reference=np.abs,
    grad=lambda F, op, g: [g * F.sign(op.inputs[0])], lowering=Pointwise(lambda b, x: b.abs(x)),
    samples=real_samples, T=dt.REALS)


@op_function
def abs(x: Any, name: str | None = None) -> Any:
    """|x|, elementwise; of complex numbers the modulus, in the type of their parts.

    The gradient at 0 is 0.
    """
    if hasattr(x, "with_values"):  # a SparseTensor
        return x.map_dense(lambda values: abs(values, name))
    x = convert(x)
    return apply("ComplexAbs" if x.dtype.is_complex else ABS, (x,), name=name or "Abs")


def _sign_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """Zero for reals. For complex x, y = x/|x| turns only: the part of g along y is taken out."""
    x, y = op.inputs[0], op.outputs[0]
    if not x.dtype.is_complex:
        return [F.zeros_like(x)]
    along = F.real(g * F.conj(y))
    modulus = F.abs(x)
    across = g - F.complex(along, F.zeros_like(along)) * y
    return [F.div_no_nan(across, F.complex(modulus, F.zeros_like(modulus)))]


sign = unary(
    "Sign", "sign", dt.NUMBERS, keeps_zero=True,
    body=lambda b, x: b.sign(x),
    reference=widened(np.sign),
    grad=_sign_grad,
    samples=real_samples,
    doc="−1, 0 or 1 by the sign of x; x / |x| for complex x; NaN for NaN.")


# ---- sums of many -------------------------------------------------------------------------------


def _add_n_type(c: Infer) -> list[TensorType]:
    if not c.types:
        raise c.error("needs at least one input")
    shape = c.shape(0)
    for i in range(1, len(c.types)):
        if not shape.is_compatible_with(c.shape(i)):
            raise c.error(f"inputs must have one shape: {c.show(0)}, {c.show(i)}",
                          "To broadcast, add them with +.")
        shape = shape.merge_with(c.shape(i))
    return [TensorType(c.dtype(0), shape)]


def _add_n_reference(*arrays: np.ndarray) -> np.ndarray:
    total = arrays[0]
    for array in arrays[1:]:
        if array.shape != total.shape:
            raise RunError(InvalidArgumentError,
                           f"inputs must have one shape, got {list(total.shape)} and "
                           f"{list(array.shape)}", "To broadcast, add them with +.")
        total = total + array
    return np.array(total)


def _add_n_body(b: Any, *elements: Any) -> Any:
    total = elements[0]
    for element in elements[1:]:
        total = total + element
    return total


def _add_n_samples() -> list[Sample]:
    x = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
    return [Sample((x, 2 * x, x + 1)), Sample((x,)), Sample((np.zeros((0, 2)), np.zeros((0, 2))))]


def _add_n_errors() -> list[ErrorSample]:
    def typed(dtype: dt.DType, *sizes: int) -> TensorType:
        return TensorType(dtype, TensorShape(sizes))

    return [
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.float32, 3)), {}, ShapeError,
                    r"one shape: inputs\[0\] \[2, 3\], inputs\[1\] \[3\]"),
        ErrorSample((typed(dt.float32, 2), typed(dt.int32, 2)), {}, DTypeError, "same dtype"),
    ]


ADD_N = declare(
    "AddN", "inputs: *T", infer=_add_n_type, reference=widened(_add_n_reference),
    grad=lambda F, op, g: [g] * len(op.inputs), lowering=Pointwise(_add_n_body), symbolic=True,
    samples=_add_n_samples, errors=_add_n_errors, T=dt.NUMBERS)


@op_function
def add_n(inputs: Sequence[Any], name: str | None = None) -> Any:
    """The sum of a list of tensors of one dtype and one shape (no broadcasting).

    IndexedSlices among them are made dense. A single tensor is passed on.
    Raises ShapeError or DTypeError if they differ, ShapeError for an empty list.
    """
    inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not inputs:
        raise ShapeError("add_n: inputs must be a list of at least one tensor, got [].")
    tensors = [convert(value) for value in inputs]
    if len(tensors) == 1:
        return F.identity(tensors[0], name=name) if name else tensors[0]
    return apply(ADD_N, tensors, name=name)


@op_function
def accumulate_n(
    inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None
) -> Any:
    """The sum of a list of tensors, as `add_n`, with the shape and dtype that they must have.

    Raises ShapeError or DTypeError if `shape` or `tensor_dtype` do not fit the inputs.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ShapeError(
            f"accumulate_n: inputs must be a list of at least one tensor, got {inputs!r}.")
    tensors = [convert(value) for value in inputs]
    wanted = dt.as_dtype(tensor_dtype) if tensor_dtype is not None else tensors[0].dtype
    for i, tensor in enumerate(tensors):
        if tensor.dtype is not wanted:
            raise DTypeError(f"accumulate_n: inputs[{i}] is {tensor.dtype.name}, "
                             f"tensor_dtype is {wanted.name}.")
    if shape is not None:
        for i, tensor in enumerate(tensors):
            if not as_shape(shape).is_compatible_with(tensor.shape):
                raise ShapeError(f"accumulate_n: inputs[{i}] {tensor.shape} is not of "
                                 f"shape {as_shape(shape)}.")
    if len(tensors) == 1 and name is None:
        return tensors[0]
    return apply(ADD_N, tensors, name=name or "AccumulateNV2")


@op_function
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """scalar · x, where `scalar` has rank 0; `x` may be IndexedSlices.

    Raises ShapeError if `scalar` is known not to be a scalar.
    """
    if hasattr(x, "map_dense"):
        return x.map_dense(lambda values: scalar_mul(scalar, values, name))
    x = convert(x)
    scalar = convert(scalar, x.dtype)
    if scalar.shape.rank not in (0, None):
        raise ShapeError(f"scalar_mul: scalar must have rank 0, got shape {scalar.shape}. "
                         "Use gf.multiply to multiply elementwise.")
    return multiply(scalar, x, name=name)
