"""Python functions as operations: `py_func`, `numpy_function`.

They run on the host between native segments, on NumPy arrays: inputs are fresh copies (the
function may change them), results are copied (the function may keep them), strings are bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import current, op_function
from graphflow.dtypes import DType, as_dtype, to_array
from graphflow.errors import (
    DTypeError,
    GraphflowError,
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnimplementedError,
    UnknownError,
)
from graphflow.lowering import Host
from graphflow.opdef import Attr, Infer, NotDifferentiable, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE


@dataclass(frozen=True, slots=True, eq=False)
class HostFunction:
    """A Python function as an attribute: hashable and equal by identity of the function."""

    call: Callable[..., Any]

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        return getattr(self.call, "__qualname__", None) or repr(self.call)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostFunction) and self.call is other.call

    def __hash__(self) -> int:
        return id(self.call)

    def __repr__(self) -> str:
        return f"<function {self.name}>"


# TensorFlow's table; any other exception is an UnknownError.
_ERROR_CLASSES: tuple[tuple[tuple[type[Exception], ...], type[Exception]], ...] = (
    ((NotImplementedError,), UnimplementedError),
    ((StopIteration,), OutOfRangeError),
    ((MemoryError,), ResourceExhaustedError),
    ((TypeError, ValueError), InvalidArgumentError),
)


def _error_class(error: Exception) -> type[Exception]:
    if isinstance(error, OpError) and type(error) is not OpError:
        return type(error)
    for raised, mapped in _ERROR_CLASSES:
        if isinstance(error, raised):
            return mapped
    return UnknownError


def _call(*arrays: np.ndarray, func: HostFunction, Tout: tuple[DType, ...]) -> Any:
    try:
        returned = func.call(*[_argument(a) for a in arrays])
    except Exception as error:
        raise RunError(
            _error_class(error),
            f"{func.name} raised {type(error).__name__}: {error}") from error
    values = _as_sequence(returned)
    if len(values) != len(Tout):
        raise RunError(
            InvalidArgumentError,
            f"{func.name} returns {len(values)} values, but expects to see {len(Tout)} values",
            "Tout lists one type per value that the function returns.")
    results = [_result(v, t, i, func) for i, (v, t) in enumerate(zip(values, Tout))]
    return results[0] if len(results) == 1 else tuple(results)


def _argument(array: np.ndarray) -> Any:
    """As TensorFlow passes it: an array of the function's own, or a NumPy scalar or bytes."""
    array = np.array(array, order="C")
    return array[()] if array.ndim == 0 else array


def _as_sequence(returned: Any) -> Sequence[Any]:
    if returned is None:
        return ()
    return returned if isinstance(returned, (list, tuple)) else (returned,)


def _result(value: Any, dtype: DType, i: int, func: HostFunction) -> np.ndarray:
    problem = f"value {i} returned by {func.name}"
    try:
        if isinstance(value, (np.ndarray, np.generic)):
            found = as_dtype(value.dtype)
            if found is not dtype:
                raise RunError(
                    InvalidArgumentError,
                    f"{problem} is {found.name}, but expects {dtype.name}",
                    f"Return it as np.{dtype.name}, or change Tout." if not dtype.is_string
                    else "Return bytes, or change Tout.")
        return np.array(to_array(value, dtype), order="C")
    except GraphflowError as error:
        raise RunError(InvalidArgumentError, f"{problem}: {error}") from error


def _types(c: Infer) -> list[TensorType]:
    return [TensorType(t, UNKNOWN_SHAPE) for t in c.attrs["Tout"]]


def _samples() -> list[Sample]:
    halves = HostFunction(_to_half)
    pair = HostFunction(_double_and_count)
    return [
        Sample((np.array([1.0, 2.5]),), {"func": halves, "Tout": (dt.float16,)},
               dtypes=(dt.float64,), grad=False),
        Sample((np.zeros((0, 2)),), {"func": pair, "Tout": (dt.float64, dt.int64)},
               dtypes=(dt.float64,), grad=False),
    ]


def _to_half(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16)


def _double_and_count(x: np.ndarray) -> tuple[np.ndarray, int]:
    x *= 2  # its own copy
    return x, x.size


def _py_func_op(name: str, effect: bool) -> OpDef:
    return declare(
        name, "input: *any", attrs={"func": Attr("object"), "Tout": Attr("dtypes")},
        infer=_types, reference=_call, grad=NotDifferentiable("a Python function"),
        lowering=Host(effect=effect, reaches_out=True), samples=_samples, depth=2)


PY_FUNC = _py_func_op("PyFunc", effect=True)
PY_FUNC_STATELESS = _py_func_op("PyFuncStateless", effect=False)


@op_function
def py_func(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True,
    name: str | None = None,
) -> Any:
    """`func` of NumPy arrays as an operation, as `tf.py_func`.

    func: called with one array per tensor of `inp` (scalars as NumPy scalars, strings as bytes);
      gives an array or Python value, or a sequence of as many as `Tout`, or None for none.
    Tout: a dtype (gives a tensor) or a sequence of them (gives a list; an Operation if empty).
      Arrays must have exactly that dtype; Python numbers are converted. Shapes are not known.
    stateful: if False, equal calls may be shared and results reused.

    No gradient flows through it. An exception of `func` becomes InvalidArgumentError (TypeError,
    ValueError), OutOfRangeError (StopIteration), UnimplementedError (NotImplementedError),
    ResourceExhaustedError (MemoryError) or UnknownError, with the original as its cause.
    """
    if not callable(func):
        raise failure("py_func", name, f"func must be callable, got {func!r}", cls=DTypeError)
    if not isinstance(inp, (list, tuple)):
        raise failure("py_func", name, f"inp must be a list of tensors, got {inp!r}",
                      cls=DTypeError)
    many = isinstance(Tout, (list, tuple))
    types = tuple(as_dtype(t) for t in (Tout if many else (Tout,)))
    opdef = PY_FUNC if stateful else PY_FUNC_STATELESS
    graph: Any = current()
    attrs = {"func": HostFunction(func), "Tout": types}
    operation = graph.add_operation(opdef, tuple(inp), attrs, name)
    if not types:
        return operation
    return list(operation.outputs) if many else operation.outputs[0]


@op_function
def numpy_function(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, name: str | None = None
) -> Any:
    """`py_func(func, inp, Tout)` under its newer name."""
    return py_func(func, inp, Tout, stateful=True, name=name)
