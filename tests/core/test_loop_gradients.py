"""Gradients of `while_loop`, of first and second order, against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def x():
    return gf.placeholder(gf.float64, [3], name="x")


POINT = np.array([0.5, -0.8, 1.3])


def differences(function, at, step=1e-5):
    """Central differences of a scalar function of a vector."""
    found = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        high, low = at.copy(), at.copy()
        high[i] += step
        low[i] -= step
        found[i] = (function(high) - function(low)) / (2 * step)
    return found


def check(y, x, at=POINT, orders=2, weights=None):
    """Compares d(y)/dx, and the derivative of a weighted sum of it, with finite differences."""
    weights = np.linspace(1.0, 2.0, at.size).reshape(at.shape) if weights is None else weights
    scalar = gf.reduce_sum(y)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(orders):
            gradient, = gf.gradients(scalar, x)
            gradient = gf.convert_to_tensor(gradient)
            expected = differences(lambda v, s=scalar: session.run(s, {x: v}), at)
            np.testing.assert_allclose(
                session.run(gradient, {x: at}), expected, rtol=2e-6, atol=2e-8)
            scalar = gf.reduce_sum(gradient * weights)


def repeat(times, body, *start):
    """`body` applied `times` times; it does not see the counter."""
    out = gf.while_loop(lambda i, *_: i < times, lambda i, *v: (i + 1, *_as_tuple(body(*v))),
                        [0, *start])
    return out[1] if len(start) == 1 else out[1:]


def _as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


# ---- forms of loops -----------------------------------------------------------------------------


def test_variables_that_the_result_does_not_depend_on_are_not_walked_back(graph, x):
    # Of three variables one is used afterwards; it reads the second, and the third only grows.
    first, second, third = repeat(
        3, lambda a, b, c: (a * b, b + 0.5 * x, c + a), x, x + 1.0, gf.zeros([3], gf.float64))
    del second, third
    check(first, x)
    backward = next(op for op in graph.get_operations()
                    if op.type == "While" and "backward" in op.name)
    # The turn, the gradients of a and b, and the sum for x.
    assert backward.attrs["loop_vars"] == 4


def test_a_power(x):
    y = repeat(4, lambda a: a * x, gf.ones([3], gf.float64))
    check(y, x)
    with gf.Session() as session:
        g, = session.run(gf.gradients(y, x), {x: POINT})
    np.testing.assert_allclose(g, 4 * POINT**3)


def test_a_nonlinear_recurrence(x):
    check(repeat(5, lambda a: gf.tanh(a * 1.3 + x), x * 0.5), x)


def test_two_variables_that_feed_each_other(x):
    a, b = repeat(4, lambda a, b: (gf.sin(b) + a * 0.3, a * b), x, x * x)
    check(a * 2.0 + b, x)


def test_a_variable_that_depends_on_the_counter(x):
    def body(i, a):
        return i + 1, a * x + gf.cast(i, gf.float64)

    check(gf.while_loop(lambda i, a: i < 4, body, [0, x])[1], x)


def test_the_condition_may_depend_on_the_value(x):
    y = gf.while_loop(lambda a: gf.reduce_sum(a * a) < 40.0, lambda a: a * 1.7 + 0.1, [x])
    check(y, x)


def test_loop_invariant_tensors(x):
    w = gf.constant(np.array([[0.5, 0.1, 0.0], [0.2, -0.4, 0.3], [0.0, 0.6, 0.2]]))
    scale = gf.exp(x)
    y = repeat(3, lambda a: gf.tanh(gf.reduce_sum(w * a, 1)) * scale, x)
    check(y, x)


def test_matrix_powers():
    m = gf.placeholder(gf.float64, [2, 2])
    y = repeat(3, lambda a: gf.matmul(a, m), m)
    check(y, m, at=np.array([[0.3, -0.7], [0.9, 0.4]]))


def test_nested_loops(x):
    def outer(a):
        return repeat(2, lambda b: gf.sin(b) + a * x, a)

    check(repeat(3, outer, x), x)


def test_three_levels(x):
    y = repeat(2, lambda a: repeat(2, lambda b: repeat(2, lambda c: gf.sin(c) * x + a, b), a), x)
    check(y, x, orders=1)


def test_cond_in_a_loop(x):
    def body(i, a):
        return i + 1, gf.cond(
            gf.equal(i % 2, 0), lambda: a * x, lambda: gf.sin(a) + x)

    check(gf.while_loop(lambda i, a: i < 5, body, [0, x])[1], x)


def test_a_loop_in_cond(x):
    choose = gf.placeholder_with_default(True, [])
    y = gf.cond(choose, lambda: repeat(3, lambda a: gf.sin(a) * x, x), lambda: x * x)
    check(y, x)
    with gf.Session() as session:
        g = session.run(gf.gradients(y, x)[0], {x: POINT, choose: False})
    np.testing.assert_allclose(g, 2 * POINT)


def test_a_loop_after_a_loop(x):
    check(repeat(2, lambda a: a * x + 1.0, repeat(2, lambda a: gf.sin(a) * x, x)), x)


def test_shapes_that_the_feed_decides():
    x = gf.placeholder(gf.float64, [None, 2])
    y = repeat(3, lambda a: gf.tanh(a) * x, x)
    for rows in (1, 3):
        check(y, x, at=np.linspace(-1, 1, rows * 2).reshape(rows, 2))


def test_no_iterations_and_one(x):
    n = gf.placeholder(gf.int32, [])
    y = gf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, gf.sin(a) * x), [0, x])[1]
    g, = gf.gradients(y, x)
    h, = gf.gradients(g, x)
    with gf.Session() as session:
        assert session.run([g, h], {x: POINT, n: 0})[0].tolist() == [1.0, 1.0, 1.0]
        assert session.run(h, {x: POINT, n: 0}).tolist() == [0.0, 0.0, 0.0]
        np.testing.assert_allclose(
            session.run(g, {x: POINT, n: 1}), np.cos(POINT) * POINT + np.sin(POINT))


def test_a_growing_variable(x):
    def body(i, rows):
        return i + 1, gf.concat([rows, gf.reduce_sum(rows, 0, keepdims=True) * x], 0)

    start = gf.reshape(x, [1, 3])
    y = gf.while_loop(lambda i, rows: i < 3, body, [0, start],
                      shape_invariants=[gf.TensorShape([]), gf.TensorShape([None, 3])])[1]
    check(y, x, orders=1)


# ---- variables ----------------------------------------------------------------------------------


def with_respect_to(variable, y, orders=2):
    """Checks derivatives with respect to a variable: by loading other values."""
    scalar = gf.reduce_sum(y)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        at = session.run(variable)

        def value(v, s):
            variable.load(v, session)
            return session.run(s)

        for _ in range(orders):
            gradient = gf.convert_to_tensor(gf.gradients(scalar, variable)[0])
            expected = differences(lambda v, s=scalar: value(v, s), at)
            variable.load(at, session)
            np.testing.assert_allclose(session.run(gradient), expected, rtol=2e-6, atol=2e-8)
            scalar = gf.reduce_sum(gradient * np.linspace(1.0, 2.0, at.size).reshape(at.shape))


def test_captured_variables():
    w = gf.Variable(POINT)
    with_respect_to(w, repeat(3, lambda a: gf.sin(a) * w, gf.ones([3], gf.float64)))


def test_captured_variables_in_nested_loops():
    w = gf.Variable(POINT)
    with_respect_to(w, repeat(2, lambda a: repeat(2, lambda b: gf.sin(b) * w, a),
                              gf.ones([3], gf.float64)))


def test_a_variable_inside_and_outside():
    w = gf.Variable(POINT)
    with_respect_to(w, repeat(3, lambda a: gf.sin(a) * w, w * 2.0) * w)


def test_rows_of_a_captured_variable():
    table = gf.Variable(np.arange(8.0).reshape(4, 2) / 5)

    def body(i, a):
        return i + 1, gf.sin(a) * gf.gather(table, i % 2 + 1)

    y = gf.while_loop(lambda i, a: i < 4, body, [0, gf.ones([2], gf.float64)])[1]
    with_respect_to(table, y)


def test_training_through_a_loop():
    """A linear recurrence is fitted: 3 steps of a·h + b from 1 should give 10."""
    a, b = gf.Variable(1.0, dtype=gf.float64), gf.Variable(0.5, dtype=gf.float64)
    h = repeat(3, lambda h: a * h + b, gf.constant(1.0, gf.float64))
    loss = gf.square(h - 10.0)
    ga, gb = gf.gradients(loss, [a, b])
    step = gf.group(a.assign_sub(0.002 * ga), b.assign_sub(0.002 * gb))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        losses = [session.run([loss, step])[0] for _ in range(60)]
    assert losses[-1] < 1e-6 * losses[0]


def test_a_variable_that_the_loop_assigns_is_differentiated_through_its_reads():
    """As in TensorFlow 1: an assignment passes nothing on, each read is the variable."""
    v = gf.Variable(1.0)

    def body(i, a):
        with gf.control_dependencies([v.assign_add(1.0)]):
            return i + 1, a * v.read_value()

    y = gf.while_loop(lambda i, a: i < 3, body, [0, gf.constant(1.0)])[1]
    g, = gf.gradients(y, v)
    with gf.Session() as session:
        session.run(v.initializer)
        assert session.run([y, g, v]) == [2 * 3 * 4, 3 * 4 + 2 * 4 + 2 * 3, 4.0]


def test_other_gradients_flow_past_assignments(x):
    count = gf.Variable(np.zeros(3))

    def body(i, a):
        with gf.control_dependencies([count.assign_add(gf.ones([3], gf.float64))]):
            return i + 1, a * x

    y = gf.while_loop(lambda i, a: i < 3, body, [0, x])[1]
    g, = gf.gradients(y, x)
    with gf.Session() as session:
        session.run(count.initializer)
        _, gradient, runs = session.run([y, g, count], {x: POINT})
    np.testing.assert_allclose(gradient, 4 * POINT**3)
    assert runs.tolist() == [3, 3, 3], "the gradient assigns nothing"


def test_effects_inside_an_inner_cond_are_not_run_again(x):
    calls = []

    def host(a):
        calls.append(1)
        return a

    def body(i, a, k):
        k = gf.cond(i > 0, lambda: gf.ensure_shape(gf.py_func(host, [k], gf.int64), []),
                    lambda: k + 1)
        return i + 1, a * x * gf.cast(k, gf.float64), k

    start = [0, x, gf.constant(0, gf.int64)]
    y = gf.while_loop(lambda i, a, k: i < 3, body, start)[1]
    with gf.Session() as session:
        value, g = session.run([y, gf.gradients(y, x)[0]], {x: POINT})
    assert len(calls) == 2
    np.testing.assert_allclose(g, 4 * value / POINT)


def test_a_gradient_through_effects_of_an_inner_cond_is_refused(x):
    def body(i, a):
        return i + 1, gf.cond(i > 0, lambda: a * gf.ensure_shape(
            gf.py_func(np.sin, [a], gf.float64), [3]), lambda: a * x)

    y = gf.while_loop(lambda i, a: i < 3, body, [0, x])[1]
    with pytest.raises(LookupError, match="If .*no gradient flows through a cond.*py_func"):
        gf.gradients(y, x)


# ---- what does not flow -------------------------------------------------------------------------


def test_integers_carry_no_gradient(x):
    def body(i, k, a):
        return i + 1, k * 2, a * gf.cast(k, gf.float64) * x

    n = gf.constant(1)
    i, k, y = gf.while_loop(lambda i, k, a: i < 3, body, [0, n, x])
    check(y, x)
    assert gf.gradients(y, n) == [None]
    assert gf.gradients(gf.cast(k, gf.float64), x) == [None]


def test_without_back_prop(x):
    y = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x],
                      back_prop=False)[1]
    assert gf.gradients(y, x) == [None]
    check(y * x, x, orders=0)
    with gf.Session() as session:
        g, value = session.run([gf.gradients(y * x, x)[0], y], {x: POINT})
    np.testing.assert_allclose(g, value)


def test_stop_gradient_in_the_body(x):
    y = repeat(3, lambda a: gf.stop_gradient(a) * x, x)
    with gf.Session() as session:
        g, = session.run(gf.gradients(y, x), {x: POINT})
    np.testing.assert_allclose(g, POINT**3)


def test_what_the_loop_does_not_use(x):
    z = gf.placeholder(gf.float64, [3])
    y = repeat(3, lambda a: a * x, x)
    assert gf.gradients(y, z) == [None]
    i, a, b = gf.while_loop(
        lambda i, a, b: i < 2, lambda i, a, b: (i + 1, a * x, b + z), [0, x, z])
    with gf.Session() as session:
        assert session.run(gf.gradients(a, z)[0], {x: POINT, z: POINT}).tolist() == [0, 0, 0]


# ---- random and host steps ----------------------------------------------------------------------


def test_random_masks_have_the_gradient_of_what_was_drawn(x):
    """y = Π (x · maskᵢ): dy/dx = 4 y / x, whatever masks were drawn."""
    y = repeat(4, lambda a: a * x * gf.random_uniform([3], 0.5, 1.5, gf.float64), x)
    g, = gf.gradients(y, x)
    with gf.Session() as session:
        values = []
        for _ in range(3):
            value, gradient = session.run([y, g], {x: POINT})
            np.testing.assert_allclose(gradient, 5 * value / POINT)
            values.append(value[0])
    assert len(set(values)) == 3


def test_dropout_in_a_loop(x):
    y = repeat(3, lambda a: gf.nn.dropout(a * x, rate=0.5, seed=3), x)
    with gf.Session() as session:
        value, g = session.run([y, gf.gradients(y, x)[0]], {x: POINT})
    np.testing.assert_allclose(g, 4 * value / POINT)


def test_a_host_function_is_called_once_an_iteration_also_when_differentiated(x):
    calls = []

    def host(a):
        calls.append(1)
        return np.full(3, float(len(calls)))

    y = repeat(3, lambda a: a * x * gf.ensure_shape(
        gf.py_func(host, [a], gf.float64), [3]), gf.ones([3], gf.float64))
    with gf.Session() as session:
        value, g = session.run([y, gf.gradients(y, x)[0]], {x: POINT})
    assert len(calls) == 3
    np.testing.assert_allclose(value, 6 * POINT**3)
    np.testing.assert_allclose(g, 18 * POINT**2)


def test_prints_are_not_repeated_by_the_gradient(x, capfd):
    y = repeat(2, lambda a: gf.Print(a * x, [gf.shape(a)], "turn "), x)
    with gf.Session() as session:
        session.run([y, gf.gradients(y, x)[0]], {x: POINT})
    assert capfd.readouterr().err.count("turn") == 2


def test_histories_are_kept_only_for_gradients(x):
    """The executable collects the loop variables' past only where something reads it."""
    y = repeat(3, lambda a: a * x, x)
    histories = y.op.outputs[3:5]
    with gf.Session(device="reference") as session:
        session.run(y, {x: POINT})
        variant, = next(iter(session._variants.values()))
    step = next(s for s in variant.executable._steps if s.node.opdef.name == "While")
    assert not any(step.used[h.index] for h in histories)


