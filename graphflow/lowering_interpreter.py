"""Runs a lowering over NumPy index grids: the definition of each kind, and the check of each op.

Input: a lowering, the context of its node, input arrays. Output: one array per output. Slow and
plain on purpose: an op's lowering must give what its NumPy reference gives, and the emitters
must give what this gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.dtypes import int64
from graphflow.errors import ProgramError
from graphflow.loop_ir import Expr, ScalarBuilder, evaluate_all, verify
from graphflow.lowering import (
    Contraction,
    Cumulative,
    Gather,
    Generate,
    Join,
    Lowering,
    LoweringContext,
    Pointwise,
    Reduce,
    Scatter,
    Sizes,
    View,
    Window,
)

_b = ScalarBuilder()
_AT = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
       "min": np.minimum, "max": np.maximum}


def interprets(lowering: Lowering) -> bool:
    """True for the kinds that are loop nests."""
    return type(lowering) in _KINDS


def interpret(
    lowering: Lowering, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The outputs of one node. Raises ProgramError for a kind that is no loop nest."""
    run = _KINDS.get(type(lowering))
    if run is None:
        raise ProgramError(f"{type(lowering).__name__} is not a loop nest.")
    outputs = run(lowering, ctx, inputs)
    return [np.asarray(o, d.numpy).reshape(s) if o.size == np.prod(s, dtype=int)
            else np.array(np.broadcast_to(o, s), d.numpy)
            for o, d, s in zip(outputs, ctx.out_dtypes, ctx.out_shapes)]


