"""Tensors taken apart along an axis: unstack and split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import (
    Dim,
    SymDim,
    add,
    as_known_size,
    equal,
    floordiv,
    fresh,
    never_negative,
    same,
    sub,
)
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import (
    MAX_OUTPUTS,
    Attr,
    ErrorSample,
    Infer,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import (
    failure,
    holds_tensor,
    is_tensor,
    static_int,
    static_value,
    typed,
)
from graphflow.ops.declare import declare
from graphflow.ops.joining import own_axis
from graphflow.ops.shape_ops import size_over
from graphflow.shapes import TensorShape

_AXIS = Attr("int", 0)
_NUM = Attr("int", most=MAX_OUTPUTS)

# ---- unstack ---------------------------------------------------------------------------------


def _unstack_type(c: Infer) -> list[TensorType]:
    shape, num = c.shape(0), c.attrs["num"]
    if shape.rank is None:
        return [TensorType(c.dtype(0))] * num
    c.require_rank(0, at_least=1)
    axis = c.axis(c.attrs["axis"], shape.rank)
    if same(shape.sizes[axis], num) is False:
        raise c.error(f"num is {num}, but axis {axis} of {c.show(0)} has size "
                      f"{shape.sizes[axis]}")
    kept = TensorShape.of(shape.sizes[:axis] + shape.sizes[axis + 1:])
    return [TensorType(c.dtype(0), kept)] * num


def _unstack_reference(value: np.ndarray, num: int, axis: int) -> tuple[np.ndarray, ...]:
    axis = own_axis(axis, value.ndim)
    if value.shape[axis] != num:
        raise RunError(InvalidArgumentError, f"num is {num}, but axis {axis} of value "
                                             f"{list(value.shape)} has size {value.shape[axis]}")
    parts = np.moveaxis(value, axis, 0)
    return tuple(parts[k, ...] for k in range(num))


def _expand_unstack(F: Any, value: Any, num: int, axis: int) -> tuple[Any, ...]:
    parts = _windows(F, value, axis, range(num), [1] * num)
    return tuple(F.squeeze(part, [axis]) for part in parts)


def _windows(F: Any, value: Any, axis: int, begins: Any, sizes: Any) -> list[Any]:
    """Slices of `value` along one axis."""
    rank = value.shape.rank
    axis %= rank
    like = next((v.dtype for v in (*begins, *sizes) if is_tensor(v)), dt.int32)
    parts = []
    for begin, size in zip(begins, sizes):
        begin_vector, size_vector = [0] * rank, [-1] * rank
        begin_vector[axis], size_vector[axis] = begin, size
        parts.append(F.slice(value, convert(begin_vector, like), convert(size_vector, like)))
    return parts


UNSTACK = declare(
    "Unpack", "value: T", attrs={"num": _NUM, "axis": _AXIS}, infer=_unstack_type,
    reference=_unstack_reference,
    grad=lambda F, op, *gs: [F.stack(list(gs), op.attrs["axis"])],
    lowering=Composite(_expand_unstack), symbolic=True,
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3),), {"num": 2}),
        Sample((np.arange(6.0).reshape(2, 3),), {"num": 3, "axis": -1}),
        Sample((np.arange(2.0),), {"num": 2}), Sample((np.zeros((0, 1)),), {"num": 1, "axis": 1})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {"num": 3}, ShapeError,
                    r"num is 3, but axis 0 of value \[2, 3\] has size 2"),
        ErrorSample((typed(dt.float32),), {"num": 1}, ShapeError, "rank at least 1")],
    T=dt.ALL)


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


@op_function
def unstack(
    value: Any, num: int | None = None, axis: int = 0, name: str | None = "unstack"
) -> list[Any]:
    """The slices of `value` along `axis`, without that axis: a list of `num` tensors.

    num: only needed if the size of the axis is not known while building.
    Raises ShapeError if it is not known, or is not `num`.
    """
    value = convert(value)
    axis = static_int("Unpack", name, "axis", axis)
    shape = value.shape
    if num is None:
        rank = shape.rank
        size = shape.sizes[axis] if rank is not None and -rank <= axis < rank else None
        if rank is not None and size is None:
            raise failure("Unpack", name, f"axis {axis} is outside [{-rank}, {rank}) for value "
                                          f"{shape}")
        if size is None or isinstance(size, SymDim):
            raise failure("Unpack", name, f"the size of axis {axis} of {shape} is not known",
                          "Give num=.", ShapeError)
        num = size
    if num == 0:
        return []
    outputs = apply(UNSTACK, (value,), {"num": num, "axis": axis}, name=name,
                    default_name="unstack")
    return _as_list(outputs)


# ---- split -----------------------------------------------------------------------------------


def _split_shapes(c: Infer, axis: int, sizes: Sequence[Dim]) -> list[TensorType]:
    whole = c.shape(0).sizes
    return [TensorType(c.dtype(0), TensorShape.of((*whole[:axis], d, *whole[axis + 1:])))
            for d in sizes]


def _split_type(c: Infer) -> list[TensorType]:
    shape, num = c.shape(0), c.attrs["num"]
    if num < 1:
        raise c.error(f"num_or_size_splits must be positive, got {num}", cls=AttributeValueError)
    if shape.rank is None:
        return [TensorType(c.dtype(0))] * num
    c.require_rank(0, at_least=1)
    axis = c.axis(c.attrs["axis"], shape.rank)
    size = shape.sizes[axis]
    if isinstance(size, int) and size % num:
        raise c.error(f"axis {axis} of {c.show(0)} has size {size}, which {num} does not divide",
                      "Give a list of sizes instead.")
    return _split_shapes(c, axis, [floordiv(size, num)] * num)


def _split_reference(value: np.ndarray, num: int, axis: int) -> tuple[np.ndarray, ...]:
    axis = own_axis(axis, value.ndim)
    if value.shape[axis] % num:
        raise RunError(InvalidArgumentError, f"axis {axis} of value {list(value.shape)} has size "
                                             f"{value.shape[axis]}, which {num} does not divide")
    return tuple(np.split(value, num, axis))


def _expand_split(F: Any, value: Any, num: int, axis: int) -> tuple[Any, ...]:
    part = size_over(value, (axis,)) // num
    return tuple(_windows(F, value, axis, [part * k for k in range(num)], [part] * num))


SPLIT = declare(
    "Split", "value: T", attrs={"num": _NUM, "axis": _AXIS}, infer=_split_type,
    reference=_split_reference,
    grad=lambda F, op, *gs: [F.concat(list(gs), op.attrs["axis"])],
    lowering=Composite(_expand_split), symbolic=True,
    samples=lambda: [
        Sample((np.arange(12.0).reshape(4, 3),), {"num": 2}),
        Sample((np.arange(12.0).reshape(3, 4),), {"num": 4, "axis": -1}),
        Sample((np.zeros((0, 2)),), {"num": 3})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 5, 3),), {"num": 2}, ShapeError,
                    r"axis 0 of value \[5, 3\] has size 5, which 2 does not divide"),
        ErrorSample((typed(dt.float32, 4),), {"num": 2, "axis": 1}, AttributeValueError,
                    "axis 1 is out")],
    T=dt.ALL)


def _split_v_type(c: Infer) -> list[TensorType]:
    shape, num = c.shape(0), c.attrs["num"]
    c.require_rank(1, 1)
    if shape.rank is None:
        return [TensorType(c.dtype(0))] * num
    c.require_rank(0, at_least=1)
    axis = c.axis(c.attrs["axis"], shape.rank)
    given = c.value(1)
    if given is None:
        return _split_shapes(c, axis, [fresh() for _ in range(num)])
    sizes = _one_left_over(given.tolist())
    whole = shape.sizes[axis]
    problem = f"the sizes {sizes} do not add up to {whole}, the size of axis {axis} of {c.show(0)}"
    if any(isinstance(d, int) and d < -1 for d in sizes) or sizes.count(-1) > 1:
        raise c.error(f"sizes must not be negative, but for one -1: {sizes}")
    total: Dim = 0
    for size in sizes:
        total = add(total, 0 if size == -1 else size)
    if -1 in sizes:
        rest = sub(whole, total)
        if isinstance(rest, int) and rest < 0:
            raise c.error(problem)
        sizes[sizes.index(-1)] = rest
    elif equal(total, whole) is False:
        raise c.error(problem)
    return _split_shapes(c, axis, sizes)


def _one_left_over(sizes: list[Any]) -> list[Any]:
    """Sizes whose only symbol that may be −1 is −1: either way it is what is left over.

    Several such symbols become sizes of which nothing is known.
    """
    maybe = [i for i, d in enumerate(sizes) if isinstance(d, SymDim) and not never_negative(d)]
    for i in maybe:
        if -1 in sizes:
            sizes[i] = as_known_size(sizes[i])
        else:
            sizes[i] = -1 if len(maybe) == 1 else fresh()
    return sizes


def _split_v_reference(
    value: np.ndarray, size_splits: np.ndarray, num: int, axis: int
) -> tuple[np.ndarray, ...]:
    axis = own_axis(axis, value.ndim)
    whole, sizes = value.shape[axis], [int(d) for d in size_splits]
    problem = f"the sizes {sizes} do not add up to {whole}, the size of axis {axis}"
    if -1 in sizes:
        sizes[sizes.index(-1)] = whole - sum(sizes) - 1
    if any(d < 0 for d in sizes) or sum(sizes) != whole or len(sizes) != num:
        raise RunError(InvalidArgumentError, problem)
    return tuple(np.split(value, np.cumsum(sizes)[:-1], axis))


def _expand_split_v(F: Any, value: Any, size_splits: Any, num: int, axis: int) -> Any:
    known, whole = static_value(size_splits), size_over(value, (axis,), size_splits.dtype)
    if known is None:
        rest = whole - (F.reduce_sum(size_splits) + 1)
        filled = F.where_v2(F.equal(size_splits, -1), rest, size_splits)
        fits = F.logical_and(filled >= 0, F.equal(F.reduce_sum(filled), whole))
        sizes = F.unstack(F.require(filled, fits), num)
    else:
        sizes = list(known.tolist())
        if -1 in sizes:
            sizes[sizes.index(-1)] = whole - (sum(sizes) + 1)
    begins: list[Any] = [0]
    for size in sizes[:-1]:
        begins.append(begins[-1] + size)
    return tuple(_windows(F, value, axis, begins, sizes))


SPLIT_V = declare(
    "SplitV", "value: T, size_splits: S", attrs={"num": _NUM, "axis": _AXIS},
    infer=_split_v_type, reference=_split_v_reference,
    grad=lambda F, op, *gs: [F.concat(list(gs), op.attrs["axis"]), None],
    lowering=Composite(_expand_split_v), symbolic=True,
    samples=lambda: [
        Sample((np.arange(12.0).reshape(4, 3), np.array([1, 3], np.int32)), {"num": 2}),
        Sample((np.arange(12.0).reshape(2, 6), np.array([2, -1, 0], np.int64)),
               {"num": 3, "axis": -1}),
        Sample((np.zeros((0, 2)), np.array([1, 1], np.int32)), {"num": 2, "axis": 1})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 5, 3), np.array([2, 2])), {"num": 2}, ShapeError,
                    r"the sizes \[2, 2\] do not add up to 5"),
        ErrorSample((typed(dt.float32, 5), np.array([-1, -1])), {"num": 2}, ShapeError,
                    "but for one -1"),
        ErrorSample((typed(dt.float32, 5), np.array([6, -1])), {"num": 2}, ShapeError, "add up")],
    T=dt.ALL, S=dt.INDICES)


@op_function
def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None,
    name: str | None = "split",
) -> list[Any]:
    """`value` cut along `axis`: into a number of equal parts, or into parts of given sizes.

    num_or_size_splits: an int, or a vector of sizes, one of which may be −1 (what is left).
    num: the number of parts, needed only if the length of the vector is not known.
    Raises ShapeError if the size of the axis is not divisible, or not the sum of the sizes.
    """
    axis = static_int("Split", name, "axis", axis)
    attrs = {"num": num, "axis": axis}
    if is_tensor(num_or_size_splits):
        scalar = num_or_size_splits.shape.rank == 0
    else:
        listed = isinstance(num_or_size_splits, (list, tuple))
        scalar = not listed and np.ndim(num_or_size_splits) == 0
    if scalar:
        attrs["num"] = static_int("Split", name, "num_or_size_splits", num_or_size_splits)
        return _as_list(apply(SPLIT, (value,), attrs, name=name, default_name="split"))
    if isinstance(num_or_size_splits, (list, tuple)):
        count: Any = len(num_or_size_splits)
    else:
        sizes = convert(num_or_size_splits)
        num_or_size_splits = sizes
        count = sizes.shape.sizes[0] if sizes.shape.rank == 1 else None
    if num is None:
        if not isinstance(count, int):
            raise failure("SplitV", name, "the number of parts is not known", "Give num=.",
                          ShapeError)
        attrs["num"] = count
    if holds_tensor(num_or_size_splits) and isinstance(num_or_size_splits, (list, tuple)):
        num_or_size_splits = F.stack(num_or_size_splits)
    return _as_list(apply(SPLIT_V, (value, num_or_size_splits), attrs, name=name,
                          default_name="split"))
