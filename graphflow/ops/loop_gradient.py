"""The gradient of `while_loop`: a loop that walks the forward loop's histories backwards.

At iteration i the values of the loop variables are read from their histories, the body's
intermediates are computed again, and the chain rule of one turn is applied. Memory is one value
of each loop variable per iteration (Griewank & Walther 2008, ch. 12: checkpointing each turn).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.builder import F
from graphflow.errors import GraphError, describe
from graphflow.gradients import gradients
from graphflow.graph import get_default_graph
from graphflow.ops.inline import inline
from graphflow.regions import RegionGraph, outermost
from graphflow.tensor import Operation, Tensor


@dataclass(slots=True)
class _Loop:
    """The parts of a `While` operation that its gradient needs."""

    op: Operation
    body: RegionGraph
    count: int
    captured: Sequence[Tensor]
    variables: list[int]
    constants: list[int]

    def history(self, k: int) -> Tensor:
        return self.op.outputs[self.count + 1 + k]

    def saved(self) -> dict[Tensor, Tensor]:
        """Tensor of the body that is not recomputed → its history."""
        first = 2 * self.count + 1
        extra = self.body.outputs[self.count:]
        return dict(zip(extra, self.op.outputs[first:first + len(extra)]))


def _parts(op: Operation) -> _Loop:
    body, condition = op.attrs["body"], op.attrs["condition"]
    count = op.attrs["loop_vars"]
    captured = op.inputs[count + len(condition.captures):]
    return _Loop(
        op, body, count, captured,
        [k for k, t in enumerate(body.inputs) if t.dtype.is_differentiable],
        [c for c, t in enumerate(captured) if t.dtype.is_differentiable])


def backward_loop(op: Operation, grads: Sequence[Any]) -> list[Any]:
    """The gradients of the operation's inputs."""
    loop = _parts(op)
    n = loop.count
    last, history_grads = grads[:n], grads[n + 1:2 * n + 1]
    if all(g is None for g in (*last, *history_grads)):
        return [None] * len(op.inputs)
    start = [F.zeros_like(op.outputs[k]) if last[k] is None else last[k] for k in loop.variables]
    start += [F.zeros_like(_value(loop.captured[c])) for c in loop.constants]
    invariants = [loop.body.inputs[k].shape for k in loop.variables]
    invariants += [loop.captured[c].shape for c in loop.constants]
    trips = op.outputs[n]

    def turn(i: Any, *current: Any) -> list[Any]:
        return [i - 1, *_one_turn(loop, i, current, history_grads)]

    out = F.while_loop(
        lambda i, *_: i >= 0, turn, [trips - 1, *start],
        shape_invariants=[trips.shape, *invariants], name=f"{op.name.rpartition('/')[2]}_backward",
        return_same_structure=True)[1:]
    found: list[Any] = [None] * len(op.inputs)
    for k, g in zip(loop.variables, out):
        found[k] = g
    first = len(op.inputs) - len(loop.captured)
    for c, g in zip(loop.constants, out[len(loop.variables):]):
        found[first + c] = g
    return found


def _value(tensor: Tensor) -> Tensor:
    return tensor.graph.read(tensor) if tensor.is_handle else tensor


def _one_turn(
    loop: _Loop, i: Tensor, current: Sequence[Tensor], history_grads: Sequence[Any]
) -> list[Tensor]:
    graph = get_default_graph()
    seeds = current[:len(loop.variables)]
    sums = current[len(loop.variables):]
    values = []
    for k, inner in enumerate(loop.body.inputs):
        value = F.history_read(loop.history(k), i)
        value.set_shape(inner.shape)
        values.append(value)
    bindings = dict(zip(loop.body.inputs, values))
    bindings |= {inner: graph.own(outer)
                 for inner, outer in zip(loop.body.captures.values(), loop.captured)}
    if loop.body.iteration is not None:
        bindings[loop.body.iteration] = i
    replaced = {t: F.history_read(h, i) for t, h in loop.saved().items()
                if t in loop.body.outputs[loop.count:]}
    copies = inline(loop.body, bindings, replaced)
    ys = [copies[loop.body.outputs[k]] for k in loop.variables]
    xs = [values[k] for k in loop.variables]
    xs += [graph.own(loop.captured[c]) for c in loop.constants]
    found = gradients(ys, xs, list(seeds))
    _refuse_handles(loop, xs, found)
    new = []
    for k, x, g in zip(loop.variables, xs, found):
        g = F.zeros_like(x) if g is None else graph.convert(g)
        if history_grads[k] is not None:
            g = g + F.history_read(history_grads[k], i)
        new.append(g)
    for total, g in zip(sums, found[len(loop.variables):]):
        new.append(total if g is None else total + graph.convert(g))
    return new


def _refuse_handles(loop: _Loop, xs: Sequence[Tensor], found: Sequence[Any]) -> None:
    for x, g in zip(xs, found):
        if x.is_handle and g is not None:
            raise GraphError(describe(
                loop.op.type, loop.op.name,
                f"variable '{outermost(x).op.name}' is both assigned and differentiated inside it",
                site=str(loop.op.site) if loop.op.site else None,
                fix="Read the variable before the loop, or assign to it after."))
