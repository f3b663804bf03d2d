"""Checks of values when the graph runs: `Assert`, `check_numerics`, order of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, current, op_function, publish
from graphflow.errors import DTypeError, GraphError, InvalidArgumentError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
    same_as_input,
)
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.value_text import flat_text

# --- Assert -----------------------------------------------------------------------------------


def assertion_text(values: Sequence[np.ndarray], summarize: int) -> str:
    """`assertion failed: [x must be positive] [-1 2 3...]`, TensorFlow's words."""
    return "assertion failed: " + " ".join(f"[{flat_text(v, summarize)}]" for v in values)


def _assert(condition: np.ndarray, *data: np.ndarray, summarize: int) -> tuple[()]:
    if not condition:
        raise RunError(InvalidArgumentError, assertion_text(data, summarize))
    return ()


def _assert_types(c: Infer) -> list[TensorType]:
    if c.shape(0).rank not in (None, 0):
        raise c.error(f"condition must be a scalar, got {c.show(0)}",
                      "Use gf.reduce_all(condition).")
    return []


def _assert_errors() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.bool_, 2), np.array(1)), {}, ShapeError,
                        r"condition must be a scalar, got condition \[2\].*reduce_all"),
            ErrorSample((typed(dt.int32), np.array(1)), {}, DTypeError,
                        "condition must be one of bool")]


ASSERT = declare(
    "Assert", "condition: bool, data: *any", attrs={"summarize": Attr("int", 3)},
    infer=_assert_types, reference=_assert, grad=NotDifferentiable("no outputs"),
    lowering=Host(effect=True),
    samples=lambda: [Sample((np.array(True), np.array([1, 2]), np.zeros((0,))), grad=False)],
    errors=_assert_errors)


def assert_operation(
    condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None
) -> Any:
    """An Operation that raises InvalidArgumentError when it runs and `condition` is false.

    condition: bool scalar. data: a list of tensors, numbers and strings for the message.
    summarize: elements shown per tensor: 3 if None, all if negative.

    It runs only if it is run itself or is a control input of what runs. A condition that is
    false already while building raises nothing then, as in TensorFlow: it may stand in a branch
    that is never taken.
    """
    if not isinstance(data, (list, tuple)):
        raise failure("Assert", name, f"data must be a list, got {data!r}",
                      "Write Assert(condition, [x]).", DTypeError)
    graph: Any = current()
    attrs = {"summarize": 3 if summarize is None else summarize}
    return graph.add_operation(ASSERT, (condition, *data), attrs, name)


assert_operation.__name__ = assert_operation.__qualname__ = "Assert"
Assert = publish(assert_operation, "Assert")


# --- check_numerics ---------------------------------------------------------------------------


def _check_numerics(tensor: np.ndarray, message: str) -> np.ndarray:
    if not np.all(np.isfinite(tensor)):
        nan, inf = bool(np.any(np.isnan(tensor))), bool(np.any(np.isinf(tensor)))
        kinds = " and ".join(k for k, found in (("Inf", inf), ("NaN", nan)) if found)
        raise RunError(InvalidArgumentError, f"{message} : Tensor had {kinds} values")
    return tensor


_IN_GRADIENT = "Not a number (NaN) or infinity (Inf) values detected in gradient."

CHECK_NUMERICS = declare(
    "CheckNumerics", "tensor: T", attrs={"message": Attr("str", "")}, infer=same_as_input,
    reference=_check_numerics, grad=lambda F, op, g: [F.check_numerics(g, _IN_GRADIENT)],
    lowering=Host(effect=True), T=dt.FLOATS, samples=lambda: [
        Sample((np.array([[1.0, -2.0]]),), {"message": "m"}), Sample((np.zeros((0,)),))])


@op_function
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Any:
    """`tensor`; when it runs, InvalidArgumentError if it holds NaN or infinity.

    tensor: any shape, a float type. The error reads `message : Tensor had NaN values`. Gradients
    pass, checked in the same way.
    """
    return apply(CHECK_NUMERICS, (tensor,), {"message": message}, name=name)


@op_function
def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None,
    message: str | None = None,
) -> Any:
    """`x`, checked as by `check_numerics`. `t` and `msg` are the old names of `x`, `message`."""
    tensor, text = x if x is not None else t, message if message is not None else msg
    if tensor is None or text is None:
        raise failure("verify_tensor_all_finite", name, "x and message must be given",
                      cls=DTypeError)
    graph: Any = current()
    with graph.name_scope(name or "VerifyFinite"):
        tensor = convert(tensor)
        with graph.control_dependencies([check_numerics(tensor, text)]):
            return F.identity(tensor, name="control_dependency")


@op_function
def add_check_numerics_ops() -> Any:
    """An Operation that checks every float output of the graph so far, in creation order.

    A failed check names the tensor. Raises GraphError inside a branch or loop body. Tensors
    inside branches and loop bodies are not checked.
    """
    graph: Any = current()
    if graph.root is not graph:
        raise GraphError("add_check_numerics_ops() cannot be used inside cond or while_loop.")
    checks: list[Any] = []
    for operation in graph.get_operations():
        for i, output in enumerate(operation.outputs):
            if output.dtype.is_floating and not output.is_handle:
                with graph.control_dependencies(checks[-1:]):
                    checks.append(check_numerics(output, f"{operation.name}:{i}"))
    return F.group(*checks)


# --- order ------------------------------------------------------------------------------------


@op_function
def is_non_decreasing(x: Any, name: str | None = None) -> Any:
    """A bool scalar: x[i] <= x[i + 1] throughout, in row-major order. True for < 2 elements."""
    return _is_ordered(x, F.less_equal, name or "is_non_decreasing")


@op_function
def is_strictly_increasing(x: Any, name: str | None = None) -> Any:
    """A bool scalar: x[i] < x[i + 1] throughout, in row-major order. True for < 2 elements."""
    return _is_ordered(x, F.less, name or "is_strictly_increasing")


def _is_ordered(x: Any, compare: Any, name: str) -> Any:
    graph: Any = current()
    with graph.name_scope(name):
        flat = F.reshape(convert(x), [-1])
        return F.reduce_all(compare(flat[:-1], flat[1:]))
