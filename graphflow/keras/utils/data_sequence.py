"""`Sequence`: batches by number, for `fit`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


class Sequence(ABC):
    """Batches by number: `len(s)` of them, `s[i]` gives (inputs, targets) or with weights."""

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """The batch of a number."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of batches."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""
        return None

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
