"""What happens during training besides it: stopping, saving, rates, tables, progress."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pytest

import graphflow as tf
from graphflow.keras import backend as K
from graphflow.keras.callbacks import (
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from graphflow.keras.layers import Dense
from graphflow.keras.models import Sequential, load_model
from graphflow.keras.optimizers import SGD

X = np.sin(np.arange(30.0)).reshape(10, 3).astype("float32")
Y = np.cos(np.arange(10.0))[:, None].astype("float32")


def model(rate=0.01, metrics=None):
    made = Sequential([Dense(1, input_shape=(3,))])
    made.set_weights([np.ones((3, 1)), np.zeros(1)])
    made.compile(SGD(rate), "mse", metrics=metrics)
    return made


def fit(made, *callbacks, **options):
    return made.fit(X, Y, **{"epochs": 5, "verbose": 0, **options}, callbacks=list(callbacks))


def test_early_stopping_restores_the_best_weights():
    made = model(-0.1)  # a rate below zero: each epoch is worse
    start = []
    first = LambdaCallback(on_epoch_end=lambda epoch, logs: start.append(made.get_weights()))
    stop = EarlyStopping(monitor="loss", patience=2, restore_best_weights=True)
    history = fit(made, first, stop)
    assert history.epoch == [0, 1, 2] and stop.stopped_epoch == 2
    np.testing.assert_array_equal(made.get_weights()[0], start[0][0])


def test_early_stopping_warns_of_an_unknown_name():
    with pytest.warns(tf.GraphflowWarning, match="`val_loss` which is not available"):
        fit(model(), EarlyStopping(), epochs=1)


def test_checkpoints(tmp_path):
    made = model()
    fit(made, ModelCheckpoint(str(tmp_path / "{epoch:02d}-{loss:.1f}.h5"), monitor="loss"))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 5 and names[0].startswith("01-")
    loaded = load_model(tmp_path / names[-1])
    np.testing.assert_array_equal(loaded.get_weights()[0], made.get_weights()[0])
    best = tmp_path / "best"
    fit(model(-0.1), ModelCheckpoint(
        str(best), monitor="loss", save_best_only=True, save_weights_only=True))
    again = model()
    again.load_weights(best)


def test_learning_rates():
    made = model(1.0)
    history = fit(made, LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)), epochs=2)
    assert history.history["lr"] == pytest.approx([0.1, 0.05])
    made = model(-0.5)
    fit(made, ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_lr=-1), epochs=3)
    assert K.get_value(made.optimizer.lr) != pytest.approx(-0.5)


def test_schedule_counts_steps():
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    made = model(schedule)
    w = made.get_weights()[0]
    fit(made, epochs=1)
    first = np.abs(made.get_weights()[0] - w).max()
    before = made.get_weights()[0]
    fit(made, epochs=1)
    assert np.abs(made.get_weights()[0] - before).max() < 0.8 * first
    config = made.optimizer.get_config()
    assert SGD.from_config(config).get_config()["learning_rate"] == config["learning_rate"]


def test_table_of_epochs(tmp_path):
    path = tmp_path / "log.csv"
    fit(model(metrics=["mae"]), CSVLogger(str(path)), epochs=2)
    fit(model(metrics=["mae"]), CSVLogger(str(path), append=True), epochs=1)
    rows = path.read_text().splitlines()
    assert rows[0] == "epoch,loss,mae" and len(rows) == 4


def test_nan_stops():
    made = model()
    made.set_weights([np.full((3, 1), np.nan), np.zeros(1)])
    assert fit(made, TerminateOnNaN()).epoch == [0]


def test_calls_come_in_keras_order():
    calls = []

    class Spy(tf.keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("train")

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(f"epoch {epoch}")

        def on_batch_end(self, batch, logs=None):
            calls.append((batch, logs["size"]))

        def on_epoch_end(self, epoch, logs=None):
            calls.append(sorted(logs))

        def on_train_end(self, logs=None):
            calls.append("end")

    fit(model(), Spy(), epochs=1, batch_size=6)
    assert calls == ["train", "epoch 0", (0, 6), (1, 4), ["loss"], "end"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(monkeypatch, stream, **options):
    monkeypatch.setattr(sys, "stdout", stream)
    fit(model(metrics=["accuracy"]), **{
        "epochs": 2, "verbose": 1, "batch_size": 5, "validation_split": 0.2, **options})
    monkeypatch.undo()
    return stream.getvalue()


def test_progress_in_a_file_is_one_line_per_epoch(monkeypatch):
    lines = printed(monkeypatch, io.StringIO()).splitlines()
    assert lines[0] == "Train on 8 samples, validate on 2 samples"
    assert lines[1] == "Epoch 1/2" and lines[3] == "Epoch 2/2" and len(lines) == 5
    assert re.fullmatch(
        r"8/8 \[={30}\] - \d+s \d+(us|ms|s)/sample - loss: \d.\d{4} - accuracy: \d.\d{4}(e\+00)? "
        r"- val_loss: \d.\d{4} - val_accuracy: \d.\d{4}(e\+00)?", lines[2])


def test_progress_in_a_terminal_rewrites_its_line(monkeypatch):
    text = printed(monkeypatch, Terminal())
    assert "\r5/8 [=================>............] - ETA: " in text
    assert text.count("\n") == 5 and "\b" not in text


def test_verbose_two_has_no_bar(monkeypatch):
    lines = printed(monkeypatch, Terminal(), verbose=2).splitlines()
    assert len(lines) == 4 and re.match(r"\d+s - loss: ", lines[1])
