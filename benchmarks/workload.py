"""What a workload is: the record that drivers and workers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]

SGD_RATE = 0.1
ADAM_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
MOMENTUM_RATE, MOMENTUM = 0.05, 0.9
CLASSES = 10


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of step.

    Attributes:
      name: what `--workloads` calls it.
      title: one line for the table.
      batch: names of the arrays that every step is given.
      parameters: names of the arrays that the step trains; empty for a plain function.
      make: the arrays, float32 (labels and tokens int64), the same in every call.
      table: what `--workloads` calls it together with others; by default its name.
      amount, unit: what a step goes through, such as elements, for a rate per second.
      optimizer: "adam", "momentum" or "sgd", with the rates above.
      state: names of the arrays that a training step updates without training them, such as
        moving averages.
      fixed: names of the weights of a plain function that do not change between its calls.
      kernel: a record of `kernel_shapes.py` for the workloads that are one kernel.
    """

    name: str
    title: str
    batch: tuple[str, ...]
    parameters: tuple[str, ...]
    make: Callable[[], Arrays]
    table: str = ""
    amount: float = 0.0
    unit: str = ""
    optimizer: str = "adam"
    state: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    kernel: Any = None

    @property
    def trains(self) -> bool:
        """Whether the step returns a loss (else an array)."""
        return bool(self.parameters)


def glorot(rng: np.random.Generator, *shape: int, fan_in: int, fan_out: int) -> np.ndarray:
    """Uniform in ±√(6/(fan_in + fan_out)): Glorot & Bengio 2010, equation 16."""
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
