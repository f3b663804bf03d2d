"""Clipping by norms: of one tensor, or of a list of gradients together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.errors import DTypeError, ShapeError
from graphflow.ops.scope import scope


def _values(t: Any) -> Any:
    """The tensor whose elements count: the rows of IndexedSlices, or the tensor itself."""
    return t.values if hasattr(t, "map_dense") else convert(t)


@op_function
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """`t` scaled so that its L2 norm is `clip_norm` at most.

    t: a tensor or IndexedSlices of floats; axes: the axes that a norm is taken over, all by
    default. clip_norm: a scalar, or a tensor that broadcasts to `t`'s shape without changing it.
    Raises ShapeError if it would change the shape.
    """
    values = _values(t)
    with scope(name, "clip_by_norm") as own:
        squares = F.reduce_sum(values * values, axes, keepdims=True)
        positive = squares > 0
        # Twice `where`: the square root's infinite slope at 0 must not reach the gradient.
        safe = F.where(positive, squares, F.ones_like(squares))
        norm = F.where(positive, F.sqrt(safe), squares)
        scaled = values * clip_norm
        if not values.shape.is_compatible_with(scaled.shape):
            raise ShapeError(
                f"clip_by_norm: clip_norm must broadcast to the shape of t, {values.shape}, but "
                f"together they have shape {scaled.shape}."
            )
        clipped = F.identity(scaled / F.maximum(norm, clip_norm), name=own)
    return t.map_dense(lambda _: clipped) if hasattr(t, "map_dense") else clipped


@op_function
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Any:
    """`t` scaled so that its L2 norm, divided by its number of elements, is `clip_norm` at most.

    t: a tensor of floats; clip_norm: a positive scalar.
    """
    t = convert(t)
    with scope(name, "clip_by_average_norm") as own:
        count = F.cast(F.size(t), t.dtype)
        norm = F.sqrt(F.reduce_sum(t * t))
        inverse = F.minimum(count / norm, F.ones_like(norm) / clip_norm)
        return F.identity(t * clip_norm * inverse, name=own)


@op_function
def global_norm(t_list: Sequence[Any], name: str | None = None) -> Any:
    """√Σ‖t‖², the L2 norm of all tensors of a list together; None among them are passed over.

    t_list: tensors or IndexedSlices of floats of one type. Gives a scalar of that type, None if
    all are None. Raises DTypeError (a TypeError) if `t_list` is not a list.
    """
    _check_list("global_norm", t_list)
    tensors = [_values(t) for t in t_list if t is not None]
    if not tensors:
        return None
    with scope(name, "global_norm") as own:
        halves = F.stack([F.reduce_sum(F.square(t)) / 2 for t in tensors])
        return F.sqrt(F.reduce_sum(halves) * 2, name=own)


@op_function
def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Any]:
    """(the tensors scaled so that their common L2 norm is `clip_norm` at most, that norm before).

    t_list: tensors, IndexedSlices or None (which stay None) of one floating type; use_norm: their
    `global_norm`, if it is known already. If it is infinite or NaN, all become NaN.
    Raises DTypeError (a TypeError) if `t_list` is not a list.
    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training RNNs", ICML 2013.
    """
    _check_list("clip_by_global_norm", t_list)
    norm = global_norm(t_list) if use_norm is None else convert(use_norm)
    if norm is None:
        return list(t_list), None
    with scope(name, "clip_by_global_norm"):
        limit = convert(clip_norm, norm.dtype)
        factor = limit * F.minimum(1 / norm, 1 / limit)
        # Infinity − infinity is NaN: infinite gradients must not pass as zeros.
        factor = factor + (norm - norm)
        return [None if t is None else _scaled(t, factor) for t in t_list], norm


def _scaled(t: Any, factor: Any) -> Any:
    if hasattr(t, "map_dense"):
        return t.map_dense(lambda values: values * F.cast(factor, values.dtype))
    t = convert(t)
    return t * F.cast(factor, t.dtype)


def _check_list(who: str, t_list: Any) -> None:
    if isinstance(t_list, str) or not isinstance(t_list, (list, tuple)):
        raise DTypeError(f"{who}: t_list should be a list of tensors, got {t_list!r}.")