def test_a_size_that_a_turn_changes():
    """The first turn multiplies [3, 2] by [3, 2], the later ones [1, 2] by [3, 2]."""
    x = gf.placeholder(gf.float64, [None, 2])
    y = repeat(3, lambda a: gf.reduce_sum(gf.sin(a * x), 0, keepdims=True), x)
    check(y, x, at=np.linspace(-1.0, 1.0, 6).reshape(3, 2), orders=1)
    assert y.shape.as_list() == [None, 2]


# ---- gradients inside loops, loops inside everything --------------------------------------------


def test_gradient_descent_as_a_loop():
    """x ← x − r·d(x−3)²/dx from 0: xₙ = 3 − 3(1−2r)ⁿ, which is differentiated by r."""
    rate = gf.placeholder(gf.float64, [])

    def body(i, x):
        slope, = gf.gradients((x - 3.0) ** 2, x)
        return i + 1, x - rate * slope

    y = gf.while_loop(lambda i, x: i < 3, body, [0, gf.constant(0.0, gf.float64)])[1]
    with gf.Session() as session:
        found = session.run([y, gf.gradients(y, rate)[0]], {rate: 0.1})
    np.testing.assert_allclose(found, [3 - 3 * 0.8**3, 18 * 0.8**2])


def test_a_loop_in_a_cond_in_a_loop_in_a_cond(x):
    w = gf.Variable(POINT)
    choose = gf.placeholder_with_default(True, [])

    def inner(a):
        return gf.cond(gf.reduce_sum(a) > 0.0,
                       lambda: repeat(2, lambda b: b * w + x, a), lambda: a * x)

    y = gf.cond(choose, lambda: repeat(2, lambda a: gf.sin(inner(a)) * w, x), lambda: x)
    check(y, x)
    with_respect_to(w, gf.cond(
        choose, lambda: repeat(2, lambda a: gf.sin(a * w) + w, gf.ones([3], gf.float64)),
        lambda: w * 1.0))


