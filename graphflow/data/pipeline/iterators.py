"""Iterators over datasets. `get_next` is a host operation; at the end it raises OutOfRangeError.

Where an iterator stands is state of the session that runs it, as in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from graphflow.data.pipeline.elements import Spec, flatten, mapped, pack
from graphflow.dtypes import as_dtype
from graphflow.errors import (
    DTypeError,
    FailedPreconditionError,
    GraphError,
    OutOfRangeError,
)
from graphflow.ops.host import py_func
from graphflow.ops.host_state import current_host_state
from graphflow.ops.leaves import group
from graphflow.shapes import UNKNOWN_SHAPE, as_shape
from graphflow.tensor import Operation

if TYPE_CHECKING:
    from graphflow.data.pipeline.dataset import Dataset


class Iterator:
    """Gives the elements of a dataset, one in each run that needs `get_next()`."""

    def __init__(self, spec: Any, dataset: Dataset | None, begins_itself: bool) -> None:
        self._spec, self._dataset, self._begins_itself = spec, dataset, begins_itself
        self._running: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._initializer: Operation | None = None
        if dataset is not None and not begins_itself:
            self._initializer = self.make_initializer(dataset)

    @staticmethod
    def from_structure(
        output_types: Any, output_shapes: Any = None, shared_name: str | None = None,
        output_classes: Any = None,
    ) -> Iterator:
        """An iterator for datasets of a type; `make_initializer` chooses one."""
        types = flatten(output_types)
        shapes = [UNKNOWN_SHAPE] * len(types) if output_shapes is None else [
            as_shape(s) for s in flatten(output_shapes)]
        spec = pack(output_types, [Spec(as_dtype(t), s) for t, s in zip(types, shapes)])
        return Iterator(spec, None, False)

    @property
    def initializer(self) -> Operation:
        """The operation that begins anew. Raises GraphError for an iterator that has none."""
        if self._initializer is None:
            raise GraphError("This iterator has no initializer: a one-shot iterator begins by "
                             "itself, and from_structure needs make_initializer(dataset).")
        return self._initializer

    def make_initializer(self, dataset: Dataset, name: str | None = None) -> Operation:
        """The operation after which the iterator gives the elements of `dataset`.

        Raises DTypeError if its element types are others.
        """
        expected, found = flatten(self._types(self._spec)), flatten(dataset.output_types)
        if expected != found:
            raise DTypeError(f"make_initializer: expected output types {expected}, got {found}.")

        def begin(*arrays: Any) -> np.int64:
            values = dict(zip(dataset._sources, arrays))
            self._running[current_host_state()] = dataset._elements(values)
            return np.int64(0)

        return group(py_func(begin, list(dataset._sources), as_dtype("int64")),
                     name=name or "MakeIterator")

    def get_next(self, name: str | None = None) -> Any:
        """The next element, as a nest of tensors."""
        parts = flatten(self._spec)
        outputs = py_func(self._next, [], [s.dtype for s in parts], name=name or "IteratorGetNext")
        for tensor, part in zip(outputs, parts):
            tensor.set_shape(part.shape)
        return pack(self._spec, outputs)

    def _next(self) -> Sequence[Any]:
        session = current_host_state()
        elements = self._running.get(session)
        if elements is None and self._begins_itself and self._dataset is not None:
            elements = self._running[session] = self._dataset._elements({})
        if elements is None:
            raise FailedPreconditionError(
                None, None, "The iterator has not been initialized. Run its initializer first.")
        for element in elements:
            return [np.asarray(array, spec.dtype.numpy) if not spec.dtype.is_string else array
                    for array, spec in zip(element, flatten(self._spec))]
        raise OutOfRangeError(None, None, "End of sequence")

    @staticmethod
    def _types(spec: Any) -> Any:
        return mapped(lambda s: s.dtype, spec)

    @property
    def output_types(self) -> Any:
        """The element types."""
        return self._types(self._spec)

    @property
    def output_shapes(self) -> Any:
        """The shapes, as far as they are known."""
        return mapped(lambda s: s.shape, self._spec)


def make_one_shot_iterator(dataset: Dataset) -> Iterator:
    """An iterator that needs no initialisation. Raises GraphError if the dataset reads tensors."""
    if dataset._sources:
        names = ", ".join(t.name for t in dataset._sources)
        raise GraphError(f"make_one_shot_iterator: the dataset depends on tensors of the graph "
                         f"({names}). Use make_initializable_iterator.")
    return Iterator(dataset._spec, dataset, True)


def make_initializable_iterator(dataset: Dataset, shared_name: str | None = None) -> Iterator:
    """An iterator that begins when its `initializer` is run."""
    return Iterator(dataset._spec, dataset, False)
