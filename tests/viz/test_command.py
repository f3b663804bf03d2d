"""`gf.viz` and `graphflow viz`: what may be drawn, and what is said of the rest."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import viz_models
from click.testing import CliRunner

import graphflow as tf
from graphflow.cli import main
from graphflow.viz.command import draw, picture_from


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def module(tmp_path, request):
    """A user's module, of a name that no other test has."""
    name = f"model_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(
        "import graphflow as tf\n"
        "def build():\n    x = tf.placeholder(tf.float32, [2], name='x')\n"
        "    tf.tanh(x, name='y')\n"
        "def loss():\n    return tf.reduce_sum(tf.ones([3]), name='loss')\n"
        "def wide(width, depth=2):\n    pass\n"
        "def broken():\n    return [].pop()\n"
        "graph = tf.Graph()\n")
    yield name
    sys.modules.pop(name, None)


def names(picture: object) -> set[str]:
    return {n.name for n in picture.scenes["graph"].view.nodes}


def test_graph_fetches_session_and_default_graph():
    graph = viz_models.mlp()
    everything = names(tf.viz(graph))
    assert {"x", "hidden/Relu", "init"} <= everything
    relu = graph.get_tensor_by_name("hidden/Relu:0")
    part = names(tf.viz(relu))
    assert part < everything and "hidden/Relu" in part and "logits/MatMul" not in part
    assert names(tf.viz({"a": [relu]})) == part == names(tf.viz(graph, fetches="hidden/Relu:0"))
    assert names(tf.viz(tf.Session(graph=graph))) == everything
    with graph.as_default():
        assert names(tf.viz()) == everything
        variable = tf.global_variables()[0]
    assert "hidden/kernel" in names(tf.viz(variable))


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(tf.GraphflowError, match="expected a graph, a session, or fetches"):
        tf.viz(3.0)
    graph = viz_models.blocks()
    with pytest.raises(tf.GraphflowError, match="no view 'kernels'; there are graph"):
        tf.viz(graph).svg("kernels")
    with pytest.raises(tf.GraphflowError, match="Did you mean 'block_1'"):
        tf.viz(graph, expand=["blok_1"], fold=False).svg()
    with pytest.raises(tf.GraphflowError, match="the first argument is a graph or a session"):
        tf.viz(graph.get_tensor_by_name("y:0"), fetches="x")


def test_expand():
    picture = {e: tf.viz(viz_models.mlp(), expand=e) for e in (0, 1, "all")}
    counts = {e: p.svg().count('class="box open') for e, p in picture.items()}
    assert counts[0] == 0 < counts[1] < counts["all"]
    one = tf.viz(viz_models.mlp(), expand="hidden/kernel").svg()
    assert one.count('class="box open') == 2  # with the scope around it


def test_a_function_of_a_module(module, tmp_path):
    assert {"x", "y"} <= names(picture_from(f"{module}:build"))
    assert "loss" in names(picture_from(f"{module}:loss"))
    path = draw(f"{module}:build", "out.svg")
    assert (tmp_path / path).read_text().startswith("<svg")


def test_a_checkpoint(tmp_path):
    (tmp_path / "saved").mkdir()
    graph = viz_models.mlp()
    with graph.as_default(), tf.Session() as session:
        session.run("init")
        prefix = tf.train.Saver().save(session, "saved/model", global_step=3)
        kernel = session.run("hidden/kernel:0")
    for target in (prefix, "saved"):
        view = picture_from(target).scenes["graph"].view
        (node,) = [n for n in view.nodes if n.name == "hidden/kernel"]
        assert node.types == ("float32 [12, 8]",)
        assert node.statistics.mean == pytest.approx(kernel.mean(dtype=np.float64), rel=1e-6)
    assert draw("saved").name == "saved.html"


def test_an_exported_model():
    graph = viz_models.blocks()
    with graph.as_default(), tf.Session() as session:
        x, y = (graph.get_tensor_by_name(f"{n}:0") for n in "xy")
        tf.export("model.gflow", {"serve": tf.Signature({"x": x}, {"y": y})}, session)
    assert "block_0 … block_5" in picture_from("model.gflow").svg()
    assert draw("model.gflow").name == "model.html"


def test_the_command(module):
    result = CliRunner().invoke(main, ["viz", f"{module}:build", "-o", "g.dot"])
    assert result.exit_code == 0 and result.output == "g.dot\n"
    result = CliRunner().invoke(main, ["viz", f"{module}:nothing", "-o", "g.dot"])
    assert result.exit_code == 1 and "has no 'nothing'; it has broken, build" in result.output


@pytest.mark.parametrize("name, said", [
    ("wide", "needs width. Name a function that is called without arguments"),
    ("broken", "raised IndexError: pop from empty list"),
])
def test_functions_that_give_no_graph(module, name, said):
    result = CliRunner().invoke(main, ["viz", f"{module}:{name}"])
    assert result.exit_code == 1 and said in result.output
    assert result.output.startswith(f"Error: viz: {module}:{name} ")


@pytest.mark.parametrize("target, said", [
    ("no_such_module_here:f", "there is no module 'no_such_module_here'"),
    ("missing.gflow", "there is no file 'missing.gflow'"),
    ("missing", "is no file, no checkpoint and not of the form module:name"),
])
def test_targets_that_are_not_there(target, said):
    result = CliRunner().invoke(main, ["viz", target])
    assert result.exit_code == 1 and said in result.output


def test_an_output_of_another_kind():
    result = CliRunner().invoke(main, ["viz", "x", "-o", "x.pdf"])
    assert result.exit_code == 1 and "must end in one of .html, .svg, .png, .dot" in result.output
