"""Compares two plain results: what TensorFlow gave and what graphflow gives.

Floats agree within atol + rtol · |recorded|; everything else must be equal, except errors, where
the one found must belong to the most specific well-known class of the recorded one (so that the
`except` clause of a user's program catches both).
"""

from __future__ import annotations

from typing import Any


def differences(
    recorded: Any, found: Any, rtol: float, atol: float, where: str = ""
) -> dict[str, str]:
    """What differs between two plain results, as {path: readable text}; empty if they agree."""
    if isinstance(recorded, dict) and "raises" in recorded:
        return _error_differences(recorded, found, where)
    if isinstance(found, dict) and "raises" in found:
        raised = f"{found['raises']} {found['message']}"
        return {where: f"recorded {_short(recorded)}, raised {raised}"}
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(recorded, dict) and isinstance(found, dict):
        if recorded.keys() != found.keys():
            return {where: f"keys {sorted(recorded)} became {sorted(found)}"}
        if "values" in recorded and "dtype" in recorded:
            return _array_differences(recorded, found, rtol, atol, where)
        pairs = [(f"{where}/{key}", recorded[key], found[key]) for key in recorded]
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        pairs = [(f"{where}/{i}", *pair) for i, pair in enumerate(zip(recorded, found))]
    elif _equal(recorded, found, rtol, atol):
        return {}
    else:
        return {where: f"recorded {_short(recorded)}, found {_short(found)}"}
    collected: dict[str, str] = {}
    for path, wanted, got in pairs:
        collected.update(differences(wanted, got, rtol, atol, path))
    return collected


def _equal(recorded: Any, found: Any, rtol: float, atol: float) -> bool:
    if isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        return all(_equal(a, b, rtol, atol) for a, b in zip(recorded, found))
    if isinstance(recorded, float) and isinstance(found, float):
        return abs(recorded - found) <= atol + rtol * abs(recorded)
    return type(recorded) is type(found) and recorded == found


def _array_differences(
    recorded: dict[str, Any], found: dict[str, Any], rtol: float, atol: float, where: str
) -> dict[str, str]:
    form = [(a["dtype"], a["shape"]) for a in (recorded, found)]
    if form[0] == form[1] and _equal(recorded["values"], found["values"], rtol, atol):
        return {}
    text = [f"{a['dtype']}{a['shape']} {_short(a['values'])}" for a in (recorded, found)]
    return {where: f"recorded {text[0]}, found {text[1]}"}


def _error_differences(recorded: dict[str, Any], found: Any, where: str) -> dict[str, str]:
    wanted = recorded["raises"][:1]
    if not (isinstance(found, dict) and "raises" in found):
        return {where: f"recorded {wanted}, found {_short(found)}"}
    if wanted and wanted[0] not in found["raises"]:
        return {where: f"recorded {wanted}, raised {found['raises']} {found['message']}"}
    return {}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
