"""Values that come from outside the computation, and operations that only pass values on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from graphflow.builder import apply, convert, current, op_function, publish
from graphflow.dims import SymDim, is_anonymous, symbol
from graphflow.dtypes import as_dtype, bool_, to_array
from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Graph
from graphflow.lowering import Host, Leaf, Pointwise
from graphflow.opdef import (
    Attr,
    ConstValue,
    Infer,
    NotDifferentiable,
    Sample,
    TensorType,
    same_as_input,
)
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape, as_shape

_LEAF = NotDifferentiable("a leaf has no inputs")


def _const_type(c: Infer) -> list[TensorType]:
    array = c.attrs["value"].array
    return [TensorType(as_dtype(array.dtype), TensorShape.of(array.shape))]


CONST = declare(
    "Const", "", attrs={"value": Attr("const")}, infer=_const_type,
    reference=lambda value: value.array, grad=_LEAF, lowering=Leaf(),
    symbolic=lambda c: [c.attrs["value"].array])

def _placeholder_type(c: Infer) -> list[TensorType]:
    """Unknown sizes get the placeholder's name: axis 0 of `x` is the size `x.0`."""
    shape = c.attrs["shape"]
    if shape.rank is not None and c.name:
        shape = TensorShape.of(
            symbol(f"{c.name}.{i}") if isinstance(d, SymDim) and is_anonymous(d) else d
            for i, d in enumerate(shape.sizes))
    return [TensorType(c.attrs["dtype"], shape)]


PLACEHOLDER = declare(
    "Placeholder", "", attrs={"dtype": Attr("dtype"), "shape": Attr("shape")},
    infer=_placeholder_type, reference=None, grad=_LEAF, lowering=Leaf())

PLACEHOLDER_WITH_DEFAULT = declare(
    "PlaceholderWithDefault", "input: any", attrs={"shape": Attr("shape")},
    infer=lambda c: [TensorType(c.dtype(0), c.attrs["shape"])],
    reference=lambda x, shape: x, grad=lambda F, op, g: [g], lowering=Host(effect=False))

CAPTURE = declare(
    "Capture", "", attrs={"type": Attr("type"), "handle": Attr("bool", False)},
    infer=lambda c: [c.attrs["type"]], reference=None, grad=_LEAF, lowering=Leaf())


def _any_sample() -> list[Sample]:
    return [Sample((np.array([[1.0, 2.0], [3.0, -4.0]]),)), Sample((np.zeros((0,)),))]


IDENTITY = declare(
    "Identity", "input: any", infer=same_as_input, reference=lambda x: x,
    grad=lambda F, op, g: [g], lowering=Pointwise(lambda b, x: x), symbolic=True,
    sparse_grad=True, samples=_any_sample)

STOP_GRADIENT = declare(
    "StopGradient", "input: any", infer=same_as_input, reference=lambda x: x,
    grad=NotDifferentiable("stop_gradient"), lowering=Pointwise(lambda b, x: x),
    samples=_any_sample)

PREVENT_GRADIENT = declare(
    "PreventGradient", "input: any", attrs={"message": Attr("str", "")}, infer=same_as_input,
    reference=lambda x, message: x, grad=NotDifferentiable("prevent_gradient"),
    lowering=Pointwise(lambda b, x, message: x), samples=_any_sample)

NO_OP = declare(
    "NoOp", "", infer=lambda c: [], reference=lambda: (), grad=_LEAF, lowering=Host(effect=False))


@op_function
def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const",
    verify_shape: bool = False,
) -> Any:
    """A tensor that holds `value`.

    value: a number, string, (nested) list, or array; Python floats become float32 and integers
      int32 unless `dtype` says otherwise, arrays keep their type.
    shape: reshapes the value; as in TensorFlow 1, fewer values are filled up with the last one.
    Raises DTypeError if the value does not fit `dtype`, ShapeError if it has too many elements.
    """
    array = to_array(value, as_dtype(dtype) if dtype is not None else None)
    if shape is not None:
        sizes = tuple(as_shape(shape).as_list())
        if verify_shape and sizes != array.shape:
            raise ShapeError(f"constant: value has shape {list(array.shape)}, not {list(sizes)}.")
        array = _fill_shape(array, sizes)
    return apply(CONST, (), {"value": ConstValue(array)}, name=name or "Const")


def _fill_shape(array: np.ndarray, sizes: tuple[Any, ...]) -> np.ndarray:
    total = int(np.prod(sizes, dtype=np.int64))
    if array.size > total:
        raise ShapeError(
            f"constant: {array.size} values do not fit the shape {list(sizes)} of {total} "
            "elements."
        )
    flat = array.ravel()
    if flat.size < total:
        if not flat.size:
            raise ShapeError(f"constant: an empty value cannot fill the shape {list(sizes)}.")
        flat = np.concatenate([flat, np.full(total - flat.size, flat[-1], array.dtype)])
    return flat.reshape(sizes)


