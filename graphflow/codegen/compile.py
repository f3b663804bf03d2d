"""Kernels become machine code: one object each, kept in the process and on disk by hash.

Input: kernels, of loop IR or hand-written. Output: their entry addresses. A kernel is named by the
hash of its canonical text, so that equal kernels are compiled once. Numba has the compiler: its
target machine makes the objects, its front end reads the hand-written kernels. Where all kernels
are on disk it is not imported. (Numba's code libraries are steered through members that it does
not document; the versions that this works with are those that the tests run on.)
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from llvmlite import binding, ir

from graphflow.codegen.cache import KernelStore, open_store
from graphflow.codegen.kept.kernels import NamedKernel
from graphflow.codegen.library import LibraryKernel, library_text
from graphflow.codegen.link import link
from graphflow.codegen.processor import vector_bytes
from graphflow.errors import ProgramError
from graphflow.kernels import outside_function
from graphflow.loop_ir.external import PROCESS_ONLY
from graphflow.loop_ir.nest import Kernel, kernel_text, verify_kernel

Maker = Callable[[], bytes]
Emitter = Callable[[ir.Module, str], None]
_OWN = "gf_own_"


def kernel_name(kernel: Kernel | LibraryKernel) -> str:
    """`gf_` and the hash of the kernel's canonical text; `gf_own_` if only this process has it."""
    if isinstance(kernel, NamedKernel):
        return kernel.name
    text = library_text(kernel) if isinstance(kernel, LibraryKernel) else kernel_text(kernel)
    prefix = _OWN if PROCESS_ONLY in text else "gf_"
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:24]


def is_own(name: str) -> bool:
    """True for the name of a kernel that other processes can make nothing of."""
    return name.startswith(_OWN)


class KernelCache:
    """Compiled kernels of this process.

    Args:
      open_store: gives the store on disk that kernels are shared with other processes by, or None.

    Attributes:
      compiled: how many kernels were compiled so far.
      loaded: how many kernels came from the disk.
    """

    def __init__(self, open_store: Callable[[], KernelStore | None] = lambda: None) -> None:
        self._addresses: dict[str, int] = {}
        self._store = cache(open_store)
        self._lock = threading.Lock()
        self._given: dict[str, bytes] = {}
        self.compiled = self.loaded = 0

    def addresses(self, kernels: Iterable[Kernel | LibraryKernel]) -> list[int]:
        """Entry addresses; kernels that are not there yet are loaded or compiled together."""
        kernels = list(kernels)
        distinct = {id(k): k for k in kernels}  # layers that are alike share theirs
        names = {place: kernel_name(k) for place, k in distinct.items()}
        named = [(names[id(k)], k) for k in kernels]
        with self._lock:
            missing = {n: partial(kernel_object, n, k)
                       for n, k in named if n not in self._addresses}
            if missing:
                compiled = self._add(missing)
                self.compiled += compiled
                self.loaded += len(missing) - compiled
            return [self._addresses[n] for n, _ in named]

    def function(self, name: str, emit: Emitter) -> int:
        """The address of a function of graphflow's own, which `emit(module, name)` writes."""
        with self._lock:
            if name not in self._addresses:
                self._add({name: partial(_function_object, name, emit)})
            return self._addresses[name]

    def give(self, objects: Mapping[str, bytes]) -> None:
        """Objects that are trusted, by name: they are taken instead of others from now on."""
        with self._lock:
            self._given.update(objects)

    def objects(self, kernels: Iterable[Kernel | LibraryKernel]) -> dict[str, bytes]:
        """The objects of kernels by name, from the disk or compiled; without users' kernels."""
        found: dict[str, bytes] = {}
        store = self._store()
        for kernel in kernels:
            name = kernel_name(kernel)
            if name not in found and not is_own(name):
                data = store.read(name) if store is not None else None
                found[name] = data if data is not None else kernel_object(name, kernel)
        return found

    def function_object(self, name: str, emit: Emitter) -> bytes:
        """The object of a function of graphflow's own."""
        return _function_object(name, emit)

    def _linked_given(self, names: Iterable[str]) -> dict[str, int]:
        """The addresses of what was given and can be linked."""
        objects = {name: self._given[name] for name in names if name in self._given}
        try:
            return link(objects) if objects else {}
        except ProgramError:
            return {}

    def _add(self, makers: Mapping[str, Maker]) -> int:
        """Gets addresses by the objects on disk, or those that are made; returns how many were."""
        found = self._linked_given(makers)
        missing = makers.keys() - found.keys()
        store = self._store() if missing else None
        if store is not None:
            found |= _linked_from(store, missing)
        made = {name: make() for name, make in makers.items() if name not in found}
        if made:
            found |= link(made)
            if store is not None and _compiles_for_this_machine():
                store.write({n: made[n] for n in made if not is_own(n)})
        self._addresses |= found
        return len(made)


def _linked_from(store: KernelStore, names: Iterable[str]) -> dict[str, int]:
    """The addresses of what is on disk and can be linked."""
    read = {name: store.read(name) for name in names if not is_own(name)}
    objects = {name: data for name, data in read.items() if data is not None}
    try:
        return link(objects) if objects else {}
    except ProgramError:
        return {}  # they are compiled anew and replaced


def code_settings() -> tuple[str, ...]:
    """What the code generator is set to: objects for other settings are of no use."""
    return (f"vectors of {vector_bytes()} bytes",)


