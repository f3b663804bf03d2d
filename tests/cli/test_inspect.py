"""`graphflow inspect`."""

from __future__ import annotations

import json

import graphflow as gf


def test_json(graphflow, model):
    found = json.loads(graphflow("inspect", model, "--batch", 8, "--json").output)
    assert sorted(found["signatures"]) == ["add", "serve", "train"]
    serve = found["signatures"]["serve"]
    assert serve["inputs"] == {"x": "float32 [?, 4]"}
    assert serve["outputs"] == {"y": "float32 [?, 3]", "label": "int64 [?]"}
    assert serve["memory"]["batch"] == 8 and serve["memory"]["flops"] >= 2 * 8 * 4 * 3
    assert serve["memory"]["outputs"] == 8 * 3 * 4 + 8 * 8
    assert found["signatures"]["train"]["updates"] == ["GradientDescent"]
    assert found["parameters"] == 12 and found["variable_bytes"] == 48
    assert found["variables"] == [{"name": "w", "dtype": "float32", "shape": [4, 3],
                                   "elements": 12, "bytes": 48, "trainable": True}]
    assert found["ops"]["Variable"] == 1 and found["operations"] == sum(found["ops"].values())
    assert found["bytes"] == model.stat().st_size


def test_table(graphflow, model):
    output = graphflow("inspect", model).output
    for part in ("training program", "12 to train in 1 variable, 48 B", "signature serve",
                 "x        float32 [?, 4]", "updates  GradientDescent", "w         float32 [4, 3]",
                 "Variable 1,"):
        assert part in output, output


def test_nothing_of_the_file_is_run(graphflow, tmp_path):
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [3], name="x")
        y = gf.Print(x, [x], message="it was", summarize=2)
        gf.export(tmp_path / "m.gflow", {"s": ({"x": x}, {"y": y})}, gf.Session())
    result = graphflow("inspect", "m.gflow")
    assert "it was" not in result.output and "0 kernels, 1 step in Python" in result.output


def test_inputs_for_which_nothing_can_be_made_up(graphflow, tmp_path):
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, name="x")
        gf.export(tmp_path / "m.gflow", {"s": ({"x": x}, {"y": gf.exp(x)})}, gf.Session())
    assert "unknown rank" in graphflow("inspect", "m.gflow").output
