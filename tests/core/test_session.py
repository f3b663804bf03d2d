"""Sessions: fetches, feeds, callables, default sessions, threads, the growth warning."""

from __future__ import annotations

import collections
import threading
import warnings
from typing import NamedTuple

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


class Pair(NamedTuple):
    first: object
    second: object


# ---- fetches ------------------------------------------------------------------------------------


def test_fetches_come_back_in_their_nest():
    a, b = gf.constant(1), gf.constant([2.0, 3.0])
    ordered = collections.OrderedDict([("z", a), ("a", [b])])
    default = collections.defaultdict(list, {"k": (a, a)})
    with gf.Session() as session:
        assert session.run(a) == 1
        assert session.run([a, (a, [a])]) == [1, (1, [1])]
        assert session.run((a,)) == (1,) and session.run([]) == [] and session.run({}) == {}
        found = session.run({"x": a, "y": {"z": None}})
        assert found == {"x": 1, "y": {"z": None}}
        pair = session.run(Pair(a, {"b": b}))
        assert isinstance(pair, Pair) and pair.first == 1 and pair.second["b"].tolist() == [2, 3]
        found = session.run(ordered)
        assert type(found) is collections.OrderedDict and list(found) == ["z", "a"]
        found = session.run(default)
        assert type(found) is collections.defaultdict and found["k"] == (1, 1)
        assert found["missing"] == []


def test_what_can_be_fetched():
    x = gf.constant(3.0, name="x")
    v = gf.Variable([1.0], name="v")
    slices = gf.IndexedSlices(gf.constant([[1.0]]), gf.constant([2]), gf.constant([4, 1]))
    with gf.Session() as session:
        assert session.run(v.initializer) is None and session.run([x.op]) == [None]
        assert session.run(["x:0", "x", v, "v:0", x, x]) == [3.0, None, [1.0], [1.0], 3.0, 3.0]
        found = session.run(slices)
        assert found.values.tolist() == [[1.0]] and found.indices.tolist() == [2]
        assert found.dense_shape.tolist() == [4, 1]
        assert session.run(slices.map_dense(lambda t: t + 1.0)).values.tolist() == [[2.0]]


@pytest.mark.parametrize("fetch, problem", [
    (3, "of type int"), ("nope:0", "no operation named 'nope'"),
    ("x:7", "has 1 outputs"), (object, "of type type"), ([1.5], "1.5 of type float"),
    (np.ones(2), "of type ndarray"), ({"k": {1}}, "of type set"),
])
def test_what_cannot(fetch, problem):
    gf.constant(1, name="x")
    with gf.Session() as session:
        for kind in (TypeError, ValueError):
            with pytest.raises(kind, match=f"Session.run: cannot fetch.*{problem}"):
                session.run(fetch)


def test_a_tensor_of_another_graph_or_of_a_loop():
    inner = []
    gf.while_loop(lambda i: i < 3, lambda i: inner.append(i + 1) or inner[0], [0])
    with gf.Graph().as_default():
        other = gf.constant(1, name="other")
    with gf.Session() as session:
        with pytest.raises(ValueError, match="cannot fetch.*'other:0'.*belongs to another graph"):
            session.run(other)
        with pytest.raises(ValueError, match="body of while_loop and has no value outside"):
            session.run(inner[0])


def test_values_are_numpys():
    fetches = [gf.constant(1), gf.constant(1.5), gf.constant(True), gf.constant("text"),
               gf.constant([1, 2])]
    with gf.Session() as session:
        found = session.run(fetches)
    assert [type(v) for v in found] == [np.int32, np.float32, np.bool_, bytes, np.ndarray]


# ---- feeds --------------------------------------------------------------------------------------


def test_feeds_by_tensor_and_by_name():
    x = gf.placeholder(gf.float32, [2], name="x")
    with gf.Session() as session:
        for key in (x, "x:0", "x"):
            assert session.run(x + 1.0, {key: [1, 2]}).tolist() == [2.0, 3.0]
        assert session.run(x, feed_dict={x: (1, 2.5)}).tolist() == [1.0, 2.5]


def test_a_tuple_of_tensors_takes_a_tuple_of_values():
    x, y = gf.placeholder(gf.float32, []), gf.placeholder(gf.float32, [])
    with gf.Session() as session:
        assert session.run(x - y, {(x, y): (5.0, 2.0)}) == 3.0
        with pytest.raises(ValueError, match="stands for 2 tensors, but got 3 values"):
            session.run(x - y, {(x, y): (5.0, 2.0, 1.0)})


