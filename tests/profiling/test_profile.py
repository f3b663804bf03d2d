"""`Session.profile`: each step is timed, told by the user's operations, and nothing is changed."""

from __future__ import annotations

import inspect
import io
import json
import threading
import time

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

import graphflow as gf

X = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)


def dense(x: gf.Tensor, name: str = "w") -> gf.Tensor:
    w = gf.get_variable(name, [8, 8], initializer=gf.ones_initializer())
    return gf.nn.relu(gf.matmul(x, w, name=f"{name}_product"))


def test_kernels_are_told_by_operations_and_lines(graph, session):
    x = gf.placeholder(gf.float32, [None, 8], name="x")
    w = gf.get_variable("w", [8, 3])
    line = inspect.currentframe().f_lineno + 1
    y = gf.matmul(x, w, name="product")
    session.run(w.initializer)
    made = session.profile(y, {x: X}, runs=3)
    kernel, = (k for k in made.kernels if k.kernel.kind == "contraction")
    assert kernel.origin.name == "product"
    assert kernel.origin.site.endswith(f"test_profile.py:{line}")
    assert kernel.calls == 1 and made.runs == 3
    assert kernel.flops == 2 * 4 * 8 * 3
    assert kernel.bytes == 4 * (4 * 8 + 8 * 3 + 4 * 3)
    assert made.lines[0].site.endswith(f"test_profile.py:{line}")


def test_steps_have_the_numbers_of_explain(graph, session):
    x = gf.placeholder(gf.float32, [None, 8])
    h = dense(x)
    y = gf.cond(gf.reduce_sum(gf.boolean_mask(h, h[:, 0] > 0)) > -1.0,
                lambda: gf.matmul(h, h, transpose_b=True),
                lambda: gf.matmul(x, x, transpose_b=True))
    session.run(gf.global_variables_initializer())
    explained = session.explain(y, {x: X}).steps
    made = session.profile(y, {x: X}, runs=2)
    for kernel in made.kernels:
        assert explained[kernel.step].symbol == kernel.kernel.symbol
    for host in made.host_steps:
        assert explained[host.step].op == host.host.op
    assert len(made.host_steps) == 1  # the rows that are kept are counted
    assert {type(s).__name__ for s in explained} >= {"RegionRecord", "HostRecord"}


def test_a_long_step_takes_the_time_that_it_takes(graph, session):
    x = gf.placeholder(gf.float32, [256, 256], name="x")
    y = gf.matmul(gf.matmul(x, x, name="first"), x, name="second")
    tiny = gf.reduce_sum(x[:1, :1], name="tiny")
    feed = {x: np.eye(256, dtype=np.float32)}
    made = session.profile([y, tiny], feed, runs=5)
    products = [k for k in made.kernels if k.kernel.kind == "contraction"]
    assert {k.origin.name for k in products} == {"first", "second"}
    assert sum(k.seconds for k in products) > 0.5 * made.kernel_seconds
    for kernel in products:
        assert 0 < kernel.fastest <= kernel.seconds
        assert kernel.share_of_peak > 0
    parts = (made.kernel_seconds, made.host_seconds, made.meeting, made.moving, made.overhead)
    assert sum(parts) == pytest.approx(made.seconds)


def test_a_step_in_python_is_timed(graph, session):
    x = gf.placeholder(gf.float32, [4, 8])

    def slow(a):
        time.sleep(0.002)
        return a

    y = gf.py_func(slow, [gf.exp(x)], gf.float32, name="slow")
    made = session.profile(y, {x: X}, runs=3)
    host, = made.host_steps
    assert host.origin.name == "slow" and host.calls == 1
    assert 0.002 <= host.fastest <= host.seconds


def test_variables_keep_their_values(graph, session):
    x = gf.placeholder(gf.float32, [None, 8])
    loss = gf.reduce_mean(gf.square(dense(x) - 1.0))
    step = gf.train.AdamOptimizer(0.1).minimize(loss)
    noise = gf.random_uniform([3], seed=7)
    session.run(gf.global_variables_initializer())
    session.run(noise)
    before = session.run(gf.global_variables())
    session.profile([step, loss, noise], {x: X}, runs=2)
    for old, new in zip(before, session.run(gf.global_variables())):
        np.testing.assert_array_equal(old, new)
    with gf.Session(graph=graph) as other:
        other.run(noise)
        np.testing.assert_array_equal(session.run(noise), other.run(noise))


def test_loops_count_each_turn(graph, session):
    x = gf.placeholder(gf.float32, [4, 8])
    w = gf.get_variable("w", [8, 8])
    _, y = gf.while_loop(
        lambda i, a: i < 20, lambda i, a: (i + 1, gf.tanh(gf.matmul(a, w))), [0, x])
    slope, = gf.gradients(y, w)
    session.run(gf.global_variables_initializer())
    forward = session.profile(y, {x: X}, runs=2)
    product, = (k for k in forward.kernels if k.kernel.kind == "contraction")
    assert product.calls == 20
    assert product.flops == 20 * product.kernel.flops
    assert product.kernel.within
    backward = session.profile(slope, {x: X}, runs=2)
    # In each turn, and the gradient of w once behind them.
    assert {k.calls for k in backward.kernels if k.kernel.kind == "contraction"} == {1, 20}


