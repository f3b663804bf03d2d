"""The memory of large results: used again once they are gone, never while they are there."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.runtime.results import LARGE, new_array, recycling

pytestmark = pytest.mark.skipif(recycling() is None, reason="the C library has no aligned_alloc")
FLOAT32 = np.dtype(np.float32)
SHAPE = (512, 1024)


def doubling() -> tuple[gf.Session, Callable[[np.ndarray], Any]]:
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 1024])
        session = gf.Session()
        return session, session.make_callable(2.0 * x, [x])


def test_the_memory_of_a_result_that_is_gone_is_used_again() -> None:
    first = new_array((LARGE,), FLOAT32)
    place = first.ctypes.data
    del first
    assert new_array((LARGE,), FLOAT32).ctypes.data == place
    assert place % 64 == 0


@pytest.mark.parametrize("calls", [1, 6])  # by Python, then by the native entry
def test_results_that_are_there_keep_their_values(calls: int) -> None:
    _, double = doubling()
    fed = [np.full(SHAPE, k, np.float32) for k in range(calls)]
    found = [double(x) for x in fed]
    for x, y in zip(fed, found):
        np.testing.assert_array_equal(y, 2 * x)
    assert len({y.ctypes.data for y in found}) == calls


def test_calls_take_turns_with_two_places() -> None:
    _, double = doubling()
    fed = np.ones(SHAPE, np.float32)
    result = None
    places = []
    for _ in range(12):
        result = double(fed)
        places.append(result.ctypes.data)
    assert len(set(places[-6:])) <= 2


def test_a_result_outlives_its_session_and_can_be_fed() -> None:
    session, double = doubling()
    for _ in range(5):
        result = double(np.ones(SHAPE, np.float32))
    session.close()
    del session, double
    gc.collect()
    _, again = doubling()
    np.testing.assert_array_equal(again(result), np.full(SHAPE, 4, np.float32))


def test_a_result_owns_its_memory_and_grows() -> None:
    array = new_array((LARGE,), FLOAT32)
    array[:] = np.arange(LARGE)
    assert array.flags.owndata
    array.resize(LARGE + 1000, refcheck=False)
    np.testing.assert_array_equal(array[:LARGE], np.arange(LARGE, dtype=np.float32))
    np.testing.assert_array_equal(array[LARGE:], 0)
    array.resize(10, refcheck=False)
    np.testing.assert_array_equal(array, np.arange(10))


def test_more_results_than_may_wait() -> None:
    arrays = [new_array((LARGE + k,), FLOAT32) for k in range(80)]
    for k, array in enumerate(arrays):
        array[:] = k
    assert all((array == k).all() for k, array in enumerate(arrays))
    arrays.clear()
    big = new_array((80 << 20,), FLOAT32)  # more than may wait at all
    big[-1] = 1
    del big
    assert new_array((LARGE,), FLOAT32).size == LARGE


def test_threads_do_not_get_the_same_memory() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(60):
            arrays = [new_array((LARGE // 4 * (1 + (turn + k) % 3),), FLOAT32) for k in range(3)]
            for k, array in enumerate(arrays):
                array[:] = number * 10 + k
            if any((array != number * 10 + k).any() for k, array in enumerate(arrays)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_results_that_live_until_the_interpreter_ends() -> None:
    code = """
import numpy as np, sys, graphflow as gf
x = gf.placeholder(gf.float32, [None, 1024])
with gf.Session() as session:
    call = session.make_callable(x + 1, [x])
    kept = [call(np.ones((512, 1024), np.float32)) for _ in range(6)]
sys.kept_to_the_end = kept
import atexit
atexit.register(lambda: print(int(kept[0].sum())))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, str(2 * 512 * 1024)), done.stderr
