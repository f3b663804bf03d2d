"""Functions and operations with gradients of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow.custom_gradient import identity_n, not_differentiable


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[tf.Session]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


@tf.custom_gradient
def log1pexp(x):
    """log(1 + eˣ), whose own gradient is NaN for large x."""
    e = tf.exp(x)
    return tf.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))


@tf.custom_gradient
def cubed_with_gradient_of_square(x):
    return x * x * x, lambda dy: dy * tf.square(x)


def test_replaces_the_gradient(fresh_session: tf.Session) -> None:
    x = tf.constant([0.0, 100.0])
    y = log1pexp(x)
    value, gradient = fresh_session.run([y, tf.gradients(y, x)[0]])
    np.testing.assert_allclose(value[0], np.log(2.0), rtol=1e-6)
    np.testing.assert_array_equal(gradient, [0.5, 1.0])
    assert log1pexp.__name__ == "log1pexp"


def test_second_order_comes_from_the_gradient_function(fresh_session: tf.Session) -> None:
    x = tf.constant(3.0)
    first = tf.gradients(cubed_with_gradient_of_square(x), x)[0]
    assert fresh_session.run([first, tf.gradients(first, x)[0]]) == [9.0, 6.0]


def test_several_arguments_and_outputs(fresh_session: tf.Session) -> None:
    @tf.custom_gradient
    def both(a, b):
        return (a + b, a * b), lambda d_sum, d_product: (d_sum * 10.0, d_product)

    a, b = tf.constant(2.0), tf.constant(5.0)
    total, product = both(a, b)
    assert fresh_session.run([total, product]) == [7.0, 10.0]
    # Of the output that is not used the gradient is zero.
    assert fresh_session.run(tf.gradients(total, [a, b])) == [10.0, 0.0]
    assert fresh_session.run(tf.gradients(total + 3.0 * product, [a, b])) == [10.0, 3.0]


def test_nested_outputs_keep_their_structure(fresh_session: tf.Session) -> None:
    @tf.custom_gradient
    def nested(x):
        return {"a": x, "b": [x + 1.0]}, lambda da, db: da + 2.0 * db

    x = tf.constant(1.0)
    out = nested(x)
    assert fresh_session.run(out) == {"a": 1.0, "b": [2.0]}
    assert fresh_session.run(tf.gradients([out["a"], out["b"][0]], x)) == [3.0]


def test_integer_argument_has_no_gradient(fresh_session: tf.Session) -> None:
    @tf.custom_gradient
    def row(table, i):
        return tf.gather(table, i), lambda dy: (tf.ones_like(table) * dy, None)

    table = tf.constant([1.0, 2.0])
    assert list(fresh_session.run(tf.gradients(row(table, 1), table)[0])) == [1.0, 1.0]


def test_variables_that_the_function_reads(fresh_session: tf.Session) -> None:
    w = tf.Variable(3.0, name="w")
    counted = tf.Variable(1.0, trainable=False, name="counted")
    seen = []

    @tf.custom_gradient
    def scaled(x):
        def grad(dy, variables=None):
            seen.extend(variables)
            return dy * 100.0, [dy * 7.0]

        return x * w * counted, grad

    x = tf.constant(2.0)
    y = scaled(x)
    fresh_session.run(tf.global_variables_initializer())
    assert fresh_session.run(y) == 6.0
    assert fresh_session.run(tf.gradients(y, [x, w])) == [100.0, 7.0]
    assert seen == [w]
    train = tf.train.GradientDescentOptimizer(0.1).minimize(y, var_list=[w])
    fresh_session.run(train)
    np.testing.assert_allclose(fresh_session.run(w), 2.3, rtol=1e-6)


def test_a_variable_as_argument_is_an_argument(fresh_session: tf.Session) -> None:
    w = tf.Variable([3.0, 4.0])
    fresh_session.run(w.initializer)
    gradient = tf.gradients(cubed_with_gradient_of_square(w), w)[0]
    np.testing.assert_array_equal(fresh_session.run(gradient), [9.0, 16.0])


def test_inside_branches_and_loops(fresh_session: tf.Session) -> None:
    w = tf.Variable(3.0)

    @tf.custom_gradient
    def scaled(x):
        def grad(dy, variables=None):
            return dy * 7.0, [dy * 3.0 for _ in variables]

        return x * w, grad

    fresh_session.run(w.initializer)
    x = tf.constant(1.0)
    branch = tf.cond(x > 0, lambda: scaled(x), lambda: x)
    assert fresh_session.run(tf.gradients(branch, [x, w])) == [7.0, 3.0]
    _, last = tf.while_loop(
        lambda i, y: i < 3, lambda i, y: [i + 1, scaled(y)], [0, x])
    assert fresh_session.run(last) == 27.0
    # dx: 7³; dw: 3 · (1 + 7 + 49).
    assert fresh_session.run(tf.gradients(last, [x, w])) == [343.0, 171.0]


# ---- mistakes -----------------------------------------------------------------------------------


def test_wrong_functions() -> None:
    x = tf.constant(1.0)
    with pytest.raises(TypeError, match=r"'<lambda>' must return \(outputs, grad_fn\)"):
        tf.custom_gradient(lambda v: v)(x)
    with pytest.raises(ValueError, match="takes no keyword arguments .* x: each argument"):
        log1pexp(x=x)
    two = tf.custom_gradient(lambda a, b: (a + b, lambda dy: dy))
    with pytest.raises(ValueError, match="a gradient for each argument: 2, got 1"):
        tf.gradients(two(x, x), x)


def test_variables_need_the_keyword() -> None:
    w, x = tf.Variable(1.0, name="w"), tf.constant(1.0)
    with pytest.raises(TypeError, match=r"uses variables \(w\).*'variables' keyword"):
        tf.custom_gradient(lambda a: (a * w, lambda dy: dy))(x)
    no_pair = tf.custom_gradient(lambda a: (a * w, lambda dy, variables: dy))
    with pytest.raises(TypeError, match="must return .gradients of the arguments, gradients of"):
        tf.gradients(no_pair(x), x)
    too_few = tf.custom_gradient(lambda a: (a * w, lambda dy, variables: (dy, [])))
    with pytest.raises(ValueError, match="a gradient for each variable: 1, got 0"):
        tf.gradients(too_few(x), x)


# ---- gradients by name --------------------------------------------------------------------------


@tf.RegisterGradient("TestGuidedRelu")
def guided_relu(op, grad):
    return tf.where(tf.logical_and(grad > 0, op.outputs[0] > 0), grad, tf.zeros_like(grad))


def test_gradient_override_map(fresh_session: tf.Session) -> None:
    x = tf.constant([-1.0, 2.0, 3.0])
    weights = tf.constant([5.0, 5.0, -5.0])
    graph = tf.get_default_graph()
    with graph.gradient_override_map({"Relu": "TestGuidedRelu"}):
        guided = tf.nn.relu(x)
    plain = tf.nn.relu(x)
    gradient = [tf.gradients(y * weights, x)[0] for y in (guided, plain)]
    found = fresh_session.run(gradient)
    np.testing.assert_array_equal(found[0], [0.0, 5.0, 0.0])
    np.testing.assert_array_equal(found[1], [0.0, 5.0, -5.0])


def test_straight_through_estimator(fresh_session: tf.Session) -> None:
    x = tf.constant([0.4, 1.6])
    with tf.get_default_graph().gradient_override_map({"Round": "Identity"}):
        y = tf.round(x)
    np.testing.assert_array_equal(fresh_session.run(tf.gradients(y * 3.0, x)[0]), [3.0, 3.0])


def test_nested_maps(fresh_session: tf.Session) -> None:
    x, graph = tf.constant(0.5), tf.get_default_graph()
    with graph.gradient_override_map({"Round": "Identity", "Exp": "Identity"}):
        with graph.gradient_override_map({"Exp": "TestNoPath"}):
            inner = tf.exp(x), tf.round(x)
        outer = tf.exp(x)
    assert tf.gradients(inner[0], x) == [None]
    assert fresh_session.run(tf.gradients([inner[1], outer], x)) == [2.0]


not_differentiable("TestNoPath")


def test_a_python_function_with_a_gradient(fresh_session: tf.Session) -> None:
    x = tf.constant([1.0, 2.0])
    with tf.get_default_graph().gradient_override_map({"PyFunc": "TestCubeGradient"}):
        y, = tf.py_func(lambda v: v**3, [x], [tf.float32])
    y.set_shape([2])
    np.testing.assert_array_equal(fresh_session.run(tf.gradients(y, x)[0]), [3.0, 12.0])


@tf.RegisterGradient("TestCubeGradient")
def cube_gradient(op, grad):
    return grad * 3.0 * tf.square(op.inputs[0])


def test_mistakes_with_names() -> None:
    graph, x = tf.get_default_graph(), tf.constant(1.0)
    with graph.gradient_override_map({"Exp": "TestNowhere"}):
        y = tf.exp(x)
    with pytest.raises(LookupError, match=r"'TestNowhere', which is not registered.*Built at"):
        tf.gradients(y, x)
    with pytest.raises(TypeError, match="dictionary mapping strings to strings"), \
            graph.gradient_override_map({"Exp": 3}):
        pass
    with pytest.raises(KeyError, match="Registering two gradient with name 'TestGuidedRelu'"):
        tf.RegisterGradient("TestGuidedRelu")(guided_relu)
    with pytest.raises(KeyError, match="'Relu'!"):
        tf.RegisterGradient("Relu")(guided_relu)
    with pytest.raises(TypeError, match="op_type must be a string"):
        tf.RegisterGradient(3)


# ---- identity_n ---------------------------------------------------------------------------------


def test_identity_n(fresh_session: tf.Session) -> None:
    x, i = tf.constant([1.0, 2.0]), tf.constant(3)
    same, number = identity_n([x, i])
    assert (same.name, number.name) == ("IdentityN:0", "IdentityN:1")
    found = fresh_session.run([same, number, tf.gradients(same * 4.0, x)[0]])
    np.testing.assert_array_equal(found[0], [1.0, 2.0])
    assert found[1] == 3
    np.testing.assert_array_equal(found[2], [4.0, 4.0])
    with pytest.raises(ValueError, match="at least one tensor"):
        identity_n([])
