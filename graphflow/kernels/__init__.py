"""Hand-written Numba kernels, for what no loop nest says well: sorting, hashing, compaction.

A kernel is a Python function `kernel(buffers, sizes)` over raw pointers that Numba compiles; it
returns nothing. Its buffers are the op's inputs, outputs and scratch memory, in that order; all
memory belongs to the caller. A kernel knows no arrays, allocates nothing and raises nothing, so
that its object needs no symbol from Python or Numba. Sizes and indices are int64.

`kernel_function(name, dtypes)` gives the function for the element types of the buffers. The
families are imported when the first of their kernels is compiled, since they import Numba.

Kernels from outside, of users' functions, are added by `add_outside`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from graphflow.dtypes import DType
from graphflow.errors import ProgramError

FAMILIES = {
    "sort": "sorting", "top_k": "sorting", "search_sorted": "searching",
    "where": "where_indices", "unique": "unique", "set_difference": "unique",
    "first_distinct": "first_distinct", "lu_factor": "linear_algebra",
    "lu_solve": "linear_algebra", "triangular_solve": "linear_algebra",
    "suppress": "box_suppression", "gather_tree": "gather_tree",
    "fft": "fourier", "rfft": "fourier", "irfft": "fourier",
    "cholesky": "linear_algebra", "qr": "linear_algebra", "eigh": "tridiagonal", "svd": "jacobi",
}


def kernel_function(name: str, dtypes: Sequence[DType]) -> Callable[[Any, Any], None]:
    """The function to compile for kernel `name` with buffers of these element types.

    Raises ProgramError if there is no kernel of that name.
    """
    if name not in FAMILIES:
        raise ProgramError(f"There is no kernel named {name!r}; known: {sorted(FAMILIES)}.")
    family = import_module(f"graphflow.kernels.{FAMILIES[name]}")
    function: Callable[[Any, Any], None] = getattr(family, name)(tuple(dtypes))
    return function


_outside: dict[str, Callable[[tuple[DType, ...]], Callable[[Any, Any], None]]] = {}
_lock = threading.Lock()


def add_outside(
    name: str, make: Callable[[tuple[DType, ...]], Callable[[Any, Any], None]]
) -> None:
    """Adds a kernel from outside.

    name: equal for equal code, in any process; else it begins with `loop_ir.external`'s
      PROCESS_ONLY, and a name that is known stands for what it stood for.
    make: gives the function for the element types of the buffers.
    """
    with _lock:
        _outside.setdefault(name, make)


def outside_function(
    name: str, dtypes: Sequence[DType]
) -> Callable[[Any, Any], None] | None:
    """The function of a kernel from outside; None for graphflow's own kernels."""
    make = _outside.get(name)
    return None if make is None else make(tuple(dtypes))
