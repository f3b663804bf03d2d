"""Traces of runs: Chrome's format, and TensorFlow's `RunMetadata` and `Timeline`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import graphflow as gf
from graphflow.compat.tf1.timeline import Timeline

X = np.ones((4, 8), np.float32)


def assert_nested(events: list[dict]) -> None:
    """Slices of one track follow each other or lie inside one another."""
    for track in {e["tid"] for e in events if e["ph"] == "X"}:
        ends: list[float] = []
        for e in sorted((e for e in events if e["ph"] == "X" and e["tid"] == track),
                        key=lambda e: (e["ts"], -e["dur"])):
            while ends and ends[-1] <= e["ts"] + 1e-3:
                ends.pop()
            assert not ends or e["ts"] + e["dur"] <= ends[-1] + 1e-3
            ends.append(e["ts"] + e["dur"])


def build() -> tuple[gf.Tensor, gf.Tensor]:
    x = gf.placeholder(gf.float32, [None, 8], name="x")
    doubled = gf.py_func(lambda a: 2 * a, [gf.exp(x, name="exponential")], gf.float32,
                         name="doubled")
    doubled.set_shape([None, 8])
    return x, gf.matmul(doubled, gf.ones([8, 3]), name="product")


def test_chrome_trace(graph, session, tmp_path):
    x, y = build()
    session.profile(y, {x: X}, runs=2).chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    assert [e["name"] for e in slices] == ["Session.run", "exponential", "doubled", "product"]
    for e in slices:
        assert e["ts"] >= 0 and e["dur"] >= 0 and {"pid", "tid", "cat", "args"} <= e.keys()
    assert_nested(events)
    assert "test_traces.py:" in slices[-1]["args"]["line"]
    named = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert named == {1: "kernels", 2: "Python"}


def test_a_loop_that_python_drives_nests(graph, session, tmp_path):
    x = gf.placeholder(gf.float32, [4, 8])
    _, y = gf.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, gf.reshape(gf.py_func(np.tanh, [gf.exp(a)], gf.float32), [4, 8])),
        [0, x])
    session.profile(y, {x: X}, runs=1).chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sum(e["args"].get("op") == "PyFunc" for e in events) == 3
    assert_nested(events)


def traced(session: gf.Session, fetches, feed) -> tuple[object, gf.RunMetadata]:
    metadata = gf.RunMetadata()
    options = gf.RunOptions(trace_level=gf.RunOptions.FULL_TRACE)
    return session.run(fetches, feed, options=options, run_metadata=metadata), metadata


def test_run_metadata(graph, session):
    x, y = build()
    found, metadata = traced(session, y, {x: X})
    np.testing.assert_allclose(found, np.full((4, 3), 16 * np.e), rtol=1e-6)
    device, = metadata.step_stats.dev_stats
    assert device.device.endswith("device:CPU:0")
    stats = device.node_stats
    assert [n.node_name for n in stats] == ["exponential", "doubled", "product"]
    starts = [n.all_start_nanos for n in stats]
    assert starts == sorted(starts)
    assert all(n.all_start_micros == n.all_start_nanos // 1000 for n in stats)
    assert all(0 <= n.op_end_rel_nanos < 10**9 for n in stats)
    assert stats[-1].timeline_label.startswith("product = MatMul(doubled")


def test_a_traced_run_is_a_run(graph, session):
    v = gf.get_variable("v", initializer=3.0)
    add = gf.assign_add(v, 1.0)
    session.run(v.initializer)
    assert traced(session, add, None)[0] == 4.0
    assert traced(session, {"new": add}, None)[0] == {"new": 5.0}
    assert session.run(v) == 5.0


def test_without_a_trace_level_nothing_is_traced(graph, session):
    x, y = build()
    metadata = gf.RunMetadata()
    session.run(y, {x: X}, options=gf.RunOptions(), run_metadata=metadata)
    assert metadata.step_stats.dev_stats == []
    with pytest.raises(gf.errors.GraphflowError, match="must be a RunMetadata"):
        session.run(y, {x: X}, options=gf.RunOptions(trace_level=3), run_metadata={})


def test_timeline(graph, session):
    x, y = build()
    trace = json.loads(Timeline(traced(session, y, {x: X})[1].step_stats)
                       .generate_chrome_trace_format(show_memory=True))
    slices = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [(e["name"], e["args"]["name"]) for e in slices] == [
        ("Exp", "exponential"), ("PyFunc", "doubled"), ("MatMul", "product")]
    assert slices[0]["args"]["input0"] == "x"
    assert_nested(trace["traceEvents"])
    assert gf.profiling.Timeline is Timeline


def test_timeline_of_something_else():
    with pytest.raises(gf.errors.GraphflowError, match="must be RunMetadata.step_stats, got None"):
        Timeline(None)


def test_errors_of_a_traced_run_name_the_operation(graph, session):
    index = gf.placeholder(gf.int32, [1])
    picked = gf.gather(gf.constant([1.0, 2.0]), index, name="picked")
    with pytest.raises(gf.errors.InvalidArgumentError, match="'picked'") as caught:
        traced(session, picked, {index: [5]})
    assert caught.value.op is picked.op


def test_profiler_hook(graph, tmp_path):
    step = gf.train.get_or_create_global_step()
    v = gf.get_variable("v", initializer=1.0)
    train = gf.group(v.assign(v * 2.0, name="doubled"), gf.assign_add(step, 1))
    hook = gf.train.ProfilerHook(save_steps=3, output_dir=str(tmp_path))
    metadata = gf.RunMetadata()
    with gf.train.MonitoredSession(hooks=[hook]) as session:
        for _ in range(7):
            session.run(train)
        assert session.run(v, options=gf.RunOptions(trace_level=3), run_metadata=metadata) == 2**7
    assert metadata.step_stats.dev_stats
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == [f"timeline-{k}.json" for k in (3, 5, 7)]  # as TensorFlow 1 names them
    for name in files:
        assert json.loads((tmp_path / name).read_text())["traceEvents"]
    with pytest.raises(ValueError, match="exactly one of every_secs and every_steps"):
        gf.train.ProfilerHook()
