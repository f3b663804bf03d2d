"""What `graphflow doctor` finds: facts about the machine, and whether graphflow works on it.

Each check gives `Finding`s. A finding that is wrong says what helps.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from graphflow.cli.commands import counted

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
      section, name: what it is.
      value: what was found.
      state: `wrong` if graphflow does not work because of it, `note` if something is missing that
        it can do without.
      advice: what helps.
    """

    section: str
    name: str
    value: str
    state: State = "ok"
    advice: str = ""


def findings() -> Iterator[Finding]:
    """All checks, in order. What a check raises is a finding itself."""
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("software", _software), ("machine", _machine), ("cache", _cache), ("CUDA", _cuda),
        ("self-test", _self_test))
    for section, check in checks:
        try:
            yield from check()
        except Exception as error:  # whatever is broken here is what the user wants to know
            yield Finding(section, section, f"{type(error).__name__}: {error}", "wrong",
                          "This is a fault of graphflow or of its installation; please report it.")


# ---- software -----------------------------------------------------------------------------------

_PACKAGES = {"numpy": "2.0", "numba": "0.65", "llvmlite": "0.47", "networkx": "3.2",
             "ml_dtypes": "0.5", "safetensors": "0.4.5", "rich": "13.7", "click": "8.1"}


def _software() -> Iterator[Finding]:
    from graphflow.version import __version__

    yield Finding("software", "graphflow", __version__)
    yield Finding("software", "Python", f"{platform.python_version()} "
                  f"({platform.python_implementation()}, {sys.platform})")
    for name, least in _PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("software", name, "not installed", "wrong",
                          f"pip install '{name}>={least}'")
            continue
        old = _numbers(version) < _numbers(least)
        yield Finding("software", name, version, "wrong" if old else "ok",
                      f"It must be {least} or newer: pip install -U {name}" if old else "")


