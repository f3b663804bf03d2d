"""Element types as Numba's types, and what Numba's errors say, in few words."""

from __future__ import annotations

import re
from typing import Any

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.sites import Site

_NAMES = {d.name: d for d in dt.FIXED_SIZE if d not in (dt.float16, dt.bfloat16)}
_NOISE = re.compile(r"\x1b\[[0-9;]*m|Failed in nopython mode pipeline \(step: [\w ]+\)\s*")

# What Numba says of code that allocates, where it may not.
_ALLOCATES = ("NRT required but not enabled", "Only accept returning of array passed into")


class NotCompiled(Exception):
    """Numba cannot compile a function, or not for a kernel; the message says why."""


def numba_type(dtype: DType) -> Any:
    """The Numba type of a scalar; half precision is computed in float32."""
    import numba.core.types

    types: Any = numba.core.types  # no annotations
    return getattr(types, "boolean" if dtype.is_bool else arithmetic(dtype).name)


def arithmetic(dtype: DType) -> DType:
    """The type that elements are computed in."""
    return dt.float32 if dtype in (dt.float16, dt.bfloat16) else dtype


def element_types(result: Any) -> tuple[DType, ...]:
    """The element types of what a function gives: one, or those of a tuple.

    Raises NotCompiled if it is anything else.
    """
    import numba.core.types

    types: Any = numba.core.types  # no annotations
    members = tuple(result.types) if isinstance(result, types.BaseTuple) else (result,)
    found = []
    for member in members:
        name = str(types.unliteral(member))
        if isinstance(member, types.Optional) or name == "none":
            raise NotCompiled("it gives None, or a number on some paths and None on others")
        if name not in _NAMES:
            raise NotCompiled(f"it gives {name}, which is no number")
        found.append(_NAMES[name])
    if not found:
        raise NotCompiled("it gives an empty tuple")
    return tuple(found)


def reason_of(error: Exception) -> str:
    """The first lines of a Numba error, with the line of the function that it is about."""
    text = _NOISE.sub("", str(error)).strip()
    if any(sign in text for sign in _ALLOCATES):
        return "it makes arrays, lists or strings, and a kernel allocates no memory"
    lines: list[str] = []
    for line in (part.strip() for part in text.splitlines()):
        if line.startswith(("During:", "File ", "There are", "This error")) and lines:
            break
        if line:
            lines.append(line)
    location = getattr(error, "loc", None)
    where = f" (at {Site(location.filename, location.line)})" if location is not None else ""
    return f"{' '.join(lines[:3]).rstrip('.')}{where}"
