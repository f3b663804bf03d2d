"""Taking plain values out of records that anybody may have written: each with its kind, or a
LoadError that says what was expected where."""

from __future__ import annotations

from typing import Any, TypeVar

from graphflow.errors import LoadError

T = TypeVar("T")
_NAMES = {dict: "an object", list: "a list", str: "a text", int: "an integer", bool: "a bool"}


def as_kind(value: Any, kind: type[T], where: str) -> T:
    """`value`, which must be of `kind` (a bool is no integer)."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LoadError(f"{where}: {_NAMES[kind]} was expected, got {shown(value)}.")
    return value


def field(record: dict[str, Any], key: str, kind: type[T], where: str, default: Any = None) -> T:
    """`record[key]`, or `default` (if it is not None) where the key is missing."""
    if key not in record:
        if default is None:
            raise LoadError(f"{where}: {key!r} is missing.")
        return default
    return as_kind(record[key], kind, f"{where}: {key}")


def only_keys(record: dict[str, Any], allowed: tuple[str, ...], where: str) -> None:
    """Refuses keys that no writer of this format uses: they might mean something."""
    unknown = [key for key in record if key not in allowed]
    if unknown:
        raise LoadError(f"{where}: unknown key {shown(unknown[0])}.")


def number(value: Any, where: str, below: int, least: int = 0) -> int:
    """An integer in [least, below)."""
    found = as_kind(value, int, where)
    if not least <= found < below:
        raise LoadError(f"{where}: {found} is outside of [{least}, {below}).")
    return found


def shown(value: Any) -> str:
    """A value from a file in a message: short, and without control characters."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
