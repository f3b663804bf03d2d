"""Optimised programs on disk: second processes run them without passes and scheduler."""

from __future__ import annotations

import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packages import copy_package, outcome
from packages import start as start_with

# An MLP with dropout, a conditional, a loop with its gradient, Adam, a moving average.
PROGRAM = """
import json, sys
import numpy as np
import graphflow as tf
from graphflow.runtime import prepared
made, make = [], prepared._make
def counting(*arguments):
    made.append(make(*arguments))
    return made[-1]
prepared._make = counting
scale, axis, batch = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
tf.set_random_seed(7)
x = tf.placeholder(tf.float32, [None, 6])
labels = tf.placeholder(tf.int32, [None])
kept = tf.constant(np.linspace(-1, 1, 36).reshape(6, 6) * scale, tf.float32)
w = tf.Variable(tf.truncated_normal([6, 4], stddev=0.3, seed=1))
h = tf.nn.dropout(tf.nn.relu(tf.matmul(x, kept)), rate=0.25, seed=3)
h = tf.cond(tf.reduce_sum(x) > 0, lambda: h * 2.0, lambda: h - 1.0)
h = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.tanh(v) + 0.1 * v), (0, h))[1]
logits = tf.matmul(h, w)
loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
train = tf.train.AdamOptimizer(0.01).minimize(loss)
sums = tf.reduce_sum(logits, axis=axis)
values = np.linspace(-2, 3, batch * 6).reshape(batch, 6).astype(np.float32)
feeds = {x: values, labels: np.arange(batch) % 4}
def run(device):
    with tf.Session(device=device) as session:
        session.run(tf.global_variables_initializer())
        found = [session.run([train, loss, sums, tf.gradients(loss, x)[0]], feeds)[1:]
                 for _ in range(2)] + [session.run(w)]
    return [a.tolist() for part in found for a in (part if isinstance(part, list) else [part])]
found = run("cpu")
print(json.dumps({
    "numba": "numba" in sys.modules, "made": len(made),
    "scheduler": "graphflow.codegen.schedule" in sys.modules, "found": found,
    "reference": run("reference")}))
"""
AS_FIRST = ("2.0", "1", "5")

