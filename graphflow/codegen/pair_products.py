"""Products of bfloat16 matrices by instructions that add products of pairs of terms.

AMX multiplies tiles of 16 rows by 16 pairs of terms with tiles of 16 pairs by 16 columns; where a
processor has AVX-512 for bfloat16 only, one vector of pairs is multiplied at a time. Both want the
two terms of a pair side by side. So both operands are copied first, block by block: of the left
one, 32 rows of 32 terms; of the right one, 32 columns of 16 pairs. What is missing of a last block
of terms is zero. A block of the result is summed as a whole, and then finished as usual.

Sums are float32. The instructions take and give zero for numbers below the smallest normal one,
and do not say how the products of a pair are rounded. (Intel 64 and IA-32 Architectures Software
Developer's Manual, TDPBF16PS and VDPBF16PS.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from llvmlite import binding

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.matrices import Operand, Product
from graphflow.codegen.settings import current_settings
from graphflow.dims import Dim, ceildiv, mul
from graphflow.dtypes import bfloat16, float32
from graphflow.hardware import amx_allowed
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator, load
from graphflow.program import Value

BLOCK = 32            # rows, columns and terms of a block
PAIRS = BLOCK // 2
ROWS = {"amx": 32, "avx512": 8}  # of what is summed at a time
LEAST_ROWS = 16       # fewer do not pay for the copies
LEAST_TERMS = 16
GROUP_BYTES = 1 << 19  # of the right operand: what stays in the second cache
PART_BLOCKS = 16, 8      # of terms that are summed at once; else in parts of so many

Body = tuple[Statement, ...]
Index = tuple[Expr, ...]
Finish = Callable[[Index, Expr], Body]  # place, sum → stores


def fits_pairs(product: Product) -> bool:
    """True if a product is to be computed by pairs of terms."""
    columns, terms, rows = product.columns, product.terms, product.rows
    return (
        bool(current_settings().pairs) and not product.exchanged
        and product.left.value.dtype is product.right.value.dtype is bfloat16
        and isinstance(columns, int) and columns > 0
        and isinstance(terms, int) and terms >= LEAST_TERMS
        and not (isinstance(rows, int) and rows < LEAST_ROWS))


def build_pair_product(e: Elements, product: Product, finish: Finish | None) -> Body:
    """The statements of a product that fits; `finish` as for `build_contraction`.

    They are for LEAST_ROWS rows and more: with fewer, none of the loops has a turn.
    """
    return _Builder(e, product, finish).body()


@cache
def instructions() -> str:
    """What this machine multiplies pairs by: `amx`, `avx512`, or nothing."""
    features = binding.get_host_cpu_features()
    if not features.get("avx512bf16"):
        return ""
    return "amx" if features.get("amx-bf16") and amx_allowed() else "avx512"


def rows_at_once() -> tuple[int, ...]:
    """The rows of blocks for which this machine has instructions."""
    found = instructions()
    return tuple(ROWS.values()) if found == "amx" else (ROWS["avx512"],) if found else ()


def many_rows(e: Elements, product: Product) -> Expr:
    """1 if there are so many rows that pairs pay, else 0."""
    rows = product.rows
    if isinstance(rows, int):
        return int64(1)
    return b.min(b.floordiv(e.size(rows), LEAST_ROWS), 1)


@dataclass(frozen=True, slots=True)
class _Packed:
    """The copy of an operand.

    Attributes:
      operand: what is copied.
      value: the memory.
    """

    operand: Operand
    value: Value


class _Builder:
    def __init__(self, e: Elements, product: Product, finish: Finish | None) -> None:
        self.e, self.product = e, product
        self.given = finish or self._store
        batch = product.out.shape.sizes[:-2]
        self.batch = [(e.loop(), size) for size in batch]
        self.index = tuple(b.index(number) for number, _ in self.batch)
        assert isinstance(product.columns, int) and isinstance(product.terms, int)
        self.columns, self.terms = product.columns, product.terms
        rows = product.rows
        self.rows = int64(rows) if isinstance(rows, int) else e.size(rows) * many_rows(e, product)
        self.term_blocks = -(-self.terms // BLOCK)
        whole = self.term_blocks * BLOCK
        self.left = self._memory(mul(ceildiv(rows, BLOCK), BLOCK * whole), product.left)
        self.right = self._memory(-(-self.columns // BLOCK) * BLOCK * whole, product.right)
        self.tall = ROWS[current_settings().pairs]
        most, part = PART_BLOCKS
        self.parts = 1 if self.term_blocks <= most else -(-self.term_blocks // part)
        count = -(-self.columns // BLOCK)
        most = max(1, GROUP_BYTES // (2 * BLOCK * BLOCK * self.term_blocks))
        self.group = -(-count // -(-count // most))
        self.stage = memory(
            float32, self.tall * BLOCK * (self.group if self.parts > 1 else 1))
        e.private.add(self.stage)

    def _memory(self, size: Dim, operand: Operand) -> _Packed:
        made = memory(bfloat16, size)
        if self.batch:  # each member copies the matrices that it multiplies
            self.e.private.add(made)
        return _Packed(operand, made)

    def _store(self, place: Index, total: Expr) -> Body:
        out = self.product.out
        return (Store(self.e.buffer(out, written=True), self.e.offset(out, place), total),)

    def body(self) -> Body:
        body: Body = (*self._copy_left(), *self._copy_right(), *self._blocks())
        for number, size in reversed(self.batch):
            body = (Loop(number, self.e.size(size), body),)
        return body

    # ---- copies -----------------------------------------------------------------------------

    def _element(self, operand: Operand, own: Expr, term: Expr, left: bool) -> Expr:
        """The element of a row of the left operand or a column of the right one, and a term."""
        last = (term, own) if operand.turned == left else (own, term)
        index = (*(int64(0) if a is None else self.index[a] for a in operand.batch), *last)
        offset: Expr = int64(0)
        for i, size in zip(index, operand.value.shape.sizes):
            extent = int64(size) if isinstance(size, int) else self.e.size(size)
            offset = simplified(offset * extent + i)
        return load(self.e.buffer(operand.value), offset, bfloat16)

    def _copy_left(self) -> Body:
        """Block by block of rows: those that are whole, and the last one."""
        operand, e = self.left.operand, self.e
        block = e.loop()
        rest = simplified(self.rows - b.floordiv(self.rows, BLOCK) * BLOCK)
        count = simplified(b.floordiv(self.rows, BLOCK))
        whole = self._left_block(b.index(block), int64(BLOCK), operand)
        made: Body = (Loop(block, count, whole),)
        if not (rest.op == "const" and rest.attr == 0):
            last = b.min(rest, 1)
            made += (Loop(e.loop(), last, self._left_block(count, rest, operand)),)
        return made

    def _left_block(self, block: Expr, rows: Expr, operand: Operand) -> Body:
        """Some rows of a block: whole blocks of terms, the last ones, zeros."""
        e, whole, rest = self.e, self.terms // BLOCK, self.terms % BLOCK
        row, part = e.loop(), e.loop()
        base = block * (BLOCK * self.term_blocks * BLOCK)

        def store(part: Expr, row: Expr, place: Expr, value: Expr) -> Store:
            at = simplified(base + part * (BLOCK * BLOCK) + row * BLOCK + place)
            return Store(e.buffer(self.left.value, written=True), at, value)

        def copied(part: Expr, count: int) -> Body:
            if operand.turned:
                return self._by_pairs(count, lambda place: store(
                    part, b.index(row), place, self._element(
                        operand, simplified(block * BLOCK + b.index(row)),
                        simplified(part * BLOCK + place), True)))
            place = e.loop()
            return (Loop(place, int64(count), (store(
                part, b.index(row), b.index(place), self._element(
                    operand, simplified(block * BLOCK + b.index(row)),
                    simplified(part * BLOCK + b.index(place)), True)),), lanes=1),)

        made: Body = ()
        if whole:
            inner = Loop(row, rows, copied(b.index(part), BLOCK))
            made += (Loop(part, int64(whole), self._undivided(inner)),)
        if rest:
            row, place = e.loop(), e.loop()
            zero = Loop(place, int64(BLOCK - rest), (store(
                int64(whole), b.index(row), simplified(b.index(place) + rest), _zero()),), lanes=1)
            made += (Loop(row, rows, (*copied(int64(whole), rest), zero)),)
        return made

    def _by_pairs(self, count: int, store: Callable[[Expr], Store]) -> Body:
        """`count` terms, pair by pair, and the last one if it has no partner."""
        pair, one = self.e.loop(), self.e.loop()
        made: Body = ()
        if count > 1:
            made += (Loop(pair, int64(count // 2), (Loop(one, int64(2), (store(
                simplified(b.index(pair) * 2 + b.index(one))),)),)),)
        return (*made, store(int64(count - 1))) if count % 2 else made

    def _copy_right(self) -> Body:
        """Block by block of terms, each for all columns: lines are read to their end."""
        e = self.e
        whole, rest = divmod(self.terms, BLOCK)
        part = e.loop()
        body: Body = ()
        if whole:
            body += (Loop(part, int64(whole), self._all_columns(
                lambda block, columns: self._pairs(
                    block, columns, b.index(part) * PAIRS, PAIRS))),)
        if rest:
            body += self._all_columns(
                lambda block, columns: self._last_pairs(block, columns, whole * PAIRS, rest))
        many = many_rows(e, self.product)
        return body if many.op == "const" else (Loop(e.loop(), many, body),)

    def _all_columns(self, copied: Callable[[Expr, int], Body]) -> Body:
        """The blocks of columns that are whole, and the last one."""
        block, last = self.e.loop(), self.e.loop()
        whole, rest = divmod(self.columns, BLOCK)
        body: Body = ()
        if whole:
            body += (Loop(block, int64(whole), copied(b.index(block), BLOCK)),)
        if rest:
            body += (Loop(last, int64(1), copied(int64(whole), rest)),)
        return body

    def _put_right(
        self, block: Expr, pair: Expr, column: Expr, one: Expr, value: Expr | None = None
    ) -> Store:
        """Copies an element of a pair; or puts a value in its place."""
        at = simplified(block * (self.term_blocks * BLOCK * BLOCK) + pair * (2 * BLOCK)
                        + column * 2 + one)
        if value is None:
            value = self._element(self.right.operand, simplified(block * BLOCK + column),
                                  simplified(pair * 2 + one), False)
        return Store(self.e.buffer(self.right.value, written=True), at, value)

    def _pairs(self, block: Expr, columns: int, first: Expr, count: int) -> Body:
        """`count` pairs of terms of some columns of a block."""
        pair, column, one = (self.e.loop() for _ in range(3))
        put = self._put_right(block, simplified(first + b.index(pair)), b.index(column),
                              b.index(one))
        loops = [(one, 2), (column, columns), (pair, count)]
        if self.right.operand.turned:  # pairs lie side by side
            loops[1:] = loops[:0:-1]
        body: Body = (put,)
        for number, extent in loops:
            body = (Loop(number, int64(extent), body),)
        return (Loop(self.e.loop(), int64(1), body),)

    def _last_pairs(self, block: Expr, columns: int, first: int, terms: int) -> Body:
        """The last pairs of some columns, a term without partner, zeros in place of others."""
        e = self.e
        pairs, odd = divmod(terms, 2)
        made = self._pairs(block, columns, int64(first), pairs) if pairs else ()
        if odd:
            column = e.loop()
            last, at = int64(first + pairs), b.index(column)
            made += (Loop(column, int64(columns), (
                self._put_right(block, last, at, int64(0)),
                self._put_right(block, last, at, int64(1), _zero()))),)
        missing = PAIRS - pairs - odd
        if missing:
            place = e.loop()
            put = self._put_right(block, int64(first + pairs + odd), int64(0), b.index(place),
                                  _zero())
            made += (Loop(place, int64(missing * 2 * BLOCK), (put,), lanes=1),)
        return made

    def _undivided(self, statement: Statement) -> Body:
        """A loop that is done as a whole, also where few loops around it can be divided."""
        return (Loop(self.e.loop(), int64(1), (statement,)),)

    # ---- blocks of the result ---------------------------------------------------------------

    def _blocks(self) -> Body:
        """Group of columns by group, each of which all rows are multiplied by.

        Where the rows of a block have more terms than the first cache holds, they are multiplied
        part by part, by all columns of the group, and the sums added up.
        """
        group, tall, block = (self.e.loop() for _ in range(3))
        column = simplified(b.index(group) * self.group + b.index(block))
        finished = self._finished(b.index(tall), column, b.index(block))
        count = -(-self.columns // BLOCK)
        turns = int64(self.group) if count % self.group == 0 else b.min(
            int64(count) - b.index(group) * self.group, self.group)
        if self.parts == 1:
            sums = self._sums(b.index(tall), column, b.index(block), int64(0))
            body: Body = (Loop(block, turns, (sums, finished)),)
        else:
            body = (*self._in_parts(b.index(tall), b.index(group) * self.group, turns),
                    Loop(block, turns, (finished,)))
        rows = simplified(b.floordiv(self.rows + (self.tall - 1), self.tall))
        return (Loop(group, int64(-(-count // self.group)), (Loop(tall, rows, body),)),)

    def _in_parts(self, tall: Expr, column: Expr, turns: Expr) -> Body:
        e = self.e
        lane, part, block = (e.loop() for _ in range(3))
        clear = Loop(lane, simplified(turns * (self.tall * BLOCK)), (Store(
            e.buffer(self.stage, written=True), b.index(lane), b.const(0.0, float32)),), lanes=1)
        sums = self._sums(tall, simplified(column + b.index(block)), b.index(block),
                          b.index(part))
        return (clear, Loop(part, int64(self.parts), (Loop(block, turns, (sums,)),)))

    def _sums(self, tall: Expr, column: Expr, block: Expr, part: Expr) -> Statement:
        """The sums of some rows and 32 columns; of all terms, or what a part of them adds."""
        e, out = self.e, self.e.loop()
        lane, blocks, pair, one = (e.loop() for _ in range(4))
        row, each = b.index(out), BLOCK * BLOCK
        size = -(-self.term_blocks // self.parts)
        at = simplified(part * size + b.index(blocks))
        # Rows lie in blocks of 32: `tall` divides that.
        parts = BLOCK // self.tall
        first = simplified(b.floordiv(tall, parts) * (self.term_blocks * each)
                           + b.mod(tall, parts) * (self.tall * BLOCK))
        left = load(e.buffer(self.left.value), simplified(
            first + at * each + row * BLOCK + b.index(pair) * 2 + b.index(one)), bfloat16)
        right = load(e.buffer(self.right.value), simplified(
            column * (self.term_blocks * each) + at * each + b.index(pair) * (2 * BLOCK)
            + b.index(lane) * 2 + b.index(one)), bfloat16)
        added = b.fma(b.cast(left, float32), b.cast(right, float32), accumulator(0, float32))
        body: Body = (Update(((0, added),)),)
        count = int64(size) if self.term_blocks % size == 0 else b.min(
            int64(self.term_blocks) - part * size, size)
        for number, extent in ((one, int64(2)), (pair, int64(PAIRS)), (blocks, count)):
            body = (Loop(number, extent, body),)
        stage = Store(e.buffer(self.stage, written=True), self._staged(block, row, b.index(lane)),
                      accumulator(0, float32), combine=None if self.parts == 1 else "add")
        return Loop(out, int64(self.tall), (Loop(lane, int64(BLOCK), (
            Begin(((0, b.const(0.0, float32)),)), *body, stage), lanes=2),))

    def _staged(self, block: Expr, row: Expr, lane: Expr) -> Expr:
        """Where a sum of a block of the group lies."""
        first = block * (self.tall * BLOCK) if self.parts > 1 else int64(0)
        return simplified(first + row * BLOCK + lane)

    def _finished(self, tall: Expr, column: Expr, block: Expr) -> Statement:
        """Rounds and stores the sums, as far as there are such rows and columns."""
        e = self.e
        row, lane = e.loop(), e.loop()
        total = load(e.buffer(self.stage), self._staged(block, b.index(row), b.index(lane)),
                     float32)
        place = (*self.index, simplified(tall * self.tall + b.index(row)),
                 simplified(column * BLOCK + b.index(lane)))
        rows = simplified(b.min(self.rows - tall * self.tall, self.tall))
        columns = int64(BLOCK) if self.columns % BLOCK == 0 else b.min(
            self.columns - column * BLOCK, BLOCK)
        stores = self.given(place, b.cast(total, self.product.out.dtype))
        return Loop(row, rows, (Loop(lane, columns, stores, lanes=1),))


def _zero() -> Expr:
    return b.const(0.0, bfloat16)
