"""JSON as exported files hold it: written in one canonical form, read with suspicion.

Writing: sorted keys, no spaces, ASCII, so that equal values give equal bytes. Reading refuses what
the standard leaves open or graphflow never writes: duplicate keys, NaN and infinities, integers of
more than 64 bits, too much depth or too many values. Nothing is executed.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from graphflow.errors import LoadError
from graphflow.export.limits import LoadLimits

_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(b for b in range(256) if b not in b"[]{}")
_LARGEST = 2**64


def to_json(value: Any) -> bytes:
    """The canonical form of numbers, texts, lists, dicts with text keys, bools and None.

    Raises ValueError for NaN and infinities.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def from_json(data: bytes, where: str, limits: LoadLimits) -> Any:
    """The value that `data` holds. Raises LoadError."""
    if len(data) > limits.json_bytes:
        raise LoadError(f"{where}: {len(data)} bytes of JSON, the limit is {limits.json_bytes}.")
    _check_extent(data, where, limits)

    def integer(text: str) -> int:
        number = int(text) if len(text) <= 21 else _LARGEST
        if not -_LARGEST < number < _LARGEST:
            raise ValueError(f"the integer {text[:24]} has more than 64 bits")
        return number

    try:
        text = data.decode("ascii")
        return json.loads(
            text, object_pairs_hook=_distinct, parse_int=integer, parse_float=_finite,
            parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{where}: it is no JSON that graphflow writes ({error}).") from error


def _check_extent(data: bytes, where: str, limits: LoadLimits) -> None:
    """Depth and number of values, found before anything is built."""
    values = data.count(b",") + data.count(b"{") + data.count(b"[") + data.count(b":")
    if values > limits.json_values:
        raise LoadError(f"{where}: more than {limits.json_values} values.")
    depth = 0
    for bracket in _STRINGS.sub(b"", data).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limits.json_depth:
            raise LoadError(f"{where}: lists and objects inside each other more than "
                            f"{limits.json_depth} deep.")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(k for k, times in Counter(k for k, _ in pairs).items() if times > 1)
        raise ValueError(f"the key {twice[:80]!r} stands there twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:24]} is too large")
    return number


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")