def test_only_the_branch_that_is_taken_takes_time(graph, session):
    x = gf.placeholder(gf.float32, [4, 8])
    y = gf.cond(gf.reduce_sum(x) > 100, lambda: gf.matmul(x, gf.ones([8, 8]), name="left"),
                lambda: gf.exp(x, name="right"))
    made = session.profile(y, {x: X}, runs=2)
    names = {o.name.rpartition("/")[2] for k in made.kernels for o in k.kernel.origins}
    assert "right" in names and "left" not in names


def test_a_loop_that_python_drives_is_not_counted_twice(graph, session):
    x = gf.placeholder(gf.float32, [4, 8])

    def turn(i, a):
        def slow(v):
            time.sleep(0.002)
            return v
        return i + 1, gf.reshape(gf.py_func(slow, [a], gf.float32, name="slow"), [4, 8])

    _, y = gf.while_loop(lambda i, a: i < 3, turn, [0, x])
    made = session.profile(y, {x: X}, runs=5)
    by_op = {h.host.op: h for h in made.host_steps}
    assert by_op["PyFunc"].calls == 3 and by_op["While"].calls == 1
    assert by_op["PyFunc"].fastest >= 0.006
    assert by_op["While"].fastest < 0.006  # without its body, which takes longer


def test_sizes_that_depend_on_values(graph, session):
    x = gf.placeholder(gf.float32, [None, 8])
    kept = gf.boolean_mask(x, x[:, 0] > 0)
    y = gf.matmul(kept, gf.ones([8, 2]), name="product")
    made = session.profile(y, {x: X}, runs=2)
    product, = (k for k in made.kernels if k.kernel.kind == "contraction")
    rows = int((X[:, 0] > 0).sum())
    assert product.flops == 2 * rows * 8 * 2


def test_the_reference_is_timed_node_by_node(graph):
    x = gf.placeholder(gf.float32, [4, 8])
    y = gf.reduce_sum(gf.matmul(x, gf.ones([8, 8]), name="product"), name="total")
    with gf.Session(graph=graph, device="reference") as session:
        made = session.profile(y, {x: X}, runs=2)
    assert not made.kernels
    assert {h.origin.name for h in made.host_steps} >= {"product", "total"}


def test_several_threads(graph, session):
    x = gf.placeholder(gf.float32, [512, 512])
    y = gf.reduce_sum(gf.matmul(x, x))
    feed = {x: np.ones((512, 512), np.float32)}
    with gf.Session(graph=graph, options=gf.Options(threads=2)) as two:
        made = two.profile(y, feed, runs=3)
    assert {(k.kernel.kind, k.threads, k.calls) for k in made.kernels} == {
        ("contraction", 2, 1), ("reduce", 2, 1)}
    assert made.threads == made.peaks.threads == 2
    one = session.profile(y, feed, runs=1)
    assert {k.threads for k in one.kernels} == {1}
    assert [k.flops for k in one.kernels] == [k.flops for k in made.kernels]


def test_other_threads_may_run_the_session_meanwhile(graph, session):
    x = gf.placeholder(gf.float32, [64, 64])
    y = gf.reduce_sum(gf.matmul(x, x))
    feed = {x: np.ones((64, 64), np.float32)}
    found, stop = [], threading.Event()

    def run() -> None:
        while not stop.is_set():
            found.append(session.run(y, feed))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        made = session.profile(y, feed, runs=10)
    finally:
        stop.set()
        thread.join()
    assert set(found) == {64.0**3}
    assert all(k.calls == 1 for k in made.kernels)


def test_mistakes(graph, session):
    x = gf.placeholder(gf.float32, [4, 8])
    with pytest.raises(gf.errors.InvalidArgumentError):
        session.profile(gf.matmul(x, gf.ones([8, 8])))
    with pytest.raises(gf.errors.FailedPreconditionError, match="'w'"):
        session.profile(dense(x), {x: X})
    with pytest.raises(ValueError, match="runs must be 1 or more, got 0"):
        session.profile(x + 1, {x: X}, runs=0)


def test_printed(graph, session):
    x = gf.placeholder(gf.float32, [None, 8])
    y = gf.matmul(x, gf.ones([8, 8]), name="a_product_with_a_long_name" * 4)
    made = session.profile(y, {x: X}, runs=1)
    text = str(made)
    assert text.startswith("Session.run ") and "contraction" in text
    assert "test_profile.py:" in text and "long_name\n" in text
    assert max(map(len, text.splitlines())) <= 100 and "\x1b" not in text
    console = Console(width=80, file=io.StringIO(), force_terminal=True)
    with console.capture() as capture:
        console.print(made)
    assert "\x1b" in capture.get()
    assert max(len(Text.from_ansi(line)) for line in capture.get().splitlines()) <= 80


def test_figures_are_json(graph, session):
    x = gf.placeholder(gf.float32, [None, 8])
    made = session.profile(gf.exp(x), {x: X}, runs=2)
    figures = json.loads(json.dumps(made.as_dict()))
    assert figures["runs"] == 2 and figures["kernels"][0]["operations"][0]["name"] == "Exp"
    assert figures["seconds"] == made.seconds