@pytest.mark.parametrize("dtype, value, expected", [
    (gf.float32, np.arange(3), [0.0, 1.0, 2.0]), (gf.float32, np.array([0.1]), [np.float32(0.1)]),
    (gf.float64, [1, 2], [1.0, 2.0]), (gf.int64, np.array([3], np.int8), [3]),
    (gf.complex64, [1.5], [1.5 + 0j]), (gf.int32, [2.0], [2]), (gf.string, ["é"], ["é".encode()]),
    (gf.bfloat16, [1.0], [1.0]), (gf.int32, np.array([True]), [1]),
])
def test_feeds_that_are_cast_safely(dtype, value, expected):
    x = gf.placeholder(dtype, [None])
    with gf.Session() as session:
        found = session.run(gf.identity(x), {x: value})
    assert found.dtype == dtype.as_numpy_dtype and found.tolist() == expected


@pytest.mark.parametrize("value, problem", [
    (np.ones((2, 3)), r"cannot feed a value of shape \[2, 3\] for Placeholder 'x:0' int32 "
                      r"\[x\.0, 2\], built at .*test_session\.py:\d+"),
    ([1, 2], "The first axis is missing: feed .value. for a batch of one"),
    (np.ones((1, 1, 2)), "one axis more at the front"),
    ([[1.5, 2]], "'x:0' int32 .*it has a fraction"),
    ([[1j, 2]], "'x:0' int32 .*it has an imaginary part"),
    ([["a", "b"]], "'x:0' int32 .*it holds text"),
    ([[2**40, 1]], r"outside \[-2147483648, 2147483647\]"),
    (None, "cannot feed Placeholder 'x:0'.*None"),
    ([[1, 2], [3]], "nested lists must all have the same lengths"),
    ({}, "cannot feed Placeholder 'x:0'.*dict"),
])
def test_feeds_that_do_not_fit(value, problem):
    x = gf.placeholder(gf.int32, [None, 2], name="x")
    with gf.Session() as session:
        for kind in (TypeError, ValueError):
            with pytest.raises(kind, match=problem):
                session.run(x, {x: value})


def test_feeding_a_tensor_is_a_mistake():
    x, y = gf.placeholder(gf.float32, []), gf.constant(2.0, name="y")
    with gf.Session() as session, pytest.raises(TypeError, match="Run the tensor first"):
        session.run(x, {x: y})


@pytest.mark.parametrize("key, problem", [
    (3, "3 .int. is not a tensor of the graph"), ("y:0", "no operation named 'y'"),
    (np.float32(1), "is not a tensor of the graph"), (None, "None .NoneType."),
])
def test_keys_that_are_no_tensors(key, problem):
    x = gf.placeholder(gf.float32, [], name="x")
    with gf.Session() as session:
        with pytest.raises(TypeError, match=problem):
            session.run(x, {key: 1.0})
        with pytest.raises(TypeError, match="feed_dict must be a dict.*got list"):
            session.run(x, [(x, 1.0)])
        with pytest.raises(ValueError, match="operation 'NoOp' cannot be fed"):
            session.run(x, {gf.no_op(): 1.0})
        with gf.Graph().as_default():
            other = gf.placeholder(gf.float32, [])
        with pytest.raises(ValueError, match="as a feed_dict key.*belongs to another graph"):
            session.run(x, {other: 1.0})


# ---- callables, default sessions ----------------------------------------------------------------


def test_a_callable_takes_its_feeds_in_order():
    x, y = gf.placeholder(gf.float32, [], "x"), gf.placeholder(gf.float32, [], "y")
    with gf.Session() as session:
        divide = session.make_callable({"q": x / y}, [x, "y:0"])
        assert divide(6.0, 3.0) == {"q": 2.0} and divide(1, 4) == {"q": 0.25}
        with pytest.raises(ValueError, match=r"takes 2 values \(x:0, y:0\), got 1"):
            divide(6.0)
        with pytest.raises(ValueError, match=r"shape \[2\] for Placeholder 'x:0'"):
            divide([1.0, 2.0], 3.0)
        with pytest.raises(TypeError, match="options"):
            divide(1, 2, options=None)
        assert session.make_callable(x * 2.0, [x], accept_options=True)(
            4.0, options=None, run_metadata=None) == 8.0
    with pytest.raises(RuntimeError, match="session is closed"):
        divide(6.0, 3.0)


def test_an_interactive_session_is_the_default_until_it_is_closed():
    x = gf.placeholder(gf.float32, [])
    session = gf.InteractiveSession()
    try:
        assert (x * 2.0).eval({x: 3.0}) == 6.0
        assert gf.get_default_session() is session
        gf.Variable(1.0).initializer.run()
    finally:
        session.close()
    assert gf.get_default_session() is None


def test_an_interactive_session_of_a_graph(graph):
    with gf.Graph().as_default() as other:
        pass
    session = gf.InteractiveSession(graph=other)
    try:
        assert gf.constant(1).graph is other
    finally:
        session.close()
    assert gf.get_default_graph() is graph


