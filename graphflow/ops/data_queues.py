"""`tf.FIFOQueue` and its relatives, in the form of TensorFlow 1.15.

A queue belongs to the session that runs its operations, and is empty in a new one. Operations that
have to wait do so without holding back other runs of the session: fill a queue in one thread and
empty it in another (`gf.train.start_queue_runners`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, current
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.graph import get_default_graph
from graphflow.opdef import OpDef
from graphflow.ops import queues
from graphflow.ops.arguments import failure
from graphflow.ops.graph_functions import get_seed, init_scope
from graphflow.ops.queues import QueueSpec
from graphflow.shapes import TensorShape, as_shape
from graphflow.tensor import Operation, Tensor


class QueueBase:
    """What all queues share. Make a `FIFOQueue` or one of its relatives."""

    _kind, _pads = "FIFOQueue", False

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any, names: Any, name: str,
        min_after_dequeue: int = 0, seed: tuple[int, ...] | None = None,
    ) -> None:
        types = tuple(dt.as_dtype(t) for t in (
            dtypes if isinstance(dtypes, (list, tuple)) else [dtypes]))
        known = () if shapes is None else _shapes(shapes, len(types))
        problem = self._problem(len(types), known, names)
        if problem:
            raise failure(self._kind, name, problem, cls=AttributeValueError)
        self._names = None if names is None else list(names)
        if name.endswith("/"):  # the name of a scope that is open
            unique = name[:-1]
        else:
            with init_scope():
                unique = get_default_graph().unique_name(name)
        self._short = unique.rpartition("/")[2]
        self._spec = QueueSpec(
            self._kind, unique, int(capacity) if int(capacity) >= 0 else None, types, known,
            self._pads, int(min_after_dequeue), seed)

    def _problem(self, count: int, shapes: Sequence[TensorShape], names: Any) -> str | None:
        if not count:
            return "dtypes must name at least one component"
        if shapes and len(shapes) != count:
            return f"Queue shapes must have the same length as dtypes, got {len(shapes)} and " \
                   f"{count}"
        if names is not None and len(names) != count:
            return f"List of queue names must have the same length as the list of dtypes, got " \
                   f"{len(names)} and {count}"
        if not self._pads and not all(s.is_fully_defined() for s in shapes):
            return ("shapes must be fully known; a PaddingFIFOQueue takes elements whose sizes "
                    "differ")
        return None

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._spec.name

    @property
    def dtypes(self) -> list[dt.DType]:
        """The types of the components."""
        return list(self._spec.dtypes)

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes of the components; empty if they are not known."""
        return list(self._spec.shapes)

    @property
    def names(self) -> list[str] | None:
        """The names of the components, if elements are dicts."""
        return self._names

    @property
    def queue_ref(self) -> QueueSpec:
        """What stands for the queue."""
        return self._spec

    def __repr__(self) -> str:
        return f"<gf.{self._kind} '{self.name}'>"

    # ---- in -------------------------------------------------------------------------------------

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """An operation that adds one element; in the run it waits while the queue is full.

        vals: one tensor, a list of as many as there are components, or a dict by their names.
        Raises CancelledError in the run if the queue is closed, ShapeError for a wrong shape.
        """
        return self._put(queues.QUEUE_ENQUEUE, vals, name or f"{self._short}_enqueue")

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """An operation that adds the rows of tensors, one after the other; see `enqueue`."""
        return self._put(queues.QUEUE_ENQUEUE_MANY, vals, name or f"{self._short}_EnqueueMany")

    def _put(self, opdef: OpDef, vals: Any, name: str) -> Operation:
        graph: Any = current()
        tensors = [convert(v, t) for v, t in zip(self._components(vals), self._spec.dtypes)]
        operation: Operation = graph.add_operation(
            opdef, tuple(tensors), {"queue": self._spec}, name)
        return operation

    def _components(self, vals: Any) -> list[Any]:
        if isinstance(vals, dict):
            if self._names is None:
                raise failure(self._kind, self.name, "must have names to enqueue a dictionary")
            if sorted(self._names) != sorted(vals):
                raise failure(self._kind, self.name, "keys in the dictionary to enqueue do not "
                              f"match the names: {sorted(vals)}, expected {sorted(self._names)}")
            return [vals[key] for key in self._names]
        if self._names is not None:
            raise failure(self._kind, self.name, "must enqueue a dictionary in a queue with names")
        found = list(vals) if isinstance(vals, (list, tuple)) else [vals]
        if len(found) != len(self._spec.dtypes):
            raise failure(self._kind, self.name, f"an element has {len(self._spec.dtypes)} "
                          f"components, got {len(found)}")
        return found

    # ---- out ------------------------------------------------------------------------------------

    def dequeue(self, name: str | None = None) -> Any:
        """The next element; in the run it waits while the queue is empty.

        A tensor if there is one component, a list for several, a dict if they have names.
        Raises OutOfRangeError in the run if the queue is closed and empty.
        """
        return self._taken(queues.QUEUE_DEQUEUE, (), name or f"{self._short}_Dequeue")

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """The next `n` elements, along a new first axis; the run waits until they are there.

        Raises OutOfRangeError in the run if the queue is closed and holds fewer.
        """
        return self._taken(queues.QUEUE_DEQUEUE_MANY, (n,), name or f"{self._short}_DequeueMany")

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """As `dequeue_many`, but of a closed queue fewer elements if it holds fewer, not none."""
        return self._taken(queues.QUEUE_DEQUEUE_UP_TO, (n,), name or f"{self._short}_DequeueUpTo")

    def _taken(self, opdef: OpDef, inputs: tuple[Any, ...], name: str) -> Any:
        outputs = apply(opdef, inputs, {"queue": self._spec}, name=name)
        found = list(outputs) if isinstance(outputs, tuple) else [outputs]
        if self._names is not None:
            return dict(zip(self._names, found))
        return found[0] if len(found) == 1 else found

    # ---- beside ---------------------------------------------------------------------------------

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """An operation after which nothing more can be added; what is in can still be taken.

        cancel_pending_enqueues: those that wait for room fail with CancelledError.
        """
        graph: Any = current()
        attrs = {"queue": self._spec, "cancel_pending_enqueues": bool(cancel_pending_enqueues)}
        operation: Operation = graph.add_operation(
            queues.QUEUE_CLOSE, (), attrs, name or f"{self._short}_Close")
        return operation

    def is_closed(self, name: str | None = None) -> Tensor:
        """True in the run once the queue was closed. → bool []."""
        return self._told(queues.QUEUE_IS_CLOSED, name or f"{self._short}_is_closed")

    def size(self, name: str | None = None) -> Tensor:
        """How many elements are in it. → int32 []."""
        return self._told(queues.QUEUE_SIZE, name or f"{self._short}_Size")

    def _told(self, opdef: OpDef, name: str) -> Tensor:
        found: Tensor = apply(opdef, (), {"queue": self._spec}, name=name)
        return found

    @staticmethod
    def from_list(index: int, queues: Sequence[QueueBase]) -> QueueBase:
        """The queue number `index`, which must be known while the graph is built."""
        chosen = F.get_static_value(convert(index)) if isinstance(index, Tensor) else index
        if chosen is None:
            raise failure("QueueBase", None, "from_list: index must be known while the graph is "
                          "built", "Use gf.case over the queues' dequeue().")
        return queues[int(chosen)]


