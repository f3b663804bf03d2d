"""`variable_scope` and `get_variable`.

The names are those that TensorFlow 1 gives for the same programs.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def get(name, **arguments):
    return gf.get_variable(name, initializer=lambda: 1.0, **arguments)


def node():
    """The name of a new operation: it tells the name scope in force."""
    return gf.constant(1, name="c").op.name


def test_nested_scopes_name_variables_and_operations():
    with gf.variable_scope("a") as a:
        assert (get("v").name, node(), a.name, a.original_name_scope) == (
            "a/v:0", "a/c", "a", "a/")
        with gf.variable_scope("b"):
            assert (get("v").name, node()) == ("a/b/v:0", "a/b/c")


def test_name_scopes_do_not_name_variables_of_get_variable():
    with gf.variable_scope("a"), gf.name_scope("ns"):
        assert get("v").name == "a/v:0"
        assert gf.Variable(1.0, name="plain").name == "a/ns/plain:0"
        with gf.variable_scope("d") as d:
            assert (get("v").name, node()) == ("a/d/v:0", "a/ns/d/c")
            assert d.original_name_scope == "a/ns/d/"


def test_operations_of_get_variable(graph):
    with gf.variable_scope("s"):
        gf.get_variable("w", [2], initializer=lambda shape, dtype: gf.zeros(shape, dtype))
    assert [op.name for op in graph.get_operations() if "Initializer" not in op.name] == [
        "s/w", "s/w/Assign", "s/w/read"]


def test_reentering_a_scope_object():
    with gf.variable_scope("a") as a:
        pass
    with gf.variable_scope("x"):
        with gf.variable_scope(a) as again:
            assert (again.name, again.original_name_scope, node()) == ("a", "a/", "x/a/c")
        with gf.variable_scope(a, auxiliary_name_scope=False) as again:
            assert (again.name, node()) == ("a", "x/c")
            with gf.name_scope(again.original_name_scope):
                assert node() == "a/c"


def test_the_root_scope_can_be_entered_again():
    root = gf.get_variable_scope()
    with gf.variable_scope("z"), gf.variable_scope(root) as again:
        assert (again.name, again.reuse) == ("", False)
        assert (get("v").name, node()) == ("v:0", "z/c")


def test_default_names_are_made_unique():
    names = []
    for _ in range(3):
        with gf.variable_scope(None, "layer") as s:
            names.append((s.name, s.original_name_scope, get("v").name))
    assert names == [("layer", "layer/", "layer/v:0"), ("layer_1", "layer_1/", "layer_1/v:0"),
                     ("layer_2", "layer_2/", "layer_2/v:0")]


def test_default_names_start_again_when_the_outer_scope_is_left():
    seen = []
    for _ in range(2):
        with gf.variable_scope("x"):
            for _ in range(2):
                with gf.variable_scope(None, "layer") as s:
                    seen.append((s.name, s.original_name_scope))
    assert seen == [("x/layer", "x/layer/"), ("x/layer_1", "x/layer_1/"),
                    ("x/layer", "x_1/layer/"), ("x/layer_1", "x_1/layer_1/")]


def test_one_block_can_be_entered_twice():
    block = gf.variable_scope(None, "again")
    seen = []
    for _ in range(2):
        with block as s:
            seen.append((s.name, node()))
    assert seen == [("again", "again/c"), ("again", "again_1/c")]


def test_many_default_names_are_quick_to_make():
    for i in range(2000):
        with gf.variable_scope(None, "layer") as s:
            assert s.name == (f"layer_{i}" if i else "layer")


def test_reuse():
    with gf.variable_scope("a") as a:
        v = get("v")
    with gf.variable_scope("a", reuse=True), gf.variable_scope("b") as b:
        assert b.reuse is True
    with gf.variable_scope(a, reuse=True):
        assert get("v") is v
    with gf.variable_scope("a") as again:
        again.reuse_variables()
        assert get("v") is v


def test_auto_reuse_makes_and_finds():
    found = []
    for _ in range(2):
        with gf.variable_scope("a", reuse=gf.AUTO_REUSE) as a:
            found.append(get("v"))
            assert a.reuse is gf.AUTO_REUSE
    assert found[0] is found[1]


def test_reuse_false_inherits():
    with gf.variable_scope("a", reuse=True), gf.variable_scope("b", reuse=False) as b:
        assert b.reuse is True


def under(scope, build):
    with scope:
        return build()


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: get("v"), ValueError,
     r"Variable v already exists, disallowed\. Did you mean to set reuse=True or "
     r"reuse=gf\.AUTO_REUSE in VarScope\? Originally defined at: .*test_variable_scope\.py:\d+"),
    (lambda: under(gf.variable_scope("", reuse=True), lambda: get("missing")), ValueError,
     r"Variable missing does not exist, or was not created with gf\.get_variable"),
    (lambda: under(gf.variable_scope("", reuse=True), lambda: gf.get_variable("v", [3])),
     ValueError, r"share variable v, but specified shape \[3\] and found shape \[\]"),
    (lambda: under(gf.variable_scope("", reuse=True),
                   lambda: gf.get_variable("v", dtype=gf.int32)),
     ValueError, "share variable v, but specified dtype int32 and found dtype float32"),
    (lambda: gf.get_variable("n"), ValueError, "shape must be specified"),
    (lambda: gf.get_variable("n", [None, 2]), ValueError,
     r"Shape of a new variable \(n\) must be fully defined, but instead was \[\?, 2\]"),
    (lambda: gf.get_variable("n", initializer=lambda shape, dtype: 1.0), ValueError,
     "needs it"),
    (lambda: gf.get_variable("n", [2], initializer=1.0), ValueError, "do not specify shape"),
    (lambda: gf.get_variable("n", initializer=1.0, dtype=gf.int32), ValueError,
     "initializer type float32 and explicit dtype int32"),
    (lambda: gf.get_variable("n", [2], dtype=gf.complex64), ValueError, "is required"),
    (lambda: gf.get_variable("n", [2], initializer=lambda shape, dtype: gf.zeros([3])),
     ValueError, r"\[3\] is not compatible with the given shape \[2\]"),
    (lambda: gf.variable_scope(None), TypeError, "name_or_scope is required"),
    (lambda: gf.variable_scope(3), TypeError, "must be a string or a VariableScope"),
    (lambda: gf.variable_scope("a", reuse=5), ValueError, "reuse must be"),
    (lambda: gf.variable_scope("a", auxiliary_name_scope=1), TypeError, "must be a bool"),
    (lambda: gf.variable_scope(None, "a", reuse=True).__enter__(), ValueError,
     "reuse=True cannot be used without a name_or_scope"),
])
def test_mistakes(build, error, message):
    get("v")
    with pytest.raises(error, match=message):
        build()


def test_an_error_leaves_the_scope():
    with pytest.raises(ZeroDivisionError), gf.variable_scope("a"):
        _ = 1 / 0
    assert gf.get_variable_scope().name == ""
    assert node() == "c"


def test_initializers():
    given = [
        gf.get_variable("floats", [2, 3]), gf.get_variable("ints", [2], dtype=gf.int32),
        gf.get_variable("bools", [2], dtype=gf.bool), gf.get_variable("value", initializer=[1, 2]),
        gf.get_variable("made", [2], initializer=gf.zeros_initializer),
        gf.get_variable("tensor", initializer=gf.ones([3])),
    ]
    assert [v.dtype for v in given] == [
        gf.float32, gf.int32, gf.bool, gf.int32, gf.float32, gf.float32]
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        floats, *others = session.run(given)
    limit = np.sqrt(6 / (2 + 3))  # Glorot and Bengio (2010): fan in 2, fan out 3
    assert floats.shape == (2, 3) and np.all(np.abs(floats) <= limit) and np.any(floats != 0)
    for got, expected in zip(others, ([0, 0], [False, False], [1, 2], [0, 0], [1, 1, 1])):
        np.testing.assert_array_equal(got, expected)


def test_an_old_initializer_takes_partition_info():
    def old(shape, dtype, partition_info):
        assert partition_info is None
        return gf.fill(shape, gf.constant(2.0, dtype))

    assert gf.get_variable("v", [2], initializer=old).shape.as_list() == [2]


def test_defaults_of_a_scope_are_inherited():
    def twos(shape, dtype=None):
        return gf.constant(2, dtype, shape)

    with gf.variable_scope("a", initializer=twos, dtype=gf.float64, constraint=abs) as a:
        assert (a.initializer, a.dtype, a.constraint) == (twos, gf.float64, abs)
        with gf.variable_scope("b") as b:
            assert (b.initializer, b.dtype, b.constraint) == (twos, gf.float64, None)
            v = gf.get_variable("v", [2])
        assert gf.get_variable("w", [2]).constraint is abs
    assert v.dtype is gf.float64
    with gf.Session() as session:
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(v), [2, 2])


def test_regularizers():
    def loss(v):
        return gf.identity(v, name="loss")

    with gf.variable_scope("r", regularizer=loss):
        get("w")
        get("none", regularizer=gf.no_regularizer)
        with gf.name_scope("other"):
            get("u")
        with gf.variable_scope(gf.get_variable_scope(), reuse=True):
            get("w")
    losses = gf.get_collection(gf.GraphKeys.REGULARIZATION_LOSSES)
    assert [t.name for t in losses] == ["r/w/Regularizer/loss:0", "r/u/Regularizer/loss:0"]


def test_custom_getters_are_chained():
    calls = []

    def outer(getter, name, *args, **kwargs):
        calls.append(f"outer {name}")
        return getter(name, *args, **kwargs)

    def inner(getter, name, *args, **kwargs):
        calls.append(f"inner {name}")
        return getter(f"{name}_2", *args, **kwargs)

    with gf.variable_scope("g", custom_getter=outer):
        assert get("v").name == "g/v:0"
        with gf.variable_scope("h", custom_getter=inner):
            assert get("v").name == "g/h/v_2:0"
        assert get("alone", custom_getter=inner).name == "g/alone_2:0"
    assert calls == ["outer g/v", "inner g/h/v", "outer g/h/v_2", "inner g/alone"]


def test_a_getter_without_late_arguments():
    def getter(getter, name, shape, dtype, initializer, regularizer, reuse, trainable,
               collections, caching_device, partitioner, validate_shape, use_resource):
        return getter(name, shape, dtype, initializer, trainable=False)

    assert get("v", custom_getter=getter).trainable is False


def test_local_variables():
    v = gf.get_local_variable("v", [2], collections=["mine"])
    assert gf.local_variables() == [v] and gf.get_collection("mine") == [v]
    assert gf.global_variables() == [] and gf.trainable_variables() == []


def test_variables_of_a_scope_object():
    with gf.variable_scope("a") as a:
        v, fixed = get("v"), get("fixed", trainable=False)
        local = gf.get_local_variable("local", [])
    get("outside")
    assert a.global_variables() == [v, fixed]
    assert a.trainable_variables() == [v]
    assert a.local_variables() == [local]


def test_each_graph_has_its_own_variables():
    v = get("v")
    with gf.Graph().as_default():
        assert get("v") is not v


def test_values_choose_the_graph(graph):
    x = gf.constant(1.0)
    with gf.Graph().as_default(), gf.variable_scope("a", values=[x]):
        assert get("v").graph is graph


def test_the_older_order_of_arguments():
    with gf.variable_op_scope([gf.constant(1)], None, "layer") as s:
        assert s.name == "layer"


def test_each_thread_starts_at_the_root_scope(graph):
    seen = {}

    def build():
        with graph.as_default():
            seen["name"] = gf.get_variable_scope().name
            with gf.variable_scope("a", reuse=gf.AUTO_REUSE):
                seen["v"] = get("v")

    with gf.variable_scope("a"):
        v = get("v")
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert seen == {"name": "", "v": v}


def test_threads_that_ask_for_one_variable_get_one(graph):
    barrier, found = threading.Barrier(4), []

    def build():
        with graph.as_default(), gf.variable_scope("a", reuse=gf.AUTO_REUSE):
            barrier.wait()
            found.extend(get(f"v{i}") for i in range(20))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert len({id(v) for v in found}) == len(gf.global_variables()) == 20
