"""`QueueRunner`: threads that keep a queue full while a program reads from it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

from graphflow.defaults import get_default_session
from graphflow.errors import CancelledError, DTypeError, GraphError, OpError, OutOfRangeError
from graphflow.graph import get_default_graph
from graphflow.ops.data_queues import QueueBase
from graphflow.scopes import GraphKeys
from graphflow.session import BaseSession
from graphflow.train.coordinator import Coordinator


class QueueRunner:
    """Runs each of `enqueue_ops` in a thread of its own, again and again, until one of them ends.

    queue: closed when the last thread ends. close_op, cancel_op: operations that close it, and
      that close it and stop what waits; the queue's own by default.
    queue_closed_exception_types: errors that mean the end of the data (OutOfRangeError; and
      CancelledError, which a closed queue gives).
    Raises GraphError (a ValueError) without a queue or operations.
    """

    def __init__(
        self, queue: QueueBase | None = None, enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None, cancel_op: Any = None,
        queue_closed_exception_types: tuple[type[Exception], ...] | None = None,
        queue_runner_def: Any = None, import_scope: str | None = None,
    ) -> None:
        if queue is None or not enqueue_ops:
            raise GraphError("QueueRunner: Must provide queue and enqueue_ops.")
        self._queue, self._enqueue_ops = queue, list(enqueue_ops)
        self._close_op = queue.close() if close_op is None else close_op
        self._cancel_op = (queue.close(cancel_pending_enqueues=True) if cancel_op is None
                           else cancel_op)
        self._end = tuple(queue_closed_exception_types or (OutOfRangeError,))
        self._lock = threading.Lock()
        self._running: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._errors: list[BaseException] = []

    @property
    def queue(self) -> QueueBase:
        """The queue that is kept full."""
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        """The operations that fill it, one for each thread."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """The operation that closes the queue."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """The operation that closes the queue and stops those who wait for room."""
        return self._cancel_op

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self._queue.name

    @property
    def queue_closed_exception_types(self) -> tuple[type[Exception], ...]:
        """The errors that mean the end of the data."""
        return self._end

    @property
    def exceptions_raised(self) -> list[BaseException]:
        """What threads without a coordinator raised."""
        return self._errors

    def _run(self, sess: BaseSession, enqueue_op: Any, coord: Coordinator | None) -> None:
        call, closed = sess.make_callable(enqueue_op), False
        try:
            while coord is None or not coord.should_stop():
                try:
                    call()
                except self._end:
                    closed = True
                    self._leave(sess, close=True)
                    return
                except CancelledError:  # somebody closed the queue
                    return
        except BaseException as error:
            if sess._closed:
                return  # the session ended before its threads did
            if coord is not None:
                coord.request_stop(error)
            else:
                with self._lock:
                    self._errors.append(error)
                raise
        finally:
            if not closed:
                self._leave(sess, close=False)

    def _leave(self, sess: BaseSession, close: bool) -> None:
        """One thread fewer; the last one closes the queue if the data ended."""
        with self._lock:
            self._running[sess] = self._running.get(sess, 1) - 1
            last = self._running[sess] == 0
        if last and close:
            try:
                sess.run(self._close_op)
            except OpError:
                if not sess._closed:
                    raise

    def _stop_queue(self, sess: BaseSession, coord: Coordinator) -> None:
        coord.wait_for_stop()
        if not sess._closed:
            try:
                sess.run(self._cancel_op)
            except Exception:
                if not sess._closed:
                    raise

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False,
        start: bool = False,
    ) -> list[threading.Thread]:
        """The threads, and with a coordinator one more that stops them when it asks for it.

        Empty if they run already for this session.
        """
        with self._lock:
            if self._running.get(sess, 0) > 0:
                return []
            self._running[sess] = len(self._enqueue_ops)
            self._errors.clear()
        threads = [threading.Thread(target=self._run, args=(sess, op, coord),
                                    name=f"QueueRunnerThread-{self.name}-{op.name}")
                   for op in self._enqueue_ops]
        if coord is not None:
            threads.append(threading.Thread(
                target=self._stop_queue, args=(sess, coord),
                name=f"QueueRunnerThread-{self.name}-close_on_stop"))
        for thread in threads:
            thread.daemon = daemon
            if coord is not None:
                coord.register_thread(thread)
            if start:
                thread.start()
        return threads


def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """`start_queue_runners` will start it."""
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None, coord: Coordinator | None = None, daemon: bool = True, start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Starts the threads of all queue runners of the session's graph, and gives them.

    Raises GraphError (a ValueError) if there are runners but no session, DTypeError (a TypeError)
    if `sess` is none.
    """
    sess = get_default_session() if sess is None else sess
    graph = get_default_graph() if sess is None else sess.graph
    runners = graph.get_collection(collection or GraphKeys.QUEUE_RUNNERS)
    if not runners:
        return []
    if sess is None:
        raise GraphError(
            "Cannot start queue runners: No default session is registered. Use `with "
            "gf.Session():` or pass an explicit session to gf.train.start_queue_runners(sess=sess)"
        )
    if not isinstance(sess, BaseSession):
        raise DTypeError(f"start_queue_runners: sess must be a gf.Session, got {sess!r}.")
    return [thread for runner in runners
            for thread in runner.create_threads(sess, coord, daemon=daemon, start=start)]
