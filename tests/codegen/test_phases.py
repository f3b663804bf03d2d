"""Phases say the same as the geometry that they come from."""

from __future__ import annotations

import itertools

import pytest

from graphflow.codegen.phases import Phase, adjoint_phases, forward_phases
from graphflow.ops.convolution_geometry import WindowAxis, window_axis

AXES = [window_axis(size, window, stride, dilation, padding)
        for size, window, stride, dilation, padding in itertools.product(
            (1, 4, 7), (1, 2, 3, 5), (1, 2, 3), (1, 2), ("SAME", (0, 0), (2, 1)))]


def pairs(phases: tuple[Phase, ...]) -> set[tuple[int, int, int]]:
    """(output, input, window position) of all that is seen."""
    return {(p.first + p.every * q, p.step * q + p.start + p.pitch * tap,
             p.position + p.by * tap)
            for p in phases for q in range(p.count) for tap in range(p.taps) if p.seen(q, tap)}


def expected(axis: WindowAxis) -> set[tuple[int, int, int]]:
    return {(o, axis.source(o, k), k) for o in range(axis.out) for k in range(axis.window)
            if 0 <= axis.source(o, k) < axis.size}


@pytest.mark.parametrize("axis", [a for a in AXES if a.out > 0], ids=str)
def test_phases_see_what_windows_see(axis: WindowAxis) -> None:
    assert pairs(forward_phases(axis)) == expected(axis)
    assert pairs(adjoint_phases(axis)) == {(i, o, k) for o, i, k in expected(axis)}


@pytest.mark.parametrize("axis", [a for a in AXES if a.out > 0], ids=str)
def test_inner_outputs_see_all_taps(axis: WindowAxis) -> None:
    for phase in (*forward_phases(axis), *adjoint_phases(axis)):
        low, high = phase.inner
        whole = [q for q in range(phase.count)
                 if all(phase.seen(q, tap) for tap in range(phase.taps))]
        assert list(range(low, high)) == whole


@pytest.mark.parametrize("axis", [a for a in AXES if a.out > 0], ids=str)
def test_phases_cover_each_output_once(axis: WindowAxis) -> None:
    found = sorted(p.first + p.every * q for p in adjoint_phases(axis) for q in range(p.count))
    assert found == list(range(axis.size))
