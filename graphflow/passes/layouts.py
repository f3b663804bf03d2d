"""Images with their channels first are computed with channels last.

Kernels for windows over images read channels along the last axis. A convolution of images with
channels first becomes one with channels last between two transposes; biases, activations, pooling
and normalisation behind it stay with channels last, too, so that a network has transposes where
images enter and leave it, and none in between. What reads no image that a convolution has made
stays as it is, as do convolutions of images whose sizes are not known: these have no kernels of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.builder import F, apply
from graphflow.lowering import Pointwise
from graphflow.opdef import OpDef
from graphflow.passes.base import Pass, Rebuilder, Replacement, op_names, rebuilt
from graphflow.passes.views import order_of
from graphflow.program import Node, Program, Value


@dataclass(frozen=True, slots=True)
class _Images:
    """Which inputs of an op are images or sizes of images, and whether its output 0 is one."""

    images: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    output: bool = True


_CONVOLUTIONS = {
    **{f"Conv{n}D": _Images((0,)) for n in (2, 3)},
    **{f"Conv{n}DBackpropInput{v}": _Images((0,), (2,)) for n, v in ((2, ""), (3, "V2"))},
}
_FOLLOWING = {
    **{f"Conv{n}DBackpropFilter{v}": _Images((0, 1), output=False)
       for n, v in ((2, ""), (3, "V2"))},
    "BiasAdd": _Images((0,)), "BiasAddGrad": _Images((0,), output=False),
    "FusedBatchNormV3": _Images((0,)),
    **{f"{kind}Pool{n}": _Images((0,)) for kind in ("Max", "Avg") for n in ("", "3D")},
    **{f"AvgPool{n}Grad": _Images((0,), (1,)) for n in ("", "3D")},
    **{f"MaxPool{n}Position": _Images((0,)) for n in ("", "3D")},
    **{f"MaxPool{n}Scatter": _Images((0, 1), (2,)) for n in ("", "3D")},
    **{f"MaxPool{n}Pick": _Images((0, 1)) for n in ("", "3D")},
}


def _rewritten(node: Node, rebuilder: Rebuilder) -> Replacement:
    """With channels last, between transposes; None where nothing is gained.

    conv(x) = first(conv(last(x))), where first and last move the channels; and f(first(x)) =
    first(f(last(x))) for what looks at places and channels by themselves.
    """
    name = node.opdef.name
    if isinstance(node.opdef.lowering, Pointwise):
        return _elementwise(node)
    if name in _CONVOLUTIONS:
        parts = _CONVOLUTIONS[name]
        gains = all(map(_is_known, (*node.inputs[:2], node.outputs[0])))
    elif name in _FOLLOWING:
        parts = _FOLLOWING[name]
        images = [node.inputs[k] for k in parts.images]
        gains = any(map(_is_moved, images)) and all(v.shape.rank is not None for v in images)
    else:
        return None
    return _with_channels_last(node, parts) if gains and _is_first(node) else None


def _run(program: Program) -> Program:
    if op_names(program).isdisjoint(_CONVOLUTIONS):
        return program
    return rebuilt(program, _rewritten, "pass 'layouts'")


def _is_first(node: Node) -> bool:
    return bool(node.attrs["data_format"][-1] != "C")


def _is_known(value: Value) -> bool:
    """True if all sizes are known, but for a batch's."""
    sizes = () if value.shape.rank is None else value.shape.sizes[1:]
    return bool(sizes) and all(isinstance(d, int) for d in sizes)


def _with_channels_last(node: Node, parts: _Images) -> Sequence[Value]:
    layout = node.attrs["data_format"]
    rank = len(node.inputs[parts.images[0]].shape.sizes)
    inputs = list(node.inputs)
    for k in parts.images:
        inputs[k] = _last(inputs[k])
    for k in parts.sizes:
        inputs[k] = F.stack([inputs[k][a] for a in _to_last(rank)])
    # The layout of a bias is named after images, whatever the rank.
    attrs = {**node.attrs, "data_format": f"{layout[0]}{layout[2:]}C"}
    made = _all_outputs(node.opdef, inputs, attrs)
    return (F.transpose(made[0], _to_first(rank)), *made[1:]) if parts.output else made


def _all_outputs(opdef: OpDef, inputs: Sequence[Value], attrs: dict) -> tuple[Value, ...]:
    made = apply(opdef, tuple(inputs), attrs)
    return made if isinstance(made, tuple) else (made,)


def _to_last(rank: int) -> list[int]:
    return [0, *range(2, rank), 1]


def _to_first(rank: int) -> list[int]:
    return [0, rank - 1, *range(1, rank - 1)]


def _elementwise(node: Node) -> Replacement:
    """f(first(x), first(y)) = first(f(x, y)); numbers per channel are moved instead."""
    moved = [v for v in node.inputs if _is_moved(v)]
    if not moved:
        return None
    rank = len(moved[0].shape.sizes)
    if not all(_is_moved(v) and len(v.shape.sizes) == rank or _is_narrow(v, rank)
               for v in node.inputs):
        return None
    made = _all_outputs(node.opdef, [_last(v) if v in moved else _line(v, rank)
                                     for v in node.inputs], node.attrs)
    return tuple(F.transpose(v, _to_first(rank)) for v in made)


def _is_moved(image: Value) -> bool:
    """True for an image whose channels were last before."""
    rank = image.shape.rank
    if image.node.opdef.name != "Transpose" or rank is None or rank not in (4, 5):
        return False
    return list(order_of(image.node) or ()) == _to_first(rank)


def _last(image: Value) -> Value:
    """The image with channels last."""
    if _is_moved(image):
        return image.node.inputs[0]
    return F.transpose(image, _to_last(len(image.shape.sizes)))


def _is_narrow(value: Value, rank: int) -> bool:
    """True for a number, or a line of numbers along one axis."""
    return value.shape.rank is not None and value.shape.rank <= rank and sum(
        not (isinstance(d, int) and d == 1) for d in value.shape.sizes) <= 1


def _line(value: Value, rank: int) -> Value:
    """A narrow value, as it stands beside images with channels last."""
    sizes = value.shape.sizes
    if not sizes:
        return value
    missing = rank - len(sizes)
    wide = F.expand_dims(value, tuple(range(missing))) if missing else value
    return F.transpose(wide, _to_last(rank))


LAYOUTS = Pass("layouts", "specialise", _run, doc=__doc__)
