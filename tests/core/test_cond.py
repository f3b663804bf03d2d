"""`cond`: what it gives, which branch runs, state inside, gradients, mistakes."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def choose():
    return gf.placeholder(gf.bool, [], name="choose")


def both(fetch, choose, feeds=()):
    """The value where the condition holds, and where it does not."""
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        return [session.run(fetch, {choose: c, **dict(feeds)}) for c in (True, False)]


# ---- results ------------------------------------------------------------------------------------


def test_one_tensor(choose):
    y = gf.cond(choose, lambda: gf.constant(1.0), lambda: gf.constant(2.0))
    assert isinstance(y, gf.Tensor) and both(y, choose) == [1.0, 2.0]


def test_nests_come_back_as_they_were_given(choose):
    Pair = collections.namedtuple("Pair", "a b")
    for make in (lambda i: [gf.constant(i), gf.constant(i + 1)],
                 lambda i: (gf.constant(i), [gf.constant(i + 1)]),
                 lambda i: {"b": gf.constant(i), "a": gf.constant(i + 1)},
                 lambda i: Pair(gf.constant(i), gf.constant(i + 1))):
        y = gf.cond(choose, lambda m=make: m(1), lambda m=make: m(5))
        assert type(y) is type(make(0))
        with gf.Session() as session:
            assert session.run(y, {choose: True}) == session.run(make(1))
            assert session.run(y, {choose: False}) == session.run(make(5))


def test_a_nest_of_one_is_unpacked_unless_strict(choose):
    one = [lambda: [gf.constant(1)], lambda: [gf.constant(2)]]
    assert isinstance(gf.cond(choose, *one), gf.Tensor)
    strict = gf.cond(choose, *one, strict=True)
    assert isinstance(strict, list) and both(strict, choose) == [[1], [2]]


def test_python_values_become_tensors(choose):
    assert both(gf.cond(choose, lambda: 1.5, lambda: 2.5), choose) == [1.5, 2.5]


def test_shapes_of_the_results_merge(choose):
    y = gf.cond(choose, lambda: gf.zeros([2, 3]), lambda: gf.zeros([4, 3]))
    assert y.shape.as_list() == [None, 3]
    assert [v.shape for v in both(y, choose)] == [(2, 3), (4, 3)]
    z = gf.cond(choose, lambda: gf.zeros([2]), lambda: gf.zeros([2, 2]))
    assert z.shape.ndims is None
    assert [v.shape for v in both(gf.shape(z), choose)] == [(1,), (2,)]


def test_only_the_taken_branch_runs(choose):
    seen = []

    def branch(text):
        return lambda: gf.py_func(lambda: seen.append(text) or np.int64(1), [], gf.int64)

    y = gf.cond(choose, branch("yes"), branch("no"))
    both(y, choose)
    assert seen == ["yes", "no"]


def test_what_is_built_outside_runs_in_any_case(choose):
    seen = []
    x = gf.py_func(lambda: seen.append(1) or np.float32(1), [], gf.float32)
    both(gf.cond(choose, lambda: x, lambda: gf.constant(2.0)), choose)
    assert seen == [1, 1]


def test_a_failing_branch_that_is_not_taken_is_harmless(choose):
    x = gf.placeholder(gf.float32, [None])
    safe = gf.cond(choose, lambda: gf.check_numerics(1.0 / x, "inverse"), lambda: x)
    with gf.Session() as session:
        assert session.run(safe, {choose: False, x: [0.0]}).tolist() == [0.0]
        with pytest.raises(gf.errors.InvalidArgumentError, match="inverse") as caught:
            session.run(safe, {choose: True, x: [0.0]})
        assert caught.value.op.type == "CheckNumerics"


def test_nested(choose):
    x = gf.placeholder(gf.float32, [])

    def sign():
        return gf.cond(x > 0.0, lambda: x * 10.0, lambda: -x)

    y = gf.cond(choose, sign, lambda: gf.cond(x > 0.0, lambda: x, lambda: gf.constant(0.0)))
    assert both(y, choose, {x: 2.0}) == [20.0, 2.0]
    assert both(y, choose, {x: -2.0}) == [2.0, 0.0]


# ---- state --------------------------------------------------------------------------------------


def test_operations_as_results(choose):
    v, w = gf.Variable(0), gf.Variable(0)
    step = gf.cond(choose, lambda: v.assign_add(1).op, lambda: gf.group(w.assign_add(1)))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for value in (True, True, False):
            session.run(step, {choose: value})
        assert session.run([v, w]) == [2, 1]


def test_writes_in_a_branch_and_reads_after_it(choose):
    v = gf.Variable(1.0)
    before = v + 0.0
    y = gf.cond(choose, lambda: v.assign_add(1.0) * 10.0, lambda: v * 100.0)
    after = v + 0.0
    assert both([before, y, after], choose) == [[1.0, 20.0, 2.0], [2.0, 200.0, 2.0]]


def test_a_branch_may_write_what_the_other_reads(choose):
    v = gf.Variable(3.0)
    y = gf.cond(choose, lambda: v.assign(5.0), lambda: v.read_value())
    assert both([y, v], choose) == [[5.0, 5.0], [5.0, 5.0]]


def test_control_dependencies_inside_a_branch(choose):
    v = gf.Variable(1.0)

    def update():
        with (gf.control_dependencies([v.assign(v * 2.0)]),
              gf.control_dependencies([v.assign_add(1.0)])):
            return v.read_value()

    assert both(gf.cond(choose, update, lambda: v + 0.0), choose) == [3.0, 3.0]


def test_control_dependencies_on_the_outside(choose):
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)

    def after():
        with gf.control_dependencies([bump]):
            return v.read_value()

    assert both(gf.cond(choose, after, lambda: gf.constant(0.0)), choose) == [2.0, 0.0]


def test_a_result_carries_the_control_dependencies_of_the_cond(choose):
    v = gf.Variable(1.0)
    with gf.control_dependencies([v.assign_add(1.0)]):
        y = gf.cond(choose, lambda: gf.constant(1.0), lambda: gf.constant(2.0))
    assert both([y, v], choose) == [[1.0, 2.0], [2.0, 3.0]]


def test_variables_made_in_a_branch_live_outside(choose):
    y = gf.cond(choose, lambda: gf.get_variable("w", initializer=lambda: gf.constant(3.0)) * 2.0,
                lambda: gf.constant(0.0))
    assert [v.op.name for v in gf.global_variables()] == ["w"]
    assert both(y, choose) == [6.0, 0.0]


def test_random_numbers_in_a_branch(choose):
    y = gf.cond(choose, lambda: gf.random_uniform([3], seed=1), lambda: gf.zeros([3]))
    first, zero = both(y, choose)
    again, _ = both(y, choose)
    np.testing.assert_array_equal(first, again)
    assert np.all(first > 0.0) and not zero.any()


# ---- gradients ----------------------------------------------------------------------------------


def test_gradients_go_through_the_taken_branch(choose):
    x, w = gf.placeholder(gf.float64, []), gf.Variable(np.float64(3.0))
    y = gf.cond(choose, lambda: x * x * w, lambda: gf.sin(x))
    found = both(gf.gradients(y, [x, w]), choose, {x: 2.0})
    np.testing.assert_allclose(found, [[12.0, 4.0], [np.cos(2.0), 0.0]])


def test_second_derivatives(choose):
    x = gf.placeholder(gf.float64, [])
    y = gf.cond(choose, lambda: x**3, lambda: gf.exp(x))
    first, = gf.gradients(y, x)
    second, = gf.gradients(first, x)
    np.testing.assert_allclose(both(second, choose, {x: 2.0}), [12.0, np.exp(2.0)])


def test_gradients_of_several_results(choose):
    x = gf.placeholder(gf.float64, [3])
    a, b = gf.cond(choose, lambda: (x * 2.0, gf.reduce_sum(x * x)),
                   lambda: (gf.exp(x), gf.constant(0.0, gf.float64)))
    found = both(gf.gradients([a, b], x)[0], choose, {x: [1.0, 2.0, 3.0]})
    np.testing.assert_allclose(found, [[4.0, 6.0, 8.0], np.exp([1.0, 2.0, 3.0])])
    found = both(gf.gradients(a, x)[0], choose, {x: [1.0, 2.0, 3.0]})
    np.testing.assert_allclose(found, [[2.0, 2.0, 2.0], np.exp([1.0, 2.0, 3.0])])


def test_gradients_of_nested_conds(choose):
    x = gf.placeholder(gf.float64, [])
    y = gf.cond(choose, lambda: gf.cond(x > 1.0, lambda: x**2, lambda: x**3), lambda: 5.0 * x)
    g, = gf.gradients(y, x)
    np.testing.assert_allclose(both(g, choose, {x: 2.0}), [4.0, 5.0])
    np.testing.assert_allclose(both(g, choose, {x: 0.5}), [0.75, 5.0])


def test_gradients_through_a_gather_in_a_branch(choose):
    table = gf.Variable(np.ones((3, 2)))
    y = gf.cond(choose, lambda: gf.reduce_sum(gf.gather(table, [2, 2])),
                lambda: gf.reduce_sum(table))
    g = gf.convert_to_tensor(gf.gradients(y, table)[0])
    np.testing.assert_array_equal(both(g, choose), [[[0, 0], [0, 0], [2, 2]], np.ones((3, 2))])


def test_random_numbers_have_the_gradient_of_what_was_drawn(choose):
    x = gf.placeholder(gf.float64, [4])
    y = gf.cond(choose, lambda: x * gf.random_uniform([4], dtype=gf.float64), lambda: x)
    with gf.Session() as session:
        value, g = session.run([y, gf.gradients(y, x)[0]], {choose: True, x: np.full(4, 2.0)})
    np.testing.assert_allclose(value, 2.0 * g)


def test_a_variable_that_a_branch_assigns_is_differentiated_through_its_reads(choose):
    """As in TensorFlow 1: an assignment passes nothing on, each read is the variable."""
    v, x = gf.Variable(2.0), gf.placeholder(gf.float32, [])

    def update():
        with gf.control_dependencies([v.assign_add(1.0)]):
            return v.read_value() * x

    y = gf.cond(choose, update, lambda: v * v)
    later = v.assign(100.0)
    found = both([*gf.gradients(y, [v, x]), later], choose, {x: 5.0})
    np.testing.assert_allclose(found[0], [5.0, 3.0, 100.0])
    np.testing.assert_allclose(found[1], [200.0, 0.0, 100.0])  # 2v: the session keeps its 100


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("then, orelse, problem", [
    (lambda: gf.constant(1), lambda: gf.constant(1.0),
     "cond 'pick'.*result 0 is int32 from true_fn and float32 from false_fn.*gf.cast"),
    (lambda: [gf.constant(1), gf.constant(2)], lambda: gf.constant(1),
     r"same structure: true_fn gives \[·, ·\], false_fn ·"),
    (lambda: {"a": gf.constant(1)}, lambda: {"b": gf.constant(1)},
     r"true_fn gives \{a: ·\}, false_fn \{b: ·\}"),
    (lambda: None, lambda: gf.constant(1), "true_fn returned None.*Return a tensor"),
    (gf.constant, lambda: gf.constant(1), "constant"),
    (3, lambda: gf.constant(1), "true_fn must be a function without arguments, got 3"),
    (lambda: gf.constant(1), None, "false_fn must be a function"),
])
def test_branches_that_do_not_fit(choose, then, orelse, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        gf.cond(choose, then, orelse, name="pick")


def test_a_condition_that_is_none():
    yes, no = lambda: gf.constant(1), lambda: gf.constant(2)
    with pytest.raises(TypeError, match="got a Python bool; use Python's `if`"):
        gf.cond(True, yes, no)
    with pytest.raises((TypeError, ValueError), match="bool"):
        gf.cond(gf.constant(1.0), yes, no)
    with pytest.raises(ValueError, match=r"If .*pred must have rank 0, got pred \[2\].*test_cond"):
        gf.cond(gf.constant([True, False]), yes, no)


def test_a_tensor_of_a_branch_has_no_value_outside(choose):
    inner = []
    gf.cond(choose, lambda: inner.append(gf.constant(1.0, name="h")) or inner[0],
            lambda: gf.constant(2.0))
    with pytest.raises(ValueError, match="Return it from that branch or body"):
        gf.cond(choose, lambda: inner[0] + 1.0, lambda: gf.constant(1.0))
    with pytest.raises(ValueError, match="h:0.*was made inside"):
        inner[0] + gf.constant(1.0)


def test_second_derivatives_where_the_other_branch_calls_python():
    """What the branch not taken would have saved is absent, and so is what follows from it."""
    x, taken = gf.placeholder(gf.float64, [2, None]), gf.placeholder(gf.bool, [])

    def host(a):
        y = gf.py_func(np.tanh, [a], gf.float64)
        y.set_shape([2, None])
        return y

    y = gf.cond(taken, lambda: host(x) * x * x, lambda: x * x * x)
    first = gf.gradients(y, x)[0]
    second = gf.gradients(first, x)[0]
    third = gf.gradients(second, x)[0]
    value = np.array([[0.5, -1.0], [2.0, 1.5]])
    with gf.Session() as session:
        found = session.run([first, second, third], {x: value, taken: True})
        for got, wanted in zip(found, (2 * np.tanh(value) * value, 2 * np.tanh(value), 0 * value)):
            np.testing.assert_allclose(got, wanted)
        found = session.run([first, second, third], {x: value, taken: False})
        for got, wanted in zip(found, (3 * value**2, 6 * value, 6 + 0 * value)):
            np.testing.assert_allclose(got, wanted)
