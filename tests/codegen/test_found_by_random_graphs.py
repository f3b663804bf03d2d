"""Programs on which random graphs found compiled and reference runs to differ, made small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from both_devices import assert_same_error, on_both

import graphflow as gf


def test_poisson_draws_with_an_impossible_mean_are_zero_as_integers() -> None:
    with gf.Graph().as_default() as graph:
        mean = gf.placeholder(gf.float32, [3])
        drawn = gf.random.poisson(mean, [4], dtype=gf.int32, seed=1)
        feeds = {mean: [-1.0, float("nan"), 0.0]}
        compiled, reference = on_both(graph, lambda s: s.run(drawn, feeds))
    np.testing.assert_array_equal(compiled, np.zeros((4, 3), np.int32))
    np.testing.assert_array_equal(reference, np.zeros((4, 3), np.int32))


@pytest.mark.parametrize("take", [
    lambda x: gf.gather(x, [0]), lambda x: gf.gather(x, 0, axis=1),
    lambda x: gf.gather_nd(x, [[0]]),
], ids=["rows", "a column", "gather_nd"])
def test_index_zero_of_an_axis_that_is_empty(take: Callable[[Any], Any]) -> None:
    """Zero lies inside of every axis whose size is not known, but for an empty one."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [None, None])
        picked = take(x)
        assert_same_error(graph, picked, {x: np.zeros((0, 0))}, "0")


def test_reshaped_result_whose_size_is_measured() -> None:
    """Its shape was looked for among the sizes that feeds have."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.int64, [None])
        shape = gf.broadcast_dynamic_shape(x, gf.constant([3, 1], gf.int64))
        rows = gf.reshape(shape, [-1, 2])
        compiled, reference = on_both(graph, lambda s: s.run(rows, {x: [1]}))
    np.testing.assert_array_equal(compiled, [[3, 1]])
    np.testing.assert_array_equal(reference, [[3, 1]])


def test_padding_an_array_without_rows() -> None:
    """The kernel loads row 0 of a matrix that has none."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [None, None])
        y = gf.reduce_sum(gf.pad(x, [[0, 1], [0, 0]]) + 1.0, 1)
        compiled, _ = on_both(graph, lambda s: s.run(y, {x: np.zeros((0, 10**7), np.float32)}))
    np.testing.assert_array_equal(compiled, [1e7])


def test_gradient_through_a_growing_loop_into_one_with_a_python_step() -> None:
    """The run was repeated by the reference with loops that had kept no histories."""
    def python_tanh(a: Any) -> Any:
        y = gf.py_func(np.tanh, [a], a.dtype)
        y.set_shape(a.shape)
        return y

    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float64, [None, None])
        turns = gf.placeholder(gf.int32, [])
        _, grown = gf.while_loop(
            lambda i, a: i < 3, lambda i, a: (i + 1, gf.concat([a, a[:1] * 0.5], 0)), [0, x],
            shape_invariants=[gf.TensorShape([]), gf.TensorShape([None, 2])])
        _, y, _ = gf.while_loop(
            lambda i, a, b: i < turns,
            lambda i, a, b: (i + 1, a * 0.5 + b * 0.25, python_tanh(b)), [0, grown, grown])
        slope = gf.gradients(y, x)[0]
        compiled, reference = on_both(
            graph, lambda s: s.run(slope, {x: np.ones((2, 2)), turns: 1}))
    np.testing.assert_allclose(reference, [[1.875, 1.875], [0.75, 0.75]])
    np.testing.assert_allclose(compiled, reference)


def test_gradient_of_a_fold_over_a_convolution_of_unknown_size() -> None:
    """A part that cannot be compiled was not given to the reference."""
    with gf.Graph().as_default() as graph:
        x, w = gf.placeholder(gf.float64, [None]), gf.placeholder(gf.float64, [None])
        made = gf.nn.conv2d(gf.reshape(x, [1, -1, 1, 1]), gf.reshape(w, [-1, 1, 1, 1]),
                            [1, 1, 1, 1], "VALID")
        largest = gf.foldl(gf.maximum, made)
        slope = gf.gradients([largest, made], made, grad_ys=[
            gf.constant(np.ones((2, 1, 1))), gf.constant(np.ones((1, 2, 1, 1)))])[0]
        compiled, reference = on_both(
            graph, lambda s: s.run(slope, {x: np.ones(4), w: np.ones(3)}))
    np.testing.assert_array_equal(reference, np.full((1, 2, 1, 1), 2.0))
    np.testing.assert_array_equal(compiled, reference)


def test_reshaped_numbers_of_distinct_values() -> None:
    """They came back in the shape that they have without the reshape."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [4])
        _, numbers = gf.unique(x)
        pairs = gf.reshape(numbers, [-1, 2])
        compiled, reference = on_both(graph, lambda s: s.run(pairs, {x: [3.0, 4.0, 3.0, 3.0]}))
    np.testing.assert_array_equal(reference, [[0, 1], [0, 0]])
    np.testing.assert_array_equal(compiled, reference)
