"""py_func: arguments, results, strings, errors, state."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def test_signatures():
    assert list(inspect.signature(gf.py_func).parameters) == [
        "func", "inp", "Tout", "stateful", "name"]
    assert list(inspect.signature(gf.numpy_function).parameters) == ["func", "inp", "Tout", "name"]


def test_one_result_several_results_and_none():
    x = gf.constant([1.0, 4.0])
    root = gf.py_func(np.sqrt, [x], gf.float32)
    assert root.name == "PyFunc:0" and root.shape.rank is None
    np.testing.assert_array_equal(run(root), [1, 2])
    low, high = gf.py_func(lambda v: (v.min(), v.max()), [x], [gf.float32, gf.float32])
    assert run([low, high]) == [1.0, 4.0]
    seen = []
    operation = gf.py_func(lambda v: seen.append(v.sum()), [x], [])
    assert isinstance(operation, gf.Operation)
    assert run(operation) is None and seen == [5.0]


def test_what_the_function_gets():
    """As in TensorFlow: NumPy scalars, arrays, bytes, object arrays of bytes."""
    got = []
    operation = gf.py_func(
        lambda *args: got.extend(args), [1.5, [1, 2], "text", ["a", "b"], True], [])
    run(operation)
    assert [type(a) for a in got] == [np.float32, np.ndarray, bytes, np.ndarray, np.bool_]
    assert got[2] == b"text" and got[3].tolist() == [b"a", b"b"]


def test_strings_come_back_as_bytes():
    for returned, expected in (("é", "é".encode()), (b"x", b"x"), (np.array(["a", "b"]), None)):
        value = run(gf.py_func(lambda r=returned: r, [], gf.string))
        assert value == expected if expected else value.tolist() == [b"a", b"b"]


def test_the_function_may_change_its_arguments_and_keep_its_results():
    x, kept = gf.constant([1.0, 2.0]), np.zeros(2, np.float32)

    def spoil(value):
        value += 10
        kept[:] = value
        return kept

    with gf.Session() as session:
        first = session.run([gf.py_func(spoil, [x], gf.float32), x])
        kept[:] = -1
    np.testing.assert_array_equal(first, [[11, 12], [1, 2]])


def test_python_numbers_take_the_declared_type():
    assert run(gf.py_func(lambda: 3, [], gf.int32)) == 3
    assert run(gf.py_func(lambda: 2.5, [], gf.float16)).dtype == np.float16


@pytest.mark.parametrize("returned, types, message", [
    (np.float64(1), gf.float32, "value 0 returned by .* is float64, but expects float32"),
    (2.5, gf.int32, "value 0 returned by .*it has a fraction"),
    ((1, 2), gf.int32, "returns 2 values, but expects to see 1 value"),
    (None, gf.int32, "returns 0 values, but expects to see 1 value"),
    (1, [], "returns 1 values, but expects to see 0 value"),
])
def test_wrong_results(returned, types, message):
    with pytest.raises(gf.errors.InvalidArgumentError, match=f"(?s){message}.*test_host.py"):
        run(gf.py_func(lambda: returned, [], types))


@pytest.mark.parametrize("raised, mapped", [
    (ValueError, "InvalidArgumentError"), (TypeError, "InvalidArgumentError"),
    (StopIteration, "OutOfRangeError"), (MemoryError, "ResourceExhaustedError"),
    (NotImplementedError, "UnimplementedError"), (KeyError, "UnknownError"),
    (RuntimeError, "UnknownError"), (ZeroDivisionError, "UnknownError"),
])
def test_exceptions_map_as_in_tensorflow(raised, mapped):
    def fails():
        raise raised("boo")

    with pytest.raises(getattr(gf.errors, mapped), match=f"{raised.__name__}: .*boo") as caught:
        run(gf.py_func(fails, [], gf.float32, name="doomed"))
    assert type(caught.value) is getattr(gf.errors, mapped)
    assert isinstance(caught.value.__cause__, raised), "the original traceback is chained"
    assert "doomed" in caught.value.message


def test_an_error_of_graphflow_passes_with_its_class():
    def fails():
        raise gf.errors.NotFoundError(None, None, "no such file")

    with pytest.raises(gf.errors.NotFoundError, match="no such file"):
        run(gf.py_func(fails, [], gf.float32))


def test_stateful_functions_run_once_per_run_and_use():
    calls = []

    def count():
        calls.append(1)
        return len(calls)

    x, y = (gf.py_func(count, [], gf.int32) for _ in range(2))
    with gf.Session() as session:
        assert sorted(session.run([x, y])) == [1, 2]
        assert session.run([x, x + 0]) == [3, 3]


def test_stateless_functions():
    x = gf.py_func(lambda: np.float32(2), [], gf.float32, stateful=False)
    assert x.op.type == "PyFuncStateless"
    assert run(x) == 2


def test_no_gradient():
    x = gf.constant(2.0)
    assert gf.gradients(gf.numpy_function(np.square, [x], gf.float32), x) == [None]


def test_wrong_arguments():
    with pytest.raises(TypeError, match="func must be callable, got 3"):
        gf.py_func(3, [], gf.float32)
    with pytest.raises(TypeError, match="inp must be a list of tensors"):
        gf.py_func(np.sqrt, gf.constant(1.0), gf.float32)
