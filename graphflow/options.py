"""`Options`: the one frozen record of settings, and the only reader of environment variables."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphflow.errors import AttributeValueError
from graphflow.hardware import available_cores

if TYPE_CHECKING:
    from pathlib import Path

DEVICES = ("auto", "cpu", "cuda", "reference")
FETCHES = ("host", "device")
HALF_PRODUCTS = ("float32", "native")
FLUSHING_MACHINES = ("x86_64", "AMD64", "aarch64", "arm64")
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
      autotune: True measures, when a program is compiled for the CPU, the few best ways to build
        each product and convolution of known sizes, and keeps what is fastest on disk. Which way
        is taken may change the last bits of results, also from one number of threads to another.
      half_products: how the CPU multiplies matrices of bfloat16. `"float32"` converts the factors
        and adds in float32 as everywhere else; `"native"` takes the processor's instructions for
        products of bfloat16 (AMX or AVX512-BF16) where it has them: sums are float32 too, but
        numbers below the smallest normal one count as zero, and the order of additions differs.
      flush_denormals: True makes compiled CPU code take subnormal numbers, those below the
        smallest normal one, for zero, as operands and as results. Many processors are slow with
        them. Steps in Python, the reference and GPUs do not change.
      tensor_float_32: whether a GPU may round the factors of float32 products to TF32, with 10
        bits behind the point, and so use its tensor cores. None is what
        `tf.config.experimental.enable_tensor_float_32_execution` has said, by default no.
    """

    device: str = "auto"
    silence: frozenset[str] = field(default_factory=frozenset)
    disable_passes: frozenset[str] = field(default_factory=frozenset)
    dump_passes: bool | frozenset[str] = False
    threads: int | None = None
    fetches: str = "host"
    autotune: bool = False
    half_products: str = "float32"
    flush_denormals: bool = False
    tensor_float_32: bool | None = None

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise AttributeValueError(
                f"Options: device must be one of {', '.join(map(repr, DEVICES))}, got "
                f"{self.device!r}."
            )
        if self.fetches not in FETCHES:
            raise AttributeValueError(
                f"Options: fetches must be 'host' or 'device', got {self.fetches!r}.")
        if self.tensor_float_32 not in (None, False, True):
            raise AttributeValueError(
                f"Options: tensor_float_32 must be a bool, got {self.tensor_float_32!r}.")
        if self.half_products not in HALF_PRODUCTS:
            raise AttributeValueError(
                f"Options: half_products must be 'float32' or 'native', got "
                f"{self.half_products!r}.")
        if not isinstance(self.autotune, bool):
            raise AttributeValueError(
                f"Options: autotune must be True or False, got {self.autotune!r}.")
        _check_flushing(self.flush_denormals)
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
        commas; `GRAPHFLOW_DUMP_PASSES`, 1 or names; `GRAPHFLOW_AUTOTUNE` and
        `GRAPHFLOW_FLUSH_DENORMALS`, 1. (`GRAPHFLOW_THREADS` is looked at by `thread_count`.)
        """
        dump = os.environ.get("GRAPHFLOW_DUMP_PASSES", "").strip()
        return cls(
            device=os.environ.get("GRAPHFLOW_DEVICE", "auto"),
            silence=_listed("GRAPHFLOW_SILENCE"),
            disable_passes=_listed("GRAPHFLOW_DISABLE_PASSES"),
            dump_passes=(dump == "1" if dump in ("", "0", "1")
                         else _listed("GRAPHFLOW_DUMP_PASSES")),
            autotune=os.environ.get("GRAPHFLOW_AUTOTUNE", "").strip() == "1",
            flush_denormals=os.environ.get("GRAPHFLOW_FLUSH_DENORMALS", "").strip() == "1",
            half_products=os.environ.get("GRAPHFLOW_HALF_PRODUCTS", "").strip() or "float32",
        )


def cache_folder() -> Path | None:
    """Where kernels and programs are kept for other processes, or None for nowhere.

    `GRAPHFLOW_CACHE=0` says nowhere, `GRAPHFLOW_CACHE_DIR` names the folder. Otherwise it is
    `graphflow` in the user's folder for caches: `XDG_CACHE_HOME`, or what the system has; nowhere
    if there is no home directory.
    """
    from pathlib import Path

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


def _check_flushing(value: object) -> None:
    if not isinstance(value, bool):
        raise AttributeValueError(
            f"Options: flush_denormals must be True or False, got {value!r}.")
    if value and platform.machine() not in FLUSHING_MACHINES:
        raise AttributeValueError(
            f"Options: flush_denormals needs an x86-64 or ARM64 processor, this one is "
            f"{platform.machine()!r}. Leave it False.")


def _check_threads(setting: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_THREADS:
        raise AttributeValueError(
            f"{setting} must be a whole number from 1 to {MOST_THREADS}, got {value!r}.")


def _names(setting: str, value: Iterable[str]) -> frozenset[str]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise AttributeValueError(
            f"Options: {setting} must be names of passes, such as ('algebra',), got {value!r}.")
    return frozenset(value)
