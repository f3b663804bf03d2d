"""`SessionManager`: a session whose variables have values, from a checkpoint or initialised."""

from __future__ import annotations

import time
from typing import Any

from graphflow import logging
from graphflow.errors import FailedPreconditionError, GraphError
from graphflow.graph import Graph, get_default_graph
from graphflow.session import Session
from graphflow.train.checkpoint_state import get_checkpoint_state


class SessionManager:
    """Makes sessions that are ready.

    ready_op: a string vector of what has no value yet, empty if all is well.
    ready_for_local_init_op: the same, of what `local_init_op` needs.
    local_init_op: run after the variables have their values (with `local_init_feed_dict`).
    """

    def __init__(
        self, local_init_op: Any = None, ready_op: Any = None, ready_for_local_init_op: Any = None,
        graph: Graph | None = None, recovery_wait_secs: float = 30,
        local_init_run_options: Any = None, local_init_feed_dict: Any = None,
    ) -> None:
        if ready_for_local_init_op is not None and local_init_op is None:
            raise GraphError("SessionManager: If you pass a ready_for_local_init_op you must also "
                             "pass a local_init_op.")
        self._graph = graph if graph is not None else get_default_graph()
        self._local_init_op, self._ready_op = local_init_op, ready_op
        self._ready_for_local_init_op = ready_for_local_init_op
        self._recovery_wait_secs = recovery_wait_secs
        self._local_init_feed_dict = local_init_feed_dict

    def prepare_session(
        self, master: str, init_op: Any = None, saver: Any = None,
        checkpoint_dir: Any = None, checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False, max_wait_secs: float = 7200, config: Any = None,
        init_feed_dict: Any = None, init_fn: Any = None,
    ) -> Session:
        """A session: restored from the latest checkpoint, or else initialised.

        init_op, init_feed_dict, init_fn(session): used where there is no checkpoint.
        Raises GraphError (a RuntimeError) if something still has no value.
        """
        sess, restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint,
            max_wait_secs, config)
        if not restored:
            if init_op is None and not init_fn and self._local_init_op is None:
                raise NotReadyError("Model is not initialized and no init_op or init_fn or "
                                    "local_init_op was given.")
            if init_op is not None:
                sess.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(sess)
        missing = self._initialise_local(sess)
        if missing:
            raise NotReadyError(
                "Init operations did not make model ready for local_init.  Init op: "
                f"{getattr(init_op, 'name', init_op)}, init fn: {init_fn}, error: {missing}")
        missing = self._missing(sess, self._ready_op)
        if missing:
            raise NotReadyError(
                f"Init operations did not make model ready.  Init op: "
                f"{getattr(init_op, 'name', init_op)}, init fn: {init_fn}, local_init_op: "
                f"{getattr(self._local_init_op, 'name', None)}, error: {missing}")
        return sess

    def recover_session(
        self, master: str, saver: Any = None, checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None, wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200, config: Any = None,
    ) -> tuple[Session, bool]:
        """(session, whether it could be restored and is ready)."""
        sess, restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint,
            max_wait_secs, config)
        if not restored:
            return sess, False
        if self._initialise_local(sess) or self._missing(sess, self._ready_op):
            return sess, False
        return sess, True

    def wait_for_session(
        self, master: str, config: Any = None, max_wait_secs: float = float("inf")
    ) -> Session:
        """A session that is ready. Raises NotReadyError at once if it is not: nobody else in
        this process can initialise its variables."""
        sess = Session(master, graph=self._graph, config=config)
        missing = self._initialise_local(sess) or self._missing(sess, self._ready_op)
        if missing:
            raise NotReadyError(
                f"wait_for_session: {missing}. A session's variables are its own: initialise them "
                "with prepare_session, or be the chief (is_chief=True).")
        return sess

    def _restored(
        self, master: str, saver: Any, folder: Any, filename: Any, wait: bool,
        max_wait_secs: float, config: Any,
    ) -> tuple[Session, bool]:
        if folder is not None and filename is not None:
            raise GraphError("SessionManager: Can not provide both checkpoint_dir and "
                             "checkpoint_filename_with_path.")
        sess = Session(master, graph=self._graph, config=config)
        if saver is None or (folder is None and filename is None):
            return sess, False
        if filename is not None:
            saver.restore(sess, filename)
            return sess, True
        until = time.monotonic() + max_wait_secs
        state = get_checkpoint_state(folder)
        while state is None or not state.model_checkpoint_path:
            if not wait or time.monotonic() > until:
                return sess, False
            time.sleep(min(self._recovery_wait_secs, 1.0))
            state = get_checkpoint_state(folder)
        logging.info("Restoring parameters from %s", state.model_checkpoint_path)
        saver.restore(sess, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return sess, True

    def _initialise_local(self, sess: Session) -> str | None:
        """Runs the local initialisers; gives what is missing for that, if something is."""
        if self._local_init_op is None:
            return None
        missing = self._missing(sess, self._ready_for_local_init_op)
        if missing is None:
            sess.run(self._local_init_op, feed_dict=self._local_init_feed_dict)
        return missing

    @staticmethod
    def _missing(sess: Session, ready_op: Any) -> str | None:
        if ready_op is None:
            return None
        try:
            names = sess.run(ready_op)
        except FailedPreconditionError as error:
            return str(error)
        if names is None or not len(names):
            return None
        listed = ", ".join(n.decode() if isinstance(n, bytes) else str(n) for n in names)
        return f"Variables not initialized: {listed}"


class NotReadyError(GraphError, RuntimeError):
    """A session was to be made, and something in it has no value."""
