"""`norm`: norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import F, convert, op_function
from graphflow.ops.arguments import failure, renamed, static_ints
from graphflow.ops.scope import scope

_EUCLIDEAN = ("euclidean", "fro", 2)


@op_function
def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool | None = None,
    name: str | None = None, keep_dims: bool | None = None,
) -> Any:
    """The norm of all elements (axis None), of vectors (one axis), or of matrices (two axes).

    tensor: floats or complex numbers. ord, for vectors: "euclidean" (or 2), 1, numpy.inf, or a
      positive number p, for (Σ|x|ᵖ)^(1/p); for matrices: "euclidean" or "fro" (Frobenius), 1 (the
      largest sum of a column) or numpy.inf (the largest sum of a row).
    keep_dims: the old name of `keepdims`.
    The gradient of the Euclidean norm at 0 is NaN, as the limit does not exist.
    Raises AttributeValueError for another `ord` or `axis`.
    """
    keepdims = bool(renamed("norm", "keepdims", keepdims, "keep_dims", keep_dims))
    axes = None if axis is None else static_ints("norm", name, "axis", axis)
    is_matrix = isinstance(axis, (list, tuple)) and len(axes or ()) == 2
    if axes is not None and not is_matrix and len(axes) != 1 or len(set(axes or ())) != len(
            axes or ()):
        raise failure("norm", name, f"axis must be None, one axis or two different ones, got "
                                    f"{axis!r}")
    _check_order(ord, is_matrix, name)
    with scope(name, "norm") as last:
        x = convert(tensor)
        found = _matrix_norm(x, ord, axes) if is_matrix else _vector_norm(x, ord, axes)
        if keepdims:
            return F.identity(found, name=last)
        return F.squeeze(found, axes, name=last) if axes else F.reshape(found, [], name=last)


def _check_order(order: Any, is_matrix: bool, name: str | None) -> None:
    if isinstance(order, str):
        fits = order in (("euclidean", "fro") if is_matrix else ("euclidean",))
    elif is_matrix:
        fits = order in (1, np.inf)
    else:
        fits = np.isrealobj(order) and order > 0
    if not fits:
        wanted = ("'euclidean', 'fro', 1 or numpy.inf" if is_matrix else
                  "'euclidean' or a positive number")
        raise failure("norm", name, f"ord must be {wanted} for a "
                                    f"{'matrix' if is_matrix else 'vector'}, got {order!r}")


def _euclidean(x: Any, axes: tuple[int, ...] | None) -> Any:
    if x.dtype.is_complex:
        return F.sqrt(F.reduce_sum(x * F.conj(x), axes, keepdims=True))
    return F.reduce_euclidean_norm(x, axes, keepdims=True)


def _vector_norm(x: Any, order: Any, axes: tuple[int, ...] | None) -> Any:
    if order in _EUCLIDEAN:
        return _euclidean(x, axes)
    size = F.abs(x)
    if order == 1:
        return F.reduce_sum(size, axes, keepdims=True)
    if order == np.inf:
        return F.reduce_max(size, axes, keepdims=True)
    total = F.reduce_sum(F.pow(size, float(order)), axes, keepdims=True)
    return F.pow(total, 1.0 / float(order))


def _matrix_norm(x: Any, order: Any, axes: Any) -> Any:
    """Frobenius's norm, or the largest sum over one of the two axes (rows, columns)."""
    if order in _EUCLIDEAN:
        return _euclidean(x, axes)
    summed, compared = axes if order == 1 else axes[::-1]
    sums = F.reduce_sum(F.abs(x), [summed], keepdims=True)
    return F.reduce_max(sums, [compared], keepdims=True)