CACHE = KernelCache(lambda: open_store(code_settings()))


# ---- compiling ----------------------------------------------------------------------------------


def kernel_object(name: str, kernel: Kernel | LibraryKernel) -> bytes:
    """An object that defines a kernel under a name, compiled for this machine."""
    return _codegen()._tm.emit_object(_compiled_module(name, kernel))


def module_for(name: str, kernel: Kernel | LibraryKernel, width: int) -> Any:
    """The LLVM module of a kernel for a processor whose vectors have `width` bytes.

    It says nothing of the processor itself. Hand-written kernels come as Numba makes them here.
    """
    if isinstance(kernel, LibraryKernel):
        return _library_module(name, kernel)
    verify_kernel(kernel)
    return _emitted_module(name, partial(_emit, kernel=kernel, width=width))


def llvm_text(kernel: Kernel | LibraryKernel) -> str:
    """The LLVM IR of one kernel: as emitted; of a hand-written one, as Numba made it."""
    if isinstance(kernel, LibraryKernel):
        return str(_compiled_module(kernel_name(kernel), kernel))
    module = ir.Module("kernel")
    _emit(module, kernel_name(kernel), kernel)
    return str(module)


def assembly_text(kernel: Kernel | LibraryKernel) -> str:
    """The assembly of one kernel for this machine, compiled anew for the purpose."""
    return str(_codegen()._tm.emit_assembly(_compiled_module(kernel_name(kernel), kernel)))


def _codegen() -> Any:
    """Numba's code generator for this machine."""
    from numba.core.registry import cpu_target

    return cpu_target.target_context.codegen()


def _compiles_for_this_machine() -> bool:
    """False if Numba's settings make it compile for another processor, or with less care."""
    import numba.core.config

    config: Any = numba.core.config  # no annotations
    features = binding.get_host_cpu_features().flatten()
    _, processor, enabled = _codegen().magic_tuple()
    return config.OPT == 3 and (processor, enabled) == (binding.get_host_cpu_name(), features)


def _compiled_module(name: str, kernel: Kernel | LibraryKernel) -> Any:
    """The optimised LLVM module of a kernel, whose entry has a name."""
    if isinstance(kernel, LibraryKernel):
        return _library_module(name, kernel)
    verify_kernel(kernel)
    return _emitted_module(name, partial(_emit, kernel=kernel))


def _emit(module: ir.Module, name: str, kernel: Kernel, width: int | None = None) -> None:
    from graphflow.codegen.cpu.emit import emit_kernel

    emit_kernel(module, name, kernel, width or vector_bytes()).attributes.add("nounwind")


def _function_object(name: str, emit: Emitter) -> bytes:
    return _codegen()._tm.emit_object(_emitted_module(name, emit))


def _emitted_module(name: str, emit: Emitter) -> Any:
    """The optimised LLVM module of a function that `emit(module, name)` writes."""
    from numba.core.compiler_lock import global_compiler_lock

    from graphflow.codegen.cpu.external import link_external

    codegen = _codegen()
    module = codegen._create_empty_module("kernel")
    emit(module, name)
    with global_compiler_lock:
        parsed = binding.parse_assembly(str(module))
        foreign = link_external(codegen, parsed, module)
        _finish(codegen, parsed, name, thoroughly=foreign)
        return parsed


def _library_module(name: str, kernel: LibraryKernel) -> Any:
    """What a Numba code library has gathered; the library itself is not made executable."""
    from numba.core.compiler_lock import global_compiler_lock

    from graphflow.codegen.cpu.library import add_library_kernel

    def set_layout(module: Any) -> None:
        module.data_layout = codegen._data_layout

    codegen = _codegen()
    outside = outside_function(kernel.name, kernel.dtypes)
    if outside is not None:
        from graphflow.codegen.cpu.outside import outside_module

        with global_compiler_lock:
            module = outside_module(codegen, name, outside)
            _finish(codegen, module, name, thoroughly=True)
            return module
    with global_compiler_lock:
        library = codegen.create_library(name)
        library._optimize_functions = set_layout
        library._optimize_final_module = library._finalize_final_module = lambda: None
        add_library_kernel(library, name, kernel)
        library.finalize()
        _finish(codegen, library._final_module, name, thoroughly=True)
        return library._final_module


def _finish(codegen: Any, module: Any, name: str, *, thoroughly: bool) -> None:
    """Optimises the functions of a module, and hides all but the entry.

    thoroughly: whether code is inside that others have written. What the emitter writes is
    finished vector code, hoisted and without common sub-expressions: it is tidied up, and LLVM's
    whole list for a function takes six times as long and makes nothing faster. Numba's passes over
    the module, its inlining and vectorisers, double the time again.
    """
    module.data_layout = codegen._data_layout
    module.verify()
    builder = codegen._pass_builder(opt=2, loop_vectorize=False, slp_vectorize=False)
    for function in module.functions:
        if not function.is_declaration:
            passes = builder.getFunctionPassManager() if thoroughly else _tidying()
            passes.run(function, builder)
            if function.name != name:
                function.linkage = "internal"


def _tidying() -> Any:
    """Blocks that only go on to another one are gone; combining instructions changed no speed."""
    passes = binding.create_new_function_pass_manager()
    passes.add_simplify_cfg_pass()
    return passes
