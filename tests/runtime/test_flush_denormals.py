"""`Options(flush_denormals=True)`: subnormal numbers count as zero in compiled code, nowhere else.

Expected values are NumPy's, with zeros in the place of subnormal numbers.
"""

from __future__ import annotations

import platform
from typing import Any
from unittest import mock

import numpy as np
import pytest

import graphflow as tf
from graphflow import options
from graphflow.errors import AttributeValueError

TINY = np.finfo(np.float32).tiny
SIZES = [4, 1 << 19]  # of one thread, and of a team


def session(flush: bool, threads: int = 2) -> tf.Session:
    return tf.Session(options=tf.Options(device="cpu", flush_denormals=flush, threads=threads))


def flushed(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < np.finfo(values.dtype).tiny, 0, values)


def numpy_keeps_them() -> bool:
    quarter = np.full(64, TINY, np.float32) * np.float32(0.25)
    return bool(np.all(quarter > 0) and np.all(quarter * np.float32(4) == TINY))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_and_operands_are_flushed(size: int, dtype: Any) -> None:
    tiny = np.finfo(dtype).tiny
    values = np.resize(np.array([tiny / 4, -tiny / 8, tiny, 3.0], dtype), size)
    x = tf.placeholder(dtype, [None])
    fetches = [x * dtype(0.5), x * dtype(4)]
    for threads in (1, 2):
        with session(True, threads) as sess:
            call = sess.make_callable(fetches, [x])
            for _ in range(3):  # the long way, then by the native entry
                half, four = call(values)
                np.testing.assert_array_equal(half, flushed(values * dtype(0.5)))
                np.testing.assert_array_equal(four, flushed(values) * dtype(4))
                assert numpy_keeps_them()


@pytest.mark.parametrize("size", SIZES)
def test_by_default_they_are_kept_though_another_session_flushes(size: int) -> None:
    values = np.full(size, TINY, np.float32)
    x = tf.placeholder(tf.float32, [None])
    y = x * 0.25
    with session(True) as flushing, session(False) as plain:
        for _ in range(3):
            assert not np.any(flushing.run(y, {x: values}))
            np.testing.assert_array_equal(
                plain.run(y, {x: values}), values * np.float32(0.25))


def test_steps_in_python_have_the_callers_mode() -> None:
    seen = []

    def look(values: np.ndarray) -> np.ndarray:
        seen.append(numpy_keeps_them())
        return values * np.float32(0.5)

    x = tf.placeholder(tf.float32, [4])
    y = tf.py_func(look, [x * 1.0], tf.float32)
    y.set_shape([4])
    with session(True) as sess:
        between, after = sess.run([y, y * 2.0], {x: np.full(4, TINY, np.float32)})
    assert seen == [True]
    np.testing.assert_array_equal(between, np.full(4, TINY / 2, np.float32))
    np.testing.assert_array_equal(after, np.zeros(4, np.float32))


def test_a_run_that_fails_sets_the_mode_back() -> None:
    x, i = tf.placeholder(tf.float32, [4]), tf.placeholder(tf.int32, [2])
    with session(True) as sess:
        for _ in range(3):
            with pytest.raises(tf.errors.InvalidArgumentError):
                sess.run(tf.gather(x * 0.5, i), {x: np.ones(4, np.float32), i: [1, 9]})
            assert numpy_keeps_them()


def test_loops_and_many_steps_flush() -> None:
    v = tf.Variable(np.full(8, 8 * TINY, np.float32))
    step = v.assign(v * 0.5)
    looped = tf.while_loop(lambda k, a: k < 8, lambda k, a: (k + 1, a * 0.5), [0, step])[1]
    with session(True) as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run_many([step, looped], steps=6)
        np.testing.assert_array_equal(
            found[0][:, 0], np.array([4, 2, 1, 0, 0, 0], np.float32) * TINY)
        assert not np.any(found[1])
        assert numpy_keeps_them()


def test_profiled_runs_flush_too() -> None:
    seen = []

    def look(values: np.ndarray) -> np.ndarray:
        seen.append(values.copy())
        return values

    x = tf.placeholder(tf.float32, [4])
    with session(True) as sess:
        sess.profile(tf.py_func(look, [x * 0.5], tf.float32), {x: np.full(4, TINY)}, runs=1)
    assert seen and not np.any(seen)
    assert numpy_keeps_them()


def test_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tf.Options.from_environment().flush_denormals
    monkeypatch.setenv("GRAPHFLOW_FLUSH_DENORMALS", "1")
    assert tf.Options.from_environment().flush_denormals


def test_errors() -> None:
    with pytest.raises(AttributeValueError, match="must be True or False, got 1"):
        tf.Options(flush_denormals=1)  # type: ignore[arg-type]  # the mistake
    with mock.patch.object(platform, "machine", lambda: "riscv64"):
        with pytest.raises(AttributeValueError, match="'riscv64'"):
            tf.Options(flush_denormals=True)
        assert not tf.Options().flush_denormals
    assert platform.machine() in options.FLUSHING_MACHINES
