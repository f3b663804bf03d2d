"""`MonitoredSession` and `MonitoredTrainingSession`: sessions with hooks, threads and recovery."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from graphflow import logging
from graphflow.errors import (
    AbortedError,
    ClosedSessionError,
    GraphError,
    OutOfRangeError,
    UnavailableError,
)
from graphflow.graph import Graph, get_default_graph
from graphflow.runtime.config import RunMetadata, RunOptions
from graphflow.tensor import dereferenced
from graphflow.train.basic_session_run_hooks import hooks_of
from graphflow.train.coordinator import Coordinator
from graphflow.train.queue_runner import start_queue_runners
from graphflow.train.saving_hooks import CheckpointSaverHook, StepCounterHook, SummarySaverHook
from graphflow.train.scaffold import Scaffold
from graphflow.train.session_manager import SessionManager
from graphflow.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)

_PREEMPTION = (AbortedError, UnavailableError)
_DEFAULT = object()


class SessionCreator:
    """Makes a session: derive from this, or use one of those below."""

    def create_session(self) -> Any:
        """A new session, ready to run."""
        raise NotImplementedError(f"create_session is not implemented for {self}.")


class ChiefSessionCreator(SessionCreator):
    """Makes a session that is restored from the latest checkpoint, or initialised.

    checkpoint_dir: where to look; or checkpoint_filename_with_path: what to restore.
    """

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None,
        checkpoint_dir: Any = None, checkpoint_filename_with_path: Any = None,
    ) -> None:
        self._scaffold = scaffold or Scaffold()
        self._master, self._config = master, config
        self._checkpoint_dir, self._filename = checkpoint_dir, checkpoint_filename_with_path
        self._manager: SessionManager | None = None

    def _get_manager(self) -> SessionManager:
        if self._manager is None:
            scaffold = self._scaffold
            self._manager = SessionManager(
                local_init_op=scaffold.local_init_op, ready_op=scaffold.ready_op,
                ready_for_local_init_op=scaffold.ready_for_local_init_op,
                local_init_feed_dict=scaffold.local_init_feed_dict, graph=get_default_graph())
        return self._manager

    def create_session(self) -> Any:
        """A new session; the graph is finalized."""
        scaffold = self._scaffold
        scaffold.finalize()
        return self._get_manager().prepare_session(
            self._master, saver=scaffold.saver, checkpoint_dir=self._checkpoint_dir,
            checkpoint_filename_with_path=self._filename, config=self._config,
            init_op=scaffold.init_op, init_feed_dict=scaffold.init_feed_dict,
            init_fn=scaffold.init_fn)


class WorkerSessionCreator(ChiefSessionCreator):
    """Makes a session that somebody else has initialised; in one process, nobody has."""

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None,
        max_wait_secs: float = 30 * 60,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> Any:
        """A session. Raises NotReadyError if its variables have no values."""
        self._scaffold.finalize()
        return self._get_manager().wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait_secs)


class _Coordinated:
    """A session with its threads and hooks, until it fails or is closed.

    Attributes:
      _sess: the session itself, under the name by which programs look for it.
    """

    def __init__(
        self, creator: SessionCreator, hooks: Sequence[SessionRunHook], grace: float
    ) -> None:
        self._sess, self.coord = creator.create_session(), Coordinator()
        self._hooks, self._grace, self.stopped = hooks, grace, False
        start_queue_runners(sess=self._sess, coord=self.coord)
        for hook in hooks:
            hook.after_create_session(self._sess, self.coord)

    def should_stop(self) -> bool:
        """True if a hook, a thread or the end of the data asks to stop."""
        return self.stopped or self.coord.should_stop() or self._sess._closed

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """`Session.run` with the hooks' requests; it is traced if one of them asks for that."""
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict, options), self._sess)
        asked = [hook.before_run(context) for hook in self._hooks]
        feeds = dict(feed_dict or {})
        for hook, request in zip(self._hooks, asked):
            _add_feeds(feeds, request, hook, feed_dict or {})
        levels = [getattr(o, "trace_level", 0) for o in (options, *(
            None if r is None else r.options for r in asked))]
        traced = RunOptions(trace_level=max(levels))
        metadata = run_metadata if run_metadata is not None else RunMetadata()
        try:
            values = self._sess.run(
                [fetches, *(None if r is None else r.fetches for r in asked)], feeds or None,
                options=traced, run_metadata=metadata)
        except _PREEMPTION:
            raise
        except Exception as error:
            self.coord.raise_requested_exception()  # what went wrong first, in a thread
            raise error
        for hook, result in zip(self._hooks, values[1:]):
            hook.after_run(context, SessionRunValues(result, traced, metadata))
        self.stopped = self.stopped or context.stop_requested
        return values[0]

    def close(self) -> None:
        """Stops the threads and ends the session; raises what a thread raised."""
        self.coord.request_stop()
        self._cancel_queues()
        try:
            self.coord.join(stop_grace_period_secs=self._grace, ignore_live_threads=True)
        finally:
            self._sess.close()

    def _cancel_queues(self) -> None:
        """Threads that wait in a queue of the session end now."""
        state = getattr(self._sess, "_host_state", None)
        if state is not None:
            state.close()


