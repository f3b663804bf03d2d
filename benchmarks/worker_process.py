"""The driver's end of a worker: a process in a group of its own, spoken to in JSON lines.

The group lies in the driver's session: should the driver be killed, the kernel wakes and ends the
workers that are stopped (SIGHUP to an orphaned group, POSIX.1-2017, _Exit()).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.environment import confined, worker_environment
from benchmarks.frameworks import Framework
from benchmarks.load import Load, LoadMeter, process_cpu_seconds


class WorkerError(Exception):
    """The worker failed, ended or does not answer; the message is what the table shows."""


class AbsentError(WorkerError):
    """The framework is not installed."""

    def __init__(self) -> None:
        super().__init__("absent")


class WorkerProcess:
    """One framework in one process. Asleep (stopped) except while it is asked something.

    framework: which; threads: how many; folder: a directory for its caches and its log,
    made if need be; timeout: seconds to wait for an answer. Raises AbsentError, WorkerError.
    """

    def __init__(self, framework: Framework, threads: int, folder: Path, timeout: float) -> None:
        self.framework, self._timeout = framework, timeout
        self._log = folder / "stderr.txt"
        folder.mkdir(parents=True, exist_ok=True)
        with confined(threads), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", framework.module, framework.variant],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                cwd=folder, env=worker_environment(threads, folder, framework.on_gpu),
                process_group=0)
        try:
            hello = self._receive()
        except WorkerError:
            self.close()
            raise
        if "absent" in hello:
            self.close()
            raise AbsentError
        self.version: str = hello["version"]
        self._signal(signal.SIGSTOP)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends one request and waits for its answer. Raises WorkerError."""
        with self._awake():
            return self._exchange(request)

    def ask_metered(self, **request: Any) -> tuple[dict[str, Any], Load]:
        """`ask`, with what the machine did in the meantime."""
        with self._awake():
            meter, before = LoadMeter(), process_cpu_seconds(self._process.pid)
            answer = self._exchange(request)
            return answer, meter.stop(process_cpu_seconds(self._process.pid) - before)

    def close(self) -> None:
        """Ends the process and whatever it started."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # a request that it did not live to read
                    stream.close()

    @contextmanager
    def _awake(self) -> Iterator[None]:
        """Others stay stopped: a thread pool that spins between steps disturbs nobody's turn."""
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._epitaph()) from None
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], self._timeout)[0]:
            raise WorkerError(f"failed: no answer within {self._timeout:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(self._epitaph())
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"failed: {answer['error']}")
        return answer

    def _epitaph(self) -> str:
        code = self._process.wait()
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return f"failed: ended {how}: {''.join(last) or 'nothing on stderr'}"
