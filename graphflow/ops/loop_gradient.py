"""The gradient of `while_loop`: a loop that walks the forward loop's histories backwards.

At iteration i the values of the loop variables are read from their histories, the body's
intermediates are computed again, and the chain rule of one turn is applied. Memory is one value
of each loop variable and each product per iteration (Griewank & Walther 2008, ch. 12:
checkpointing each turn).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.builder import F
from graphflow.gradients import gradients
from graphflow.graph import get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops.inline import inline, is_work, refuse_saved_regions, saved_reads
from graphflow.regions import RegionGraph, settled
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

    def saved(self, work: bool) -> dict[Tensor, Tensor]:
        """Tensor of the body that is not recomputed → its history.

        work: which ones: those that could be.
        """
        first = 2 * self.count + 1
        extra = self.body.outputs[self.count:]
        histories = zip(extra, self.op.outputs[first:first + len(extra)])
        return {t: h for t, h in histories if is_work(t) == work}


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
    reached = _reached(loop, {k for k, gs in enumerate(zip(last, history_grads))
                              if any(g is not None for g in gs)})
    loop.variables = [k for k in loop.variables if k in reached]
    start = [F.zeros_like(op.outputs[k]) if last[k] is None else last[k] for k in loop.variables]
    start += [F.zeros_like(_value(loop.captured[c])) for c in loop.constants]
    invariants = [settled(loop.body.inputs[k].shape, loop.body.outputs[k].shape)
                  for k in loop.variables]
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


def _reached(loop: _Loop, variables: set[int]) -> set[int]:
    """The numbers of the loop variables that gradients of some of them come to, turn by turn.

    A recurrent network's array of outputs has none if only its last state is used.
    """
    while True:
        pending = [loop.body.outputs[k] for k in variables]
        seen: set[Tensor] = set()
        while pending:
            tensor = pending.pop()
            if tensor not in seen:
                seen.add(tensor)
                pending.extend(tensor.op.inputs)
        found = variables | {k for k, t in enumerate(loop.body.inputs[:loop.count]) if t in seen}
        if found == variables:
            return found
        variables = found


def _value(tensor: Tensor) -> Tensor:
    return tensor.graph.read(tensor) if tensor.is_handle else tensor


def _copied_body(
    loop: _Loop, i: Tensor
) -> tuple[dict[Tensor, Tensor], list[Tensor], dict[Tensor, Tensor]]:
    """The body's tensors at iteration `i`: the copies, the loop variables, what was saved."""
    graph = get_default_graph()
    values = []
    for k, inner in enumerate(loop.body.inputs):
        value = F.history_read(loop.history(k), i)
        value.narrow(inner.shape)
        values.append(value)
    bindings = dict(zip(loop.body.inputs, values))
    bindings |= {inner: graph.own(outer)
                 for inner, outer in zip(loop.body.captures.values(), loop.captured)}
    if loop.body.iteration is not None:
        bindings[loop.body.iteration] = i
    replaced, kept = (
        {t: F.history_read(h, i) for t, h in loop.saved(work).items()} for work in (False, True))
    for tensor, value in (*replaced.items(), *kept.items()):
        value.narrow(tensor.shape)
    return inline(loop.body, bindings, replaced, kept), values, replaced


def _one_turn(
    loop: _Loop, i: Tensor, current: Sequence[Tensor], history_grads: Sequence[Any]
) -> list[Tensor]:
    """The gradients before turn `i`, and the sums for constants, from those after it."""
    graph = get_default_graph()
    seeds = current[:len(loop.variables)]
    sums = current[len(loop.variables):]
    copies, values, replaced = _copied_body(loop, i)
    ys = [copies[loop.body.outputs[k]] for k in loop.variables]
    refuse_saved_regions(loop.op, ys, replaced)
    inners = list(loop.body.captures.values())
    groups = [[values[k]] for k in loop.variables]
    # A variable that the loop assigns is differentiated through its reads, as in TensorFlow 1.
    groups += [saved_reads(replaced, inners[c]) if loop.captured[c].is_handle
               else [graph.own(loop.captured[c])] for c in loop.constants]
    xs = [x for group in groups for x in group]
    found = iter(gradients(ys, xs, list(seeds)))
    parts = [[g for g in (next(found) for _ in group) if g is not None] for group in groups]
    new = []
    for k, gs in zip(loop.variables, parts):
        history = history_grads[k]
        if history is not None:
            gs = [*gs, F.history_read(history, i)]
        new.append(F.zeros_like(values[k]) if not gs else F.add_n([graph.convert(g) for g in gs]))
    for total, gs in zip(sums, parts[len(loop.variables):]):
        new.append(_accumulated(total, gs))
    return new


def _accumulated(total: Tensor, parts: Sequence[Any]) -> Tensor:
    """`total` plus gradients of one turn; of sparse ones, only their rows are touched."""
    dense = [p for p in parts if not isinstance(p, IndexedSlices)]
    if dense:
        total = F.add_n([total, *dense])
    for part in parts:
        if isinstance(part, IndexedSlices):
            places = F.expand_dims(part.indices, 1)
            total = F.tensor_scatter_nd_add(total, places, part.values)
    return total

