"""`while_loop`: its forms, shapes, state and effects in the body, mistakes."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import graphflow as gf

S = gf.TensorShape


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        return session.run(fetch, feeds)


# ---- forms --------------------------------------------------------------------------------------


def test_one_variable():
    y = gf.while_loop(lambda x: x < 100, lambda x: x * 2, [3])
    assert isinstance(y, gf.Tensor) and run(y) == 192
    assert run(gf.while_loop(lambda x: x < 100, lambda x: [x * 2], [3])) == 192
    kept = gf.while_loop(lambda x: x < 100, lambda x: x * 2, [3], return_same_structure=True)
    assert run(kept) == [192]


def test_several_variables():
    i, total = gf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + i), (0, 0))
    assert run([i, total]) == [5, 10]


def test_nests():
    Pair = collections.namedtuple("Pair", "count values")
    start = [Pair(gf.constant(0), {"b": gf.zeros([2]), "a": [gf.constant(1.0)]})]

    def body(state):
        return [Pair(state.count + 1, {"a": [state.values["a"][0] * 2.0],
                                       "b": state.values["b"] + 1.0})]

    last, = gf.while_loop(lambda state: state.count < 3, body, start, return_same_structure=True)
    found = run(last)
    assert isinstance(found, Pair) and found.count == 3
    assert found.values["a"] == [8.0] and found.values["b"].tolist() == [3.0, 3.0]


def test_zero_iterations():
    seen = []
    y = gf.while_loop(
        lambda x: x < 0.0,
        lambda x: gf.ensure_shape(gf.py_func(lambda a: seen.append(1) or a, [x], gf.float32), []),
        [gf.constant(2.0)])
    assert run(y) == 2.0 and not seen
    assert run(gf.gradients(y, y.op.inputs[0])) == [1.0]


@pytest.mark.parametrize("limit", [3, np.int64(3), lambda: gf.constant(3), lambda: 3])
def test_a_maximum_of_iterations(limit):
    limit = limit() if callable(limit) else limit
    y = gf.while_loop(lambda x: True, lambda x: x + 1, [0], maximum_iterations=limit)
    assert run(y) == 3
    assert run(gf.while_loop(lambda x: x < 2, lambda x: x + 1, [0], maximum_iterations=limit)) == 2


def test_a_maximum_that_is_fed():
    limit = gf.placeholder(gf.int32, [])
    y = gf.while_loop(lambda x: x < 5, lambda x: x + 1, [0], maximum_iterations=limit)
    assert [run(y, {limit: n}) for n in (0, 2, 9)] == [0, 2, 5]


def test_captured_values():
    x, v = gf.placeholder(gf.float32, [2]), gf.Variable([1.0, 2.0])
    scale = gf.constant(3.0)
    _, y = gf.while_loop(lambda i, s: i < 2, lambda i, s: (i + 1, (s + x) * scale + v), [0, x])
    a = np.array([1.0, -1.0], np.float32)
    expected = a
    for _ in range(2):
        expected = (expected + a) * 3 + [1, 2]
    np.testing.assert_allclose(run(y, {x: a}), expected)


def test_nested_loops():
    def row(i, total):
        _, inner = gf.while_loop(
            lambda j, s: j < i, lambda j, s: (j + 1, s + i * j), [0, total])
        return i + 1, inner

    _, total = gf.while_loop(lambda i, s: i < 5, row, [0, 0])
    assert run(total) == sum(i * j for i in range(5) for j in range(i))


def test_cond_in_a_loop_and_a_loop_in_cond():
    def body(i, s):
        return i + 1, gf.cond(gf.equal(i % 2, 0), lambda: s + i, lambda: s * 2)

    expected = 0
    for i in range(6):
        expected = expected + i if i % 2 == 0 else expected * 2
    assert run(gf.while_loop(lambda i, s: i < 6, body, [0, 0])[1]) == expected
    choose = gf.placeholder(gf.bool, [])
    y = gf.cond(choose, lambda: gf.while_loop(lambda x: x < 10, lambda x: x + 3, [0]),
                lambda: gf.constant(-1))
    assert [run(y, {choose: c}) for c in (True, False)] == [12, -1]


def test_collatz_against_python():
    n = gf.placeholder(gf.int64, [])
    _, steps = gf.while_loop(
        lambda x, k: x > 1,
        lambda x, k: (gf.where(gf.equal(x % 2, 0), x // 2, 3 * x + 1), k + 1),
        [n, gf.constant(0)])

    def collatz(x):
        return 0 if x == 1 else 1 + collatz(x // 2 if x % 2 == 0 else 3 * x + 1)

    with gf.Session() as session:
        for value in (1, 7, 27):
            assert session.run(steps, {n: value}) == collatz(value)


# ---- shapes -------------------------------------------------------------------------------------


def test_a_growing_tensor_needs_an_invariant():
    _, rows = gf.while_loop(
        lambda i, x: i < 3, lambda i, x: (i + 1, gf.concat([x, x[:1] + 1.0], 0)),
        [0, gf.zeros([1, 2])], shape_invariants=[gf.TensorShape([]), gf.TensorShape([None, 2])])
    assert rows.shape.as_list() == [None, 2]
    assert run(rows).shape == (4, 2)


def test_invariants_follow_the_nest():
    start = {"i": gf.constant(0), "x": gf.zeros([1])}
    found, = gf.while_loop(
        lambda s: s["i"] < 3, lambda s: [{"i": s["i"] + 1, "x": gf.concat([s["x"], s["x"]], 0)}],
        [start], shape_invariants=[{"i": gf.TensorShape([]), "x": gf.TensorShape([None])}],
        return_same_structure=True)
    assert found["x"].shape.as_list() == [None] and run(found)["x"].shape == (8,)


def test_sizes_that_the_feed_decides_stay_as_they_are():
    x = gf.placeholder(gf.float32, [None, 3])
    _, y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a * 2.0 + x), [0, x])
    assert y.shape.as_list() == [None, 3]
    with gf.Session() as session:
        for batch in (1, 4):
            found = session.run(y, {x: np.ones((batch, 3))})
            np.testing.assert_array_equal(found, np.full((batch, 3), 7.0))


def test_a_tensor_of_unknown_rank():
    x = gf.placeholder(gf.float32)
    y = gf.while_loop(lambda a: gf.reduce_sum(a) < 10.0, lambda a: a * 2.0, [x])
    assert run(y, {x: [[1.0, 2.0]]}).tolist() == [[4.0, 8.0]]
    assert run(y, {x: 3.0}) == 12.0


@pytest.mark.parametrize("body, invariants, problem", [
    (lambda i, x: (i + 1, gf.concat([x, x], 0)), None,
     r"while_loop 'grow'.*variable 1 enters a turn with shape \[1\] and leaves it with \[2\]\. "
     "Pass shape_invariants"),
    (lambda i, x: (i + 1, gf.concat([x, x], 0)), [S([]), S([1])], r"leaves it with \[2\]"),
    (lambda i, x: (i + 1, x), [S([]), S([2])], r"starts with shape \[1\], its invariant is \[2\]"),
    (lambda i, x: (i + 1, x), [S([])], "1 shapes for 2 loop variables"),
    (lambda i, x: (i + 1, x), [S([]), [1]],
     r"must be a TensorShape, got 1. Write shape_invariants=\[gf.TensorShape"),
    (lambda i, x: (i + 1, gf.cast(x, gf.float64)), None,
     r"variable 1 is float32, body gives float64.*gf\.cast"),
    (lambda i, x: i + 1, None, r"structure of loop_vars: \[·, ·\], got \[·\]"),
    (lambda i, x: (i + 1, x, x), None, r"got \[·, ·, ·\]"),
    (lambda i, x: (i + 1, None), None, "None"),
    (lambda i: (i + 1, i), None, "argument"),
])
def test_bodies_that_do_not_fit(body, invariants, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        gf.while_loop(lambda i, x: i < 3, body, [0, gf.zeros([1])], name="grow",
                      shape_invariants=invariants)


@pytest.mark.parametrize("arguments, problem", [
    ((3, lambda x: x, [0]), "cond and body must be functions"),
    ((lambda x: True, lambda x: x, []), "at least one tensor"),
    ((lambda x: True, lambda x: x, 3), "must be a list or tuple"),
    ((lambda x: True, lambda x: x, [None]), "while_loop 'while': loop variable 0: .*None"),
    ((lambda x: True, lambda x: gf.no_op(), [0]), "body's result 0: .*has no value of its own"),
    ((lambda x: None, lambda x: x, [0]), "the result of cond: .*None"),
    ((lambda x: x, lambda x: x, [0]), "cond must give a bool scalar, got int32"),
    ((lambda x: x > 0, lambda x: x, [np.ones(2)]), r"bool scalar, got bool \[2\]"),
])
def test_other_mistakes(arguments, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        gf.while_loop(*arguments)


def test_an_error_inside_the_body_names_its_operation_and_line():
    x = gf.placeholder(gf.float32, [None])

    def body(i, y):
        return i + 1, gf.check_numerics(1.0 / y, "not finite", name="inverse")

    y = gf.while_loop(lambda i, y: i < 3, body, [0, x])[1]
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=r"inverse'.*not finite.*Built at .*test_while_loop\.py") as caught:
        run(y, {x: [0.0]})
    assert caught.value.op.name.endswith("inverse") and caught.value.op.type == "CheckNumerics"


# ---- state and effects --------------------------------------------------------------------------


def test_assignments_in_the_body():
    v = gf.Variable(1.0)

    def body(i):
        with gf.control_dependencies([v.assign(v * 2.0 + gf.cast(i, gf.float32))]):
            return i + 1

    last = gf.while_loop(lambda i: i < 4, body, [0])
    after = v + 0.0
    expected = 1.0
    for i in range(4):
        expected = expected * 2 + i
    assert run([last, after, v]) == [4, expected, expected]


def test_the_condition_reads_what_the_body_writes():
    v = gf.Variable(1.0)

    def body(i):
        with gf.control_dependencies([v.assign_add(v)]):
            return i + 1

    assert run([gf.while_loop(lambda i: v < 100.0, body, [0]), v]) == [7, 128.0]


def test_updates_of_rows_in_the_body():
    table = gf.Variable(np.zeros(4))

    def body(i):
        with gf.control_dependencies([gf.scatter_update(table, i, 10.0 + gf.cast(i, gf.float64))]):
            return i + 1

    _, found = run([gf.while_loop(lambda i: i < 3, body, [0]), table])
    assert found.tolist() == [10.0, 11.0, 12.0, 0.0]


def test_host_functions_run_once_an_iteration_in_order():
    seen = []

    def body(i):
        first = gf.py_func(lambda k: seen.append(("a", int(k))), [i], [])
        with gf.control_dependencies([first]):
            second = gf.py_func(lambda k: seen.append(("b", int(k))), [i], [])
        with gf.control_dependencies([second]):
            return i + 1

    run(gf.while_loop(lambda i: i < 2, body, [0]))
    assert seen == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_prints_in_the_body(capfd):
    y = gf.while_loop(lambda i: i < 3, lambda i: gf.Print(i, [i], "turn ") + 1, [0])
    assert run(y) == 3
    err = capfd.readouterr().err
    assert [line.strip() for line in err.splitlines()] == ["turn [0]", "turn [1]", "turn [2]"]


def test_an_assertion_in_the_body_stops_the_loop():
    v = gf.Variable(0)

    def body(i):
        with gf.control_dependencies([gf.Assert(i < 2, [i]), v.assign_add(1)]):
            return i + 1

    loop = gf.while_loop(lambda i: i < 5, body, [0])
    with gf.Session() as session:
        session.run(v.initializer)
        with pytest.raises(gf.errors.InvalidArgumentError):
            session.run(loop)
        assert session.run(v) == 0


def test_random_numbers_differ_by_iteration_and_repeat_by_seed():
    def draws(seed):
        def body(i, xs):
            return i + 1, gf.concat([xs, gf.random_uniform([1], seed=seed)], 0)

        return gf.while_loop(lambda i, xs: i < 6, body, [0, gf.zeros([0])],
                             shape_invariants=[gf.TensorShape([]), gf.TensorShape([None])])[1]

    with gf.Graph().as_default():
        y = draws(7)
        with gf.Session() as session:
            first, second = session.run(y), session.run(y)
    with gf.Graph().as_default():
        again = run(draws(7))
    assert len(set(first.tolist())) == 6, "each iteration draws anew"
    assert not np.intersect1d(first, second).size, "each run draws anew"
    np.testing.assert_array_equal(first, again)


def test_variables_made_in_the_body_live_outside():
    def body(i, x):
        w = gf.get_variable("w", initializer=lambda: gf.constant(2.0))
        return i + 1, x * w

    _, y = gf.while_loop(lambda i, x: i < 3, body, [0, gf.constant(1.0)])
    assert [v.op.name for v in gf.global_variables()] == ["w"]
    assert run(y) == 8.0


def test_a_control_dependency_on_the_outside():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)

    def body(i, x):
        with gf.control_dependencies([bump]):
            return i + 1, x + v.read_value()

    _, y = gf.while_loop(lambda i, x: i < 3, body, [0, gf.constant(0.0)])
    assert run(y) == 6.0, "the write outside runs once, before"


def test_many_iterations():
    assert run(gf.while_loop(lambda i: i < 20_000, lambda i: i + 1, [0])) == 20_000
