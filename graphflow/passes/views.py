"""Movements of data that move nothing, or that two steps make and one can.

A rule that drops an op which could have failed at run time holds only where the sizes prove that
it could not.
"""

from __future__ import annotations

import numpy as np

from graphflow.builder import F, apply
from graphflow.dims import equal, product
from graphflow.ops.reduction import own_axes
from graphflow.passes.algebra import is_result
from graphflow.passes.patterns import op
from graphflow.passes.rules import Rules, example, floats
from graphflow.program import Node, Value

rule = Rules()


# ---- transposes ---------------------------------------------------------------------------------


def order_of(node: Node) -> tuple[int, ...] | None:
    """The order of axes of a transpose; None if the rank is not known."""
    perm, rank = node.attrs["perm"], node.inputs[0].shape.rank
    if perm is not None or rank is None:
        return perm
    return tuple(range(rank))[::-1]


@rule(op("Transpose", "x"), lambda F, x: F.transpose(x, [0, 1]))
def transpose_in_order(x: Value, node: Node) -> Value | None:
    """A transpose that leaves the axes in order is its input."""
    order = order_of(node)
    return x if order is not None and list(order) == sorted(order) else None


@rule(op("Transpose", op("Transpose", "x", bind="inner")),
      lambda F, x: F.transpose(F.transpose(x)),
      example(lambda F, x: F.transpose(F.transpose(x, [1, 2, 0]), [1, 0, 2]), floats(2, 3, 4)))
def transpose_of_transpose(x: Value, inner: Value, node: Node) -> Value | None:
    """Two orders of axes make one."""
    first, second = order_of(inner.node), order_of(node)
    if first is None or second is None:
        return None
    return F.transpose(x, [first[k] for k in second])


# ---- other shapes -------------------------------------------------------------------------------


@rule(op("Reshape", "x", "shape"), lambda F, x: F.reshape(x, [3, -1]))
def reshape_to_own_shape(x: Value, node: Node) -> Value | None:
    """reshape(x, shape of x) = x."""
    return x if is_result(x, node) else None


@rule(op("Reshape", op("Reshape ExpandDims Squeeze", bind="inner"), "shape"),
      lambda F, x: F.reshape(F.reshape(x, [2, 6]), [4, 3]),
      lambda F, x: F.reshape(F.expand_dims(x, 1), [12]))
def reshape_of_reshape(inner: Value, shape: Value) -> Value | None:
    """reshape(reshape(x, s), t) = reshape(x, t), where s is known to fit x."""
    x = inner.node.inputs[0]
    if x.shape.rank is None or inner.shape.rank is None:
        return None
    fits = equal(product(x.shape.sizes), product(inner.shape.sizes)) is True
    return F.reshape(x, shape) if fits else None


@rule(op("ExpandDims Squeeze", op("ExpandDims Squeeze", bind="inner")),
      lambda F, x: F.squeeze(F.expand_dims(x, 1), 1),
      example(lambda F, x: F.expand_dims(F.squeeze(x, 0), 0), floats(1, 4)))
def axis_added_and_dropped(inner: Value, node: Node) -> Value | None:
    """An axis of size 1 added and dropped again, or the other way round."""
    x = inner.node.inputs[0]
    return x if inner.node.opdef is not node.opdef and is_result(x, node) else None


@rule(op("ExpandDims Squeeze", "x"), lambda F, x: F.squeeze(x))
def no_axis_changed(x: Value, node: Node) -> Value | None:
    """Adding or dropping no axes changes nothing."""
    return x if x.shape.rank is not None and x.shape.rank == node.outputs[0].shape.rank else None


# ---- copies along axes, sums over them ----------------------------------------------------------


@rule(op("BroadcastTo", "x", "shape"), lambda F, x: F.broadcast_to(x, [3, 4]))
def broadcast_to_own_shape(x: Value, node: Node) -> Value | None:
    """broadcast_to(x, shape of x) = x."""
    return x if is_result(x, node) else None


@rule(op("SumTo", "x", "shape"),
      lambda F, x: apply("SumTo", (x, np.array([3, 4]))), exact=False)
def sum_to_own_shape(x: Value, node: Node) -> Value | None:
    """sum_to(x, shape of x) = x. A sum makes +0 of a lone −0, which stays here."""
    return x if is_result(x, node) else None


