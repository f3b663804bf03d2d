"""Variables in sessions: initialised, read, assigned, loaded, counted, checked."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def initialized_session():
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    return session


def test_initial_values_of_every_kind():
    values = [3, 2.5, [1.0, 2.0], np.arange(6).reshape(2, 3), gf.constant([7]), lambda: [8, 9]]
    variables = [gf.Variable(v) for v in values]
    with initialized_session() as session:
        found = session.run(variables)
    for got, expected in zip(found, [3, 2.5, [1, 2], [[0, 1, 2], [3, 4, 5]], [7], [8, 9]]):
        np.testing.assert_array_equal(got, expected)


def test_an_uninitialized_variable_is_named_with_its_line():
    v = gf.Variable([1.0], name="weights")
    with gf.Session() as session, pytest.raises(
            gf.errors.FailedPreconditionError, match="weights.*test_variables_run.py"):
        session.run(v + 1.0)


def test_assignments():
    v = gf.Variable([1.0, 2.0])
    steps = [v.assign([3.0, 4.0]), v.assign_add([1.0, 1.0]), v.assign_sub([2.0, 0.0])]
    with initialized_session() as session:
        for step, expected in zip(steps, ([3, 4], [4, 5], [2, 5])):
            np.testing.assert_array_equal(session.run(step), expected)
            np.testing.assert_array_equal(session.run(v), expected)


def test_sessions_do_not_share_values():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)
    with initialized_session() as one, initialized_session() as other:
        assert one.run(bump) == 2.0
        assert (one.run(v), other.run(v)) == (2.0, 1.0)


def test_eval_and_load():
    v = gf.Variable([1.0, 2.0])
    with initialized_session() as session:
        before = len(v.graph.get_operations())
        v.load([5, 6])
        np.testing.assert_array_equal(v.eval(), [5.0, 6.0])
        v.load(np.zeros(2), session)
        np.testing.assert_array_equal(v.eval(session), [0.0, 0.0])
        assert len(v.graph.get_operations()) == before
        with pytest.raises(ValueError, match=r"\[2\].*\[3\]"):
            v.load([1.0, 2.0, 3.0])
        with pytest.raises(TypeError, match="text"):
            v.load("text")


def test_load_initializes():
    v = gf.Variable(1.0)
    with gf.Session() as session:
        v.load(4.0, session)
        assert session.run(v) == 4.0


def test_a_variable_of_open_shape_changes_it():
    x = gf.placeholder(gf.float32)
    v = gf.Variable(x, validate_shape=False)
    grow = v.assign(gf.placeholder_with_default(np.ones((2, 2), np.float32), None))
    with gf.Session() as session:
        session.run(v.initializer, {x: [1.0, 2.0, 3.0]})
        assert session.run(v).shape == (3,)
        session.run(grow)
        assert session.run(v).shape == (2, 2)


def test_initial_values_may_use_other_variables_in_any_order():
    w = gf.Variable(3.0, name="w")
    u = gf.Variable(w * 2.0 + 1.0, name="u")
    t = gf.Variable(u - w, name="t")
    with gf.Session() as session:
        session.run(t.initializer)
        assert session.run(t) == 4.0
        names = session.run(gf.report_uninitialized_variables())
        assert sorted(names.tolist()) == [b"u", b"w"]
        w.load(10.0, session)
        session.run(u.initializer)
        assert session.run(u) == 21.0


def test_initialize_all_with_dependent_variables():
    w = gf.Variable(gf.random_uniform([4], seed=1))
    u = gf.Variable(w.initialized_value() * 2.0)
    with initialized_session() as session:
        first, double = session.run([w, u])
    np.testing.assert_array_equal(double, first * 2)


def test_initialized_value_follows_the_variable():
    w = gf.Variable(3.0)
    value = w.initialized_value()
    with gf.Session() as session:
        assert session.run(value) == 3.0
        w.load(5.0, session)
        assert session.run(value) == 5.0


def test_flags_and_reports():
    a, b = gf.Variable(1.0, name="a"), gf.Variable(2.0, name="b")
    local = gf.get_local_variable("local", initializer=lambda: 1.0)
    report, flag = gf.report_uninitialized_variables(), gf.is_variable_initialized(b)
    check = gf.assert_variables_initialized()
    with gf.Session() as session:
        assert session.run(report).tolist() == [b"a", b"b", b"local"]
        with pytest.raises(gf.errors.FailedPreconditionError, match="a, b, local"):
            session.run(check)
        session.run([a.initializer, local.initializer])
        assert session.run(report).tolist() == [b"b"]
        assert not session.run(flag)
        session.run(b.initializer)
        assert session.run(flag)
        session.run(check)
        assert session.run(report).shape == (0,)
        assert session.run(gf.report_uninitialized_variables([])).shape == (0,)


def test_count_up_to():
    v = gf.Variable(0)
    count = v.count_up_to(3)
    with initialized_session() as session:
        assert [session.run(count) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(gf.errors.OutOfRangeError, match="Reached limit of 3"):
            session.run(count)
        assert session.run(v) == 3


@pytest.mark.parametrize(("method", "expected"), [
    ("scatter_update", [[9, 9], [3, 4], [2, 2]]), ("scatter_add", [[10, 11], [3, 4], [7, 8]]),
    ("scatter_sub", [[-8, -7], [3, 4], [3, 4]]), ("scatter_mul", [[9, 18], [3, 4], [10, 12]]),
    ("scatter_div", [[1 / 9, 2 / 9], [3, 4], [2.5, 3]]),
    ("scatter_min", [[1, 2], [3, 4], [2, 2]]), ("scatter_max", [[9, 9], [3, 4], [5, 6]]),
])
def test_row_updates(method, expected):
    v = gf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    rows = gf.IndexedSlices(gf.constant([[9.0, 9.0], [2.0, 2.0]]), gf.constant([0, 2]))
    update = getattr(v, method)(rows)
    with initialized_session() as session:
        np.testing.assert_allclose(session.run(update), expected, rtol=1e-6)
        np.testing.assert_allclose(session.run(v), expected, rtol=1e-6)


def test_point_updates():
    v = gf.Variable([[1.0, 2.0], [3.0, 4.0]])
    points = [[0, 1], [1, 0]]
    steps = [v.scatter_nd_update(points, [5.0, 6.0]), v.scatter_nd_add(points, [1.0, 1.0]),
             v.scatter_nd_sub([[0]], [[1.0, 1.0]])]
    with initialized_session() as session:
        for step in steps:
            session.run(step)
        np.testing.assert_array_equal(session.run(v), [[0, 5], [7, 4]])


def test_sparse_reads():
    v = gf.Variable([[1.0, 2.0], [3.0, 4.0]])
    with initialized_session() as session:
        np.testing.assert_array_equal(session.run(v.sparse_read([1, 1])), [[3, 4], [3, 4]])
        np.testing.assert_array_equal(session.run(v.gather_nd([[1, 0]])), [3])


def test_operators_and_slices_read_the_variable():
    v = gf.Variable([1.0, 2.0, 3.0])
    with initialized_session() as session:
        np.testing.assert_array_equal(session.run(2.0 * v - 1.0), [1, 3, 5])
        np.testing.assert_array_equal(session.run(v[::-1]), [3, 2, 1])
        np.testing.assert_array_equal(session.run(-v > -2.5), [True, True, False])


def test_a_read_comes_after_what_it_depends_on():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)
    with gf.control_dependencies([bump]):
        after = gf.identity(v)
        later = v.read_value()
    with initialized_session() as session:
        assert session.run([bump, after, later]) == [2.0, 2.0, 2.0]


def made_in_a_branch(build):
    made = []

    def branch():
        made.append(build())
        return made[0] + 1.0

    return made, branch


def test_a_variable_made_in_a_branch_lives_outside(graph):
    made, branch = made_in_a_branch(lambda: gf.Variable(lambda: 5.0, name="w"))
    result = gf.cond(gf.placeholder_with_default(True, []), branch, lambda: gf.constant(0.0))
    assert made[0].graph is graph
    with initialized_session() as session:
        assert session.run(result) == 6.0


def test_get_variable_in_a_loop_body_is_named_as_outside(graph):
    def body(i):
        with gf.variable_scope("loop", reuse=gf.AUTO_REUSE):
            return i + gf.get_variable("step", initializer=lambda: 2.0)

    result = gf.while_loop(lambda i: i < 9.0, body, [gf.constant(0.0)])
    assert [v.name for v in gf.global_variables()] == ["loop/step:0"]
    assert gf.global_variables()[0].graph is graph
    with initialized_session() as session:
        assert session.run(result) == 10.0


def test_an_initial_value_from_inside_a_branch_is_refused():
    made, branch = made_in_a_branch(lambda: gf.Variable(gf.constant(1.0) + 1.0))
    with pytest.raises(ValueError, match="Pass a function"):
        gf.cond(gf.constant(True), branch, lambda: gf.constant(0.0))
