"""Passes from outside: the list, disabling and dumping by options and by the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.passes.pipeline import PASSES

DISABLE, DUMP = "GRAPHFLOW_DISABLE_PASSES", "GRAPHFLOW_DUMP_PASSES"


@pytest.fixture
def graph() -> Iterator[gf.Graph]:
    with gf.Graph().as_default() as made:
        yield made


def options(**settings: Any) -> gf.Options:
    return gf.Options(device="cpu", silence=frozenset({"not-compiled"}), **settings)


def twice_negated() -> tuple[Any, dict[Any, np.ndarray]]:
    x = gf.placeholder(gf.float32, [3], name="x")
    return gf.negative(gf.negative(x)) + 1.0, {x: np.arange(3, dtype=np.float32)}


# ---- the list -----------------------------------------------------------------------------------


def test_every_pass_is_listed_with_a_sentence() -> None:
    listed = gf.compiler_passes()
    assert list(listed) == list(dict.fromkeys(p.name for p in PASSES))
    for sentence in listed.values():
        assert sentence.endswith(".")
        assert 20 < len(sentence) < 110
        assert "\n" not in sentence


# ---- disabling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in gf.compiler_passes() if n != "expand"])
def test_any_pass_but_expand_can_be_disabled(graph: gf.Graph, name: str) -> None:
    x = gf.placeholder(gf.float32, [None, 4])
    y = gf.reduce_sum(gf.log(gf.nn.softmax(gf.negative(gf.negative(x)))) * gf.ones([4]), 1)
    gradient = gf.gradients(y, x)[0]
    feeds = {x: np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)}
    with gf.Session(graph=graph, options=options(disable_passes=(name,))) as session:
        found = session.run([y, gradient], feeds)
    shifted = np.exp(feeds[x])
    softmax = shifted / shifted.sum(1, keepdims=True)
    np.testing.assert_allclose(found[0], np.log(softmax).sum(1), rtol=1e-5)
    np.testing.assert_allclose(found[1], 1 - 4 * softmax, rtol=1e-4, atol=1e-5)


def test_what_is_disabled_leaves_its_work_undone(graph: gf.Graph) -> None:
    y, feeds = twice_negated()
    counts = []
    for disabled in ((), ("algebra",)):
        with gf.Session(graph=graph, options=options(disable_passes=disabled)) as session:
            session.run(y, feeds)
            executable: Any = list(session._variants.values())[0][0].executable
            counts.append([n.opdef.name for n in executable.program.nodes].count("Neg"))
    assert counts == [0, 2]


def test_the_environment_disables(monkeypatch: pytest.MonkeyPatch, graph: gf.Graph) -> None:
    monkeypatch.setenv(DISABLE, " algebra, views ,")
    assert gf.Options.from_environment().disable_passes == {"algebra", "views"}
    y, feeds = twice_negated()
    with gf.Session(graph=graph, device="cpu") as session:
        names = {run.name for run in session.explain(y, feeds).passes}
    assert names == set(gf.compiler_passes()) - {"algebra", "views"}


def test_unknown_passes_are_refused_with_the_list() -> None:
    with pytest.raises(gf.GraphflowError) as info:
        gf.Session(options=options(disable_passes=("algbra",)))
    assert str(info.value) == (
        "Options: disable_passes: there is no pass named 'algbra'. Did you mean 'algebra'? The "
        f"passes are {', '.join(gf.compiler_passes())}.")
    with pytest.raises(ValueError, match="dump_passes: there is no pass named 'x'. The passes"):
        gf.Session(options=options(dump_passes=("x",)))


def test_an_unknown_pass_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DISABLE, "fuse")
    with pytest.raises(ValueError, match="no pass named 'fuse'"):
        gf.Session()


def test_expand_cannot_be_disabled() -> None:
    with pytest.raises(ValueError, match="'expand' cannot be disabled, since the ops that it "
                                         "rewrites have no kernels. Passes that can be"):
        gf.Session(options=options(disable_passes=("algebra", "expand")))


@pytest.mark.parametrize("value", ["algebra", (1,)])
def test_names_come_as_a_collection(value: Any) -> None:
    with pytest.raises(ValueError, match="must be names of passes, such as"):
        gf.Options(disable_passes=value)


# ---- dumping ------------------------------------------------------------------------------------


def dumped(graph: gf.Graph, capsys: pytest.CaptureFixture[str], which: Any) -> str:
    y, feeds = twice_negated()
    with gf.Session(graph=graph, options=options(dump_passes=which)) as session:
        np.testing.assert_array_equal(session.run(y, feeds), [1, 2, 3])
    return capsys.readouterr().err


def test_the_program_is_printed_after_each_pass_that_changed_it(
    graph: gf.Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = dumped(graph, capsys, True).splitlines()
    assert lines[:7] == [
        "program: 5 nodes",
        "  %0  Feed x:0     float32 [3]  x",
        "  %1  Neg(%0)      float32 [3]  Neg",
        "  %2  Neg(%1)      float32 [3]  Neg_1",
        "  %3  Const 1.0    float32 []   add/y",
        "  %4  Add(%2, %3)  float32 [3]  add",
        "  return %4"]
    at = next(i for i, line in enumerate(lines) if line.startswith("algebra: 5 → 3 nodes, "))
    assert lines[at + 1:at + 5] == [
        "  %0  Feed x:0     float32 [3]  x",
        "  %3  Const 1.0    float32 []   add/y",
        "+ %4  Add(%0, %3)  float32 [3]  add",
        "  return %4"]


def test_some_passes_are_dumped(graph: gf.Graph, capsys: pytest.CaptureFixture[str]) -> None:
    text = dumped(graph, capsys, ("fold",))
    assert "program: 5 nodes" in text
    assert "algebra:" not in text


def test_nothing_is_dumped_by_default(
    graph: gf.Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dumped(graph, capsys, False) == ""


@pytest.mark.parametrize(("text", "value"), [
    ("", False), ("0", False), ("1", True), ("fold,views", frozenset({"fold", "views"}))])
def test_the_environment_dumps(
    monkeypatch: pytest.MonkeyPatch, text: str, value: bool | frozenset[str]
) -> None:
    monkeypatch.setenv(DUMP, text)
    assert gf.Options.from_environment().dump_passes == value


def test_a_device_given_to_the_session_keeps_the_other_options(graph: gf.Graph) -> None:
    given = options(disable_passes=("fold",), dump_passes=("views",))
    session = gf.Session(graph=graph, device="reference", options=given)
    assert session.options == dataclasses.replace(given, device="reference")