@op_function
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Any:
    """A tensor that must be fed: `Session.run(…, feed_dict={x: array})`.

    shape: sizes, None where any size is fine; a shape of None accepts any rank.
    """
    attrs = {"dtype": as_dtype(dtype), "shape": as_shape(shape)}
    return apply(PLACEHOLDER, (), attrs, name=name)


@op_function
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Any:
    """`input`, unless it is fed. `shape` may be less known than the default's."""
    value = convert(input)
    shape = as_shape(shape)
    if not shape.is_compatible_with(value.shape):
        raise ShapeError(
            f"placeholder_with_default: the default has shape {value.shape}, which is not "
            f"compatible with {shape}."
        )
    return apply(PLACEHOLDER_WITH_DEFAULT, (value,), {"shape": shape}, name=name)


@op_function
def identity(input: Any, name: str | None = None) -> Any:
    """A tensor with the value of `input`, read here (under the control dependencies in force)."""
    if hasattr(input, "map_dense"):
        return input.map_dense(lambda t: identity(t, name))
    return apply(IDENTITY, (input,), name=name)


@op_function
def stop_gradient(input: Any, name: str | None = None) -> Any:
    """`input`, as a constant for differentiation."""
    return apply(STOP_GRADIENT, (input,), name=name)


@op_function
def no_op(name: str | None = None) -> Any:
    """An operation that does nothing (but may have control inputs)."""
    return _graph().add_operation(NO_OP, (), {}, name)


def _graph() -> Graph:
    """The graph in force: a Program has values only, so operations are made in graphs."""
    return cast(Graph, current())


@op_function
def group(*inputs: Any, **kwargs: Any) -> Any:
    """An operation that is done when all `inputs` (nested lists are fine) are.

    Raises DTypeError for an input that is neither an operation, a tensor nor a variable.
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"group: unknown keyword arguments {sorted(kwargs)}.")
    flat: list[Any] = []
    pending = list(reversed(inputs))
    while pending:
        item = pending.pop()
        if isinstance(item, (list, tuple)):
            pending.extend(reversed(item))
        elif item is not None:
            flat.append(getattr(item, "values", item) if hasattr(item, "map_dense") else item)
    with _graph().control_dependencies(flat):
        return no_op(name=name or "group_deps")


def tuple_(
    tensors: Sequence[Any] | None = None, name: str | None = None,
    control_inputs: Sequence[Any] | None = None, tensors_list: Any = None,
) -> list[Any]:
    """The tensors, each available only when all of them (and `control_inputs`) are computed."""
    tensors = tensors if tensors is not None else tensors_list
    if not tensors or all(t is None for t in tensors):
        raise ShapeError("tuple: must have at least one tensor that is not None.")
    graph: Any = current()
    with graph.name_scope(name or "tuple"):
        gate = group(*tensors, *(control_inputs or ()))
        with graph.control_dependencies([gate]):
            return [None if t is None else identity(t) for t in tensors]


publish(tuple_, "tuple")


def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None,
    dtype_hint: Any = None,
) -> Any:
    """`value` as a Tensor: tensors pass, variables are read, the rest becomes a constant.

    `preferred_dtype` (or `dtype_hint`) is tried first and dropped if the value does not fit it.
    Raises DTypeError if `value` cannot be a tensor of `dtype`.
    """
    hint = preferred_dtype if preferred_dtype is not None else dtype_hint
    if dtype is None and hint is not None:
        try:
            return convert(value, hint, name)
        except (DTypeError, ShapeError):
            pass
    return convert(value, dtype, name)


publish(convert_to_tensor)


# ---- leaves of Programs -------------------------------------------------------------------------

FEED = declare(
    "Feed", "", attrs={"tensor": Attr("str"), "type": Attr("type")},
    infer=lambda c: [c.attrs["type"]], reference=None, grad=_LEAF,
    lowering=Leaf(of_programs=True))

ARGUMENT = declare(
    "Argument", "", attrs={"index": Attr("int"), "type": Attr("type")},
    infer=lambda c: [c.attrs["type"]], reference=None, grad=_LEAF,
    lowering=Leaf(of_programs=True))

STATE_VALUE = declare(
    "StateValue", "",
    attrs={"key": Attr("str"), "type": Attr("type"),
           "initial": Attr("str", None, optional=True)},  # see `Store.read`
    infer=lambda c: [c.attrs["type"]], reference=None, grad=_LEAF,
    lowering=Leaf(of_programs=True))

STATE_FLAG = declare(
    "StateFlag", "", attrs={"key": Attr("str")},
    infer=lambda c: [TensorType(bool_, TensorShape.of(()))], reference=None, grad=_LEAF,
    lowering=Leaf(of_programs=True))
