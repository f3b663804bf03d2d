"""Arrays that runs give away; the memory of large ones is used again (`codegen/recycling.py`)."""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.recycling import FUNCTIONS, SLOTS, TABLE, emit_recycling
from graphflow.runtime.numpy_interface import numpy_function
from graphflow.runtime.tables import with_room

LARGE = 1 << 20    # bytes of an array whose memory is used again
ROOM = 1 << 28     # bytes that may wait for that
_NAME = b"mem_handler"


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler, version 1."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8),
                ("context", ctypes.c_void_p), ("functions", ctypes.c_void_p * len(FUNCTIONS)))


def new_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory that a run gives away."""
    if not is_large(shape, dtype):
        return with_room(np.empty(shape, dtype))
    with _memory_from(recycling()):
        return np.empty(shape, dtype)


def is_large(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array's memory is used again."""
    return math.prod(shape) * dtype.itemsize >= LARGE


@cache
def recycling() -> Any:
    """The memory handler of large results, a capsule; None where the C library cannot do it."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "aligned_alloc"):
        return None
    advise = getattr(library, "madvise", None) if hasattr(mmap, "MADV_HUGEPAGE") else None
    words = {"allocate": _address(library.aligned_alloc), "free": _address(library.free),
             "advise": _address(advise), "room": ROOM}
    table = np.array([*(words.get(name, 0) for name in TABLE), *[0] * SLOTS], np.int64)
    handler = _Handler(b"graphflow", 1, table.ctypes.data)
    place = ctypes.addressof(handler) + _Handler.functions.offset
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(CACHE.function("gf_recycling", emit_recycling))(place)
    # Arrays need both as long as there are any, also at the interpreter's end.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object((table, handler)))
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p,
                                                     ctypes.c_void_p]
    return make(ctypes.addressof(handler), _NAME, None)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function is not None else 0


@contextmanager
def _memory_from(handler: Any) -> Iterator[None]:
    """Arrays that are made inside, by this thread, have their memory from `handler`."""
    if handler is None:
        yield
        return
    choose = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(
        numpy_function("PyDataMem_SetHandler"))
    usual = choose(handler)
    try:
        yield
    finally:
        choose(usual)
