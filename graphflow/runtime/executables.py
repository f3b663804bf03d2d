"""Which executor runs a Program, by the session's device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from graphflow.errors import warn
from graphflow.options import Options
from graphflow.program import Program
from graphflow.reference import ReferenceExecutable, Store

if TYPE_CHECKING:
    from graphflow.codegen.settings import Settings
    from graphflow.runtime.placement import Placement


class Executable(Protocol):
    """A Program made ready to run.

    Attributes:
      direct: whether it is one native call, with a `direct_plan`.
      in_python: whether something of it runs in Python, which may ask for the session's state.
    """

    direct: bool
    in_python: bool

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]: ...


_told: set[str] = set()


def make_executable(
    program: Program, options: Options, placement: Placement | None = None
) -> Executable:
    """The Program for the device that the options name, or the GPU that the session has.

    What is not compiled, but runs by its reference, is said once a process, as the warning
    `not-compiled`.
    """
    if options.device == "reference":
        return ReferenceExecutable(program)
    from graphflow.runtime.native import CannotCompile, compile_program

    if options.dump_passes:
        from graphflow.passes.trace import dump

        dump(program, options.dump_passes, options.disable_passes)

    def tell(message: str) -> None:
        _tell(message, options)

    if placement is not None:
        from graphflow.runtime.cuda.device import compile_for_device

        gpu, context = placement
        return compile_for_device(
            program, tell, options.disable_passes, gpu, context, options.fetches == "device")
    try:
        return compile_program(
            program, tell, options.disable_passes, options.thread_count(),
            settings_of(options))
    except CannotCompile as reason:
        tell(f"a program runs by the NumPy reference as a whole, because {reason}")
        return ReferenceExecutable(program)


def settings_of(options: Options) -> Settings:
    """What options say to the builders of kernels."""
    from graphflow.codegen.settings import DEFAULT, Settings

    tuner, pairs = None, ""
    if options.autotune:
        from graphflow.runtime.autotune import tuner_of

        tuner = tuner_of(options.thread_count())
    if options.half_products == "native":
        from graphflow.codegen.pair_products import instructions

        pairs = instructions()
    made = Settings(tuner, pairs, options.flush_denormals)
    return DEFAULT if made == DEFAULT else made


def _tell(message: str, options: Options) -> None:
    if message not in _told:
        _told.add(message)
        warn("not-compiled", f"Not compiled: {message}.",
             silenced=options.silence, stacklevel=9)


def compiler_passes() -> dict[str, str]:
    """The names of the compiler's passes, in order, each with what it does in one sentence.

    By these names passes are disabled and dumped: see `Options`.
    """
    from graphflow.passes.pipeline import pass_summaries

    return pass_summaries()
