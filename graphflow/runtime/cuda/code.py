"""Kernels of loop IR as code that a GPU has loaded, kept for the process and on disk.

A kernel of loop IR becomes one or several launches (`codegen/cuda/kernels.py`), whose code is one
cubin. Cubins are kept like the objects of the CPU, in an environment of their own: by the kernel's
name, kind of GPU, versions of the compiler and a digest of graphflow's sources.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from graphflow.codegen.cache import KernelStore, portable_environment
from graphflow.codegen.compile import is_own, kernel_name
from graphflow.codegen.library import LibraryKernel
from graphflow.errors import GraphflowError
from graphflow.loop_ir.nest import Kernel
from graphflow.runtime.cuda.driver import Driver, Handle
from graphflow.runtime.cuda.given import anything_given, take_device_code

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

    def parts(self, kernel: Kernel | LibraryKernel) -> Sequence[Part]:
        """The launches of a kernel, in order. Raises GraphflowError if it has no form here."""
        ...

    def image(self, kernel: Kernel | LibraryKernel, parts: Sequence[Part]) -> bytes:
        """The code of all parts."""
        ...

    def settings(self) -> tuple[str, ...]:
        """The kind of GPU, and all else that code depends on besides kernel and compilers."""
        ...

    def with_tensor_float_32(self) -> Maker:
        """What makes code that may round factors of float32 products to TF32."""
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
        open_store: Callable[[Sequence[str]], KernelStore | None] = lambda settings: None,
    ) -> None:
        """open_store: gives the store on disk for code of some settings, or None."""
        self._driver, self._maker, self._open = driver, maker, open_store
        self._rounded: CodeCache | None = None
        self._given: Mapping[str, bytes] = {}
        self._codes: dict[str, DeviceCode] = {}
        self._modules: list[Any] = []
        self._lock = threading.Lock()
        self._store: KernelStore | None = None
        self._opened = False
        self.compiled = self.loaded = 0

    def with_tensor_float_32(self) -> CodeCache:
        """The cache of code that may round factors of float32 products to TF32."""
        with self._lock:
            if self._rounded is None:
                self._rounded = CodeCache(
                    self._driver, self._maker.with_tensor_float_32(), self._open)
            return self._rounded

    @property
    def environment(self) -> str:
        """What exported code must be made for to be of use here; the same on equal GPUs."""
        return portable_environment(self._maker.settings())

    def take_given(self) -> None:
        """Takes up code that came in files which are trusted, if it is for this GPU."""
        if anything_given():
            with self._lock:
                self._given = take_device_code(self.environment)

    def images(self, kernels: Sequence[Kernel | LibraryKernel]) -> dict[str, bytes]:
        """The code of kernels by name; without users' kernels and those without a form here."""
        found: dict[str, bytes] = {}
        with self._lock:
            for kernel in kernels:
                name = code_name(kernel)
                if name in found or is_own(name):
                    continue
                with suppress(GraphflowError):
                    found[name] = self._image(name, kernel, self._maker.parts(kernel))
        return found

    def of(self, kernels: Sequence[Kernel | LibraryKernel]) -> list[DeviceCode]:
        """The code of kernels; what is missing is read from disk or compiled."""
        with self._lock:
            found = []
            for kernel in kernels:
                name = code_name(kernel)
                if name not in self._codes:
                    self._codes[name] = self._make(name, kernel)
                found.append(self._codes[name])
            return found

    def _make(self, name: str, kernel: Kernel | LibraryKernel) -> DeviceCode:
        try:
            parts = self._maker.parts(kernel)
        except GraphflowError as error:
            return DeviceCode(kernel, reason=str(error))
        module = self._driver.load(self._image(name, kernel, parts))
        self._modules.append(module)
        return DeviceCode(kernel, tuple(
            (part, self._driver.function(module, part.name)) for part in parts))

    def _image(
        self, name: str, kernel: Kernel | LibraryKernel, parts: Sequence[Part]
    ) -> bytes:
        if not self._opened:
            self._store = self._open((*self._maker.settings(), *_compiler_versions()))
            self._opened = True
        if name in self._given:
            self.loaded += 1
            return self._given[name]
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


def code_name(kernel: Kernel | LibraryKernel) -> str:
    """The name of a kernel's code. That of a hand-written one has a parameter for each size."""
    name = kernel_name(kernel)
    if not isinstance(kernel, LibraryKernel):
        return name
    return "gf_" + hashlib.sha256(f"{name} {kernel.sizes}".encode()).hexdigest()[:len(name) - 3]


class CubinMaker:
    """Makes cubins with Numba-CUDA for a kind of GPU."""

    def __init__(self, driver: Driver, rounded: bool = False) -> None:
        from graphflow.codegen.cuda.target import CudaTarget

        self._driver = driver
        self.target = CudaTarget(
            driver.capability, processors=driver.processors, tensor_float_32=rounded)

    def settings(self) -> tuple[str, ...]:
        """See `Maker`."""
        target = self.target
        return ("cubin", f"sm_{target.arch}", f"{target.processors} processors",
                "tf32" if target.tensor_float_32 else "float32")

    def with_tensor_float_32(self) -> CubinMaker:
        """See `Maker`."""
        return CubinMaker(self._driver, True)

    def parts(self, kernel: Kernel | LibraryKernel) -> Sequence[Part]:
        """See `Maker`."""
        from graphflow.codegen.cuda.kernels import launches
        from graphflow.codegen.cuda.users import function_ptx, functions_of

        if isinstance(kernel, Kernel):
            for scalar in functions_of(kernel):  # what Numba refuses has no form here
                function_ptx(scalar, self.target)
        return launches(kernel, self.target)

    def image(self, kernel: Kernel | LibraryKernel, parts: Sequence[Any]) -> bytes:
        """See `Maker`."""
        from graphflow.codegen.cuda.compile import compile_cubin

        return compile_cubin(parts, self.target).code


def _compiler_versions() -> list[str]:
    return [f"{name} {_version(name)}" for name in _COMPILERS]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"
