"""Objects become callable: LLVM's linker for code in memory, without Numba.

Input: objects, each of which defines one kernel. Output: their entry addresses. An object may need
nothing from elsewhere but memory moves; that is checked before the linker reads it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from llvmlite import binding

from graphflow.codegen.objects import undefined_symbols
from graphflow.errors import ProgramError

ALLOWED_SYMBOLS = frozenset({"memcpy", "memset", "memmove"})
_NUMBERS = itertools.count()


def check_symbols(names: Iterable[str]) -> None:
    """Raises ProgramError if an object needs symbols that are not on the allow-list."""
    foreign = set(names) - ALLOWED_SYMBOLS
    if foreign:
        raise ProgramError(f"An object needs foreign symbols: {', '.join(sorted(foreign))}.")


def link(objects: Mapping[str, bytes]) -> dict[str, int]:
    """The addresses of the functions that objects define, by name: one function for each object.

    The code stays for the life of the process. Raises ProgramError if an object needs foreign
    symbols or does not define its function.
    """
    for data in objects.values():
        check_symbols(undefined_symbols(data))
    builder = binding.JITLibraryBuilder()
    for name, address in _memory_moves().items():
        builder.import_symbol(name, address)
    for name, data in objects.items():
        builder.add_object_img(data)
        builder.export_symbol(name)
    try:
        tracker = builder.link(_linker(), f"graphflow_{next(_NUMBERS)}")
    except RuntimeError as error:
        raise ProgramError(f"Compiled kernels cannot be loaded: {error}.") from error
    addresses = {name: tracker[name] for name in objects}
    tracker.detach()  # never unloaded: at the end of the process, a thread may still be inside
    return addresses


@cache
def _linker() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    made = binding.create_lljit_compiler(suppress_errors=True)
    # Nobody may free it, not even the interpreter at its end.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    return made


@cache
def _memory_moves() -> dict[str, int]:
    runtime = ctypes.CDLL("ucrtbase") if os.name == "nt" else ctypes.CDLL(None)
    found = {}
    for name in ALLOWED_SYMBOLS:
        address = ctypes.cast(getattr(runtime, name), ctypes.c_void_p).value
        assert address is not None
        found[name] = address
    return found