def _add_feeds(feeds: dict, request: SessionRunArgs | None, hook: Any, user: Any) -> None:
    """Adds what a hook feeds. Raises GraphError (a RuntimeError) if it is fed already."""
    if request is None or not request.feed_dict:
        return
    for key in request.feed_dict:
        if any(dereferenced(key) is dereferenced(k) for k in feeds):
            who = "hook and user" if key in user else "two hooks"
            raise _FedTwiceError(f"Same tensor is fed by {who}: {key!r} ({hook!r}).")
    feeds.update(request.feed_dict)


class _FedTwiceError(GraphError, RuntimeError):
    """A tensor is fed from two sides."""


class _MonitoredSession:
    """What both monitored sessions share."""

    _recovers = True

    def __init__(
        self, session_creator: SessionCreator | None, hooks: Any, stop_grace_period_secs: float
    ) -> None:
        self._hooks = hooks_of(hooks)
        for hook in self._hooks:
            hook.begin()
        self._creator = session_creator or ChiefSessionCreator()
        self._grace = stop_grace_period_secs
        self._graph = get_default_graph()
        self._wrapped: _Coordinated | None = self._make()

    def _make(self) -> _Coordinated:
        with self._graph.as_default():
            while True:
                try:
                    return _Coordinated(self._creator, self._hooks, self._grace)
                except _PREEMPTION as error:
                    if not self._recovers:
                        raise
                    logging.info("An error was raised while a session was being created. Error: "
                                 "%s", error)

    @property
    def _sess(self) -> Any:
        """The session with its threads, whose `_sess` is the session itself."""
        return self._wrapped

    @property
    def graph(self) -> Graph:
        """The graph that the session runs."""
        return self._graph

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """As `Session.run`, with the hooks around it. Raises ClosedSessionError once closed.

        A session that is lost (AbortedError, UnavailableError) is made again and the run repeated.
        """
        while True:
            session = self._open()
            try:
                return session.run(fetches, feed_dict, options, run_metadata)
            except _PREEMPTION as error:
                if not self._recovers:
                    raise
                logging.info("An error was raised. The current session will be closed and a new "
                             "session will be created. Error: %s", error)
                self._close_wrapped()
                self._wrapped = self._make()

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """`step_fn(step_context)`, where step_context.session.run has no hooks, and
        step_context.run_with_hooks has; step_context.request_stop() ends the training."""
        return step_fn(StepContext(self._open()._sess, self.run, self._open()))

    def should_stop(self) -> bool:
        """True when the training is over."""
        return self._wrapped is None or self._wrapped.should_stop()

    def close(self) -> None:
        """Ends the hooks, the threads and the session."""
        self._close_internal(None)

    def _open(self) -> _Coordinated:
        if self._wrapped is None:
            raise ClosedRunError("Run called even after should_stop requested.")
        return self._wrapped

    def _close_internal(self, exception_type: Any) -> None:
        try:
            if exception_type is None:
                session = self._open()
                with self._graph.as_default():
                    for hook in self._hooks:
                        hook.end(session._sess)
        finally:
            self._close_wrapped()

    def _close_wrapped(self) -> None:
        if self._wrapped is not None:
            wrapped, self._wrapped = self._wrapped, None
            wrapped.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if kind is not None and issubclass(kind, (OutOfRangeError, StopIteration)):
            kind = None
        self._close_internal(kind)
        return kind is None


