"""`Variable`: how it is built, what it is called, what goes wrong.

Names, collections and kinds of errors are those that TensorFlow 1 gives for the same programs.
"""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def operation_names(graph):
    return [op.name for op in graph.get_operations()]


def test_a_variable_is_four_operations(graph):
    gf.Variable(1.0, name="w")
    assert operation_names(graph) == ["w/initial_value", "w", "w/Assign", "w/read"]


def test_a_function_builds_its_value_under_initializer(graph):
    gf.Variable(lambda: gf.constant([1.0], name="start"), name="w")
    assert operation_names(graph) == ["w/Initializer/start", "w", "w/Assign", "w/read"]


def test_a_tensor_is_its_own_initial_value(graph):
    start = gf.constant([1, 2], name="start")
    v = gf.Variable(start, name="w")
    assert v.initial_value is start
    assert operation_names(graph) == ["start", "w", "w/Assign", "w/read"]


def test_default_names_are_made_unique():
    assert [gf.Variable(1.0).name for _ in range(3)] == [
        "Variable:0", "Variable_1:0", "Variable_2:0"]


def test_name_scopes_name_variables():
    with gf.name_scope("layer"):
        v = gf.Variable(1.0, name="w")
    assert (v.name, v.op.name, v.initializer.name) == ("layer/w:0", "layer/w", "layer/w/Assign")


def test_members_tell_what_it_is(graph):
    v = gf.Variable(np.zeros((3, 4), np.float32), name="w")
    assert (v.dtype, v.shape.as_list(), v.get_shape().as_list()) == (gf.float32, [3, 4], [3, 4])
    assert v.graph is graph and v.op.type == "Variable"
    assert v.trainable and v.constraint is None
    assert repr(v) == "<gf.Variable 'w:0' shape=(3, 4) dtype=float32>"
    assert gf.is_variable(v) and not gf.is_variable(v.value())


@pytest.mark.parametrize(("value", "dtype", "expected"), [
    (1.0, None, gf.float32), (1, None, gf.int32), (True, None, gf.bool),
    ([1.0, 2.0], gf.float64, gf.float64), (np.zeros(2), None, gf.float64),
    (1j, None, gf.complex128), (lambda: 1, gf.float32, gf.float32),
])
def test_the_type_comes_from_the_value_unless_given(value, dtype, expected):
    assert gf.Variable(value, dtype=dtype).dtype is expected


def test_collections():
    plain = gf.Variable(1.0)
    fixed = gf.Variable(1.0, trainable=False)
    own = gf.Variable(1.0, collections=["mine"])
    read = gf.Variable(1.0, synchronization=gf.VariableSynchronization.ON_READ)
    assert gf.global_variables() == [plain, fixed, read]
    assert gf.trainable_variables() == [plain, own]
    assert gf.get_collection("mine") == [own]
    assert gf.all_variables() == gf.global_variables()


def test_variables_of_a_scope():
    with gf.name_scope("a"):
        a = gf.Variable(1.0)
    with gf.name_scope("b"):
        b = gf.Variable(1.0, trainable=False)
    assert gf.global_variables("a/") == [a]
    assert gf.global_variables("b/") == [b]
    assert gf.trainable_variables("b/") == []


def test_without_validation_the_shape_is_open():
    v = gf.Variable(gf.placeholder(gf.float32, [None, 3]), validate_shape=False)
    assert v.shape.rank is None
    assert "shape=<unknown>" in repr(v)


def test_a_given_shape_may_know_less():
    v = gf.Variable(np.zeros((2, 3), np.float32), shape=[None, 3])
    assert v.shape.as_list() == [None, 3]
    assert "shape=(?, 3)" in repr(v)