def _tuple(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _grid(shape: Sequence[int]) -> tuple[np.ndarray, ...]:
    return tuple(np.indices(tuple(shape), np.int64))


def _index(index: Sequence[Any], shape: Sequence[int]) -> tuple[np.ndarray, ...]:
    return tuple(np.broadcast_to(np.asarray(i, np.int64), tuple(shape)) for i in index)


def _inside(index: Sequence[np.ndarray], sizes: Sequence[int], shape: Sequence[int]) -> Any:
    ok = np.ones(tuple(shape), bool)
    for i, n in zip(index, sizes):
        ok &= (i >= 0) & (i < n)
    return ok


def _in_range(
    index: Sequence[np.ndarray], sizes: Sequence[int], what: str
) -> tuple[np.ndarray, ...]:
    """`index`, all of it inside `sizes`: compiled code would read other memory. ProgramError."""
    if len(index) != len(sizes):
        raise ProgramError(f"{what}: {len(index)} indices for {len(sizes)} axes.")
    for axis, (i, n) in enumerate(zip(index, sizes)):
        i = np.asarray(i)
        if i.size and (i.min() < 0 or i.max() >= n):
            raise ProgramError(f"{what}: an index of axis {axis} is outside [0, {n}).")
    return tuple(np.asarray(i, np.int64) for i in index)


def _clipped(index: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[np.ndarray, ...]:
    return tuple(np.clip(i, 0, max(n - 1, 0)) for i, n in zip(index, sizes))


def _args(dtypes: Sequence[Any], first: int = 0) -> list[Any]:
    return [_b.arg(first + i, d) for i, d in enumerate(dtypes)]


def _verified(exprs: Any) -> tuple[Expr, ...]:
    """One or several expressions as a tuple, checked by the loop IR's verifier."""
    exprs = _tuple(exprs)
    verify(*exprs)
    return exprs


def _check_types(outs: Sequence[Expr], ctx: LoweringContext) -> None:
    """Raises ProgramError unless the expressions have the types of the node's outputs."""
    found, wanted = [e.dtype.name for e in outs], [d.name for d in ctx.out_dtypes]
    if found != wanted:
        raise ProgramError(f"The body gives {found}, the op's outputs are {wanted}.")


def _pointwise(
    lowering: Pointwise, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    outs = _verified(lowering.body(_b, *_args(ctx.in_dtypes), **ctx.attrs))
    _check_types(outs, ctx)
    return evaluate_all(outs, inputs)


def _generate(
    lowering: Generate, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    shape = ctx.out_shapes[0]
    count = int(np.prod(shape, dtype=np.int64))
    scalars = [_b.arg(1 + i, ctx.in_dtypes[k]) for i, k in enumerate(lowering.scalars)]
    outs = _verified(lowering.body(_b, _b.arg(0, int64), *scalars, **ctx.attrs))
    _check_types(outs, ctx)
    values = [np.arange(count, dtype=np.int64), *(inputs[k] for k in lowering.scalars)]
    return [np.broadcast_to(o, (count,)) for o in evaluate_all(outs, values)]


def _accumulate(
    lowering: Any, ctx: LoweringContext, elements: np.ndarray, counted: np.ndarray | None = None
) -> list[np.ndarray]:
    """Reduces the last axis of `elements` (where `counted`), in order."""
    total = elements.shape[-1]
    init = evaluate_all(_verified(lowering.init(_b, ctx)), ())
    accs = [np.array(np.broadcast_to(i, elements.shape[:-1])) for i in init]
    lifted_exprs = _verified(
        lowering.lift(_b, _b.arg(0, ctx.in_dtypes[0]), _b.arg(1, int64), ctx))
    kinds = [e.dtype for e in lifted_exprs]
    merged = _verified(
        lowering.combine(_b, tuple(_args(kinds)), tuple(_args(kinds, len(kinds)))))
    for r in range(total):
        position = np.asarray(r, np.int64)
        lifted = evaluate_all(lifted_exprs, (elements[..., r], position))
        new = evaluate_all(merged, (*accs, *lifted))
        keep = True if counted is None else counted[..., r]
        accs = [np.where(keep, n, a) for n, a in zip(new, accs)]
    count = np.asarray(total, np.int64) if counted is None else counted.sum(-1, dtype=np.int64)
    finish = _verified(
        lowering.finish(_b, tuple(_args(kinds)), _b.arg(len(kinds), int64), ctx))
    _check_types(finish, ctx)
    return evaluate_all(finish, (*accs, count))


def _reduce(
    lowering: Reduce, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    x = inputs[0]
    axes = tuple(lowering.axes(ctx))
    kept = [a for a in range(x.ndim) if a not in axes]
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    flat = x.transpose(kept + list(axes)).reshape([x.shape[a] for a in kept] + [count])
    return _accumulate(lowering, ctx, flat)


def _cumulative(
    lowering: Cumulative, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    axis = lowering.axis(ctx)
    step = -1 if ctx.attrs.get("reverse") else 1
    init = _verified(lowering.init(_b, ctx))
    kinds = [e.dtype for e in init]
    elements = [np.moveaxis(x, axis, -1)[..., ::step].astype(k.numpy)
                for x, k in zip(inputs, kinds)]
    merged = _verified(
        lowering.combine(_b, tuple(_args(kinds)), tuple(_args(kinds, len(kinds)))))
    shape = elements[0].shape
    running = [np.broadcast_to(i, shape[:-1]) for i in evaluate_all(init, ())]
    out = np.empty(shape, kinds[-1].numpy)
    for i in range(shape[-1]):
        here = [e[..., i] for e in elements]
        new = evaluate_all(merged, (*running, *here)) if i or ctx.attrs.get("exclusive") else here
        out[..., i] = (running if ctx.attrs.get("exclusive") else new)[-1]
        running = new
    return [np.moveaxis(out[..., ::step], -1, axis)]


def _view(lowering: View, ctx: LoweringContext, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    shape = ctx.out_shapes[0]
    x = inputs[0]
    source = _index(lowering.source(_grid(shape), ctx), shape)
    if lowering.fill is None:
        return [x[_in_range(source, x.shape, "View")]]
    ok = _inside(source, x.shape, shape)
    fill = np.asarray(lowering.fill(ctx), x.dtype)
    if not x.size:
        return [np.full(shape, fill)]
    return [np.where(ok, x[_clipped(source, x.shape)], fill)]


def _sizes(
    lowering: Sizes, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    return [np.asarray(lowering.values(ctx), np.int64).reshape(ctx.out_shapes[0])]


def _join(lowering: Join, ctx: LoweringContext, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    out = np.zeros(ctx.out_shapes[0], ctx.out_dtypes[0].numpy)
    times = np.zeros(ctx.out_shapes[0], int)
    for k, x in enumerate(inputs[:len(ctx.in_shapes)]):
        place = lowering.place(k, _grid(x.shape), ctx)
        if place is None:
            continue
        target = _in_range(_index(place, x.shape), out.shape, "Join")
        out[target] = x
        np.add.at(times, target, 1)
    if not np.all(times == 1):
        raise ProgramError("Join: the windows do not cover the output once.")
    return [out]


def _loader(inputs: Sequence[np.ndarray]) -> Callable[[int, tuple], np.ndarray]:
    def load(k: int, index: tuple) -> np.ndarray:
        return inputs[k][_in_range(index, inputs[k].shape, f"load of input {k}")]

    return load


def _gather(
    lowering: Gather, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    shape = ctx.out_shapes[0]
    source = _index(lowering.source(_grid(shape), _loader(inputs), ctx), shape)
    return [inputs[0][_in_range(source, inputs[0].shape, "Gather")]]


def _scatter(
    lowering: Scatter, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    updates = inputs[lowering.updates]
    grid, load = _grid(updates.shape), _loader(inputs)
    kind = ctx.out_dtypes[0].numpy
    if lowering.base is not None:
        out = np.array(inputs[lowering.base], kind)
    else:
        assert lowering.initial is not None  # the declaration gives it where there is no base
        out = np.full(ctx.out_shapes[0], lowering.initial(ctx), kind)
    target = _index(lowering.target(grid, load, ctx), updates.shape)
    keep = np.ones(updates.shape, bool)
    if lowering.keep is not None:
        keep = np.broadcast_to(lowering.keep(grid, load, ctx), updates.shape)
    if lowering.skips_outside:
        keep = keep & _inside(target, out.shape, updates.shape)
    _in_range([t[keep] for t in target], out.shape, "Scatter")
    for place in np.ndindex(*updates.shape):
        if keep[place]:
            at = tuple(int(t[place]) for t in target)
            value = updates[place]
            if lowering.combine == "set":
                out[at] = value
            else:
                out[at] = _AT[lowering.combine](out[at], value)
    return [out]


def _two_grids(outer: Sequence[int], inner: Sequence[int]) -> tuple[tuple, tuple, tuple]:
    full = (*outer, *inner)
    grid = _grid(full)
    return grid[:len(outer)], grid[len(outer):], full


def _contraction(
    lowering: Contraction, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    shape = ctx.out_shapes[0]
    out_index, sum_index, full = _two_grids(shape, lowering.extents(ctx))
    conjugate = lowering.conjugate(ctx) if lowering.conjugate else (False, False)
    exists = np.ones(full, bool)
    if lowering.inside is not None:
        exists &= np.broadcast_to(lowering.inside(out_index, sum_index, ctx), full)
    wide = np.result_type(ctx.out_dtypes[0].numpy, np.float32) if (
        ctx.out_dtypes[0].is_floating) else ctx.out_dtypes[0].numpy
    terms = np.ones(full, wide)
    for x, place, flip in zip(inputs, (lowering.left, lowering.right), conjugate):
        index = _index(place(out_index, sum_index, ctx), full)
        exists &= _inside(index, x.shape, full)
        picked = x[_clipped(index, x.shape)] if x.size else np.zeros(full, x.dtype)
        terms = terms * (np.conj(picked) if flip else picked).astype(wide)
    terms = np.where(exists, terms, np.zeros((), wide))
    return [terms.reshape(*shape, -1).sum(-1) if terms.size else np.zeros(shape, wide)]


def _window(
    lowering: Window, ctx: LoweringContext, inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    shape = ctx.out_shapes[0]
    x = inputs[0]
    extents = tuple(lowering.extents(ctx))
    out_index, window_index, full = _two_grids(shape, extents)
    source = _index(lowering.source(out_index, window_index, ctx), full)
    ok = _inside(source, x.shape, full)
    picked = x[_clipped(source, x.shape)] if x.size else np.zeros(full, x.dtype)
    count = int(np.prod(extents, dtype=np.int64))
    return _accumulate(
        lowering, ctx, picked.reshape(*shape, count), ok.reshape(*shape, count))


_KINDS: dict[type, Callable[..., list[np.ndarray]]] = {
    Pointwise: _pointwise, Generate: _generate, Reduce: _reduce, Cumulative: _cumulative,
    View: _view, Sizes: _sizes, Join: _join, Gather: _gather, Scatter: _scatter,
    Contraction: _contraction, Window: _window,
}
