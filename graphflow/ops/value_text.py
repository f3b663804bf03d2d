"""Tensor values as text, in the two layouts of TensorFlow: `Print`/`Assert`, and `tf.print`."""

from __future__ import annotations

from typing import Any

import numpy as np

_DIGITS = {"float16": (6, 9), "bfloat16": (6, 9), "float32": (6, 9), "float64": (15, 17)}
_ESCAPES = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x27: "\\'", 0x5C: "\\\\"}


def element_text(value: Any) -> str:
    """One element: the shortest of 6 or 9 (float64: 15 or 17) digits that keeps a float's value,
    0 or 1 for bools, C escapes for strings.
    """
    if isinstance(value, (bytes, str)):
        return _escaped(value.encode() if isinstance(value, str) else value)
    value = np.asarray(value)
    if value.dtype.kind == "b":
        return str(int(value))
    if value.dtype.kind == "c":
        return f"({element_text(value.real)},{element_text(value.imag)})"
    if value.dtype.name in _DIGITS:
        return _float_text(value)
    return str(value[()])


def _float_text(value: np.ndarray) -> str:
    few, enough = _DIGITS[value.dtype.name]
    wide = float(value)
    text = f"{wide:.{few}g}"
    narrowest = np.float64 if few > 6 else np.float32  # 16-bit types print as float32
    if np.isfinite(wide) and float(narrowest(float(text))) != wide:
        text = f"{wide:.{enough}g}"
    return text


def _escaped(text: bytes) -> str:
    """Octal outside printable ASCII."""
    return "".join(
        _ESCAPES.get(c) or (chr(c) if 0x20 <= c < 0x7F else f"\\{c:03o}") for c in text)


def flat_text(value: np.ndarray, limit: int | None) -> str:
    """The first `limit` elements in row-major order (3 if None, all if negative), then `...`.

    Rows are in brackets, but not the whole: `[0 1 2][3 4...]...` for [3, 3], limit 5.
    """
    value = np.asarray(value)
    limit = 3 if limit is None else limit
    limit = value.size if limit < 0 else min(limit, value.size)
    if value.ndim == 0:
        return element_text(value[()]) if limit else "..."
    printer = _FlatPrinter(value, limit)
    printer.axis(0)
    return "".join(printer.parts) + ("..." if value.size > limit else "")


class _FlatPrinter:
    def __init__(self, value: np.ndarray, limit: int) -> None:
        self.flat, self.shape, self.limit = value.reshape(-1), value.shape, limit
        self.position = 0
        self.parts: list[str] = []

    def axis(self, number: int) -> None:
        last = number == len(self.shape) - 1
        for i in range(self.shape[number]):
            if self.position >= self.limit:
                if last and number > 0:
                    self.parts.append("...")
                return
            if last:
                self.parts.append((" " if i else "") + element_text(self.flat[self.position]))
                self.position += 1
            else:
                self.parts.append("[")
                self.axis(number + 1)
                self.parts.append("]")


def nested_text(value: np.ndarray, ends: int) -> str:
    """NumPy-like brackets with at most `ends` elements at each end of each axis (all if < 0).

    Strings stand in double quotes: `["a" "b" ... "y" "z"]`.
    """
    value = np.asarray(value)
    return _nested(value, 0, max(ends if ends >= 0 else value.size, 1))


def _nested(value: Any, depth: int, ends: int) -> str:
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        item = value[()] if isinstance(value, np.ndarray) else value
        text = element_text(item)
        return f'"{text}"' if isinstance(item, (bytes, str)) else text
    gap = " " if value.ndim == 1 else "\n" * (value.ndim - 1) + " " * (depth + 1)
    parts: list[str] = []
    count = len(value)
    cut = count > 2 * ends
    for i in range(count):
        if cut and i == ends:
            parts.append("...")
        if not cut or i < ends or i >= count - ends:
            parts.append(_nested(value[i], depth + 1, ends))
    return f"[{gap.join(parts)}]"
