"""Passes, kernels and memory as pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
import viz_models

import graphflow as tf
from graphflow.viz.profile import seconds_text, timings

FEEDS = {"x:0": np.zeros((4, 12), np.float32), "labels:0": np.zeros(4, np.int64)}


@pytest.fixture(scope="module")
def explained():
    with tf.Session(graph=viz_models.mlp()) as session:
        session.run("init")
        yield session.explain("train", FEEDS)


def test_a_session_and_fetches_give_all_views():
    with tf.Session(graph=viz_models.mlp()) as session:
        session.run("init")
        picture = tf.viz(session, fetches="train", feed_dict=FEEDS)
    assert list(picture.scenes) == ["graph", "passes", "kernels"] and picture.memory is not None
    kernel = next(n for n in picture.scenes["graph"].view.nodes if n.name == "hidden/kernel")
    assert kernel.statistics is not None and kernel.statistics.count == 96
    for view in ("graph", "passes", "kernels", "memory"):
        ET.fromstring(picture.svg(view))


def test_each_step_is_the_program_after_the_pass(explained):
    view = tf.viz(explained).scenes["passes"].view
    changing = [run for run in explained.passes if run.changed]
    assert [s.title for s in view.steps] == ["as frozen", *(run.name for run in changing)]
    for step, run in zip(view.steps[1:], changing):
        results = sum(view.nodes[n].op in ("Return", "Write") for n in step.present)
        assert len(step.present) - results == run.after_nodes
    ops = sorted(view.nodes[n].op for n in view.steps[-1].present)
    compiled = [line.op or ("Write" if line.name.startswith("write ") else "Return")
                for line in explained.compiled.lines]
    assert ops == sorted(compiled)


def test_what_a_pass_did_is_marked(explained):
    view = tf.viz(explained).scenes["passes"].view
    for before, step in zip(view.steps, view.steps[1:]):
        assert set(step.added) == set(step.present) - set(before.present) - set(step.changed)
        assert set(step.removed) == set(before.present) - set(step.present)
        assert not set(step.changed) & (set(step.added) | set(step.removed))
        assert step.added or step.removed or step.changed or step.lines


def test_edges_of_a_step_join_what_is_there(explained):
    view = tf.viz(explained).scenes["passes"].view
    for step in view.steps:
        present = set(step.present)
        for number in step.edges:
            assert {view.edges[number].source, view.edges[number].target} <= present


def test_every_kernel_is_a_group_of_what_it_computes(explained):
    view = tf.viz(explained).scenes["kernels"].view
    groups = dict(view.groups)
    assert len(groups) == len(explained.kernels)
    for record in explained.kernels:
        path = (f"{record.step} · {record.kind}",)
        inside = [n for n in view.nodes if n.path[:-1] == path]
        assert {n.op for n in inside} == set(record.ops)
        assert dict(groups[path])["symbol"] == record.symbol


def test_every_line_of_the_program_is_in_the_kernels_view(explained):
    names = {n.name for n in tf.viz(explained).scenes["kernels"].view.nodes}
    assert {line.name for line in explained.compiled.lines} <= names


def test_times_are_told_and_make_heat(explained):
    steps = [k.step for k in explained.kernels]
    profile = {steps[0]: {"seconds": 3e-6, "share_of_peak": 0.25}, steps[1]: 1e-6}
    view = tf.viz(explained, profile=profile).scenes["kernels"].view
    told = {dict(rows)["step"]: dict(rows) for _, rows in view.groups}
    first = told[str(steps[0])]
    assert (first["time"], first["share of the run"], first["share of peak"]) == (
        "3 µs", "75.0%", "25.0%")
    assert "time" not in told[str(steps[2])]
    assert sorted(share for _, share in view.heat) == [0.25, 0.75]


def test_a_loop_is_a_group_around_its_kernels():
    with tf.Session(graph=viz_models.loop()) as session:
        found = session.explain("while/While:1", {"x:0": np.ones(3, np.float32)})
        picture = tf.viz(found)
    paths = [path for path, _ in picture.scenes["kernels"].view.groups]
    assert any(len(path) > 1 and path[0].endswith("While") for path in paths)
    assert any("body" in part for n in picture.scenes["passes"].view.nodes for part in n.path)
    for view in ("passes", "kernels"):
        ET.fromstring(picture.svg(view))


def test_steps_in_python_are_told_with_their_reason():
    graph = tf.Graph()
    with graph.as_default(), tf.Session() as session:
        y = tf.py_func(lambda a: a + 1, [tf.constant(1.0)], tf.float32)
        view = tf.viz(session, fetches=y).scenes["kernels"].view
    (host,) = [n for n in view.nodes if n.kind == "host"]
    assert dict(host.details)["runs in Python"]


def test_the_arena_shows_every_value_with_a_place(explained):
    root = ET.fromstring(tf.viz(explained).svg("memory"))
    rects = [r for r in root.iter("{http://www.w3.org/2000/svg}rect")
             if r.get("class") != "ground"]
    placed = [v for v in explained.memory.values if v.offset is not None and v.bytes]
    assert len(rects) == len(placed)
    for a, (va, ra) in enumerate(zip(placed, rects)):
        for vb, rb in list(zip(placed, rects))[:a]:
            def span(rect, start, size):
                return float(rect.get(start)), float(rect.get(start)) + float(rect.get(size))
            apart_in_time = va.last < vb.first or vb.last < va.first
            (x0, x1), (u0, u1) = span(ra, "x", "width"), span(rb, "x", "width")
            assert apart_in_time == (x1 <= u0 + 0.2 or u1 <= x0 + 0.2)


# ---- profiles -----------------------------------------------------------------------------------


def test_profiles_in_several_forms():
    records = [SimpleNamespace(step=2, seconds=0.5, share_of_peak=None)]
    for profile in ({2: 0.5}, {"2": {"seconds": 0.5}}, records, SimpleNamespace(kernels=records)):
        assert timings(profile)[2].seconds == 0.5
    assert timings(None) == {}


@pytest.mark.parametrize("profile", [
    3, {"a": 1.0}, {1: "long"}, {1: -1.0}, {1: {}}, [1], {1: float("nan")}])
def test_other_profiles_are_refused(profile):
    with pytest.raises(tf.GraphflowError, match="profile: "):
        timings(profile)


def test_seconds_as_text():
    assert [seconds_text(s) for s in (2.5, 1.25e-3, 3e-6, 4e-8)] == [
        "2.5 s", "1.25 ms", "3 µs", "0.04 µs"]


def test_a_profile_needs_a_run():
    with pytest.raises(tf.GraphflowError, match="say which by fetches="):
        tf.viz(viz_models.mlp(), profile={0: 1.0})
