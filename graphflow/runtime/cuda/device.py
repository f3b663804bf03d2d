"""Which GPU a session runs on, and what is missing where there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphflow.codegen.cache import open_store
from graphflow.codegen.processor import missing_features
from graphflow.errors import UnavailableError
from graphflow.hardware import cuda_absence
from graphflow.program import Program
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.cuda.code import CodeCache, CubinMaker
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.cuda.driver import Driver
from graphflow.runtime.cuda.executable import DeviceExecutable, HostExecutable
from graphflow.runtime.native import CannotCompile
from graphflow.runtime.prepared import CUDA, prepare
from graphflow.runtime.specialise import SpecialisedExecutable, exact, obstacles

CPU_PASSES = ("attention",)  # the kernels of what they make are the CPU's


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of this process, with the code that it has loaded."""

    driver: Driver
    codes: CodeCache

    def with_tensor_float_32(self) -> Gpu:
        """The same GPU, with code that may round factors of float32 products to TF32."""
        return Gpu(self.driver, self.codes.with_tensor_float_32())


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
    return Gpu(driver, CodeCache(driver, CubinMaker(driver), open_store))


def new_context(gpu: Gpu) -> Context:
    """What a new session has of a GPU."""
    return Context(gpu.driver)


@dataclass(frozen=True, slots=True)
class DeviceCompiler:
    """Compiles Programs for one session's GPU.

    Attributes:
      gpu, context: where they run.
      tell: is called with what runs elsewhere.
      disabled: names of passes that are left out.
    """

    gpu: Gpu
    context: Context
    tell: Callable[[str], None]
    disabled: Collection[str]

    def whole(self, program: Program, keep: bool = False) -> Any:
        """A Program that a session runs. keep: results stay on the GPU."""
        try:
            return self._compiled(program, keep)
        except CannotCompile as reason:
            self.tell(f"a program runs by the NumPy reference as a whole, because {reason}")
            return HostExecutable(program)

    def part(self, program: Program) -> Any:
        """A part of one: the body of a region that Python drives, or what comes after a rank."""
        try:
            return self._compiled(program, False)
        except CannotCompile as reason:
            self.tell(f"a part of a program runs by the NumPy reference, because {reason}")
            return ReferenceExecutable(program)

    def _compiled(self, program: Program, keep: bool) -> Any:
        """In parts, if some of its shapes are found by running it."""
        lacking = missing_features()
        if lacking:
            raise CannotCompile(f"this processor has no {', '.join(lacking)}")
        self.gpu.codes.take_given()
        prepared = prepare(program, {*self.disabled, *CPU_PASSES}, CUDA)
        optimised, schedule = prepared.program, prepared.schedule
        late = obstacles(schedule)
        if not late:
            try:
                return DeviceExecutable(
                    program, optimised, schedule, self.tell, self.context,
                    self.gpu.codes, self.part, keep)
            except CannotCompile as reason:
                nodes = set(optimised.nodes)
                late = {n for n in reason.nodes if n in nodes and not exact(n)}
                if not late:
                    raise
        return SpecialisedExecutable(program, optimised, late, self.part)


def compile_for_device(
    program: Program, tell: Callable[[str], None], disabled: Collection[str], gpu: Gpu,
    context: Context, keep: bool = False,
) -> Any:
    """A Program compiled for a GPU; see `DeviceCompiler`."""
    return DeviceCompiler(gpu, context, tell, disabled).whole(program, keep)
