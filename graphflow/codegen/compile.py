"""Kernels become machine code: one Numba code library per batch, kept in the process by hash.

Input: kernels. Output: their entry addresses. A kernel is named by the hash of its canonical
text, so that equal kernels are compiled once. After a compile the object's undefined symbols
must be on an allow-list: nothing but memory moves. (Numba's library is steered through members
that it does not document; the versions that this works with are those that the tests run on.)
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from typing import Any

from llvmlite import binding, ir

from graphflow.codegen.cpu.emit import emit_kernel
from graphflow.codegen.objects import undefined_symbols
from graphflow.errors import ProgramError
from graphflow.loop_ir.nest import Kernel, kernel_text, verify_kernel

ALLOWED_SYMBOLS = frozenset({"memcpy", "memset", "memmove"})


def kernel_name(kernel: Kernel) -> str:
    """`gf_` and the hash of the kernel's canonical text."""
    return "gf_" + hashlib.sha256(kernel_text(kernel).encode()).hexdigest()[:24]


def vector_bytes() -> int:
    """The width of this machine's vector registers in bytes."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") else 16


def missing_features() -> list[str]:
    """What this processor lacks of what kernels need: without it, code would call a library.

    x86-64 processors have had all of it since 2013; ARM64 has it by definition.
    """
    features = binding.get_host_cpu_features()
    if not any(name.startswith("sse") for name in features):
        return []
    return [name for name in ("avx2", "fma", "f16c") if not features.get(name)]


class KernelCache:
    """Compiled kernels of this process.

    Attributes:
      compiled: how many kernels were compiled so far.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, int] = {}
        self._libraries: list[Any] = []
        self._lock = threading.Lock()
        self.compiled = 0

    def addresses(self, kernels: Iterable[Kernel]) -> list[int]:
        """Entry addresses; kernels that are not there yet are compiled together."""
        named = [(kernel_name(k), k) for k in kernels]
        with self._lock:
            missing = {n: k for n, k in named if n not in self._addresses}
            if missing:
                self._compile(missing)
            return [self._addresses[n] for n, _ in named]

    def _compile(self, kernels: dict[str, Kernel]) -> None:
        from numba.core.compiler_lock import global_compiler_lock
        from numba.core.registry import cpu_target

        for kernel in kernels.values():
            verify_kernel(kernel)
        codegen = cpu_target.target_context.codegen()
        with global_compiler_lock:
            library = _new_library(codegen, f"graphflow_{len(self._libraries)}")
            module = library.create_ir_module("kernels")
            width = vector_bytes()
            for name, kernel in kernels.items():
                function = emit_kernel(module, name, kernel, width)
                function.attributes.add("nounwind")
            library.add_ir_module(module)
            library.finalize()
            check_symbols(undefined_symbols(library._get_compiled_object()))
            self._libraries.append(library)
            for name in kernels:
                self._addresses[name] = library.get_pointer_to_function(name)
        self.compiled += len(kernels)


CACHE = KernelCache()


def _new_library(codegen: Any, name: str) -> Any:
    """A Numba code library that keeps its object and runs few passes.

    Kernels come as finished vector code: what pays is hoisting and common sub-expressions inside
    each function. Numba's passes over the module, its inlining and vectorisers, double the time
    and change nothing.
    """
    library = codegen.create_library(name)
    library.enable_object_caching()

    def optimise_functions(module: Any) -> None:
        module.data_layout = codegen._data_layout
        passes = codegen._pass_builder(opt=2, loop_vectorize=False, slp_vectorize=False)
        for function in module.functions:
            if not function.is_declaration:
                passes.getFunctionPassManager().run(function, passes)

    library._optimize_functions = optimise_functions
    library._optimize_final_module = lambda: None
    return library


def llvm_text(kernel: Kernel) -> str:
    """The LLVM IR of one kernel, as emitted."""
    module = ir.Module("kernel")
    emit_kernel(module, kernel_name(kernel), kernel, vector_bytes())
    return str(module)


def check_symbols(names: Iterable[str]) -> None:
    """Raises ProgramError if an object needs symbols that are not on the allow-list."""
    foreign = set(names) - ALLOWED_SYMBOLS
    if foreign:
        raise ProgramError(f"An object needs foreign symbols: {', '.join(sorted(foreign))}.")
