"""Teams of threads: the same bits for any number of members, meetings, forks, signals, ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any
from unittest import mock

import numpy as np
import pytest
from graph_proof import draw_graph, outcome
from one_by_one import one_by_one

import graphflow as tf
from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import CODES, DEPTHS, MEET, STATE
from graphflow.errors import AttributeValueError
from graphflow.runtime import teamwork
from graphflow.runtime.plan import Plan

RNG = np.random.default_rng(0)
Model = tuple[list[Any], dict[Any, np.ndarray]]


@pytest.fixture
def eager() -> Iterator[None]:
    """Whatever can be divided is divided, however small it is."""
    with mock.patch.object(teamwork, "MEETING", 0.0), mock.patch.object(teamwork, "WAKING", 0.0):
        yield


# ---- models -------------------------------------------------------------------------------------


def trained(logits: Any, labels: Any) -> list[Any]:
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits))
    return [loss, tf.train.AdamOptimizer(1e-3).minimize(loss)]


def mlp(batch: int = 64, inputs: int = 784, hidden: int = 128) -> Model:
    x, y = tf.placeholder(tf.float32, [None, inputs]), tf.placeholder(tf.int32, [None])
    logits = tf.layers.dense(tf.layers.dense(x, hidden, tf.nn.relu), 10)
    return trained(logits, y), {
        x: RNG.normal(size=(batch, inputs)).astype(np.float32), y: RNG.integers(0, 10, batch)}


def cnn(batch: int = 5) -> Model:
    x, y = tf.placeholder(tf.float32, [None, 14, 14, 3]), tf.placeholder(tf.int32, [None])
    h = tf.layers.max_pooling2d(tf.layers.conv2d(x, 33, 3, activation=tf.nn.relu), 2, 2)
    h = tf.layers.conv2d(h, 20, 3, padding="same", activation=tf.nn.relu)
    logits = tf.layers.dense(tf.reshape(h, [-1, 6 * 6 * 20]), 10)
    return trained(logits, y), {
        x: RNG.normal(size=(batch, 14, 14, 3)).astype(np.float32), y: RNG.integers(0, 10, batch)}


def lstm(batch: int = 6) -> Model:
    x, y = tf.placeholder(tf.float32, [batch, 7, 20]), tf.placeholder(tf.int32, [None])
    out, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.LSTMCell(48), x, dtype=tf.float32)
    return trained(tf.layers.dense(out[:, -1], 10), y), {
        x: RNG.normal(size=(batch, 7, 20)).astype(np.float32), y: RNG.integers(0, 10, batch)}


def chain() -> Model:
    x = tf.placeholder(tf.float32, [256, 300])
    y = tf.nn.softmax(tf.tanh(x * x + x) - tf.exp(-x))
    return [y, tf.reduce_sum(y * x, 0), tf.cumsum(y, 1), tf.argmax(y, 1), tf.transpose(y) * 2.0], {
        x: RNG.normal(size=(256, 300)).astype(np.float32)}


def products() -> Model:
    """Products by panels, of turned operands, of many terms, of few columns."""
    x = tf.placeholder(tf.float32, [None, 70])
    w = tf.constant(RNG.normal(size=(70, 530)), tf.float32)
    y = tf.nn.relu(tf.matmul(x, w) + 1.0)
    return [
        y, tf.matmul(y, w, transpose_b=True), tf.matmul(x, y, transpose_a=True),
        tf.matmul(y, x[:, :7], transpose_a=True), tf.matmul(x[:, :1], x[:, 1:2], transpose_a=True),
        tf.matmul(w, w, transpose_b=True), tf.matmul(x[:3], w), tf.linalg.matvec(w, y[0]),
    ], {x: RNG.normal(size=(4200, 70)).astype(np.float32)}


def results(model: Callable[[], Model], threads: int, steps: int = 3) -> list[bytes]:
    """All that a session gives, step by step, and its variables at the end."""
    with tf.Graph().as_default():
        tf.set_random_seed(3)
        global RNG
        RNG = np.random.default_rng(1)
        fetches, feeds = model()
        with tf.Session(options=tf.Options(threads=threads)) as session:
            session.run(tf.global_variables_initializer())
            found = [session.run(fetches, feeds) for _ in range(steps)]
            found.append(session.run(tf.global_variables()))
    return [np.asarray(v).tobytes() for values in found for v in values if v is not None]


@pytest.mark.parametrize("model", [mlp, cnn, lstm, chain, products])
def test_the_bits_do_not_depend_on_the_number_of_threads(
    model: Callable[[], Model], eager: None
) -> None:
    expected = results(model, 1)
    for threads in (2, 3, 4):
        assert results(model, threads) == expected


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("model", [mlp, cnn, lstm, chain, products])
def test_members_meet_where_they_need_each_other(
    model: Callable[[], Model], eager: None, backwards: bool
) -> None:
    expected = results(model, 1)
    with one_by_one(3, backwards):
        assert results(model, 3) == expected


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed: int, eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_graph(random.Random(seed), 8)
    if drawn is None:
        return
    found = []
    for threads, order in (("1", None), ("2", None), ("3", None), ("3", False), ("3", True)):
        monkeypatch.setenv("GRAPHFLOW_THREADS", threads)
        with one_by_one(int(threads), order) if order is not None else nullcontext():
            found.append([_bits(run) for run in outcome(drawn, "cpu")])
    assert all(one == found[0] for one in found)


def _bits(run: Any) -> Any:
    return repr(run) if isinstance(run, Exception) else [np.asarray(v).tobytes() for v in run]


# ---- who does what ------------------------------------------------------------------------------


def plans(session: Any) -> list[Plan]:
    return [plan for variants in session._variants.values() for variant in variants
            for stage in variant.executable.stages for plan in stage.free_plans()]


def tables(model: Callable[[], Model], threads: int) -> list[np.ndarray]:
    """The tables of a model's step that a team walks."""
    with tf.Graph().as_default():
        fetches, feeds = model()
        with tf.Session(options=tf.Options(threads=threads)) as session:
            session.run(tf.global_variables_initializer())
            before = len(plans(session))
            session.run(fetches, feeds)
            return [plan.keep[0].table for plan in plans(session)[before:]
                    if plan.state[STATE.index("team")]]


