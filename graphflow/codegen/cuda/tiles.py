"""Products in tiles: which kernels are sums of products, and how their loops are tiled.

The form is that of `cuda/nests.py`: independent loops around a sum over nested loops of
`fma(x, y, sum)`, under conditions, and stores of what is made of the sum. A loop that moves x
alone belongs to the rows of a matrix, one that moves y alone to its columns; those that move both
are batches. So matrix products, convolutions and their gradients are one form: x and y need only
be computed for a row or column and a term of the sum, wherever they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Begin, Kernel, Loop, Statement, Store, Update

Body = tuple[Statement, ...]

THREADS_ALONG = 16  # a block has 16 × 16 threads
FEW = 16            # rows or columns below which tiles would be mostly empty
SMALLEST_SUM = 8    # terms
WIDE = 4            # elements of a thread that lie side by side
PAD = 4             # elements between lines of shared memory, against conflicts of its banks


@dataclass(frozen=True, slots=True)
class TileSize:
    """How much a block computes.

    Attributes:
      each: rows and columns of a thread.
      depth: terms of the sum that lie in shared memory at a time.
    """

    each: int
    depth: int

    @property
    def side(self) -> int:
        """Rows and columns of a block."""
        return self.each * THREADS_ALONG


LARGE, SMALL = TileSize(8, 8), TileSize(4, 16)


def padded_side(size: TileSize) -> int:
    """Elements from one line of shared memory to the next."""
    return size.side + PAD


def tile_words(size: TileSize) -> int:
    """Elements of one half of one factor's shared memory."""
    return size.depth * padded_side(size)


def shared_words(size: TileSize) -> int:
    """Elements of all shared memory of a block."""
    return 4 * tile_words(size)


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of the terms.

    Attributes:
      value: it.
      inside: what must hold for a term to count, as far as it depends on this factor's loops.
    """

    value: Expr
    inside: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A sum of products.

    Attributes:
      batches, rows, columns: numbers of the independent loops.
      sums: the summed loops, the outer ones first.
      left, right: the factors; left moves with rows, right with columns.
      number: of the accumulator that is summed.
      zero: what it starts with.
      stores: what is done with the sum.
    """

    batches: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    sums: tuple[tuple[int, Expr], ...]
    left: Factor
    right: Factor
    number: int
    zero: Expr
    stores: tuple[Store, ...]


def product_of(kernel: Kernel, grid: Sequence[tuple[int, Expr]], body: Body) -> Product | None:
    """The sum of products that a nest computes; None if it is of another form.

    grid: (number, extent) of the independent loops; body: what is inside of them.
    """
    if len(body) < 3 or not isinstance(body[0], Begin) or len(body[0].accumulators) != 1:
        return None
    ((number, zero),) = body[0].accumulators
    stores = tuple(s for s in body[2:] if isinstance(s, Store) and s.combine is None)
    if len(stores) != len(body) - 2 or any(p.private for p in kernel.buffers) or (
            zero.op != "const" or zero.attr != 0):
        return None
    sums, update = _sums(body[1:2])
    if update is None or [n for n, _ in update.accumulators] != [number]:
        return None
    return _sorted(grid, sums, update.accumulators[0][1], number, zero, stores)


def _sums(body: Body) -> tuple[tuple[tuple[int, Expr], ...], Update | None]:
    """The nested loops around one update."""
    loops: list[tuple[int, Expr]] = []
    while len(body) == 1 and isinstance(body[0], Loop):
        loops.append((body[0].number, body[0].extent))
        body = body[0].body
    update = body[0] if loops and len(body) == 1 and isinstance(body[0], Update) else None
    return tuple(loops), update


def _sorted(
    grid: Sequence[tuple[int, Expr]], sums: tuple[tuple[int, Expr], ...], value: Expr,
    number: int, zero: Expr, stores: tuple[Store, ...],
) -> Product | None:
    """Says which loop moves what."""
    terms = _terms(value, number)
    if terms is None:
        return None
    x, y, conditions = terms
    numbers = {n for n, _ in grid}
    of_x, of_y = _indices([x]) & numbers, _indices([y]) & numbers
    for _ in range(2):  # a condition may make a loop move a factor
        for condition in conditions:
            moved = _indices([condition]) & numbers
            if not moved <= of_x and not moved <= of_y:
                if moved & of_x and moved & of_y:
                    return None
                of_x, of_y = (of_x | moved, of_y) if moved & of_x else (of_x, of_y | moved)
    both = of_x & of_y
    rows = tuple(n for n, _ in grid if n not in of_y)
    columns = tuple(n for n, _ in grid if n in of_y and n not in both)
    if not rows or not columns or any(_indices([e]) & (numbers - both) for _, e in sums):
        return None
    inside: tuple[list[Expr], list[Expr]] = ([], [])
    for condition in conditions:
        moved = _indices([condition]) & numbers
        if moved <= of_x:
            inside[0].append(condition)
        elif moved <= of_y:
            inside[1].append(condition)
        else:
            return None
    return Product(tuple(n for n, _ in grid if n in both), rows, columns, sums,
                   Factor(x, tuple(inside[0])), Factor(y, tuple(inside[1])), number, zero, stores)


def _terms(value: Expr, number: int) -> tuple[Expr, Expr, list[Expr]] | None:
    """x, y and conditions of `select(conditions, sum + x · y, sum)`."""
    conditions: list[Expr] = []
    if value.op == "select" and _is_sum(value.args[2], number):
        conditions, value = _conjuncts(value.args[0]), value.args[1]
    if value.op == "fma" and _is_sum(value.args[2], number):
        x, y = value.args[:2]
    elif value.op == "add" and _is_sum(value.args[0], number) and value.args[1].op == "mul":
        x, y = value.args[1].args
    else:
        return None
    if any(n.op in ("accumulator", "rarely") for n in walk(x, y, *conditions)):
        return None
    return x, y, conditions


def _is_sum(expr: Expr, number: int) -> bool:
    return expr.op == "accumulator" and expr.attr == number


def _conjuncts(condition: Expr) -> list[Expr]:
    if condition.op == "logical_and":
        return [c for a in condition.args for c in _conjuncts(a)]
    return [condition]


def _indices(exprs: Iterable[Expr]) -> set[int]:
    return {n.attr for n in walk(*exprs) if n.op == "index"}


def known_blocks(
    grid: Sequence[tuple[int, Expr]], product: Product, size: TileSize
) -> int | None:
    """How many blocks of tiles there are, if all sizes are known."""
    extents = dict(grid)
    if any(e.op != "const" for e in extents.values()):
        return None
    rows, columns, batches = (prod(extents[n].attr for n in numbers) for numbers in (
        product.rows, product.columns, product.batches))
    return -(-rows // size.side) * -(-columns // size.side) * batches


def is_large_enough(grid: Sequence[tuple[int, Expr]], product: Product) -> bool:
    """False if tiles would be mostly empty, as far as sizes are known."""
    extents = dict(grid)

    def most(numbers: Iterable[int]) -> float:
        total = 1.0
        for n in numbers:
            extent = extents[n]
            total *= extent.attr if extent.op == "const" else float("inf")
        return total

    terms = 1.0
    for _, extent in product.sums:
        terms *= extent.attr if extent.op == "const" else float("inf")
    return most(product.rows) >= FEW and most(product.columns) >= FEW and terms >= SMALLEST_SUM
