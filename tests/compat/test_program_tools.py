"""What programs use around the graph: flags, `app.run`, files, threads."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

import graphflow as tf


def test_flags_come_from_the_command_line(monkeypatch: pytest.MonkeyPatch):
    flags = tf.app.flags
    flags.DEFINE_integer("steps", 10, "Number of steps.")
    flags.DEFINE_string("data_dir", "/data", "Where the data is: 100 % of it.")
    flags.DEFINE_float("rate", 0.1, "Learning rate.")
    flags.DEFINE_boolean("verbose", True, "Say more.")
    flags.DEFINE_enum("mode", "train", ["train", "eval"], "What to do.")
    flags.DEFINE_list("layers", "64,32", "Sizes.")
    monkeypatch.setattr(sys, "argv", ["p.py", "--steps=20", "--noverbose", "--unknown", "file"])
    values = flags.FLAGS
    assert (values.steps, values.data_dir, values.rate) == (20, "/data", 0.1)
    assert (values.verbose, values.mode, values.layers) == (False, "train", ["64", "32"])
    values.steps = 3
    assert tf.flags.FLAGS.steps == 3
    assert values.flag_values_dict()["mode"] == "train"
    with pytest.raises(AttributeError, match="no flag 'stepz'"):
        values.stepz  # noqa: B018


def test_run_calls_main_with_what_is_left():
    tf.flags.DEFINE_integer("epochs", 1, "")
    seen = []
    with pytest.raises(SystemExit) as ended:
        tf.app.run(lambda argv: seen.append((argv, tf.flags.FLAGS.epochs)),
                   ["p.py", "--epochs", "4", "input.txt"])
    assert ended.value.code is None
    assert seen == [(["p.py", "input.txt"], 4)]


def test_files(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    tf.gfile.MakeDirs(str(folder))
    with tf.gfile.GFile(str(folder / "f.txt"), "w") as f:
        f.write("one\ntwo\n")
    with tf.gfile.FastGFile(str(folder / "f.txt"), "rb") as f:
        assert f.read() == b"one\ntwo\n" and f.size() == 8
    assert list(tf.gfile.Open(str(folder / "f.txt"))) == ["one\n", "two\n"]
    assert tf.gfile.ListDirectory(str(folder)) == ["f.txt"]
    assert tf.gfile.Glob(str(folder / "*.txt")) == [str(folder / "f.txt")]
    tf.gfile.Copy(str(folder / "f.txt"), str(folder / "g.txt"))
    with pytest.raises(tf.errors.AlreadyExistsError):
        tf.gfile.Copy(str(folder / "f.txt"), str(folder / "g.txt"))
    assert tf.io.gfile.stat(str(folder / "g.txt")).length == 8
    tf.gfile.DeleteRecursively(str(tmp_path / "a"))
    assert not tf.gfile.Exists(str(folder)) and tf.gfile.IsDirectory(str(tmp_path))
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        tf.gfile.GFile(str(folder / "f.txt")).read()


def test_coordinator_stops_threads_and_gives_their_error():
    coord = tf.train.Coordinator()
    assert tf.train.start_queue_runners(coord=coord) == []
    turns = []

    def work() -> None:
        with coord.stop_on_exception():
            while not coord.should_stop():
                turns.append(1)
                if len(turns) > 10:
                    raise ValueError("enough")

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(ValueError, match="enough"):
        coord.join([thread])
    coord.clear_stop()
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "end"))
    coord.join([])
    assert coord.should_stop()


def test_names_from_before_1_0():
    with tf.Graph().as_default(), tf.Session() as sess:
        assert sess.run(tf.mul(2.0, tf.sub(5.0, tf.neg(1.0)))) == 12.0
        assert sess.run(tf.unpack(tf.pack([1, 2]))) == [1, 2]
        assert sess.run(tf.select([True, False], [1, 2], [3, 4])).tolist() == [1, 4]
        tf.scalar_summary("loss", tf.constant(1.0))
        assert b"loss" in sess.run(tf.merge_all_summaries())
        sess.run(tf.initialize_all_tables())
    with pytest.raises(AttributeError, match="no attribute 'mull'"):
        tf.mull  # noqa: B018
