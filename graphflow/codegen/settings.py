"""What a session's options say to the builders of kernels, while a program is compiled.

The names of kept programs depend on them; kernels are named by their code, which says it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from graphflow.codegen.steps import Launch


class Tuner(Protocol):
    """Finds the best of the ways to build a kernel.

    Attributes:
      key: what its findings depend on besides the kernel.
    """

    key: str

    def best(self, build: Callable[[], Launch]) -> Launch: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the builders.

    Attributes:
      tuner: measures ways to build a contraction; None leaves it to the cost models.
      pairs: the instructions by which products of bfloat16 are summed pair by pair, `amx` or
        `avx512`; nothing: they are converted to float32.
      flush_denormals: whether runs take subnormal numbers for zero; kernels are the same.
    """

    tuner: Tuner | None = None
    pairs: str = ""
    flush_denormals: bool = False

    def key(self) -> tuple[str, ...]:
        """What distinguishes programs that are compiled with these settings; usually nothing."""
        tuner = () if self.tuner is None else (f"autotune {self.tuner.key}",)
        return (*tuner, f"pairs by {self.pairs}") if self.pairs else tuner


DEFAULT = Settings()

_current: ContextVar[Settings] = ContextVar("graphflow_settings", default=DEFAULT)


def current_settings() -> Settings:
    """The settings in force."""
    return _current.get()


@contextmanager
def using(settings: Settings) -> Iterator[None]:
    """Inside, programs are compiled with these settings."""
    token = _current.set(settings)
    try:
        yield
    finally:
        _current.reset(token)
