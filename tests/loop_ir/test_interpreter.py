"""`evaluate`: leaves, broadcasting, sharing, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from graphflow import dtypes
from graphflow.errors import DTypeError, ProgramError
from graphflow.loop_ir import Expr, b, evaluate, evaluate_all

x = b.arg(0, dtypes.float32)
y = b.arg(1, dtypes.float32)


@pytest.mark.parametrize("dtype", dtypes.FIXED_SIZE, ids=str)
def test_arguments_come_back_as_copies(dtype: dtypes.DType) -> None:
    value = np.ones((2, 3), dtype.numpy)
    result = evaluate(b.arg(0, dtype), [value])
    assert result.dtype == dtype.numpy
    np.testing.assert_array_equal(result, value)
    assert not np.shares_memory(result, value)


def test_arguments_broadcast() -> None:
    rows = np.arange(3, dtype=np.float32)[:, None]
    columns = np.arange(4, dtype=np.float32)
    expected = rows * columns + np.float32(0.5)
    np.testing.assert_array_equal(evaluate(x * y + 0.5, [rows, columns]), expected)


def test_arguments_may_be_empty_scalar_or_strided() -> None:
    body = b.tanh(x) * 2
    assert evaluate(body, [np.zeros((0, 4), np.float32)]).shape == (0, 4)
    assert evaluate(body, [np.float32(0)]).shape == ()
    values = np.arange(12, dtype=np.float32).reshape(3, 4)[::-1, ::2]
    np.testing.assert_array_equal(evaluate(body, [values]), 2 * np.tanh(values))


def test_inputs_are_left_as_they_were() -> None:
    values = np.arange(4, dtype=np.float32)
    evaluate(b.exp(x) + x, [values])
    assert values.tolist() == [0, 1, 2, 3]


def test_indices_and_sizes() -> None:
    flipped = b.size(0) * 10 - b.index(0) + b.index(1)
    result = evaluate(flipped, [], np.ogrid[:2, :3], (2, 3))
    assert result.dtype == np.int64
    assert result.tolist() == [[20, 21, 22], [19, 20, 21]]


def test_constants_have_no_shape() -> None:
    assert evaluate(b.const(2.5, dtypes.bfloat16), []).dtype == dtypes.bfloat16.numpy
    assert evaluate(b.const(1j, dtypes.complex64), []).tolist() == 1j


def test_several_expressions_share_their_parts() -> None:
    shared = b.exp(x)
    values = np.array([0.0, 1.0], np.float32)
    total, double, same, again = evaluate_all([shared + 1, shared * 2, shared, shared], [values])
    np.testing.assert_array_equal(total, np.exp(values) + 1)
    np.testing.assert_array_equal(double, np.exp(values) * 2)
    np.testing.assert_array_equal(same, np.exp(values))
    assert not np.shares_memory(same, again)


def test_shared_expressions_are_computed_once() -> None:
    """2⁶⁴ paths, 64 nodes."""
    doubled = x
    for _ in range(64):
        doubled = doubled + doubled
    assert float(evaluate(doubled, [np.float32(1)])) == 2.0**64


def test_what_is_missing_or_of_another_dtype_is_named() -> None:
    with pytest.raises(ProgramError, match=r"arg\[1\] is read, but 1 were given"):
        evaluate(x + y, [np.float32(1)])
    with pytest.raises(ProgramError, match=r"index\[0\] is read, but 0 were given"):
        evaluate(b.index(0), [])
    with pytest.raises(DTypeError, match=r"arg\[0\] is float32, got float64"):
        evaluate(x, [np.ones(2)])


def test_a_node_of_the_wrong_dtype_is_noticed() -> None:
    with pytest.raises(ProgramError, match="<Expr add.*> was computed as float32"):
        evaluate(Expr("add", (x, x), dtypes.float64), [np.float32(1)])
