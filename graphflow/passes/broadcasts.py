"""Broadcasts around elementwise ops, which broadcast by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphflow.builder import F
from graphflow.dims import Dim, equal
from graphflow.ops.broadcasting import same_shape
from graphflow.ops.reshaping import expand_axes
from graphflow.passes.base import Pass, Rebuilder, rebuilt
from graphflow.program import Node, Program, Value


def _rewritten(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    if not node.opdef.pointwise or not (node.opdef.broadcasts or len(node.inputs) == 1):
        return None
    return _later(node, rebuilder) or _direct(node, rebuilder)


def _direct(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    """f(broadcast_to(x, s), y) = f(x, y) where y has the shape of the result already.

    So it is where axes of size 1 came in or went between the broadcast and f:
    f(expand_dims(broadcast_to(x, [n]), 1), y) = f(x, y) for a scalar x and y [n, m].
    """
    out = node.outputs[0].shape
    inputs = list(node.inputs)
    for i, value in enumerate(inputs):
        others = inputs[:i] + inputs[i + 1:]
        if any(same_shape(v.shape, out) for v in others):
            inputs[i] = _narrow(value)
    if all(a is b for a, b in zip(inputs, node.inputs)):
        return None
    return rebuilder.apply(node.opdef, inputs, node.attrs)


def _later(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    """f(broadcast_to(x, s), broadcast_to(y, s)) = broadcast_to(f(x, y), s), scalars beside them.

    Integer ops stay: they may refuse values that an empty result does not have.
    """
    out = node.outputs[0].shape
    spread = [v for v in node.inputs if v.shape.rank != 0]
    if not spread or len(node.outputs) > 1 or any(
        v.node.opdef.name != "BroadcastTo" or v.node.inputs[0].shape.rank is None
        or not same_shape(v.shape, out) or v.dtype.is_integer for v in spread
    ):
        return None
    inputs = [v.node.inputs[0] if v.shape.rank else v for v in node.inputs]
    made, = rebuilder.apply(node.opdef, inputs, node.attrs)
    whole = same_shape(made.shape, out)
    return (made if whole else F.broadcast_to(made, spread[0].node.inputs[1]),)


def _narrow(value: Value) -> Value:
    """What broadcasts to `value` by itself; `value` if nothing smaller is known."""
    node = value.node
    name = node.opdef.name
    known = name in ("BroadcastTo", *_VIEWS) and value.shape.rank is not None
    if not known or node.inputs[0].shape.rank is None:
        return value
    source = node.inputs[0]
    inner = _narrow(source)
    if name == "BroadcastTo":
        return inner
    found = _VIEWS[name](value, inner, len(source.shape.sizes) - len(inner.shape.sizes))
    # A view of the source itself would be what is there already.
    return value if found is None or (inner is source and found is not inner) else found


def _expanded(value: Value, inner: Value, lead: int) -> Value:
    """The value behind an expand_dims: axes in front of those of `inner` need not be there."""
    rank = len(value.shape.sizes)
    added = sorted(a % rank for a in value.node.attrs["axis"])
    kept = [a for a in range(rank) if a not in added][lead:]
    first = kept[0] if kept else rank
    axes = [a - first for a in added if a > first]
    return expand_axes(inner, tuple(axes))


def _squeezed(value: Value, inner: Value, lead: int) -> Value | None:
    """The value behind a squeeze: the axes dropped have size 1 in `inner` too."""
    rank = len(value.node.inputs[0].shape.sizes)
    dropped = [a % rank - lead for a in value.node.attrs["axis"]]
    axes = [a for a in dropped if a >= 0]
    if not dropped or not all(equal(inner.shape.sizes[a], 1) for a in axes):
        return None
    return F.squeeze(inner, axes) if axes else inner


def _reshaped(value: Value, inner: Value, lead: int) -> Value | None:
    """The value behind a reshape: one element, or axes of size 1 in front."""
    if all(equal(d, 1) for d in inner.shape.sizes):
        return F.squeeze(inner) if inner.shape.sizes else inner
    own, given = value.shape.sizes, value.node.inputs[0].shape.sizes
    front = len(own) - len(given)
    ones = all(equal(d, 1) for d in own[:max(front, 0)])
    return inner if front >= 0 and ones and _alike(own[front:], given) else None


def _alike(a: Sequence[Dim], b: Sequence[Dim]) -> bool:
    return len(a) == len(b) and all(equal(x, y) is True for x, y in zip(a, b))


# (the view, what broadcasts to its input, how many axes less that has) → what broadcasts to it.
_VIEWS: dict[str, Callable[[Value, Value, int], Value | None]] = {
    "ExpandDims": _expanded, "Squeeze": _squeezed, "Reshape": _reshaped}


def _run(program: Program) -> Program:
    return rebuilt(program, _rewritten, "pass 'broadcasts'")


BROADCASTS = Pass("broadcasts", "canonicalise", _run, doc=__doc__)
