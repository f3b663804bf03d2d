"""Queues of what is to be read: names of files, numbers, rows of tensors, epoch after epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import GraphError, ShapeError
from graphflow.ops.data_queues import FIFOQueue, QueueBase
from graphflow.ops.graph_functions import control_dependencies
from graphflow.ops.scope import scope
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.shapes import as_shape
from graphflow.train.queue_runner import QueueRunner, add_queue_runner


def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """A local variable with the names of the files that match, looked up when it is initialised.

    pattern: a string or a vector of them. Run `local_variables_initializer()` first.
    """
    with scope(name, "matching_filenames"):
        return Variable(
            lambda: F.matching_files(pattern), trainable=False, validate_shape=False,
            name=name or "matching_filenames", collections=[GraphKeys.LOCAL_VARIABLES])


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Any:
    """`tensor`, which can be computed `num_epochs` times; after that OutOfRangeError.

    The count is a local variable: run `local_variables_initializer()` first. None: no limit.
    Raises GraphError (a ValueError) unless `num_epochs` is above 0.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise GraphError(f"limit_epochs: num_epochs must be > 0 not {num_epochs}.")
    with scope(name, "limit_epochs") as own:
        tensor = convert(tensor)
        epochs = Variable(F.constant(0, dt.int64), name="epochs", trainable=False,
                          collections=[GraphKeys.LOCAL_VARIABLES])
        with control_dependencies([epochs.count_up_to(num_epochs)]):
            return F.identity(tensor, name=own)


def input_producer(
    input_tensor: Any, element_shape: Any = None, num_epochs: int | None = None,
    shuffle: bool = True, seed: int | None = None, capacity: int = 32,
    shared_name: str | None = None, summary_name: str | None = None, name: str | None = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of the rows of `input_tensor`, again and again, and the runner that fills it.

    element_shape: the shape of a row, if it is not known. num_epochs: how often all rows come
      (needs `local_variables_initializer()`); None never ends. shuffle: each epoch in an order of
      its own. summary_name: of a summary that tells how full the queue is.
    Raises ShapeError (a ValueError) if the rows' shape is not known.
    """
    with scope(name, "input_producer") as own:
        rows = convert(input_tensor, None, "input_tensor")
        shape = as_shape(rows.shape[1:] if rows.shape.rank is not None else None).merge_with(
            as_shape(element_shape))
        if not shape.is_fully_defined():
            raise ShapeError("input_producer: Either `input_tensor` must have a fully defined "
                             "shape or `element_shape` must be specified.")
        if shuffle:
            rows = F.random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype], shapes=[shape], shared_name=shared_name,
                          name=own or "input_producer")
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op))
        if summary_name is not None:
            fullness(summary_name, queue, capacity)
        return queue


def fullness(name: str, queue: QueueBase, capacity: int) -> None:
    """A summary of the share of the queue's capacity that is used."""
    from graphflow import summary

    summary.scalar(name, F.cast(queue.size(), dt.float32) * (1.0 / capacity))


def string_input_producer(
    string_tensor: Any, num_epochs: int | None = None, shuffle: bool = True,
    seed: int | None = None, capacity: int = 32, shared_name: str | None = None,
    name: str | None = None, cancel_op: Any = None,
) -> QueueBase:
    """A queue of strings, such as the names of files for a reader; see `input_producer`.

    Raises GraphError (a ValueError) for an empty list.
    """
    empty = "string_input_producer requires a non-null input tensor"
    if isinstance(string_tensor, (list, tuple)) and not string_tensor:
        raise GraphError(f"{empty}.")
    with scope(name, "input_producer") as own:
        strings = convert(string_tensor, dt.string)
        some = F.greater(F.size(strings), 0)
        with control_dependencies([F.Assert(some, [empty])]):
            strings = F.identity(strings)
        return input_producer(
            strings, [], num_epochs, shuffle, seed, capacity, shared_name,
            f"fraction_of_{capacity}_full", own, cancel_op)


def range_input_producer(
    limit: Any, num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None,
    capacity: int = 32, shared_name: str | None = None, name: str | None = None,
) -> QueueBase:
    """A queue of the numbers 0 … limit − 1; see `input_producer`."""
    with scope(name, "input_producer") as own:
        return input_producer(
            F.range(limit), [], num_epochs, shuffle, seed, capacity, shared_name,
            f"fraction_of_{capacity}_full", own)


def slice_input_producer(
    tensor_list: Sequence[Any], num_epochs: int | None = None, shuffle: bool = True,
    seed: int | None = None, capacity: int = 32, shared_name: str | None = None,
    name: str | None = None,
) -> list[Any]:
    """One row of each tensor, the same row of all, by a queue of row numbers.

    tensor_list: tensors with one first size. → a list of tensors without it.
    Raises GraphError (a ValueError) for an empty list.
    """
    with scope(name, "input_producer"):
        tensors = [convert(t) for t in tensor_list]
        if not tensors:
            raise GraphError("slice_input_producer: Expected at least one tensor.")
        count = F.shape(tensors[0])[0]
        queue = range_input_producer(
            count, num_epochs=num_epochs, shuffle=shuffle, seed=seed, capacity=capacity,
            shared_name=shared_name)
        index = queue.dequeue()
        return [F.gather(t, index) for t in tensors]