def test_a_recurrent_network():
    rng = np.random.default_rng(0)
    xs = gf.placeholder(gf.float64, [4, None, 2])
    w = gf.constant(rng.normal(size=(2, 2)))

    def body(t, h):
        return t + 1, gf.tanh(gf.matmul(h, w) + gf.gather(xs, t))

    start = gf.zeros([gf.shape(xs)[1], 2], gf.float64)
    h = gf.while_loop(lambda t, h: t < 4, body, [0, start])[1]
    assert h.shape.as_list() == [None, 2]
    check(h, xs, at=rng.normal(size=(4, 3, 2)))


def test_third_derivatives_through_an_open_loop(x):
    y = gf.while_loop(lambda a: gf.reduce_sum(a) < 100.0, lambda a: a * x, [x])
    check(y, x, at=np.array([1.5, 2.0, 1.2]), orders=3)


def test_sizes_that_depend_on_the_data():
    x = gf.placeholder(gf.float64, [None])
    y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, gf.boolean_mask(a * a, a > 0.0)),
                      [0, x])[1]
    check(y, x, at=np.array([1.5, -1.0, 0.5]), orders=1)


# ---- products -----------------------------------------------------------------------------------

MATRIX = np.array([[0.9, -0.3, 0.2], [0.4, 0.7, -0.5], [-0.1, 0.6, 0.8]])


