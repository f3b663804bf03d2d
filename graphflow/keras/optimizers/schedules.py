"""`keras.optimizers.schedules`: learning rates that are functions of the step.

The formulas are those of `gf.train`'s decays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.train import learning_rate_decay as decays


class LearningRateSchedule:
    """The base: a function from the step, an int64 scalar, to the rate, a float scalar."""

    def __call__(self, step: Any) -> Any:
        """The rate at a step."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """A schedule from `get_config()`."""
        return cls(**config)


class _Decay(LearningRateSchedule):
    _function: Callable[..., Any]

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, decay_rate: float,
        staircase: bool = False, name: str | None = None,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase, self.name = decay_rate, staircase, name

    def __call__(self, step: Any) -> Any:
        return type(self)._function(
            self.initial_learning_rate, step, self.decay_steps, self.decay_rate, self.staircase,
            self.name)

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": self.initial_learning_rate,
                "decay_steps": self.decay_steps, "decay_rate": self.decay_rate,
                "staircase": self.staircase, "name": self.name}


class ExponentialDecay(_Decay):
    """initial · decay_rate ^ (step / decay_steps), the exponent rounded down if `staircase`."""

    _function = staticmethod(decays.exponential_decay)


class InverseTimeDecay(_Decay):
    """initial / (1 + decay_rate · step / decay_steps), rounded down if `staircase`."""

    _function = staticmethod(decays.inverse_time_decay)


class PolynomialDecay(LearningRateSchedule):
    """From initial to end in `decay_steps`, along a curve of degree `power`."""

    def __init__(
        self, initial_learning_rate: float, decay_steps: int, end_learning_rate: float = 1e-4,
        power: float = 1.0, cycle: bool = False, name: str | None = None,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        return decays.polynomial_decay(
            self.initial_learning_rate, step, self.decay_steps, self.end_learning_rate,
            self.power, self.cycle, self.name)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"initial_learning_rate": self.initial_learning_rate,
                "decay_steps": self.decay_steps, "end_learning_rate": self.end_learning_rate,
                "power": self.power, "cycle": self.cycle, "name": self.name}


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i], the last value beyond.

    Raises AttributeValueError unless there is one value more than boundaries.
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise AttributeValueError(
                "The length of boundaries should be 1 less than the length of values, got "
                f"{len(boundaries)} and {len(values)}.")
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Any:
        step = F.convert_to_tensor(step)
        return decays.piecewise_constant(step, self.boundaries, self.values, self.name)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


_CLASSES = {c.__name__: c for c in (
    ExponentialDecay, InverseTimeDecay, PolynomialDecay, PiecewiseConstantDecay)}


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """{"class_name", "config"} of a schedule."""
    return {"class_name": type(learning_rate_schedule).__name__,
            "config": learning_rate_schedule.get_config()}


def deserialize(config: dict[str, Any], custom_objects: Any = None) -> LearningRateSchedule:
    """The schedule that `serialize` wrote. Raises AttributeValueError for an unknown class."""
    known = {**_CLASSES, **(custom_objects or {})}
    if config["class_name"] not in known:
        raise AttributeValueError(f"Unknown schedule: {config['class_name']!r}.")
    return known[config["class_name"]].from_config(config["config"])
