"""Python values become tensors of a graph: numbers, arrays, lists, variables, registered types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.builder import F
from graphflow.dtypes import DType, as_dtype, to_array
from graphflow.errors import DTypeError, GraphError, GraphflowError, describe
from graphflow.lowering import Region
from graphflow.opdef import ConstValue, OpDef, lookup
from graphflow.shapes import TensorShape
from graphflow.tensor import Operation, Tensor, dereferenced

if TYPE_CHECKING:
    from graphflow.graph import Graph

_conversions: list[tuple[type, Callable[..., Any], int]] = []


def register_tensor_conversion_function(
    base_type: Any, conversion_func: Callable[..., Any], priority: int = 100
) -> None:
    """Teaches `convert_to_tensor` the type(s) `base_type`.

    `conversion_func(value, dtype, name, as_ref)` gives a Tensor or NotImplemented; lower
    priorities are tried first.
    """
    types = base_type if isinstance(base_type, (list, tuple)) else [base_type]

    def convert(value: Any, dtype: Any, name: str | None) -> Any:
        return conversion_func(value, dtype, name, False)

    for one in types:
        _conversions.append((one, convert, priority))
    _conversions.sort(key=lambda entry: entry[2])


def _conversion_for(value: Any) -> Callable[..., Any] | None:
    for base, function, _ in _conversions:
        if isinstance(value, base):
            return function
    return None


def as_tensor(graph: Graph, value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """`value` as a tensor of `graph`; see `Graph.convert`."""
    dtype = as_dtype(dtype) if dtype is not None else None
    value = dereferenced(value)
    if isinstance(value, Tensor):
        tensor = graph.own(value)
        tensor = graph.read(tensor) if tensor.is_handle else tensor
        if dtype is not None and tensor.dtype is not dtype:
            raise DTypeError(
                f"Tensor conversion asked for dtype {dtype.name}, but {value!r} is "
                f"{tensor.dtype.name}. Use gf.cast(x, gf.{dtype.name})."
            )
        return tensor
    if isinstance(value, Operation):
        raise DTypeError(
            f"{value!r} is an operation, which has no value of its own. Use one of its "
            "outputs, or run it for its effect by gf.control_dependencies([…])."
        )
    custom = _conversion_for(value)
    if custom is not None:
        converted = custom(value, dtype, name)
        if converted is not NotImplemented:
            return graph.own(converted)
    if isinstance(value, (list, tuple)) and _holds_tensor(value):
        return F.stack(value, name=name) if dtype is None else F.stack(
            [as_tensor(graph, v, dtype) for v in value], name=name)
    array = _shape_array(value) if isinstance(value, TensorShape) else to_array(value, dtype)
    constant = {"value": ConstValue(array)}
    return graph.add_operation(lookup("Const"), (), constant, name or "Const").outputs[0]


def _holds_tensor(value: Any) -> bool:
    pending = [value]
    while pending:
        for item in pending.pop():
            if isinstance(item, Tensor) or hasattr(item, "as_graph_tensor"):
                return True
            if isinstance(item, (list, tuple)):
                pending.append(item)
    return False


def _shape_array(shape: TensorShape) -> np.ndarray:
    if not shape.is_fully_defined():
        raise DTypeError(
            f"Cannot convert the partly known shape {shape} to a tensor. Use gf.shape(x), which "
            "is computed when the graph runs."
        )
    sizes = np.asarray(shape.as_list(), np.int64)
    return sizes.astype(np.int32) if np.all(sizes < 2**31) else sizes


# ---- the inputs of an operation -----------------------------------------------------------------


def convert_inputs(
    graph: Graph, opdef: OpDef, inputs: Sequence[Any], op_name: str, site: str | None
) -> list[Tensor]:
    """The inputs of an operation as tensors, of the element types that the schema asks for.

    Variables are read, unless the op takes the variable itself. Raises GraphError for a wrong
    number of inputs, and what `as_tensor` raises, worded with op and argument.
    """
    if len(inputs) < len(opdef.args) - (1 if opdef.args and opdef.args[-1].many else 0):
        raise GraphError(describe(
            opdef.name, op_name, f"takes {len(opdef.args)} inputs, got {len(inputs)}", site=site))
    found = [dereferenced(v) for v in inputs]
    hints = {
        opdef.arg(i).variable: v.dtype for i, v in reversed(list(enumerate(found)))
        if isinstance(v, Tensor) and opdef.arg(i).variable
    }
    out = []
    for i, value in enumerate(found):
        arg = opdef.arg(i)
        tensor = _convert_input(graph, opdef, i, value, hints, op_name, site)
        if arg.variable:
            hints.setdefault(arg.variable, tensor.dtype)
        out.append(tensor)
    return out


def _convert_input(
    graph: Graph, opdef: OpDef, i: int, value: Any, hints: dict[str | None, DType], op_name: str,
    site: str | None,
) -> Tensor:
    arg = opdef.arg(i)
    if isinstance(value, Tensor):
        tensor = graph.own(value)
        if isinstance(opdef.lowering, Region):
            return tensor
        if arg.handle:
            if not tensor.is_handle:
                raise DTypeError(describe(
                    opdef.name, op_name, f"{arg.name} must be a Variable, got {value!r}",
                    site=site))
            return tensor
        return graph.read(tensor) if tensor.is_handle else tensor
    dtype = hints.get(arg.variable) if arg.variable else None
    if dtype is None and len(arg.types) == 1:
        dtype = arg.types[0]
    try:
        with graph.name_scope(None):
            name = graph.unique_name(f"{op_name}/{arg.name}")
        return as_tensor(graph, value, dtype, f"{name}/")
    except GraphflowError as error:
        raise type(error)(describe(
            opdef.name, op_name, f"{opdef.arg_name(i)}: {error}", site=site,
            fix=_cast_hint(value, dtype))) from None


def _cast_hint(value: Any, dtype: DType | None) -> str:
    if dtype is not None and isinstance(value, (float, int, np.generic, np.ndarray)):
        return f"Cast the other input first: gf.cast(x, gf.{to_array(value).dtype.name})."
    return ""