@rule(op("BroadcastTo", op("BroadcastTo", "x", "inner"), "shape"),
      example(lambda F, x: F.broadcast_to(F.broadcast_to(x, [3, 4]), [2, 3, 4]), floats(4)))
def broadcast_of_broadcast(x: Value, shape: Value, node: Node) -> Value | None:
    """broadcast_to(broadcast_to(x, s), t) = broadcast_to(x, t), where x is known to fit s."""
    s = node.inputs[0].shape
    if s.rank is None or x.shape.rank is None:
        return None
    pairs = zip(x.shape.sizes, s.sizes[s.rank - x.shape.rank:])
    fits = all(equal(d, 1) is True or equal(d, size) is True for d, size in pairs)
    return F.broadcast_to(x, shape) if fits else None


@rule(op("Tile", "x", 1), lambda F, x: F.tile(x, [1, 1]))
def tile_once(x: Value) -> Value:
    """One copy along each axis is the input."""
    return x


@rule(op("Prod Max Min Any All", "x"), lambda F, x: F.reduce_max(x, []),
      example(lambda F, x: F.reduce_max(x, 1), floats(3, 1)),
      example(lambda F, x: F.reduce_prod(x, 0, keepdims=True), floats(1, 3)))
def reduce_nothing(x: Value, node: Node) -> Value | None:
    """A reduction over no axes, or over axes of size 1, is its input without these axes."""
    rank = x.shape.rank
    if rank is None:
        return None
    axes = own_axes(node.attrs["axis"], rank)
    if any(equal(x.shape.sizes[a], 1) is not True for a in axes):
        return None
    return x if node.attrs["keepdims"] or not axes else F.squeeze(x, axes)


@rule(op("Sum Mean", "x"), lambda F, x: F.reduce_sum(x, []),
      example(lambda F, x: F.reduce_mean(x, 0, keepdims=True), floats(1, 3)),
      example(lambda F, x: F.reduce_sum(x, 1), floats(3, 1)), exact=False)
def sum_nothing(x: Value, node: Node) -> Value | None:
    """So for sums and means. They make +0 of a lone −0, which stays here: nothing may depend on
    the sign of a zero sum.
    """
    return reduce_nothing(x, node)


# ---- parts and joins ----------------------------------------------------------------------------


@rule(op("ConcatV2", "x"), lambda F, x: apply("ConcatV2", (x,), {"axis": 0}))
def concat_of_one(x: Value) -> Value:
    """One tensor joined with nothing is that tensor."""
    return x


@rule(op("ConcatV2"), example(lambda F, x, y, z: F.concat([x, y, z], 0),
                              floats(2, 3), floats(0, 3), floats(1, 3)))
def concat_with_empty(node: Node) -> Value | None:
    """Tensors without elements add nothing to a join."""
    rank = node.outputs[0].shape.rank
    if rank is None:
        return None
    axis = node.attrs["axis"] % rank
    kept = [v for v in node.inputs
            if v.shape.rank is None or equal(v.shape.sizes[axis], 0) is not True]
    return F.concat(kept, axis) if 0 < len(kept) < len(node.inputs) else None


@rule(op("Pack", "x"), example(lambda F, x: F.stack([x], 1), floats(3, 4)))
def stack_of_one(x: Value, node: Node) -> Value:
    """A stack of one tensor is that tensor with an axis more."""
    return F.expand_dims(x, node.attrs["axis"])


@rule(op("Pad MirrorPad", "x"), lambda F, x: F.pad(x, [[0, 0], [0, 0]]),
      lambda F, x: F.pad(x, [[0, 0], [0, 0]], "REFLECT"))
def pad_nothing(x: Value, node: Node) -> Value | None:
    """A border of width 0 changes nothing."""
    return None if any(map(any, node.attrs["paddings"])) else x


@rule(op("Slice", "x", 0, "size"), lambda F, x: F.slice(x, [0, 0], [-1, 4]))
def slice_of_all(x: Value, node: Node) -> Value | None:
    """The block of all elements is the tensor."""
    return x if is_result(x, node) else None


@rule(op("StridedSlice", "x", "begin", "end", 1), lambda F, x: x[:, 0:4])
def strided_slice_of_all(x: Value, node: Node) -> Value | None:
    """A slice by steps of 1 that is as large as its input is its input."""
    masks = node.attrs["new_axis_mask"] or node.attrs["shrink_axis_mask"]
    return x if not masks and is_result(x, node) else None


VIEWS = rule.as_pass("views", "canonicalise", __doc__)
