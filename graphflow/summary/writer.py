"""`FileWriter`: appends events to a file that TensorBoard reads; `summary_iterator` reads one."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from graphflow import wire
from graphflow.summary.records import Summary

_number = itertools.count()


@dataclass(frozen=True, slots=True)
class Event:
    """wall_time: seconds since 1970. step: of the training. summary: of that step."""

    wall_time: float
    step: int
    file_version: str
    summary: Summary


class FileWriter:
    """Writes summaries to a new event file in `logdir`, which is made if need be.

    flush_secs: how long events may wait in memory. Graphs are accepted and not written.
    """

    def __init__(
        self, logdir: Any, graph: Any = None, max_queue: int = 10, flush_secs: float = 120,
        graph_def: Any = None, filename_suffix: str | None = None, session: Any = None,
    ) -> None:
        self._logdir, self._suffix = os.fspath(logdir), filename_suffix or ""
        self._flush_secs, self._lock = flush_secs, threading.Lock()
        self._stream: Any = None
        self._flushed = time.time()
        self.reopen()

    def get_logdir(self) -> str:
        """The folder."""
        return self._logdir

    def reopen(self) -> None:
        """Begins a new file, if the last one was closed."""
        if self._stream is not None:
            return
        os.makedirs(self._logdir, exist_ok=True)
        name = (f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}."
                f"{os.getpid()}.{next(_number)}{self._suffix}")
        self._stream = open(os.path.join(self._logdir, name), "ab")  # noqa: SIM115
        self._write(0, wire.message(3, b"brain.Event:2"))
        self.flush()

    def _write(self, step: int, content: bytes) -> None:
        event = wire.double(1, time.time()) + wire.integer(2, int(step)) + content
        with self._lock:
            if self._stream is None:
                self.reopen()
            self._stream.write(wire.framed(event))
        if time.time() - self._flushed > self._flush_secs:
            self.flush()

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Appends a Summary, or the bytes of one, for a step."""
        data = summary if isinstance(summary, bytes) else summary.SerializeToString()
        self._write(0 if global_step is None else global_step, wire.message(5, data))

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Accepted; graphs are not written."""

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Accepted; graphs are not written."""

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Accepted; run metadata are not written."""

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Accepted; session logs are not written."""

    def flush(self) -> None:
        """Hands what was written to the system."""
        if self._stream is not None:
            self._stream.flush()
            self._flushed = time.time()

    def close(self) -> None:
        """Closes the file; the next event begins a new one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


SummaryWriter = FileWriter


class FileWriterCache:
    """One FileWriter for each folder."""

    _writers: ClassVar[dict[str, FileWriter]] = {}

    @classmethod
    def get(cls, logdir: Any) -> FileWriter:
        """The writer of a folder, made at the first call."""
        name = os.fspath(logdir)
        if name not in cls._writers:
            cls._writers[name] = FileWriter(name)
        return cls._writers[name]

    @classmethod
    def clear(cls) -> None:
        """Closes and forgets all writers."""
        for writer in cls._writers.values():
            writer.close()
        cls._writers.clear()


def summary_iterator(path: Any) -> Iterator[Event]:
    """The events of a file, in order."""
    with open(path, "rb") as stream:
        content = stream.read()
    for data in wire.records(content):
        found: dict[int, Any] = dict(wire.fields(data))
        yield Event(found.get(1, 0.0), found.get(2, 0), found.get(3, b"").decode(),
                    Summary.FromString(found.get(5, b"")))
