"""`Supervisor`: a training session that restores, saves and sums up by threads of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphflow import logging
from graphflow.builder import F
from graphflow.errors import GraphError
from graphflow.graph import Graph, get_default_graph
from graphflow.ops.lookup_tables import tables_initializer
from graphflow.ops.variable_collections import (
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from graphflow.scopes import GraphKeys
from graphflow.session import BaseSession
from graphflow.summary import FileWriter, Summary, merge_all
from graphflow.train.coordinator import Coordinator, LooperThread
from graphflow.train.queue_runner import start_queue_runners
from graphflow.train.saver import Saver
from graphflow.train.session_manager import SessionManager
from graphflow.train.training_util import get_global_step, global_step


class Supervisor:
    """Looks after a training: `with sv.managed_session() as sess: while not sv.should_stop(): …`.

    Args:
      graph: finalized by the supervisor; the default graph.
      logdir: where checkpoints and summaries go; None writes none.
      init_op, init_feed_dict, init_fn(session): give the variables their values where there is no
        checkpoint. local_init_op: local variables and tables.
      ready_op, ready_for_local_init_op: string vectors of what has no value yet.
      summary_op, saver, global_step, summary_writer, session_manager: made if they are not given;
        None turns the first three (and the writer) off.
      save_summaries_secs, save_model_secs: how often; 0 never.
      checkpoint_basename: "model.ckpt".
      recovery_wait_secs, stop_grace_secs: how long to wait.
    Raises GraphError (a ValueError) for is_chief=False: in one process, nobody else initialises.
    """

    USE_DEFAULT = 0

    def __init__(
        self, graph: Graph | None = None, ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT, is_chief: bool = True,
        init_op: Any = USE_DEFAULT, init_feed_dict: Any = None, local_init_op: Any = USE_DEFAULT,
        logdir: Any = None, summary_op: Any = USE_DEFAULT, saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT, save_summaries_secs: float = 120,
        save_model_secs: float = 600, recovery_wait_secs: float = 30, stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt", session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT, init_fn: Callable[..., Any] | None = None,
        local_init_run_options: Any = None,
    ) -> None:
        if not is_chief:
            raise GraphError("Supervisor: is_chief=False waits for another process to initialise "
                             "the variables, and graphflow trains in one. Use is_chief=True.")
        self._graph = get_default_graph() if graph is None else graph
        self._logdir = None if logdir is None else os.fspath(logdir)
        self._init_feed_dict, self._grace = init_feed_dict, stop_grace_secs
        self._save_summaries_secs, self._save_model_secs = save_summaries_secs, save_model_secs
        self._coord = Coordinator()
        self._started: list[Any] = []
        self._init_fn = init_fn
        given = {"init_op": init_op, "local_init_op": local_init_op, "ready_op": ready_op,
                 "summary_op": summary_op, "saver": saver, "global_step": global_step}
        with self._graph.as_default():
            self._made = {kind: self._find(kind) if _left_out(value) else value
                          for kind, value in given.items()}
            self._graph.finalize()
        self._writer = summary_writer
        if _left_out(summary_writer):
            self._writer = None if self._logdir is None else FileWriter(self._logdir)
        self.save_path = None if self._logdir is None else os.path.join(
            self._logdir, checkpoint_basename)
        ready_local = None if _left_out(ready_for_local_init_op) else ready_for_local_init_op
        self._manager = session_manager or SessionManager(
            local_init_op=self._made["local_init_op"], ready_op=self._made["ready_op"],
            ready_for_local_init_op=ready_local, graph=self._graph,
            recovery_wait_secs=recovery_wait_secs)

    @staticmethod
    def _find(kind: str) -> Any:
        """What stands in the kind's collection, or what is made by default."""
        graph = get_default_graph()
        key = GraphKeys.SAVERS if kind == "saver" else kind  # the rest bear the key's name
        found = graph.get_collection(key)
        if found:
            return found[0]
        makers: dict[str, Callable[[], Any]] = {
            "init_op": global_variables_initializer,
            "local_init_op": lambda: F.group(local_variables_initializer(), tables_initializer()),
            "ready_op": report_uninitialized_variables, "summary_op": merge_all,
            "saver": lambda: Saver() if graph.get_collection(GraphKeys.GLOBAL_VARIABLES) else None,
            "global_step": get_global_step}
        return makers[kind]()

    # ---- what it is made of ---------------------------------------------------------------------

    @property
    def coord(self) -> Coordinator:
        """Stops the threads."""
        return self._coord

    coordinator = coord

    @property
    def is_chief(self) -> bool:
        """True."""
        return True

    @property
    def session_manager(self) -> SessionManager:
        """Makes the session."""
        return self._manager

    @property
    def init_op(self) -> Any:
        """Initialises the variables."""
        return self._made["init_op"]

    @property
    def ready_op(self) -> Any:
        """Names what has no value yet."""
        return self._made["ready_op"]

    @property
    def saver(self) -> Any:
        """What saves and restores."""
        return self._made["saver"]

    @property
    def summary_op(self) -> Any:
        """All summaries in one, or None."""
        return self._made["summary_op"]

    @property
    def summary_writer(self) -> Any:
        """Where summaries go, or None."""
        return self._writer

    @property
    def global_step(self) -> Any:
        """The global step, or None."""
        return self._made["global_step"]

    # ---- the session ----------------------------------------------------------------------------

    def prepare_or_wait_for_session(
        self, master: str = "", config: Any = None, wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200, start_standard_services: bool = True,
    ) -> BaseSession:
        """A session that is restored or initialised, with the threads started."""
        self._coord.clear_stop()
        with self._graph.as_default():
            sess = self._manager.prepare_session(
                master, init_op=self.init_op, saver=self.saver, checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint, max_wait_secs=max_wait_secs,
                config=config, init_feed_dict=self._init_feed_dict, init_fn=self._init_fn)
            if start_standard_services:
                self.start_standard_services(sess)
            self.start_queue_runners(sess)
        return sess

    PrepareSession = prepare_or_wait_for_session

    @contextmanager
    def managed_session(
        self, master: str = "", config: Any = None, start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[BaseSession]:
        """The session, default inside the block; then all is stopped and closed.

        The end of the data (OutOfRangeError) ends the block without an error.
        """
        sess = None
        try:
            sess = self.prepare_or_wait_for_session(
                master=master, config=config, start_standard_services=start_standard_services)
            with sess.as_default():
                yield sess
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self._coord.request_stop()
                if sess is not None:
                    sess._host_state.close()  # threads that wait in a queue end now
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                if sess is not None:
                    sess.close()

    def start_standard_services(self, sess: BaseSession) -> list[LooperThread]:
        """Starts the threads that write summaries, speed and checkpoints; needs a logdir."""
        if self._logdir is None:
            return []
        loops: list[tuple[float, Callable[..., Any]]] = []
        if self._writer is not None and self._save_summaries_secs:
            if self.summary_op is not None:
                loops.append((self._save_summaries_secs, self._write_summaries))
            if self.global_step is not None:
                self._counted: tuple[float, int] | None = None
                loops.append((self._save_summaries_secs, self._write_speed))
        if self.saver is not None and self._save_model_secs:
            loops.append((self._save_model_secs, self._save))
        threads = [LooperThread.loop(self._coord, secs, target=call, args=[sess])
                   for secs, call in loops]
        self._started.extend(threads)
        return threads

    def start_queue_runners(self, sess: BaseSession, queue_runners: Any = None) -> list[Any]:
        """Starts the threads of queue runners, all of the graph's by default."""
        if queue_runners is None:
            threads = start_queue_runners(sess, coord=self._coord)
        else:
            threads = [t for runner in queue_runners for t in runner.create_threads(
                sess, coord=self._coord, daemon=True, start=True)]
        self._started.extend(threads)
        return threads

    StartQueueRunners, StartStandardServices = start_queue_runners, start_standard_services

    def _write_summaries(self, sess: BaseSession) -> None:
        if self.global_step is not None:
            self.summary_computed(sess, sess.run(self.summary_op))
        else:
            self._writer.add_summary(sess.run(self.summary_op), 0)

    def _write_speed(self, sess: BaseSession) -> None:
        step, now = global_step(sess, self.global_step), time.time()
        if self._counted is not None and now > self._counted[0]:
            speed = (step - self._counted[1]) / (now - self._counted[0])
            self._writer.add_summary(
                Summary(value=[Summary.Value(tag="global_step/sec", simple_value=speed)]), step)
            logging.info("global_step/sec: %g", speed)
        self._counted = (now, step)

    def _save(self, sess: BaseSession) -> None:
        self.saver.save(sess, self.save_path, global_step=self.global_step)

    def summary_computed(self, sess: BaseSession, summary: Any, global_step: Any = None) -> None:
        """Writes a summary for the present step."""
        if self._writer is None:
            raise GraphError("Supervisor: Writing a summary requires a summary writer: pass "
                             "logdir=.")
        if global_step is None and self.global_step is not None:
            global_step = int(sess.run(self.global_step))
        self._writer.add_summary(summary, global_step)

    SummaryComputed = summary_computed

    # ---- threads and the end --------------------------------------------------------------------

    def loop(
        self, timer_interval_secs: float | None, target: Callable[..., Any],
        args: Sequence[Any] | None = None, kwargs: dict[str, Any] | None = None,
    ) -> LooperThread:
        """Calls a function in a thread, again and again, until the stop."""
        looper = LooperThread(self._coord, timer_interval_secs, target, args, kwargs)
        looper.start()
        return looper

    Loop = loop

    def should_stop(self) -> bool:
        """True once a stop was asked for."""
        return self._coord.should_stop()

    ShouldStop = should_stop

    def request_stop(self, ex: Any = None) -> None:
        """Asks all to stop."""
        self._coord.request_stop(ex=ex)

    RequestStop = request_stop

    def stop_on_exception(self) -> Any:
        """Context manager: an error inside becomes a request to stop."""
        return self._coord.stop_on_exception()

    StopOnException = stop_on_exception

    def wait_for_stop(self) -> None:
        """Waits until a stop is asked for."""
        self._coord.wait_for_stop()

    def stop(
        self, threads: Any = None, close_summary_writer: bool = True,
        ignore_live_threads: bool = False,
    ) -> None:
        """Stops the threads, saves nothing more; raises what a thread or the block raised."""
        self._coord.request_stop()
        try:
            self._coord.join(threads, stop_grace_period_secs=self._grace,
                             ignore_live_threads=ignore_live_threads)
        finally:
            if close_summary_writer and self._writer is not None:
                self._writer.close()
            self._started = []

    Stop = stop


def _left_out(value: Any) -> bool:
    """True for `Supervisor.USE_DEFAULT`, the number 0; tensors compare by identity."""
    return isinstance(value, int) and value == Supervisor.USE_DEFAULT


def basic_train_loop(
    supervisor: Supervisor, train_step_fn: Callable[..., Any], args: Sequence[Any] | None = None,
    kwargs: dict[str, Any] | None = None, master: str = "",
) -> None:
    """Calls `train_step_fn(session, *args, **kwargs)` until the supervisor stops."""
    with supervisor.managed_session(master) as sess:
        while not supervisor.should_stop():
            train_step_fn(sess, *(args or ()), **(kwargs or {}))
