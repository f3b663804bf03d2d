"""The summed loops of a contraction: terms, their conditions, and what is stored at the end.

`Sums` gives the statements that compute some elements of the output side by side, one accumulator
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any

from graphflow.codegen.borders import Bound, Condition, Span, all_of, clip, split
from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.ranges import surely_inside
from graphflow.codegen.slice_chunks import SliceChunks, slice_chunks
from graphflow.dims import Dim
from graphflow.dtypes import DType, float32
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import depends, stride
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
)
from graphflow.lowering import Contraction, LoweringContext
from graphflow.program import Node

Body = tuple[Statement, ...]
Index = tuple[Expr, ...]
Finish = Callable[[Index, Expr], Body]  # place, sum → stores
Slot = tuple[int, int]  # operand and axis; operand 2 stands for conditions without an index

DOT_EXTENT = 16
SLICE_TERMS = 64


class Sums:
    """The loops over the summed indices."""

    def __init__(
        self, e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
        finish: Finish | None = None,
    ) -> None:
        self.e, self.node, self.lowering, self.ctx = e, node, lowering, ctx
        self.finish: Finish = finish or self._store
        self.extents = tuple(int64(x) for x in lowering.extents(ctx))
        self.out = node.outputs[0]
        half = self.out.dtype.name in ("float16", "bfloat16")
        self.kind: DType = float32 if half else self.out.dtype
        self.slices: int | None = e.loop() if self._in_slices() else None
        self.chunks = self._chunks() if self.slices is not None else None

    def _in_slices(self) -> bool:
        """True if the outermost sum walks along both operands, each slice of which is summed.

        So it is for a filter's gradient, with images as slices. All tiles of the output then
        take their part of one slice before the next: a slice stays in the cache, where the
        operands as a whole need not.
        """
        if len(self.extents) < 2 or not self.kind.is_floating or self.kind is not self.out.dtype:
            return False
        inner = prod(x.attr if x.op == "const" else SLICE_TERMS for x in self.extents[1:])
        sums = tuple(b.index(self.e.loop()) for _ in self.extents)
        place = tuple(b.index(self.e.loop()) for _ in self.out.shape.sizes)
        walks = all(i[:1] == sums[:1] for i in self._maps(place, sums))
        return walks and inner >= SLICE_TERMS

    def _chunks(self) -> SliceChunks | None:
        """The chunks of slices, if the output has a size that is known."""
        sizes = self.out.shape.sizes
        if not all(isinstance(d, int) for d in sizes):
            return None
        terms = prod(x.attr if x.op == "const" else SLICE_TERMS for x in self.extents[1:])
        return slice_chunks(self.e, self.out, self.node.inputs[0].shape.sizes[0], terms)

    def over_slices(self, body: Body) -> Body:
        """The loop over slices around the tiles, which add to zeros."""
        if self.slices is None:
            return body
        if self.chunks is not None:
            return self.chunks.around(self.e, self.slices, body)
        numbers = [self.e.loop() for _ in self.out.shape.sizes]
        place = self.e.offset(self.out, tuple(map(b.index, numbers)))
        zero = b.const(0.0, self.out.dtype)
        start: Body = (Store(self.e.buffer(self.out, written=True), place, zero),)
        for number, size in zip(reversed(numbers), reversed(self.out.shape.sizes)):
            start = (Loop(number, self.e.size(size), start, lanes=number == numbers[-1]),)
        return (*start, Loop(self.slices, self.extents[0], body))

    def statements(
        self, places: Sequence[Index], known: dict[Expr, Any], column: int | None
    ) -> Body:
        """One accumulator per place, summed, then stored. column: the loop in lanes."""
        numbers, sums, loops = self._loops()
        ranges = known | dict(zip(sums, self.extents))
        per_place = [self._conditions(p, sums, ranges) for p in places]
        shared = {s: c for s, c in per_place[0].items()
                  if all(p.get(s) == c for p in per_place) and not _in_lanes(c, column)}
        spans, left = clip(numbers, [self.extents[k] for k in loops], shared.values())
        varying = [{s: c for s, c in p.items() if s not in shared or c in left}
                   for p in per_place]
        zero = b.const(_zero(self.kind), self.kind)
        begin = Begin(tuple((n, zero) for n in range(len(places))))
        stores = [
            store for n, p in enumerate(places)
            for store in self.finish(p, b.cast(accumulator(n, self.kind), self.out.dtype))]
        return (begin, *self._nest(places, loops, sums, spans, varying, column), *stores)

    def _store(self, place: Index, total: Expr) -> Body:
        if self.chunks is not None:
            return (self.chunks.add(self.e, place, total),)
        return (Store(self.e.buffer(self.out, written=True), self.e.offset(self.out, place),
                      total, combine=None if self.slices is None else "add"),)

    def borders(self, place: Index, ranges: dict[Expr, Any]) -> set[int]:
        """The axes of the output on whose index it depends whether a term exists."""
        _, sums, _ = self._loops()
        found = self._conditions(place, sums, ranges | dict(zip(sums, self.extents)))
        return {a for a, i in enumerate(place) for c in found.values()
                if depends(c.index if isinstance(c, Bound) else c, i.attr)}

    def _loops(self) -> tuple[list[int], Index, list[int]]:
        """Loop numbers, all summed indices, and which of them have a loop."""
        loops = [k for k, x in enumerate(self.extents) if not (x.op == "const" and x.attr == 1)]
        if self.slices is not None:
            loops = [k for k in loops if k > 0]
        numbers = [self.e.loop() for _ in loops]
        index = dict(zip(loops, map(b.index, numbers)))
        if self.slices is not None:
            index[0] = b.index(self.slices) if self.chunks is None else self.chunks.slice_at(
                self.slices)
        return numbers, tuple(index.get(k, int64(0)) for k in range(len(self.extents))), loops

    # ---- conditions -------------------------------------------------------------------------

    def _conditions(
        self, place: Index, sums: Index, ranges: dict[Expr, Any]
    ) -> dict[Slot, Condition]:
        """What must hold for a term to exist, where that is not sure."""
        found: dict[Slot, Condition] = {}
        for k, index in enumerate(self._maps(place, sums)):
            for axis, (i, dim) in enumerate(zip(index, self.node.inputs[k].shape.sizes)):
                if not surely_inside(i, dim, ranges, self.e.size):
                    found[k, axis] = Bound(i, self.e.size(dim))
        if self.lowering.inside is not None:
            condition = simplified(self.lowering.inside(place, sums, self.ctx))
            if not (condition.op == "const" and condition.attr):
                found[2, 0] = condition
        return found

    def _maps(self, place: Index, sums: Index) -> tuple[Index, Index]:
        """Where the term of a place and a sum index lies in either operand."""
        left, right = (
            tuple(simplified(int64(i)) for i in source(place, sums, self.ctx))
            for source in (self.lowering.left, self.lowering.right))
        return left, right

    # ---- loops ------------------------------------------------------------------------------

    def _nest(
        self, places: Sequence[Index], loops: list[int], sums: Index, spans: list[Span],
        varying: list[dict[Slot, Condition]], column: int | None,
    ) -> Body:
        index = list(sums)
        for k, span in zip(loops, spans):
            index[k] = span.index
        body = self._innermost(places, index, spans, loops, varying, column)
        for span in reversed(spans[:-1]):
            body = (Loop(span.number, span.extent, body),)
        return body

    def _innermost(
        self, places: Sequence[Index], index: list[Expr], spans: list[Span], loops: list[int],
        varying: list[dict[Slot, Condition]], column: int | None,
    ) -> Body:
        """The innermost loop: where no term needs a check, and the rest."""
        if not spans:
            return (self._update(places, tuple(index), varying),)
        inner = spans[-1]
        unchecked: list[Collection[Slot]] = [()] * len(places)
        if not any(varying):
            last = self.out.shape.sizes[-1:]
            if len(places) == 1 and any(map(is_one, last)) and self.is_dot(places[0]):
                return (self._dot(places[0], tuple(index), inner),)
            return (Loop(inner.number, inner.extent,
                         (self._update(places, tuple(index), unchecked),)),)
        conditions = list(dict.fromkeys(c for p in varying for c in p.values()))
        cut = None
        if not any(_in_lanes(c, column) for c in conditions):
            cut = split(inner, spans[:-1], conditions, number := self.e.loop())
        if cut is None:
            return (Loop(inner.number, inner.extent,
                         (self._update(places, tuple(index), varying),)),)
        within, (rest, extent) = cut
        index[loops[-1]] = within.index
        fast = self._update(places, tuple(index), unchecked)
        index[loops[-1]] = rest
        return (Loop(within.number, within.extent, (fast,)),
                Loop(number, extent, (self._update(places, tuple(index), varying),)))

    def _update(
        self, places: Sequence[Index], sums: Index, checked: Sequence[Collection[Slot]]
    ) -> Update:
        """Adds one term to each sum, where the conditions `checked` hold."""
        updates = []
        for n, (place, slots) in enumerate(zip(places, checked)):
            x, y = self._factors(place, sums, slots)
            total = accumulator(n, self.kind)
            more = b.fma(x, y, total) if self.kind.is_floating else total + x * y
            inside = all_of(self._condition(slot, place, sums) for slot in slots)
            updates.append((n, more if inside is None else b.select(inside, more, total)))
        return Update(tuple(updates))

    def _condition(self, slot: Slot, place: Index, sums: Index) -> Condition:
        operand, axis = slot
        if operand == 2:
            assert self.lowering.inside is not None  # it gave the condition
            return simplified(self.lowering.inside(place, sums, self.ctx))
        index = self._maps(place, sums)[operand][axis]
        return Bound(index, self.e.size(self.node.inputs[operand].shape.sizes[axis]))

    def is_dot(self, place: Index) -> bool:
        """True if both operands lie along the innermost sum: a matrix times a vector.

        place: of an output whose last axis has one element.
        """
        numbers, sums, loops = self._loops()
        if not loops or self.kind.is_complex or (2, 0) in self._conditions(place, sums, {}):
            return False
        extent = self.extents[loops[-1]]
        if extent.op == "const" and extent.attr < DOT_EXTENT:
            return False
        for factor in self._factors(place, sums, []):
            while factor.op == "cast":
                (factor,) = factor.args
            if factor.op != "load" or stride(factor.args[0], numbers[-1]) != 1:
                return False
        return True

    def _dot(self, place: Index, sums: Index, inner: Span) -> Fold:
        """The innermost loop in lanes."""
        x, y = self._factors(place, sums, [])
        zero = b.const(_zero(self.kind), self.kind)
        left, right = accumulator(0, self.kind), accumulator(1, self.kind)
        return Fold(inner.number, inner.extent, (0,), (1,), (x * y,), (left + right,), (zero,),
                    lanes=True)

    def _factors(
        self, place: Index, sums: Index, checked: Collection[Slot]
    ) -> tuple[Expr, Expr]:
        """The two factors of a term, in the dtype of the sum; indices `checked` are clamped."""
        factors = []
        turned = (False, False)
        if self.kind.is_complex and self.lowering.conjugate is not None:
            turned = self.lowering.conjugate(self.ctx)
        for k, index in enumerate(self._maps(place, sums)):
            value = self.node.inputs[k]
            safe = tuple(
                b.max(b.min(i, self.e.size(dim) - 1), 0) if (k, axis) in checked else i
                for axis, (i, dim) in enumerate(zip(index, value.shape.sizes)))
            factor = b.cast(self.e.element(value, safe), self.kind)
            factors.append(b.conj(factor) if turned[k] else factor)
        return factors[0], factors[1]


def is_one(size: Dim) -> bool:
    return isinstance(size, int) and size == 1


def _zero(kind: DType) -> Any:
    return 0j if kind.is_complex else 0.0 if kind.is_floating else 0


def _in_lanes(condition: Condition, column: int | None) -> bool:
    expr = condition.index if isinstance(condition, Bound) else condition
    return column is not None and depends(expr, column)
