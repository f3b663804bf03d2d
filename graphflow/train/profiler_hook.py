"""`ProfilerHook`: traces of some steps of a training, in Chrome's format."""

from __future__ import annotations

import os
from typing import Any

from graphflow import gfile, logging
from graphflow.runtime.config import RunOptions
from graphflow.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from graphflow.train.session_timing import SecondOrStepTimer, required_global_step


class ProfilerHook(SessionRunHook):
    """Writes `timeline-{global step}.json` to `output_dir` for a run now and then.

    save_steps, save_secs: how often; give one. show_dataflow, show_memory: without effect.
    Raises GraphError (a ValueError) unless exactly one of the two is given.
    """

    def __init__(
        self, save_steps: int | None = None, save_secs: float | None = None,
        output_dir: str = "", show_dataflow: bool = True, show_memory: bool = False,
    ) -> None:
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._output_dir = output_dir
        self._next_step: int | None = None
        self._traces = False

    def begin(self) -> None:
        """Finds the global step."""
        self._next_step = None
        self._step = required_global_step("ProfilerHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the global step, and for a trace when it is time."""
        self._traces = self._next_step is not None and (
            self._timer.should_trigger_for_step(self._next_step))
        options = RunOptions(trace_level=RunOptions.FULL_TRACE) if self._traces else None
        return SessionRunArgs(self._step, options=options)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Writes the trace that was asked for."""
        before = int(run_values.results)
        if self._next_step is None:
            self._timer.update_last_triggered_step(before)
        step = before + 1
        if self._traces:
            step = int(run_context.session.run(self._step))
            self._timer.update_last_triggered_step(step)
            self._save(step, run_values.run_metadata.step_stats)
        self._next_step = step + 1

    def _save(self, step: int, step_stats: Any) -> None:
        from graphflow.profiling.timeline import Timeline

        path = os.path.join(self._output_dir, f"timeline-{step}.json")
        logging.info("Saving timeline for %d into '%s'.", step, path)
        with gfile.GFile(path, "w") as file:
            file.write(Timeline(step_stats).generate_chrome_trace_format())
