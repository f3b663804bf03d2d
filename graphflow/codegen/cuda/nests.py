"""Nests for GPUs: sums and products without the tiles, panels and vectors that CPUs want.

What threads do side by side, `plans` finds in the nests themselves. Sums of many terms to few
results are cut into chunks, whose results are then added in order: how, follows from the sizes
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isqrt, prod

from graphflow.codegen.borders import all_of
from graphflow.codegen.checks import Found, build_check
from graphflow.codegen.chunks import build_chunked
from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.nests import Body, build_reduce
from graphflow.codegen.summed_loops import Finish, Sums, is_one
from graphflow.dims import Dim, ceildiv, mul
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, Update, accumulator, load
from graphflow.lowering import Contraction, LoweringContext, Reduce
from graphflow.program import Node, Value

CHUNK = 1 << 13          # elements that a block adds
FEW_RESULTS = 256        # rows that leave a GPU idle, if there is a block for each
FEW_COLUMNS = 1 << 15    # columns that do, if there is a thread for each
COLUMN_ROWS = 128        # rows that a thread adds where their number is not known
SMALL_RESULT = 1 << 19   # elements of a product that leave a GPU idle
CHUNK_TERMS = 1 << 10    # of a product of few elements
MOST_CHUNKS = 64


def build_reduction(
    e: Elements, node: Node, lowering: Reduce, sizes: Sequence[Dim], reduced: Sequence[int],
) -> Body:
    """A reduction of input 0, whose merged axes have `sizes`, over the axes `reduced`."""
    ctx = Elements(lambda v: True).context(node)
    rows = _rows_of_a_chunk(sizes, reduced)
    if rows is None:
        return build_reduce(e, node, lowering, sizes, reduced, ctx)
    body = build_chunked(e, node, lowering, sizes, reduced, rows, ctx)
    return tuple(_reordered(s, lowering) for s in body)


def _reordered(statement: Statement, lowering: Reduce) -> Statement:
    """A sum of the chunks' results that the threads of a block may divide."""
    if isinstance(statement, Fold) and (len(statement.into) == 1 or lowering.any_order):
        return replace(statement, lanes=True)
    return statement


