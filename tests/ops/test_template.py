"""`make_template`."""

from __future__ import annotations

from typing import Any

import pytest

import graphflow as tf


@pytest.fixture(autouse=True)
def graph() -> Any:
    with tf.Graph().as_default() as graph:
        yield graph


def scaled(x: Any, factor: float) -> Any:
    return x * tf.get_variable("w", [], initializer=tf.constant_initializer(factor))


def test_calls_share_their_variables_and_templates_do_not():
    first = tf.make_template("scale", scaled, factor=2.0)
    second = tf.make_template("scale", scaled, factor=3.0)
    results = [first(1.0), first(10.0), second(1.0)]
    assert [v.op.name for v in tf.global_variables()] == ["scale/w", "scale_1/w"]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(results) == [2.0, 20.0, 3.0]


def test_the_scope_may_be_opened_at_once():
    with tf.variable_scope("outer"):
        template = tf.make_template("t", scaled, create_scope_now_=True, factor=2.0)
    template(1.0)
    assert template.variable_scope.name == "outer/t"
    assert [v.op.name for v in tf.global_variables()] == ["outer/t/w"]


def test_a_later_call_makes_no_variables():
    template = tf.make_template("t", lambda name: tf.get_variable(name, [1]))
    template("a")
    with pytest.raises(tf.errors.GraphError, match="does not exist"):
        template("b")
