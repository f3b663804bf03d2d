"""Errors of compiled runs are those of the reference, word for word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from both_devices import assert_same_error, errors_of, on_both

import graphflow as gf

INDEX_ERRORS: dict[str, Callable[[Any, Any], Any]] = {
    "gather": lambda x, at: gf.gather(x, at),
    "gather of what was computed": lambda x, at: gf.gather(gf.exp(x), at * 2 - at) + 1.0,
    "gather on the last axis": lambda x, at: gf.gather(gf.stack([x, x]), at, axis=1),
    "gather_nd": lambda x, at: gf.gather_nd(x, at[:, None]),
    "unsorted_segment_sum": lambda x, at: gf.unsorted_segment_sum(x, at, 3),
    "scatter_nd": lambda x, at: gf.scatter_nd(at[:, None], x, [3]),
    "embedding_lookup": lambda x, at: gf.nn.embedding_lookup(x, at),
    "sparse cross-entropy": lambda x, at: gf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=at, logits=gf.stack([x, x, x], 1)),
    "gradient of gather": lambda x, at: gf.convert_to_tensor(
        gf.gradients(gf.gather(x * 1.0, at), x)[0]),
    "indices that are no feed": lambda x, at: gf.gather(x, gf.range(gf.shape(at)[0]) + at[0]),
    "item": lambda x, at: x[at[0]] * 2.0,
}


@pytest.mark.parametrize("name", INDEX_ERRORS)
def test_indices_out_of_range(graph: gf.Graph, name: str) -> None:
    x, at = gf.placeholder(gf.float32, [None]), gf.placeholder(gf.int32, [None])
    y = INDEX_ERRORS[name](x, at)
    right, wrong = {x: [1.0, 2.0, 3.0], at: [0, 1, 2]}, {x: [1.0, 2.0, 3.0], at: [9, 9, 9]}
    if name == "indices that are no feed":
        right[at] = wrong[at] = [0, 0, 0]
        wrong[at] = [1, 0, 0]
    compiled, reference = on_both(graph, lambda s: s.run(y, right))
    np.testing.assert_allclose(compiled, reference, rtol=1e-6)
    assert_same_error(graph, y, wrong, "")


def test_an_error_is_no_end(session: gf.Session) -> None:
    x, at = gf.placeholder(gf.float32, [3]), gf.placeholder(gf.int32, [])
    y = gf.gather(x, at)
    for _ in range(2):
        with pytest.raises(gf.errors.InvalidArgumentError, match="= -1 is not in"):
            session.run(y, {x: [1, 2, 3], at: -1})
        assert session.run(y, {x: [1, 2, 3], at: 1}) == 2


def test_indices_out_of_range_inside_a_loop(graph: gf.Graph) -> None:
    x, n = gf.placeholder(gf.float32, [4]), gf.placeholder(gf.int32, [])
    y = gf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a + gf.gather(x, i)), [0, 0.0])[1]
    feeds = {x: [1.0, 2.0, 3.0, 4.0], n: 4}
    assert on_both(graph, lambda s: s.run(y, feeds)) == (10.0, 10.0)
    assert_same_error(graph, y, feeds | {n: 5}, "= 4 is not in [0, 4)")


@pytest.mark.parametrize("function", [
    gf.floordiv, gf.floormod, gf.truncatediv, gf.truncatemod, lambda x, y: x // (y * 2 - y)],
    ids=["floordiv", "floormod", "truncatediv", "truncatemod", "computed"])
@pytest.mark.parametrize("dtype", [gf.int32, gf.uint8], ids=["int32", "uint8"])
def test_integer_divisions_by_zero(graph: gf.Graph, function: Any, dtype: Any) -> None:
    x, y = gf.placeholder(dtype, [None]), gf.placeholder(dtype, [])
    z = function(x, y)
    np.testing.assert_array_equal(*on_both(graph, lambda s: s.run(z, {x: [7, 9], y: 2})))
    np.testing.assert_array_equal(*on_both(graph, lambda s: s.run(z, {x: [], y: 0})))
    assert_same_error(graph, z, {x: [7, 9], y: 0}, "integer division by zero")


def test_negative_exponents_of_integers(graph: gf.Graph) -> None:
    x, y = gf.placeholder(gf.int32, [2]), gf.placeholder(gf.int32, [2])
    np.testing.assert_array_equal(
        *on_both(graph, lambda s: s.run(gf.pow(x, y), {x: [2, -3], y: [5, 3]})))
    assert_same_error(graph, gf.pow(x, y), {x: [2, 3], y: [1, -1]}, "negative integer powers")


def test_bounds_of_random_integers(graph: gf.Graph) -> None:
    high = gf.placeholder(gf.int32, [])
    y = gf.random_uniform([3], 5, high, gf.int32)
    assert_same_error(graph, y, {high: 5}, "Need minval < maxval")


SIZE_ERRORS: dict[str, tuple[Callable[[Any], Any], list[int], list[int]]] = {
    "reshape": (lambda x: gf.reshape(x, [4, 3]) * 2.0, [12], [10]),
    "reshape with a rest": (lambda x: gf.reshape(x, [-1, 3]) * 2.0, [12], [10]),
    "slice": (lambda x: gf.slice(x, [1], [2]) * 2.0, [4], [2]),
    "item": (lambda x: x[3] * 2.0, [4], [3]),
    "split": (lambda x: gf.split(x, 2)[0] * 2.0, [4], [3]),
    "squeeze": (lambda x: gf.squeeze(gf.reshape(x, [-1, 2]), [0]) * 2.0, [2], [4]),
    "a reshape that nothing needs": (
        lambda x: gf.reduce_sum(gf.reshape(gf.reshape(x, [4, 3]), [-1])), [12], [10]),
}


def test_variables_stay_when_a_branch_meets_a_bad_index(graph: gf.Graph) -> None:
    x, at = gf.placeholder(gf.float32, [3]), gf.placeholder(gf.int32, [])
    v = gf.Variable([1.0, 1.0, 1.0])
    picked = gf.cond(at > 0, lambda: gf.gather(x, at), lambda: x[0])
    changed = gf.assign(v, v * 2.0 + 1.0)

    def run(session: gf.Session) -> Any:
        session.run(v.initializer)
        with pytest.raises(gf.errors.InvalidArgumentError, match="= 7 is not in"):
            session.run([picked, changed.op], {x: np.ones(3), at: 7})
        return session.run(v).tolist()

    assert on_both(graph, run) == ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])


@pytest.mark.parametrize("name", SIZE_ERRORS)
def test_sizes_that_an_op_refuses(graph: gf.Graph, name: str) -> None:
    build, right, wrong = SIZE_ERRORS[name]
    x = gf.placeholder(gf.float32, [None])
    y = build(x)

    def run(session: gf.Session) -> Exception:
        first = session.run(y, {x: np.ones(right)})
        assert np.all(np.isfinite(first))
        with pytest.raises((gf.errors.OpError, ValueError)) as info:
            session.run(y, {x: np.ones(wrong)})
        return info.value

    compiled, reference = on_both(graph, run)
    assert str(compiled) == str(reference) and type(compiled) is type(reference)


def test_a_wrong_shape_promise(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [2])
    y = gf.ensure_shape(gf.py_func(lambda a: a[:1], [x], gf.float32), [2]) + 1.0
    assert_same_error(graph, y, {x: [1, 2]}, "is not compatible with")


def test_more_memory_than_there_is(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float64, [None])
    y = gf.reduce_sum(gf.exp(gf.transpose(x[:, None] * x[None, :])))
    native, reference = errors_of(
        graph, lambda s: s.run([y, gf.transpose(x[:, None] + x)], {x: np.ones(10**7)}))
    assert isinstance(native, gf.errors.ResourceExhaustedError)
    assert type(native) is type(reference)
