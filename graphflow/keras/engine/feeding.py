"""Batches for training loops: of arrays, generators and `Sequence`s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import AttributeValueError
from graphflow.keras.utils.data_sequence import Sequence as DataSequence


class Batch(NamedTuple):
    """inputs, targets (None for outputs without a loss), weights (None for none), samples."""

    inputs: list[np.ndarray]
    targets: list[Any]
    weights: list[Any]
    size: int


class ArrayBatches:
    """Batches cut from arrays; the last one may be smaller.

    shuffle: True for a new order of the samples in each epoch, drawn from NumPy's global
    generator (`np.random.seed`); "batch" to shuffle runs of `batch_size` samples.
    """

    def __init__(
        self, data: Batch, batch_size: int | None, shuffle: Any = False,
        steps: int | None = None,
    ) -> None:
        self.data, self.samples = data, data.size
        self.batch_size = batch_size or 32
        if steps is not None and batch_size is None:
            self.batch_size = -(-data.size // steps)
        whole = -(-data.size // self.batch_size)
        self.steps = whole if steps is None else min(steps, whole)
        self.shuffle = shuffle

    def epoch(self) -> Iterator[Batch]:
        """The batches of one epoch."""
        order = None
        if self.shuffle:
            order = np.arange(self.samples)
            if self.shuffle == "batch":
                order = _shuffled_runs(order, self.batch_size)
            else:
                np.random.shuffle(order)
        for step in range(self.steps):
            start = step * self.batch_size
            stop = min(start + self.batch_size, self.samples)
            chosen = slice(start, stop) if order is None else order[start:stop]
            yield _part(self.data, chosen, stop - start)


def _shuffled_runs(order: np.ndarray, size: int) -> np.ndarray:
    whole = len(order) // size
    runs = order[:whole * size].reshape(whole, size)
    np.random.shuffle(runs)
    return np.concatenate([runs.reshape(-1), order[whole * size:]])


def _part(data: Batch, chosen: Any, size: int) -> Batch:
    def part(array: Any) -> Any:
        return None if array is None else array[chosen]

    return Batch([part(a) for a in data.inputs], [part(a) for a in data.targets],
                 [part(a) for a in data.weights], size)


class GeneratorBatches:
    """Batches from a generator (which goes on from epoch to epoch) or a `Sequence`.

    standardize: makes a `Batch` of what one item holds: (x, y), (x, y, weights) or x.
    Raises AttributeValueError for a generator without a number of steps.
    """

    def __init__(
        self, source: Any, steps: int | None, standardize: Callable[[Any], Batch],
        shuffle: bool = False, what: str = "steps_per_epoch",
    ) -> None:
        self.source, self.standardize, self.shuffle = source, standardize, shuffle
        self.sequence = isinstance(source, DataSequence) or (
            hasattr(source, "__getitem__") and hasattr(source, "__len__"))
        if steps is None and not self.sequence:
            raise AttributeValueError(
                f"When using a generator, the `{what}` argument must be specified, for it says "
                "how many batches there are.")
        self.steps = len(source) if steps is None else steps
        self.samples: int | None = None
        self._iterator = None if self.sequence else iter(source)

    def epoch(self) -> Iterator[Batch]:
        """The batches of one epoch; fewer if the generator ends."""
        if not self.sequence:
            assert self._iterator is not None
            for _ in range(self.steps):
                try:
                    item = next(self._iterator)
                except StopIteration:
                    return
                yield self.standardize(item)
            return
        order = np.arange(len(self.source))
        if self.shuffle:
            np.random.shuffle(order)
        for index in order[:self.steps]:
            yield self.standardize(self.source[int(index)])
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()
