"""Graphs: names, look-ups, scopes, collections, defaults, threads, sites, and sheer size."""

from __future__ import annotations

import inspect
import threading

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def line() -> int:
    """The caller's line."""
    return inspect.currentframe().f_back.f_lineno


# ---- names --------------------------------------------------------------------------------------


def test_operations_get_unique_names():
    names = [gf.constant(1, name="a").op.name for _ in range(3)]
    assert names == ["a", "a_1", "a_2"]
    with gf.name_scope("outer"), gf.name_scope("inner"):
        assert gf.constant(1, name="a").name == "outer/inner/a:0"
    with gf.name_scope("outer") as scope:
        assert scope == "outer_1/"
    with gf.name_scope("outer/"):
        assert gf.constant(1, name="b").op.name == "outer/b"
    assert gf.constant(1).op.name == "Const"


def test_names_that_differ_in_case_only_are_kept_apart():
    assert [gf.constant(1, name=n).op.name for n in ("Loss", "loss")] == ["Loss", "loss_1"]


@pytest.mark.parametrize("name", ["two words", "_x", "a:0", "é", "-x", "/x"])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="is not a valid"):
        gf.constant(1, name=name)


def test_looking_up_by_name(graph):
    x = gf.placeholder(gf.float32, [3], name="inputs")
    assert graph.get_tensor_by_name("inputs:0") is x
    assert graph.get_operation_by_name("inputs") is x.op
    assert graph.as_graph_element("inputs:0") is x
    assert graph.as_graph_element("inputs") is x.op
    assert graph.get_operations() == [x.op] and graph.version == 1


def test_look_ups_that_fail_say_what_is_near(graph):
    gf.placeholder(gf.float32, name="inputs")
    with pytest.raises(KeyError, match="no operation named 'input'. Near names: inputs"):
        graph.get_operation_by_name("input")
    with pytest.raises(ValueError, match=r"got 'inputs'. Did you mean 'inputs:0'\?"):
        graph.get_tensor_by_name("inputs")
    with pytest.raises(KeyError, match="Placeholder 'inputs' has 1 outputs.*no tensor 'inputs:1'"):
        graph.get_tensor_by_name("inputs:1")
    with pytest.raises(TypeError, match="names are strings, got int"):
        graph.get_operation_by_name(3)


# ---- life ---------------------------------------------------------------------------------------


def test_a_finalized_graph_only_runs(graph):
    x = gf.constant(2.0)
    graph.finalize()
    assert graph.finalized
    with pytest.raises(RuntimeError, match="finalized and cannot be changed.*Session.run"):
        x + 1.0
    with gf.Session() as session:
        assert session.run(x) == 2.0


def test_the_stack_of_defaults(graph):
    assert gf.get_default_graph() is graph
    with gf.Graph().as_default() as inner:
        assert gf.get_default_graph() is inner is gf.constant(1).graph
        with pytest.raises(ValueError, match="inside a `with` block"):
            gf.reset_default_graph()
    assert gf.get_default_graph() is graph


def test_a_session_makes_its_graph_the_default():
    with gf.Graph().as_default() as other:
        x = gf.constant(3)
    with gf.Session(graph=other) as session:
        assert gf.get_default_graph() is other and gf.get_default_session() is session
        assert x.eval() == 3
    assert gf.get_default_session() is None


def test_a_default_of_one_thread_is_not_anothers(graph):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(gf.get_default_graph()))
    thread.start()
    thread.join()
    assert seen[0] is not graph


def test_graphs_do_not_mix():
    x = gf.constant(1.0, name="here")
    with gf.Graph().as_default():
        y = gf.constant(2.0, name="there")
    with pytest.raises(ValueError, match="'there:0'.* belongs to another graph"):
        x + y


# ---- collections, devices, control dependencies -------------------------------------------------


def test_collections(graph):
    a, b = gf.constant(1, name="conv/a"), gf.constant(2, name="dense/b")
    gf.add_to_collection("losses", a)
    gf.add_to_collections(["losses", "all"], b)
    assert gf.get_collection("losses") == [a, b]
    assert gf.get_collection("losses", scope="conv") == [a]
    assert gf.get_collection("nothing") == []
    gf.get_collection("losses").clear()
    assert len(gf.get_collection("losses")) == 2, "get_collection gives a copy"
    gf.get_collection_ref("losses").clear()
    assert gf.get_collection(gf.GraphKeys.LOSSES) == []
    assert graph.get_all_collection_keys() == ["all"]


def test_devices_are_kept():
    with gf.device("/gpu:0"):
        x = gf.constant(1)
        with gf.device(None):
            y = gf.constant(1)
        with gf.device(lambda op: "/cpu:1"):
            z = gf.constant(1)
    assert [x.device, y.device, z.device] == ["/gpu:0", "", "/cpu:1"]


def test_control_dependencies_are_inputs_of_a_kind(graph):
    a, b = gf.constant(1, name="a"), gf.no_op(name="b")
    with graph.control_dependencies([a]):
        with gf.control_dependencies([b, a]):
            c = gf.constant(3)
        with gf.control_dependencies(None):
            d = gf.constant(4)
        e = gf.identity(a)
    assert c.op.control_inputs == (a.op, b) and d.op.control_inputs == ()
    assert e.op.control_inputs == (), "a is an input already"


