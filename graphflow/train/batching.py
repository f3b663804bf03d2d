"""Batches of what one run makes at a time, by queues: `batch`, `shuffle_batch` and relatives.

Each function adds a queue, threads that put the tensors in (`start_queue_runners` starts them),
and gives what comes out. Every example must have the shape of the others, or `dynamic_pad`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import GraphError, ShapeError, UnimplementedError
from graphflow.ops.data_queues import (
    FIFOQueue,
    PaddingFIFOQueue,
    QueueBase,
    RandomShuffleQueue,
)
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, as_shape
from graphflow.sparse_tensor import SparseTensor
from graphflow.train.input_producers import fullness
from graphflow.train.queue_runner import QueueRunner, add_queue_runner

Parts = list[Any]


def _parts(tensors: Any) -> Parts:
    """The components, as tensors; of a dict by its sorted keys."""
    if isinstance(tensors, dict):
        found = [tensors[key] for key in sorted(tensors)]
    else:
        found = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    if any(isinstance(v, SparseTensor) for v in found):
        raise UnimplementedError(
            None, None, "Queues hold no SparseTensors. Put the serialized examples into batches, "
            "and parse these: gf.parse_example(gf.train.batch([serialized], n)[0], …); or use "
            "gf.sparse_tensor_to_dense with dynamic_pad=True.")
    return [convert(v) for v in found]


def _like(tensors: Any, parts: Any) -> Any:
    """What came out, in the form of what went in; one tensor for a list of one, as TensorFlow."""
    found = list(parts) if isinstance(parts, (list, tuple)) else [parts]
    if isinstance(tensors, dict):
        return dict(zip(sorted(tensors), found))
    return found if len(found) > 1 else found[0]


def _shapes(rows: Sequence[Parts], shapes: Any, enqueue_many: bool) -> list[TensorShape]:
    if shapes is not None:
        return [as_shape(s) for s in shapes]
    out = []
    for column in zip(*rows):
        shape = column[0].shape
        for other in column[1:]:
            shape = shape.most_specific_compatible_shape(other.shape)
        out.append(shape[1:] if enqueue_many and shape.rank is not None else shape)
    return out


def _types(rows: Sequence[Parts]) -> list[dt.DType]:
    for row in rows[1:]:
        if [t.dtype for t in row] != [t.dtype for t in rows[0]]:
            raise GraphError("batch_join: the lists of tensors must have the same types, got "
                             f"{[[t.dtype.name for t in r] for r in rows]}.")
    return [t.dtype for t in rows[0]]


def _enqueue(
    queue: QueueBase, rows: Sequence[Parts], threads: int, enqueue_many: bool, keep: Any
) -> None:
    """Adds the runner of `threads` threads for each of the rows."""
    def one(row: Parts) -> Any:
        put = queue.enqueue_many if enqueue_many else queue.enqueue
        if keep is True:
            return put(row)
        wanted = convert(keep, dt.bool_)
        if enqueue_many and wanted.shape.rank != 0:
            return put([F.boolean_mask(t, wanted) for t in row])
        kept = [F.boolean_mask(t if enqueue_many else F.expand_dims(t, 0),
                               F.reshape(wanted, [1]) if not enqueue_many else
                               F.fill(F.shape(t)[:1], wanted)) for t in row]
        return queue.enqueue_many(kept)

    add_queue_runner(QueueRunner(queue, [one(row) for row in rows for _ in range(threads)]))


def _batched(
    given: Sequence[Any], batch_size: Any, make: Callable[..., QueueBase], keep: Any,
    threads: int, capacity: int, enqueue_many: bool, shapes: Any, smaller: bool, name: str | None,
    default: str, reserve: int = 0,
) -> Any:
    with scope(name, default) as own:
        rows = [_parts(g) for g in given]
        if not rows or not rows[0]:
            raise GraphError(f"{default}: Expected at least one tensor.")
        known = _shapes(rows, shapes, enqueue_many)
        open_ones = [s for s in known if s.rank is None]
        if open_ones:
            raise ShapeError(f"{default}: All shapes must have a known rank, got "
                             f"{[str(s) for s in known]}. Use x.set_shape([…]) before.")
        queue = make(capacity=capacity, dtypes=_types(rows), shapes=known)
        _enqueue(queue, rows, threads, enqueue_many, keep)
        _summarise(queue, capacity, reserve)
        take = queue.dequeue_up_to if smaller else queue.dequeue_many
        return _like(given[0], take(batch_size, name=own))


def _summarise(queue: QueueBase, capacity: int, reserve: int) -> None:
    if not reserve:
        fullness(f"fraction_of_{capacity}_full", queue, capacity)
        return
    from graphflow import summary

    spare = F.maximum(0, queue.size() - reserve)
    summary.scalar(f"fraction_over_{reserve}_of_{capacity - reserve}_full",
                   F.cast(spare, dt.float32) * (1.0 / (capacity - reserve)))


def _fifo(dynamic_pad: bool) -> Callable[..., QueueBase]:
    return PaddingFIFOQueue if dynamic_pad else FIFOQueue


def _shuffling(reserve: int, seed: int | None) -> Callable[..., QueueBase]:
    def make(capacity: int, dtypes: Any, shapes: Any) -> QueueBase:
        return RandomShuffleQueue(capacity, reserve, dtypes, shapes, seed=seed)

    return make


# ---- public -------------------------------------------------------------------------------------


def batch(
    tensors: Any, batch_size: Any, num_threads: int = 1, capacity: int = 32,
    enqueue_many: bool = False, shapes: Any = None, dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of `batch_size` examples, in order if there is one thread.

    tensors: a tensor, or a list or dict of them, that hold one example (or several along their
      first axis, if `enqueue_many`). → the same with a first axis of `batch_size`.
    dynamic_pad: examples of a batch are filled up with zeros to the largest.
    allow_smaller_final_batch: gives what is left in the end, where it would be dropped otherwise.
    Raises ShapeError (a ValueError) if the shape of an example is not known.
    """
    return maybe_batch(tensors, True, batch_size, num_threads, capacity, enqueue_many, shapes,
                       dynamic_pad, allow_smaller_final_batch, shared_name, name)


