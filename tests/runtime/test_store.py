"""The variable store: who may write beside whom."""

from __future__ import annotations

import threading

import numpy as np

from graphflow.runtime.store import VariableStore


def in_time(function, *arguments) -> bool:
    """True if a call in another thread returns soon."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    thread.join(0.2)
    return not thread.is_alive()


def write(store: VariableStore, keys) -> None:
    with store.writing(keys):
        pass


def test_writers_of_different_variables_do_not_wait_for_each_other():
    store = VariableStore()
    with store.writing({"a", "b"}):
        assert in_time(write, store, {"c"})
        assert in_time(write, store, {"c": 1}.keys())
        assert not in_time(write, store, {"b", "c"})
        assert not in_time(write, store, None)
    assert in_time(write, store, {"a"})
    with store.writing():
        assert not in_time(write, store, {"a"})
    with store.writing({"a"}), store.writing({"a"}):  # a run that falls back on another executor
        assert not in_time(write, store, {"a"})
    assert in_time(write, store, None)


def test_taken_variables_are_read_after_the_commit():
    store = VariableStore()
    store.commit([("a", np.zeros(3)), ("b", np.ones(3))])
    found = []
    with store.writing({"a"}):
        [array] = store.lend(["a"], [0])
        assert in_time(store.read, {"b": None})
        reader = threading.Thread(
            target=lambda: found.append(store.read({"a": None})["a"].copy()), daemon=True)
        reader.start()
        reader.join(0.1)
        assert reader.is_alive()
        array[:] = 7
        store.commit([("a", array)])
    reader.join(10)
    np.testing.assert_array_equal(found[0], [7, 7, 7])
