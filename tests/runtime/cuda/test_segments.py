"""What is put on the stream: graphs from the second run on, no waiting where nothing is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver, using_fake_gpu

import graphflow as gf
from graphflow.options import Options
from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.driver import CudaError, Geometry
from graphflow.runtime.cuda.executable import DeviceExecutable

RNG = np.random.default_rng(3)


def training_step() -> tuple[Any, Any, Any]:
    """A placeholder [None, 4], a loss of it, and a step that makes it smaller."""
    x = gf.placeholder(gf.float32, [None, 4])
    w = gf.Variable(np.ones((4, 4), np.float32))
    loss = gf.reduce_mean(gf.square(gf.matmul(gf.tanh(gf.matmul(x, w)), w) - x))
    return x, loss, gf.train.AdamOptimizer(0.01).minimize(loss)


def newest(session: gf.Session) -> DeviceExecutable:
    *_, variants = session._variants.values()
    return variants[-1].executable


def since(driver: FakeDriver, before: dict[str, int]) -> dict[str, int]:
    return {k: n - before.get(k, 0) for k, n in driver.counts.items() if n != before.get(k, 0)}


def test_the_second_run_is_captured_and_later_ones_replay_it(
    session: gf.Session, gpu: FakeDriver
) -> None:
    x, _, step = training_step()
    session.run(gf.global_variables_initializer())
    data = RNG.normal(size=(3, 4))
    found = []
    for _ in range(4):
        before = dict(gpu.counts)
        session.run(step, {x: data})
        session._placement[1].driver.synchronize(session._placement[1].stream)
        found.append(since(gpu, before))
    assert found[0]["launch"] > 2
    assert found[1:] == [{"replay": 1, "upload": 1}] * 3


def test_a_step_that_gives_nothing_does_not_wait(session: gf.Session, gpu: FakeDriver) -> None:
    x, loss, step = training_step()
    session.run(gf.global_variables_initializer())
    waits: list[Any] = []
    wait = gpu.wait
    gpu.wait = lambda event: (waits.append(event), wait(event))[1]  # type: ignore[method-assign]
    for _ in range(3):
        for _ in range(2):  # the pinned memory of a third one is that of the first
            session.run(step, {x: np.ones((2, 4))})
        gpu.synchronize(session._placement[1].stream)
    assert not waits
    session.run(loss, {x: np.ones((2, 4))})
    assert len(waits) == 1


def test_sizes_have_plans_and_graphs_of_their_own(
    session: gf.Session, gpu: FakeDriver
) -> None:
    x, loss, _ = training_step()
    session.run(gf.global_variables_initializer())
    for count in (2, 5) * 3:
        session.run(loss, {x: np.ones((count, 4))})
    plans = newest(session).stages[0].free_plans()
    assert [plan.replays() for plan in plans] == [2, 2]


def test_other_addresses_make_another_graph(session: gf.Session, gpu: FakeDriver) -> None:
    x, loss, _ = training_step()
    session.run(gf.global_variables_initializer())
    context = session._placement[1]
    arrays = [DeviceArray.of(context, np.full((2, 4), n, np.float32)) for n in (1, 2)]
    wanted = [session.run(loss, {x: np.full((2, 4), n)}) for n in (1, 2)]
    for turn in range(6):
        assert session.run(loss, {x: arrays[turn % 2]}) == wanted[turn % 2]


def test_a_loop_replays_its_body(session: gf.Session, gpu: FakeDriver) -> None:
    gpu.conditions = False  # the host decides
    x = gf.placeholder(gf.float32, [8])
    out = gf.while_loop(lambda i, v: i < 6, lambda i, v: (i + 1, gf.cumsum(gf.tanh(v))), [0, x])[1]
    expected = np.ones(8, np.float32)
    for _ in range(6):
        expected = np.cumsum(np.tanh(expected))
    np.testing.assert_allclose(session.run(out, {x: np.ones(8)}), expected, rtol=1e-5)
    assert newest(session).stages[0].free_plans()[0].replays() >= 4


def test_feeds_may_be_changed_at_once(graph: gf.Graph, gpu: FakeDriver) -> None:
    x = gf.placeholder(gf.float32, [3])
    total = gf.Variable(np.zeros(3, np.float32))
    add = gf.assign_add(total, x).op
    with gf.Session(graph=graph, device="cuda") as session:
        session.run(total.initializer)
        data = np.zeros(3, np.float32)
        for turn in range(30):
            data[:] = turn
            session.run(add, {x: data})
            data[:] = 1e6
        np.testing.assert_array_equal(session.run(total), np.full(3, sum(range(30))))


# ---- memory -------------------------------------------------------------------------------------


def test_memory_goes_back_when_a_session_is_gone(graph: gf.Graph, gpu: FakeDriver) -> None:
    x, loss, step = training_step()
    for _ in range(2):
        with gf.Session(graph=graph, device="cuda") as session:
            session.run(gf.global_variables_initializer())
            for _ in range(3):
                session.run([loss, step], {x: np.ones((2, 4))})
            context = session._placement[1]
        del session
        context.driver.synchronize(context.stream)
        context.let_go()
        del context
        import gc

        gc.collect()
        for stream in gpu._streams:
            gpu.synchronize(stream)
        assert gpu.in_use == 0


def test_out_of_memory_names_the_largest_buffers(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    table = gf.cumsum(x[:, None] * x, 0)
    with using_fake_gpu(limit=1 << 20), gf.Session(graph=graph, device="cuda") as session:
        assert session.run(table, {x: np.ones(4)})[3, 0] == 4.0
        with pytest.raises(gf.errors.ResourceExhaustedError) as info:
            session.run(table, {x: np.ones(1000)})
        text = str(info.value)
        assert "fake GPU has not" in text and "3.8 MiB: Cumsum float32 (a result)" in text
        assert session.run(table, {x: np.ones(5)})[4, 0] == 5.0


# ---- what the fake refuses ----------------------------------------------------------------------


def test_the_fake_gpu_refuses_what_a_gpu_would(gpu: FakeDriver) -> None:
    stream = gpu.new_stream()
    memory = gpu.allocate(64, stream)
    host = np.zeros(64, np.uint8)
    with pytest.raises(CudaError, match="not pinned"):
        gpu.upload(memory, host.ctypes.data, 64, stream)
    gpu.begin_capture(stream)
    with pytest.raises(CudaError, match="cannot wait while a graph is captured"):
        gpu.synchronize(stream)
    with pytest.raises(CudaError, match="cannot allocate while"):
        gpu.allocate(8, stream)
    gpu.end_capture(stream)
    gpu.copy(host.ctypes.data, memory, 8, stream)
    with pytest.raises(CudaError, match="illegal address"):
        gpu.synchronize(stream)
    gpu.free(memory, stream)
    gpu.fill(memory, 0, 2, stream)
    with pytest.raises(CudaError, match="illegal address"):
        gpu.synchronize(stream)


@pytest.mark.parametrize("geometry, complaint", [
    (Geometry((1, 1, 1), (2048, 1, 1)), "more than 1024 threads"),
    (Geometry((0, 1, 1), (32, 1, 1)), "has no threads"),
    (Geometry((1, 70000, 1), (32, 1, 1)), "blocks"),
    (Geometry((7, 2, 1), (32, 8, 1)), None)])
def test_geometries(geometry: Geometry, complaint: str | None) -> None:
    found = geometry.complaint()
    assert found == complaint if complaint is None else complaint in str(found)


def test_out_of_memory_for_what_is_fed(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    y = gf.reduce_sum(gf.exp(x))
    with using_fake_gpu(limit=1 << 20), gf.Session(graph=graph, device="cuda") as session:
        with pytest.raises(gf.errors.ResourceExhaustedError, match="fake GPU has not 3.8 MiB"):
            session.run(y, {x: np.zeros(1_000_000)})
        assert session.run(y, {x: np.zeros(7)}) == 7.0


def test_what_runs_on_the_cpu_says_so(graph: gf.Graph, gpu: FakeDriver) -> None:
    x = gf.placeholder(gf.float32, [2, 2])
    values = gf.linalg.svd(x * 2.0, compute_uv=False) + 1.0
    said: list[str] = []
    with gf.Session(graph=graph, options=Options(
            device="cuda", silence=frozenset({"not-compiled"}))) as session:
        assert session.run(values, {x: [[3, 0], [0, -5]]}).tolist() == [11.0, 7.0]
        said += newest(session).complaints()
    assert any("Svd runs on the CPU in a session on a GPU" in text for text in said)


def test_feeds_from_both_sides_in_turns(graph: gf.Graph, gpu: FakeDriver) -> None:
    """Whatever way a run goes, it computes with what it was fed and with the newest variables."""
    x = gf.placeholder(gf.float32, [None, 4])
    w = gf.Variable(np.eye(4, dtype=np.float32))
    v = gf.Variable(np.zeros(4, np.float32))
    step = gf.group(gf.assign_add(w, gf.matmul(x, x, transpose_a=True) * 0.1),
                    gf.assign_add(v, gf.reduce_sum(x, 0)))
    rng = np.random.default_rng(2)
    expected = np.eye(4, dtype=np.float32)
    options = Options(device="cuda", fetches="device")
    with gf.Session(graph=graph, options=options) as session:
        session.run(gf.global_variables_initializer())
        held: list[Any] = []
        for turn in range(24):
            data = rng.normal(size=(3 + turn % 2, 4)).astype(np.float32)
            fed = session.run(gf.identity(x), {x: data}) if turn % 3 == 1 else data
            if turn % 5 == 4:
                held.append(session.run(w))
                session.load(w, np.asarray(held[-1]))  # another place in memory
            session.run(step, {x: fed})
            expected = expected + data.T @ data * np.float32(0.1)
            np.testing.assert_allclose(np.asarray(session.run(w)), expected, rtol=1e-4, atol=1e-5)
    assert gpu.counts["replay"] >= 5
