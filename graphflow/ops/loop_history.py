"""The histories of loops: one value per iteration, read and written at one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import UnimplementedError
from graphflow.lowering import Gather, Pointwise, Scatter
from graphflow.opdef import Infer, RunError, TensorType
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE


class Ragged(list):
    """The history of a loop variable whose shape changes: one array per iteration."""


def as_history(values: list[Any], first: np.ndarray) -> Any:
    """The values of all iterations, stacked; `first` gives type and shape if there is none."""
    if not values:
        return np.zeros((0, *np.shape(first)), np.asarray(first).dtype)
    if any(np.shape(v) != np.shape(values[0]) for v in values):
        return Ragged(values)
    return np.stack(values)


def _element_type(c: Infer) -> list[TensorType]:
    shape = c.shape(0)
    return [TensorType(c.dtype(0), UNKNOWN_SHAPE if shape.rank is None else shape[1:])]


def _element(history: Any, iteration: np.ndarray) -> np.ndarray:
    number = int(iteration)
    return np.asarray(history[number] if isinstance(history, Ragged) else history[number, ...])


HISTORY_READ = declare(
    "HistoryRead", "history: T, iteration: int64", infer=_element_type, reference=_element,
    grad=lambda F, op, g: [F.history_scatter(g, op.inputs[1], op.inputs[0]), None],
    lowering=Gather(lambda i, load, ctx: (load(1, ()), *i)), T=dt.ALL)


@op_function
def history_read(history: Any, iteration: Any) -> Any:
    """The value that a loop variable had at the start of `iteration`."""
    return apply(HISTORY_READ, (history, iteration))


def _scattered(g: np.ndarray, iteration: np.ndarray, history: Any) -> np.ndarray:
    if isinstance(history, Ragged):
        raise RunError(UnimplementedError, "second derivatives through a loop variable whose "
                       "shape changes are not supported", "Keep the shape constant.")
    out = np.zeros_like(history)
    out[int(iteration)] = g
    return out


HISTORY_SCATTER = declare(
    "HistoryScatter", "g: T, iteration: int64, history: T",
    infer=lambda c: [TensorType(c.dtype(0), c.shape(2))], reference=_scattered,
    grad=lambda F, op, g: [F.history_read(g, op.inputs[1]), None, None],
    lowering=Scatter(
        lambda i, load, ctx: (load(1, ()), *i), updates=0, combine="set", initial=lambda ctx: 0),
    T=dt.INEXACT)


@op_function
def history_scatter(g: Any, iteration: Any, history: Any) -> Any:
    """Zeros of the history's shape, with `g` at `iteration`."""
    return apply(HISTORY_SCATTER, (g, iteration, history))


# ---- what a turn has computed -------------------------------------------------------------------

REMEMBERED = declare(
    "Remembered", "computed: T, kept: T", infer=lambda c: [TensorType(c.dtype(0), c.shape(0))],
    reference=lambda computed, kept: kept, grad=lambda F, op, g: [g, None],
    lowering=Pointwise(lambda b, computed, kept: kept), T=dt.INEXACT)


@op_function
def remembered(computed: Any, kept: Any) -> Any:
    """`kept`, which is the value that `computed` had; gradients flow to `computed`.

    What computes the value again is there for its gradient alone, and dead where that does not
    need the value.
    """
    return apply(REMEMBERED, (computed, kept))