def test_set_shape_adds_knowledge():
    v = gf.Variable(gf.placeholder(gf.float32), validate_shape=False)
    v.set_shape([2, 3])
    assert v.shape.as_list() == [2, 3]
    assert v.value().shape.as_list() == [2, 3]


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: gf.Variable(), ValueError, "initial_value must be specified"),
    (lambda: gf.Variable(1.0, collections="x"), ValueError, "collections must be a list"),
    (lambda: gf.Variable(1.0, constraint=3), ValueError, "constraint must be a function"),
    (lambda: gf.Variable(1.0, aggregation="odd"), ValueError, "VariableAggregation.NONE"),
    (lambda: gf.Variable(gf.placeholder(gf.float32), name="w"), ValueError,
     "'w': the initial value must have a fully known shape"),
    (lambda: gf.Variable(gf.placeholder(gf.float32, [None, 3])), ValueError, "validate_shape"),
    (lambda: gf.Variable([1.0, 2.0], shape=[3]), ValueError, r"\[2\] is not .*\[3\]"),
    (lambda: gf.Variable("text", dtype=gf.float32), TypeError, "text"),
    (lambda: iter(gf.Variable([1.0], name="w")), TypeError, "'w' cannot be iterated"),
    (lambda: np.asarray(gf.Variable(1.0, name="w")), TypeError, "'w' has no value"),
    (lambda: gf.Variable(1.0, name="w").scatter_add(3), TypeError, "takes gf.IndexedSlices"),
    (lambda: gf.Variable([1.0]).assign([1.0, 2.0]), ValueError, r"shape \[1\], the value \[2\]"),
    (lambda: gf.Variable(1.0).assign(gf.constant(1)), TypeError, "same dtype"),
    (lambda: gf.Variable(1.0).count_up_to(3), TypeError, "int32"),
    (lambda: gf.Variable([1]).count_up_to(3), ValueError, "rank 0"),
    (lambda: gf.Variable(1.0).eval(), RuntimeError, "needs a session"),
    (lambda: gf.Variable(1.0).load(2.0), RuntimeError, "needs a session"),
])
def test_mistakes(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_a_variable_is_a_key_and_equal_to_itself_alone():
    v, w = gf.Variable(1.0), gf.Variable(1.0)
    assert {v: 1, w: 2}[v] == 1
    assert (v == v) is True and (v == w) is False


def test_reads_are_shared_until_the_next_write():
    v = gf.Variable(1.0, name="v")
    first = v.value()
    assert first.name == "v/read:0"
    assert v.value() is first
    assert (v + 1).op.inputs[0] is first
    v.assign(2.0)
    assert v.value() is not first
    assert v.read_value() is not v.read_value()


def test_assignments_give_the_value_or_the_operation():
    v = gf.Variable(1.0)
    assert v.assign(2.0).dtype is gf.float32
    assert v.assign_add(2.0, read_value=False).type == "AssignAdd"
    assert v.assign_sub(2.0, read_value=False).type == "AssignSub"
    assert v.assign(2.0, name="mine").name == "mine:0"


def test_control_dependencies_do_not_reach_creation():
    step = gf.constant(1.0).op
    with gf.control_dependencies([step]):
        v = gf.Variable(lambda: gf.constant(1.0))
        assert [c for op in (v.op, v.initializer, v.initial_value.op)
                for c in op.control_inputs] == []
        assert gf.constant(2.0).op.control_inputs == (step,)


def test_initializer_operations_have_tensorflows_names():
    gf.Variable(1.0)
    assert gf.global_variables_initializer().name == "init"
    assert gf.local_variables_initializer().name == "init_1"
    assert gf.variables_initializer([], name="none").name == "none"
    assert gf.report_uninitialized_variables().name.startswith("report_uninitialized_variables/")


def test_no_variables_to_report():
    assert gf.report_uninitialized_variables([]).dtype is gf.string
    assert gf.assert_variables_initialized() is None


def test_an_initial_value_of_another_graph_is_refused():
    with gf.Graph().as_default():
        other = gf.constant(1.0)
    with pytest.raises(ValueError, match="another graph"):
        gf.Variable(other)