class FIFOQueue(QueueBase):
    """Gives elements in the order in which they came.

    capacity: how many elements fit. dtypes: of the components of an element. shapes: of the
    components, needed for `dequeue_many`. names: makes elements dicts.
    """

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any = None, names: Any = None,
        shared_name: str | None = None, name: str = "fifo_queue",
    ) -> None:
        super().__init__(capacity, dtypes, shapes, names, name)


class RandomShuffleQueue(QueueBase):
    """Gives elements in random order, and keeps `min_after_dequeue` of them while it is open.

    seed: together with the graph's seed, for the same order in each session.
    """

    _kind = "RandomShuffleQueue"

    def __init__(
        self, capacity: int, min_after_dequeue: int, dtypes: Any, shapes: Any = None,
        names: Any = None, seed: int | None = None, shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        seeds = get_seed(seed)
        super().__init__(
            capacity, dtypes, shapes, names, name, min_after_dequeue,
            None if seeds == (None, None) else tuple(int(s or 0) & 0xFFFFFFFF for s in seeds))


class PaddingFIFOQueue(QueueBase):
    """A FIFOQueue whose batches are filled up with zeros (or "") to their largest element.

    shapes: with None for the sizes that differ.
    """

    _kind, _pads = "PaddingFIFOQueue", True

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any, names: Any = None,
        shared_name: str | None = None, name: str = "padding_fifo_queue",
    ) -> None:
        super().__init__(capacity, dtypes, shapes, names, name)


class PriorityQueue(QueueBase):
    """Gives the element with the least priority first: an int64 scalar before its components.

    types, shapes: of the components without the priority.
    """

    _kind = "PriorityQueue"

    def __init__(
        self, capacity: int, types: Any, shapes: Any = None, names: Any = None,
        shared_name: str | None = None, name: str = "priority_queue",
    ) -> None:
        kinds = list(types) if isinstance(types, (list, tuple)) else [types]
        known = None if shapes is None else [[], *_shapes(shapes, len(kinds))]
        super().__init__(capacity, [dt.int64, *kinds], known, names, name)


def _shapes(shapes: Any, count: int) -> tuple[TensorShape, ...]:
    """The shapes of the components; one shape may be given by itself."""
    if isinstance(shapes, TensorShape) or not isinstance(shapes, (list, tuple)):
        return (as_shape(shapes),)
    if count == 1 and all(s is None or isinstance(s, int) for s in shapes) and len(shapes) != 0:
        return (as_shape(list(shapes)),)
    if count == 1 and len(shapes) == 0:
        return (as_shape([]),)
    try:
        return tuple(as_shape(s) for s in shapes)
    except TypeError as error:
        raise ShapeError(f"shapes must be a list of shapes, got {shapes!r}.") from error
