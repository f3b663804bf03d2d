"""Checks of ranks, dtypes and Python kinds: settled while building wherever they can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, current, op_function
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.check_values import STATICALLY_TRUE, known_value
from graphflow.ops.checks import Assert
from graphflow.tensor import Tensor

# --- ranks ------------------------------------------------------------------------------------


def _check_rank(
    function: str, words: str, x: Any, ranks: Sequence[Any], holds: Callable[..., bool],
    condition: Callable[..., Any], data: Sequence[Any] | None, summarize: int | None,
    message: str | None, name: str | None,
) -> Any:
    """The check that `holds(rank of x, ranks)`, now or (by `condition`) in the run."""
    graph: Any = current()
    with graph.name_scope(name or function):
        x = convert(x, name="x")
        wanted = [_rank_value(function, name, r) for r in ranks]
        if x.shape.rank is not None and all(r is not None for r in wanted):
            if not holds(x.shape.rank, wanted):
                shown = wanted[0] if len(wanted) == 1 else tuple(wanted)
                raise failure(
                    function, name,
                    f"{message + '.  ' if message else ''}Tensor {x.name} must have rank "
                    f"{words}{shown}.  Received rank {x.shape.rank}, shape {x.shape}",
                    cls=ShapeError)
            return F.no_op(name=STATICALLY_TRUE)
        tensors = [convert(r, dt.int32, "rank") for r in ranks]
        shown_data = [*([message] if message else []), *(data if data is not None else [
            f"Tensor {x.name} must have rank{' ' + words.rstrip() if words else ''}", *tensors,
            "Received shape: ", F.shape(x)])]
        return Assert(condition(F.rank(x), tensors), shown_data, summarize=summarize)


def _rank_value(function: str, name: str | None, rank: Any) -> int | None:
    value = known_value(rank) if is_tensor(rank) else np.asarray(rank)
    if value is None:
        return None
    if value.ndim or value.dtype.kind not in "iu":
        raise failure(function, name, f"Rank must be a scalar integer, got {rank!r}",
                      cls=ShapeError)
    return int(value)


@op_function
def assert_rank(
    x: Any, rank: Any, data: Sequence[Any] | None = None, summarize: int | None = None,
    message: str | None = None, name: str | None = None,
) -> Any:
    """An Operation that raises InvalidArgumentError unless `x` has rank `rank` (an int32 scalar).

    Raises ShapeError at once if the rank is known and wrong, or if `rank` is no scalar.
    """
    return _check_rank(
        "assert_rank", "", x, [rank], lambda r, wanted: r == wanted[0],
        lambda r, wanted: F.equal(r, wanted[0]), data, summarize, message, name)


@op_function
def assert_rank_at_least(
    x: Any, rank: Any, data: Sequence[Any] | None = None, summarize: int | None = None,
    message: str | None = None, name: str | None = None,
) -> Any:
    """An Operation that raises InvalidArgumentError unless `x` has rank `rank` or higher.

    Raises ShapeError at once if the rank is known and too low.
    """
    return _check_rank(
        "assert_rank_at_least", "at least ", x, [rank], lambda r, wanted: r >= wanted[0],
        lambda r, wanted: F.greater_equal(r, wanted[0]), data, summarize, message, name)


@op_function
def assert_rank_in(
    x: Any, ranks: Iterable[Any], data: Sequence[Any] | None = None,
    summarize: int | None = None, message: str | None = None, name: str | None = None,
) -> Any:
    """An Operation that raises InvalidArgumentError unless `x` has one of the ranks `ranks`.

    Raises ShapeError at once if the rank is known and none of them.
    """
    def condition(rank: Any, wanted: Sequence[Any]) -> Any:
        found = F.equal(rank, wanted[0])
        for other in wanted[1:]:
            found = F.logical_or(found, F.equal(rank, other))
        return found

    return _check_rank(
        "assert_rank_in", "in ", x, list(ranks), lambda r, wanted: r in wanted, condition, data,
        summarize, message, name)


@op_function
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Any:
    """`tensor`, as a Tensor. Raises ShapeError unless it is known to be a scalar."""
    tensor = convert(tensor, name=name or "assert_scalar")
    if tensor.shape.rank != 0:
        raise failure(
            "assert_scalar", name,
            f"{message or ''}Expected scalar shape for {tensor.name}, saw shape: {tensor.shape}",
            cls=ShapeError)
    return tensor


# --- dtypes -----------------------------------------------------------------------------------


@op_function
def assert_type(
    tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None
) -> Any:
    """An Operation that does nothing. Raises DTypeError unless `tensor` has dtype `tf_type`."""
    wanted = as_dtype(tf_type)
    graph: Any = current()
    with graph.name_scope(name or "assert_type"):
        tensor = convert(tensor, name="tensor")
        if tensor.dtype is not wanted:
            raise failure(
                "assert_type", name, f"{_prefix(message)}{tensor.name} must be of type "
                f"{wanted.name}; got {tensor.dtype.name}", cls=DTypeError)
        return F.no_op(name="statically_determined_correct_type")


@op_function
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """An Operation that does nothing. Raises DTypeError unless `x` has an integer type."""
    graph: Any = current()
    with graph.name_scope(name or "assert_integer"):
        x = convert(x, name="x")
        if not x.dtype.is_integer:
            raise failure(
                "assert_integer", name, f'{_prefix(message)}Expected "x" to be integer type. '
                f"Found: {x.name} of dtype {x.dtype.name}", cls=DTypeError)
        return F.no_op(name="statically_determined_was_integer")


def _prefix(message: str | None) -> str:
    return f"{message}.  " if message else ""


@op_function
def assert_same_float_dtype(
    tensors: Sequence[Any] | None = None, dtype: Any = None
) -> DType:
    """The float dtype that all `tensors` (and `dtype`) have; float32 if nothing is given.

    Raises DTypeError (also a ValueError) if they differ or are not of a float type.
    """
    expected = as_dtype(dtype) if dtype is not None else None
    first: Any = None
    for tensor in tensors or ():
        if tensor is None:
            continue
        found = tensor.dtype
        if expected is None:
            expected, first = found, tensor
        elif found is not expected:
            beside = f" as {first.name}" if first is not None else ""
            raise _same_type_error(
                f"{tensor.name}, type={found.name}, must be of the same type "
                f"({expected.name}){beside}")
    expected = expected or dt.float32
    if not expected.is_floating:
        raise _same_type_error(f"Expected floating point type, got {expected.name}")
    return expected


class FloatTypeError(DTypeError, ValueError):
    """`assert_same_float_dtype` failed: a ValueError, as TensorFlow's."""


def _same_type_error(problem: str) -> Any:
    return failure("assert_same_float_dtype", None, problem, cls=FloatTypeError)


@op_function
def is_numeric_tensor(tensor: Any) -> bool:
    """True if `tensor` is a Tensor of a number type (neither bool nor string)."""
    return isinstance(tensor, Tensor) and tensor.dtype in dt.NUMBERS


@op_function
def assert_proper_iterable(values: Any) -> None:
    """Raises DTypeError unless `values` is an iterable of values: no tensor, array or string."""
    wrong = (Tensor, np.ndarray, bytes, str)
    if isinstance(values, wrong) or hasattr(values, "map_dense") or is_tensor(values):
        problem = 'Expected argument "values" to be a "proper" iterable'
    elif not hasattr(values, "__iter__"):
        problem = 'Expected argument "values" to be iterable'
    else:
        return
    raise failure("assert_proper_iterable", None, f"{problem}. Found: {type(values)}",
                  cls=DTypeError)
