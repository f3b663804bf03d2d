"""The operations on queues, and what they know of one: `QueueSpec`.

The queue itself is state of a session (`queue_state.py`); it is made at first use. All are host
steps with an effect: they run once each, in order, and wait where the queue makes them wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.dims import fresh
from graphflow.dtypes import DType
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import Attr, Infer, NotDifferentiable, RunError, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.host_state import current_host_state
from graphflow.ops.queue_state import (
    Buffer,
    Element,
    PriorityBuffer,
    QueueState,
    ShuffleBuffer,
)
from graphflow.shapes import SCALAR, TensorShape

_QUEUE = NotDifferentiable("what comes from a queue has no gradient")
STEP = Host(effect=True, reaches_out=True, waits=True)


@dataclass(frozen=True, eq=False)
class QueueSpec:
    """What the operations on one queue share; equal by identity.

    Attributes:
      kind, name: how messages call it.
      capacity: None for any number.
      dtypes, shapes: of the components of an element.
      pads: elements of one batch may differ in size, and are filled up with zeros.
      reserve: how many elements stay in while it is open.
      seed: for random order; None takes another one each time.
    """

    kind: str
    name: str
    capacity: int | None
    dtypes: tuple[DType, ...]
    shapes: tuple[TensorShape, ...]
    pads: bool = False
    reserve: int = 0
    seed: tuple[int, ...] | None = None

    def state(self) -> QueueState:
        """The queue of the session that runs."""
        found: QueueState = current_host_state().kept(self, self._make)
        return found

    def _make(self) -> QueueState:
        buffer = (ShuffleBuffer(self.seed) if self.kind == "RandomShuffleQueue"
                  else PriorityBuffer() if self.kind == "PriorityQueue" else Buffer())
        return QueueState(f"{self.kind} '{self.name}'", buffer, self.capacity, self.reserve)

    def __repr__(self) -> str:
        return f"<{self.kind} '{self.name}'>"


_SPEC = {"queue": Attr("object")}


def _checked(spec: QueueSpec, arrays: tuple[np.ndarray, ...], skip: int) -> None:
    for i, (array, shape) in enumerate(zip(arrays, spec.shapes)):
        if not shape.is_compatible_with(array.shape[skip:]):
            raise RunError(InvalidArgumentError,
                           f"component {i} has shape {list(array.shape[skip:])}, but {spec!r} "
                           f"takes {shape}")


def _enqueue(*components: np.ndarray, queue: QueueSpec) -> tuple[()]:
    _checked(queue, components, 0)
    queue.state().put([tuple(np.array(a, order="C") for a in components)])
    return ()


def _enqueue_many(*components: np.ndarray, queue: QueueSpec) -> tuple[()]:
    _checked(queue, components, 1)
    counts = {len(a) for a in components}
    if len(counts) > 1:
        raise RunError(InvalidArgumentError,
                       f"the components must have one first size, got {sorted(counts)}")
    copies = [np.array(a, order="C") for a in components]
    rows = [tuple(_row(a, k) for a in copies) for k in range(counts.pop())]
    queue.state().put(rows)
    return ()


def _row(array: np.ndarray, k: int) -> np.ndarray:
    if array.dtype == object and array.ndim == 1:  # a string is no sequence here
        out = np.empty((), object)
        out[()] = array[k]
        return out
    return np.asarray(array[k])


def _require_shapes(skip: int) -> Any:
    def infer(c: Infer) -> list[TensorType]:
        spec: QueueSpec = c.attrs["queue"]
        for i, shape in enumerate(spec.shapes):
            if skip:
                c.require_rank(i, at_least=1)
            given = c.shape(i)
            if skip and given.rank is not None:
                given = given[skip:]
            if not shape.is_compatible_with(given):
                raise c.error(f"component {i} must have shape {shape}, got {given}",
                              "The queue was made for that shape.", ShapeError)
        return []

    return infer


QUEUE_ENQUEUE = declare(
    "QueueEnqueueV2", "components: *any", attrs=_SPEC, infer=_require_shapes(0),
    reference=_enqueue, grad=_QUEUE, lowering=STEP)

QUEUE_ENQUEUE_MANY = declare(
    "QueueEnqueueManyV2", "components: *any", attrs=_SPEC, infer=_require_shapes(1),
    reference=_enqueue_many, grad=_QUEUE, lowering=STEP)


# ---- out ----------------------------------------------------------------------------------------


def _component_types(c: Infer) -> list[TensorType]:
    spec: QueueSpec = c.attrs["queue"]
    shapes = spec.shapes or (TensorShape(None),) * len(spec.dtypes)
    return [TensorType(t, s.renewed()) for t, s in zip(spec.dtypes, shapes)]


def _batch_types(counted: bool) -> Any:
    def infer(c: Infer) -> list[TensorType]:
        c.require_rank(0, 0)
        spec: QueueSpec = c.attrs["queue"]
        if not spec.shapes:
            raise c.error(f"{spec!r} does not know its elements' shapes, so they cannot be put "
                          "into one batch", "Pass shapes=[…] to the queue.", ShapeError)
        value = c.value(0) if counted else None
        size = fresh() if value is None else value.item()
        return [TensorType(t.dtype, TensorShape.of((size,)).concatenate(t.shape))
                for t in _component_types(c)]

    return infer


def _results(columns: list[np.ndarray]) -> Any:
    return columns[0] if len(columns) == 1 else tuple(columns)


def _dequeue(queue: QueueSpec) -> Any:
    [element] = queue.state().take(1)
    return _results(list(element))


def _take(n: np.ndarray, queue: QueueSpec, fewer: bool) -> Any:
    count = int(n)
    if count < 0:
        raise RunError(InvalidArgumentError, f"n must not be negative, got {count}")
    rows = queue.state().take(count, fewer)
    return _results([_column(queue, rows, k) for k in range(len(queue.dtypes))])


def _column(spec: QueueSpec, rows: list[Element], k: int) -> np.ndarray:
    arrays, dtype = [row[k] for row in rows], spec.dtypes[k].numpy
    if not arrays:
        sizes = [0 if n is None else n for n in spec.shapes[k].as_list()]
        return np.zeros((0, *sizes), dtype)
    sizes = np.max([a.shape for a in arrays], axis=0, initial=0).astype(int).tolist()
    out = np.full((len(arrays), *sizes), b"" if spec.dtypes[k].is_string else 0, dtype)
    for i, array in enumerate(arrays):
        if array.ndim:
            out[i][tuple(slice(n) for n in array.shape)] = array
        else:
            out[i] = array[()]
    return out


QUEUE_DEQUEUE = declare(
    "QueueDequeueV2", "", attrs=_SPEC, infer=_component_types, reference=_dequeue, grad=_QUEUE,
    lowering=STEP)

QUEUE_DEQUEUE_MANY = declare(
    "QueueDequeueManyV2", "n: int32", attrs=_SPEC, infer=_batch_types(True),
    reference=lambda n, queue: _take(n, queue, False), grad=_QUEUE, lowering=STEP)

QUEUE_DEQUEUE_UP_TO = declare(
    "QueueDequeueUpToV2", "n: int32", attrs=_SPEC, infer=_batch_types(False),
    reference=lambda n, queue: _take(n, queue, True), grad=_QUEUE, lowering=STEP)


# ---- beside -------------------------------------------------------------------------------------


def _close(queue: QueueSpec, cancel_pending_enqueues: bool) -> tuple[()]:
    queue.state().close(cancel_pending_enqueues)
    return ()


QUEUE_CLOSE = declare(
    "QueueCloseV2", "", attrs={**_SPEC, "cancel_pending_enqueues": Attr("bool", False)},
    infer=lambda c: [], reference=_close, grad=_QUEUE, lowering=STEP)

QUEUE_SIZE = declare(
    "QueueSizeV2", "", attrs=_SPEC, infer=lambda c: [TensorType(dt.int32, SCALAR)],
    reference=lambda queue: np.int32(queue.state().size()), grad=_QUEUE,
    lowering=STEP)

QUEUE_IS_CLOSED = declare(
    "QueueIsClosedV2", "", attrs=_SPEC, infer=lambda c: [TensorType(dt.bool_, SCALAR)],
    reference=lambda queue: np.bool_(queue.state().is_closed()), grad=_QUEUE,
    lowering=STEP)
