"""Which device a session takes, and what is said where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_gpu import FakeDriver, using_fake_gpu

import graphflow as gf
from graphflow import hardware
from graphflow.options import Options
from graphflow.runtime import placement


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a machine with or without NVIDIA's driver and the packages of the extra."""

    def make(driver: bool, packages: bool) -> None:
        monkeypatch.setattr(hardware, "cuda_driver", lambda: object() if driver else None)
        missing = [] if packages else ["numba-cuda"]
        monkeypatch.setattr(hardware, "missing_cuda_packages", lambda: missing)
        monkeypatch.setattr("graphflow.test.missing_cuda_packages", lambda: missing)
        monkeypatch.setattr(placement, "_told", set())

    return make


@pytest.mark.parametrize("driver, packages, words, absent", [
    (False, False, "driver (libcuda) was not found", ""),
    (False, True, "driver (libcuda) was not found", "pip install"),
    (True, False, "packages for it are not installed (numba-cuda): pip install 'graphflow[cuda]'",
     "libcuda")])
def test_without_a_gpu_or_the_extra_the_error_says_which(
    machine: Any, driver: bool, packages: bool, words: str, absent: str
) -> None:
    machine(driver, packages)
    with pytest.raises(gf.errors.UnavailableError) as info:
        gf.Session(device="cuda")
    assert words in str(info.value)
    assert not absent or absent not in str(info.value)
    assert not gf.test.is_gpu_available() and gf.test.gpu_device_name() == ""
    assert gf.test.is_built_with_cuda() is packages


def test_auto_takes_the_cpu_where_something_is_missing(machine: Any, capsys: Any) -> None:
    machine(True, False)
    with gf.Session() as session:
        assert session.list_devices() == ["/device:CPU:0"]
    assert capsys.readouterr().err == ""


def test_auto_takes_a_gpu_and_says_so_once(machine: Any, capsys: Any) -> None:
    machine(True, True)
    with using_fake_gpu():
        for _ in range(2):
            with gf.Session() as session:
                assert session.list_devices() == ["/device:CPU:0", "/device:GPU:0"]
                assert session.run(gf.constant(2.0) * 3.0) == 6.0
        assert gf.test.is_gpu_available()
        assert not gf.test.is_gpu_available(min_cuda_compute_capability=(10, 0))
        assert gf.test.gpu_device_name() == "/device:GPU:0"
        devices = gf.config.experimental.list_physical_devices("GPU")
        assert [d.name for d in devices] == ["/physical_device:GPU:0"]
        with gf.Session(device="cpu") as session:
            assert session.list_devices() == ["/device:CPU:0"]
    said = capsys.readouterr().err
    assert said.count("run on /device:GPU:0 (fake GPU)") == 1


def test_the_environment_asks_for_a_gpu(monkeypatch: pytest.MonkeyPatch, machine: Any) -> None:
    machine(False, False)
    monkeypatch.setenv("GRAPHFLOW_DEVICE", "cuda")
    with pytest.raises(gf.errors.UnavailableError):
        gf.Session()
    with using_fake_gpu(), gf.Session() as session:
        assert "/device:GPU:0" in session.list_devices()


def test_soft_placement_takes_the_cpu(machine: Any, capsys: Any) -> None:
    machine(False, False)
    config = gf.ConfigProto(allow_soft_placement=True, log_device_placement=True)
    with gf.Session(config=config, device="cuda") as session:
        assert session.run(gf.constant(2.0) * 3.0) == 6.0
    assert "run on /device:CPU:0" in capsys.readouterr().err


def test_a_config_hides_gpus(machine: Any, gpu: FakeDriver) -> None:
    machine(True, True)
    hiding = gf.ConfigProto(device_count={"GPU": 0})
    with gf.Session(config=hiding) as session:
        assert session.list_devices() == ["/device:CPU:0"]
    with pytest.raises(gf.errors.UnavailableError, match="hides GPUs"):
        gf.Session(config=hiding, device="cuda")


@pytest.mark.parametrize("name", ["/gpu:0", "/device:GPU:0", "/job:worker/task:0/device:GPU:0"])
def test_operations_that_ask_for_a_gpu(machine: Any, graph: gf.Graph, name: str) -> None:
    machine(False, False)
    with gf.device(name):
        y = gf.constant(2.0, name="two") * 3.0
    with gf.device("/cpu:0"):
        z = gf.constant(1.0) + 1.0
    with gf.Session() as session:
        assert session.run(z) == 2.0
        with pytest.raises(gf.errors.InvalidArgumentError) as info:
            session.run(y)
    assert name in str(info.value) and "libcuda" in str(info.value)
    assert "allow_soft_placement" in str(info.value) and info.value.op.device == name
    soft = gf.ConfigProto(allow_soft_placement=True)
    for options in ({"config": soft}, {"device": "cpu"}, {"device": "reference"}):
        with gf.Session(**options) as session:
            assert session.run(y) == 6.0
    with using_fake_gpu(), gf.Session(device="cuda") as session:
        assert session.run([y, z]) == [6.0, 2.0]


def test_operations_that_ask_for_a_second_gpu(gpu: FakeDriver, graph: gf.Graph) -> None:
    with gf.device("/gpu:1"):
        y = gf.constant(2.0) * 3.0
    with gf.Session(device="cuda") as session, pytest.raises(
            gf.errors.InvalidArgumentError, match="/gpu:1 .*runs on GPU 0 alone"):
        session.run(y)
    soft = gf.ConfigProto(allow_soft_placement=True)
    with gf.Session(device="cuda", config=soft) as session:
        assert session.run(y) == 6.0


def test_wrong_names() -> None:
    with pytest.raises(ValueError, match="fetches must be 'host' or 'device', got 'gpu'"):
        Options(fetches="gpu")
