"""`pad`: a constant border, or the input reflected at its edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim, add, fresh
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, Scatter, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, is_tensor, static_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import number_of, widen
from graphflow.shapes import TensorShape, unknown_shape

Pairs = tuple[tuple[int, int], ...]


def _check_pairs(c: Infer) -> Pairs:
    pairs, rank = c.attrs["paddings"], c.shape(0).rank
    if rank is not None and rank != len(pairs):
        raise c.error(f"paddings is [{len(pairs)}, 2], but {c.show(0)} has {rank} axes")
    if any(n < 0 for pair in pairs for n in pair):
        raise c.error(f"paddings must not be negative, got {[list(p) for p in pairs]}",
                      cls=AttributeValueError)
    return pairs


def _padded_type(c: Infer) -> list[TensorType]:
    pairs = _check_pairs(c)
    if c.shape(0).rank is None:
        return [TensorType(c.dtype(0), unknown_shape(len(pairs)))]
    sizes = [add(d, before + after) for d, (before, after) in zip(c.shape(0).sizes, pairs)]
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _check_rank(x: np.ndarray, pairs: Pairs) -> None:
    if x.ndim != len(pairs):
        raise RunError(InvalidArgumentError,
                       f"paddings is [{len(pairs)}, 2], but the input {list(x.shape)} has "
                       f"{x.ndim} axes")


# ---- a constant border -----------------------------------------------------------------------


def _fill_value(constant: Any, dtype: dt.DType) -> Any:
    return number_of(0, dtype) if constant == 0 else dt.to_array(constant, dtype).item()


def _pad_reference(tensor: np.ndarray, paddings: Pairs, constant: Any) -> np.ndarray:
    _check_rank(tensor, paddings)
    out_shape = [d + before + after for d, (before, after) in zip(tensor.shape, paddings)]
    fill = _fill_value(constant, dt.array_dtype(tensor))
    out = np.full(out_shape, fill, tensor.dtype)
    inside: tuple[Any, ...] = tuple(
        slice(b, b + d) for d, (b, _) in zip(tensor.shape, paddings))
    np.copyto(out[(*inside, ...)], tensor)
    return out


def _pad_grad(F: Any, op: Any, g: Any) -> list[Any]:
    before = [b for b, _ in op.attrs["paddings"]]
    return [F.slice(g, before, F.shape(op.inputs[0]))]


PAD = declare(
    "Pad", "tensor: any", attrs={"paddings": Attr("pairs"), "constant": Attr("number", 0)},
    infer=_padded_type, reference=_pad_reference, grad=_pad_grad,
    lowering=View(
        lambda i, ctx: tuple(k - before for k, (before, _) in zip(i, ctx.attrs["paddings"])),
        fill=lambda ctx: _fill_value(ctx.attrs["constant"], ctx.in_dtypes[0])),
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3),), {"paddings": ((1, 0), (0, 2))}),
        Sample((np.arange(6.0).reshape(2, 3),), {"paddings": ((1, 1), (2, 0)), "constant": 7},
               dtypes=dt.NUMBERS),
        Sample((np.zeros((0, 2)),), {"paddings": ((1, 1), (0, 1))}),
        Sample((np.array(3.0),), {"paddings": ()})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {"paddings": ((1, 1),)}, ShapeError,
                    r"paddings is \[1, 2\], but tensor \[2, 3\] has 2 axes"),
        ErrorSample((typed(dt.float32, 2),), {"paddings": ((-1, 1),)}, AttributeValueError,
                    "must not be negative")])


# ---- a border whose widths only the run knows ------------------------------------------------


def _dynamic_type(c: Infer) -> list[TensorType]:
    c.require_rank(1, 2)
    rows = c.shape(1).sizes[0] if c.shape(1).rank == 2 else None
    rank = c.shape(0).rank
    if rank is not None and isinstance(rows, int) and rows != rank:
        raise c.error(f"paddings is [{rows}, 2], but {c.show(0)} has {rank} axes")
    paddings = c.value(1)
    if rank is None or paddings is None:
        known = rank if rank is not None else rows if isinstance(rows, int) else None
        return [TensorType(c.dtype(0), unknown_shape(known))]
    sizes: list[Dim] = [
        add(add(d, before), after) for d, (before, after) in zip(c.shape(0).sizes, paddings)]
    return [TensorType(c.dtype(0), TensorShape.of(
        fresh() if isinstance(d, int) and d < 0 else d for d in sizes))]


def _dynamic_reference(tensor: np.ndarray, paddings: np.ndarray) -> np.ndarray:
    if paddings.shape != (tensor.ndim, 2) or np.any(paddings < 0):
        raise RunError(InvalidArgumentError, f"paddings {paddings.tolist()} do not fit a tensor "
                                             f"of shape {list(tensor.shape)}")
    return _pad_reference(tensor, tuple((int(b), int(a)) for b, a in paddings), 0)


DYNAMIC_PAD = declare(
    "DynamicPad", "tensor: any, paddings: S", infer=_dynamic_type, reference=_dynamic_reference,
    grad=lambda F, op, g: [F.slice(g, op.inputs[1][:, 0], F.shape(
        op.inputs[0], out_type=op.inputs[1].dtype)), None],
    lowering=Scatter(
        target=lambda i, load, ctx: tuple(k + load(1, (axis, 0)) for axis, k in enumerate(i)),
        updates=0, combine="set", initial=lambda ctx: number_of(0, ctx.in_dtypes[0])),
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3), np.array([[1, 0], [0, 2]], np.int32))),
        Sample((np.arange(3.0), np.array([[0, 2]], np.int64))),
        Sample((np.zeros((0, 2)), np.array([[1, 1], [0, 1]], np.int32)))],
    errors=lambda: [ErrorSample((typed(dt.float32, 2, 3), np.array([[1, 1]])), {}, ShapeError,
                                r"paddings is \[1, 2\]")],
    S=dt.INDICES)


# ---- reflection ------------------------------------------------------------------------------


def _mirror_type(c: Infer) -> list[TensorType]:
    types = _padded_type(c)
    if c.shape(0).rank is not None:
        for axis, (size, pair) in enumerate(zip(c.shape(0).sizes, c.attrs["paddings"])):
            most = size - _edge(c.attrs["mode"])
            if isinstance(most, int) and max(pair) > max(most, 0):
                raise c.error(f"{c.attrs['mode']} padding {list(pair)} along axis {axis} is wider "
                              f"than {max(most, 0)}, what {c.show(0)} has to reflect")
    return types


def _edge(mode: str) -> int:
    """The number of edge elements that the reflection leaves out: REFLECT does not repeat them."""
    return 1 if mode == "REFLECT" else 0


def _mirror_reference(input: np.ndarray, paddings: Pairs, mode: str) -> np.ndarray:
    _check_rank(input, paddings)
    for size, pair in zip(input.shape, paddings):
        if max(pair) > max(size - _edge(mode), 0):
            raise RunError(InvalidArgumentError, f"{mode} padding {list(pair)} is wider than what "
                                                 f"input {list(input.shape)} has to reflect")
    places = [_places(size, pair, mode) for size, pair in zip(input.shape, paddings)]
    return input[np.ix_(*places)] if places else input.copy()


def _places(size: int, pair: tuple[int, int], mode: str) -> np.ndarray:
    """For each element along a padded axis, the input element that it repeats."""
    return np.pad(np.arange(size), pair, "reflect" if mode == "REFLECT" else "symmetric")


def _mirrored(k: Any, size: Any, before: int, mode: str) -> Any:
    """The input index that padded index `k` repeats, with `+ - * // %` only.

    Indices repeat with a period of 2n (2n − 2 if the edge is left out), and run backwards in its
    second half. The extra term keeps a period of 0 away (REFLECT with n = 1).
    """
    edge = _edge(mode)
    period = 2 * size - 2 * edge
    if edge:
        period = period + 1 // (size * size - size + 1)
    place = (k - before) % period
    back = place // size
    return place + back * (2 * size - 1 - edge - 2 * place)


def _mirror_index(i: tuple, sizes: tuple, ctx: LoweringContext) -> tuple:
    return tuple(_mirrored(k, size, before, ctx.attrs["mode"])
                 for k, size, (before, _) in zip(i, sizes, ctx.attrs["paddings"]))


_MIRROR_ATTRS = {"paddings": Attr("pairs"), "mode": Attr("str", choices=("REFLECT", "SYMMETRIC"))}


def _mirror_samples() -> list[Sample]:
    x = np.arange(12.0).reshape(3, 4) ** 1.5
    return [
        Sample((x,), {"paddings": ((1, 2), (3, 0)), "mode": "REFLECT"}),
        Sample((x,), {"paddings": ((3, 1), (0, 4)), "mode": "SYMMETRIC"}),
        Sample((x[:1],), {"paddings": ((0, 0), (1, 1)), "mode": "REFLECT"}),
        Sample((x[:0],), {"paddings": ((0, 0), (1, 1)), "mode": "REFLECT"})]


MIRROR_PAD = declare(
    "MirrorPad", "input: any", attrs=_MIRROR_ATTRS, infer=_mirror_type,
    reference=_mirror_reference,
    grad=lambda F, op, g: [apply(MIRROR_PAD_GRAD, (g,), op.attrs)],
    lowering=View(lambda i, ctx: _mirror_index(i, ctx.in_shapes[0], ctx)),
    samples=_mirror_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 3),), {"paddings": ((3, 0),), "mode": "REFLECT"},
                    ShapeError, "is wider than 2"),
        ErrorSample((typed(dt.float32, 3),), {"paddings": ((1, 0),), "mode": "WRAP"},
                    AttributeValueError, "REFLECT")])


def _mirror_grad_type(c: Infer) -> list[TensorType]:
    pairs = _check_pairs(c)
    if c.shape(0).rank is None:
        return [TensorType(c.dtype(0), unknown_shape(len(pairs)))]
    sizes = [add(d, -before - after) for d, (before, after) in zip(c.shape(0).sizes, pairs)]
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _mirror_grad_reference(g: np.ndarray, paddings: Pairs, mode: str) -> np.ndarray:
    _check_rank(g, paddings)
    total = widen(g)
    for axis, pair in enumerate(paddings):
        size = total.shape[axis] - sum(pair)
        rows = np.moveaxis(total, axis, 0)
        out = np.zeros((size, *rows.shape[1:]), rows.dtype)
        np.add.at(out, _places(size, pair, mode), rows)
        total = np.moveaxis(out, 0, axis)
    return total.astype(g.dtype)


MIRROR_PAD_GRAD: OpDef = declare(
    "MirrorPadGrad", "g: T", attrs=_MIRROR_ATTRS, infer=_mirror_grad_type,
    reference=_mirror_grad_reference,
    grad=lambda F, op, g: [apply(MIRROR_PAD, (g,), op.attrs)],
    lowering=Scatter(
        target=lambda i, load, ctx: _mirror_index(i, ctx.out_shapes[0], ctx),
        updates=0, combine="add", initial=lambda ctx: 0),
    samples=lambda: [Sample((_mirror_reference(s.inputs[0], s.attrs["paddings"],
                                               s.attrs["mode"]) + 0.5,), s.attrs)
                     for s in _mirror_samples()],
    errors=lambda: [ErrorSample((typed(dt.float32, 3),),
                                {"paddings": ((1, 0), (0, 0)), "mode": "REFLECT"}, ShapeError,
                                r"paddings is \[2, 2\]")],
    T=dt.NUMBERS)


# ---- the public function ---------------------------------------------------------------------


@op_function
def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None,
    constant_values: Any = 0,
) -> Any:
    """`tensor` with `paddings[k] = [before, after]` elements added along each axis k.

    mode: `CONSTANT` (the border is `constant_values`, a scalar), `REFLECT` (without repeating
      the edge) or `SYMMETRIC` (repeating it); upper or lower case.
    paddings: [rank, 2] integers; for `CONSTANT` they may be computed when the graph runs.
    Raises ShapeError or AttributeValueError if they do not fit.
    """
    kind = str(mode).upper()
    if kind not in ("CONSTANT", "REFLECT", "SYMMETRIC"):
        raise failure("Pad", name, f"mode must be CONSTANT, REFLECT or SYMMETRIC, got {mode!r}")
    tensor = convert(tensor)
    pairs = _static_pairs(paddings, name)
    if kind != "CONSTANT":
        if pairs is None:
            raise failure("MirrorPad", name, "paddings must be known while the graph is built")
        return apply(MIRROR_PAD, (tensor,), {"paddings": pairs, "mode": kind}, name=name)
    if pairs is not None and not is_tensor(constant_values):
        value = np.asarray(constant_values).item()
        if value != 0:
            value = _fill_value(constant_values, tensor.dtype)
        return apply(PAD, (tensor,), {"paddings": pairs, "constant": value}, name=name)
    constant = convert(constant_values, tensor.dtype)
    if pairs is not None:
        inside = apply(PAD, (F.ones_like(tensor, dt.bool_),), {"paddings": pairs})
        padded = apply(PAD, (tensor,), {"paddings": pairs})
    else:
        padded = apply(DYNAMIC_PAD, (tensor, paddings), name=name)
        if not is_tensor(constant_values) and not np.any(constant_values):
            return padded
        inside = apply(DYNAMIC_PAD, (F.ones_like(tensor, dt.bool_), paddings))
    return F.where(inside, padded, F.broadcast_to(constant, F.shape(padded)), name=name)


def _static_pairs(paddings: Any, name: str | None) -> Pairs | None:
    known = static_value(paddings)
    if known is None:
        return None
    if known.size == 0:
        return ()
    if known.ndim != 2 or known.shape[1] != 2 or known.dtype.kind not in "iu":
        raise failure("Pad", name, f"paddings must be [rank, 2] integers, got shape "
                                   f"{list(known.shape)}", cls=ShapeError)
    return tuple((int(before), int(after)) for before, after in known)