def maybe_batch(
    tensors: Any, keep_input: Any, batch_size: Any, num_threads: int = 1, capacity: int = 32,
    enqueue_many: bool = False, shapes: Any = None, dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch` of the examples for which `keep_input`, a bool, is true when they are made.

    With `enqueue_many`, `keep_input` may have one element for each example.
    """
    return _batched([tensors], batch_size, _fifo(dynamic_pad), keep_input, num_threads, capacity,
                    enqueue_many, shapes, allow_smaller_final_batch, name, "batch")


def batch_join(
    tensors_list: Sequence[Any], batch_size: Any, capacity: int = 32, enqueue_many: bool = False,
    shapes: Any = None, dynamic_pad: bool = False, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:
    """As `batch`, with one thread for each of several readers: a list of lists (or dicts)."""
    return maybe_batch_join(tensors_list, True, batch_size, capacity, enqueue_many, shapes,
                            dynamic_pad, allow_smaller_final_batch, shared_name, name)


def maybe_batch_join(
    tensors_list: Sequence[Any], keep_input: Any, batch_size: Any, capacity: int = 32,
    enqueue_many: bool = False, shapes: Any = None, dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch_join` of the examples for which `keep_input` is true."""
    return _batched(tensors_list, batch_size, _fifo(dynamic_pad), keep_input, 1, capacity,
                    enqueue_many, shapes, allow_smaller_final_batch, name, "batch_join")


def shuffle_batch(
    tensors: Any, batch_size: Any, capacity: int, min_after_dequeue: int, num_threads: int = 1,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None,
    allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of `batch_size` examples, each drawn from those that wait.

    capacity: how many may wait. min_after_dequeue: how many must be left, so that they are mixed.
    See `batch` for the rest.
    """
    return maybe_shuffle_batch(
        tensors, batch_size, capacity, min_after_dequeue, True, num_threads, seed, enqueue_many,
        shapes, allow_smaller_final_batch, shared_name, name)


def maybe_shuffle_batch(
    tensors: Any, batch_size: Any, capacity: int, min_after_dequeue: int, keep_input: Any,
    num_threads: int = 1, seed: int | None = None, enqueue_many: bool = False,
    shapes: Any = None, allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch` of the examples for which `keep_input` is true."""
    return _batched([tensors], batch_size, _shuffling(min_after_dequeue, seed), keep_input,
                    num_threads, capacity, enqueue_many, shapes, allow_smaller_final_batch, name,
                    "shuffle_batch", min_after_dequeue)


def shuffle_batch_join(
    tensors_list: Sequence[Any], batch_size: Any, capacity: int, min_after_dequeue: int,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None,
    allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch`, with one thread for each of several readers."""
    return maybe_shuffle_batch_join(
        tensors_list, batch_size, capacity, min_after_dequeue, True, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name)


def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any], batch_size: Any, capacity: int, min_after_dequeue: int,
    keep_input: Any, seed: int | None = None, enqueue_many: bool = False, shapes: Any = None,
    allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch_join` of the examples for which `keep_input` is true."""
    return _batched(tensors_list, batch_size, _shuffling(min_after_dequeue, seed), keep_input, 1,
                    capacity, enqueue_many, shapes, allow_smaller_final_batch, name,
                    "shuffle_batch_join", min_after_dequeue)