def products(gradient, feeds):
    """How many products the program of a gradient has."""
    with gf.Session() as session:
        kernels = session.explain(gradient, feeds).kernels
    return sum(k.kind == "contraction" for k in kernels)


def test_a_product_is_not_computed_again():
    w = gf.placeholder(gf.float64, [3, 3])
    rows = gf.placeholder(gf.float64, [None, 3])
    out = repeat(4, lambda a: gf.tanh(gf.matmul(a, w)) + rows, rows)
    gradient, = gf.gradients(out, w)
    fed = np.linspace(-1, 1, 15).reshape(5, 3)
    assert products(gradient, {w: MATRIX, rows: fed}) == 3  # the product and its two gradients
    scalar = gf.reduce_sum(out)
    with gf.Session() as session:
        expected = differences(lambda v: session.run(scalar, {w: v, rows: fed}), MATRIX)
        np.testing.assert_allclose(
            session.run(gradient, {w: MATRIX, rows: fed}), expected, rtol=1e-6, atol=1e-8)


def test_the_second_order_of_products():
    w = gf.placeholder(gf.float64, [3, 3])
    check(repeat(3, lambda a: gf.tanh(gf.matmul(a, w)), gf.constant(MATRIX)), w, MATRIX)


def test_products_of_rows_that_become_more():
    w = gf.placeholder(gf.float64, [3, 3])
    out = gf.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, gf.concat([a, gf.sin(gf.matmul(a, w))], 0)),
        [0, gf.constant(MATRIX)],
        shape_invariants=[gf.TensorShape([]), gf.TensorShape([None, 3])])[1]
    check(out, w, MATRIX, orders=1)


def test_the_reference_agrees():
    w = gf.placeholder(gf.float64, [3, 3])
    out = repeat(3, lambda a: gf.tanh(gf.matmul(a, w)), gf.constant(MATRIX))
    gradient, = gf.gradients(out, w)
    found = []
    for device in ("cpu", "reference"):
        with gf.Session(device=device) as session:
            found.append(session.run(gradient, {w: MATRIX}))
    np.testing.assert_allclose(*found, rtol=1e-12)
