"""The gradient of max-pooling, gathered: each element of the image takes what is its own.

The element of an image gets the gradients of those windows whose largest element it is. As for
the gradient of a convolution, all elements of a phase see the same positions of windows
(`phases`); channels lie in lanes. Windows are added in the order in which a scatter would do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.linear_offsets import with_linear_offsets
from graphflow.codegen.phases import Phase, adjoint_phases
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator, load
from graphflow.lowering import Scatter
from graphflow.program import Node, Value

Body = tuple[Statement, ...]
Finish = Callable[[tuple[Expr, ...], Expr], Body]  # place, sum → stores


def gathers_pool(node: Node, stored: Callable[[Value], bool]) -> bool:
    """True for a max-pool's gradient that is built here. stored: tells what is in memory."""
    lowering = node.opdef.lowering
    return isinstance(lowering, Scatter) and (
        build_pool_gradient(Elements(stored), node, lowering) is not None)


def build_pool_gradient(
    e: Elements, node: Node, lowering: Scatter, finish: Finish | None = None
) -> Body | None:
    """The statements of a max-pool's gradient; None if it is computed as a plain scatter.

    So it is for images whose sizes are unknown, or whose channels do not come last.
    finish: gives what is stored for a sum at a place; None: the sum.
    """
    out = node.outputs[0]

    def store(place: tuple[Expr, ...], total: Expr) -> Body:
        return (Store(e.buffer(out, written=True), e.offset(out, place), total),)

    known = all(isinstance(d, int) and d > 0 for v in (node.inputs[0], out)
                for d in v.shape.sizes[1:])
    plain = out.dtype.name in ("float32", "float64")
    stored = all(map(e.is_stored, node.inputs[:2]))
    if lowering.windows is None or not (known and plain and stored):
        return None
    sliding = lowering.windows(e.context(node))
    if not sliding.channels_last:
        return None
    return with_linear_offsets(_PoolGradient(e, node, [
        adjoint_phases(axis) for axis in sliding.axes], finish or store).body())


class _PoolGradient:
    def __init__(
        self, e: Elements, node: Node, phases: Sequence[tuple[Phase, ...]], finish: Finish
    ) -> None:
        self.e, self.node, self.phases, self.finish = e, node, phases, finish
        self.batch = e.size(node.outputs[0].shape.sizes[0])
        e.sizes_are_constants = True

    def body(self) -> Body:
        """Image by image; the phases of an axis one after the other."""
        n = self.e.loop()
        return (Loop(n, self.batch, self._over((b.index(n),), ())),)

    def _over(self, place: tuple[Expr, ...], chosen: tuple[Phase, ...]) -> Body:
        """The loops over the axes for which no phase is chosen yet."""
        if len(chosen) == len(self.phases):
            return (self._channels(place, chosen),)
        body: Body = ()
        for phase in self.phases[len(chosen)]:
            number = self.e.loop()
            inner = self._over((*place, b.index(number)), (*chosen, phase))
            body += (Loop(number, int64(phase.count), inner),)
        return body

    def _channels(self, place: tuple[Expr, ...], phases: tuple[Phase, ...]) -> Statement:
        """The elements of all channels at one place."""
        out, lane = self.node.outputs[0], self.e.loop()
        zero = b.const(0.0, out.dtype)
        at = (p.first + p.every * q for p, q in zip(phases, place[1:]))
        body: Body = ()
        if all(p.taps for p in phases):
            body = self._over_windows(place, phases, lane)
        stores = self.finish((place[0], *at, b.index(lane)), accumulator(0, out.dtype))
        return Loop(lane, int64(out.shape.sizes[-1]), (Begin(((0, zero),)), *body, *stores),
                    lanes=1)

    def _over_windows(
        self, place: tuple[Expr, ...], phases: tuple[Phase, ...], lane: int
    ) -> Body:
        """The loops over the windows that hold an element, around what adds their gradients."""
        grad, position = self.node.inputs[:2]
        window, number = [place[0]], int64(0)
        loops: list[tuple[int, Expr]] = []
        for phase, q, size in zip(phases, place[1:], self.node.attrs["ksize"]):
            tap, count = phase.seen_taps(q)
            if count is not None:
                loops.append((self.e.loop(), count))
                tap = tap + b.index(loops[-1][0])
            window.append(q * phase.step + (phase.start + tap * phase.pitch))
            number = number * size + (phase.position + tap * phase.by)
        element, where = (
            load(self.e.buffer(v), self.e.offset(v, (*window, b.index(lane))), v.dtype)
            for v in (grad, position))
        total = accumulator(0, grad.dtype)
        more = b.select(b.eq(where, b.cast(number, position.dtype)), total + element, total)
        body: Body = (Update(((0, more),)),)
        for loop, extent in reversed(loops):
            body = (Loop(loop, extent, body),)
        return body
