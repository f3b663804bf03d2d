"""Folds: reductions over a loop, in order or with partial results in the lanes of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cpu.turns import ZERO, emit_turns, multiple
from graphflow.codegen.cpu.values import Values, Vector, steps
from graphflow.loop_ir.nest import Fold

# Vectors of partial results: they hide the latency of the combining operation. A fold of several
# results has fewer for each, as there are not registers for more.
UNROLLED = 4


def emit_fold(values: Values, fold: Fold, width: int) -> None:
    """One fold; `width` lanes where it may use lanes and none are in use."""
    extent = values.value(fold.extent)
    if fold.lanes and values.vector is None:
        _fold_in_lanes(values, fold, extent, width)
        return

    def turn(index: Any) -> None:
        _merge(values, fold, fold.into, [values.vector_value(e) for e in fold.lifted])

    emit_turns(values, fold.number, ZERO, extent, 1, fold.into, turn)


def _fold_in_lanes(values: Values, fold: Fold, extent: Any, width: int) -> None:
    """Partial results in several vectors, the last of them under a mask; then half by half."""
    b, count = values.builder, len(fold.into)
    start = [Lanes(b, width).splat(values.value(e)) for e in fold.identity]
    unrolled = max(1, min(UNROLLED, 2 * UNROLLED // count))
    groups = [tuple(-1 - k * count - i for i in range(count)) for k in range(unrolled)]
    for group in groups:
        values.accumulators.update(zip(group, start))
    blocks = multiple(values, extent, width * unrolled)
    _vector_turns(values, fold, ZERO, blocks, width, groups)
    whole = multiple(values, extent, width)
    if unrolled > 1:
        _vector_turns(values, fold, blocks, whole, width, groups[:1])
    _vector_turns(values, fold, whole, extent, width, groups[:1], start)
    for group in groups[1:]:
        _merge(values, fold, groups[0], [values.accumulators[n] for n in group])
    while width > 1:  # the lanes' upper half joins the lower one
        width //= 2
        halves = [_halves(b, values.accumulators[n], width) for n in groups[0]]
        values.accumulators.update(zip(groups[0], (low for low, _ in halves)))
        _merge(values, fold, groups[0], [high for _, high in halves])
    _merge(values, fold, fold.into, [values.accumulators[n] for n in groups[0]])
    for n in (n for group in groups for n in group):
        del values.accumulators[n]


def _halves(b: ir.IRBuilder, vector: Any, width: int) -> tuple[Any, Any]:
    """The lower and the upper half of a vector of twice that many lanes."""
    if width == 1:
        return tuple(b.extract_element(vector, ir.Constant(I32, k)) for k in range(2))
    return tuple(b.shuffle_vector(vector, vector, ir.Constant(
        ir.VectorType(I32, width), list(range(k * width, (k + 1) * width)))) for k in range(2))


def _vector_turns(
    values: Values, fold: Fold, first: Any, end: Any, width: int,
    groups: Sequence[tuple[int, ...]], neutral: Sequence[Any] = (),
) -> None:
    """Vectors from `first` to `end`, folded into the groups in turn.

    neutral: what counts instead of the elements behind `end`, if there may be any.
    """
    if isinstance(end, ir.Constant) and isinstance(first, ir.Constant) and (
            first.constant >= end.constant):
        return

    def turn(index: Any) -> None:
        for k, group in enumerate(groups):
            base = values.builder.add(index, ir.Constant(I64, k * width)) if k else index
            values.inside[-1].values.clear()
            values.local = {}
            values.indices[fold.number] = base
            mask = _inside(values, base, end, width) if neutral else None
            values.vector = Vector(fold.number, base, width, mask)
            lifted = [values.vector_value(e) for e in fold.lifted]
            if neutral:
                lifted = [values.builder.select(mask, x, n) for x, n in zip(lifted, neutral)]
            _merge(values, fold, group, lifted)
            values.vector = None

    changed = [n for group in groups for n in group]
    emit_turns(values, fold.number, first, end, width * len(groups), changed, turn)


def _inside(values: Values, base: Any, end: Any, width: int) -> Any:
    """Which of the lanes from `base` on lie before `end`."""
    left = Lanes(values.builder, width).splat(values.builder.sub(end, base))
    return values.builder.icmp_signed("<", steps(width), left)


def _merge(values: Values, fold: Fold, names: Sequence[int], right: Sequence[Any]) -> None:
    """accumulators `names` = merged(accumulators `names`, `right`)."""
    kept = dict(values.accumulators)
    values.accumulators.update(zip(fold.into, [kept[n] for n in names]))
    values.accumulators.update(zip(fold.right, right))
    values.local = {}
    merged = [values.value(e) for e in fold.merged]
    values.accumulators = kept
    values.accumulators.update(zip(names, merged))
    values.local = {}
