"""`reverse`: axes that run the other way round."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function, publish
from graphflow.errors import AttributeValueError, InvalidArgumentError
from graphflow.lowering import LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import static_ints, typed
from graphflow.ops.declare import declare


def _reverse_type(c: Infer) -> list[TensorType]:
    shape, axis = c.shape(0), c.attrs["axis"]
    if shape.rank is not None:
        axes = [c.axis(a, shape.rank) for a in axis]
        if len(set(axes)) != len(axes):
            raise c.error(f"axis {list(axis)} names an axis of {c.show(0)} twice",
                          cls=AttributeValueError)
    return [TensorType(c.dtype(0), shape)]


def _reverse_reference(tensor: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    if any(not -tensor.ndim <= a < tensor.ndim for a in axis):
        raise RunError(InvalidArgumentError,
                       f"axis {list(axis)} is outside [{-tensor.ndim}, {tensor.ndim})")
    return np.flip(tensor, axis) if tensor.ndim else tensor


def _mirrored(i: tuple, ctx: LoweringContext) -> tuple:
    sizes = ctx.in_shapes[0]
    turned = {a % len(sizes) for a in ctx.attrs["axis"]}
    return tuple(n - 1 - k if a in turned else k for a, (k, n) in enumerate(zip(i, sizes)))


REVERSE = declare(
    "ReverseV2", "tensor: any", attrs={"axis": Attr("ints")}, infer=_reverse_type,
    reference=_reverse_reference,
    grad=lambda F, op, g: [F.reverse(g, op.attrs["axis"])],
    lowering=View(_mirrored), symbolic=True,
    samples=lambda: [
        *(Sample((np.arange(6.0).reshape(2, 3),), {"axis": axis})
          for axis in ((0,), (-1,), (0, 1), ())),
        Sample((np.array(2.0),), {"axis": ()}), Sample((np.zeros((0, 3)),), {"axis": (1,)})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {"axis": (2,)}, AttributeValueError,
                    r"axis 2 is outside \[-2, 2\) for tensor \[2, 3\]"),
        ErrorSample((typed(dt.float32, 2, 3),), {"axis": (1, -1)}, AttributeValueError,
                    r"axis \[1, -1\] names an axis of tensor \[2, 3\] twice")])


@op_function
def reverse(tensor: Any, axis: Any, name: str | None = None) -> Any:
    """`tensor` with its elements along `axis` (a number or a list) in the opposite order.

    tensor: any shape and dtype → the same. `axis` must be known while building.
    Raises AttributeValueError for an axis that it does not have, or that is named twice.
    """
    return apply(REVERSE, (tensor,), {"axis": static_ints("ReverseV2", name, "axis", axis)},
                 name=name)


publish(reverse, "reverse_v2")
