"""`graphflow demo`, as a user types it."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from click.testing import CliRunner

from graphflow.cli import main


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHFLOW_SILENCE", "not-compiled")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def accuracy(output: str) -> float:
    return float(re.search(r"it names (\d+\.\d+)% of the", output).group(1))


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_learns_the_digits(device):
    few = ["--epochs", "4", "--limit", "300"] if device == "reference" else []
    output = run("--device", device, *few)
    assert "28×28×1 values each, 10 classes" in output
    assert accuracy(output) >= (75.0 if few else 97.0)


SMALL = ("--batch-size", "16")


def test_resumed_training_is_the_unbroken_one():
    run("--limit", "200", "--epochs", "1", "--checkpoint", "broken", *SMALL)
    resumed = run("--limit", "200", "--epochs", "1", "--checkpoint", "broken", *SMALL, "--resume")
    assert "went on after 1 epochs" in resumed
    unbroken = run("--limit", "200", "--epochs", "2", "--checkpoint", "unbroken", *SMALL)
    assert accuracy(resumed) == accuracy(unbroken)
    assert re.search(r"to (\d+\.\d+); it", resumed).group(1) == (
        re.search(r"to (\d+\.\d+); it", unbroken).group(1))


def write_idx(path, array: np.ndarray) -> None:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def test_trains_on_mnist_files(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("train", 60), ("t10k", 20)):
        labels = np.arange(count) % 10
        images = rng.integers(0, 40, (count, 28, 28))
        images[np.arange(count), labels * 2 + 4] = 255
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", labels)
    output = run("--data", str(tmp_path), "--epochs", "4", "--batch-size", "10")
    assert "60 images to train on, 20 held out" in output


@pytest.mark.parametrize("arguments, message", [
    (["--resume"], "There is no checkpoint in graphflow-demo to resume from"),
    (["--data", "nowhere"], "nowhere"),
    (["--epochs", "0"], "0 is not in the range"),
    (["--device", "tpu"], "'tpu' is not one of"),
])
def test_wrong_input_is_told(arguments, message):
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
