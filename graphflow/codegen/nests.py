"""From op declarations to kernels: one builder per lowering kind.

Each `build_…` gets the `Elements` of the kernel and the node, and gives the statements of loop IR
that compute the node's outputs into their buffers. Inputs that are not stored are computed in
place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.codegen.elements import Elements, int64
from graphflow.dims import Dim, same
from graphflow.dtypes import float32
from graphflow.dtypes import int64 as int64_dtype
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import bounds
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
)
from graphflow.lowering import (
    Contraction,
    Join,
    LoweringContext,
    Reduce,
    Scatter,
    Sizes,
    Window,
)
from graphflow.program import Node, Value

Body = tuple[Statement, ...]
MIN_TILE, MAX_TILE = 8, 14


def over(
    e: Elements, sizes: Sequence[Dim], inner: Callable[[tuple[Expr, ...]], Body],
    lanes: bool = True,
) -> Body:
    """Nested loops around `inner(index)`; the innermost one in lanes."""
    numbers = [e.loop() for _ in sizes]
    body = inner(tuple(b.index(n) for n in numbers))
    for position, (number, size) in enumerate(zip(reversed(numbers), reversed(list(sizes)))):
        body = (Loop(number, e.size(size), body, lanes=lanes and position == 0),)
    return body


def build_map(e: Elements, outputs: Sequence[Value], sizes: Sequence[Dim]) -> Body:
    """Stores elementwise outputs of one index space."""
    def inner(index: tuple[Expr, ...]) -> Body:
        return tuple(
            Store(e.buffer(v, written=True), e.offset(v, index), e.computed(v, index))
            for v in outputs)

    return over(e, sizes, inner)


# ---- reductions ---------------------------------------------------------------------------------


def build_reduce(
    e: Elements, node: Node, lowering: Reduce, sizes: Sequence[Dim], reduced: Sequence[int],
    ctx: LoweringContext,
) -> Body:
    """A reduction of input 0 over the merged axes `reduced`."""
    kept = [a for a in range(len(sizes)) if a not in reduced]
    index: dict[int, Expr] = {}
    along = bool(reduced) and reduced[-1] == len(sizes) - 1

    def inner(kept_index: tuple[Expr, ...]) -> Body:
        index.update(zip(kept, kept_index))
        place = linear(e, kept_index, [sizes[a] for a in kept])
        return fold_axes(e, node, lowering, sizes, list(reduced), index, ctx, along,
                         [place] * len(node.outputs))

    return over(e, [sizes[a] for a in kept], inner, lanes=not along)


def linear(e: Elements, index: Sequence[Expr], sizes: Sequence[Dim]) -> Expr:
    """The row-major position of an index."""
    total: Expr | None = None
    for i, d in zip(index, sizes):
        total = i if total is None else total * e.size(d) + i
    return int64(0) if total is None else total


def fold_axes(
    e: Elements, node: Node, lowering: Reduce, sizes: Sequence[Dim], reduced: list[int],
    index: dict[int, Expr], ctx: LoweringContext, along: bool, places: Sequence[Expr],
) -> Body:
    """Folds input 0 over the merged axes `reduced` at one index of the kept ones; stores."""
    x = node.inputs[0]
    numbers = {a: e.loop() for a in reduced}
    index = dict(index) | {a: b.index(n) for a, n in numbers.items()}
    position = linear(e, [index[a] for a in reduced], [sizes[a] for a in reduced])
    element = e.element(x, tuple(index[a] for a in range(len(sizes))))
    init = lowering.init(b, ctx)
    lifted = lowering.lift(b, element, position, ctx)
    count = len(lifted)
    into, right = tuple(range(count)), tuple(range(count, 2 * count))
    left_accs = tuple(accumulator(n, x_.dtype) for n, x_ in zip(into, lifted))
    right_accs = tuple(accumulator(n, x_.dtype) for n, x_ in zip(right, lifted))
    merged = lowering.combine(b, left_accs, right_accs)
    body: Body
    if reduced:
        last = reduced[-1]
        body = (Fold(numbers[last], e.size(sizes[last]), into, right, tuple(lifted),
                     tuple(merged), tuple(init), lanes=along and count == 1),)
        for a in reversed(reduced[:-1]):
            body = (Loop(numbers[a], e.size(sizes[a]), body),)
    else:
        body = (Update(tuple(zip(into, _replaced(merged, right_accs, lifted)))),)
    total = int64(1)
    for a in reduced:
        total = total * e.size(sizes[a])
    outputs = lowering.finish(b, left_accs, total, ctx)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    stores = tuple(Store(e.buffer(v, written=True), place, made)
                   for v, place, made in zip(node.outputs, places, outputs))
    return (Begin(tuple(zip(into, init))), *body, *stores)


def _replaced(
    exprs: Sequence[Expr], leaves: Sequence[Expr], values: Sequence[Expr]
) -> list[Expr]:
    """Expressions with leaves replaced."""
    from graphflow.loop_ir.expr import walk

    table = dict(zip(leaves, values))
    out = []
    for expr in exprs:
        for node in walk(expr):
            if node not in table:
                args = tuple(table[a] for a in node.args)
                table[node] = node if args == node.args else Expr(
                    node.op, args, node.dtype, node.attr)
        out.append(table[expr])
    return out


# ---- windows and contractions -------------------------------------------------------------------


def build_window(e: Elements, node: Node, lowering: Window, ctx: LoweringContext) -> Body:
    """Pooling: a reduction over a window that may leave the input."""
    x = node.inputs[0]
    extents = tuple(lowering.extents(ctx))
    init = lowering.init(b, ctx)
    count = len(init)

    def inner(index: tuple[Expr, ...]) -> Body:
        numbers = [e.loop() for _ in extents]
        window = tuple(b.index(n) for n in numbers)
        source = tuple(lowering.source(index, window, ctx))
        inside = e.inside(source, e.shape(x))
        element = e.element(x, e.clamped(x, source))
        position = int64(0)
        for i, n in zip(window, extents):
            position = position * int64(n) + i
        lifted = lowering.lift(b, element, position, ctx)
        accs = tuple(accumulator(n, v.dtype) for n, v in enumerate(lifted))
        merged = lowering.combine(b, accs, lifted)
        counted = accumulator(count, int64_dtype)
        updates = [(n, b.select(inside, m, a) if inside is not None else m)
                   for n, (m, a) in enumerate(zip(merged, accs))]
        one = b.cast(inside, int64_dtype) if inside is not None else int64(1)
        body: Body = (Update((*updates, (count, counted + one))),)
        for number, extent in zip(reversed(numbers), reversed(extents)):
            body = (Loop(number, int64(extent), body),)
        outputs = lowering.finish(b, accs, counted, ctx)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        begin = Begin((*enumerate(init), (count, int64(0))))
        return (begin, *body, *(Store(e.buffer(v, written=True), e.offset(v, index), made)
                                for v, made in zip(node.outputs, outputs)))

    return over(e, node.outputs[0].shape.sizes, inner)


def build_contraction(
    e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext
) -> Body:
    """Sums of products, several rows of the last but one axis at a time."""
    out = node.outputs[0]
    sizes = out.shape.sizes
    if len(sizes) < 2:
        return over(e, sizes, lambda index: _products(e, node, lowering, ctx, [index], {}))
    outer = [e.loop() for _ in sizes[:-2]]
    lead = tuple(b.index(n) for n in outer)
    body: Body = ()
    done: Expr = int64(0)
    for tile in tiles_of(sizes[-2]):
        number = e.loop()
        count = b.floordiv(e.size(sizes[-2]) - done, tile)
        first = done + b.index(number) * tile
        rows = [first + t if t else first for t in range(tile)]
        body += (Loop(number, count, _row_tile(e, node, lowering, ctx, lead, rows)),)
        done = done + count * tile
    for number, size in zip(reversed(outer), reversed(sizes[:-2])):
        body = (Loop(number, e.size(size), body),)
    return body


def tiles_of(rows: Dim) -> tuple[int, ...]:
    """How many rows to sum at a time, then for what is left, and so on.

    As many accumulators as hide the latency of a multiply-add and still fit the registers; a
    known number of rows is cut into equal tiles where that leaves nothing over.
    """
    if isinstance(rows, int):
        if rows <= MAX_TILE:
            return (max(rows, 1),)
        for tile in range(MAX_TILE, MIN_TILE - 1, -1):
            if rows % tile == 0:
                return (tile,)
    return (MIN_TILE, 2, 1)


def _row_tile(
    e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
    lead: tuple[Expr, ...], rows: list[Expr],
) -> Body:
    sizes = node.outputs[0].shape.sizes
    column = e.loop()
    known = {i: sizes[k] for k, i in enumerate(lead)}
    known |= dict.fromkeys(rows, sizes[-2]) | {b.index(column): sizes[-1]}
    places = [(*lead, row, b.index(column)) for row in rows]
    return (Loop(column, e.size(sizes[-1]),
                 _products(e, node, lowering, ctx, places, known), lanes=True),)


def _products(
    e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
    places: Sequence[tuple[Expr, ...]], known: dict[Expr, Dim],
) -> Body:
    """One accumulator per place, summed over the contraction's extents, then stored."""
    out = node.outputs[0]
    extents = tuple(lowering.extents(ctx))
    numbers = [e.loop() for _ in extents]
    sums = tuple(b.index(n) for n in numbers)
    ranges: dict[Expr, Any] = dict(known) | dict(zip(sums, extents))
    kind = float32 if out.dtype.name in ("float16", "bfloat16") else out.dtype
    updates = []
    for n, place in enumerate(places):
        left = _operand(e, node.inputs[0], lowering.left(place, sums, ctx), ranges)
        right = _operand(e, node.inputs[1], lowering.right(place, sums, ctx), ranges)
        condition = _both(left[1], right[1])
        if lowering.inside is not None:
            condition = _both(condition, lowering.inside(place, sums, ctx))
        x, y = b.cast(left[0], kind), b.cast(right[0], kind)
        if condition is not None:
            x = b.select(condition, x, b.const(0.0 if kind.is_floating else 0, kind))
        total = accumulator(n, kind)
        updates.append((n, b.fma(x, y, total) if kind.is_floating else total + x * y))
    zero = b.const(0.0 if kind.is_floating else 0, kind)
    body: Body = (Update(tuple(updates)),)
    for number, extent in zip(reversed(numbers), reversed(extents)):
        body = (Loop(number, int64(extent), body),)
    stores = tuple(
        Store(e.buffer(out, written=True), e.offset(out, place),
              b.cast(accumulator(n, kind), out.dtype))
        for n, place in enumerate(places))
    return (Begin(tuple((n, zero) for n in range(len(places)))), *body, *stores)


