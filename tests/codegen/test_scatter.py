"""Kernels of scatters: rows of updates are added in vectors, in order, whole rows left out."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.shares import loops_of
from graphflow.codegen.steps import Launch
from graphflow.loop_ir.nest import Loop, Store


def updates_of(launch: Launch) -> list[Loop]:
    """The innermost loops that add to an element."""
    return [loop for loop in loops_of(launch.kernel.body) if any(
        isinstance(s, Store) and s.combine for s in loop.body)]


@pytest.mark.parametrize(("width", "lanes"), [((), 0), ((5,), 1), ((3, 33), 1)])
@pytest.mark.parametrize("known", [True, False])
def test_rows_are_added_in_vectors(width: tuple[int, ...], lanes: int, known: bool) -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(-1, 7, 40).astype(np.int32)
    updates = rng.normal(size=(40, *width)).astype(np.float32)
    want = np.zeros((7, *width), np.float32)
    for row, update in zip(rows, updates):
        if row >= 0:
            want[row] += update
    with gf.Graph().as_default() as graph:
        ids = gf.placeholder(gf.int32, [40])
        given = gf.placeholder(gf.float32, [40 if known else None, *width])
        made = gf.math.unsorted_segment_sum(given, ids, 7)
        with gf.Session(graph=graph, device="cpu") as session:
            found = session.run(made, {ids: rows, given: updates})
            executable = list(session._variants.values())[-1][-1].executable
            launches = list(executable.schedule.launches())
    np.testing.assert_array_equal(found, want)
    (loop,) = [loop for launch in launches for loop in updates_of(launch)]
    assert loop.lanes == lanes
