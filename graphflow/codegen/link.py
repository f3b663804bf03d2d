"""Objects become callable: LLVM's linker for code in memory, without Numba.

Input: objects, each of which defines one kernel. Output: their entry addresses. An object may need
nothing from elsewhere but memory moves and C's mathematics; that is checked before.
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

MEMORY_MOVES = frozenset({"memcpy", "memset", "memmove"})
# What users' functions may call of C's mathematics, where graphflow has no code of its own.
MATHEMATICS = frozenset({
    name + suffix for suffix in ("", "f") for name in (
        "exp2", "fmod", "hypot", "ldexp", "log10", "log2", "nextafter", "tgamma")})
ALLOWED_SYMBOLS = MEMORY_MOVES | MATHEMATICS
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
    needed = sorted({name for data in objects.values() for name in undefined_symbols(data)})
    check_symbols(needed)
    builder = binding.JITLibraryBuilder()
    for name in needed:
        builder.import_symbol(name, _address(name))
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
def _address(name: str) -> int:
    """Where the C library has a function."""
    runtime = ctypes.CDLL("ucrtbase") if os.name == "nt" else ctypes.CDLL(None)
    address = ctypes.cast(getattr(runtime, name), ctypes.c_void_p).value
    assert address is not None
    return address
