"""CUDA kernels become PTX and cubins: Numba-CUDA's NVVM, then NVIDIA's linker.

Neither a GPU nor a driver is needed. What is imported here is imported when something is compiled:
without the extra `cuda` that is an error that says what to install.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.codegen.cuda.kernels import CudaKernel
from graphflow.codegen.cuda.target import CudaTarget
from graphflow.codegen.cuda.users import function_ptx, functions_of
from graphflow.errors import GraphflowError
from graphflow.loop_ir.nest import Kernel


class MissingCudaError(GraphflowError, ImportError):
    """The packages that compile for GPUs are not installed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a kernel takes of a multiprocessor, as the linker reports it.

    Attributes:
      registers: of a thread.
      spilled: bytes that a thread stores and loads since it has too few registers.
      stack: bytes of a thread's stack frame.
      shared: bytes of static shared memory.
    """

    registers: int
    spilled: int
    stack: int
    shared: int


@dataclass(frozen=True, slots=True)
class Cubin:
    """Machine code of some kernels for one architecture.

    Attributes:
      code: the cubin.
      usage: of each kernel, by name.
    """

    code: bytes
    usage: dict[str, Usage]


def compile_ptx(kernel: CudaKernel, target: CudaTarget) -> str:
    """The PTX of one kernel. Raises MissingCudaError without the extra `cuda`."""
    return compile_text(kernel.llvm_ir(), target)


def compile_text(text: str, target: CudaTarget) -> str:
    """The PTX of a module in LLVM IR. Raises MissingCudaError without the extra `cuda`."""
    nvvm = _nvvm()
    made = nvvm.compile_ir(
        [text], arch=f"compute_{target.arch}", opt=3, fma=False)
    return str(made.decode().rstrip("\x00"))


def compile_cubin(kernels: Sequence[CudaKernel], target: CudaTarget) -> Cubin:
    """One cubin with an entry for each kernel.

    Raises MissingCudaError without the extra `cuda`.
    """
    named = {k.name: k for k in kernels}
    texts = [compile_ptx(k, target) for k in named.values()]
    users = {scalar: None for k in named.values() if isinstance(k.kernel, Kernel)
             for scalar in functions_of(k.kernel)}
    try:
        texts += [function_ptx(scalar, target) for scalar in users]
    except ImportError as error:
        raise _missing(error) from error
    return link_ptx(texts, target)


def link_ptx(
    texts: Sequence[str], target: CudaTarget, libraries: Sequence[bytes] = ()
) -> Cubin:
    """PTX of several kernels as one cubin, with what they call of libraries."""
    nvjitlink = _nvjitlink()
    handle = nvjitlink.create(2, [f"-arch=sm_{target.arch}", "-verbose"])
    try:
        for text in texts:
            data = text.encode()
            nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "kernel")
        for library in libraries:
            nvjitlink.add_data(
                handle, nvjitlink.InputType.LIBRARY, library, len(library), "library")
        nvjitlink.complete(handle)
        code = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, code)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    finally:
        nvjitlink.destroy(handle)
    return Cubin(bytes(code), read_usage(log.decode()))


_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


def read_usage(log: str) -> dict[str, Usage]:
    """What the linker's verbose log says of each kernel."""
    found: dict[str, Usage] = {}
    for part in re.split(r"(?=ptxas info\s*: Compiling entry)|(?=info\s*: Compiling entry)", log):
        entry, frame, used = _ENTRY.search(part), _FRAME.search(part), _USED.search(part)
        if entry and used:
            stack, stores, loads = (int(n) for n in frame.groups()) if frame else (0, 0, 0)
            found[entry[1]] = Usage(int(used[1]), stores + loads, stack, int(used[2] or 0))
    return found


def _nvvm() -> Any:
    try:
        nvvm: Any = importlib.import_module("numba.cuda.cudadrv.nvvm")
        nvvm.NVVM()
    except Exception as error:  # what is missing shows in as many ways as there are parts
        raise _missing(error) from error
    return nvvm


def _nvjitlink() -> Any:
    try:
        from cuda.bindings import nvjitlink
    except ImportError as error:
        raise _missing(error) from error
    return nvjitlink


def _missing(error: Exception) -> MissingCudaError:
    return MissingCudaError(
        f"CUDA kernels cannot be compiled: {type(error).__name__}: {error}. "
        "Run `pip install 'graphflow[cuda]'`.")
