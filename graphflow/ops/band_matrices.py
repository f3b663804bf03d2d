"""Public functions about diagonals and bands, of matrices and of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function, publish
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, is_tensor, static_int, static_ints, static_value
from graphflow.ops.diagonals import ALIGNMENTS, DIAG, DIAG_PART, SET_DIAG
from graphflow.ops.scope import scope


def _band(op: str, name: str | None, k: Any, align: Any) -> dict[str, Any]:
    """The attributes of a band from `k`, a number or (lowest, uppermost)."""
    numbers = static_ints(op, name, "k", k)
    if len(numbers) not in (1, 2):
        raise failure(op, name, f"k must be a diagonal or (lowest, uppermost), got {k!r}")
    if str(align) not in ALIGNMENTS:
        raise failure(op, name, f"align must be one of {', '.join(ALIGNMENTS)}, got {align!r}")
    return {"k": (numbers[0], numbers[-1]), "align": str(align)}


def _number(op: str, name: str | None, value: Any) -> Any:
    """A padding value as a Python number."""
    if is_tensor(value):
        raise failure(op, name, "padding_value must be a number, got a tensor")
    return np.asarray(value).item()


def _matrix_size(
    name: str | None, width: Any, k: tuple[int, int], num_rows: Any, num_cols: Any
) -> Any:
    """[rows, columns] of the smallest matrix with these diagonals, or as given.

    Where neither number is given the matrix is square; where one is, the other is the least.
    """
    least = [width - min(k[1], 0), width + max(k[0], 0)]
    given = [static_int("MatrixDiag", name, what, value) for what, value in (
        ("num_rows", num_rows), ("num_cols", num_cols))]
    for what, have, need in zip(("num_rows", "num_cols"), given, least):
        if have != -1 and isinstance(need, int) and have < need:
            raise failure("MatrixDiag", name, f"{what} is {have}, but the diagonals {k[0]} to "
                          f"{k[1]} need at least {need}", cls=ShapeError)
    if given == [-1, -1]:
        side = width + max(-min(k[1], 0), max(k[0], 0))
        return [side, side]
    size = [need if have == -1 else have for have, need in zip(given, least)]
    if all(isinstance(need, int) and have != need for have, need in zip(size, least)):
        raise failure("MatrixDiag", name, f"a matrix {size} has longer diagonals {k[0]} to {k[1]} "
                      f"than diagonal, whose rows have {width} elements", cls=ShapeError)
    return size


@op_function
def matrix_diag(
    diagonal: Any, name: str | None = "diag", k: Any = 0, num_rows: Any = -1, num_cols: Any = -1,
    padding_value: Any = 0, align: str = "RIGHT_LEFT",
) -> Any:
    """Matrices with these diagonals, and `padding_value` elsewhere.

    diagonal: [b…, n] for one diagonal `k`, [b…, k₁ − k₀ + 1, n] for `k` = (k₀, k₁), the
      uppermost first, shorter ones padded by `align` → [b…, num_rows, num_cols], by default the
      smallest matrices that have room (square if neither number is given).
    Raises ShapeError or AttributeValueError for arguments that do not fit.
    """
    diagonal = convert(diagonal)
    band = _band("MatrixDiag", name, k, align)
    rank, one = diagonal.shape.rank, band["k"][0] == band["k"][1]
    if rank is not None and rank < (1 if one else 2):
        raise failure("MatrixDiag", name, f"diagonal must have rank at least {1 if one else 2}, "
                      f"got shape {diagonal.shape}", cls=ShapeError)
    with scope(name, "MatrixDiag") as last:
        known = diagonal.shape.sizes[-1] if rank else None
        width = known if isinstance(known, int) else F.shape(diagonal)[-1]
        rows, columns = _matrix_size(name, width, band["k"], num_rows, num_cols)
        if one:
            diagonal = F.expand_dims(diagonal, -2)
        size = F.stack([rows, columns]) if is_tensor(width) else [rows, columns]
        return apply(DIAG, (diagonal, size), {
            **band, "padding": _number("MatrixDiag", name, padding_value)}, name=last)


@op_function
def matrix_diag_part(
    input: Any, name: str | None = "diag_part", k: Any = 0, padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Any:
    """Diagonals of matrices, as `matrix_diag` takes them.

    input: [b…, m, n] → [b…, length] for one diagonal `k`, [b…, k₁ − k₀ + 1, longest] for
      `k` = (k₀, k₁). Raises ShapeError or AttributeValueError for diagonals that do not exist.
    """
    attrs = _band("MatrixDiagPart", name, k, align)
    attrs["padding"] = _number("MatrixDiagPart", name, padding_value)
    if attrs["k"][0] != attrs["k"][1]:
        return apply(DIAG_PART, (input,), attrs, name=name)
    with scope(name, "MatrixDiagPart") as last:
        return F.squeeze(apply(DIAG_PART, (input,), attrs), axis=[-2], name=last)


@op_function
def matrix_set_diag(
    input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Any:
    """`input` with other values on its diagonals.

    input: [b…, m, n]; diagonal: as `matrix_diag_part` of it gives. Raises ShapeError if it is not.
    """
    input = convert(input)
    diagonal = convert(diagonal, None if is_tensor(diagonal) else input.dtype)
    band = _band("MatrixSetDiag", name, k, align)
    with scope(name, "MatrixSetDiag") as last:
        if band["k"][0] == band["k"][1]:
            if diagonal.shape.rank == 0:
                raise failure("MatrixSetDiag", name, "diagonal must have rank at least 1",
                              cls=ShapeError)
            diagonal = F.expand_dims(diagonal, -2)
        return apply(SET_DIAG, (input, diagonal), band, name=last)


@op_function
def matrix_band_part(
    input: Any, num_lower: Any, num_upper: Any, name: str | None = None
) -> Any:
    """`input` with zeros outside of a band around the main diagonal of each matrix.

    input: [b…, m, n] of any type that has a zero; num_lower, num_upper: how many diagonals below
      and above are kept, all if negative; integer scalars, which may be computed when the graph
      runs. (0, −1) is the upper triangle, (−1, 0) the lower. Raises ShapeError below rank 2.
    """
    x = convert(input)
    if x.shape.rank is not None and x.shape.rank < 2:
        raise failure("MatrixBandPart", name,
                      f"input must have rank at least 2, got shape {x.shape}", cls=ShapeError)
    with scope(name, "MatrixBandPart") as last:
        size = F.shape(x)
        offset = F.expand_dims(F.range(size[-1]), 0) - F.expand_dims(F.range(size[-2]), 1)
        inside = F.logical_and(_within(F.negative(offset), num_lower), _within(offset, num_upper))
        return F.where_v2(inside, x, np.zeros((), x.dtype.numpy), name=last)


def _within(offset: Any, most: Any) -> Any:
    """Which offsets are at most `most`: all of them if that is negative."""
    known = static_value(most)
    if known is not None and known.ndim == 0:
        return offset <= int(known) if known >= 0 else F.ones_like(offset, dt.bool_)
    most = F.cast(most, dt.int32)
    return F.logical_or(most < 0, offset <= most)


@op_function
def tensor_diag(diagonal: Any, name: str | None = None) -> Any:
    """A tensor of twice the rank: output[i…, i…] = diagonal[i…], zeros elsewhere.

    diagonal: [d…] of known rank ≥ 1 → [d…, d…]. Raises ShapeError.
    """
    x = convert(diagonal)
    if not x.shape.rank:
        raise failure("Diag", name, f"diagonal must have a known rank of at least 1, got {x!r}",
                      cls=ShapeError)
    with scope(name, "Diag") as last:
        if x.shape.rank == 1:
            return matrix_diag(x, name=last)
        shape = F.shape(x)
        return F.reshape(matrix_diag(F.reshape(x, [-1])), F.concat([shape, shape], 0), name=last)


@op_function
def tensor_diag_part(input: Any, name: str | None = None) -> Any:
    """The elements input[i…, i…] of a tensor [d…, d…] of known even rank → [d…].

    Raises ShapeError if the two halves of the shape differ.
    """
    x = convert(input)
    rank = x.shape.rank
    if not rank or rank % 2 or not x.shape[:rank // 2].is_compatible_with(x.shape[rank // 2:]):
        raise failure("DiagPart", name, f"input must have a shape [d…, d…] of known rank, got "
                      f"{x.shape}", cls=ShapeError)
    with scope(name, "DiagPart") as last:
        if rank == 2:
            return matrix_diag_part(x, name=last)
        half = F.shape(x)[:rank // 2]
        count = F.reduce_prod(half)
        return F.reshape(matrix_diag_part(F.reshape(x, F.stack([count, count]))), half, name=last)


publish(tensor_diag, "diag")
publish(tensor_diag_part, "diag_part")
