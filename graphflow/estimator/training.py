"""`train_and_evaluate`: trains, and evaluates each new checkpoint (but not too often)."""

from __future__ import annotations

import time
from typing import Any

from graphflow.errors import GraphError
from graphflow.estimator.estimator import Estimator
from graphflow.estimator.spec import EvalSpec, TrainSpec
from graphflow.train.saving_hooks import CheckpointSaverListener


class _Evaluating(CheckpointSaverListener):
    """Evaluates after checkpoints, `throttle_secs` apart, and after the last one."""

    def __init__(self, estimator: Estimator, spec: EvalSpec) -> None:
        self._estimator, self._spec = estimator, spec
        self._last_time, self._last_step, self._first = time.time(), -1, True
        self.result: Any = None

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        """Evaluates, unless this is the checkpoint that the training begins with."""
        first, self._first = self._first, False
        if not first and time.time() >= self._last_time + self._spec.throttle_secs:
            self._evaluate(global_step_value)
        return None

    def end(self, session: Any, global_step_value: int) -> None:
        """Evaluates the last checkpoint."""
        if self._last_step != global_step_value:
            self._evaluate(global_step_value)

    def _evaluate(self, step: int) -> None:
        spec = self._spec
        self.result = self._estimator.evaluate(
            spec.input_fn, steps=spec.steps, hooks=spec.hooks, name=spec.name)
        self._last_time, self._last_step = time.time(), step


def train_and_evaluate(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> Any:
    """Trains until `train_spec.max_steps`, evaluating on the way and at the end.

    → (metrics of the last evaluation, []); (None, []) if the training was done before.
    Raises GraphError (a ValueError) for a config that writes no checkpoints.
    """
    if not isinstance(train_spec, TrainSpec) or not isinstance(eval_spec, EvalSpec):
        raise TypeError("train_and_evaluate takes (estimator, TrainSpec, EvalSpec).")
    config = estimator.config
    if not config.save_checkpoints_secs and not config.save_checkpoints_steps:
        raise GraphError("train_and_evaluate: the config must have save_checkpoints_secs or "
                         "save_checkpoints_steps.")
    listener = _Evaluating(estimator, eval_spec)
    estimator.train(train_spec.input_fn, hooks=train_spec.hooks, max_steps=train_spec.max_steps,
                    saving_listeners=[*(train_spec.saving_listeners or ()), listener])
    return listener.result, []
