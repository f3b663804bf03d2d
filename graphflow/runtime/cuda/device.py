"""Which GPU a session runs on, and what is missing where there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from graphflow.codegen.compile import missing_features
from graphflow.errors import UnavailableError
from graphflow.hardware import cuda_absence
from graphflow.program import Program
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.cuda.code import CodeCache, CubinMaker, open_cubins
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.cuda.driver import Driver
from graphflow.runtime.cuda.executable import DeviceExecutable, HostExecutable
from graphflow.runtime.native import CannotCompile
from graphflow.runtime.specialise import SpecialisedExecutable, exact, obstacles


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of this process, with the code that it has loaded."""

    driver: Driver
    codes: CodeCache


def open_gpu(number: int = 0) -> Gpu:
    """A GPU. Raises UnavailableError, which says what is missing."""
    missing = cuda_absence()
    if missing is not None:
        raise UnavailableError(None, None, f"device='cuda': {missing}")
    try:
        return _opened(number)
    except RuntimeError as error:  # a CudaError, or that of cuda.bindings without a driver
        raise UnavailableError(None, None, f"device='cuda': {error}") from error


@cache
def _opened(number: int) -> Gpu:
    from graphflow.runtime.cuda.bindings import open_driver

    driver = open_driver(number)
    return Gpu(driver, CodeCache(
        driver, CubinMaker(driver), partial(open_cubins, driver)))


def new_context(gpu: Gpu) -> Context:
    """What a new session has of a GPU."""
    return Context(gpu.driver)


def compile_for_device(
    program: Program, tell: Callable[[str], None], disabled: Collection[str], gpu: Gpu,
    context: Context, keep: bool = False,
) -> Any:
    """A Program compiled for a GPU; in parts, if some of its shapes are found by running it.

    tell: is called with what runs elsewhere.
    keep: results stay on the GPU.
    """
    make = partial(_part, tell=tell, disabled=disabled, gpu=gpu, context=context)
    try:
        return _compiled(program, tell, disabled, gpu, context, make, keep)
    except CannotCompile as reason:
        tell(f"a program runs by the NumPy reference as a whole, because {reason}")
        return HostExecutable(program)


def _part(
    program: Program, tell: Callable[[str], None], disabled: Collection[str], gpu: Gpu,
    context: Context,
) -> Any:
    make = partial(_part, tell=tell, disabled=disabled, gpu=gpu, context=context)
    try:
        return _compiled(program, tell, disabled, gpu, context, make, False)
    except CannotCompile as reason:
        tell(f"a part of a program runs by the NumPy reference, because {reason}")
        return ReferenceExecutable(program)


def _compiled(
    program: Program, tell: Callable[[str], None], disabled: Collection[str], gpu: Gpu,
    context: Context, make: Callable[[Program], Any], keep: bool,
) -> Any:
    lacking = missing_features()
    if lacking:
        raise CannotCompile(f"this processor has no {', '.join(lacking)}")
    from graphflow.codegen.capabilities import Capabilities
    from graphflow.codegen.cuda.schedule import CudaScheduler
    from graphflow.passes.pipeline import optimise

    optimised = optimise(program, {*disabled, "attention"})  # its kernels are the CPU's
    schedule = CudaScheduler(optimised, Capabilities()).schedule()
    late = obstacles(schedule)
    if not late:
        try:
            return DeviceExecutable(
                program, optimised, schedule, tell, disabled, context, gpu.codes, make, keep)
        except CannotCompile as reason:
            nodes = set(optimised.nodes)
            late = {n for n in reason.nodes if n in nodes and not exact(n)}
            if not late:
                raise
    return SpecialisedExecutable(program, optimised, late, make)