def _rows_of_a_chunk(sizes: Sequence[Dim], reduced: Sequence[int]) -> int | None:
    """How much of the first reduced axis is a chunk; None if there are to be none."""
    kept = [d for a, d in enumerate(sizes) if a not in reduced]
    if not reduced or any(isinstance(d, int) and d == 0 for d in sizes):
        return None
    results = prod(d for d in kept if isinstance(d, int))
    along = reduced[-1] == len(sizes) - 1
    if not all(isinstance(d, int) for d in kept) or results > (
            FEW_RESULTS if along else FEW_COLUMNS):
        return None
    inner = prod(d for a in reduced[1:] if isinstance(d := sizes[a], int))
    head = sizes[reduced[0]]
    if along:
        rows = max(1, CHUNK // inner)
    elif isinstance(head, int):
        rows = max(isqrt(head), 32 // inner, 1)
    else:
        rows = max(1, COLUMN_ROWS // inner)
    return None if isinstance(head, int) and head < 2 * rows else rows


def build_check_nest(
    e: Elements, node: Node, status: Value, found: Found | None = None
) -> Body:
    """Statements that set the status word if `node` meets a bad value; () if it cannot."""
    return build_check(e, node, status, found or _wherever)


def _wherever(
    e: Elements, bad: Expr, index: Sequence[Expr], sizes: Sequence[Dim], status: Value
) -> Body:
    """Sets the word at every bad value: that it is set several times makes no difference."""
    used = {n for n in walk(bad) if n.op == "index"}
    body: Body = (Store(e.buffer(status, written=True), int64(0), int64(1), bad),)
    for i, size in reversed([(i, d) for i, d in zip(index, sizes) if i in used]):
        body = (Loop(i.attr, e.size(size), body),)
    return body


# ---- products -----------------------------------------------------------------------------------


def build_product_nest(
    e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
    finish: Finish | None = None,
) -> Body:
    """The statements that compute a contraction's output, each element by itself.

    finish: gives what is stored for a sum at a place; None: the sum.
    """
    return _Nest(e, node, lowering, ctx, finish).body()


@dataclass(frozen=True, slots=True)
class _Chunks:
    """How the first summed loop is cut.

    Attributes:
      turns: of one chunk.
      count: how many chunks there are.
      loop: the number of the loop over them.
      sums: the memory of what they give.
    """

    turns: int
    count: Dim
    loop: int
    sums: Value


class _Nest:
    def __init__(
        self, e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
        finish: Finish | None,
    ) -> None:
        self.e, self.out = e, node.outputs[0]
        self.sums = Sums(e, node, lowering, ctx, finish)
        self.sums.slices = self.sums.chunks = None
        self.kind = self.sums.kind
        self.zero = b.const(
            0j if self.kind.is_complex else 0.0 if self.kind.is_floating else 0, self.kind)
        self.sizes: Sequence[Dim] = self.out.shape.sizes
        self.numbers, self.index, self.loops = self.sums._loops()
        self.chunks = self._cut(tuple(lowering.extents(ctx)))

    def body(self) -> Body:
        """The loops over the output around the sums."""
        place, around = self._places()
        if self.chunks is None:
            return around((*self._summed(place), *self._finished(place)))
        chunk = b.index(self.chunks.loop)
        store = Store(self.e.buffer(self.chunks.sums, written=True),
                      self._partial(chunk, place), accumulator(0, self.kind))
        first = around((*self._summed(place), store))
        count = self.e.size(self.chunks.count)
        other, around_other = self._places()
        number = self.e.loop()
        part = load(self.e.buffer(self.chunks.sums), self._partial(b.index(number), other),
                    self.kind)
        total = accumulator(0, self.kind) + accumulator(1, self.kind)
        fold = Fold(number, count, (0,), (1,), (part,), (total,), (self.zero,))
        return (Loop(self.chunks.loop, count, first), *around_other(
            (Begin(((0, self.zero),)), fold, *self._finished(other))))

    def _places(self) -> tuple[tuple[Expr, ...], _Around]:
        numbers = [self.e.loop() for _ in self.sizes]
        place = tuple(int64(0) if is_one(d) else b.index(n)
                      for n, d in zip(numbers, self.sizes))
        # Sizes that are known are numbers in the code: addresses are divided by them.
        loops = [(n, int64(d) if isinstance(d, int) else self.e.size(d))
                 for n, d in zip(numbers, self.sizes) if not is_one(d)]
        return place, _Around(loops)

    def _finished(self, place: tuple[Expr, ...]) -> Body:
        return self.sums.finish(place, b.cast(accumulator(0, self.kind), self.out.dtype))

    def _partial(self, chunk: Expr, place: tuple[Expr, ...]) -> Expr:
        """Where a chunk's sum of a place lies: in front of the result's axes is one of chunks."""
        total = chunk
        for i, d in zip(place, self.sizes):
            total = total * self.e.size(d) + i
        return total

    # ---- sums -------------------------------------------------------------------------------

    def _summed(self, place: tuple[Expr, ...]) -> Body:
        sums, extents = list(self.index), [self.sums.extents[k] for k in self.loops]
        if self.chunks is not None:
            start = b.index(self.chunks.loop) * self.chunks.turns
            sums[0] = start + sums[0]
            extents[0] = b.min(extents[0] - start, self.chunks.turns)
        ranges = dict(zip(place, self.sizes)) | dict(zip(self.index, self.sums.extents))
        plain = self.sums._conditions(place, tuple(self.index), ranges)
        slots = list(plain)
        total = accumulator(0, self.kind)
        x, y = self.sums._factors(place, tuple(sums), slots)
        more = b.fma(x, y, total) if self.kind.is_floating else total + x * y
        inside = all_of(self.sums._condition(s, place, tuple(sums)) for s in slots)
        value = more if inside is None else b.select(simplified(inside), more, total)
        body: Body = (Update(((0, value),)),)
        loops = list(zip(self.numbers, extents))
        if inside is None and self._is_dot(place):
            number, extent = loops.pop()
            both = total + accumulator(1, self.kind)
            body = (Fold(number, extent, (0,), (1,), (x * y,), (both,), (self.zero,), lanes=True),)
        for number, extent in reversed(loops):
            body = (Loop(number, extent, body),)
        return (Begin(((0, self.zero),)), *body)

    def _is_dot(self, place: tuple[Expr, ...]) -> bool:
        """True for a matrix times a vector: a block goes along each row."""
        return all(map(is_one, self.sizes[-1:])) and self.sums.is_dot(place)

    def _cut(self, extents: Sequence[object]) -> _Chunks | None:
        """The chunks of a sum of many terms, if the result is small."""
        if not self.loops or self.loops[0] != 0 or not self.kind.is_floating or not all(
                isinstance(d, int) for d in self.sizes):
            return None
        elements = prod(d for d in self.sizes if isinstance(d, int))
        head = self._dim()
        inner = prod(x.attr if x.op == "const" else 1
                     for x in (self.sums.extents[k] for k in self.loops[1:]))
        if not elements or elements > SMALL_RESULT or head is None or not inner:
            return None
        turns = max(1, CHUNK_TERMS // inner)
        if isinstance(head, int):
            turns = max(turns, -(-head // MOST_CHUNKS))
            if head < 2 * turns:
                return None
        count = ceildiv(head, turns)
        return _Chunks(turns, count, self.e.loop(), memory(self.kind, mul(count, elements)))

    def _dim(self) -> Dim | None:
        """The extent of the first summed loop, as a size of an operand."""
        extent = self.sums.extents[0]
        if extent.op == "const":
            return int(extent.attr)
        for value in self.sums.node.inputs[:2]:
            for d in value.shape.sizes:
                if not isinstance(d, int) and self.e.size(d) is extent:
                    return d
        return None


@dataclass(frozen=True, slots=True)
class _Around:
    """Loops around statements."""

    loops: list[tuple[int, Expr]]

    def __call__(self, body: Body) -> Body:
        for number, extent in reversed(self.loops):
            body = (Loop(number, extent, body),)
        return body
