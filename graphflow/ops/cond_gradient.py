"""The gradient of `cond`: another `cond`, whose branches differentiate copies of the branches.

A branch's intermediates are computed again in its gradient; what cannot be (see
`graphflow.ops.inline`) is a further output of the forward operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.builder import F
from graphflow.gradients import gradients
from graphflow.graph import get_default_graph
from graphflow.ops.inline import inline, refuse_saved_regions, saved_reads
from graphflow.tensor import Operation, Tensor


def branch_gradients(op: Operation, grads: list[Any]) -> list[Any]:
    """The gradients of an `If` operation's inputs, given those of its results."""
    seeds = [(k, g) for k, g in enumerate(grads)
             if g is not None and op.outputs[k].dtype.is_differentiable]
    if not seeds:
        return [None] * len(op.inputs)
    captured = op.inputs[1:]
    wanted = [i for i, t in enumerate(captured) if t.dtype.is_differentiable]
    if not wanted:
        return [None] * len(op.inputs)
    then_count = len(op.attrs["then"].captures)
    out = F.cond(
        op.inputs[0], _branch(op, "then", 0, wanted, seeds),
        _branch(op, "orelse", then_count, wanted, seeds), strict=True)
    found = dict(zip(wanted, out))
    return [None] + [found.get(i) for i in range(len(captured))]


def _saved(op: Operation, name: str) -> tuple[Tensor, ...]:
    """The forward operation's outputs that hold what branch `name` saved."""
    first = op.attrs["results"] + (0 if name == "then" else op.attrs["saved"][0])
    return op.outputs[first:first + op.attrs["saved"][name == "orelse"]]


def _branch(
    op: Operation, name: str, first: int, wanted: list[int], seeds: list[tuple[int, Any]]
) -> Callable[[], list[Any]]:
    """A function that builds the gradient of branch `name`, whose captures start at `first`."""
    graph, results = op.attrs[name], op.attrs["results"]
    captured = op.inputs[1:]
    inners = list(graph.captures.values())

    def build() -> list[Any]:
        here = get_default_graph()
        replaced = {t: here.own(s) for t, s in zip(graph.outputs[results:], _saved(op, name))}
        outers = captured[first:first + len(inners)]
        copies = inline(graph, dict(zip(inners, outers)), replaced)
        ys = [copies[graph.outputs[k]] for k, _ in seeds]
        refuse_saved_regions(op, ys, replaced)
        found: dict[int, Any] = dict.fromkeys(wanted)
        for i in wanted:
            if first <= i < first + len(inners):
                xs = [here.own(captured[i])]
                if captured[i].is_handle:
                    xs = saved_reads(replaced, inners[i - first])
                found[i] = _sum(gradients(ys, xs, [g for _, g in seeds]))
        return [F.zeros_like(captured[i]) if found[i] is None else F.convert_to_tensor(found[i])
                for i in wanted]

    return build


def _sum(parts: list[Any]) -> Any:
    parts = [F.convert_to_tensor(p) for p in parts if p is not None]
    return F.add_n(parts) if parts else None
