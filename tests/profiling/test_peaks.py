"""What the machine does at most: plausible, and monotone where it must be."""

from __future__ import annotations

import pytest

from graphflow.codegen.processor import vector_bytes
from graphflow.profiling.peaks import WORKING_SETS, Peaks, measured_peaks


def test_measured():
    peaks = measured_peaks(1)
    assert peaks is measured_peaks(1)
    lanes = vector_bytes() // 4
    assert 0.05e9 * lanes < peaks.float32 < 32e9 * lanes  # 2 units, under 8 GHz
    assert 0.05e9 * lanes < 2 * peaks.float64 < 32e9 * lanes
    assert [size for size, _ in peaks.copies] == list(WORKING_SETS)
    assert all(1e8 < rate < 1e13 for _, rate in peaks.copies)


PEAKS = Peaks(1, 100e9, 50e9, ((1000, 64e9), (100_000, 16e9), (10_000_000, 4e9)))


def test_bandwidth_lies_between_the_measured_sizes():
    assert PEAKS.bandwidth(10) == 64e9
    assert PEAKS.bandwidth(1000) == 64e9
    assert PEAKS.bandwidth(10_000) == pytest.approx(32e9)  # geometric means
    assert PEAKS.bandwidth(1_000_000) == pytest.approx(8e9)
    assert PEAKS.bandwidth(10**9) == PEAKS.memory == 4e9


def test_the_roofline_is_the_slower_of_both():
    assert PEAKS.least_seconds(100, 0) == pytest.approx(1e-9)
    assert PEAKS.least_seconds(100, 0, double=True) == pytest.approx(2e-9)
    assert PEAKS.least_seconds(100, 640) == pytest.approx(1e-8)
    assert PEAKS.least_seconds(0, 0) == 0