start = partial(start_with, GRAPHFLOW_THREADS="2")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of graphflow, which nobody edits meanwhile."""
    return copy_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def filled(package: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A cache after a run of PROGRAM, and what that has found."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    return folder, run(package, folder)


@pytest.fixture
def cache(filled: tuple[Path, dict], tmp_path: Path) -> Path:
    """A copy of the filled cache."""
    return Path(shutil.copytree(filled[0], tmp_path / "cache"))


def run(
    package: Path, folder: Path, arguments: tuple[str, ...] = AS_FIRST, program: str = PROGRAM,
    **settings: str,
) -> dict[str, Any]:
    return outcome(start(package, folder, "-c", program, *arguments, **settings))


def program_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("programs/*/*"))


def assert_near_reference(found: dict[str, Any]) -> None:
    for array, wanted in zip(found["found"], found["reference"], strict=True):
        np.testing.assert_allclose(array, wanted, rtol=2e-5, atol=2e-6)


def was_prepared(found: dict[str, Any]) -> bool:
    """Whether nothing was left to passes, scheduler and compiler."""
    return not (found["numba"] or found["made"] or found["scheduler"])


# ---- second processes ---------------------------------------------------------------------------


def test_a_second_process_runs_no_pass_and_no_scheduler(
    package: Path, filled: tuple[Path, dict]
) -> None:
    folder, first = filled
    assert first["numba"] and first["made"] == 3 and first["scheduler"]
    assert_near_reference(first)
    names = [path.name for path in program_files(folder)]
    assert names and any(name.endswith("_answers") for name in names)
    second = run(package, folder)
    assert was_prepared(second) and second["found"] == first["found"]
    assert [path.name for path in program_files(folder)] == names


def test_the_number_of_threads_may_be_another_one(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    second = run(package, cache, GRAPHFLOW_THREADS="1")
    assert was_prepared(second) and second["found"] == filled[1]["found"]


@pytest.mark.parametrize("batch", ["4", "1"])
def test_another_batch_is_the_same_program(package: Path, cache: Path, batch: str) -> None:
    found = run(package, cache, ("2.0", "1", batch))
    assert_near_reference(found)
    again = run(package, cache, ("2.0", "1", batch))
    assert was_prepared(again) and again["found"] == found["found"]


@pytest.mark.parametrize("arguments", [("-0.5", "1", "5"), ("2.0", "0", "5")],
                         ids=["constant", "attribute"])
def test_an_edited_program_is_another_one(
    package: Path, filled: tuple[Path, dict], cache: Path, arguments: tuple[str, ...]
) -> None:
    found = run(package, cache, arguments)
    assert found["made"] and found["found"] != filled[1]["found"]
    assert_near_reference(found)
    assert was_prepared(run(package, cache, arguments))
    assert was_prepared(run(package, cache))


def test_disabled_passes_make_another_program(package: Path, cache: Path) -> None:
    settings = {"GRAPHFLOW_DISABLE_PASSES": "algebra"}
    assert run(package, cache, **settings)["scheduler"]
    assert not run(package, cache, **settings)["scheduler"]


def test_only_kernels_are_kept_if_the_environment_says_so(
    package: Path, cache: Path, tmp_path: Path
) -> None:
    assert run(package, cache, GRAPHFLOW_CACHE="kernels")["scheduler"]
    fresh = tmp_path / "fresh"
    run(package, fresh, GRAPHFLOW_CACHE="kernels")
    assert list(fresh.glob("kernels/*/*")) and not program_files(fresh)


def test_lost_kernels_are_compiled_from_what_is_kept(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    shutil.rmtree(cache / "kernels")
    found = run(package, cache)
    assert found["numba"] and not found["scheduler"] and found["found"] == filled[1]["found"]


def test_two_processes_at_once(
    package: Path, filled: tuple[Path, dict], tmp_path: Path
) -> None:
    both = [start(package, tmp_path / "cache", "-c", PROGRAM, *AS_FIRST) for _ in range(2)]
    for process in both:
        assert outcome(process)["found"] == filled[1]["found"]
    assert was_prepared(run(package, tmp_path / "cache"))


# ---- trouble ------------------------------------------------------------------------------------


def test_damaged_files_are_replaced(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    damages = [lambda b: b[:-7], lambda b: b"", lambda b: b[:99] + bytes([b[99] ^ 1]) + b[100:],
               lambda b: os.urandom(len(b))]
    paths = program_files(cache)
    for number, path in enumerate(paths):
        path.write_bytes(damages[number % len(damages)](path.read_bytes()))
    found = run(package, cache)
    assert found["scheduler"] and found["found"] == filled[1]["found"]
    assert program_files(cache) == paths
    assert was_prepared(run(package, cache))


def test_files_under_wrong_names_are_replaced(
    package: Path, filled: tuple[Path, dict], cache: Path
) -> None:
    paths = program_files(cache)
    contents = [path.read_bytes() for path in paths]
    for path, other in zip(paths, contents[1:] + contents[:1]):
        path.write_bytes(other)
    assert run(package, cache)["found"] == filled[1]["found"]
    assert was_prepared(run(package, cache))


def test_an_edit_of_graphflow_makes_programs_anew(tmp_path: Path) -> None:
    package, folder = copy_package(tmp_path), tmp_path / "cache"
    run(package, folder)
    for edited, prepared in (("passes/rules.py", False), ("ops/activation.py", False),
                             ("shapes.py", False), ("keras/models.py", True)):
        with open(package / "graphflow" / edited, "a") as source:
            source.write("# edited\n")
        time.sleep(0.1)
        assert run(package, folder)["scheduler"] is not prepared, edited
        assert not run(package, folder)["scheduler"]


def test_a_source_that_changes_under_a_process(tmp_path: Path) -> None:
    package, folder = copy_package(tmp_path), tmp_path / "cache"
    edit = f"""
import graphflow
with open({str(package / "graphflow/passes/fold.py")!r}, "a") as source:
    source.write("# edited")
"""
    run(package, folder, program=edit + PROGRAM)
    assert not program_files(folder)


# ---- where nodes come from ----------------------------------------------------------------------

ERRING = """
import json, sys
import graphflow as tf
x = tf.placeholder(tf.float32, [None, 3])
rows = tf.placeholder(tf.int32, [None])
y = tf.gather(x * 2.0, rows, name="taken")
session = tf.Session()
try:
    session.run(y, {x: [[1, 2, 3]], rows: [4]})
except tf.errors.InvalidArgumentError as error:
    said = str(error)
print(json.dumps({"said": said, "scheduler": "graphflow.codegen.schedule" in sys.modules}))
"""


def test_moved_lines_are_the_same_program_and_messages_name_the_new_ones(
    package: Path, tmp_path: Path
) -> None:
    script, found = tmp_path / "erring.py", []
    for lines in (0, 3):
        script.write_text("\n" * lines + ERRING)
        found.append(outcome(start(package, tmp_path / "cache", str(script))))
    first, second = found
    assert first["scheduler"] and not second["scheduler"]
    assert "erring.py:6" in first["said"] and "erring.py:9" in second["said"]
    assert second["said"] == first["said"].replace("erring.py:6", "erring.py:9")
