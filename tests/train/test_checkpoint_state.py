"""The file `checkpoint`, and looking into checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import graphflow as tf
from graphflow import errors
from graphflow.train import (
    CheckpointState,
    generate_checkpoint_state_proto,
    get_checkpoint_state,
    latest_checkpoint,
    update_checkpoint_state,
)


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def checkpoint(directory: Path, name: str, value: float = 1.0) -> str:
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.Variable([value, value], name="v")
        sess.run(v.initializer)
        prefix = tf.train.Saver().save(sess, directory / name, write_state=False)
    assert prefix is not None
    return prefix


def test_text_is_tensorflows(tmp_path: Path) -> None:
    update_checkpoint_state(tmp_path, "/data/m-2", ["/data/m-1", "/data/m-2"])
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "/data/m-2"\n'
        'all_model_checkpoint_paths: "/data/m-1"\n'
        'all_model_checkpoint_paths: "/data/m-2"\n')


@pytest.mark.parametrize("accented", ["é", "\\303\\251"], ids=["as it is", "escaped"])
def test_text_that_tensorflow_wrote_is_read(tmp_path: Path, accented: str) -> None:
    # Written by tf.compat.v1.train.update_checkpoint_state of TensorFlow 2.21; older versions of
    # its text format escape what is not ASCII.
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "caf{accented} \\"x\\"-2"\n'
        'all_model_checkpoint_paths: "a\\\\b"\n'
        f'all_model_checkpoint_paths: "caf{accented} \\"x\\"-2"\n'
        'all_model_checkpoint_timestamps: 1.5\n'
        'all_model_checkpoint_timestamps: 1700000000.25\n'
        'last_preserved_timestamp: 12.0\n')
    state = get_checkpoint_state(tmp_path)
    assert state is not None
    assert state.model_checkpoint_path == str(tmp_path / 'café "x"-2')
    assert state.all_model_checkpoint_paths[0] == str(tmp_path / "a\\b")
    assert state.all_model_checkpoint_timestamps == [1.5, 1700000000.25]
    assert state.last_preserved_timestamp == 12.0


@pytest.mark.parametrize("path", ["m", 'quote"', "back\\slash", "new\nline", "grüße", "tab\t"])
def test_any_path_comes_back(path: str) -> None:
    state = CheckpointState(path, [path], [0.1], 2.0)
    assert CheckpointState.from_text(state.to_text()) == state


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("run")
    assert generate_checkpoint_state_proto("run", "run/m").model_checkpoint_path == "m"
    absolute = str(tmp_path / "run" / "m")
    kept = generate_checkpoint_state_proto("run", absolute)
    assert kept.all_model_checkpoint_paths == [absolute]
    update_checkpoint_state("run", absolute, save_relative_paths=True)
    assert get_checkpoint_state("run").model_checkpoint_path == "run/m"


def test_a_directory_saved_with_relative_paths_may_be_moved(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "before")
    v = tf.Variable(4.0)
    saver = tf.train.Saver(save_relative_paths=True)
    with tf.Session() as sess:
        sess.run(v.initializer)
        saver.save(sess, tmp_path / "before" / "m", 1)
        os.rename(tmp_path / "before", tmp_path / "after")
        found = latest_checkpoint(tmp_path / "after")
        assert found == str(tmp_path / "after" / "m-1")
        saver.restore(sess, found)


def test_saving_into_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    v = tf.Variable(4.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert tf.train.Saver().save(sess, "m", 1) == "m-1"
    assert latest_checkpoint(".") == "./m-1"
    assert latest_checkpoint("") == "m-1"


def test_no_state(tmp_path: Path) -> None:
    assert get_checkpoint_state(tmp_path) is None
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "gone") is None


@pytest.mark.parametrize("text", ["garbage", "model_checkpoint_path: 3", "", 'other: "x"'])
def test_a_state_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "checkpoint").write_text(text)
    with pytest.warns(errors.GraphflowWarning, match="checkpoint-state"):
        assert latest_checkpoint(tmp_path) is None


def test_a_state_that_names_a_missing_checkpoint(tmp_path: Path) -> None:
    update_checkpoint_state(tmp_path, str(tmp_path / "m"))
    with pytest.warns(errors.GraphflowWarning, match=r"m\.safetensors, which does not exist"):
        assert latest_checkpoint(tmp_path) is None


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 timestamps for 2 checkpoints"):
        update_checkpoint_state(tmp_path, "b", ["a"], all_model_checkpoint_timestamps=[1.0])
    with pytest.raises(RuntimeError, match="conflicts"):
        update_checkpoint_state(tmp_path, str(tmp_path / "checkpoint"))
    with pytest.raises(errors.NotFoundError, match="gone"):
        update_checkpoint_state(tmp_path / "gone", "m")


# ---- files and readers --------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    one, two = checkpoint(tmp_path, "one"), str(tmp_path / "two")
    assert tf.train.checkpoint_exists(one)
    assert tf.train.checkpoint_exists(one + ".safetensors")
    assert not tf.train.checkpoint_exists(two)
    assert tf.train.get_checkpoint_mtimes([one, two]) == [
        os.stat(one + ".safetensors").st_mtime]
    tf.train.remove_checkpoint(one)
    tf.train.remove_checkpoint(one)
    assert not tf.train.checkpoint_exists(one)


def test_reader(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path, "m", 3.0)
    reader = tf.train.NewCheckpointReader(prefix)
    assert reader.get_variable_to_shape_map() == {"v": [2]}
    assert reader.get_variable_to_dtype_map() == {"v": tf.float32}
    assert reader.has_tensor("v") and not reader.has_tensor("w")
    np.testing.assert_array_equal(reader.get_tensor("v"), [3.0, 3.0])
    assert reader.debug_string() == b"v (float32) [2]"
    with pytest.raises(errors.NotFoundError, match="no variable 'vv'. Near names: v"):
        reader.get_tensor("vv")


def test_listing_and_loading(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file"):
        tf.train.list_variables(tmp_path)
    prefix = checkpoint(tmp_path, "m", 3.0)
    update_checkpoint_state(tmp_path, prefix)
    for where in (prefix, prefix + ".safetensors", tmp_path):
        assert tf.train.list_variables(where) == [("v", [2])]
        np.testing.assert_array_equal(tf.train.load_variable(where, "v:0"), [3.0, 3.0])
    with pytest.raises(errors.NotFoundError, match=r"gone\.safetensors"):
        tf.train.load_checkpoint(tmp_path / "gone")
