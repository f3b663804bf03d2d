"""How an op is declared: `declare`, and constructors for the families that share a shape.

A family constructor gives the public function (`tanh(x, name=None)`), published in `F`, with
its `OpDef` as attribute `.opdef`. An op that fits no family calls `declare` and writes its
public function by hand beside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import apply, publish
from graphflow.dtypes import DType
from graphflow.lowering import Lowering, Pointwise
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    Sample,
    TensorType,
    broadcast_inputs,
    declaration_site,
    register,
    same_as_input,
    schema,
)

Gradient = Callable[..., Sequence[Any]] | NotDifferentiable


def declare(
    name: str,
    inputs: str,
    *,
    infer: Callable[[Infer], list[TensorType]],
    reference: Callable[..., Any] | None,
    grad: Gradient,
    lowering: Lowering,
    attrs: dict[str, Attr] | None = None,
    symbolic: bool | Callable[[Infer], list[Any]] = False,
    broadcasts: bool = False,
    commutative: bool = False,
    sparse_grad: bool = False,
    samples: Callable[[], Sequence[Sample]] | None = None,
    errors: Callable[[], Sequence[ErrorSample]] | None = None,
    depth: int = 1,
    version: int = 1,
    **families: tuple[DType, ...],
) -> OpDef:
    """Declares one op; see `OpDef` for the arguments and `schema` for the text of `inputs`."""
    return register(OpDef(
        name=name, args=schema(inputs, **families), attrs=attrs or {}, infer=infer,
        reference=reference, grad=grad, lowering=lowering, symbolic=symbolic,
        broadcasts=broadcasts, commutative=commutative, sparse_grad=sparse_grad,
        samples=samples, errors=errors,
        defined_at=declaration_site(depth + 1), version=version))


def _public(
    opdef: OpDef, public_name: str, parameters: Sequence[str], doc: str, keeps_zero: bool = False
) -> Callable[..., Any]:
    """A function of the op's inputs and `name`, with the signature that its users know."""
    def of_values(x: Any, name: str | None = None) -> Any:
        if hasattr(x, "with_values"):  # a SparseTensor
            return x.map_dense(lambda values: apply(opdef, (values,), name=name))
        return apply(opdef, (x,), name=name)

    def of_one(x: Any, name: str | None = None) -> Any:
        return apply(opdef, (x,), name=name)

    def of_two(x: Any, y: Any, name: str | None = None) -> Any:
        return apply(opdef, (x, y), name=name)

    one = of_values if keeps_zero else of_one
    function = _with_names(one if len(parameters) == 1 else of_two, parameters)
    function.__name__ = function.__qualname__ = public_name
    function.__doc__ = doc
    vars(function)["opdef"] = opdef
    return publish(function)


def _with_names(function: Any, parameters: Sequence[str]) -> Callable[..., Any]:
    """`function` with its positional parameters renamed (as keywords too)."""
    code = function.__code__
    names = (*parameters, "name")
    renamed = code.replace(co_varnames=names + code.co_varnames[len(names):])
    function.__code__ = renamed
    function.__annotations__ = dict(
        zip((*names, "return"), function.__annotations__.values()))
    function.__signature__ = inspect.Signature([
        *(inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in parameters),
        inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)])
    return function


def unary(
    name: str,
    public_name: str,
    types: tuple[DType, ...],
    *,
    body: Callable[..., Any],
    reference: Callable[..., Any],
    grad: Gradient,
    doc: str,
    samples: Callable[[], Sequence[Sample]],
    out: Callable[[DType], DType] | None = None,
    symbolic: bool | Callable[[Infer], list[Any]] = False,
    parameter: str = "x",
    keeps_zero: bool = False,
) -> Callable[..., Any]:
    """A pointwise op of one input: `public_name(x, name=None)`.

    `out` gives the output's element type from the input's (the same by default).
    keeps_zero: f(0) = 0, so that it takes SparseTensors as well.
    """
    def infer(c: Infer) -> list[TensorType]:
        return [TensorType(out(c.dtype(0)) if out else c.dtype(0), c.shape(0))]

    opdef = declare(
        name, f"{parameter}: T", infer=infer if out else same_as_input, reference=reference,
        grad=grad, lowering=Pointwise(body), symbolic=symbolic, samples=samples, depth=2, T=types)
    return _public(opdef, public_name, [parameter], doc, keeps_zero)


def binary(
    name: str,
    public_name: str,
    types: tuple[DType, ...],
    *,
    body: Callable[..., Any],
    reference: Callable[..., Any],
    grad: Gradient,
    doc: str,
    samples: Callable[[], Sequence[Sample]],
    out: DType | None = None,
    symbolic: bool | Callable[[Infer], list[Any]] = False,
    commutative: bool = False,
    parameters: tuple[str, str] = ("x", "y"),
) -> Callable[..., Any]:
    """A broadcasting pointwise op of two inputs of one type: `public_name(x, y, name=None)`.

    `out` is the output's element type (the inputs' by default).
    """
    def infer(c: Infer) -> list[TensorType]:
        return [TensorType(out or c.dtype(0), c.broadcast())]

    opdef = declare(
        name, f"{parameters[0]}: T, {parameters[1]}: T", infer=infer if out else broadcast_inputs,
        reference=reference, grad=grad, lowering=Pointwise(body), symbolic=symbolic,
        broadcasts=True, commutative=commutative, samples=samples,
        errors=_broadcast_errors(types), depth=2, T=types)
    return _public(opdef, public_name, parameters, doc)


def _broadcast_errors(types: tuple[DType, ...]) -> Callable[[], Sequence[ErrorSample]]:
    def errors() -> Sequence[ErrorSample]:
        from graphflow.errors import DTypeError, ShapeError
        from graphflow.shapes import TensorShape

        def typed(dtype: DType, *sizes: int) -> TensorType:
            return TensorType(dtype, TensorShape(sizes))

        found = [ErrorSample((typed(types[0], 2, 3), typed(types[0], 2, 4)), {}, ShapeError,
                             r"cannot be broadcast.*\[2, 3\].*\[2, 4\]")]
        if len(types) > 1:
            found.append(ErrorSample((typed(types[0], 2), typed(types[1], 2)), {}, DTypeError,
                                     "same dtype"))
        return found

    return errors


def always_bool(_: DType) -> DType:
    """The output type of predicates."""
    return dt.bool_
