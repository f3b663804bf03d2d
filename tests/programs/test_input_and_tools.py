"""Programs that read their data by `tf.data`, and that use flags, summaries and contrib."""

from __future__ import annotations

import math
from pathlib import Path

import graphflow as tf


def test_dataset_pipeline(run_script):
    names = run_script("dataset_pipeline")
    assert names["steps"] == math.ceil(1438 / 64)
    assert names["global_steps"] == 6 * names["steps"]
    assert names["test_accuracy"] > 0.93


def test_flags_and_summaries(run_script, monkeypatch):
    monkeypatch.setattr("sys.argv", ["program.py", "--max_steps=120"])
    names = run_script("flags_and_summaries")
    assert names["outcome"]["exit"] is None
    assert names["outcome"]["accuracy"] > 0.9
    [file] = (Path(names["FLAGS"].log_dir) / "train").iterdir()
    events = list(tf.summary.summary_iterator(file))
    assert [e.step for e in events] == [0, *range(120)]
    tags = {v.tag: v.simple_value for v in events[-1].summary.value}
    assert set(tags) == {
        "input/input/image/0", "input/input/image/1", "layer1_1/summaries/mean_1",
        "layer1_1/summaries/stddev_1", "layer1_1/summaries/histogram", "cross_entropy_1",
        "accuracy_1"}  # as TensorFlow names them
    assert tags["cross_entropy_1"] < 0.5
