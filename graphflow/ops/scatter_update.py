"""Functional updates of rows and of single places: what a scatter on a variable computes.

`scatter_rows(current, indices, updates, combine)` gives `current` with rows replaced or combined;
repeated indices apply in order. A run commits the result as the variable's new value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, op_function
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.loop_ir.semantics import truncate_divide
from graphflow.lowering import LoweringContext, Scatter
from graphflow.opdef import (
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.gathering import check_range
from graphflow.ops.numerics import widen

_ASSIGNMENT = NotDifferentiable("only assignments make it; differentiate the value assigned")
_UFUNCS: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "min": np.minimum, "max": np.maximum}


def _rows_type(c: Infer) -> list[TensorType]:
    current, indices, updates = (c.shape(i) for i in range(3))
    c.require_rank(0, at_least=1)
    if None not in (current.rank, indices.rank, updates.rank):
        wanted = indices.concatenate(current[1:])
        if not updates.is_compatible_with(wanted):
            raise c.error(f"updates must have shape indices.shape + current.shape[1:] = {wanted}, "
                          f"got {c.show(2)}")
    return [TensorType(c.dtype(0), current)]


def _checked_rows(
    current: np.ndarray, indices: np.ndarray, updates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The row numbers [n] and the rows [n, …] of a scatter. Raises RunError."""
    wanted = indices.shape + current.shape[1:]
    if updates.shape != wanted:
        raise RunError(InvalidArgumentError, f"updates must have shape {list(wanted)}, got "
                       f"{list(updates.shape)}")
    check_range(indices, current.shape[0])
    return indices.reshape(-1), updates.reshape(indices.size, *current.shape[1:])


def _reference(combine: str) -> Callable[..., np.ndarray]:
    def reference(
        current: np.ndarray, indices: np.ndarray, updates: np.ndarray
    ) -> np.ndarray:
        places, rows = _checked_rows(current, indices, updates)
        if combine == "set":
            return _replaced(current, places, rows)
        if combine == "div" and current.dtype.kind in "iu":
            return _divided(current, places, rows)
        out = np.array(widen(current))
        with np.errstate(all="ignore"):
            _UFUNCS[combine].at(out, places, widen(rows))
            return out.astype(current.dtype, copy=False)

    return reference


def _replaced(current: np.ndarray, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The last row of each place wins (NumPy promises no order for repeated indices)."""
    out = np.array(current)
    kept, first_from_end = np.unique(places[::-1], return_index=True)
    out[kept] = rows[::-1][first_from_end]
    return out


def _divided(current: np.ndarray, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Integer division rounds towards zero, one update after the other."""
    if np.any(rows == 0):
        raise RunError(InvalidArgumentError, "integer division by zero: updates holds a 0")
    out = np.array(current)
    for place, row in zip(places, rows):
        out[place] = truncate_divide(out[place], row)
    return out


def _target(index: tuple, load: Callable, ctx: LoweringContext) -> tuple:
    lead = len(ctx.in_shapes[1])
    return (load(1, index[:lead]), *index[lead:])


def _samples() -> list[Sample]:
    table = np.array([[8.0, -6.0], [4.0, 12.0], [10.0, 2.0]])
    rows = np.array([[2.0, -3.0], [4.0, 1.0], [-1.0, 2.0]])
    return [
        Sample((table, np.array([2, 0, 2], np.int32), rows)),
        Sample((table, np.array([[1, 1], [0, 1]], np.int64), np.stack([rows[:2], rows[1:]]))),
        Sample((table, np.array(1, np.int32), rows[0])),
        Sample((table[:, 0], np.array([1, 1], np.int32), rows[:2, 0])),
        Sample((table, np.zeros(0, np.int32), np.zeros((0, 2)))),
        Sample((np.zeros((2, 0)), np.array([1], np.int32), np.zeros((1, 0)))),
    ]


def _errors() -> list[ErrorSample]:
    table, places = typed(dt.float32, 3, 2), typed(dt.int32, 4)
    return [
        ErrorSample((table, places, typed(dt.float32, 4, 3)), {}, ShapeError,
                    r"= \[4, 2\], got updates \[4, 3\]"),
        ErrorSample((typed(dt.float32), places, typed(dt.float32, 4)), {}, ShapeError,
                    "rank at least 1"),
    ]


def _declare(name: str, combine: str, types: tuple[dt.DType, ...]) -> OpDef:
    return declare(
        name, "current: T, indices: I, updates: T", infer=_rows_type,
        reference=_reference(combine), grad=_ASSIGNMENT,
        lowering=Scatter(_target, updates=2, combine=combine, base=0),
        samples=_samples, errors=_errors, depth=2, T=types, I=dt.INDICES)


_ROWS = {
    "set": _declare("RowsSet", "set", dt.ALL),
    "add": _declare("RowsAdd", "add", dt.NUMBERS),
    "sub": _declare("RowsSub", "sub", dt.NUMBERS),
    "mul": _declare("RowsMul", "mul", dt.NUMBERS),
    "div": _declare("RowsDiv", "div", dt.NUMBERS),
    "min": _declare("RowsMin", "min", dt.REALS),
    "max": _declare("RowsMax", "max", dt.REALS),
}


@op_function
def scatter_rows(
    current: Any, indices: Any, updates: Any, combine: str = "set", name: str | None = None
) -> Any:
    """`current` with its rows at `indices` replaced by, or combined with, `updates`.

    current: [N, …]; indices: integers in [0, N) of any shape; updates: indices.shape +
    current.shape[1:], or a scalar. combine: "set", "add", "sub", "mul", "div", "min" or "max";
    repeated indices apply in the order of `indices`; integers divide towards zero.
    Raises AttributeValueError for another `combine`, ShapeError if the shapes do not fit;
    InvalidArgumentError at run time for an index out of range (negative ones too).
    """
    if combine not in _ROWS:
        raise failure("scatter_rows", name, f"combine must be one of {', '.join(_ROWS)}, got "
                      f"{combine!r}")
    if updates.shape.rank == 0:
        shape = F.concat([F.shape(indices), F.shape(current)[1:]], 0)
        updates = F.broadcast_to(updates, shape)
    return apply(_ROWS[combine], (current, indices, updates), name=name)


_POINTS = {"set": "tensor_scatter_nd_update", "add": "tensor_scatter_nd_add",
           "sub": "tensor_scatter_nd_sub"}


@op_function
def scatter_points(
    current: Any, indices: Any, updates: Any, combine: str = "set", name: str | None = None
) -> Any:
    """`current` with the places that index vectors lead to replaced, added to or subtracted from.

    indices: integers [i…, m], each vector of m numbers indexes the first m axes of `current`;
    updates: [i…, current.shape[m:]…]. combine: "set" (of several updates of one place the last
    one stays), "add" or "sub".
    Raises AttributeValueError for another `combine`, ShapeError if the shapes do not fit;
    InvalidArgumentError at run time for an index out of range (negative ones too).
    """
    if combine not in _POINTS:
        raise failure("scatter_points", name, f"combine must be one of {', '.join(_POINTS)}, got "
                      f"{combine!r}")
    return getattr(F, _POINTS[combine])(current, indices, updates, name=name)
