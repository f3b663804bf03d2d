"""Code for the fake GPU: what makes it, and how it names what it has made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphflow.codegen.cuda.kernels import CudaKernel, launches
from graphflow.codegen.cuda.library.parts import LibraryPart
from graphflow.codegen.cuda.target import HOPPER, CudaTarget
from graphflow.codegen.library import LibraryKernel
from graphflow.errors import ProgramError
from graphflow.loop_ir.nest import Kernel


@dataclass(frozen=True)
class FakeShape:
    grid: int = 1
    block: int = 32
    shared: int = 0
    copies: int = 1


@dataclass(frozen=True)
class FakePart:
    """One launch that runs a whole kernel by its interpreter."""

    name: str
    kernel: Kernel

    def shape(self, sizes: Sequence[int], private_bytes: Sequence[int] = ()) -> FakeShape:
        return FakeShape()


class FakeMaker:
    """Code for the fake: the image is a name."""

    def __init__(self) -> None:
        self.kernels: dict[str, Kernel] = {}

    def parts(self, kernel: Any) -> list[FakePart]:
        if isinstance(kernel, LibraryKernel):
            raise ProgramError("hand-written kernels run on the CPU beside the interpreter")
        name = f"fake_{len(self.kernels)}"
        self.kernels[name] = kernel
        return [FakePart(name, kernel)]

    def image(self, kernel: Any, parts: Sequence[Any]) -> bytes:
        return parts[0].name.encode()

    def with_tensor_float_32(self) -> FakeMaker:
        return self

    def settings(self) -> tuple[str, ...]:
        return ("fake",)


class LlvmMaker(FakeMaker):
    """The launches of a GPU; the image is their names."""

    def __init__(self, target: CudaTarget = HOPPER) -> None:
        super().__init__()
        self.launches: dict[str, CudaKernel | LibraryPart] = {}
        self._target = target

    def with_tensor_float_32(self) -> LlvmMaker:
        made = LlvmMaker(replace(self._target, tensor_float_32=True))
        made.launches = self.launches
        return made

    def settings(self) -> tuple[str, ...]:
        return ("fake", str(self._target))

    def parts(self, kernel: Any) -> Any:
        made = launches(kernel, self._target)
        self.launches.update((part.name, part) for part in made)
        return made

    def image(self, kernel: Any, parts: Sequence[Any]) -> bytes:
        return " ".join(part.name for part in parts).encode()
