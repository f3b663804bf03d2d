"""Names that TensorFlow programs use to choose or ask for a version's behaviour."""

from __future__ import annotations

from typing import Any

from graphflow.compat import v1
from graphflow.errors import UnimplementedError

bytes_or_text_types = (bytes, str)


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Text as bytes; bytes as they are. Raises TypeError for anything else."""
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    if isinstance(bytes_or_text, (bytes, bytearray)):
        return bytes(bytes_or_text)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}.")


def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as text; text as it is. Raises TypeError for anything else."""
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}.")


as_str = as_text


def as_str_any(value: Any) -> str:
    """`value` as text: bytes are decoded, anything else goes through `str`."""
    return as_str(value) if isinstance(value, bytes) else str(value)


def disable_v2_behavior() -> None:
    """Nothing to do: graphflow is graph mode."""


def disable_eager_execution() -> None:
    """Nothing to do: graphflow is graph mode."""


def enable_eager_execution(config: Any = None, device_policy: Any = None,
                           execution_mode: Any = None) -> None:
    """Raises UnimplementedError: graphflow builds graphs and runs them in a Session."""
    raise UnimplementedError(
        None, None,
        "graphflow has no eager execution. Build the graph and run it with gf.Session().")


def executing_eagerly() -> bool:
    """False."""
    return False


__all__ = [
    "as_bytes", "as_str", "as_str_any", "as_text", "bytes_or_text_types",
    "disable_eager_execution", "disable_v2_behavior", "enable_eager_execution",
    "executing_eagerly", "v1",
]
