"""Operands of contractions, laid out so that the lanes of a kernel read them contiguously."""

from __future__ import annotations

from typing import Any

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.half_operands import widened
from graphflow.codegen.matrices import product_of
from graphflow.codegen.pair_products import fits_pairs
from graphflow.codegen.panels import copies_left, panels_of
from graphflow.codegen.sliding import slides
from graphflow.codegen.tiles import sums_along
from graphflow.loop_ir import b
from graphflow.lowering import Contraction
from graphflow.opdef import OpDef, TensorType, lookup
from graphflow.program import Node, Value
from graphflow.shapes import TensorShape


def packed_operands(node: Node) -> tuple[list[Value], Node]:
    """Copies of operands, and the contraction that reads them.

    An operand whose index moves with the output's last axis, but not along its own last axis,
    gets a copy in which that axis is last. (Where there are panels, the kernel does it itself.)
    Operands in half types get copies in float32 where that pays (`half_operands`).
    """
    lowering = node.opdef.lowering
    assert isinstance(lowering, Contraction)
    rank = len(node.outputs[0].shape.sizes)
    wide, node = widened(node)
    if rank == 0 or slides(node):
        return [*wide.values()], node
    elements = Elements(lambda v: True)
    ctx = elements.context(node)
    place = tuple(b.index(k) for k in range(rank))
    sums = tuple(b.index(rank + k) for k in range(len(tuple(lowering.extents(ctx)))))
    matrices = product_of(node)
    if matrices is not None and fits_pairs(matrices):
        return [], node
    copies, inputs, orders = [], list(node.inputs), []
    for k, source in enumerate((lowering.left, lowering.right)):
        index = [int64(i) for i in source(place, sums, ctx)]
        axes = [p for p, i in enumerate(index) if i is place[-1]]
        order = None
        if k == 0 and matrices is not None and copies_left(matrices):
            order = [*range(len(index) - 2), len(index) - 1, len(index) - 2]
        elif axes and axes[0] != len(index) - 1 and not (matrices is not None and (
                matrices.exchanged or panels_of(matrices) or sums_along(matrices))):
            order = [p for p in range(len(index)) if p != axes[0]] + [axes[0]]
        if order is not None:
            inputs[k] = _transposed(node.inputs[k], order)
            copies.append(inputs[k])
        orders.append(order)
    wide_only = [v for v in wide.values() if v in inputs]
    if not copies:
        return wide_only, node
    return [*copies, *wide_only], _reading(node, inputs, orders, lowering)


def _transposed(value: Value, order: list[int]) -> Value:
    opdef = lookup("Transpose")
    sizes = value.shape.sizes
    kind = TensorType(value.dtype, TensorShape.of(sizes[p] for p in order))
    attrs = {"perm": tuple(order), "conjugate": False}
    return Node(opdef, (value,), attrs, [kind], [None], -1, None).outputs[0]


def _reading(
    node: Node, inputs: list[Value], orders: list[Any], lowering: Contraction
) -> Node:
    """The same contraction over permuted operands; its outputs are the node's own."""
    def permuted(source: Any, order: list[int] | None) -> Any:
        def place(out_index: tuple, sum_index: tuple, ctx: Any) -> Any:
            index = source(out_index, sum_index, _original(ctx))
            return index if order is None else tuple(index[p] for p in order)

        return place

    def _original(ctx: Any) -> Any:
        shapes = list(ctx.in_shapes)
        for k, order in enumerate(orders):
            if order is not None:
                back: list[Any] = [None] * len(order)
                for position, axis in enumerate(order):
                    back[axis] = shapes[k][position]
                shapes[k] = tuple(back)
        return type(ctx)(tuple(shapes), ctx.out_shapes, ctx.in_dtypes, ctx.out_dtypes, ctx.attrs)

    changed = Contraction(
        extents=lambda ctx: lowering.extents(_original(ctx)),
        left=permuted(lowering.left, orders[0]), right=permuted(lowering.right, orders[1]),
        inside=None if lowering.inside is None else permuted(lowering.inside, None),
        conjugate=lowering.conjugate)
    opdef = _with_lowering(node.opdef, changed)
    new = Node(opdef, tuple(inputs), node.attrs, [v.type for v in node.outputs],
               [None] * len(node.outputs), node.serial, None)
    new.outputs = node.outputs
    return new


def _with_lowering(opdef: OpDef, lowering: Contraction) -> OpDef:
    from dataclasses import replace

    return replace(opdef, lowering=lowering)
