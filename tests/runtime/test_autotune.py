"""`Options(autotune=True)`: what is measured is kept, what is kept is built."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.cache import KernelStore
from graphflow.codegen.choices import MOST_WAYS, Choices, Measured, choose, choosing
from graphflow.codegen.compile import kernel_name
from graphflow.codegen.settings import Settings, using
from graphflow.codegen.steps import Launch
from graphflow.errors import AttributeValueError
from graphflow.runtime import autotune, executables
from graphflow.runtime.autotune import LaunchTuner

ROWS, TERMS, COLUMNS = 40, 70, 96


@pytest.fixture
def tuner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LaunchTuner]:
    """A tuner with a folder of its own, which all sessions use."""
    made = LaunchTuner(1, KernelStore(tmp_path, "here", ()))
    monkeypatch.setattr(autotune, "tuner_of", lambda threads: made)
    monkeypatch.setenv("GRAPHFLOW_CACHE", "kernels")  # programs are scheduled each time
    yield made


def slower_first(times: list[list[str]]) -> Callable[..., list[float]]:
    """In place of a clock: the model's way takes 3, others 2, all changes together 1."""
    def least_times(launches: list[Launch], threads: int) -> list[float]:
        times.append([kernel_name(s.kernel) for s in launches])
        return [3.0] + [2.0 - 0.01 * k for k in range(1, len(launches))]

    return least_times


def relu_of_product() -> tuple[Any, dict[Any, np.ndarray]]:
    draw = np.random.default_rng(0).normal
    x, w = (gf.placeholder(gf.float32, s) for s in ((ROWS, TERMS), (TERMS, COLUMNS)))
    feeds = {p: draw(size=p.shape.as_list()).astype(np.float32) for p in (x, w)}
    return gf.nn.relu(gf.matmul(x, w)), feeds


def symbols(session: gf.Session, y: Any, feeds: dict[Any, np.ndarray]) -> list[str]:
    return [k.symbol for k in session.explain(y, feeds).kernels if k.kind == "contraction"]


# ---- choices ------------------------------------------------------------------------------------


def test_the_model_chooses_where_nothing_is_prescribed() -> None:
    assert choose("size", [3, 1, 2], abs) == 1


def test_ranks_are_the_models() -> None:
    choices = Choices({"size": 2, "other": 9})
    with choosing(choices):
        assert choose("size", [5, 1, 4, 2, 3, 7], abs) == 3
        assert choose("other", [5, 1], abs) == 5  # the last there is
        assert choose("third", [5, 1], abs) == 1
    assert choices.ways == {"size": MOST_WAYS, "other": 2, "third": 2}


def test_ways_of_one_cost_are_one_way() -> None:
    with choosing(Choices({"size": 1})):
        assert choose("size", [-1, 1, 2], abs) == 2


# ---- what is measured ---------------------------------------------------------------------------


