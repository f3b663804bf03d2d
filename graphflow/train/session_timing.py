"""`SecondOrStepTimer`: whether it is time again; and how hooks find tensors and the step."""

from __future__ import annotations

import time
from typing import Any

from graphflow.errors import GraphError, GraphflowError
from graphflow.graph import get_default_graph
from graphflow.train.training_util import get_global_step


class _Timer:
    """What all timers share."""

    def __init__(self) -> None:
        self._last: int | None = None

    def reset(self) -> None:
        """As if it had never triggered."""
        self._last = None

    def should_trigger_for_step(self, step: int) -> bool:
        """True if it is time in this step."""
        raise NotImplementedError

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that it was time in `step`. Gives the seconds and steps since the last time."""
        raise NotImplementedError

    def last_triggered_step(self) -> int | None:
        """The last step in which it was time."""
        return self._last


class SecondOrStepTimer(_Timer):
    """It is time every `every_secs` seconds, or every `every_steps` steps; give one of them.

    Raises GraphError (a ValueError) if both or none are given.
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        super().__init__()
        if (every_secs is None) == (every_steps is None):
            raise GraphError("SecondOrStepTimer: exactly one of every_secs and every_steps should "
                             f"be provided, got {every_secs} and {every_steps}.")
        self._every_secs, self._every_steps = every_secs, every_steps
        self._last_time: float | None = None

    def reset(self) -> None:
        """As if it had never triggered."""
        super().reset()
        self._last_time = None

    def should_trigger_for_step(self, step: int) -> bool:
        """True at the first step, and then after the given time or number of steps."""
        if self._last is None or self._last_time is None:
            return True
        if step == self._last:
            return False
        if self._every_secs is not None:
            return time.time() >= self._last_time + self._every_secs
        assert self._every_steps is not None
        return step >= self._last + self._every_steps

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that it was time in `step`. Gives the seconds and steps since the last time."""
        now = time.time()
        seconds = None if self._last_time is None else now - self._last_time
        steps = None if self._last is None else step - self._last
        self._last_time, self._last = now, step
        return seconds, steps


class NeverTriggerTimer(_Timer):
    """It is never time."""

    def should_trigger_for_step(self, step: int) -> bool:
        """False."""
        return False

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Nothing to note."""
        return None, None


def graph_element(value: Any) -> Any:
    """A tensor, operation, variable, or the one of a name (":0" may be left out)."""
    if not isinstance(value, str):
        return value
    graph = get_default_graph()
    try:
        return graph.as_graph_element(value if ":" in value else f"{value}:0")
    except GraphflowError:
        return graph.as_graph_element(value)


def required_global_step(who: str) -> Any:
    """The global step. Raises GraphError (a RuntimeError) if there is none."""
    step = get_global_step()
    if step is None:
        raise MissingStepError(
            f"Global step should be created to use {who}. Call "
            "gf.train.get_or_create_global_step() while the graph is built, and pass it to "
            "minimize(…, global_step=…).")
    return step


class MissingStepError(GraphError, RuntimeError):
    """A hook needs the global step, and the graph has none."""
