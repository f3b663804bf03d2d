"""Runs one graph compiled and by the reference, for comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphflow as gf
from graphflow.options import Options


def quiet(device: str = "cpu") -> Options:
    """Options of a session that does not say what is not compiled."""
    return Options(device=device, silence=frozenset({"not-compiled"}))


def on_both(graph: gf.Graph, run: Callable[[gf.Session], Any]) -> tuple[Any, Any]:
    """What `run` gives compiled and by the reference."""
    results = []
    for device in ("cpu", "reference"):
        with gf.Session(graph=graph, options=quiet(device)) as session:
            results.append(run(session))
    return results[0], results[1]


def errors_of(graph: gf.Graph, run: Callable[[gf.Session], Any]) -> tuple[Exception, Exception]:
    def caught(session: gf.Session) -> Exception:
        with pytest.raises(Exception) as info:
            run(session)
        return info.value

    return on_both(graph, caught)


def assert_same_error(graph: gf.Graph, fetch: Any, feeds: dict[Any, Any], match: str) -> None:
    """Compiled and reference runs raise the same class with the same words."""
    native, reference = errors_of(graph, lambda s: s.run(fetch, feeds))
    assert type(native) is type(reference)
    assert str(native) == str(reference)
    assert match in str(native)