def test_a_measured_choice_is_built(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, feeds = relu_of_product()
    x, w = feeds.values()
    times: list[list[str]] = []
    monkeypatch.setattr(autotune, "least_times", slower_first(times))
    with gf.Session() as plain, gf.Session(options=gf.Options(autotune=True)) as tuned:
        (model,) = symbols(plain, y, feeds)
        (chosen,) = symbols(tuned, y, feeds)
        found = tuned.run(y, feeds)
    assert tuner.measured == 1
    assert times[0][0] == model
    assert chosen == times[-1][-1] != model
    np.testing.assert_allclose(found, np.maximum(x @ w, 0), rtol=1e-5, atol=1e-5)


def test_what_is_hardly_faster_is_not_taken(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, feeds = relu_of_product()
    monkeypatch.setattr(
        autotune, "least_times", lambda launches, _: [1.0, *[0.99] * (len(launches) - 1)])
    with gf.Session() as plain, gf.Session(options=gf.Options(autotune=True)) as tuned:
        assert symbols(plain, y, feeds) == symbols(tuned, y, feeds)


def test_every_way_gives_the_product(tuner: LaunchTuner) -> None:
    """Whatever is prescribed, one at a time, with the clock of this machine for once."""
    y, feeds = relu_of_product()
    x, w = feeds.values()
    for name in ("tile", "panel", "chunk", "slab"):
        for rank in range(1, MOST_WAYS):
            with gf.Session(options=gf.Options(autotune=True)) as session, (
                    pytest.MonkeyPatch.context()) as patch:
                patch.setattr(LaunchTuner, "best", lambda self, build, n=name, r=rank:
                              autotune._built(build, Choices({n: r})))
                found = session.run(y, feeds)
            np.testing.assert_allclose(found, np.maximum(x @ w, 0), rtol=1e-5, atol=1e-5)


def test_one_choice_gives_one_result_for_any_number_of_threads(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(1).normal
    image, filter = (draw(size=s).astype(np.float32) for s in ((9, 12, 12, 16), (3, 3, 16, 32)))
    x, f = gf.placeholder(gf.float32, image.shape), gf.placeholder(gf.float32, filter.shape)
    y = gf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME")
    made = [y, *gf.gradients(gf.square(y), [x, f])]
    monkeypatch.setattr(LaunchTuner, "best", lambda self, build: autotune._built(
        build, Choices({"tile": 2, "slab": 1})))
    found = []
    for threads in (1, 3):
        with gf.Session(options=gf.Options(autotune=True, threads=threads)) as session:
            found.append(session.run(made, {x: image, f: filter}))
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)


def test_unknown_sizes_are_left_to_the_model(tuner: LaunchTuner) -> None:
    x, w = gf.placeholder(gf.float32, [None, TERMS]), gf.placeholder(gf.float32, [TERMS, COLUMNS])
    feeds = {x: np.ones((5, TERMS)), w: np.ones((TERMS, COLUMNS))}
    with gf.Session(options=gf.Options(autotune=True)) as session:
        assert (session.run(gf.matmul(x, w), feeds) == TERMS).all()
    assert (tuner.measured, tuner.found) == (0, 0)


def test_equal_kernels_are_measured_once(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "least_times", slower_first([]))
    w = gf.constant(np.ones((32, 32), np.float32))
    x = h = gf.placeholder(gf.float32, [40, 32])
    for _ in range(3):
        h = gf.nn.relu(gf.matmul(h, w))
    with gf.Session(options=gf.Options(autotune=True)) as session:
        session.run(h, {x: np.ones((40, 32))})
    assert tuner.measured == 1


# ---- what is kept -------------------------------------------------------------------------------


def again(tuner: LaunchTuner, **changed: Any) -> LaunchTuner:
    """As a new process would have it."""
    return LaunchTuner(changed.get("threads", 1), tuner._store)


def run_with(tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(autotune, "tuner_of", lambda threads: tuner)
    y, feeds = relu_of_product()
    with gf.Session(options=gf.Options(autotune=True)) as session:
        (symbol,) = symbols(session, y, feeds)
    return symbol


def test_a_choice_on_disk_is_built_and_nothing_is_measured(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "least_times", slower_first([]))
    chosen = run_with(tuner, monkeypatch)
    other = again(tuner)
    assert run_with(other, monkeypatch) == chosen
    assert (other.measured, other.found) == (0, 1)


@pytest.mark.parametrize("change", [
    lambda _: b"", lambda _: b"[1, 2", lambda _: b'{"ranks": 3}',
    lambda _: json.dumps([[["tile", 99]], [], 1]).encode(),
    lambda _: json.dumps([[["unheard of", 1]], [], 1]).encode()])
def test_what_cannot_be_read_is_measured_anew(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(autotune, "least_times", slower_first([]))
    chosen = run_with(tuner, monkeypatch)
    (name,) = tuner._known
    store = tuner._store
    assert store is not None
    before = store.read(name)
    assert before is not None
    store.write({name: change(before)})
    other = again(tuner)
    assert run_with(other, monkeypatch) == chosen
    assert other.measured == 1
    assert store.read(name) == before


def test_each_number_of_threads_has_its_own(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "least_times", slower_first([]))
    run_with(tuner, monkeypatch)
    other = again(tuner, threads=2)
    run_with(other, monkeypatch)
    assert other.measured == 1


PROGRAM = """
import numpy as np
import graphflow as gf
from graphflow.runtime.autotune import tuner_of

x, w = (gf.placeholder(gf.float32, s) for s in ((40, 70), (70, 96)))
with gf.Session(options=gf.Options(autotune=True, threads=1)) as session:
    y = session.run(gf.matmul(x, w), {x: np.ones((40, 70)), w: np.ones((70, 96))})
assert (y == 70).all()
print(tuner_of(1).measured)
"""


def test_a_second_process_measures_nothing(tmp_path: Path) -> None:
    environment = {"GRAPHFLOW_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin",
                   "PYTHONPATH": str(Path(gf.__file__).parent.parent)}
    for mode, expected in (("kernels", "1"), ("kernels", "0"), ("1", "0")):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment | {"GRAPHFLOW_CACHE": mode},
            capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


# ---- options ------------------------------------------------------------------------------------


def test_explain_says_what_was_measured(
    tuner: LaunchTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "least_times", slower_first([]))
    y, feeds = relu_of_product()
    with gf.Session(options=gf.Options(autotune=True)) as session:
        made = session.explain(y, feeds)
    (kernel,) = made.kernels
    assert isinstance(kernel.measured, Measured)
    assert kernel.measured.seconds[0] == ("model", 3.0)
    assert "model 3000000.0 µs" in str(made)


def test_programs_of_other_settings_have_other_names(tuner: LaunchTuner) -> None:
    assert Settings().key() == ()
    assert Settings(tuner=tuner).key() == ("autotune 1 threads",)
    with using(Settings(tuner=tuner)):
        assert executables.settings_of(gf.Options()).tuner is None


def test_the_environment_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not gf.Options.from_environment().autotune
    monkeypatch.setenv("GRAPHFLOW_AUTOTUNE", "1")
    assert gf.Options.from_environment().autotune


def test_a_value_that_is_no_bool_is_refused() -> None:
    with pytest.raises(AttributeValueError, match="autotune must be True or False, got 'yes'"):
        gf.Options(autotune="yes")  # type: ignore[arg-type]  # what is tested
