"""Hooks that log, stop, check and feed. Those that write files are in `saving_hooks.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow import logging
from graphflow.errors import GraphError
from graphflow.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from graphflow.train.session_timing import (
    NeverTriggerTimer,
    SecondOrStepTimer,
    graph_element,
    required_global_step,
)


class NanLossDuringTrainingError(RuntimeError):
    """The loss is not a number; what `NanTensorHook` raises."""

    def __str__(self) -> str:
        return "NaN loss during training."


class LoggingTensorHook(SessionRunHook):
    """Logs the values of tensors, at level INFO (see `gf.logging.set_verbosity`).

    tensors: tensors or their names; or a dict from what they are called in the log.
    every_n_iter, every_n_secs: how often; give one. at_end: also (or, alone, only) at the end.
    formatter: a function of a dict of the values that gives the text.
    Raises GraphError (a ValueError) unless exactly one of the two is given, or `at_end`.
    """

    def __init__(
        self, tensors: Any, every_n_iter: int | None = None, every_n_secs: float | None = None,
        at_end: bool = False, formatter: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise GraphError("LoggingTensorHook: either at_end and/or exactly one of every_n_iter "
                             "and every_n_secs must be provided.")
        if every_n_iter is not None and every_n_iter <= 0:
            raise GraphError(f"LoggingTensorHook: invalid every_n_iter={every_n_iter}.")
        if isinstance(tensors, Mapping):
            self._tensors = dict(tensors)
        else:
            given = tensors if isinstance(tensors, (list, tuple)) else [tensors]
            self._tensors = {t if isinstance(t, str) else t.name: t for t in given}
        self._timer = NeverTriggerTimer() if only_at_end else SecondOrStepTimer(
            every_secs=every_n_secs, every_steps=every_n_iter)
        self._formatter, self._at_end = formatter, at_end

    def begin(self) -> None:
        """Finds the tensors."""
        self._timer.reset()
        self._iterations = 0
        self._current = {tag: graph_element(t) for tag, t in self._tensors.items()}

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the tensors when it is time."""
        self._wanted = self._timer.should_trigger_for_step(self._iterations)
        return SessionRunArgs(self._current) if self._wanted else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Logs them."""
        if self._wanted:
            self._log(run_values.results)
        self._iterations += 1

    def end(self, session: Any) -> None:
        """Logs them once more, if that was asked for."""
        if self._at_end:
            self._log(session.run(self._current))

    def _log(self, values: dict[str, Any]) -> None:
        seconds, _ = self._timer.update_last_triggered_step(self._iterations)
        if self._formatter is not None:
            logging.info(self._formatter(values))
            return
        with np.printoptions(suppress=True):
            text = ", ".join(f"{tag} = {values[tag]!s}" for tag in self._tensors)
        if seconds is None:
            logging.info("%s", text)
        else:
            logging.info("%s (%.3f sec)", text, seconds)


class StopAtStepHook(SessionRunHook):
    """Asks to stop after `num_steps` further steps, or when the global step is `last_step`.

    Raises GraphError (a ValueError) unless exactly one is given.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise GraphError("StopAtStepHook: exactly one of num_steps or last_step must be "
                             "specified.")
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        """Finds the global step."""
        self._step = required_global_step("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Computes the last step."""
        if self._last_step is None:
            assert self._num_steps is not None
            self._last_step = int(session.run(self._step)) + self._num_steps

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Compares it."""
        assert self._last_step is not None
        if run_values.results + 1 >= self._last_step and (
                run_context.session.run(self._step) >= self._last_step):
            run_context.request_stop()


class NanTensorHook(SessionRunHook):
    """Watches a loss: NaN raises NanLossDuringTrainingError, or stops the training."""

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss, self._fail = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the loss."""
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Looks at it."""
        if not np.isnan(run_values.results).any():
            return
        message = "Model diverged with loss = NaN."
        if self._fail:
            logging.error(message)
            raise NanLossDuringTrainingError
        logging.warning(message)
        run_context.request_stop()


class GlobalStepWaiterHook(SessionRunHook):
    """Holds the first run back until other threads have brought the global step that far."""

    def __init__(self, wait_until_step: int) -> None:
        self._wait_until_step = wait_until_step

    def begin(self) -> None:
        """Finds the global step."""
        self._waits = self._wait_until_step > 0
        self._step = required_global_step("GlobalStepWaiterHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Waits, once."""
        while self._waits and run_context.session.run(self._step) < self._wait_until_step:
            time.sleep(0.5)
        self._waits = False
        return None


class FinalOpsHook(SessionRunHook):
    """Runs `final_ops` at the end; their values are in `final_ops_values`."""

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._final_ops, self._feed_dict = final_ops, final_ops_feed_dict
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """The values, once the session has ended."""
        return self._values

    def end(self, session: Any) -> None:
        """Runs them."""
        if self._final_ops is not None:
            self._values = session.run(self._final_ops, feed_dict=self._feed_dict)


class FeedFnHook(SessionRunHook):
    """Feeds each run what `feed_fn()`, called before it, gives: a feed_dict."""

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Feeds."""
        return SessionRunArgs(fetches=None, feed_dict=self.feed_fn())


def hooks_of(hooks: Any) -> Sequence[SessionRunHook]:
    """The hooks as a list. Raises TypeError for anything that is no SessionRunHook."""
    found = list(hooks or ())
    for hook in found:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"hooks must be SessionRunHook objects, got {hook!r}.")
    return found