def counted(table: np.ndarray) -> tuple[int, int]:
    """(calls that are divided, meetings)"""
    calls = table[table[:, 0] >= CODES]
    return int(np.sum(calls[:, 3] & DEPTHS != 0)), int(np.sum(table[:, 0] == MEET))


def test_members_of_a_row_wise_program_never_meet() -> None:
    def rows() -> Model:
        x = tf.placeholder(tf.float32, [512, 1024])
        y = tf.nn.softmax(tf.tanh(x))
        return [y, y * x + 1.0, tf.reduce_sum(y * x, 1)], {x: np.ones((512, 1024), np.float32)}

    (table,) = tables(rows, 2)
    divided, meetings = counted(table)
    assert divided >= 1 and meetings == 0


@pytest.mark.parametrize(("model", "most"), [(mlp, 8), (cnn, 22), (chain, 3)])
def test_meetings_are_fewer_than_calls(model: Callable[[], Model], most: int) -> None:
    (table,) = tables(model, 2)
    divided, meetings = counted(table)
    assert divided and meetings <= most


def test_small_programs_have_no_team() -> None:
    def regression() -> Model:
        x, y = tf.placeholder(tf.float32, [100, 1]), tf.placeholder(tf.float32, [100, 1])
        loss = tf.reduce_mean(tf.square(tf.layers.dense(x, 1) - y))
        return [loss, tf.train.GradientDescentOptimizer(0.1).minimize(loss)], {
            x: np.ones((100, 1), np.float32), y: np.ones((100, 1), np.float32)}

    assert tables(regression, 4) == []


def test_a_kernel_serves_any_number_of_threads() -> None:
    results(chain, 1)
    compiled = CACHE.compiled + CACHE.loaded
    results(chain, 3)
    assert CACHE.compiled + CACHE.loaded == compiled


def test_bad_values_are_errors_for_teams_too(eager: None) -> None:
    x, at = tf.placeholder(tf.float32, [64, 64]), tf.placeholder(tf.int32, [None])
    v = tf.get_variable("v", [64, 64], initializer=tf.zeros_initializer())
    step = [tf.gather(tf.matmul(x, x), at), tf.assign_add(v, x)]
    with tf.Session(options=tf.Options(threads=3)) as session:
        session.run(v.initializer)
        feeds = {x: np.ones((64, 64)), at: [1, 64]}
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in"):
            session.run(step, feeds)
        np.testing.assert_array_equal(session.run(v), 0.0)
        session.run(step, feeds | {at: [1]})
        np.testing.assert_array_equal(session.run(v), 1.0)


