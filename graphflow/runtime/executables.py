"""Which executor runs a Program, by the session's device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from graphflow.errors import warn
from graphflow.options import Options
from graphflow.program import Program
from graphflow.reference import ReferenceExecutable, Store


class Executable(Protocol):
    """A Program made ready to run."""

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]: ...


_told: set[str] = set()


def make_executable(program: Program, options: Options) -> Executable:
    """The Program for the device that the options name.

    What the CPU compiler has no kernel for yet is said once a process, as the warning
    `not-compiled`.
    """
    if options.device != "cpu":
        return ReferenceExecutable(program)
    from graphflow.runtime.native import CannotCompile, NativeExecutable

    def tell(message: str) -> None:
        _tell(message, options)

    try:
        return NativeExecutable(program, tell)
    except CannotCompile as reason:
        tell(f"a program runs by the NumPy reference as a whole, because {reason}")
        return ReferenceExecutable(program)


def _tell(message: str, options: Options) -> None:
    if message not in _told:
        _told.add(message)
        warn("not-compiled", f"The CPU compiler is a preview: {message}.",
             silenced=options.silence, stacklevel=9)

