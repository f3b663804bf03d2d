"""What `Footprints` has said about kernels, remembered: in the process, and beside a record.

How a team divides a call follows from the kernel and the sizes alone, so that a process which has
the answers of another one need not look at the kernel's code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphflow.codegen.footprints import Footprints, Touched
from graphflow.codegen.kept.kernels import NamedKernel, packed, unpacked
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.steps import Launch
from graphflow.loop_ir.nest import Kernel

MOST_ANSWERS = 256  # about one kernel


def footprints_of(kernel: Kernel) -> Footprints:
    """The footprints of a kernel: remembered, if it has a name."""
    return _Remembered(kernel) if isinstance(kernel, NamedKernel) else Footprints(kernel)


class _Remembered(Footprints):
    """Looks at the kernel only for what nobody has asked yet."""

    kernel: NamedKernel

    def __init__(self, kernel: NamedKernel) -> None:
        self.kernel = kernel
        self._found: Footprints | None = None

    @property
    def count(self) -> int:
        return int(self._ask(("count",), lambda found: found.count))

    def time(self, sizes: Sequence[int]) -> float:
        return float(self._ask(("time", *sizes), lambda found: found.time(sizes)))

    def choose(self, unit: int, sizes: Sequence[int], members: int) -> tuple[int, float]:
        depth, saved = self._ask(("choose", unit, members, *sizes),
                                 lambda found: found.choose(unit, sizes, members))
        return int(depth), float(saved)

    def touched(
        self, unit: int, sizes: Sequence[int], depth: int, members: int
    ) -> list[list[Touched]]:
        rows = self._ask(
            ("touched", unit, depth, members, *sizes), lambda found: tuple([
                tuple([(t.buffer, t.written, t.first, t.end) for t in each])
                for each in found.touched(unit, sizes, depth, members)]))
        return [[Touched(*fields) for fields in each] for each in rows]

    def same_place(self, unit: int, written: int, read: int) -> bool:
        return bool(self._ask(("same place", unit, written, read),
                              lambda found: found.same_place(unit, written, read)))

    def _ask(self, question: tuple, ask: Callable[[Footprints], Any]) -> Any:
        answers = self.kernel.answers  # several threads may make plans at once
        answer = answers.get(question)
        if answer is None:
            if self._found is None:
                self._found = Footprints(self.kernel)
            answer = ask(self._found)
            if len(answers) >= MOST_ANSWERS:
                answers.clear()
            answers[question] = answer
        return answer


def count_answers(launches: Iterable[Launch]) -> int:
    """How many answers the kernels of launches have."""
    return sum(len(kernel.answers) for kernel in _named(launches).values())


def pack_answers(launches: Iterable[Launch]) -> bytes:
    """The answers as bytes."""
    return packed(tuple([(name, tuple(kernel.answers.items()))
                         for name, kernel in _named(launches).items()]))


def take_answers(data: bytes, launches: Iterable[Launch]) -> None:
    """Gives kernels the answers that `pack_answers` has written."""
    kernels = _named(launches)
    for name, answers in unpacked(data):
        kernels[name].answers.update(answers)


def _named(launches: Iterable[Launch]) -> dict[str, NamedKernel]:
    kernels: list[Kernel | LibraryKernel] = [launch.kernel for launch in launches]
    return {k.name: k for k in kernels if isinstance(k, NamedKernel)}