# ---- many sessions, forks, signals --------------------------------------------------------------


def test_python_threads_run_sessions_at_once(eager: None) -> None:
    x = tf.placeholder(tf.float32, [64, 64])
    y = tf.nn.softmax(tf.matmul(x, x)) + x
    feeds = [RNG.normal(size=(64, 64)).astype(np.float32) for _ in range(4)]
    failures: list[int] = []
    with tf.Session(options=tf.Options(threads=3)) as session:
        expected = [session.run(y, {x: fed}).tobytes() for fed in feeds]

        def work(k: int) -> None:
            for _ in range(60):
                if session.run(y, {x: feeds[k]}).tobytes() != expected[k]:
                    failures.append(k)

        workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert failures == []


PROGRAM = """
    import os, sys, threading
    import numpy as np
    import graphflow as tf
    from graphflow.runtime import teamwork
    teamwork.MEETING = teamwork.WAKING = 0.0
    x = tf.placeholder(tf.float32, [128, 128])
    y = tf.nn.softmax(tf.matmul(x, x))
    session = tf.Session(options=tf.Options(threads=3))
    fed = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)

    def run():
        return session.run(y, {x: fed}).tobytes()

    def members():
        return sum(t.name.startswith("graphflow-") for t in threading.enumerate())
"""


def ran(text: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, which must come to its end."""
    code = textwrap.dedent(PROGRAM) + textwrap.dedent(text)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=120, check=False, **settings)


def test_a_process_ends_while_its_team_waits() -> None:
    done = ran("run(); print(members())")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("used", [False, True])
def test_a_forked_child_has_a_team_of_its_own(used: bool) -> None:
    done = ran(f"""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, on 3.12
        expected = run() if {used} else None
        child = os.fork()
        if child == 0:
            alone = members()
            found = run()
            os._exit(0 if alone == 0 and members() == 2 and expected in (None, found) else 3)
        _, status = os.waitpid(child, 0)
        run()
        print(os.waitstatus_to_exitcode(status), members())
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 2\n", "")


def test_ctrl_c_ends_a_loop_that_a_team_runs() -> None:
    code = textwrap.dedent(PROGRAM) + textwrap.dedent("""
        turns = tf.placeholder(tf.int32, [])
        z = tf.while_loop(lambda i, a: i < turns,
                          lambda i, a: (i + 1, tf.nn.softmax(tf.matmul(a, a))),
                          [tf.constant(0), x])
        import signal  # which may be ignored where tests run in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
        session.run(z, {x: fed, turns: 2})  # so that the signal meets the loop, no import
        print("ready", flush=True)
        try:
            session.run(z, {x: fed, turns: 10 ** 9})
        except KeyboardInterrupt:
            run()
            print("stopped", members())
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "stopped 2\n"


# ---- settings -----------------------------------------------------------------------------------


def test_where_the_number_of_threads_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHFLOW_THREADS", "5")
    assert tf.Options().thread_count() == 5
    assert tf.Options(threads=2).thread_count() == 2
    config = tf.ConfigProto(intra_op_parallelism_threads=3)
    with tf.Session(config=config) as session:
        assert session.options.thread_count() == 3
    with tf.Session(config=config, options=tf.Options(threads=2)) as session:
        assert session.options.thread_count() == 2
    with tf.Session(config=tf.ConfigProto()) as session:
        assert session.options.thread_count() == 5
    monkeypatch.delenv("GRAPHFLOW_THREADS")
    assert 1 <= tf.Options().thread_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("threads", [0, -1, 65, 2.5, True, "2"])
def test_numbers_of_threads_that_make_no_sense(threads: Any) -> None:
    with pytest.raises(AttributeValueError, match="threads must be a whole number from 1 to 64"):
        tf.Options(threads=threads)


def test_an_environment_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHFLOW_THREADS", "many")
    with pytest.raises(AttributeValueError, match="GRAPHFLOW_THREADS must be a whole number"):
        tf.Options().thread_count()
