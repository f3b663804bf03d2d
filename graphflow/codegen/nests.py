"""From op declarations to kernels: one builder per lowering kind.

Each `build_…` gets the `Elements` of the kernel and the node, and gives the statements of loop IR
that compute the node's outputs into their buffers. Inputs that are not stored are computed in
place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from math import prod

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.ranges import surely_inside
from graphflow.dims import Dim
from graphflow.dtypes import int64 as int64_dtype
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import depends, stride
from graphflow.loop_ir.expr import Expr, build, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
    expressions,
    load,
)
from graphflow.lowering import (
    Join,
    LoweringContext,
    Reduce,
    Scatter,
    Window,
)
from graphflow.program import Node, Value

Body = tuple[Statement, ...]

# Vectors side by side where a reduction walks down columns: one line of memory alone of each row
# is half as fast as several together.
COLUMN_VECTORS = 4

UNROLLED_WINDOW = 16  # positions


def over(
    e: Elements, sizes: Sequence[Dim], inner: Callable[[tuple[Expr, ...]], Body],
    lanes: bool | int = True,
) -> Body:
    """Nested loops around `inner(index)`; the innermost one in lanes."""
    numbers = [e.loop() for _ in sizes]
    body = inner(tuple(b.index(n) for n in numbers))
    order = list(zip(numbers, sizes))
    if lanes and len(order) > 1:
        order = _read_in_blocks(order, body)
    for number, size in reversed(order):
        body = (Loop(number, e.size(size), body, lanes=lanes if number == numbers[-1] else False),)
    return body


def _read_in_blocks(
    order: list[tuple[int, Dim]], body: Body
) -> list[tuple[int, Dim]]:
    """The loops in an order that reads what it can from lines that are in the cache already.

    Where elements lie along another axis than the lanes (a transpose), that axis becomes the
    innermost: each line that the lanes touch is then read to its end.
    """
    lane = order[-1][0]
    offsets = [n.args[0] for s in body for x in expressions(s) for n in walk(x) if n.op == "load"]
    apart = [x for x in offsets if stride(x, lane) not in (0, 1)]
    along = [k for k, (number, _) in enumerate(order[:-1])
             if any(stride(x, number) == 1 for x in apart)]
    if len(along) != 1:
        return order
    (k,) = along
    return [*order[:k], order[-1], *order[k + 1:-1], order[k]]


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

    return over(e, [sizes[a] for a in kept], inner, lanes=0 if along else COLUMN_VECTORS)


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
                     tuple(merged), tuple(init),
                     lanes=along and (count == 1 or lowering.any_order)),)
        for a in reversed(reduced[:-1]):
            body = (Loop(numbers[a], e.size(sizes[a]), body),)
    else:
        body = (Update(tuple(zip(into, _replaced(merged, right_accs, lifted)))),)
    total = int64(1)
    for a in reduced:
        total = total * e.size(sizes[a])
    return (Begin(tuple(zip(into, init))), *body,
            *finished(e, node, lowering, left_accs, total, places, ctx))


def finished(
    e: Elements, node: Node, lowering: Reduce, accumulators: tuple[Expr, ...], total: Expr,
    places: Sequence[Expr], ctx: LoweringContext,
) -> Body:
    """Stores the results of a reduction of `total` elements."""
    outputs = lowering.finish(b, accumulators, total, ctx)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return tuple(Store(e.buffer(v, written=True), place, made)
                 for v, place, made in zip(node.outputs, places, outputs))


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


# ---- windows ------------------------------------------------------------------------------------


def build_window(e: Elements, node: Node, lowering: Window, ctx: LoweringContext) -> Body:
    """Pooling: a reduction over a window that may leave the input."""
    extents = tuple(lowering.extents(ctx))
    if prod(extents) <= UNROLLED_WINDOW:
        return _unrolled_window(e, node, lowering, extents, ctx)
    init = lowering.init(b, ctx)
    count = len(init)

    def inner(index: tuple[Expr, ...]) -> Body:
        numbers = [e.loop() for _ in extents]
        window = tuple(b.index(n) for n in numbers)
        lifted, inside = _seen(e, node, lowering, index, window, extents, ctx)
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


def _unrolled_window(
    e: Elements, node: Node, lowering: Window, extents: tuple[int, ...], ctx: LoweringContext
) -> Body:
    """A window of few positions: one expression, which needs no loops."""
    def inner(index: tuple[Expr, ...]) -> Body:
        total, count = tuple(lowering.init(b, ctx)), int64(0)
        for place in product(*map(range, extents)):
            window = tuple(map(int64, place))
            lifted, inside = _seen(e, node, lowering, index, window, extents, ctx)
            merged = lowering.combine(b, total, lifted)
            total = tuple(merged if inside is None else (
                b.select(inside, new, old) for new, old in zip(merged, total)))
            count += int64(1) if inside is None else b.cast(inside, int64_dtype)
        outputs = lowering.finish(b, total, simplified(count), ctx)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(Store(e.buffer(v, written=True), e.offset(v, index), made)
                     for v, made in zip(node.outputs, outputs))

    return over(e, node.outputs[0].shape.sizes, inner)


def _seen(
    e: Elements, node: Node, lowering: Window, index: tuple[Expr, ...],
    window: tuple[Expr, ...], extents: tuple[int, ...], ctx: LoweringContext,
) -> tuple[tuple[Expr, ...], Expr | None]:
    """What a window position gives, and the condition that it lies inside the input."""
    x = node.inputs[0]
    source = tuple(simplified(int64(i)) for i in lowering.source(index, window, ctx))
    ranges = dict(zip((*window, *index), (*extents, *node.outputs[0].shape.sizes)))
    borders = [a for a, (i, d) in enumerate(zip(source, x.shape.sizes))
               if not surely_inside(i, d, ranges, e.size)]
    inside = e.inside([source[a] for a in borders], [e.shape(x)[a] for a in borders])
    near = e.clamped(x, source)
    element = e.element(x, tuple(near[a] if a in borders else i for a, i in enumerate(source)))
    position = int64(0)
    for i, n in zip(window, extents):
        position = simplified(position * int64(n) + i)
    return lowering.lift(b, element, position, ctx), inside


# ---- joins, scatters ----------------------------------------------------------------------------


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
        ranges = dict(zip(index, updates.shape.sizes))
        unsure = [(i, n) for i, n, dim in zip(target, e.shape(out), out.shape.sizes)
                  if not surely_inside(i, dim, ranges, e.size)]
        where = e.inside([i for i, _ in unsure], [n for _, n in unsure])
        if lowering.keep is not None:
            kept = lowering.keep(index, e.loader(node), ctx)
            where = kept if where is None else b.logical_and(where, kept)
        value = b.cast(e.element(updates, index), out.dtype)
        combine = None if lowering.combine == "set" else lowering.combine
        if out.dtype.is_complex and combine in ("mul", "div"):
            return _combine_complex(e, out, combine, tuple(target), value, where, index)
        return (Store(buffer, e.offset(out, tuple(target)), value, where, combine),)

    return (*over(e, out.shape.sizes, start),
            *map(_in_lanes, over(e, updates.shape.sizes, update, lanes=False)))


def _in_lanes(statement: Statement) -> Statement:
    """A scatter's loops, the innermost one in lanes if its updates go to places side by side."""
    if not isinstance(statement, Loop):
        return statement
    number, store = statement.number, statement.body[0]
    if not isinstance(store, Store):
        return replace(statement, body=tuple(map(_in_lanes, statement.body)))
    alone = len(statement.body) == 1 and stride(store.offset, number) == 1
    if not alone or (store.where is not None and depends(store.where, number)):
        return statement
    return replace(statement, lanes=1)


def _combine_complex(
    e: Elements, out: Value, combine: str, target: tuple[Expr, ...], value: Expr,
    where: Expr | None, index: tuple[Expr, ...],
) -> Body:
    """One update by a product or quotient, each part of which depends on both old parts.

    So it is no combining store: the old element is loaded through a second parameter for the same
    memory, in every turn of the innermost loop anew, and both parts are known before one is
    stored.
    """
    place = e.offset(out, target)
    safe = place if where is None else b.select(where, place, 0)
    anchor = index[-1] * 0 if index else int64(0)
    old = load(e.buffer(out), safe + anchor, out.dtype)
    new = accumulator(0, out.dtype)
    return (Begin(((0, build(combine, old, value)),)),
            Store(e.buffer(out, written=True), place, new, where))
