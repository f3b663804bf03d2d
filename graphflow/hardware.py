"""What this machine has for this process: cores, caches, a GPU's driver."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from contextlib import suppress
from functools import cache

_CPUS = "/sys/devices/system/cpu"
_QUOTA = "/sys/fs/cgroup/cpu.max"


def available_processors() -> list[int]:
    """The numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@cache
def available_cores() -> int:
    """How many physical cores this process may use: threads that share one count once.

    A container's quota of processor time, where Linux has one for it, is a limit too.
    """
    cores = {_siblings(number) or str(number) for number in available_processors()}
    return max(1, min(len(cores), _quota() or len(cores)))


def _siblings(processor: int) -> str | None:
    """The processors that are one core with this one, as Linux lists them."""
    try:
        return _text(f"{_CPUS}/cpu{processor}/topology/thread_siblings_list")
    except OSError:
        return None


def _text(path: str) -> str:
    """A small file of the system's. Raises OSError."""
    with open(path) as file:  # pathlib takes 3 ms to import
        return file.read().strip()


def _quota() -> int | None:
    """Whole cores that control groups leave to this process, if they set a limit."""
    try:
        limit, period = _text(_QUOTA).split()
        return None if limit == "max" else -(-int(limit) // int(period))
    except (OSError, ValueError):
        return None


@cache
def cache_levels() -> tuple[tuple[str, int], ...]:
    """The caches for data of one core, as Linux tells them: `("L1", bytes)`, …; or nothing."""
    found = {}
    with suppress(OSError, ValueError):
        folder = f"{_CPUS}/cpu0/cache"
        for name in sorted(n for n in os.listdir(folder) if n.startswith("index")):
            if _text(f"{folder}/{name}/type") != "Instruction":
                size = _text(f"{folder}/{name}/size")
                scale = {"K": 2**10, "M": 2**20}.get(size[-1:], 1)
                level = _text(f"{folder}/{name}/level")
                found[f"L{level}"] = int(size.rstrip("KM")) * scale
    return tuple(sorted(found.items()))


_REQUEST_PERMISSION, _TILE_DATA = 0x1023, 18  # arch_prctl's ARCH_REQ_XCOMP_PERM, XTILEDATA
_ARCH_PRCTL = 158                             # on x86-64


@cache
def amx_allowed() -> bool:
    """Asks Linux to let this process use the tiles of AMX; True if it does.

    Whether the processor has them is another question. Other systems are not asked.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


# The modules that the extra `cuda` installs, each with its package.
_CUDA_MODULES = {"numba_cuda": "numba-cuda", "cuda.bindings": "cuda-bindings"}


def cuda_driver() -> ctypes.CDLL | None:
    """NVIDIA's driver library, or None where there is none."""
    with suppress(OSError):
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    return None


def missing_cuda_packages() -> list[str]:
    """The packages that programs on a GPU need and that are not installed."""
    return [package for module, package in _CUDA_MODULES.items() if not _has_module(module)]


def _has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # not even the package around it
        return False


def cuda_absence() -> str | None:
    """Why no program can run on a GPU here, and what helps; None if nothing is missing.

    It looks for NVIDIA's driver and for the packages; whether the driver works is not tried.
    """
    packages = missing_cuda_packages()
    extra = f"the packages for it are not installed ({', '.join(packages)})"
    install = "pip install 'graphflow[cuda]'"
    if cuda_driver() is None:
        also = f" Besides, {extra}: {install}." if packages else ""
        return ("this machine has no NVIDIA GPU that can be used: NVIDIA's driver (libcuda) was "
                f"not found. Use device='cpu', or device='auto', which takes a GPU where there is "
                f"one.{also}")
    return f"this machine has NVIDIA's driver, but {extra}: {install}." if packages else None