def test_eval_and_run_need_a_session():
    x = gf.constant(1.0, name="x")
    for use in (x.eval, x.op.run, gf.Variable(1.0).eval):
        with pytest.raises(RuntimeError, match="needs a session: pass"):
            use()
    with gf.Session() as session:
        assert x.eval() == 1.0 and x.op.run() is None
    session = gf.Session()
    assert x.eval(session=session) == 1.0
    with session.as_default():
        assert x.eval() == 1.0
    assert session.run(x) == 1.0, "as_default does not close"
    with gf.Graph().as_default():
        elsewhere = gf.constant(1.0)
    with session.as_default(), pytest.raises(ValueError, match="runs another graph"):
        elsewhere.eval()


def test_a_session_without_with():
    session = gf.Session()
    assert session.run(gf.constant(2) * 3) == 6
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match=r"session is closed.*gf\.Session\(\)"):
        session.run(gf.constant(1))


def test_a_with_block_does_not_stand_inside_itself():
    with gf.Session() as session:
        with pytest.raises(RuntimeError, match="session.as_default"), session:
            pass
        with session.as_default():
            assert session.run(gf.constant(1)) == 1
    with pytest.raises(RuntimeError, match="closed"), session:
        pass


def test_several_sessions_keep_their_own_values():
    v = gf.Variable(1.0)
    bump = v.assign_add(1.0)
    with gf.Session() as one, gf.Session() as other:
        for session, times in ((one, 1), (other, 3)):
            session.run(v.initializer)
            for _ in range(times):
                session.run(bump)
        assert one.run(v) == 2.0 and other.run(v) == 4.0


def test_what_a_session_is_made_of():
    with pytest.raises(TypeError, match="graph must be a gf.Graph, got 3"):
        gf.Session(graph=3)
    with pytest.raises(TypeError, match="config must be a gf.ConfigProto"):
        gf.Session(config={})
    with pytest.raises(NotImplementedError, match="remote targets are not supported, got 'grpc"):
        gf.Session("grpc://somewhere")
    with pytest.raises(ValueError, match="device must be one of 'auto', 'cpu', 'cuda', 'ref"):
        gf.Session(device="tpu")
    assert gf.Session(device="reference").run(gf.constant(1)) == 1


def test_config_proto():
    config = gf.ConfigProto(allow_soft_placement=True, device_count={"GPU": 0})
    config.gpu_options.allow_growth = True
    config.graph_options.optimizer_options.global_jit_level = gf.OptimizerOptions.ON_1
    assert gf.Session(config=config).run(gf.constant(1)) == 1
    with pytest.raises(ValueError, match="GPUOptions has no field 'alow_growth'.*allow_growth"):
        config.gpu_options.alow_growth = True
    with pytest.raises(ValueError, match="ConfigProto has no field 'threads'"):
        gf.ConfigProto(threads=3)
    assert not gf.ConfigProto().gpu_options.allow_growth, "messages share no fields"


# ---- threads ------------------------------------------------------------------------------------


def in_threads(count: int, work) -> None:
    errors = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_threads_of_one_session_lose_no_update():
    v = gf.Variable(0, dtype=gf.int64)
    bump = v.assign_add(1)
    with gf.Session() as session:
        session.run(v.initializer)
        in_threads(8, lambda: [session.run(bump.op) for _ in range(50)])
        assert session.run(v) == 400


def test_a_run_sees_all_of_another_or_nothing():
    a, b = gf.Variable(0), gf.Variable(0)
    both = gf.group(a.assign_add(1), b.assign_add(1))
    seen = []
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.append(session.run([a, b]))

        watcher = threading.Thread(target=watch)
        watcher.start()
        in_threads(2, lambda: [session.run(both) for _ in range(100)])
        done.set()
        watcher.join()
    assert seen and all(x == y for x, y in seen)


def test_threads_compile_one_program_once():
    x = gf.placeholder(gf.float32, [None])
    y = gf.tanh(x)
    with gf.Session() as session:
        in_threads(8, lambda: session.run(y, {x: [1.0]}))
        assert [len(v) for v in session._variants.values()] == [1]


# ---- the warning about growing graphs -----------------------------------------------------------


def grow(session, runs: int) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(runs):
            session.run(gf.constant(1, name="grown"))
    return found


def test_a_growing_graph_is_warned_of_once_with_its_line():
    with gf.Session() as session:
        found = grow(session, 40)
        assert len(found) == 1
        text = str(found[0].message)
        assert text.startswith("[graph-growth]") and found[0].message.warning_id == "graph-growth"
        assert "Const 'grown_" in text and "test_session.py:" in text and "finalize" in text
        assert found[0].filename == __file__


def test_the_warning_can_be_silenced():
    with gf.Session(options=gf.Options(silence={"graph-growth"})) as session:
        assert not grow(session, 40)


def test_no_warning_for_building_before_running():
    with gf.Session() as session:
        found = []
        for _ in range(5):
            found += grow(session, 3)
            session.run(gf.get_default_graph().get_operations()[0])
        assert not found
