"""The global step: made once, found by collection or name, checked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import graphflow as tf


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def test_made_once() -> None:
    assert tf.train.get_global_step() is None
    with tf.name_scope("inside"):
        step = tf.train.create_global_step()
    assert (step.name, step.dtype, step.trainable) == ("global_step:0", tf.int64, False)
    assert tf.train.get_or_create_global_step() is step
    assert tf.train.get_global_step() is step
    with pytest.raises(ValueError, match='"global_step" already exists'):
        tf.train.create_global_step()


def test_of_another_graph() -> None:
    other = tf.Graph()
    step = tf.train.get_or_create_global_step(other)
    assert step.graph is other
    assert tf.train.get_global_step() is None


def test_found_by_name() -> None:
    step = tf.Variable(3, name="global_step", trainable=False)
    assert tf.train.get_global_step() is step
    with tf.Session() as sess:
        sess.run(step.initializer)
        assert tf.train.global_step(sess, step) == 3
        assert tf.train.global_step(sess, "global_step:0") == 3


def test_wrong_types() -> None:
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.Variable(1.0))
    with pytest.raises(TypeError, match="does not have integer type"):
        tf.train.get_global_step()
    with pytest.raises(TypeError, match="is not scalar"):
        tf.train.assert_global_step(tf.Variable([1, 2]))
    with pytest.raises(TypeError, match="must be a Variable or Tensor"):
        tf.train.assert_global_step(7)
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.Variable(1))
    with pytest.raises(ValueError, match="must hold one variable"):
        tf.train.get_global_step()
