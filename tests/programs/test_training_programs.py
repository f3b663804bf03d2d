"""Programs with monitored sessions, input queues and estimators."""

from __future__ import annotations

import numpy as np

import graphflow as tf


def test_monitored_training_goes_on_where_it_stopped(run_script, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_DIR", str(tmp_path))
    names = run_script("monitored_training")
    assert len(names["first_losses"]) == 200 and len(names["second_losses"]) == 100
    assert np.mean(names["second_losses"][:10]) < np.mean(names["first_losses"][:10]) / 4
    assert names["first_accuracy"] > 0.85 and names["second_accuracy"] > 0.9
    assert tf.train.latest_checkpoint(tmp_path).endswith("model.ckpt-300")
    events = [p for p in tmp_path.iterdir() if p.name.startswith("events")]
    tags = {v.tag for p in events for e in tf.summary.summary_iterator(p) for v in e.summary.value}
    assert tags == {"learning/loss", "global_step/sec"}


def test_input_queues_read_every_record_of_every_epoch(run_script):
    names = run_script("input_queues")
    assert names["step"] == 5 * 1438 // 50
    assert np.mean(names["losses"][-10:]) < 0.2
    assert names["test_accuracy"] > 0.9


def test_flowers_by_estimators(run_script):
    names = run_script("estimator_flowers")
    assert names["eval_result"]["accuracy"] > 0.9
    assert names["own_result"]["accuracy"] > 0.9
    assert names["names"] == names["expected"]
    assert names["own_result"]["global_step"] == 500
