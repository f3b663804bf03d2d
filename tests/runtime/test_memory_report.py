"""`Session.memory_report`: bytes counted by hand, and those that a run allocates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf


def floats(*sizes: int) -> np.ndarray:
    return np.ones(sizes, np.float32)


def products(x: Any, count: int) -> Any:
    """A chain of products with [8, 8] matrices; each result is [rows, 8]."""
    for i in range(count):
        x = gf.matmul(x, gf.get_variable(f"w{i}", [8, 8]), name=f"product{i}")
    return x


def test_values_alive_together_make_the_peak(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    report = session.memory_report(products(x, 3), {x: floats(4, 8)})
    first, second = report.values
    assert (first.bytes, second.bytes) == (128, 128)
    assert (first.first, first.last, second.first, second.last) == (0, 1, 1, 2)
    assert sorted((first.offset, second.offset)) == [0, 128]
    assert (report.peak_bytes, report.peak_step, report.arena_bytes) == (256, 1, 256)
    assert [v.origin.name for v in report.at_peak] == ["product0", "product1"]


def test_a_value_takes_the_place_of_one_that_is_over(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    report = session.memory_report(products(x, 9), {x: floats(4, 8)})
    assert len(report.values) == 8
    assert (report.peak_bytes, report.arena_bytes) == (256, 256)


def test_places_are_aligned_and_the_peak_counts_bytes(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    report = session.memory_report(products(x, 3), {x: floats(1, 8)})
    assert (report.peak_bytes, report.arena_bytes) == (64, 128)


def test_variables_outputs_inputs_and_updates(session: gf.Session) -> None:
    v = gf.get_variable("v", [10, 5], initializer=gf.zeros_initializer())
    u = gf.get_variable("u", [3], dtype=gf.float64, initializer=gf.zeros_initializer())
    x = gf.placeholder(gf.float32, [None, 5])
    fetches = [gf.reduce_sum(x, 1), gf.assign_add(v, x), u + 1.0]
    report = session.memory_report(fetches, {x: floats(10, 5)})
    assert {(r.origin.name, r.bytes) for r in report.variables} == {("v", 200), ("u", 24)}
    assert report.variable_bytes == 224
    assert [(r.origin.name, r.bytes) for r in report.updates] == [("v", 200)]
    assert [r.bytes for r in report.outputs] == [40, 200, 24]
    assert report.output_bytes == 264
    assert [r.bytes for r in report.inputs] == [200]
    assert (report.arena_bytes, report.peak_bytes, report.peak_step) == (0, 0, None)
    assert report.at_peak == ()
    assert report.total_bytes == 224 + 200 + 264 + 200


def test_origins_have_lines(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    report = session.memory_report(products(x, 3), {x: floats(4, 8)})
    sites = [v.origin.site for v in report.at_peak] + [v.origin.site for v in report.variables]
    assert len(sites) == 5
    assert len(set(sites)) == 1, "all are built on one line"
    assert sites[0].rpartition(":")[0].endswith("test_memory_report.py")


@pytest.mark.parametrize("rows", [1, 33])
def test_the_arena_is_that_of_a_run(session: gf.Session, rows: int) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    h = gf.nn.softmax(products(x, 2)) + gf.reduce_mean(x, 0)
    loop = gf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, gf.tanh(v @ v)),
                         [0, gf.matmul(h, h, transpose_a=True)])[1]
    fetches = [h, gf.cond(gf.reduce_sum(x) > 0, lambda: loop * 2.0, lambda: loop - 1.0)]
    session.run(gf.global_variables_initializer())
    report = session.memory_report(fetches, {x: floats(rows, 8)})
    session.run(fetches, {x: floats(rows, 8)})
    executable: Any = list(session._variants.values())[-1][-1].executable
    assert executable.arena_bytes() == report.arena_bytes
    assert report.peak_bytes <= report.arena_bytes


def test_what_depends_on_values_is_placed_later(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    kept = gf.boolean_mask(x, x[:, 0] > 0)
    report = session.memory_report(
        gf.matmul(gf.matmul(kept, gf.ones([8, 8])), gf.ones([8, 8])), {x: floats(4, 8)})
    later = [v for v in report.values if v.offset is None]
    assert later
    assert not set(later) & set(report.at_peak)
    assert "placed later" in str(report)


def test_the_table(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    lines = str(session.memory_report(products(x, 3), {x: floats(40, 8)})).splitlines()
    assert lines[:5] == [
        "Memory",
        "  arena             2.5 KiB  2 values; peak 2.5 KiB, 2 of them, at step 1",
        "  variables           768 B  3",
        "  their new values      0 B  none",
        "  outputs           1.2 KiB  1"]
    assert "Alive in the arena at its peak, step 1" in lines
    assert max(map(len, lines)) <= 110
