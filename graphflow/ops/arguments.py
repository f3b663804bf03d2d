"""Arguments of public functions that must be known while the graph is built, and shape vectors.

Axes, deprecated argument names, shapes given as lists of numbers and tensors, and the static
shape that follows from the symbolic value of a shape input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.dims import SymDim, as_known_size, never_negative
from graphflow.errors import AttributeValueError, GraphflowError, ShapeError, describe
from graphflow.opdef import Infer, TensorType
from graphflow.shapes import TensorShape, admitted_rank, unknown_shape
from graphflow.sites import user_site


def failure(
    op: str, name: str | None, problem: str, fix: str = "",
    cls: type[GraphflowError] = AttributeValueError,
) -> GraphflowError:
    """An error of a public function, found before there is a node; to be raised by the caller."""
    site = user_site()
    return cls(describe(op, name, problem, site=str(site) if site else None, fix=fix))


def renamed(op: str, new: str, value: Any, old: str, old_value: Any) -> Any:
    """The argument that was given: `new`, or its deprecated name `old`.

    Raises AttributeValueError if both were.
    """
    if old_value is None:
        return value
    if value is not None:
        raise failure(op, None, f"got both {new} and {old}", f"{old} is the old name of {new}.")
    return old_value


def is_tensor(value: Any) -> bool:
    """True for tensors, Program values and variables: what has no value while building."""
    return hasattr(value, "symbolic_value") or hasattr(value, "as_graph_tensor")


def holds_tensor(value: Any) -> bool:
    """True if `value` is a tensor or a (nested) list with one in it."""
    if isinstance(value, (list, tuple)):
        return any(holds_tensor(v) for v in value)
    return is_tensor(value)


def static_value(value: Any) -> np.ndarray | None:
    """The integers that `value` (number, list, array, tensor) holds; None if not known."""
    if is_tensor(value):
        known = getattr(value, "symbolic_value", None)
        return None if known is None or known.dtype == object else known
    if isinstance(value, (list, tuple)) and holds_tensor(value):
        parts = [static_value(v) for v in value]
        return None if any(p is None for p in parts) else np.asarray(parts)
    array = np.asarray(value)
    return array.astype(np.int64) if array.size == 0 else array


def static_ints(op: str, name: str | None, what: str, value: Any) -> tuple[int, ...]:
    """`value`, a number or a vector known while building, as a tuple of ints.

    Raises AttributeValueError if it is computed at run time, or if it is no vector of integers.
    """
    known = static_value(value)
    if known is None:
        raise failure(op, name, f"{what} must be known while the graph is built, got {value!r}",
                      "Give it as Python numbers or a constant.")
    if known.ndim > 1 or known.dtype.kind not in "iu":
        raise failure(op, name, f"{what} must be an integer or a vector of them, got {value!r}")
    return tuple(int(v) for v in known.ravel())


def static_int(op: str, name: str | None, what: str, value: Any) -> int:
    """`value`, one integer known while building. Raises AttributeValueError otherwise."""
    numbers = static_ints(op, name, what, value)
    if len(numbers) != 1:
        raise failure(op, name, f"{what} must be one integer, got {value!r}")
    return numbers[0]


def shape_argument(op: str, name: str | None, shape: Any, what: str = "shape") -> Any:
    """A shape as an op's integer input: an array, or a tensor where it holds tensors.

    Takes a `TensorShape`, a vector, or a list that may mix numbers and scalar tensors. Raises
    ShapeError for sizes that are not known while building.
    """
    if isinstance(shape, TensorShape):
        if not shape.is_fully_defined():
            raise failure(op, name, f"{what} {shape} is only partly known",
                          "Use gf.shape(x), which is computed when the graph runs.", ShapeError)
        return np.asarray(shape.sizes, np.int32)
    if not isinstance(shape, (list, tuple)):
        if not is_tensor(shape) and np.size(shape) == 0:
            return np.zeros(np.shape(shape), np.int32)
        return shape
    for i, size in enumerate(shape):
        if size is None or isinstance(size, SymDim):
            shown = "None" if size is None else f"the size {size}, not known yet"
            raise failure(op, name, f"{what}[{i}] is {shown}",
                          "Use gf.shape(x)[axis] for a size that the run decides.", ShapeError)
    if any(is_tensor(size) for size in shape):
        return F.stack(list(shape))
    return np.zeros((0,), np.int32) if not shape else list(shape)


def shape_from_value(
    c: Infer, i: int, *, free: Callable[[int], bool] | None = None
) -> TensorShape:
    """The shape that input `i`, a vector of sizes, describes, as far as its value is known.

    `free(size)` tells the negative numbers that are legal and mean an unknown size, as a symbol
    does that may be negative. Raises ShapeError if the input is no vector or holds another
    negative number.
    """
    c.require_rank(i, 1)
    value = c.value(i)
    if value is None:
        shape = c.shape(i)
        count = None if shape.rank is None else shape.sizes[0]
        return unknown_shape(count if isinstance(count, int) else None)
    admitted_rank(len(value))
    sizes: list[Any] = []
    for size in value.tolist():
        if isinstance(size, int) and size < 0:
            if free is None or not free(size):
                raise c.error(f"{c.arg_name(i)} holds the negative size {size}: {value.tolist()}")
            sizes.append(None)
        elif free is None:
            sizes.append(as_known_size(size))
        else:
            sizes.append(size if never_negative(size) else None)
    return TensorShape(sizes)


def typed(dtype: Any, *sizes: int | None) -> TensorType:
    """A `TensorType` with these sizes, for error samples."""
    return TensorType(dtype, TensorShape(sizes))