def _both(a: Expr | None, c: Expr | None) -> Expr | None:
    if a is None or c is None:
        return c if a is None else a
    return b.logical_and(a, c)


def _operand(
    e: Elements, value: Value, index: Sequence[Any], ranges: dict[Expr, Any]
) -> tuple[Expr, Expr | None]:
    """The element and the condition under which it exists (None: always).

    ranges: index expressions → how many values they run over, from 0.
    """
    checked, safe = None, []
    for i, dim in zip(index, value.shape.sizes):
        i = int64(i)
        if _surely_inside(e, i, dim, ranges):
            safe.append(i)
            continue
        size = e.size(dim)
        checked = _both(checked, b.logical_and(b.ge(i, 0), b.lt(i, size)))
        safe.append(b.max(b.min(i, size - 1), 0))
    return e.element(value, tuple(safe)), checked


def _surely_inside(e: Elements, index: Expr, dim: Dim, ranges: dict[Expr, Any]) -> bool:
    if index in ranges and _same_size(e, ranges[index], dim):
        return True
    known = {i: (0, int(n) - 1) for i, n in ranges.items() if isinstance(n, int)}
    found = bounds(index, known)
    if found is None or found[0] < 0:
        return False
    return found[1] < dim if isinstance(dim, int) else found == (0, 0)


