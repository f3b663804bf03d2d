"""Arrays on the GPU: fetched without waiting, fed and handed on without copies."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.options import Options
from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.dlpack import CUDA, Taken, capsule_of


@pytest.fixture
def keeping(graph: gf.Graph, gpu: FakeDriver) -> Any:
    with gf.Session(graph=graph, options=Options(device="cuda", fetches="device")) as made:
        yield made


def test_fetches_stay_on_the_gpu_until_they_are_read(keeping: gf.Session, gpu: FakeDriver) -> None:
    x = gf.placeholder(gf.float32, [None, 2])
    y, total = gf.square(x), gf.reduce_sum(x)
    squares, number = keeping.run([y, total], {x: [[1, 2], [3, 4]]})
    assert isinstance(squares, DeviceArray) and isinstance(number, DeviceArray)
    assert not gpu.counts.get("download"), "nothing was read yet"
    assert (squares.shape, squares.dtype, squares.ndim, len(squares)) == ((2, 2), np.float32, 2, 2)
    np.testing.assert_array_equal(squares, [[1, 4], [9, 16]])
    assert float(number) == 10.0 and f"{number:.1f}" == "10.0" and number.item() == 10.0
    assert squares[1].tolist() == [9, 16] and squares.tolist() == [[1, 4], [9, 16]]
    assert repr(squares) == "<gf.DeviceArray [2, 2] float32 on /device:GPU:0>"


def test_a_fetched_array_is_not_changed_by_later_runs(keeping: gf.Session) -> None:
    v = gf.Variable([1.0, 2.0])
    more = gf.assign_add(v, [1.0, 1.0])
    keeping.run(v.initializer)
    found = [keeping.run(more) for _ in range(4)]
    assert [a.tolist() for a in found] == [[2, 3], [3, 4], [4, 5], [5, 6]]


def test_arrays_of_one_run_are_fed_to_the_next_without_a_copy(
    keeping: gf.Session, gpu: FakeDriver
) -> None:
    x = gf.placeholder(gf.float32, [None])
    y = gf.cumsum(x) + 1.0
    value = keeping.run(y, {x: [1, 1, 1]})
    uploads = gpu.counts["upload"]
    for _ in range(5):
        value = keeping.run(y, {x: value})
    assert gpu.counts["upload"] == uploads
    expected = np.ones(3)
    for _ in range(6):
        expected = np.cumsum(expected) + 1
    np.testing.assert_array_equal(value, expected)


def test_arrays_of_another_session(graph: gf.Graph, keeping: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    value = keeping.run(x * 2.0, {x: [1, 2]})
    y = x + 1.0
    with gf.Session(graph=graph, device="cuda") as other:
        assert other.run(y, {x: value}).tolist() == [3.0, 5.0]
    with gf.Session(graph=graph, device="cpu") as host:
        with pytest.raises(ValueError, match="DeviceArray on a GPU: the session runs on the CPU"):
            host.run(y, {x: value})
        assert host.run(y, {x: value.numpy()}).tolist() == [3.0, 5.0]


class Foreign:
    """An array of another library: over memory of the fake GPU, with one of the protocols."""

    def __init__(self, array: DeviceArray, described: bool, strides: Any = None) -> None:
        self.array = array
        if described:
            self.__cuda_array_interface__ = dict(array.__cuda_array_interface__, strides=strides)
        else:
            self.__dlpack__ = array.__dlpack__
            self.__dlpack_device__ = array.__dlpack_device__


@pytest.mark.parametrize("described", [True, False])
def test_arrays_of_other_libraries(
    graph: gf.Graph, session: gf.Session, gpu: FakeDriver, described: bool
) -> None:
    x = gf.placeholder(gf.int32, [None, 2])
    y = x * 10
    array = DeviceArray.of(session._placement[1], np.array([[1, 2], [3, 4]], np.int32))
    assert session.run(y, {x: Foreign(array, described)}).tolist() == [[10, 20], [30, 40]]
    with gf.Session(graph=graph, device="cpu") as host:
        if described:
            with pytest.raises(ValueError, match="on a GPU: the session runs on the CPU"):
                host.run(y, {x: Foreign(array, described)})


def test_arrays_that_cannot_be_fed(graph: gf.Graph, session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 2])
    y = x * 10.0
    context = session._placement[1]
    with pytest.raises(ValueError, match="float64 values on a GPU.*Cast it first"):
        session.run(y, {x: DeviceArray.of(context, np.ones((2, 2)))})
    with pytest.raises(ValueError, match=r"shape \[3\]"):
        session.run(y, {x: DeviceArray.of(context, np.ones(3, np.float32))})
    turned = Foreign(DeviceArray.of(context, np.ones((3, 2), np.float32)), True, (4, 12))
    with pytest.raises(ValueError, match="Make it contiguous"):
        session.run(y, {x: turned})


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int64", "uint8", "bool", "complex64"])
def test_dlpack_there_and_back(session: gf.Session, name: str) -> None:
    dtype = dt.as_dtype(name).numpy
    array = DeviceArray.of(session._placement[1], np.ones((2, 3), dtype))
    assert array.__dlpack_device__() == (CUDA, 0)
    taken = Taken(capsule_of(array))
    assert (taken.shape, taken.dtype, taken.address) == ((2, 3), dtype, array.address)
    assert taken.contiguous


def test_a_capsule_keeps_the_memory_until_it_is_given_back(
    session: gf.Session, gpu: FakeDriver
) -> None:
    context = session._placement[1]

    def in_use() -> int:
        gpu.synchronize(context.stream)
        return gpu.in_use

    before = in_use()
    taken = Taken(capsule_of(DeviceArray.of(context, np.ones(100))))
    assert in_use() == before + 800
    del taken
    assert in_use() == before
    unused = capsule_of(DeviceArray.of(context, np.ones(100)))
    assert in_use() == before + 800
    del unused
    assert in_use() == before


class OnlyDlpack:
    """A host array that is shared by DLPack alone."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **wishes: Any) -> Any:
        return self.array.__dlpack__(**wishes)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_host_arrays_by_dlpack(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    with gf.Session(graph=graph) as session:
        found = session.run(x * 2.0, {x: OnlyDlpack(np.arange(3, dtype=np.float32))})
        assert found.tolist() == [0, 2, 4]


# ---- sessions and threads -----------------------------------------------------------------------


def test_two_sessions_have_variables_of_their_own(graph: gf.Graph, gpu: FakeDriver) -> None:
    v = gf.Variable(0.0)
    add = gf.assign_add(v, 1.0)
    with gf.Session(graph=graph, device="cuda") as one, (
            gf.Session(graph=graph, device="cuda")) as two:
        for session in (one, two):
            session.run(v.initializer)
        for _ in range(3):
            one.run(add)
        assert (one.run(v), two.run(v)) == (3.0, 0.0)


def test_threads_that_read_and_write_one_variable(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [16])
    v = gf.Variable(np.zeros(16, np.float32))
    add = gf.assign_add(v, x)
    spread = gf.reduce_max(v * 1.0) - gf.reduce_min(v * 1.0)
    session.run(v.initializer)
    failures: list[Any] = []

    def work(number: int) -> None:
        try:
            for _ in range(15):
                session.run(add.op if number % 2 else add, {x: np.ones(16)})
                if session.run(spread) != 0.0:
                    failures.append("a value was read while it was changed")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    np.testing.assert_array_equal(session.run(v), np.full(16, 60))