def _numbers(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split("."):
        digits = part[:len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


# ---- machine ------------------------------------------------------------------------------------

_FEATURES = ("avx512f", "avx512bf16", "avx512_fp16", "avx2", "fma", "f16c", "neon", "sve")


def _machine() -> Iterator[Finding]:
    from llvmlite import binding

    from graphflow.codegen.processor import missing_features, vector_bytes
    from graphflow.hardware import available_cores, available_processors, cache_levels
    from graphflow.options import Options

    features = binding.get_host_cpu_features()
    known = ", ".join(name for name in _FEATURES if features.get(name))
    yield Finding("machine", "processor", f"{platform.machine()}, {binding.get_host_cpu_name()}"
                  + (f" ({known})" if known else ""))
    lacking = missing_features()
    if lacking:
        yield Finding("machine", "vectors", f"no {', '.join(lacking)}", "wrong",
                      "Programs run by the NumPy reference on this processor, which is slow.")
    else:
        yield Finding("machine", "vectors", f"{8 * vector_bytes()} bits")
    yield Finding("machine", "cores", f"{available_cores()} that this process may use, "
                  f"{len(available_processors())} processors")
    levels = cache_levels()
    if levels:
        yield Finding("machine", "caches", ", ".join(
            f"{name} {size // 1024} KiB" for name, size in levels))
    threads = Options.from_environment().thread_count()
    crowded = threads > available_cores()
    yield Finding("machine", "threads", f"{threads} share a run", "note" if crowded else "ok",
                  "More threads than cores hinder each other: see GRAPHFLOW_THREADS."
                  if crowded else "")


# ---- cache --------------------------------------------------------------------------------------


def _cache() -> Iterator[Finding]:
    from graphflow.codegen.cache_folder import LIMIT, cache_state

    state = cache_state()
    if state.complaint is not None:
        where = str(state.folder) if state.folder is not None else "none"
        yield Finding("cache", "folder", f"{where}: {state.complaint}", "note",
                      "Kernels are compiled anew by each process. GRAPHFLOW_CACHE_DIR names "
                      "another folder.")
        return
    yield Finding("cache", "folder", str(state.folder))
    yield Finding("cache", "size", f"{counted(state.kernels, 'kernel')}, "
                  f"{state.bytes / 2**20:.1f} MiB of at most {LIMIT // 2**20} MiB")
    yield _round_trip()


def _round_trip() -> Finding:
    """Writes an object to the cache, in an environment of its own, and reads it back."""
    from graphflow.codegen.cache import open_store

    store = open_store((f"doctor {secrets.token_hex(8)}",))  # nobody else's
    if store is None:
        return Finding("cache", "round trip", "no kernels are kept", "note",
                       "A source file of graphflow has changed since the process has started, or "
                       "cannot be read.")
    data = secrets.token_bytes(4096)
    store.write({"gf_doctor": data})
    found = store.read("gf_doctor")
    store.remove("gf_doctor")
    if found == data:
        return Finding("cache", "round trip", "what was written could be read")
    return Finding("cache", "round trip", "what was written could not be read", "note",
                   "Is the disk full, or the folder on one that loses files?")


# ---- CUDA ---------------------------------------------------------------------------------------


def _cuda() -> Iterator[Finding]:
    from graphflow.hardware import cuda_absence, cuda_driver, missing_cuda_packages

    version = ctypes.c_int(0)
    driver = cuda_driver()
    if driver is None:
        yield Finding("CUDA", "driver", "none (no libcuda)", "note",
                      "Programs run on the CPU. NVIDIA's driver brings it.")
    else:
        driver.cuDriverGetVersion(ctypes.byref(version))
        yield Finding("CUDA", "driver",
                      f"CUDA {version.value // 1000}.{version.value % 1000 // 10}")
        yield _devices(driver)
    missing = missing_cuda_packages()
    if missing:
        yield Finding("CUDA", "packages", f"{', '.join(missing)} not installed", "note",
                      "" if driver is None else "pip install 'graphflow[cuda]'")
    else:
        yield Finding("CUDA", "packages", f"numba-cuda {importlib.metadata.version('numba-cuda')}")
    absent = cuda_absence()
    if absent is not None:
        yield Finding("CUDA", "use", "sessions run on the CPU", "note")
    else:
        yield _gpu_step()


def _gpu_step() -> Finding:
    """A step of gradient descent on the GPU, beside the same in NumPy."""
    import graphflow as gf

    error = _training_error(gf, "cuda")
    if error < 1e-12:
        return Finding("CUDA", "use", "a training step, compiled, run, and as NumPy computes it")
    return Finding("CUDA", "use", f"a training step differs from NumPy by {error:.2g}", "wrong",
                   "Use device='cpu' (GRAPHFLOW_DEVICE=cpu), and please report it.")


def _devices(driver: Any) -> Finding:
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return Finding("CUDA", "devices", "the driver cannot be started", "note")
    names = []
    for number in range(count.value):
        name = ctypes.create_string_buffer(128)
        device = ctypes.c_int(0)
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
    return Finding("CUDA", "devices", ", ".join(names) or "none")


# ---- self-test ----------------------------------------------------------------------------------


def _self_test() -> Iterator[Finding]:
    """A step of gradient descent, compiled and run, beside the same in NumPy."""
    import graphflow as gf

    error = _training_error(gf, "cpu")
    if error < 1e-12:
        yield Finding("self-test", "a training step", "compiled, run, and as NumPy computes it")
    else:
        yield Finding("self-test", "a training step", f"differs from NumPy by {error:.2g}",
                      "wrong", "Run `graphflow cache clear` and try again; if it stays, please "
                      "report it.")
    yield _warnings_of_environment()


def _training_error(gf: Any, device: str) -> float:
    """How far a step of gradient descent on a device is from NumPy's."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 5)), rng.standard_normal((32, 1))
    start = rng.standard_normal((5, 1))
    with gf.Graph().as_default():
        fed, target = gf.placeholder(gf.float64, [None, 5]), gf.placeholder(gf.float64, [None, 1])
        weights = gf.Variable(start)
        loss = gf.reduce_mean(gf.square(gf.tanh(gf.matmul(fed, weights)) - target))
        step = gf.train.GradientDescentOptimizer(0.125).minimize(loss)
        with gf.Session(device=device) as session:
            session.run(gf.global_variables_initializer())
            _, found = session.run([step, loss], {fed: x, target: y})
            changed = session.run(weights)
    product = np.tanh(x @ start)
    slope = x.T @ (2 / 32 * (product - y) * (1 - product**2))
    return max(abs(float(found) - float(np.mean((product - y)**2))),
               float(np.max(np.abs(changed - (start - 0.125 * slope)))))


def _warnings_of_environment() -> Finding:
    """What GRAPHFLOW_… variables say."""
    given = sorted(name for name in os.environ if name.startswith("GRAPHFLOW_"))
    return Finding("self-test", "settings", ", ".join(given) or "no GRAPHFLOW_… variables")
