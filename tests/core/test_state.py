"""State: when a variable is read and written, what an assignment gives, what failed reads say."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def started() -> gf.Session:
    """A session whose variables have their initial values."""
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    return session


# ---- order --------------------------------------------------------------------------------------


def test_a_read_sees_the_writes_that_were_built_before_it():
    v = gf.Variable(1.0)
    before = v + 0.0
    double = v.assign(v * 2.0)
    after = v + 0.0
    session = started()
    assert session.run([after, double, before]) == [2.0, 2.0, 1.0]
    assert session.run([after, before]) == [2.0, 2.0], "what is not fetched does not run"


def test_writes_run_in_creation_order():
    v = gf.Variable(1.0)
    ops = [v.assign_add(10.0), v.assign(v * 2.0), v.assign_sub(1.0)]
    assert started().run(ops[::-1]) == [21.0, 22.0, 11.0]


def test_a_fetched_variable_is_read_after_all_writes():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)
    session = started()
    assert session.run([v, bump]) == [2.0, 2.0]
    assert session.run({"v": v, "op": bump.op}) == {"v": 3.0, "op": None}


def test_a_control_dependency_makes_a_write_happen():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)
    with gf.control_dependencies([bump]):
        seen = v.read_value()
        same = gf.identity(v)
        unmoved = gf.identity(seen)
    session = started()
    assert session.run(seen) == 2.0
    assert session.run([same, unmoved]) == [3.0, 3.0]
    assert session.run(v) == 3.0


def test_a_tensor_that_was_read_before_stays_as_it_was():
    """A control dependency delays the identity, not the read that feeds it (as in TensorFlow)."""
    v = gf.Variable(1.0)
    early = v + 0.0
    with gf.control_dependencies([v.assign(5.0)]):
        late = gf.identity(early)
    session = started()
    assert session.run(late) == 1.0 and session.run(v) == 5.0


def test_a_chain_of_control_dependencies():
    v = gf.Variable(1.0)
    with (gf.control_dependencies([v.assign(v * 2.0)]),
          gf.control_dependencies([v.assign(v + 3.0)])):
        last = v.assign(v * 10.0)
    assert started().run(last) == 50.0


def test_a_group_runs_all_and_a_tuple_waits_for_all():
    v, w = gf.Variable(1.0), gf.Variable(2.0)
    both = gf.group(v.assign_add(1.0), w.assign_add(1.0))
    session = started()
    assert session.run(both) is None
    assert session.run([v, w]) == [2.0, 3.0]
    first, second = gf.tuple([v.assign_add(1.0), w.assign_add(1.0)])
    assert session.run(first) == 3.0
    assert session.run(w) == 4.0, "the other was computed too"


def test_swapping_two_variables():
    v, w = gf.Variable(1.0), gf.Variable(2.0)
    old_v, old_w = v + 0.0, w + 0.0
    session = started()
    session.run([v.assign(old_w), w.assign(old_v)])
    assert session.run([v, w]) == [2.0, 1.0]


def test_an_assignment_gives_the_new_value():
    v = gf.Variable([1.0, 2.0])
    total = gf.reduce_sum(v.assign_add([1.0, 1.0])) * 10.0
    session = started()
    assert session.run(total) == 50.0
    assert session.run(gf.assign(v, [0.0, 7.0])).tolist() == [0.0, 7.0]
    assert session.run(v.assign([1.0, 1.0], read_value=False)) is None
    assert session.run(v).tolist() == [1.0, 1.0]


def test_an_assignment_that_is_fed_does_not_run():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)
    session = started()
    assert session.run(bump * 2.0, {bump: 10.0}) == 20.0
    assert session.run(v) == 1.0


# ---- updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, expected", [
    ("scatter_update", [[9, 9], [2, 3], [7, 7]]), ("scatter_add", [[16, 17], [2, 3], [11, 12]]),
    ("scatter_sub", [[-16, -15], [2, 3], [-3, -2]]), ("scatter_mul", [[0, 63], [2, 3], [28, 35]]),
    ("scatter_min", [[0, 1], [2, 3], [4, 5]]), ("scatter_max", [[9, 9], [2, 3], [7, 7]]),
])
def test_row_updates_apply_in_order(name, expected):
    v = gf.Variable(np.arange(6.0).reshape(3, 2))
    update = getattr(gf, name)(v, [0, 2, 0], [[7.0, 7.0], [7.0, 7.0], [9.0, 9.0]])
    session = started()
    np.testing.assert_array_equal(session.run(update), expected)
    np.testing.assert_array_equal(session.run(v), expected)


def test_row_updates_of_other_forms():
    v = gf.Variable(np.zeros((3, 2)))
    scalar = gf.scatter_add(v, 1, [1.0, 2.0])
    table = gf.scatter_add(v, [[0, 1], [2, 0]], np.ones((2, 2, 2)))
    points = gf.scatter_nd_update(v, [[0, 1], [2, 0]], [5.0, 6.0])
    session = started()
    np.testing.assert_array_equal(session.run(scalar), [[0, 0], [1, 2], [0, 0]])
    np.testing.assert_array_equal(session.run(table), [[2, 2], [2, 3], [1, 1]])
    np.testing.assert_array_equal(session.run(points), [[2, 5], [2, 3], [6, 1]])


def test_an_index_out_of_range_changes_nothing():
    v = gf.Variable(np.zeros(3))
    index = gf.placeholder(gf.int32, [1])
    update = gf.scatter_add(v, index, [1.0], name="rows")
    session = started()
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"'rows'.*7.*Built at .*test_state"):
        session.run(update, {index: [7]})
    assert session.run(v).tolist() == [0, 0, 0]


def test_updates_that_do_not_fit():
    v = gf.Variable(np.zeros((3, 2)), name="v")
    with pytest.raises(ValueError, match=r"updates must have .* = \[1, 2\], got updates \[3\]"):
        gf.scatter_add(v, [0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"the variable has shape \[3, 2\], the value \[4\]"):
        v.assign([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"variable has shape \[3, 2\], the value \[4, 3, 2\]"):
        v.assign_add(np.ones((4, 3, 2)))
    with pytest.raises(TypeError, match="value: .*text"):
        v.assign("text")
    with pytest.raises(TypeError, match="float64.*float32"):
        v.assign(gf.ones([3, 2]))
    with pytest.raises(TypeError, match="ref must be a Variable, got <gf.Tensor"):
        gf.assign(v + 0.0, np.zeros((3, 2)))


# ---- values that are not there ------------------------------------------------------------------


@pytest.mark.parametrize("use", [
    lambda v: v, lambda v: v + 1.0, lambda v: v.assign_add([1.0, 1.0]),
    lambda v: gf.scatter_add(v, [0], [1.0]),
    lambda v: gf.cond(gf.constant(1) > 0, lambda: v * 2.0, lambda: v * 3.0),
    lambda v: gf.while_loop(lambda x: True, lambda x: x * v, [v.read_value()],
                            maximum_iterations=2),
])
def test_a_variable_without_a_value_is_named_with_its_line(use):
    v = gf.Variable([1.0, 2.0], name="weights")
    line = v.op.site.line
    fetch = use(v)
    with gf.Session() as session, pytest.raises(gf.errors.FailedPreconditionError, match=(
            rf"Variable 'weights': float32 \[2\] has no value.*Built at .*test_state\.py:{line}\. "
            r"Run gf\.global_variables_initializer\(\)")) as caught:
        session.run(fetch)
    assert isinstance(caught.value.op, gf.Operation)


def test_the_reader_is_named_too():
    v = gf.Variable([1.0, 2.0], name="weights")
    y = gf.exp(v, name="reader")
    message = r"and 'reader' \(.*test_state\.py:\d+\) needs it"
    with gf.Session() as session, pytest.raises(
            gf.errors.FailedPreconditionError, match=message):
        session.run(y)


def test_assigning_needs_no_earlier_value():
    v = gf.Variable([1.0, 2.0])
    with gf.Session() as session:
        assert session.run(v.assign([3.0, 4.0])).tolist() == [3.0, 4.0]
        assert session.run(v).tolist() == [3.0, 4.0]


def test_initializing_and_using_in_one_run():
    v = gf.Variable(2.0)
    with gf.control_dependencies([v.initializer]):
        ready = v + 1.0
    with gf.Session() as session:
        assert session.run(gf.is_variable_initialized(v)) == np.False_
        assert session.run(ready) == 3.0
        assert session.run(gf.is_variable_initialized(v)) == np.True_


def test_the_initialised_flag_follows_the_writes_of_the_run():
    v = gf.Variable(2.0)
    before = gf.is_variable_initialized(v)
    init = v.assign(3.0)
    after = gf.is_variable_initialized(v)
    with gf.Session() as session:
        assert session.run([before, init, after]) == [False, 3.0, True]
        assert session.run([before, init, after]) == [True, 3.0, True]


def test_a_branch_that_is_not_taken_initialises_nothing():
    v = gf.Variable(2.0)
    choose = gf.placeholder(gf.bool, [])
    maybe = gf.cond(choose, lambda: v.assign(3.0), lambda: gf.constant(0.0))
    with gf.Session() as session:
        assert session.run(maybe, {choose: False}) == 0.0
        with pytest.raises(gf.errors.FailedPreconditionError):
            session.run(v)
        assert session.run(maybe, {choose: True}) == 3.0 == session.run(v)


# ---- loading, open shapes -----------------------------------------------------------------------


def test_loading_sets_a_value_without_an_operation(graph):
    v = gf.Variable([1.0, 2.0], name="v")
    with gf.Session() as session:
        before = graph.version
        v.load([5, 6], session)
        assert graph.version == before and session.run(v).tolist() == [5.0, 6.0]
        for bad in ([1.0], "text", [1j, 2]):
            with pytest.raises((TypeError, ValueError), match="'v'|Cannot convert"):
                v.load(bad, session)
    with pytest.raises(RuntimeError, match="Variable 'v'.load.. needs a session"):
        v.load([5, 6])


def test_a_variable_of_open_shape():
    v = gf.Variable([1.0, 2.0], validate_shape=False, name="v")
    assert v.shape.ndims is None
    total = gf.reduce_sum(v)
    grow = gf.assign(v, [[1.0, 2.0, 3.0]], validate_shape=False)
    session = started()
    assert session.run(total) == 3.0
    assert session.run(grow).shape == (1, 3)
    assert session.run(total) == 6.0 and session.run(v).shape == (1, 3)


def test_a_variable_of_partly_known_shape():
    v = gf.Variable(np.zeros((2, 3)), validate_shape=False, shape=[None, 3])
    x = gf.placeholder(gf.float64, [None, 3])
    set_v = v.assign(x)
    product = gf.matmul(v, gf.ones([3, 1], gf.float64))
    session = started()
    for rows in (1, 5):
        session.run(set_v, {x: np.ones((rows, 3))})
        assert session.run(product).shape == (rows, 1)


def test_sizes_that_only_the_run_knows_are_checked_when_assigning():
    v = gf.Variable(np.zeros((2, 3)), name="v")
    x = gf.placeholder(gf.float64, [None, 3])
    unknown = gf.placeholder(gf.float64)
    session = started()
    for value in (x, unknown):
        step = v.assign(value, name="step")
        assert session.run(step, {value: np.ones((2, 3))}).shape == (2, 3)
        with pytest.raises(gf.errors.InvalidArgumentError,
                           match=r"Assign 'step.*\[2, 3\].*\[4, 3\].*Built at .*test_state"):
            session.run(step, {value: np.ones((4, 3))})
    add = v.assign_add(unknown)
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"\[2, 3\].*\[4, 2, 3\]"):
        session.run(add, {unknown: np.ones((4, 2, 3))})
    np.testing.assert_array_equal(session.run(v), np.ones((2, 3)))
    late = v.assign(gf.py_func(lambda: np.ones((5, 3)), [], gf.float64), name="late")
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"'late'.*\[5, 3\].*\[2, 3\]"):
        session.run(late)
    assert session.run(v).shape == (2, 3)


# ---- slices -------------------------------------------------------------------------------------


def test_a_slice_of_a_variable_is_assigned():
    v = gf.Variable(np.arange(12.0).reshape(3, 4))
    expected = np.arange(12.0).reshape(3, 4)
    session = started()
    for key, value in [((slice(1, 3), 0), [5.0, 6.0]), (2, np.zeros(4)), (np.s_[..., ::-2], 7.0),
                       ((1, 1), -1.0), (slice(None, None, -1), [[1.0], [2.0], [3.0]])]:
        expected[key] = value
        np.testing.assert_array_equal(session.run(v[key].assign(value)), expected)
        np.testing.assert_array_equal(session.run(v), expected)


def test_slices_that_are_not_of_a_variable_have_no_assign():
    v = gf.Variable(np.arange(4.0))
    with pytest.raises(AttributeError, match="assign"):
        gf.constant([1.0, 2.0])[:1].assign([3.0])
    with pytest.raises(ValueError, match=r"has shape \[2\], the value \[3\]"):
        v[:2].assign([1.0, 2.0, 3.0])
