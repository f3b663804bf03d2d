"""Functions of scalars as elementwise operations: typed by Numba, fused like any other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.custom_ops.gradient import Gradient, gradient_rule
from graphflow.custom_ops.numba_types import NotCompiled, arithmetic
from graphflow.custom_ops.scalar_function import TypedFunction, UserFunction
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, InvalidArgumentError
from graphflow.loop_ir import semantics
from graphflow.loop_ir.expr import Expr, constant
from graphflow.loop_ir.external import call
from graphflow.lowering import Pointwise
from graphflow.opdef import Arg, Attr, Infer, OpDef, RunError, TensorType


def scalar_opdef(
    name: str, function: UserFunction, parameters: Sequence[str], grad: Gradient, site: str
) -> OpDef:
    """The declaration of the elementwise op `name` that computes a function of scalars."""
    return OpDef(
        name=name, args=tuple(Arg(p, dt.FIXED_SIZE) for p in parameters),
        attrs={"function": Attr("object", function)}, infer=_infer, reference=_reference,
        grad=gradient_rule(name, grad),
        lowering=Pointwise(_body, partial(_refuses, function=function)), broadcasts=True,
        defined_at=site)


def _infer(c: Infer) -> list[TensorType]:
    function: UserFunction = c.attrs["function"]
    dtypes = [t.dtype for t in c.types]
    try:
        typed = function.typed(dtypes)
    except NotCompiled as reason:
        shown = ", ".join(d.name for d in dtypes)
        raise c.error(
            f"Numba cannot compile {function.plain.__name__} for ({shown}): {reason}",
            "The function must be one of numbers, in the Python that Numba knows.",
            DTypeError) from reason.__cause__
    shape = c.broadcast()
    return [TensorType(d, shape) for d in typed.results]


def _typed(function: UserFunction, dtypes: Sequence[DType]) -> TypedFunction:
    """The function as it was typed when the node was built."""
    return function.typed(dtypes)


def _reference(*arrays: np.ndarray, function: UserFunction) -> Any:
    dtypes = [as_dtype(a.dtype) for a in arrays]
    typed = _typed(function, dtypes)
    operands = [a.astype(arithmetic(d).numpy, copy=False) for a, d in zip(arrays, dtypes)]
    try:
        made = typed.evaluate(*operands)
    except Exception as error:
        raise RunError(
            InvalidArgumentError,
            f"{function.plain.__name__} raised {type(error).__name__}: {error}") from error
    with np.errstate(all="ignore"):
        results = [np.asarray(semantics.convert(m, d), d.numpy)
                   for m, d in zip(made, typed.results)]
    return results[0] if len(results) == 1 else tuple(results)


# ---- in kernels ---------------------------------------------------------------------------------


def _body(b: Any, *elements: Expr, function: UserFunction) -> tuple[Expr, ...]:
    typed = _typed(function, [x.dtype for x in elements])
    operands = _operands(b, elements)
    made = []
    for parts, dtype in zip(typed.parts, typed.results):
        values = [call(p, *operands) for p in parts]
        whole = values[0] if len(values) == 1 else b.complex(*values)
        made.append(b.cast(whole, dtype))
    return tuple(made)


def _refuses(b: Any, *elements: Expr, function: UserFunction) -> Expr:
    raises = _typed(function, [x.dtype for x in elements]).raises
    if raises is None:
        return constant(False, dt.bool_)
    return call(raises, *_operands(b, elements))


def _operands(b: Any, elements: Sequence[Expr]) -> list[Expr]:
    """Elements as functions take them: in arithmetic types, complex ones as two parts."""
    operands: list[Expr] = []
    for x in elements:
        if x.dtype.is_complex:
            operands += [b.real(x), b.imag(x)]
        else:
            operands.append(b.cast(x, arithmetic(x.dtype)))
    return operands


