"""`Options`: the one frozen record of settings, and the only reader of environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from graphflow.errors import AttributeValueError
from graphflow.hardware import available_cores

DEVICES = ("auto", "cpu", "cuda", "reference")
FETCHES = ("host", "device")
MOST_THREADS = 64


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a session.

    Attributes:
      device: `"cpu"` compiles for the CPU; `"cuda"` for an NVIDIA GPU; `"reference"` runs the
        NumPy executor, the definition of every op; `"auto"` takes a GPU where there is one with
        all that it needs, and says so, else the CPU.
      silence: ids of warnings that are not given, such as `"graph-growth"`.
      disable_passes: names of compiler passes that are left out; `gf.compiler_passes()` lists
        them. A session refuses unknown names.
      dump_passes: True prints every program that is compiled to standard error, at first and
        after each pass that changed something; names print it after these passes only.
      threads: how many threads share a run; results are the same for any number. None is what
        `GRAPHFLOW_THREADS` says, else the physical cores that the process may use.
      fetches: where values that `run` gives are: `"host"` as NumPy arrays; `"device"` leaves them
        on the GPU, as `gf.DeviceArray`s, without waiting for them. On the CPU both are the same.
    """

    device: str = "auto"
    silence: frozenset[str] = field(default_factory=frozenset)
    disable_passes: frozenset[str] = field(default_factory=frozenset)
    dump_passes: bool | frozenset[str] = False
    threads: int | None = None
    fetches: str = "host"

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise AttributeValueError(
                f"Options: device must be one of {', '.join(map(repr, DEVICES))}, got "
                f"{self.device!r}."
            )
        if self.fetches not in FETCHES:
            raise AttributeValueError(
                f"Options: fetches must be 'host' or 'device', got {self.fetches!r}.")
        object.__setattr__(self, "silence", frozenset(self.silence))
        object.__setattr__(self, "disable_passes", _names("disable_passes", self.disable_passes))
        if not isinstance(self.dump_passes, bool):
            object.__setattr__(self, "dump_passes", _names("dump_passes", self.dump_passes))
        if self.threads is not None:
            _check_threads("Options: threads", self.threads)

    def thread_count(self) -> int:
        """How many threads a run may use."""
        if self.threads is not None:
            return self.threads
        chosen = os.environ.get("GRAPHFLOW_THREADS", "").strip()
        if not chosen:
            return min(available_cores(), MOST_THREADS)
        count = int(chosen) if chosen.isdecimal() else chosen
        _check_threads("GRAPHFLOW_THREADS", count)
        return int(count)

    @classmethod
    def from_environment(cls) -> Options:
        """Defaults, with what the environment says.

        `GRAPHFLOW_DEVICE`; `GRAPHFLOW_SILENCE` and `GRAPHFLOW_DISABLE_PASSES`, names between
        commas; `GRAPHFLOW_DUMP_PASSES`, 1 or names. (`GRAPHFLOW_THREADS` is looked at by
        `thread_count`.)
        """
        dump = os.environ.get("GRAPHFLOW_DUMP_PASSES", "").strip()
        return cls(
            device=os.environ.get("GRAPHFLOW_DEVICE", "auto"),
            silence=_listed("GRAPHFLOW_SILENCE"),
            disable_passes=_listed("GRAPHFLOW_DISABLE_PASSES"),
            dump_passes=dump == "1" if dump in ("", "0", "1") else _listed("GRAPHFLOW_DUMP_PASSES")
        )


def cache_folder() -> Path | None:
    """Where kernels and programs are kept for other processes, or None for nowhere.

    `GRAPHFLOW_CACHE=0` says nowhere, `GRAPHFLOW_CACHE_DIR` names the folder. Otherwise it is
    `graphflow` in the user's folder for caches: `XDG_CACHE_HOME`, or what the system has; nowhere
    if there is no home directory.
    """
    if os.environ.get("GRAPHFLOW_CACHE", "").strip() == "0":
        return None
    chosen = os.environ.get("GRAPHFLOW_CACHE_DIR", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(caches):  # the specification: relative ones are to be ignored
        caches = _system_caches()
    return Path(caches, "graphflow") if os.path.isabs(caches) else None


def program_folder() -> Path | None:
    """Where what was made of whole Programs is kept: in the same folder, or None for nowhere.

    `GRAPHFLOW_CACHE=kernels` says that only kernels are kept.
    """
    only_kernels = os.environ.get("GRAPHFLOW_CACHE", "").strip() == "kernels"
    return None if only_kernels else cache_folder()


def _system_caches() -> str:
    """The user's folder for caches, or nothing if there is no home directory."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA", "")
    home = os.path.expanduser("~")
    caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return os.path.join(home, caches) if os.path.isdir(home) else ""


def _listed(variable: str) -> frozenset[str]:
    """The names, between commas, that an environment variable holds."""
    return frozenset(filter(None, (s.strip() for s in os.environ.get(variable, "").split(","))))


def _check_threads(setting: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_THREADS:
        raise AttributeValueError(
            f"{setting} must be a whole number from 1 to {MOST_THREADS}, got {value!r}.")


def _names(setting: str, value: Iterable[str]) -> frozenset[str]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise AttributeValueError(
            f"Options: {setting} must be names of passes, such as ('algebra',), got {value!r}.")
    return frozenset(value)