@pytest.mark.parametrize("bad, problem", [
    (lambda: [3], "got 3 .int."), (lambda: gf.constant(1), r"control_dependencies\(\[…\]\)"),
])
def test_what_is_no_control_input(bad, problem):
    with pytest.raises(TypeError, match=problem), gf.control_dependencies(bad()):
        pass


# ---- sites --------------------------------------------------------------------------------------


def test_every_operation_knows_the_line_that_built_it():
    x = gf.placeholder(gf.float32, [2]); here = line()  # noqa: E702  # one line on purpose
    assert x.op.site == (__file__, here) and x.op.traceback == [(__file__, here)]
    y = x * 2.0 + gf.reduce_sum(x); here = line()  # noqa: E702
    assert {op.site.line for op in y.graph.get_operations()[1:]} == {here}
    v = gf.Variable(1.0); here = line()  # noqa: E702
    assert {v.op.site.line, v.initializer.site.line} == {here}


def test_code_from_a_string_is_the_users():
    scope = {"gf": gf}
    exec("\n\nx = gf.constant(1)", scope)
    assert str(scope["x"].op.site) == "<string>:3"


# ---- many threads, many operations --------------------------------------------------------------


def test_threads_build_one_graph_together(graph):
    start = threading.Barrier(8)

    def build() -> None:
        start.wait()
        with graph.as_default():
            for _ in range(50):
                with gf.name_scope("layer"):
                    gf.square(gf.constant(1.0, name="c"), name="s")

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operations = graph.get_operations()
    assert len(operations) == 8 * 50 * 2
    assert len({op.name for op in operations}) == len(operations)
    assert [op.id for op in operations] == list(range(len(operations)))
    assert len({op.name.split("/")[0] for op in operations}) == 400, "each scope is one thread's"


def test_a_hundred_thousand_operations_build_differentiate_and_run(graph):
    x = gf.placeholder(gf.float64, [])
    y = x
    for _ in range(50_000):
        y = gf.negative(y)
    assert graph.version == 50_001
    gradient, = gf.gradients(y, x)
    assert graph.version == 100_002, "one operation each, and the first gradient"
    with gf.Session() as session:
        assert session.run([y, gradient], {x: 3.0}) == [3.0, 1.0]


def test_a_wide_graph_is_walked_once(graph):
    """Every operation adds two uses of the one before: 2¹⁰⁰ paths, one visit each."""
    x = gf.placeholder(gf.float64, [])
    y = x
    for _ in range(100):
        y = y + y
    before = graph.version
    gradient, = gf.gradients(y, x)
    assert graph.version - before < 500
    with gf.Session() as session:
        assert session.run(gradient, {x: 1.0}) == 2.0**100


# ---- tensors ------------------------------------------------------------------------------------


def test_tensors_are_handles(graph):
    x = gf.placeholder(gf.float32, [None, 3], name="x")
    assert (x.name, x.op.type, x.value_index, x.graph) == ("x:0", "Placeholder", 0, graph)
    y = x * 2.0
    assert {x: 1}[x] == 1 and x != y
    assert x.consumers() == [y.op] and y.op.inputs[0] is x and y.op.outputs == (y,)
    assert x.op.get_attr("dtype") is gf.float32
    with pytest.raises(ValueError, match="has no attribute 'axis'; it has"):
        x.op.get_attr("axis")


@pytest.mark.parametrize("use, fix", [
    (bool, "gf.cond"), (len, r"x\.shape\[0\]"), (list, "gf.unstack"), (np.array, "Session.run"),
    (np.sum, "Session.run"), (float, "Session.run"), (int, "Session.run"),
    (range, "Session.run"),
    (lambda x: x and True, "gf.cond"), (lambda x: 1.0 if x > 2.0 else 0.0, "gf.cond"),
])
def test_a_tensor_has_no_value_while_the_graph_is_built(use, fix):
    x = gf.placeholder(gf.float32, [3], name="x")
    with pytest.raises(TypeError, match=f"Tensor '.*{fix}"):
        use(x)


def test_numpy_values_beside_tensors():
    x = gf.placeholder(gf.float32, [2])
    for y in (np.ones(2, np.float32) * x, np.float32(2) * x, x - np.ones(2), np.array(3.0) / x):
        assert isinstance(y, gf.Tensor) and y.shape.as_list() == [2]


def test_texts(graph):
    x = gf.placeholder(gf.float32, [None, 3], name="x")
    assert repr(x) == "<gf.Tensor 'x:0' shape=[x.0, 3] dtype=float32>"
    assert str(x) == 'Tensor("x:0", shape=[x.0, 3], dtype=float32)'
    assert repr(x.op) == "<gf.Operation 'x' type=Placeholder>"
    assert x.op.node_def == "x = Placeholder()"
    assert repr(graph) == "<gf.Graph with 1 operations>"
    assert repr(gf.Session()) == "<gf.Session of <gf.Graph with 1 operations>, 0 variables with " \
        "a value>"
