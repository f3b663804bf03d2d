"""Diagonals of matrices: `matrix_diag`, `matrix_diag_part`, `matrix_set_diag`, and of tensors.

A band of diagonals k₀ … k₁ (0 the main one, positive above) is stored as rows [k₁ − k₀ + 1, L],
the uppermost first, where L is the length of the longest; shorter ones are padded at one end, by
`align`: `RIGHT_LEFT` puts the diagonals above the main one to the right of their row (padding in
front) and those below to the left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.dims import Dim, SymDim, add, as_known_size, dim_min, fresh
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import number_of
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

ALIGNMENTS = ("LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT")
_FAR = 1 << 40  # beyond every size: v // _FAR is 0 for v ≥ 0 and −1 below
_BAND = {"k": Attr("ints", (0, 0)), "align": Attr("str", "RIGHT_LEFT", choices=ALIGNMENTS)}


def _check_band(c: Infer) -> tuple[int, int]:
    k = c.attrs["k"]
    if len(k) != 2 or k[0] > k[1]:
        raise c.error(f"k must be a diagonal or (lowest, uppermost), got {list(k)}",
                      cls=AttributeValueError)
    return k[0], k[1]


def _longest(rows: Dim, columns: Dim, k: tuple[int, int]) -> Dim:
    """The length of the longest diagonal of a band."""
    return dim_min(add(rows, min(k[1], 0)), add(columns, -max(k[0], 0)))


def _shift(d: int, rows: Any, columns: Any, width: Any, align: str) -> Any:
    """Where diagonal `d` starts in its row of `width` elements; arrays and numbers."""
    above, below = align.split("_")
    at_right = np.where(d >= 0, above == "RIGHT", below == "RIGHT")
    length = np.minimum(rows + np.minimum(d, 0), columns - np.maximum(d, 0))
    return np.where(at_right, width - length, 0)


def _negative(v: Any) -> Any:
    """min(v, 0), by `+ - * // %`."""
    return -(v // _FAR) * v


def _start(d: Any, rows: Any, columns: Any, width: Any, align: str) -> Any:
    """`_shift` as an index expression, by `+ - * // %`."""
    above, below = (side == "RIGHT" for side in align.split("_"))
    if not above and not below:
        return 0
    lower = rows + _negative(d)
    right = columns - (d - _negative(d))
    length = lower - (lower - right) + _negative(lower - right)
    space = width - length
    if above and below:
        return space
    is_below = -(d // _FAR)
    return space * is_below if below else space * (1 - is_below)


# ---- from matrices to diagonals --------------------------------------------------------------


def _part_type(c: Infer) -> list[TensorType]:
    k = _check_band(c)
    c.require_rank(0, at_least=2)
    shape = c.shape(0)
    if shape.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    rows, columns = shape.sizes[-2:]
    for what, size, bound in (("above", columns, k[1]), ("below", rows, -k[0])):
        if not isinstance(size, SymDim) and bound > max(size - 1, 0):
            raise c.error(f"diagonal {bound if what == 'above' else -bound} lies {what} every "
                          f"element of {c.show(0)}", cls=AttributeValueError)
    longest = _longest(rows, columns, k)
    return [TensorType(c.dtype(0), TensorShape.of(
        (*shape.sizes[:-2], k[1] - k[0] + 1, longest)))]


def _fill(padding: Any, dtype: dt.DType) -> Any:
    return number_of(0, dtype) if not padding else dt.to_array(padding, dtype).item()


def _part_reference(
    input: np.ndarray, k: tuple[int, int], align: str, padding: Any
) -> np.ndarray:
    rows, columns = input.shape[-2:]
    if k[1] > max(columns - 1, 0) or -k[0] > max(rows - 1, 0):
        raise RunError(InvalidArgumentError, f"the diagonals {list(k)} leave the matrices of "
                                             f"input {list(input.shape)}")
    width = max(int(_longest(rows, columns, k)), 0)
    fill = _fill(padding, dt.array_dtype(input))
    out = np.full((*input.shape[:-2], k[1] - k[0] + 1, width), fill, input.dtype)
    for row, d in enumerate(range(k[1], k[0] - 1, -1)):
        values = np.diagonal(input, d, -2, -1)
        start = int(_shift(d, rows, columns, width, align))
        out[..., row, start:start + values.shape[-1]] = values
    return out


def _cell(i: tuple, ctx: LoweringContext) -> tuple:
    """The cell of the matrix that a place of a stored diagonal is; it may lie outside."""
    rows, columns = ctx.in_shapes[0][-2:]
    d = ctx.attrs["k"][1] - i[-2]
    n = i[-1] - _start(d, rows, columns, ctx.out_shapes[0][-1], ctx.attrs["align"])
    return (*i[:-2], n - _negative(d), n + (d - _negative(d)))


def _part_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    return [apply(DIAG, (g, F.shape(op.inputs[0])[-2:]),
                  {"k": op.attrs["k"], "align": op.attrs["align"]})]


DIAG_PART: OpDef = declare(
    "MatrixDiagPart", "input: any", attrs=_BAND | {"padding": Attr("number", 0)},
    infer=_part_type, reference=_part_reference, grad=_part_gradient,
    lowering=View(_cell, fill=lambda ctx: _fill(ctx.attrs["padding"], ctx.in_dtypes[0])),
    samples=lambda: [
        Sample((np.arange(12.0).reshape(3, 4) + 1,)),
        *(Sample((np.arange(24.0).reshape(2, 3, 4) + 1,),
                 {"k": k, "align": align, "padding": padding}, dtypes=dt.NUMBERS)
          for k, align, padding in [
              ((-1, 2), "RIGHT_LEFT", 0), ((-2, 3), "LEFT_RIGHT", 7), ((1, 2), "LEFT_LEFT", 0),
              ((-2, -1), "RIGHT_RIGHT", 3), ((-1, -1), "LEFT_LEFT", 0)]),
        Sample((np.arange(12.0).reshape(4, 3) + 1,), {"k": (-3, 1)}),
        Sample((np.zeros((0, 2, 2)),), {"k": (-1, 1)}), Sample((np.zeros((2, 0)),))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 3),), {}, ShapeError, "rank at least 2"),
        ErrorSample((typed(dt.float32, 3, 4),), {"k": (1, 0)}, AttributeValueError,
                    r"k must be a diagonal or \(lowest, uppermost\), got \[1, 0\]"),
        ErrorSample((typed(dt.float32, 3, 4),), {"k": (-3, 0)}, AttributeValueError,
                    r"diagonal -3 lies below every element of input \[3, 4\]")])


# ---- from diagonals to matrices --------------------------------------------------------------


def _matrix_sizes(c: Infer) -> tuple[Dim, Dim]:
    value = c.value(1)
    if value is None:
        return fresh(), fresh()
    rows, columns = (as_known_size(v) for v in value.tolist())
    return rows, columns


def _diag_type(c: Infer) -> list[TensorType]:
    k = _check_band(c)
    c.require_rank(0, at_least=2)
    c.require_rank(1, 1)
    if c.shape(1).rank == 1:
        c.require_same(c.shape(1).sizes[0], 2, f"size must hold two numbers: {c.show(1)}")
    shape = c.shape(0)
    rows, columns = _matrix_sizes(c)
    if shape.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    c.require_same(shape.sizes[-2], k[1] - k[0] + 1,
                   f"the diagonals {k[0]} to {k[1]} must have one row each: {c.show(0)}")
    if not isinstance(rows, SymDim) and not isinstance(columns, SymDim):
        c.require_same(shape.sizes[-1], _longest(rows, columns, k),
                       f"the longest of the diagonals {k[0]} to {k[1]} of a matrix "
                       f"[{rows}, {columns}] has {_longest(rows, columns, k)} elements: "
                       f"{c.show(0)}")
    return [TensorType(c.dtype(0), TensorShape.of((*shape.sizes[:-2], rows, columns)))]


def _diag_reference(
    diagonal: np.ndarray, size: np.ndarray, k: tuple[int, int], align: str, padding: Any
) -> np.ndarray:
    rows, columns = (int(n) for n in size)
    width = max(int(_longest(rows, columns, k)), 0)
    if diagonal.shape[-2:] != (k[1] - k[0] + 1, width):
        raise RunError(InvalidArgumentError,
                       f"diagonal {list(diagonal.shape)} does not hold the diagonals {k[0]} to "
                       f"{k[1]} of a matrix [{rows}, {columns}]: [{k[1] - k[0] + 1}, {width}]")
    fill = _fill(padding, dt.array_dtype(diagonal))
    out = np.full((*diagonal.shape[:-2], rows, columns), fill, diagonal.dtype)
    for row, d in enumerate(range(k[1], k[0] - 1, -1)):
        length = min(rows + min(d, 0), columns - max(d, 0))
        start = int(_shift(d, rows, columns, width, align))
        steps = np.arange(max(length, 0))
        out[..., steps - min(d, 0), steps + max(d, 0)] = diagonal[
            ..., row, start:start + max(length, 0)]
    return out


def _stored(i: tuple, ctx: LoweringContext) -> tuple:
    """The place of a stored diagonal that a cell is; its row lies outside for other cells."""
    rows, columns = ctx.out_shapes[0][-2:]
    d = i[-1] - i[-2]
    start = _start(d, rows, columns, ctx.in_shapes[0][-1], ctx.attrs["align"])
    return (*i[:-2], ctx.attrs["k"][1] - d, i[-2] + _negative(d) + start)


def _diag_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    return [apply(DIAG_PART, (g,), {"k": op.attrs["k"], "align": op.attrs["align"]}), None]


def _diag_samples() -> list[Sample]:
    size = np.array([3, 4], np.int32)
    return [
        Sample((np.arange(3.0).reshape(1, 3) + 1, np.array([3, 3], np.int32))),
        Sample((np.arange(24.0).reshape(2, 4, 3) + 1, size), {"k": (-1, 2)}),
        Sample((np.arange(9.0).reshape(3, 3) + 1, size),
               {"k": (0, 2), "align": "LEFT_RIGHT", "padding": 7}, dtypes=dt.NUMBERS),
        Sample((np.arange(2.0).reshape(1, 2) + 1, size), {"k": (-1, -1), "align": "LEFT_LEFT"}),
        Sample((np.arange(4.0).reshape(2, 2) + 1, size), {"k": (-2, -1), "align": "RIGHT_RIGHT"}),
        Sample((np.zeros((0, 1, 2)), np.array([2, 2], np.int32)))]


DIAG: OpDef = declare(
    "MatrixDiag", "diagonal: any, size: S", attrs=_BAND | {"padding": Attr("number", 0)},
    infer=_diag_type, reference=_diag_reference, grad=_diag_gradient,
    lowering=View(_stored, fill=lambda ctx: _fill(ctx.attrs["padding"], ctx.in_dtypes[0])),
    samples=_diag_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), np.array([3, 3])), {"k": (0, 0)}, ShapeError,
                    r"diagonals 0 to 0 must have one row each: diagonal \[2, 3\]"),
        ErrorSample((typed(dt.float32, 1, 3), np.array([4, 4])), {"k": (0, 0)}, ShapeError,
                    r"of a matrix \[4, 4\] has 4 elements: diagonal \[1, 3\]"),
        ErrorSample((typed(dt.float32, 1, 3), np.array([3])), {"k": (0, 0)}, ShapeError,
                    "size must hold two numbers")],
    S=dt.INDICES)


# ---- matrices with other diagonals -----------------------------------------------------------


def _set_type(c: Infer) -> list[TensorType]:
    k = _check_band(c)
    c.require_rank(0, at_least=2)
    matrix, diagonal = c.shape(0), c.shape(1)
    if matrix.rank is not None and diagonal.rank is not None:
        rows, columns = matrix.sizes[-2:]
        wanted = TensorShape.of(
            (*matrix.sizes[:-2], k[1] - k[0] + 1, _longest(rows, columns, k)))
        if not wanted.is_compatible_with(diagonal):
            raise c.error(f"diagonal must have the shape {wanted} for the diagonals {k[0]} to "
                          f"{k[1]} of {c.show(0)}, got {diagonal}")
    return [TensorType(c.dtype(0), matrix)]


def _set_reference(
    input: np.ndarray, diagonal: np.ndarray, k: tuple[int, int], align: str
) -> np.ndarray:
    size = np.array(input.shape[-2:])
    values = _diag_reference(diagonal, size, k, align, 0)
    if values.shape != input.shape:
        raise RunError(InvalidArgumentError, f"diagonal {list(diagonal.shape)} does not fit input "
                                             f"{list(input.shape)}")
    offset = np.arange(size[1]) - np.arange(size[0])[:, None]
    return np.where((offset >= k[0]) & (offset <= k[1]), values, input)


def _expand_set(F: Any, input: Any, diagonal: Any, **band: Any) -> Any:
    size = F.shape(input)[-2:]
    return F.where_v2(_in_band(F, size, band["k"]), apply(DIAG, (diagonal, size), band), input)


def _in_band(F: Any, size: Any, k: tuple[int, int]) -> Any:
    """[rows, columns]: which cells lie on the diagonals of a band."""
    offset = F.expand_dims(F.range(size[1]), 0) - F.expand_dims(F.range(size[0]), 1)
    return F.logical_and(offset >= k[0], offset <= k[1])


def _set_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    part = apply(DIAG_PART, (g,), dict(op.attrs))
    return [apply(SET_DIAG, (g, F.zeros_like(part)), dict(op.attrs)), part]


SET_DIAG: OpDef = declare(
    "MatrixSetDiag", "input: T, diagonal: T", attrs=_BAND, infer=_set_type,
    reference=_set_reference, grad=_set_gradient, lowering=Composite(_expand_set),
    samples=lambda: [
        Sample((np.arange(12.0).reshape(3, 4), np.array([[-1.0, -2.0, -3.0]]))),
        *(Sample((np.arange(24.0).reshape(2, 3, 4), -1 - np.arange(18.0).reshape(2, 3, 3)),
                 {"k": (-1, 1), "align": align}) for align in ALIGNMENTS),
        Sample((np.arange(12.0).reshape(4, 3), -1 - np.arange(6.0).reshape(2, 3)),
               {"k": (-2, -1), "align": "LEFT_RIGHT"}),
        Sample((np.zeros((0, 2, 2)), np.zeros((0, 1, 2))))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 3, 4), typed(dt.float32, 1, 4)), {}, ShapeError,
                    r"diagonal must have the shape \[1, 3\].*input \[3, 4\], got \[1, 4\]"),
        ErrorSample((typed(dt.float32, 3), typed(dt.float32, 1, 3)), {}, ShapeError,
                    "rank at least 2")],
    T=dt.NUMBERS + (dt.bool_,))