def _same_size(e: Elements, extent: Any, dim: Dim) -> bool:
    return extent is e.size(dim) if isinstance(extent, Expr) else bool(same(extent, dim))


# ---- joins, scatters, sizes ---------------------------------------------------------------------


def build_join(e: Elements, node: Node, lowering: Join, ctx: LoweringContext) -> Body:
    """Each input is copied to its window."""
    out = node.outputs[0]
    body: list[Statement] = []
    for k, x in enumerate(node.inputs):
        place = lowering.place(k, tuple(b.index(0) for _ in x.shape.sizes), ctx)
        if place is None:
            continue

        def inner(index: tuple[Expr, ...], k: int = k, x: Value = x) -> Body:
            target = tuple(int64(i) for i in lowering.place(k, index, ctx))
            return (Store(e.buffer(out, written=True), e.offset(out, target),
                          e.element(x, index)),)

        body.extend(over(e, x.shape.sizes, inner, lanes=False))
    return tuple(body)


def build_scatter(e: Elements, node: Node, lowering: Scatter, ctx: LoweringContext) -> Body:
    """The start values, then the updates one after the other."""
    out = node.outputs[0]
    updates = node.inputs[lowering.updates]
    buffer = e.buffer(out, written=True)

    def start(index: tuple[Expr, ...]) -> Body:
        if lowering.base is not None:
            value = e.element(node.inputs[lowering.base], index)
        else:
            assert lowering.initial is not None  # given where there is no base
            value = e.literal(lowering.initial(ctx), out.dtype)
        return (Store(buffer, e.offset(out, index), value),)

    def update(index: tuple[Expr, ...]) -> Body:
        target = [int64(i) for i in lowering.target(index, e.loader(node), ctx)]
        where = e.inside(target, e.shape(out))
        if lowering.keep is not None:
            where = _both(where, lowering.keep(index, e.loader(node), ctx))
        value = b.cast(e.element(updates, index), out.dtype)
        combine = None if lowering.combine == "set" else lowering.combine
        return (Store(buffer, e.offset(out, tuple(target)), value, where, combine),)

    return (*over(e, out.shape.sizes, start),
            *over(e, updates.shape.sizes, update, lanes=False))


def build_sizes(e: Elements, node: Node, lowering: Sizes, ctx: LoweringContext) -> Body:
    """One store per element."""
    out = node.outputs[0]
    buffer = e.buffer(out, written=True)
    return tuple(Store(buffer, int64(i), b.cast(int64(v), out.dtype))
                 for i, v in enumerate(lowering.values(ctx)))
