"""Saver: what is written comes back, by name, in part, or with a list of what does not fit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import graphflow as tf
from graphflow import errors


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def two_variables() -> tuple[tf.Variable, tf.Variable]:
    return (tf.Variable(np.arange(6.0, dtype=np.float32).reshape(2, 3), name="layer/w"),
            tf.Variable([1, 2, 3], name="layer/b"))


def initialised(sess: tf.Session) -> tf.Session:
    sess.run(tf.global_variables_initializer())
    return sess


# ---- there and back -----------------------------------------------------------------------------


def test_save_and_restore(tmp_path: Path) -> None:
    w, b = two_variables()
    saver = tf.train.Saver()
    tf.get_default_graph().finalize()  # saving adds nothing
    with tf.Session() as sess:
        sess.run([w.initializer, b.initializer])
        prefix = saver.save(sess, tmp_path / "model", global_step=12)
    assert prefix == str(tmp_path / "model-12")
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint", "model-12.meta", "model-12.safetensors"]
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(w), [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(sess.run(b), [1, 2, 3])


def test_the_file_is_plain_safetensors(tmp_path: Path) -> None:
    two_variables()
    with tf.Session() as sess:
        prefix = tf.train.Saver().save(initialised(sess), tmp_path / "model")
    stored = load_file(prefix + ".safetensors")
    np.testing.assert_array_equal(stored["layer/b"], np.array([1, 2, 3], np.int32))


@pytest.mark.parametrize("value", [
    np.float32(1.5), np.zeros((0, 3)), np.array([True, False]), np.array([1 + 2j]),
    np.array([2**63 + 1], np.uint64), np.array([1.5, -2.0], np.float16),
    np.array([b"caf\xc3\xa9", b""], object)], ids=lambda v: f"{v.dtype}{v.shape}")
def test_every_type_comes_back(tmp_path: Path, value: np.ndarray) -> None:
    v = tf.Variable(value)
    saver = tf.train.Saver([v])
    with tf.Session() as sess:
        prefix = saver.save(initialised(sess), tmp_path / "m")
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        found = np.asarray(sess.run(v))
    assert (found.dtype, found.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("form", ["model-3", "model-3.safetensors"])
def test_restore_takes_prefix_or_file(tmp_path: Path, form: str) -> None:
    v = tf.Variable(1.0)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        saver.save(initialised(sess), str(tmp_path / "model.safetensors"), global_step=3)
        v.load(5.0)
        saver.restore(sess, tmp_path / form)
        assert sess.run(v) == 1.0


def test_step_from_a_variable_and_padding(tmp_path: Path) -> None:
    step = tf.train.get_or_create_global_step()
    with tf.Session() as sess:
        initialised(sess)
        sess.run(tf.assign(step, 7))
        assert tf.train.Saver().save(sess, tmp_path / "m", step) == str(tmp_path / "m-7")
        padded = tf.train.Saver(pad_step_number=True)
        assert padded.save(sess, tmp_path / "m", "global_step:0") == str(tmp_path / "m-00000007")


def test_by_name_and_in_part(tmp_path: Path) -> None:
    w, b = two_variables()
    with tf.Session() as sess:
        prefix = tf.train.Saver({"old_w": w, "old_b": b}).save(initialised(sess), tmp_path / "m")
    with tf.Graph().as_default():
        fresh = tf.Variable(tf.zeros([2, 3]), name="fresh")
        other = tf.Variable(9.0, name="other")
        with tf.Session() as sess:
            initialised(sess)
            tf.train.Saver({"old_w": fresh}).restore(sess, prefix)
            np.testing.assert_array_equal(sess.run(fresh), [[0, 1, 2], [3, 4, 5]])
            assert sess.run(other) == 9.0


def test_optimizer_goes_on_where_it_was(tmp_path: Path) -> None:
    w = tf.Variable([1.0, -2.0])
    train = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(tf.square(w)))
    saver = tf.train.Saver()
    with tf.Session() as sess:
        initialised(sess)
        for _ in range(3):
            sess.run(train)
        prefix = saver.save(sess, tmp_path / "m")
        for _ in range(3):
            sess.run(train)
        straight = sess.run(w)
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        for _ in range(3):
            sess.run(train)
        np.testing.assert_array_equal(sess.run(w), straight)


def test_random_operations_go_on_where_they_were(tmp_path: Path) -> None:
    tf.Variable(0.0)
    draw = tf.random_uniform([4], seed=3)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        initialised(sess)
        sess.run(draw)
        prefix = saver.save(sess, tmp_path / "m")
        following = sess.run(draw)
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(draw), following)
    assert tf.train.list_variables(prefix) == [("Variable", [])]


def test_a_saver_of_some_variables_leaves_the_counters(tmp_path: Path) -> None:
    v = tf.Variable(0.0)
    tf.Variable(1.0)
    draw = tf.random_uniform([4], seed=3)
    part = tf.train.Saver([v])
    with tf.Session() as sess:
        initialised(sess)
        first = sess.run(draw)
        prefix = part.save(sess, tmp_path / "m")
    with tf.Session() as sess:
        part.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(draw), first)


def test_reshape(tmp_path: Path) -> None:
    w, _ = two_variables()
    with tf.Session() as sess:
        prefix = tf.train.Saver([w]).save(initialised(sess), tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as sess:
        flat = tf.Variable(tf.zeros([6]))
        tf.train.Saver({"layer/w": flat}, reshape=True).restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(flat), np.arange(6.0))


def test_a_variable_of_open_shape_takes_any(tmp_path: Path) -> None:
    v = tf.Variable([1.0, 2.0], validate_shape=False, name="v")
    saver = tf.train.Saver()
    with tf.Session() as sess:
        initialised(sess)
        sess.run(tf.assign(v, [1.0, 2.0, 3.0], validate_shape=False))
        prefix = saver.save(sess, tmp_path / "m")
    with tf.Session() as sess:
        saver.restore(sess, prefix)
        assert sess.run(v).shape == (3,)


def test_saved_values_do_not_change_later(tmp_path: Path) -> None:
    v = tf.Variable([1.0, 2.0])
    add = tf.assign_add(v, [1.0, 1.0])
    saver = tf.train.Saver()
    with tf.Session() as sess:
        prefix = saver.save(initialised(sess), tmp_path / "m")
        saver.restore(sess, prefix)
        sess.run(add)
        saver.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(v), [1.0, 2.0])


# ---- which checkpoints are kept -----------------------------------------------------------------


def test_max_to_keep(tmp_path: Path) -> None:
    tf.Variable(1.0)
    saver = tf.train.Saver(max_to_keep=2)
    with tf.Session() as sess:
        initialised(sess)
        for step in (1, 2, 3, 2, 4):
            saver.save(sess, tmp_path / "m", step)
    assert [os.path.basename(p) for p in saver.last_checkpoints] == ["m-2", "m-4"]
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint", "m-2.meta", "m-2.safetensors", "m-4.meta", "m-4.safetensors"]
    state = tf.train.get_checkpoint_state(tmp_path)
    assert state.all_model_checkpoint_paths == [str(tmp_path / "m-2"), str(tmp_path / "m-4")]
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "m-4")


@pytest.mark.parametrize("keep", [None, 0])
def test_keep_all(tmp_path: Path, keep: int | None) -> None:
    tf.Variable(1.0)
    saver = tf.train.Saver(max_to_keep=keep)
    with tf.Session() as sess:
        initialised(sess)
        for step in range(7):
            saver.save(sess, tmp_path / "m", step)
    assert len(os.listdir(tmp_path)) == 15
    assert saver.last_checkpoints == []
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "m-6")


def test_one_is_kept_for_good_now_and_then(tmp_path: Path) -> None:
    tf.Variable(1.0)
    saver = tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=1e-9)
    with tf.Session() as sess:
        initialised(sess)
        for step in range(3):
            saver.save(sess, tmp_path / "m", step)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_recover_after_a_restart(tmp_path: Path) -> None:
    tf.Variable(1.0)
    with tf.Session() as sess:
        initialised(sess)
        first = tf.train.Saver()
        paths = [first.save(sess, tmp_path / "m", step) for step in range(3)]
        os.remove(paths[0] + ".safetensors")
        second = tf.train.Saver(max_to_keep=2)
        second.recover_last_checkpoints(paths)
        assert second.last_checkpoints == paths[1:]
        second.save(sess, tmp_path / "m", 3)
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == [
        "m-2.safetensors", "m-3.safetensors"]


def test_without_state(tmp_path: Path) -> None:
    tf.Variable(1.0)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        saver.save(initialised(sess), tmp_path / "m", write_state=False)
    assert sorted(os.listdir(tmp_path)) == ["m.meta", "m.safetensors"]
    assert saver.last_checkpoints == []


def test_other_state_file(tmp_path: Path) -> None:
    tf.Variable(1.0)
    with tf.Session() as sess:
        tf.train.Saver().save(initialised(sess), tmp_path / "m", latest_filename="newest")
    assert tf.train.latest_checkpoint(tmp_path) is None
    assert tf.train.latest_checkpoint(tmp_path, "newest") == str(tmp_path / "m")


# ---- making a Saver -----------------------------------------------------------------------------


def test_deferred_and_empty(tmp_path: Path) -> None:
    later = tf.train.Saver(defer_build=True)
    with pytest.raises(ValueError, match="No variables to save"):
        tf.train.Saver()
    empty = tf.train.Saver(allow_empty=True)
    with tf.Session() as sess:
        assert empty.save(sess, tmp_path / "m") is None
        assert empty.restore(sess, tmp_path / "m") is None
        tf.Variable(1.0, name="v")
        with pytest.raises(RuntimeError, match="`build\\(\\)` should be called"):
            later.save(sess, tmp_path / "m")
        later.build()
        later.save(initialised(sess), tmp_path / "m")
    assert tf.train.list_variables(tmp_path) == [("v", [])]


def test_what_is_not_a_variable() -> None:
    v = tf.Variable(1.0, name="v")
    with pytest.raises(TypeError, match="is not a Variable: <gf.Tensor"):
        tf.train.Saver([v, v * 2.0])
    with pytest.raises(ValueError, match="At least two variables have the same name: v"):
        tf.train.Saver([v, v])
    with pytest.raises(ValueError, match="under two names"):
        tf.train.Saver({"a": v, "b": v})
    with pytest.raises(TypeError, match="names in the checkpoint are strings"):
        tf.train.Saver({1: v})
    with pytest.raises(ValueError, match="defer_build has no purpose"):
        tf.train.Saver([v], defer_build=True)


# ---- mistakes -----------------------------------------------------------------------------------


def test_uninitialised_variables_are_named(tmp_path: Path) -> None:
    w, b = two_variables()
    with tf.Session() as sess:
        sess.run(w.initializer)
        with pytest.raises(errors.FailedPreconditionError, match="layer/b") as caught:
            tf.train.Saver().save(sess, tmp_path / "m")
    assert caught.value.op is b.op
    assert "layer/w" not in caught.value.message
    assert os.listdir(tmp_path) == []


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    tf.Variable(1.0)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        initialised(sess)
        with pytest.raises(ValueError, match=r"Parent directory of .*gone/m doesn't exist"):
            saver.save(sess, tmp_path / "gone" / "m")
        with pytest.raises(ValueError, match="must not contain path components"):
            saver.save(sess, tmp_path / "m", latest_filename="a/b")
        with pytest.raises(ValueError, match="collides with 'save_path'"):
            saver.save(sess, tmp_path / "checkpoint")
        with pytest.raises(ValueError, match="Can't load save_path when it is None"):
            saver.restore(sess, None)
        with pytest.raises(ValueError, match="save_path is not a valid checkpoint: .*m"):
            saver.restore(sess, tmp_path / "m")
        with pytest.raises(ValueError, match=r"latest_checkpoint\(directory\)"):
            saver.restore(sess, tmp_path)


def test_wrong_sessions(tmp_path: Path) -> None:
    tf.Variable(1.0)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        initialised(sess)
    with pytest.raises(RuntimeError, match="closed"):
        saver.save(sess, tmp_path / "m")
    with pytest.raises(TypeError, match="'sess' must be a Session"):
        saver.save("session", tmp_path / "m")
    with tf.Session(graph=tf.Graph()) as other, pytest.raises(ValueError, match="another graph"):
        saver.save(other, tmp_path / "m")


def test_everything_missing_is_listed_with_near_names(tmp_path: Path) -> None:
    two_variables()
    with tf.Session() as sess:
        prefix = tf.train.Saver().save(initialised(sess), tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as sess:
        kept = tf.Variable([4, 5, 6], name="layer/b")
        tf.Variable(tf.zeros([2, 3]), name="layers/w")
        tf.Variable(0.0, name="nothing_like_it")
        initialised(sess)
        with pytest.raises(errors.NotFoundError) as caught:
            tf.train.Saver().restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(kept), [4, 5, 6])
    text = caught.value.message
    assert re.search(r"Missing in the checkpoint:\n  layers/w\. Near names: layer/w", text)
    assert "\n  nothing_like_it.\n" in text
    assert "The checkpoint has:\n  layer/b int32 [3]\n  layer/w float32 [2, 3]" in text


def test_everything_misshapen_is_listed(tmp_path: Path) -> None:
    two_variables()
    with tf.Session() as sess:
        prefix = tf.train.Saver().save(initialised(sess), tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(tf.zeros([4, 4]), name="layer/w")
        tf.Variable([1.0, 2.0, 3.0], name="layer/b")
        with pytest.raises(errors.InvalidArgumentError) as caught:
            tf.train.Saver().restore(sess, prefix)
    assert "layer/w: checkpoint [2, 3], graph [4, 4]" in caught.value.message
    assert "layer/b: checkpoint int32, graph float32" in caught.value.message


def test_a_damaged_checkpoint(tmp_path: Path) -> None:
    v = tf.Variable([1.0, 2.0])
    saver = tf.train.Saver()
    with tf.Session() as sess:
        prefix = saver.save(initialised(sess), tmp_path / "m")
        file = Path(prefix + ".safetensors")
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        v.load([3.0, 4.0])
        with pytest.raises(errors.DataLossError, match=r"m\.safetensors.*checksum"):
            saver.restore(sess, prefix)
        np.testing.assert_array_equal(sess.run(v), [3.0, 4.0])
