"""What is kept of programs for GPUs: results of passes on disk, code in exported files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from fake_gpu import LlvmMaker, using_fake_gpu

import graphflow as gf
from graphflow.codegen.cache import KernelStore
from graphflow.runtime import prepared
from graphflow.runtime.cuda import given

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def network() -> tuple[Any, Any]:
    x = gf.placeholder(gf.float32, [None, 4], name="x")
    w = gf.get_variable("w", initializer=np.full((4, 2), 0.5, np.float32))
    y = gf.nn.softmax(gf.matmul(x, w)[:, ::-1])
    return x, gf.reduce_sum(gf.sort(y), 0)


def compiler_fails(*_: Any) -> Any:
    raise AssertionError("this was to be found, not made")


@pytest.fixture
def nothing_given() -> Iterator[None]:
    """What tests give to this process, it forgets."""
    with mock.patch.object(given, "_given", {}), mock.patch.object(prepared, "_given", {}):
        yield


def run_once() -> np.ndarray:
    with using_fake_gpu(engine="llvm"), gf.Graph().as_default() as graph:
        x, y = network()
        with gf.Session(graph=graph, device="cuda") as session:
            session.run(gf.global_variables_initializer())
            return session.run(y, {x: X})


def test_results_of_passes_are_kept_beside_those_for_the_cpu(tmp_path: Path) -> None:
    store = KernelStore(tmp_path, "a" * 32, [], "programs")
    with mock.patch.object(prepared, "program_store", lambda: store):
        first = run_once()
        with mock.patch.object(prepared, "_make", compiler_fails):
            np.testing.assert_array_equal(run_once(), first)
            with gf.Graph().as_default() as graph, gf.Session(graph=graph, device="cpu") as cpu:
                x, y = network()  # a program for the CPU is another one
                with pytest.raises(AssertionError, match="to be found"):
                    cpu.run(y, {x: X})


@pytest.fixture
def file(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file with code for the GPU on which its session ran, and a value."""
    path = tmp_path / "net.gflow"
    with using_fake_gpu(engine="llvm"), gf.Graph().as_default() as graph:
        x, y = network()
        with gf.Session(graph=graph, device="cuda") as session:
            session.run(gf.global_variables_initializer())
            gf.export(path, {"serve": ({"x": x}, {"y": y})}, session, compiled=True)
            return path, session.run(y, {x: X})


def served(path: Path, native: str | None) -> tuple[np.ndarray, int]:
    """What the file gives on another GPU, and how many kernels were compiled there."""
    with using_fake_gpu(engine="llvm"):
        loaded = gf.load(path, native=native)
        with loaded.session(device="cuda") as session:
            found = loaded.signatures["serve"].run(session, x=X)["y"]
            return found, session.placement[0].codes.compiled


@pytest.mark.usefixtures("nothing_given")
def test_code_in_a_file_that_is_trusted(file: tuple[Path, np.ndarray]) -> None:
    path, expected = file
    with mock.patch.object(prepared, "program_store", lambda: None):
        found, compiled = served(path, None)
        assert compiled > 0
        np.testing.assert_array_equal(found, expected)
        with mock.patch.object(prepared, "_make", compiler_fails):
            found, compiled = served(path, "trusted")
            assert compiled == 0
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("nothing_given")
def test_code_for_another_gpu_is_left_alone(
    file: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = file
    monkeypatch.setattr(LlvmMaker, "settings", lambda self: ("another",))
    found, compiled = served(path, "trusted")
    assert compiled > 0
    np.testing.assert_array_equal(found, expected)
