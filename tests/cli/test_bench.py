"""`graphflow bench`."""

from __future__ import annotations

import json

import numpy as np


def test_json(graphflow, model):
    found = json.loads(graphflow("bench", model, "-s", "serve", "--batch", 16, "--seconds",
                                 "0.05", "--json").output)
    assert found["inputs"] == {"x": {"dtype": "float32", "shape": [16, 4]}}
    times = [found[k] for k in ("fastest", "p50", "p90", "p99", "slowest")]
    assert times == sorted(times) and times[0] > 0
    assert found["runs"] >= 20
    assert np.isclose(found["examples_per_second"], 16 * found["runs_per_second"])
    kernels = found["profile"]["kernels"]
    assert any(k["kind"] == "contraction" and k["flops"] == 2 * 16 * 4 * 3 for k in kernels)


def test_table_and_trace(graphflow, model, tmp_path):
    output = graphflow("bench", model, "-s", "train", "--seconds", "0.05", "--threads", 1,
                       "--trace", "trace.json").output
    for part in ("Signature 'train' of x float32 [1, 4], labels int32 [1]", "p99", "examples/s",
                 "Session.run", "1 thread", "GFLOP/s", "contraction", "trace.json"):
        assert part in output
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_inputs_from_files(graphflow, model):
    np.save("x.npy", np.ones((5, 4), np.float32))
    found = json.loads(graphflow("bench", model, "-s", "serve", "-i", "x.npy", "--seconds",
                                 "0.01", "--json").output)
    assert found["inputs"]["x"]["shape"] == [5, 4]


def test_mistakes(graphflow, model):
    assert "choose one of" in graphflow("bench", model, exit_code=1).output
    assert "--batch" in graphflow("bench", model, "--batch", 0, exit_code=2).output
