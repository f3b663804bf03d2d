"""`SessionRunHook`: what is done before and after each run of a monitored session."""

from __future__ import annotations

from typing import Any, NamedTuple


class SessionRunArgs(NamedTuple):
    """What is to be run: `fetches`, `feed_dict` and `options`, as in `Session.run`."""

    fetches: Any
    feed_dict: Any = None
    options: Any = None


class SessionRunValues(NamedTuple):
    """What a run gave: `results` in the form of the hook's fetches."""

    results: Any
    options: Any = None
    run_metadata: Any = None


class SessionRunContext:
    """One run, as hooks see it."""

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self._original_args, self._session, self._stop_requested = original_args, session, False

    @property
    def original_args(self) -> SessionRunArgs:
        """What the program asked for."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session, in which hooks may run more, without hooks."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """True once `request_stop` was called."""
        return self._stop_requested

    def request_stop(self) -> None:
        """`should_stop()` of the monitored session will be True after this run."""
        self._stop_requested = True


class SessionRunHook:
    """Derive from this and give it to `MonitoredSession(hooks=[…])`; every method may be left out.
    """

    def begin(self) -> None:
        """Called once before the session is made: the place to add operations."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when the session exists and the variables have values; the graph is finalized."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run: gives what is to be run besides, or None."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each run, with the values of what `before_run` asked for."""

    def end(self, session: Any) -> None:
        """Called at the end, unless an error (other than the end of the data) ends it."""
