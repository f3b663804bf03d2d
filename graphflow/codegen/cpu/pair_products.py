"""Sums of products of pairs, and the copies that bring pairs together, by their instructions.

What `codegen/pair_products.py` writes as plain loops is recognised by its form: which operands
there are, and how far they move with each loop. So the loops say what is computed, and nobody else
needs to know of tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I32, I64, prefetch
from graphflow.codegen.cpu.transposes import transposed
from graphflow.codegen.cpu.turns import ZERO, emit_turns
from graphflow.codegen.cpu.values import Values
from graphflow.codegen.pair_products import BLOCK, PAIRS, ROWS
from graphflow.dtypes import bfloat16, float32
from graphflow.dtypes import int64 as int64_dtype
from graphflow.loop_ir.affine import slope, stride
from graphflow.loop_ir.expr import Expr, build, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Kernel, Loop, Statement, Store, Update

Strides = tuple[int | None, ...]

I16, VOID = ir.IntType(16), ir.VoidType()
LINE = ir.VectorType(I16, BLOCK)
WORDS = ir.VectorType(I32, PAIRS)
SUMS = ir.VectorType(ir.FloatType(), PAIRS)
ROW_BYTES = 64  # of a tile


# ---- which loops these are ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PairProduct:
    """A block of sums.

    Attributes:
      left, right: what is loaded; store: of the sums, which may be added to others.
      blocks: the loop over blocks of terms.
      inner: the numbers of all loops inside, of rows first.
      rows: of the block.
    """

    left: Expr
    right: Expr
    store: Store
    blocks: Loop
    inner: tuple[int, ...]
    rows: int


def find_pair_product(loop: Loop) -> PairProduct | None:
    """The block of sums that a loop is, if it is one."""
    rows = _extent(loop)
    lane = _only_loop(loop.body)
    if rows is None or rows not in ROWS.values() or lane is None or _extent(lane) != BLOCK:
        return None
    if not lane.lanes or len(lane.body) != 3:
        return None
    begin, blocks, store = lane.body
    if not (isinstance(begin, Begin) and isinstance(blocks, Loop) and isinstance(store, Store)):
        return None
    pair = _only_loop(blocks.body)
    one = _only_loop(pair.body) if pair is not None else None
    if pair is None or one is None or (_extent(pair), _extent(one)) != (PAIRS, 2):
        return None
    operands = _factors(one.body)
    if operands is None or store.combine not in (None, "add") or store.where is not None:
        return None
    left, right = operands
    inner = (loop.number, lane.number, blocks.number, pair.number, one.number)
    each = BLOCK * BLOCK
    moves = ((left.args[0], (BLOCK, 0, each, 2, 1)), (right.args[0], (0, 2, each, 2 * BLOCK, 1)),
             (store.offset, (BLOCK, 1, 0, 0, 0)))
    if any(_strides(offset, inner) != wanted for offset, wanted in moves):
        return None
    return PairProduct(left, right, store, blocks, inner, rows)


def _factors(body: Sequence[Statement]) -> tuple[Expr, Expr] | None:
    """The two elements whose product an update adds to its accumulator."""
    if len(body) != 1 or not isinstance(body[0], Update) or len(body[0].accumulators) != 1:
        return None
    (_, added), = body[0].accumulators
    if added.op != "fma" or added.args[2].op != "accumulator" or added.dtype is not float32:
        return None
    casts = added.args[:2]
    if not all(c.op == "cast" and c.args[0].op == "load" and c.args[0].dtype is bfloat16
               for c in casts):
        return None
    return casts[0].args[0], casts[1].args[0]


@dataclass(frozen=True, slots=True)
class PairCopy:
    """A copy that brings the elements of pairs together.

    Attributes:
      load, store: of one element.
      numbers: of the loops.
      counts: their extents.
      kind: `interleave` two lines; `turn` pairs that lie along columns; both of them.
      away: from one line of the source to the next.
    """

    load: Expr
    store: Store
    numbers: tuple[int, ...]
    counts: Strides
    kind: str
    away: Expr


def find_pair_copy(loop: Loop) -> PairCopy | None:
    """The copy that a loop is, if it is one of these."""
    loops = [loop]
    while (inner := _only_loop(loops[-1].body)) is not None:
        loops.append(inner)
    counts = tuple(map(_extent, loops))
    if len(loops) not in (2, 3) or counts[-1] != 2 or len(loops[-1].body) != 1 or any(
            x.lanes for x in loops):
        return None
    (store,) = loops[-1].body
    if not isinstance(store, Store) or store.combine is not None or store.where is not None or (
            store.value.op != "load" or store.value.dtype is not bfloat16):
        return None
    numbers = tuple(x.number for x in loops)
    offset = store.value.args[0]
    kind = _kind_of_copy(counts, _strides(store.offset, numbers), _strides(offset, numbers))
    if kind is None or (kind == "both" and not _goes_on(offset, numbers)):
        return None
    away = slope(offset, numbers[0 if kind == "turn" else -1])
    return None if away is None else PairCopy(
        store.value, store, numbers, counts, kind, away)


def _goes_on(offset: Expr, numbers: Sequence[int]) -> bool:
    """True if two lines make a pair, and the next pair comes after these."""
    pair, one = (slope(offset, n) for n in numbers[1:])
    return pair is not None and one is not None and (
        simplified(pair) is simplified(one * 2) or simplified(pair) is simplified(2 * one))


def _kind_of_copy(counts: Strides, to: Strides, source: Strides) -> str | None:
    """What a copy does, by the extents of its loops and how far each moves target and source."""
    columns = counts[0]
    if len(counts) == 2 and columns is not None and columns <= BLOCK:
        return "interleave" if to == (2, 1) and source[0] == 1 else None
    if counts != (BLOCK, PAIRS, 2):
        return None
    if to == (2, 2 * BLOCK, 1) and source[1:] == (2, 1):
        return "turn"
    return "both" if to == (BLOCK, 2, 1) and source[0] == 1 else None


def _only_loop(body: Sequence[Statement]) -> Loop | None:
    return body[0] if len(body) == 1 and isinstance(body[0], Loop) else None


def _extent(loop: Loop) -> int | None:
    return loop.extent.attr if loop.extent.op == "const" else None


def _strides(offset: Expr, numbers: Sequence[int]) -> Strides:
    return tuple(stride(offset, n) for n in numbers)


def has_tiles(kernel: Kernel) -> bool:
    """True if a kernel sums blocks by tiles, which must be set up before."""
    pending = list(kernel.body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, Loop):
            found = find_pair_product(statement)
            if found is not None and found.rows == ROWS["amx"]:
                return True
            pending.extend(statement.body)
    return False


# ---- tiles --------------------------------------------------------------------------------------


def begin_tiles(b: ir.IRBuilder) -> None:
    """Sets up eight tiles of 16 rows of 64 bytes."""
    words = [1, *[0] * 15, *[ROW_BYTES, 0] * 8, *[0] * 16, *[16] * 8, *[0] * 8]
    kind = ir.ArrayType(I8, len(words))
    setting = ir.GlobalVariable(b.module, kind, "tile_setting")
    setting.linkage, setting.global_constant, setting.align = "internal", True, ROW_BYTES
    setting.initializer = ir.Constant(kind, [ir.Constant(I8, w) for w in words])
    _call(b, "ldtilecfg", b.bitcast(setting, I8.as_pointer()))


def end_tiles(b: ir.IRBuilder) -> None:
    """Gives the tiles back: while they are in use, a thread takes longer to be exchanged."""
    _call(b, "tilerelease")


def _call(b: ir.IRBuilder, name: str, *operands: Any) -> None:
    """An intrinsic of tiles; numbers of tiles are constants of 8 bits."""
    operands = tuple(ir.Constant(I8, o) if isinstance(o, int) else o for o in operands)
    full = f"llvm.x86.{name}"
    function = b.module.globals.get(full) or ir.Function(
        b.module, ir.FunctionType(VOID, [o.type for o in operands]), full)
    b.call(function, operands)


def emit_pair_product(values: Values, product: PairProduct) -> None:
    """The sums of a block."""
    start = dict.fromkeys(product.inner, 0)
    left = _pointer(values, product.left.attr, product.left.args[0], start)
    right = _pointer(values, product.right.attr, product.right.args[0], start)
    target = _pointer(values, product.store.buffer, product.store.offset, start)
    extent = values.value(product.blocks.extent)
    if product.rows == ROWS["amx"]:
        _tiles(values, product, (left, right, target), extent)
    else:
        _vectors(values, product, (left, right, target), extent)
    values.local = {}


def _tiles(
    values: Values, product: PairProduct, pointers: tuple[Any, Any, Any], extent: Any
) -> None:
    """Four tiles of sums, by two of each operand."""
    b = values.builder
    left, right, target = pointers
    row = ir.Constant(I64, ROW_BYTES)
    wide = ir.Constant(I64, 2 * ROW_BYTES)
    places = [_bytes(b, target, tile // 2 * 16 * BLOCK + tile % 2 * 16) for tile in range(4)]
    for tile, place in enumerate(places):
        if product.store.combine is None:
            _call(b, "tilezero", tile)
        else:
            _call(b, "tileloadd64", tile, place, wide)

    def turn(index: Any) -> None:
        away = b.mul(index, ir.Constant(I64, BLOCK * BLOCK))
        x, y = b.gep(left, [away]), b.gep(right, [away])
        for line in range(BLOCK):  # of the next block, which comes from the second cache
            prefetch(b, b.gep(y, [ir.Constant(I64, (BLOCK + line) * BLOCK)]))
        for half in range(2):
            _call(b, "tileloadd64", 4 + half, _bytes(b, x, half * 16 * BLOCK), row)
            _call(b, "tileloadd64", 6 + half, _bytes(b, y, half * BLOCK), wide)
        for rows in range(2):
            for columns in range(2):
                _call(b, "tdpbf16ps", 2 * rows + columns, 4 + rows, 6 + columns)

    emit_turns(values, product.blocks.number, ZERO, extent, 1, (), turn)
    for tile, place in enumerate(places):
        _call(b, "tilestored64", tile, place, wide)


def _vectors(
    values: Values, product: PairProduct, pointers: tuple[Any, Any, Any], extent: Any
) -> None:
    """Some rows of two vectors of sums, pair by pair."""
    b = values.builder
    left, right, target = pointers
    numbers = range(-1, -1 - 2 * product.rows, -1)  # of accumulators, which nobody else has
    places = [b.bitcast(b.gep(target, [ir.Constant(I64, k * PAIRS)]), SUMS.as_pointer())
              for k in range(len(numbers))]
    for n, place in zip(numbers, places):
        values.accumulators[n] = ir.Constant(SUMS, None) if product.store.combine is None else (
            b.load(place, align=4))

    def turn(index: Any) -> None:
        x = b.bitcast(b.gep(left, [b.mul(index, ir.Constant(I64, 2))]), I32.as_pointer())
        y = b.bitcast(b.gep(right, [b.mul(index, ir.Constant(I64, 2 * BLOCK))]),
                      WORDS.as_pointer())
        columns = [b.load(b.gep(y, [ir.Constant(I64, k)]), align=4) for k in range(2)]
        for row in range(product.rows):
            pair = b.load(b.gep(x, [ir.Constant(I64, row * PAIRS)]), align=4)
            spread = _spread(b, pair)
            for k in range(2):
                n = numbers[2 * row + k]
                values.accumulators[n] = _dot(b, values.accumulators[n], spread, columns[k])

    def block(index: Any) -> None:
        nonlocal left, right
        outer = left, right
        away = b.mul(index, ir.Constant(I64, BLOCK * BLOCK))
        left, right = (b.gep(p, [away]) for p in outer)
        emit_turns(values, product.inner[3], ZERO, ir.Constant(I64, PAIRS), 1, list(numbers), turn)
        left, right = outer

    emit_turns(values, product.blocks.number, ZERO, extent, 1, list(numbers), block)
    for n, place in zip(numbers, places):
        b.store(values.accumulators.pop(n), place, align=4)


def _dot(b: ir.IRBuilder, total: Any, x: Any, y: Any) -> Any:
    """total + the sums of the products of pairs."""
    kind, full = _BFloats(), "llvm.x86.avx512bf16.dpbf16ps.512"
    function = b.module.globals.get(full) or ir.Function(
        b.module, ir.FunctionType(SUMS, [SUMS, kind, kind]), full)
    return b.call(function, [total, b.bitcast(x, kind), b.bitcast(y, kind)])


class _BFloats(ir.VectorType):  # type: ignore[misc]  # llvmlite has no annotations
    """<32 x bfloat>, which llvmlite has no name for."""

    def __init__(self) -> None:
        super().__init__(I16, BLOCK)

    def _to_string(self) -> str:
        return f"<{BLOCK} x bfloat>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloats)

    def __hash__(self) -> int:
        return hash(_BFloats)


# ---- copies -------------------------------------------------------------------------------------


def emit_pair_copy(values: Values, copy: PairCopy) -> None:
    """All turns of the loops, by vectors."""
    b = values.builder
    start = dict.fromkeys(copy.numbers, 0)
    source = _pointer(values, copy.load.attr, copy.load.args[0], start)
    target = _pointer(values, copy.store.buffer, copy.store.offset, start)
    away = values.value(copy.away)
    if copy.kind == "interleave":
        columns = copy.counts[0] or 0
        mask = [k < columns for k in range(BLOCK)]
        lines = [_line(b, source, b.mul(away, ir.Constant(I64, k)), mask) for k in range(2)]
        for half, words in enumerate(_interleaved(b, *lines)):
            _put(b, words, target, half * BLOCK, mask[half * PAIRS:half * PAIRS + PAIRS])
    elif copy.kind == "turn":
        for half in range(2):
            lines = [_words(b, _line(b, source, b.mul(away, ir.Constant(I64, half * PAIRS + k))))
                     for k in range(PAIRS)]
            for pair, words in enumerate(transposed(b, lines)):
                _put(b, words, target, pair * 2 * BLOCK + half * BLOCK)
    else:
        lines = [_line(b, source, b.mul(away, ir.Constant(I64, k))) for k in range(BLOCK)]
        pairs = [_interleaved(b, x, y) for x, y in zip(lines[::2], lines[1::2])]
        for half in range(2):
            rows = transposed(b, [p[half] for p in pairs])
            for row, words in enumerate(rows):
                _put(b, words, target, (half * PAIRS + row) * BLOCK)
    values.local = {}


def _line(b: ir.IRBuilder, source: Any, away: Any, mask: Sequence[bool] | None = None) -> Any:
    """32 neighbours; those that the mask leaves out are zero."""
    pointer = b.bitcast(b.gep(source, [away]), LINE.as_pointer())
    if mask is None or all(mask):
        return b.load(pointer, align=2)
    bits = ir.VectorType(ir.IntType(1), BLOCK)
    name = f"llvm.masked.load.v{BLOCK}i16.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(LINE, [pointer.type, I32, bits, LINE]), name)
    return b.call(function, [pointer, ir.Constant(I32, 2), ir.Constant(bits, list(map(int, mask))),
                             ir.Constant(LINE, None)])


def _interleaved(b: ir.IRBuilder, x: Any, y: Any) -> list[Any]:
    """The pairs of two lines: those of the first 16 places, and of the others."""
    made = []
    for half in range(2):
        order = [half * PAIRS + k // 2 + k % 2 * BLOCK for k in range(BLOCK)]
        made.append(_words(b, b.shuffle_vector(
            x, y, ir.Constant(ir.VectorType(I32, BLOCK), order))))
    return made


def _words(b: ir.IRBuilder, line: Any) -> Any:
    return b.bitcast(line, WORDS)


def _put(
    b: ir.IRBuilder, words: Any, target: Any, place: int, mask: Sequence[bool] | None = None
) -> None:
    """Stores 16 pairs, those that the mask leaves."""
    pointer = b.bitcast(b.gep(target, [ir.Constant(I64, place)]), WORDS.as_pointer())
    if mask is None or all(mask):
        b.store(words, pointer, align=2)
        return
    bits = ir.VectorType(ir.IntType(1), PAIRS)
    name = f"llvm.masked.store.v{PAIRS}i32.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(VOID, [WORDS, pointer.type, I32, bits]), name)
    b.call(function, [words, pointer, ir.Constant(I32, 2),
                      ir.Constant(bits, list(map(int, mask)))])


# ---- addresses ----------------------------------------------------------------------------------


def _pointer(values: Values, buffer: int, offset: Expr, start: Mapping[int, int]) -> Any:
    """Where an element lies when these loops begin."""
    first = _with_indices(offset, start)
    return values.builder.gep(values.buffers[buffer], [values.value(first, base=True)])


def _with_indices(expr: Expr, indices: Mapping[int, int]) -> Expr:
    """The expression with numbers for some indices."""
    made: dict[Expr, Expr] = {}
    for node in walk(expr):
        if node.op == "index" and node.attr in indices:
            made[node] = build("const", dtype=int64_dtype, attr=indices[node.attr])
        else:
            args = tuple(made[a] for a in node.args)
            made[node] = node if args == node.args else Expr(node.op, args, node.dtype, node.attr)
    return made[expr]


def _bytes(b: ir.IRBuilder, pointer: Any, elements: int) -> Any:
    return b.bitcast(b.gep(pointer, [ir.Constant(I64, elements)]), I8.as_pointer())


def _spread(b: ir.IRBuilder, word: Any) -> Any:
    one = b.insert_element(ir.Constant(WORDS, ir.Undefined), word, ir.Constant(I32, 0))
    return b.shuffle_vector(one, ir.Constant(WORDS, ir.Undefined),
                            ir.Constant(WORDS, [0] * PAIRS))
