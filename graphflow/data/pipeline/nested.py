"""Datasets made of each element of another: functions that give one, and how these are mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from graphflow.data.pipeline.elements import Spec, mapped
from graphflow.data.pipeline.mapping import ElementFunction

Element = list[Any]


class DatasetFunction(ElementFunction):
    """A function traced for elements of a type that gives a dataset, or tensors for their rows.

    Attributes:
      rows_spec: the type of the elements that it gives.
    """

    def __init__(self, function: Callable[..., Any], spec: Any) -> None:
        super().__init__(function, spec)
        self.rows_spec = self.spec if self.dataset is not None else mapped(
            lambda s: Spec(s.dtype, s.shape[1:]), self.spec)

    def elements(self, arrays: Element) -> Iterator[Element]:
        """What the function makes of one element."""
        if self.dataset is None:
            return (list(row) for row in zip(*self(arrays)))
        found: Iterator[Element] = self.dataset._elements(
            dict(zip(self.dataset._sources, self(arrays))))
        return found


def interleaved(
    elements: Iterator[Element], function: DatasetFunction, cycle_length: int, block_length: int
) -> Iterator[Element]:
    """`block_length` elements of each of `cycle_length` datasets in turn; then the next ones.

    The order is that of TensorFlow's InterleaveDataset.
    """
    slots: list[Iterator[Element] | None] = [None] * cycle_length
    at, taken, more = 0, 0, True
    while more or any(slot is not None for slot in slots):
        slot = slots[at]
        if slot is None and more:
            arrays = next(elements, None)
            if arrays is None:
                more = False
                continue
            slot = slots[at] = function.elements(arrays)
        found = None if slot is None else next(slot, None)
        if found is None:
            slots[at] = None
            at, taken = (at + 1) % cycle_length, 0
            continue
        yield found
        taken += 1
        if taken == block_length:
            at, taken = (at + 1) % cycle_length, 0
