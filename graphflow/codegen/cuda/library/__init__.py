"""Hand-written kernels for GPUs: sorting, searching, hash sets, compaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from graphflow.codegen.library import LibraryKernel
from graphflow.errors import ProgramError

if TYPE_CHECKING:
    from graphflow.codegen.cuda.library.parts import Forms, LibraryPart

FAMILIES = {
    "sort": "sorting", "top_k": "sorting", "search_sorted": "searching",
    "gather_tree": "searching", "where": "compaction", "unique": "sets",
    "set_difference": "sets",
}


def library_parts(kernel: LibraryKernel) -> tuple[LibraryPart, ...]:
    """The launches of a hand-written kernel, in order.

    Raises ProgramError if it has no form for GPUs.
    """
    from graphflow.codegen.cuda.library.parts import parts_of

    return parts_of(kernel, _forms(kernel))


def library_rooms(kernel: LibraryKernel, sizes: Sequence[int]) -> Mapping[int, int]:
    """Bytes that buffers must have on a GPU, by position, beyond what the op asks for."""
    return _forms(kernel).rooms(kernel, sizes)


def _forms(kernel: LibraryKernel) -> Forms:
    if kernel.name not in FAMILIES:
        raise ProgramError(f"the hand-written kernel {kernel.name!r} has no form for GPUs")
    family = import_module(f"graphflow.codegen.cuda.library.{FAMILIES[kernel.name]}")
    make: Callable[[LibraryKernel], Forms] = getattr(family, kernel.name)
    return make(kernel)