class ClosedRunError(ClosedSessionError, RuntimeError):
    """A monitored session was used after its end."""


class StepContext:
    """What `run_step_fn` gives its function."""

    def __init__(self, session: Any, run_with_hooks: Any, wrapped: _Coordinated) -> None:
        self.session, self.run_with_hooks, self._wrapped = session, run_with_hooks, wrapped

    def request_stop(self) -> None:
        """Ends the training: raises StopIteration, which the `with` block takes."""
        self._wrapped.stopped = True
        raise StopIteration("step_fn has requested the iterations to stop.")


class MonitoredSession(_MonitoredSession):
    """A session with hooks: made ready, run, and ended in order; for use in a `with` block.

    session_creator: makes the session (a ChiefSessionCreator by default). hooks: SessionRunHooks.
    In a `with` block, the end of the data (OutOfRangeError) ends the training without an error.
    """

    StepContext = StepContext

    def __init__(
        self, session_creator: SessionCreator | None = None, hooks: Any = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        super().__init__(session_creator, hooks, stop_grace_period_secs)


class SingularMonitoredSession(_MonitoredSession):
    """As MonitoredSession, for one session that is never made again."""

    _recovers = False
    StepContext = StepContext

    def __init__(
        self, hooks: Any = None, scaffold: Scaffold | None = None, master: str = "",
        config: Any = None, checkpoint_dir: Any = None, stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        super().__init__(
            ChiefSessionCreator(scaffold, master, config, checkpoint_dir,
                                checkpoint_filename_with_path), hooks, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The session itself."""
        return self._open()._sess


def MonitoredTrainingSession(
    master: str = "", is_chief: bool = True, checkpoint_dir: Any = None,
    scaffold: Scaffold | None = None, hooks: Any = None, chief_only_hooks: Any = None,
    save_checkpoint_secs: Any = _DEFAULT, save_summaries_steps: Any = _DEFAULT,
    save_summaries_secs: Any = _DEFAULT, config: Any = None, stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100, max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = _DEFAULT, summary_dir: Any = None,
) -> MonitoredSession:
    """A MonitoredSession that restores, saves, sums up and counts by itself.

    checkpoint_dir: where checkpoints are looked for and written: every `save_checkpoint_secs`
      (600) seconds or `save_checkpoint_steps` steps; None for both writes none.
    save_summaries_steps (100) or save_summaries_secs: how often summaries are written there.
    log_step_count_steps: how often the speed is logged. scaffold: a Scaffold. hooks: yours.
    """
    if save_summaries_steps is _DEFAULT and save_summaries_secs is _DEFAULT:
        save_summaries_steps, save_summaries_secs = 100, None
    if save_checkpoint_secs is _DEFAULT and save_checkpoint_steps is _DEFAULT:
        save_checkpoint_secs, save_checkpoint_steps = 600, None
    summaries = (_given(save_summaries_steps), _given(save_summaries_secs))
    checkpoints = (_given(save_checkpoint_secs), _given(save_checkpoint_steps))
    scaffold = scaffold or Scaffold()
    if not is_chief:
        creator: SessionCreator = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(creator, hooks, stop_grace_period_secs)
    all_hooks: list[Any] = list(chief_only_hooks or ())
    folder = summary_dir or checkpoint_dir
    if folder and log_step_count_steps and log_step_count_steps > 0:
        all_hooks.append(StepCounterHook(every_n_steps=log_step_count_steps, output_dir=folder))
    if folder and any(_positive(n) for n in summaries):
        all_hooks.append(SummarySaverHook(
            scaffold=scaffold, save_steps=summaries[0], save_secs=summaries[1],
            output_dir=folder))
    if checkpoint_dir and any(_positive(n) for n in checkpoints):
        all_hooks.append(CheckpointSaverHook(
            os.fspath(checkpoint_dir), save_secs=checkpoints[0], save_steps=checkpoints[1],
            scaffold=scaffold))
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(creator, [*(hooks or ()), *all_hooks], stop_grace_period_secs)


def _given(value: Any) -> Any:
    return None if value is _DEFAULT else value


def _positive(value: Any) -> bool:
    return value is not None and value > 0
