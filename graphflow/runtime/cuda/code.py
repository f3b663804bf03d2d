"""Kernels of loop IR as code that a GPU has loaded, kept for the process and on disk.

A kernel of loop IR becomes one or several launches (`codegen/cuda/kernels.py`), whose code is one
cubin. Cubins are kept like the objects of the CPU, in an environment of their own: by the kernel's
name, compute capability, versions of the compiler and a digest of graphflow's sources.
"""

from __future__ import annotations

import importlib.metadata
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphflow.codegen.cache import KernelStore, open_store
from graphflow.codegen.compile import is_own, kernel_name
from graphflow.codegen.library import LibraryKernel
from graphflow.errors import GraphflowError
from graphflow.loop_ir.nest import Kernel
from graphflow.runtime.cuda.driver import Driver, Handle

_COMPILERS = ("numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink", "cuda-bindings")


class Shape(Protocol):
    """Grid, block, shared memory and copies of private buffers: see `codegen/cuda/shapes.py`."""

    @property
    def grid(self) -> int: ...

    @property
    def block(self) -> int: ...

    @property
    def shared(self) -> int: ...

    @property
    def copies(self) -> int: ...


class Part(Protocol):
    """One launch: see `codegen.cuda.kernels.CudaKernel`."""

    @property
    def name(self) -> str: ...

    def shape(self, sizes: Sequence[int], private_bytes: Sequence[int] = ()) -> Shape: ...


class Maker(Protocol):
    """What makes code for one kind of GPU."""

    def parts(self, kernel: Kernel) -> Sequence[Part]:
        """The launches of a kernel, in order. Raises GraphflowError if it has no form here."""
        ...

    def image(self, kernel: Kernel, parts: Sequence[Part]) -> bytes:
        """The code of all parts."""
        ...


@dataclass(slots=True)
class DeviceCode:
    """A kernel as it runs in a device session.

    Attributes:
      kernel: what it computes.
      parts: the launches, with the functions; none if it has no form for the GPU.
      reason: why it has none.
    """

    kernel: Kernel | LibraryKernel
    parts: tuple[tuple[Part, Handle], ...] = ()
    reason: str | None = None


class CodeCache:
    """The code that one GPU has loaded, by the names of kernels.

    Attributes:
      compiled, loaded: how many kernels were compiled, and how many came from the disk.
    """

    def __init__(
        self, driver: Driver, maker: Maker,
        open_store: Callable[[], KernelStore | None] = lambda: None,
    ) -> None:
        self._driver, self._maker, self._open = driver, maker, open_store
        self._codes: dict[str, DeviceCode] = {}
        self._modules: list[Any] = []
        self._lock = threading.Lock()
        self._store: KernelStore | None = None
        self._opened = False
        self.compiled = self.loaded = 0

    def of(self, kernels: Sequence[Kernel | LibraryKernel]) -> list[DeviceCode]:
        """The code of kernels; what is missing is read from disk or compiled."""
        with self._lock:
            found = []
            for kernel in kernels:
                name = kernel_name(kernel)
                if name not in self._codes:
                    self._codes[name] = self._make(name, kernel)
                found.append(self._codes[name])
            return found

    def _make(self, name: str, kernel: Kernel | LibraryKernel) -> DeviceCode:
        if isinstance(kernel, LibraryKernel):
            return DeviceCode(kernel, reason=f"the hand-written kernel {kernel.name!r} has no "
                              "form for GPUs")
        try:
            parts = self._maker.parts(kernel)
        except GraphflowError as error:
            return DeviceCode(kernel, reason=str(error))
        module = self._driver.load(self._image(name, kernel, parts))
        self._modules.append(module)
        return DeviceCode(kernel, tuple(
            (part, self._driver.function(module, part.name)) for part in parts))

    def _image(self, name: str, kernel: Kernel, parts: Sequence[Part]) -> bytes:
        if not self._opened:
            self._store, self._opened = self._open(), True
        kept = self._store is not None and not is_own(name)
        data = self._store.read(name) if kept and self._store is not None else None
        if data is not None:
            self.loaded += 1
            return data
        image = self._maker.image(kernel, parts)
        self.compiled += 1
        if kept and self._store is not None:
            self._store.write({name: image})
        return image


class CubinMaker:
    """Makes cubins with Numba-CUDA for a kind of GPU."""

    def __init__(self, driver: Driver) -> None:
        from graphflow.codegen.cuda.target import CudaTarget

        self.target = CudaTarget(driver.capability, processors=driver.processors)

    def parts(self, kernel: Kernel) -> Sequence[Part]:
        """See `Maker`."""
        from graphflow.codegen.cuda.kernels import cuda_kernels

        return cuda_kernels(kernel, self.target)

    def image(self, kernel: Kernel, parts: Sequence[Any]) -> bytes:
        """See `Maker`."""
        from graphflow.codegen.cuda.compile import compile_cubin

        return compile_cubin(parts, self.target).code


def open_cubins(driver: Driver) -> KernelStore | None:
    """The store on disk for the cubins of a kind of GPU, or None."""
    major, minor = driver.capability
    versions = [f"{name} {_version(name)}" for name in _COMPILERS]
    return open_store(
        ("cubin", f"sm_{major}{minor}", f"{driver.processors} processors", *versions))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"
