"""`roll`: elements shifted along axes, those that leave one end coming back at the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, static_ints, static_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope


def _type(c: Infer) -> list[TensorType]:
    shift, axis, rank = c.attrs["shift"], c.attrs["axis"], c.shape(0).rank
    if len(shift) != len(axis):
        raise c.error(f"shift has {len(shift)} entries, axis has {len(axis)}",
                      "Give one shift for each axis.", AttributeValueError)
    c.require_rank(0, at_least=1)
    if rank is not None:
        for a in axis:
            c.axis(a, rank)
    return [TensorType(c.dtype(0), c.shape(0))]


def _reference(input: np.ndarray, shift: tuple[int, ...], axis: tuple[int, ...]) -> np.ndarray:
    if any(not -input.ndim <= a < input.ndim for a in axis):
        raise RunError(InvalidArgumentError,
                       f"axis {list(axis)} is outside [{-input.ndim}, {input.ndim})")
    for s, a in zip(shift, axis):
        input = np.roll(input, s, a)
    return np.array(input)


def _source(i: tuple, ctx: LoweringContext) -> tuple:
    sizes, source = ctx.in_shapes[0], list(i)
    for s, a in zip(ctx.attrs["shift"], ctx.attrs["axis"]):
        source[a] = (source[a] - s) % sizes[a]
    return tuple(source)


ROLL: OpDef = declare(
    "Roll", "input: any", attrs={"shift": Attr("ints"), "axis": Attr("ints")}, infer=_type,
    reference=_reference,
    grad=lambda F, op, g: [apply(ROLL, (g,), {
        "shift": tuple(-s for s in op.attrs["shift"]), "axis": op.attrs["axis"]})],
    lowering=View(_source), symbolic=True,
    samples=lambda: [
        Sample((np.arange(5.0),), {"shift": (2,), "axis": (0,)}),
        Sample((np.arange(12.0).reshape(3, 4),), {"shift": (-1, 7), "axis": (0, -1)}),
        Sample((np.arange(12.0).reshape(3, 4),), {"shift": (1, 1), "axis": (1, 1)}),
        Sample((np.zeros((0, 2)),), {"shift": (1,), "axis": (0,)})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {"shift": (1, 2), "axis": (0,)},
                    AttributeValueError, "shift has 2 entries, axis has 1"),
        ErrorSample((typed(dt.float32, 2, 3),), {"shift": (1,), "axis": (2,)},
                    AttributeValueError, r"axis 2 is outside \[-2, 2\)"),
        ErrorSample((typed(dt.float32),), {"shift": (1,), "axis": (0,)}, ShapeError,
                    "rank at least 1")])


@op_function
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Any:
    """`input` with its elements moved `shift[k]` places towards the end of axis `axis[k]`.

    Elements that leave one end come back at the other; shifts of one axis add up.
    shift: an integer or a vector of them, which may be computed when the graph runs; axis: as
      many axes, known while building.
    Raises AttributeValueError for a wrong axis, ShapeError for a scalar.
    """
    axes = static_ints("Roll", name, "axis", axis)
    if static_value(shift) is not None:
        shifts = static_ints("Roll", name, "shift", shift)
        return apply(ROLL, (input,), {"shift": shifts, "axis": axes}, name=name)
    x, shift = convert(input), convert(shift)
    if shift.shape.rank is None:
        raise failure("Roll", name, "shift must have a known rank", cls=ShapeError)
    with scope(name, "Roll") as last:
        for k, a in enumerate(axes):
            by = shift if shift.shape.rank == 0 else shift[k]
            n = F.shape(x, out_type=by.dtype)[a]
            places = F.floormod(F.range(n) - by, n)
            x = F.gather(x, places, axis=a, name=last if k == len(axes) - 1 else None)
        return x if axes else F.identity(x, name=last)
