"""Who owns which array, and what a failed run leaves behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


# ---- arrays belong to whom? ---------------------------------------------------------------------


def fetched_kinds():
    """Fetches whose values could alias what is kept: (name, tensor)."""
    v = gf.Variable(np.arange(4.0), name="v")
    c = gf.constant(np.arange(4.0))
    yes = gf.constant(1) > 0
    return v, [
        v, v.read_value(), c, gf.identity(v), gf.reshape(v, [2, 2]), v[:2], gf.transpose(v),
        gf.identity(c), gf.reshape(c, [2, 2]), c[1:], v.assign(c), v.assign(v * 1.0), v + 0.0,
        gf.cond(yes, lambda: v + 0.0, lambda: c), gf.cond(yes, lambda: c, lambda: v + 0.0),
        gf.cond(yes, lambda: v, lambda: v),
        gf.while_loop(lambda x: gf.constant(False), lambda x: x, [v.read_value()]),
        gf.while_loop(lambda x: gf.constant(False), lambda x: x, [c]),
        gf.stop_gradient(v), gf.concat([v], 0), gf.squeeze(v), gf.py_func(
            lambda a: a, [v], gf.float64), gf.broadcast_to(v, [4]), gf.cast(v, gf.float64)]


def test_what_is_fetched_belongs_to_the_caller():
    """Spoiling every fetched array changes no variable, no constant and no later result."""
    v, fetches = fetched_kinds()
    with gf.Session() as session:
        session.run(v.initializer)
        before = [np.copy(session.run(f)) for f in fetches]
        for fetch, expected in zip(fetches, before):
            for _ in range(2):
                found = session.run(fetch)
                np.testing.assert_array_equal(found, expected, err_msg=repr(fetch))
                assert found.flags.writeable
                found[...] = -1
            np.testing.assert_array_equal(session.run(v), np.arange(4.0), err_msg=repr(fetch))
        together = session.run(fetches)
        for i, array in enumerate(together):
            for j, other in enumerate(together[:i]):
                assert not np.shares_memory(array, other), (fetches[i], fetches[j])


def test_what_is_fed_is_neither_changed_nor_kept():
    x = gf.placeholder(gf.float64, [4])
    v = gf.Variable(np.zeros(4))
    stored = v.assign(x)
    loop = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a + 1.0), [0, x])[1]
    fetches = [x, gf.identity(x), gf.reshape(x, [2, 2]), gf.scatter_add(v, [0], [1.0]), loop,
               stored, gf.py_func(lambda a: a.fill(9.0) or a, [x], gf.float64)]
    with gf.Session() as session:
        session.run(v.initializer)
        for fetch in [*fetches, fetches]:
            value = np.arange(4.0)
            found = session.run(fetch, {x: value})
            np.testing.assert_array_equal(value, np.arange(4.0))
            for array in found if isinstance(found, list) else [found]:
                array[...] = -1
            np.testing.assert_array_equal(value, np.arange(4.0))
        value = np.arange(4.0)
        session.run(stored, {x: value})
        value[:] = -7
        np.testing.assert_array_equal(session.run(v), np.arange(4.0))
        v.load(value, session)
        value[:] = 5
        np.testing.assert_array_equal(session.run(v), np.full(4, -7.0))


def test_feeds_of_every_memory_layout():
    x = gf.placeholder(gf.float32, [2, 3])
    base = np.arange(12, dtype=np.float32).reshape(4, 3)
    readonly = base[:2].copy()
    readonly.flags.writeable = False
    with gf.Session() as session:
        for value in (base[::2], base[1:3], np.asfortranarray(base[:2]), readonly,
                      base[:2].astype(">f4"), base.T[:3, :2].T):
            np.testing.assert_array_equal(session.run(x * 1.0, {x: value}), value)


# ---- failures -----------------------------------------------------------------------------------


def failing(after):
    """A py_func that fails after the operations `after`."""
    def fail() -> np.ndarray:
        raise ValueError("on purpose")

    with gf.control_dependencies(after):
        return gf.py_func(fail, [], gf.float32, name="fail")


def test_a_failed_run_changes_no_variable():
    v, w = gf.Variable(1.0), gf.Variable([1.0, 2.0])
    updates = [v.assign_add(1.0), w.assign([3.0, 4.0])]
    bad = failing(updates)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        with pytest.raises(gf.errors.InvalidArgumentError, match="on purpose") as caught:
            session.run([*updates, bad])
        assert caught.value.op is bad.op
        assert session.run(v) == 1.0 and session.run(w).tolist() == [1.0, 2.0]
        session.run(updates)
        assert session.run(v) == 2.0, "the session goes on"


def test_an_interrupt_inside_a_loop_changes_no_variable():
    v = gf.Variable(0.0)

    def body(i):
        with gf.control_dependencies([v.assign_add(1.0)]):
            return gf.ensure_shape(gf.py_func(interrupt, [i], gf.int32), [])

    def interrupt(i):
        if i == 3:
            raise KeyboardInterrupt
        return i + 1

    loop = gf.while_loop(lambda i: i < 10, body, [0])
    with gf.Session() as session:
        session.run(v.initializer)
        with pytest.raises(KeyboardInterrupt):
            session.run(loop)
        assert session.run(v) == 0.0
        other = threading.Thread(target=session.run, args=[v.assign_add(1.0)])
        other.start()
        other.join(10.0)
        assert session.run(v) == 1.0, "the store is not left locked"


def test_run_inside_py_func():
    x = gf.constant(20.0)
    v = gf.Variable(1.0)
    with gf.Session() as session:
        session.run(v.initializer)
        y = gf.py_func(lambda: session.run(x + v), [], gf.float32)
        assert session.run(y + 1.0) == 22.0
        updated = gf.py_func(lambda: session.run(v.assign_add(1.0)), [], gf.float32)
        assert session.run(updated) == 2.0 and session.run(v) == 2.0
