"""Products of matrices: tiles of rows and vectors of columns, summed in registers.

A tile of some rows and some vectors of columns (`tiles`) goes along the terms; each element that
is loaded is used several times. The rows are the outer loop: a tile's rows of the left operand
stay in the level-one cache for all columns, and the right operand in the level-two cache for all
rows. Where it is too large for that, or lies the other way round, its columns are copied panel by
panel (`panels`). Sums of few rows by a matrix that lies along the terms run in lanes along them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.matrices import Operand, Product
from graphflow.codegen.panels import Panels, panels_of
from graphflow.codegen.term_steps import STEP, StepPanels, goes_in_steps, step_panels
from graphflow.codegen.tiles import (
    Cut,
    Tiling,
    chunk_of_terms,
    cuts,
    lies_along,
    sums_along,
)
from graphflow.dims import Dim, ceildiv, mul
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, Update, accumulator, load

ONE_BY_ONE = 4   # fewer rows than that are multiplied one by one, where their number is not known
REST = (2, 1)    # rows of the tiles after the whole ones, where it is not known how many there are
STAGED_VECTORS = 4
# Terms of a tile that takes long enough to ask for the next one's rows, which find room beside its
# own in the level-one cache.
FETCHED_TERMS = range(64, 257)
DOT_TILE = 4     # rows of a tile whose sums run along the terms
DOT_COLUMNS = {1: 8, 2: 4, 3: 4, 4: 4}

Body = tuple[Statement, ...]
Index = tuple[Expr, ...]
Finish = Callable[[Index, Expr], Body]  # place, sum → stores
Factor = Callable[[Expr, Expr], Expr]   # row or column, term → element
Soon = tuple[tuple[int, Expr], ...]     # buffers and offsets
Ahead = Callable[[list[Expr], Expr], Soon]  # rows of a tile, term → what is read later


def build_product_of(e: Elements, product: Product, finish: Finish | None = None) -> Body:
    """The statements that compute a product; `finish` as for `build_contraction`."""
    return _Builder(e, product, finish).body()


def build_few_rows(
    e: Elements, product: Product, finish: Finish | None, there: Expr
) -> Body:
    """The same for few rows, one by one, if `there` is 1; if it is 0, no loop has a turn."""
    return _Builder(e, product, finish).few_rows(there)


class _Builder:
    def __init__(self, e: Elements, product: Product, finish: Finish | None) -> None:
        self.e, self.product = e, product
        self.given: Finish = finish or self._store
        self.finish: Finish = self._rounded
        self.batch = product.out.shape.sizes[:-2]
        self.rows, self.columns = self._size(product.rows), self._size(product.columns)
        self.terms, self.first_term = self._size(product.terms), int64(0)
        self.loops = [e.loop() for _ in self.batch]
        self.index = tuple(map(b.index, self.loops))
        self.tiling = Tiling.of(product)
        self.so_far: Factor | None = None  # row, column → what is added to
        self.ahead: Ahead | None = None    # what tiles ask for

    def _size(self, size: Dim) -> Expr:
        return int64(size) if isinstance(size, int) else self.e.size(size)

    def _rounded(self, place: Index, total: Expr) -> Body:
        return self.given(place, b.cast(total, self.product.out.dtype))

    def _store(self, place: Index, total: Expr) -> Body:
        out = self.product.out
        return (Store(self.e.buffer(out, written=True), self.e.offset(out, place), total),)

    def body(self) -> Body:
        terms = None if panels_of(self.product) else chunk_of_terms(self.product)
        if terms is not None:
            body = self._in_chunks(terms)
        elif self.product.exchanged and not _is_one(self.rows):
            body = self._staged()
        else:
            body = self._matrix()
        return self._over_batch(body)

    def few_rows(self, there: Expr) -> Body:
        """All rows, one by one."""
        return self._over_batch(self._few(simplified(self.rows * there)))

    def _over_batch(self, body: Body) -> Body:
        for number, size in zip(reversed(self.loops), reversed(self.batch)):
            body = (Loop(number, self.e.size(size), body),)
        return body

    def _matrix(self) -> Body:
        """The product of two matrices.

        A copy of the right operand pays for many rows only. Where it is not known how many there
        are, there is code for few of them, too: one of both has loops without turns.
        """
        panels = panels_of(self.product)
        if panels is None:
            return self._dots(self.rows) if sums_along(self.product) else self._all_rows(
                self._right, int64(0), self.columns, self.rows)
        if self.rows.op == "const":
            return self._in_panels(panels, int64(1))
        many = b.min(b.floordiv(self.rows, ONE_BY_ONE), 1)
        return (*self._few(self.rows * (1 - many)), *self._in_panels(panels, many))

    def _few(self, rows: Expr) -> Body:
        if lies_along(self.product):
            return self._dots(rows, (1,))
        return self._all_rows(self._right, int64(0), self.columns, rows, (1,))

    # ---- factors ----------------------------------------------------------------------------

    def _left(self, row: Expr, term: Expr) -> Expr:
        operand, term = self.product.left, simplified(self.first_term + term)
        return self._element(operand, (term, row) if operand.turned else (row, term))

    def _right(self, column: Expr, term: Expr) -> Expr:
        operand, term = self.product.right, simplified(self.first_term + term)
        return self._element(operand, (column, term) if operand.turned else (term, column))

    def _element(self, operand: Operand, last: Index) -> Expr:
        """An element, in the dtype of the sums. Sizes that are known are constants."""
        batch = tuple(int64(0) if a is None else self.index[a] for a in operand.batch)
        value, index = operand.value, (*batch, *last)
        if value.node.opdef.name == "Const":
            return b.cast(self.e.element(value, index), self.product.kind)
        offset: Expr = int64(0)
        for i, size in zip(index, value.shape.sizes):
            offset = simplified(offset * self._size(size) + i)
        return b.cast(load(self.e.buffer(value), offset, value.dtype), self.product.kind)

    # ---- tiles ------------------------------------------------------------------------------

    def _in_panels(self, panels: Panels, many: Expr) -> Body:
        """The columns panel by panel, each of which is copied before all rows are multiplied.

        many: 1, or 0 if there are few rows.
        """
        def right(column: Expr, term: Expr) -> Expr:
            return b.cast(panels.element(self.e, term, column), self.product.kind)

        def panel(start: Expr, count: int) -> Body:
            return (panels.copy(self.e, start, count),
                    *self._all_rows(right, start, int64(count), self.rows))

        return self._by_columns(panels.width, panel, many)

    def _by_columns(
        self, width: int, part: Callable[[Expr, int], Body], many: Expr | int = 1
    ) -> Body:
        """All columns, whose number is known, so many at a time; `part(start, count)`."""
        body: Body = ()
        last = self.columns.attr
        whole = last // width
        for first, count, turns in ((0, width, whole), (whole * width, last % width, 1)):
            if count and turns:
                number = self.e.loop()
                start = simplified(int64(first) + b.index(number) * width)
                body += (Loop(number, simplified(int64(turns) * many), part(start, count)),)
        return body

    def _staged(self) -> Body:
        """A result that is computed transposed: some columns at a time, which are then turned."""
        e, kind = self.e, self.product.kind
        width = STAGED_VECTORS * self.product.lanes
        stage = memory(kind, mul(self.product.rows, width))
        e.private.add(stage)

        def keep(place: Index, total: Expr) -> Body:
            column, row = place
            return (Store(e.buffer(stage, written=True), row * width + column, total),)

        def part(start: Expr, count: int) -> Body:
            def right(column: Expr, term: Expr) -> Expr:
                return self._right(simplified(start + column), term)

            self.finish = keep
            sums = self._all_rows(right, int64(0), int64(count), self.rows)
            self.finish = self._rounded
            row, column = e.loop(), e.loop()
            total = load(e.buffer(stage), b.index(row) * width + b.index(column), kind)
            place = simplified(start + b.index(column)), b.index(row)
            return (*sums, Loop(row, self.rows, (
                Loop(column, int64(count), self.finish(place, total)),), lanes=1))

        return self._by_columns(width, part)

    def _all_rows(
        self, right: Factor, start: Expr, columns: Expr, rows: Expr,
        sizes: tuple[int, ...] | None = None,
    ) -> Body:
        """All rows of some columns, which `right` counts from `start` on."""
        body: Body = ()
        tall, wide = self.tiling.best(rows.attr if rows.op == "const" else None)
        if sizes is None:
            sizes = (tall, *((tall,) if rows.op == "const" else REST))
        for cut in cuts(rows, sizes):
            vectors = wide if cut.rows == tall else self.tiling.beside(cut.rows)
            body += self._repeated(cut, partial(
                self._strips, vectors=vectors, right=right, start=start, columns=columns))
        return body

    def _repeated(self, cut: Cut, tile: Callable[[list[Expr]], Body]) -> Body:
        """The tiles of a cut, each of which gets its rows."""
        number = self.e.loop()
        first = cut.first if _is_one(cut.count) else cut.row(b.index(number))
        body = tile([simplified(first + r) for r in range(cut.rows)])
        return body if _is_one(cut.count) else (Loop(number, cut.count, body),)

    def _strips(
        self, rows: list[Expr], vectors: int, right: Factor, start: Expr, columns: Expr
    ) -> Body:
        """Some rows of all columns."""
        if _is_one(columns):
            return self._tile(rows, int64(0), start, right)
        number = self.e.loop()
        column = b.index(number)
        return (Loop(number, columns, self._tile(
            rows, column, simplified(start + column), right), lanes=vectors),)

    def _tile(self, rows: list[Expr], column: Expr, place: Expr, right: Factor) -> Body:
        """The sums of some rows and one column, or the columns in the lanes."""
        kind, number = self.product.kind, self.e.loop()
        term = b.index(number)
        left = [self._left(row, term) for row in rows]
        y = right(column, term)
        updates = []
        for n, x in enumerate(left):
            total = accumulator(n, kind)
            updates.append((n, b.fma(x, y, total) if kind.is_floating else total + x * y))
        loop = Loop(number, self.terms, (Update(tuple(updates), self._soon(rows, term)),))
        places = [(row, place) for row in rows]
        return (self._begin(places), loop, *self._finished(places))

    def _soon(self, rows: list[Expr], term: Expr) -> Soon:
        """What is asked for while a tile is summed: it is read by the tiles after it.

        Where the rows of a left operand lie one behind the other, the terms of a tile walk over
        those of the next one.
        """
        if self.ahead is not None:
            return self.ahead(rows, term)
        if self.terms.op != "const" or self.terms.attr not in FETCHED_TERMS:
            return ()
        if self.product.left.turned or self.terms != self._size(self.product.terms):
            return ()
        element = self._left(simplified(rows[0] + len(rows)), simplified(term * len(rows)))
        while element.op == "cast":
            (element,) = element.args
        return ((element.attr, element.args[0]),) if element.op == "load" else ()

    def _begin(self, places: Sequence[tuple[Expr, Expr]]) -> Begin:
        return Begin(tuple((n, self.so_far(*place) if self.so_far else self._zero())
                           for n, place in enumerate(places)))

    def _zero(self) -> Expr:
        kind = self.product.kind
        return b.const(0.0 if kind.is_floating else 0, kind)

    def _finished(self, places: Sequence[tuple[Expr, Expr]]) -> Body:
        """Stores the sums of places."""
        stores: Body = ()
        for n, place in enumerate(places):
            if self.product.exchanged:
                place = place[::-1]
            stores += self.finish((*self.index, *place), accumulator(n, self.product.kind))
        return stores

    # ---- chunks of terms --------------------------------------------------------------------

    def _in_chunks(self, most: int) -> Body:
        """Sums of at most so many terms each, into memory of their own; then these sums in order.

        What a chunk is depends on the shapes alone, never on the number of threads.
        """
        e, kind, terms = self.e, self.product.kind, self.product.terms
        count, size = ceildiv(terms, most), most
        if isinstance(terms, int):
            size = -(-terms // -(-terms // most))
        results = self.product.rows, self.product.columns
        sums = memory(kind, mul(count, mul(*results)))
        number = e.loop()
        chunk = b.index(number)

        def at(chunk: Expr, row: Expr, column: Expr) -> Expr:
            return simplified((chunk * self.rows + row) * self.columns + column)

        def keep(place: Index, total: Expr) -> Body:
            row, column = place[::-1] if self.product.exchanged else place
            return (Store(e.buffer(sums, written=True), at(chunk, row, column), total),)

        self.first_term = simplified(chunk * size)
        self.finish = keep
        whole = isinstance(terms, int) and terms % size == 0
        self.terms = int64(size) if whole else b.min(self.terms - self.first_term, size)
        if goes_in_steps(self.product):
            steps = self._in_steps(lambda row, column: load(
                e.buffer(sums), at(chunk, row, column), kind))
        else:
            steps = self._matrix()
        parts = Loop(number, e.size(count), steps)
        row, column, part = e.loop(), e.loop(), e.loop()
        place = b.index(row), b.index(column)
        more, so_far = accumulator(1, kind), accumulator(0, kind)
        fold = Fold(part, e.size(count), (0,), (1,), (load(
            e.buffer(sums), at(b.index(part), *place), kind),), (so_far + more,), (self._zero(),))
        self.finish = self._rounded
        loops = [(row, self.rows), (column, self.columns)]
        if self.product.exchanged:  # lanes run along the last axis of the result
            loops.reverse()
        body: Body = (self._begin([place]), fold, *self._finished([place]))
        for lanes, (number, extent) in enumerate(reversed(loops)):
            body = (Loop(number, extent, body, lanes=1 - lanes),)
        return (parts, *body)

    def _in_steps(self, so_far: Factor) -> Body:
        """The sums of a chunk, for all of which some terms are added before the next ones.

        What a tile reads of the right operand stays in the level-one cache for all rows, and what
        it reads of the left one is in the level-two cache when its step begins.
        """
        e, number, of_chunk, first = self.e, self.e.loop(), self.terms, self.first_term
        step = b.index(number)
        count = simplified(b.floordiv(of_chunk + (STEP - 1), STEP))
        even = of_chunk.op == "const" and of_chunk.attr % STEP == 0
        self.terms = int64(STEP) if even else b.min(of_chunk - step * STEP, STEP)
        self.first_term = simplified(first + step * STEP)
        self.so_far = lambda row, column: b.select(
            b.eq(step, 0), self._zero(), so_far(row, column))
        panels = step_panels(self.product)

        def part(start: Expr, columns: int) -> Body:
            self.ahead = partial(self._next_step, panels, start)
            copy = panels.copy(e, self._right, self.terms, start, columns)
            return (copy, *self._all_rows(
                lambda column, term: b.cast(panels.element(e, term, column), self.product.kind),
                start, int64(columns), self.rows))

        body = self._by_columns(panels.width, part)
        self.terms, self.first_term, self.so_far, self.ahead = of_chunk, first, None, None
        return (Loop(number, count, body),)

    def _next_step(
        self, panels: StepPanels, start: Expr, rows: list[Expr], term: Expr
    ) -> Soon:
        """The left operand's terms of the next step, and the right one's next panel."""
        parts = ceildiv(self.columns.attr, panels.width)
        pace = max(1, len(rows) // parts)
        done = b.floordiv((b.floordiv(start, panels.width) * self.rows + rows[0])
                          * (STEP * pace), len(rows)) + term * pace
        left = self._left(int64(0), int64(STEP))
        last = b.ge(start + panels.width, self.columns)
        tile = b.floordiv(rows[0], len(rows))
        column = b.select(last, int64(0), start + panels.width) + b.bit_and(
            tile, panels.width // self.product.lanes - 1) * self.product.lanes
        right = self._right(column, b.select(last, int64(STEP), int64(0)) + term)
        return tuple((x.attr, simplified(x.args[0] + more)) for x, more in (
            (left, done), (right, int64(0))) if x.op == "load")

    # ---- sums along both operands -----------------------------------------------------------

    def _dots(self, rows: Expr, sizes: tuple[int, ...] | None = None) -> Body:
        """Tiles of rows and columns whose sums run in lanes along the terms."""
        body: Body = ()
        if sizes is None:
            sizes = (DOT_TILE, DOT_TILE) if rows.op == "const" else (DOT_TILE, 1)
        for cut in cuts(rows, sizes):
            wide = 1 if _is_one(self.columns) else DOT_COLUMNS[cut.rows]
            across = cuts(self.columns, (wide, wide if self.columns.op == "const" else 1))
            for columns in across:
                body += self._repeated(cut, partial(self._dots_beside, columns=columns))
        return body

    def _dots_beside(self, rows: list[Expr], columns: Cut) -> Body:
        return self._repeated(columns, partial(self._dot_tile, rows))

    def _dot_tile(self, rows: list[Expr], columns: list[Expr]) -> Body:
        number, kind = self.e.loop(), self.product.kind
        term = b.index(number)
        places = [(row, column) for row in rows for column in columns]
        count = len(places)
        terms = tuple(self._left(row, term) * self._right(column, term)
                      for row, column in places)
        sums = tuple(accumulator(n, kind) + accumulator(count + n, kind) for n in range(count))
        fold = Fold(number, self.terms, tuple(range(count)),
                    tuple(range(count, 2 * count)), terms, sums, (self._zero(),) * count,
                    lanes=True)
        return (self._begin(places), fold, *self._finished(places))


def _is_one(size: Expr) -> bool:
    return size.op == "const" and size.attr == 1
