"""The optimizer's interface: names, slots, pairs, subclassing, mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphflow as tf
from graphflow import errors


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def test_names_are_tensorflows() -> None:
    with tf.variable_scope("model"):
        w = tf.get_variable("w", [2], initializer=tf.zeros_initializer())
    step = tf.train.get_or_create_global_step()
    adam = tf.train.AdamOptimizer(0.1)
    train = adam.minimize(tf.reduce_sum(tf.square(w - 1.0)), global_step=step)
    assert train.name == "Adam"
    assert [v.name for v in tf.global_variables()] == [
        "model/w:0", "global_step:0", "beta1_power:0", "beta2_power:0", "model/w/Adam:0",
        "model/w/Adam_1:0"]
    assert [v.name for v in tf.trainable_variables()] == ["model/w:0"]
    names = {op.name for op in tf.get_default_graph().get_operations()}
    assert {"Adam/learning_rate", "Adam/beta1", "Adam/epsilon", "Adam/update"} <= names
    assert any(name.startswith("Adam/update_model/w/") for name in names)
    assert tf.get_collection(tf.GraphKeys.TRAIN_OP) == [train]


def test_slots_follow_the_variable_scope_in_force() -> None:
    w = tf.get_variable("w", [2], initializer=tf.zeros_initializer())
    with tf.variable_scope("training"):
        tf.train.MomentumOptimizer(0.1, 0.9, name="Heavy").minimize(tf.reduce_sum(w))
    assert [v.name for v in tf.global_variables()] == ["w:0", "training/w/Heavy:0"]


def test_slots_and_variables() -> None:
    x, y = tf.Variable([1.0, 2.0], name="x"), tf.Variable(3.0, name="y")
    adam = tf.train.AdamOptimizer()
    assert adam.get_slot_names() == []
    adam.minimize(tf.reduce_sum(x), var_list=[x])
    assert adam.get_slot_names() == ["m", "v"]
    assert adam.get_slot(x, "m").name == "x/Adam:0"
    assert adam.get_slot(x, "v").shape == [2]
    assert adam.get_slot(y, "m") is None
    assert adam.get_slot(x, "momentum") is None
    assert [v.name for v in adam.variables()] == [
        "beta1_power:0", "beta2_power:0", "x/Adam:0", "x/Adam_1:0"]
    with tf.Graph().as_default():
        assert adam.variables() == []
    assert adam.get_name() == "Adam"


def test_a_second_application_uses_the_same_slots() -> None:
    w = tf.Variable(1.0, name="w")
    heavy = tf.train.MomentumOptimizer(0.1, 0.5)
    one, two = heavy.minimize(w * w), heavy.minimize(w)
    assert len(tf.global_variables()) == 2
    assert [one.name, two.name] == ["Momentum", "Momentum_1"]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(one)
        sess.run(two)
        # a = 2, w = 0.8; then a = 0.5·2 + 1 = 2, w = 0.6
        np.testing.assert_allclose(sess.run(w), 0.6, rtol=1e-6)


def test_slots_of_a_variable_of_open_shape() -> None:
    n = tf.placeholder(tf.int32, [])
    w = tf.Variable(tf.ones([n]), validate_shape=False)
    train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(w))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer(), {n: 3})
        sess.run(train)
        np.testing.assert_allclose(sess.run(w), [0.9] * 3, rtol=1e-6)


def test_pairs_in_order_with_none_where_unconnected() -> None:
    x, y, z = (tf.Variable(float(i), name=n) for i, n in enumerate("xyz"))
    optimizer = tf.train.GradientDescentOptimizer(0.5)
    pairs = optimizer.compute_gradients(y * 3.0, [[z, y], (x,)])
    assert [(g is None, v.name) for g, v in pairs] == [
        (True, "z:0"), (False, "y:0"), (True, "x:0")]
    train = optimizer.apply_gradients(pairs, name="go")
    assert train.name == "go"
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run([x, y, z]) == [0.0, -0.5, 2.0]


def test_gradients_may_be_changed_in_between() -> None:
    w = tf.Variable([3.0, -4.0])
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    pairs = optimizer.compute_gradients(tf.reduce_sum(w * w))
    train = optimizer.apply_gradients([(tf.clip_by_value(g, -1.0, 1.0), v) for g, v in pairs])
    number = optimizer.apply_gradients([([1, 2], w)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_array_equal(sess.run(w), [2.0, -3.0])
        sess.run(number)
        np.testing.assert_array_equal(sess.run(w), [1.0, -5.0])


@pytest.mark.parametrize("gate", [0, 1, 2])
def test_gates_and_grad_loss(gate: int) -> None:
    w = tf.Variable(1.0)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(
        w * w, gate_gradients=gate, grad_loss=tf.constant(5.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_allclose(sess.run(w), 0.0, atol=1e-6)


def test_control_dependencies_come_before_the_step() -> None:
    mean = tf.Variable(0.0, trainable=False)
    w = tf.Variable(1.0)
    with tf.control_dependencies([tf.assign(mean, 7.0)]):
        train = tf.train.AdamOptimizer().minimize(w * w)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run(mean) == 7.0


class Signs(tf.train.Optimizer):
    """As users write them: sign descent that counts its steps in a slot."""

    def __init__(self, rate: float) -> None:
        super().__init__(False, "Signs")
        self._rate = rate

    def _create_slots(self, var_list):
        for v in var_list:
            self._get_or_make_slot(v, tf.constant(10.0), "count", "Count")

    def _prepare(self):
        self._rate_t = tf.convert_to_tensor(self._rate)

    def _apply_dense(self, grad, var):
        counted = tf.assign_add(self.get_slot(var, "count"), 1.0)
        return tf.group(tf.assign_sub(var, self._rate_t * tf.sign(grad)), counted)

    def _apply_sparse(self, grad, var):
        return tf.scatter_sub(var, grad.indices, self._rate_t * tf.sign(grad.values))


def test_a_user_defined_optimizer() -> None:
    w = tf.Variable([2.0, -3.0], name="w")
    signs = Signs(0.5)
    train = signs.minimize(tf.reduce_sum(w * w))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        sess.run(train)
        np.testing.assert_array_equal(sess.run(w), [1.0, -2.0])
        assert sess.run(signs.get_slot(w, "count")) == 12.0
    assert signs.get_slot(w, "count").name == "w/Count:0"


def test_a_user_defined_optimizer_gets_each_row_once() -> None:
    w = tf.Variable([[2.0], [5.0], [7.0]])
    train = Signs(0.5).minimize(tf.reduce_sum(tf.gather(w, [2, 0, 2, 2])))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_array_equal(sess.run(w), [[1.5], [5.0], [6.5]])


def test_a_subclass_with_resource_methods_only() -> None:
    class Plain(tf.train.Optimizer):
        def _resource_apply_dense(self, grad, var):
            return tf.assign_sub(var, grad)

        def _resource_apply_sparse(self, grad, var, indices):
            return tf.scatter_sub(var, indices, grad)

    dense, rows = tf.Variable([3.0]), tf.Variable([[1.0], [1.0]])
    train = Plain(False, "Plain").minimize(
        tf.reduce_sum(dense) * 2.0 + tf.reduce_sum(tf.gather(rows, [1, 1])))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_array_equal(sess.run(dense), [1.0])
        np.testing.assert_array_equal(sess.run(rows), [[1.0], [-1.0]])


# ---- mistakes -----------------------------------------------------------------------------------


def optimizer() -> tf.train.Optimizer:
    return tf.train.GradientDescentOptimizer(0.1)


def test_no_variables() -> None:
    with pytest.raises(ValueError, match="No variables to optimize"):
        optimizer().minimize(tf.constant(1.0))
    with pytest.raises(ValueError, match="No variables provided"):
        optimizer().apply_gradients([])


def test_no_gradients() -> None:
    w = tf.Variable([1.0, 2.0], name="weights")
    with pytest.raises(ValueError, match=r"No gradients provided for any variable.*weights:0"):
        optimizer().minimize(tf.cast(tf.argmax(w), tf.float32))
    with pytest.raises(ValueError, match=r"No gradients provided for any variable: weights:0"):
        optimizer().apply_gradients([(None, w)])


def test_types() -> None:
    w = tf.Variable(1.0)
    with pytest.raises(ValueError, match="invalid type int32"):
        optimizer().minimize(tf.constant(1))
    with pytest.raises(TypeError, match="must hold variables"):
        optimizer().compute_gradients(w * w, ["w"])
    with pytest.raises(TypeError, match="gradient of .* must be convertible"):
        optimizer().apply_gradients([("text", w)])
    with pytest.raises(ValueError, match="gate_gradients must be one of"):
        optimizer().compute_gradients(w * w, gate_gradients=7)
    with pytest.raises(ValueError, match="Must specify the optimizer name"):
        tf.train.Optimizer(False, "")


def test_a_tensor_has_a_gradient_but_cannot_be_updated() -> None:
    x = tf.constant(2.0)
    pairs = optimizer().compute_gradients(x * x, [x])
    with pytest.raises(NotImplementedError, match="trying to update a Tensor"):
        optimizer().apply_gradients(pairs)


def test_constraint_on_a_sparse_gradient() -> None:
    w = tf.Variable([[1.0], [2.0]], constraint=tf.identity, name="table")
    with pytest.raises(RuntimeError, match="Cannot use a constraint .* sparse .*'table'"):
        optimizer().minimize(tf.reduce_sum(tf.gather(w, [0])))


def test_base_class_says_what_is_missing() -> None:
    w = tf.Variable(1.0)
    with pytest.raises(NotImplementedError, match=r"_apply_dense\(grad, var\)"):
        tf.train.Optimizer(False, "Bare").minimize(w * w)


def test_gradient_of_another_shape() -> None:
    w = tf.Variable([1.0, 2.0], name="w")
    with pytest.raises(errors.ShapeError, match=r"\[2\]"):
        optimizer().apply_gradients([(tf.ones([3]), w)])


@pytest.mark.parametrize("make", [
    lambda: tf.train.AdamOptimizer(0.1), lambda: tf.train.AdagradOptimizer(0.1),
    lambda: tf.train.GradientDescentOptimizer(0.1), lambda: tf.train.RMSPropOptimizer(0.1)])
def test_a_step_with_repeated_rows_needs_nothing_of_python(make: Any) -> None:
    table = tf.Variable(np.ones((6, 2), np.float32))
    ids = tf.placeholder(tf.int32, [None])
    train = make().minimize(tf.reduce_sum(tf.square(tf.gather(table, ids))))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert not sess.explain(train, {ids: [1, 2, 1]}).host_steps
        sess.run(train, {ids: [1, 2, 1]})
        assert np.unique(sess.run(table)).size > 1


def test_an_optimizer_that_adds_rows_itself_gets_each_once() -> None:
    class Adding(tf.train.AdamOptimizer):
        def _apply_sparse(self, grad: Any, var: Any) -> Any:
            return tf.scatter_sub(var, grad.indices, grad.values)

    table = tf.Variable(np.ones((4, 1), np.float32))
    train = Adding().minimize(tf.reduce_sum(tf.gather(table, [1, 2, 1])))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_array_equal(sess.run(table), [[1], [-1], [0], [1]])
