"""Monitored sessions, their hooks, supervisors: run as programs run them."""

from __future__ import annotations

import logging
import os
import threading

import numpy as np
import pytest

import graphflow as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def training():
    """A loss, a step and the global step: w ← w − 0.1 · 2(w − 3)."""
    step = tf.train.get_or_create_global_step()
    w = tf.get_variable("w", [], initializer=tf.zeros_initializer())
    loss = tf.square(w - 3.0, name="loss")
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)
    return w, loss, train, step


def value_after(steps: int) -> float:
    return 3.0 * (1 - 0.8 ** steps)


class Calls(tf.train.SessionRunHook):
    """Notes what is called, in order."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def begin(self):
        self.log.append("begin")
        self.extra = tf.constant(7, name="extra")

    def after_create_session(self, session, coord):
        assert session.graph.finalized
        self.log.append("created")

    def before_run(self, run_context):
        self.log.append(f"before {run_context.original_args.fetches.name}")
        return tf.train.SessionRunArgs([self.extra, "w:0"])

    def after_run(self, run_context, run_values):
        self.log.append(f"after {run_values.results[0]}")

    def end(self, session):
        self.log.append(f"end {session.run('w:0'):.2f}")


def test_hooks_are_called_in_order():
    _, _, train, _ = training()
    log: list[str] = []
    with tf.train.MonitoredSession(hooks=[Calls(log)]) as sess:
        assert not sess.should_stop()
        sess.run(train)
    assert log == ["begin", "created", "before GradientDescent", "after 7", "end 0.60"]
    with pytest.raises(RuntimeError, match="should_stop"):
        sess.run(train)


def test_an_error_leaves_end_out_and_the_end_of_the_data_does_not():
    _, _, train, _ = training()
    log: list[str] = []
    with pytest.raises(KeyError), tf.train.MonitoredSession(hooks=[Calls(log)]):
        raise KeyError("x")
    assert log == ["begin", "created"]
    tf.reset_default_graph()
    training()
    log.clear()
    with tf.train.MonitoredSession(hooks=[Calls(log)]):
        raise tf.errors.OutOfRangeError(None, None, "over")
    assert log == ["begin", "created", "end 0.00"]


def test_stop_at_step_counts_from_a_checkpoint_too(tmp_path):
    for expected, hook in ((5, tf.train.StopAtStepHook(num_steps=5)),
                           (8, tf.train.StopAtStepHook(last_step=8)),
                           (8, tf.train.StopAtStepHook(last_step=8))):
        tf.reset_default_graph()
        w, _, train, step = training()
        runs = 0
        with tf.train.MonitoredTrainingSession(
                checkpoint_dir=tmp_path, hooks=[hook], save_checkpoint_steps=100) as sess:
            begin = sess.run(step)
            while not sess.should_stop():
                sess.run(train)
                runs += 1
        tf.reset_default_graph()
        w, _, train, step = training()
        with tf.Session() as sess:
            tf.train.Saver().restore(sess, tf.train.latest_checkpoint(tmp_path))
            assert sess.run(step) == begin + runs == expected
            np.testing.assert_allclose(sess.run(w), value_after(begin + runs), rtol=1e-6)


def test_checkpoints_and_listeners(tmp_path):
    _, _, train, _ = training()
    events: list[tuple] = []

    class Listener(tf.train.CheckpointSaverListener):
        def begin(self):
            events.append(("begin",))

        def before_save(self, session, global_step_value):
            events.append(("before", global_step_value))

        def after_save(self, session, global_step_value):
            events.append(("after", global_step_value))
            return global_step_value >= 4

        def end(self, session, global_step_value):
            events.append(("end", global_step_value))

    hook = tf.train.CheckpointSaverHook(tmp_path, save_steps=2, listeners=[Listener()])
    with tf.train.SingularMonitoredSession(hooks=[hook]) as sess:
        while not sess.should_stop():
            sess.run(train)
    saved = [n for kind, *rest in events for n in rest if kind == "after"]
    assert saved == [0, 2, 4]
    assert events[0] == ("begin",) and events[-1] == ("end", 4)
    assert tf.train.latest_checkpoint(tmp_path) == os.path.join(tmp_path, "model.ckpt-4")


def test_summaries_and_steps_per_second(tmp_path):
    _, loss, train, _ = training()
    tf.summary.scalar("loss_summary", loss)
    with tf.train.MonitoredTrainingSession(
            checkpoint_dir=tmp_path, save_summaries_steps=3, log_step_count_steps=5,
            hooks=[tf.train.StopAtStepHook(last_step=12)]) as sess:
        while not sess.should_stop():
            sess.run(train)
    [file] = [p for p in tmp_path.iterdir() if p.name.startswith("events")]
    events = list(tf.summary.summary_iterator(file))
    found = {v.tag: [] for e in events for v in e.summary.value}
    for event in events:
        for value in event.summary.value:
            found[value.tag].append(event.step)
    assert found["loss_summary"] == [1, 4, 7, 10]
    assert found["global_step/sec"] == [6, 11]


def test_logging_hook(caplog):
    _, loss, train, _ = training()
    tf.logging.set_verbosity(tf.logging.INFO)
    hook = tf.train.LoggingTensorHook({"loss": loss, "w": "w"}, every_n_iter=2)
    with caplog.at_level(logging.INFO, "graphflow"), tf.train.MonitoredSession(
            hooks=[hook, tf.train.StopAtStepHook(last_step=4)]) as sess:
        while not sess.should_stop():
            sess.run(train)
    lines = [r.getMessage() for r in caplog.records]
    assert lines[0] == "loss = 9.0, w = 0.6"
    assert len(lines) == 2 and lines[1].endswith("sec)")
    shown: list[str] = []
    tf.reset_default_graph()
    _, loss, train, _ = training()
    with caplog.at_level(logging.INFO, "graphflow"), tf.train.MonitoredSession(hooks=[
            tf.train.LoggingTensorHook(["loss"], at_end=True, formatter=lambda v: str(dict(v)))]):
        pass
    shown = [r.getMessage() for r in caplog.records]
    assert shown[-1].startswith("{'loss': ") and "9.0" in shown[-1]


def test_nan_hook():
    x = tf.placeholder(tf.float32, [])
    tf.train.get_or_create_global_step()
    loss = tf.log(x)
    with pytest.raises(tf.train.NanLossDuringTrainingError, match="NaN loss"), \
            tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(loss)]) as sess:
        assert sess.run(loss, {x: 1.0}) == 0
        sess.run(loss, {x: -1.0})
    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [])
    loss = tf.log(x)
    hook = tf.train.NanTensorHook(loss, fail_on_nan_loss=False)
    with tf.train.MonitoredSession(hooks=[hook]) as sess:
        sess.run(loss, {x: -1.0})
        assert sess.should_stop()


def test_feeding_and_final_hooks():
    x = tf.placeholder(tf.float32, [], name="x")
    w = tf.Variable(1.0)
    up = w.assign_add(x)
    final = tf.train.FinalOpsHook(w * x, {x: 10.0})
    with tf.train.MonitoredSession(
            hooks=[tf.train.FeedFnHook(lambda: {x: 4.0}), final]) as sess:
        assert sess.run(up) == 5.0
        with pytest.raises(RuntimeError, match="fed by hook and user"):
            sess.run(up, {x: 2.0})
    assert final.final_ops_values == 50.0


def test_a_scaffold_of_ones_own():
    w = tf.Variable(1.0, name="w")
    started = []
    scaffold = tf.train.Scaffold(
        init_op=w.assign(4.0).op, init_fn=lambda s, sess: started.append(sess.run(w)))
    with tf.train.MonitoredSession(tf.train.ChiefSessionCreator(scaffold)) as sess:
        assert sess.run(w) == 4.0
    assert started == [4.0]
    tf.reset_default_graph()
    tf.Variable(1.0, name="v")
    scaffold = tf.train.Scaffold(init_op=tf.no_op())
    with pytest.raises(RuntimeError, match="Variables not initialized: v"):
        tf.train.MonitoredSession(tf.train.ChiefSessionCreator(scaffold))


def test_the_session_inside_and_step_functions():
    w, _, train, _ = training()
    log: list[str] = []
    with tf.train.MonitoredSession(hooks=[Calls(log)]) as sess:
        assert isinstance(sess._sess._sess, tf.Session)

        def step_fn(step_context):
            step_context.session.run(train)
            return step_context.run_with_hooks(w)

        np.testing.assert_allclose(sess.run_step_fn(step_fn), 0.6, rtol=1e-6)
        sess.run_step_fn(lambda step_context: step_context.request_stop())
    assert [line for line in log if line.startswith("before")] == ["before w:0"]


def test_a_lost_session_is_made_again(tmp_path):
    w, _, train, step = training()
    lost = []

    def lose(x):
        if x == 3 and not lost:
            lost.append(1)
            raise tf.errors.AbortedError(None, None, "lost")
        return x

    checked = tf.py_func(lose, [step], tf.int64)
    with tf.control_dependencies([checked]):
        guarded = tf.group(train)
    created = []

    class Created(tf.train.SessionRunHook):
        def after_create_session(self, session, coord):
            created.append(int(session.run(step)))

    with tf.train.MonitoredTrainingSession(
            checkpoint_dir=tmp_path, save_checkpoint_steps=2,
            hooks=[Created(), tf.train.StopAtStepHook(last_step=6)]) as sess:
        while not sess.should_stop():
            sess.run(guarded)
    assert lost and created == [0, 2]
    assert tf.train.latest_checkpoint(tmp_path).endswith("-6")


def test_supervisor_restores_where_it_stopped(tmp_path):
    for begin in (0, 5):
        tf.reset_default_graph()
        w, loss, train, step = training()
        tf.summary.scalar("loss", loss)
        sv = tf.train.Supervisor(logdir=tmp_path, save_model_secs=0, save_summaries_secs=0)
        with sv.managed_session() as sess:
            assert sess.run(step) == begin
            assert tf.get_default_session() is sess
            for _ in range(5):
                if sv.should_stop():
                    break
                sess.run(train)
            sv.saver.save(sess, sv.save_path, global_step=step)
            sv.summary_computed(sess, sess.run(sv.summary_op))
            np.testing.assert_allclose(w.eval(), value_after(begin + 5), rtol=1e-6)
    with pytest.raises(ZeroDivisionError), tf.Graph().as_default():
        training()
        with tf.train.Supervisor().managed_session():
            raise ZeroDivisionError


def test_basic_train_loop_and_services(tmp_path):
    _, loss, train, step = training()
    tf.summary.scalar("loss", loss)
    sv = tf.train.Supervisor(logdir=tmp_path, save_model_secs=0.01, save_summaries_secs=0.01)
    saved = threading.Event()

    def one(sess, limit):
        sess.run(train)
        saved.set() if tf.train.latest_checkpoint(tmp_path) else None
        if saved.is_set() and sess.run(step) >= limit:
            sv.request_stop()

    tf.train.basic_train_loop(sv, one, args=[10])
    assert tf.train.latest_checkpoint(tmp_path)
    assert any(p.name.startswith("events") for p in tmp_path.iterdir())


def test_clusters_of_one():
    server = tf.train.Server.create_local_server()
    with tf.Session(server.target) as sess:
        assert sess.run(tf.constant(1)) == 1
    spec = tf.train.ClusterSpec({"ps": ["a:1"], "worker": ["b:1", "c:1"]})
    assert spec.jobs == ["ps", "worker"] and spec.num_tasks("worker") == 2
    assert spec.task_address("worker", 1) == "c:1"
    assert spec.as_dict() == {"ps": ["a:1"], "worker": ["b:1", "c:1"]}
    with pytest.raises(tf.errors.UnimplementedError, match="3 tasks.*one process"):
        tf.train.Server(spec, job_name="worker", task_index=0)
    assert tf.train.replica_device_setter() is None
    with pytest.raises(tf.errors.UnimplementedError, match="parameter servers"):
        tf.train.replica_device_setter(cluster=spec)


def test_hooks_say_what_is_missing():
    with pytest.raises(ValueError, match="exactly one of num_steps or last_step"):
        tf.train.StopAtStepHook()
    with pytest.raises(RuntimeError, match="Global step should be created to use StopAtStepHook"):
        tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(last_step=1)])
    with pytest.raises(TypeError, match="SessionRunHook"):
        tf.train.MonitoredSession(hooks=[3])
    with pytest.raises(ValueError, match="exactly one of every_n_iter"):
        tf.train.LoggingTensorHook(["a"], every_n_iter=1, every_n_secs=1)
    with pytest.raises(ValueError, match="exactly one of every_secs"):
        tf.train.SecondOrStepTimer()
