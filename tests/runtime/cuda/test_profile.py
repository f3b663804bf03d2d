"""`Session.profile` and traces on a GPU: launches stand between events, by operation and line.

The fake GPU's clock goes on by `PIECE` nanoseconds with each piece of work, and stands otherwise.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from fake_gpu import PIECE, FakeDriver

import graphflow as gf
from graphflow.options import Options

X = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)


def line_after() -> int:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno + 1


def test_kernels_are_told_by_operations_and_lines(gpu: FakeDriver, session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8], name="x")
    w = gf.get_variable("w", [8, 3])
    line = line_after()
    y = gf.matmul(x, w, name="product")
    session.run(w.initializer)
    made = session.profile(y, {x: X}, runs=3)
    kernel, = (k for k in made.kernels if k.kernel.kind == "contraction")
    assert kernel.origin.name == "product" and kernel.calls == 1 and made.runs == 3
    assert str(kernel.origin.site).endswith(f"test_profile.py:{line}")
    assert kernel.flops == 2 * 4 * 8 * 3 and kernel.seconds == pytest.approx(1e-9 * PIECE)
    assert made.lines[0].site.endswith(f"test_profile.py:{line}")
    assert "product" in str(made)


def test_a_kernel_of_several_launches_is_one_call(gpu: FakeDriver, session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    made = session.profile(gf.argsort(x), {x: X.reshape(-1)}, runs=2)
    sort, = (k for k in made.kernels if k.kernel.kind == "library")
    assert sort.calls == 1 and sort.seconds == pytest.approx(1e-9 * PIECE)
    long = np.arange(3000, dtype=np.float32)[::-1].copy()
    made = session.profile(gf.argsort(x), {x: long}, runs=2)
    sort, = (k for k in made.kernels if k.kernel.kind == "library")
    assert sort.calls == 1 and sort.seconds == pytest.approx(14e-9 * PIECE)  # 4 digits of 3, and 2


def test_loops_steps_in_python_and_variables(gpu: FakeDriver, session: gf.Session) -> None:
    w = gf.get_variable("w", [8], initializer=gf.ones_initializer())
    _, total = gf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, gf.tanh(s) + w),
                             [0, gf.zeros([8])])
    there = gf.py_func(lambda a: a * 2, [total], gf.float32)
    step = gf.assign_add(w, gf.ones([8]))
    session.run(w.initializer)
    made = session.profile([there, step], runs=2)
    inside = [k for k in made.kernels if k.calls == 5]
    assert inside and all(k.seconds == pytest.approx(5e-9 * PIECE) for k in inside)
    assert [h.host.op for h in made.host_steps] == ["PyFunc"] and made.host_seconds > 0
    np.testing.assert_array_equal(session.run(w), np.ones(8))  # as before the profile


def test_kernels_that_run_on_the_cpu_are_there_too(gpu: FakeDriver, graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None, None])
    options = Options(device="cuda", silence=frozenset({"not-compiled"}))
    with gf.Session(graph=graph, options=options) as session:
        made = session.profile(gf.linalg.svd(x, compute_uv=False), {x: X[:, :4]}, runs=1)
    svd, = (k for k in made.kernels if k.kernel.kind == "library")
    assert svd.calls == 1 and svd.seconds > 0


def test_full_trace(gpu: FakeDriver, session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    y = gf.reduce_sum(gf.matmul(x, x, transpose_b=True, name="product"))
    metadata: Any = gf.RunMetadata()
    options = gf.RunOptions(trace_level=gf.RunOptions.FULL_TRACE)
    found = session.run(y, {x: X}, options=options, run_metadata=metadata)
    assert found == pytest.approx((X.astype(np.float64) @ X.T).sum(), rel=1e-4, abs=1e-4)
    assert any("product" in repr(d) for d in metadata.step_stats.dev_stats)


def test_timed_runs_give_what_others_give(gpu: FakeDriver, session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 8])
    w = gf.get_variable("w", [8, 8], initializer=gf.ones_initializer())
    loss = gf.reduce_mean(gf.square(gf.matmul(x, w)))
    step = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    session.run(gf.global_variables_initializer())
    before = session.run(loss, {x: X})
    assert session.profile([loss, step], {x: X}, runs=3).kernel_seconds > 0
    assert session.run(loss, {x: X}) == before
    assert gpu.counts["replay"] > 0  # the runs that are not timed
