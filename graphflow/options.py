"""`Options`: the one frozen record of settings, and the only reader of environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from graphflow.errors import AttributeValueError

DEVICES = ("auto", "cpu", "reference")


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a session.

    Attributes:
      device: `"reference"` runs the NumPy executor; `"cpu"` compiles (in preview: what has no
        kernel yet runs by its reference, and says so once); `"auto"` is the reference for now.
      silence: ids of warnings that are not given, such as `"graph-growth"`.
    """

    device: str = "auto"
    silence: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise AttributeValueError(
                f"Options: device must be one of {', '.join(map(repr, DEVICES))}, got "
                f"{self.device!r}."
            )
        object.__setattr__(self, "silence", frozenset(self.silence))

    @classmethod
    def from_environment(cls) -> Options:
        """Defaults, with `GRAPHFLOW_DEVICE` and `GRAPHFLOW_SILENCE` (ids, comma-separated)."""
        silence = os.environ.get("GRAPHFLOW_SILENCE", "")
        return cls(
            device=os.environ.get("GRAPHFLOW_DEVICE", "auto"),
            silence=frozenset(filter(None, (s.strip() for s in silence.split(",")))))
