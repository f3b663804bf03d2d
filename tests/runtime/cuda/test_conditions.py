"""Branches and loops inside CUDA graphs: the GPU decides, the host reads nothing back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver, using_fake_gpu

import graphflow as gf
from graphflow.runtime.cuda.conditions import with_conditions
from graphflow.runtime.cuda.instructions import (
    BranchWork,
    CopyWork,
    Jump,
    LoopWork,
    Place,
    Segment,
    Stop,
    Unless,
)

X = np.linspace(-1, 1, 8, dtype=np.float32)


def powers(x: Any, turns: Any) -> Any:
    """A loop with a branch inside."""
    def body(i: Any, s: Any) -> tuple[Any, Any]:
        inside = gf.cond(gf.equal(i % 2, 0), lambda: gf.tanh(s), lambda: s * 2.0 + x)
        return i + 1, inside

    return gf.while_loop(lambda i, s: i < turns, body, [0, x])[1]


def test_a_loop_with_a_branch_is_one_replay(gpu: FakeDriver, session: gf.Session) -> None:
    x, turns = gf.placeholder(gf.float32, [8]), gf.placeholder(gf.int32, [])
    y = powers(x, turns)
    for count in (5, 0, 1, 5):
        gpu.counts.clear()
        found = session.run(y, {x: X, turns: count})
        s = X
        for i in range(count):
            s = np.tanh(s) if i % 2 == 0 else s * 2 + X
        np.testing.assert_allclose(found, s, rtol=1e-5)
        assert gpu.counts["replay"] == 1
        assert gpu.counts["download"] == 2  # the result, and the status word of a division


def test_the_same_without_conditional_nodes(same: Callable[..., None], gpu: FakeDriver) -> None:
    x, turns = gf.placeholder(gf.float32, [8]), gf.placeholder(gf.int32, [])
    y = powers(x, turns)
    for gpu.conditions in (False, True):
        same(lambda session: [session.run(y, {x: X, turns: n}) for n in (4, 0, 3)])


def test_loops_in_loops_and_both_ways_of_a_branch(same: Callable[..., None]) -> None:
    x, p = gf.placeholder(gf.float32, [8]), gf.placeholder(gf.bool, [])
    inner = gf.while_loop(
        lambda i, s: i < 3, lambda i, s: (i + 1, powers(s, i)), [0, x])[1]
    y = gf.cond(p, lambda: inner * 2.0, lambda: gf.matmul(x[None], x[:, None])[0] + inner)
    same(lambda session: [session.run(y, {x: X, p: way}) for way in (True, False, True)])


def test_a_branch_may_write_over_its_condition(same: Callable[..., None]) -> None:
    v = gf.Variable(np.ones(8, np.float32))
    p = gf.placeholder(gf.bool, [])
    step = gf.cond(p, lambda: gf.group(v.assign_add(v)), lambda: gf.group(v.assign(v * 0.5)))

    def run(session: gf.Session) -> Any:
        session.run(v.initializer)
        for way in (True, True, False, True):
            session.run(step, {p: way})
        return session.run(v)

    same(run)


def test_what_the_host_must_decide_it_decides(same: Callable[..., None]) -> None:
    """Histories of a gradient; steps in Python."""
    x = gf.placeholder(gf.float32, [8])
    y = powers(x, 4)
    same(lambda session: session.run(gf.gradients(y, x), {x: X}))
    told = gf.while_loop(
        lambda i, s: i < 3,
        lambda i, s: (i + 1, gf.ensure_shape(gf.py_func(np.square, [s], gf.float32), [8])),
        [0, x])[1]
    same(lambda session: session.run(told, {x: X}))


def test_a_loop_over_bad_values_ends(gpu: FakeDriver, session: gf.Session) -> None:
    x, n = gf.placeholder(gf.float32, [8]), gf.placeholder(gf.int32, [])
    picked = gf.while_loop(lambda i, s: gf.not_equal(i, n),  # for n < 0 it would not end
                           lambda i, s: (i + 1, s + gf.gather(x, i)), [0, 0.0])[1]
    for count in (3, 8):
        gpu.counts.clear()
        assert session.run(picked, {x: X, n: count}) == pytest.approx(X[:count].sum(), abs=1e-6)
        assert gpu.counts["replay"] == 1
    with pytest.raises(gf.errors.InvalidArgumentError, match="8"):
        session.run(picked, {x: X, n: 12})


def test_counters_of_loops_are_counted_on_the_gpu(same: Callable[..., None]) -> None:
    array = gf.TensorArray(gf.float32, size=3, element_shape=[8])
    x = gf.placeholder(gf.float32, [8])
    filled = gf.while_loop(lambda i, a: i < 3,
                           lambda i, a: (i + 1, a.write(i, x * gf.cast(i, gf.float32))),
                           [0, array])[1].stack()
    same(lambda session: session.run(filled, {x: X}))


# ---- instructions -------------------------------------------------------------------------------


def copying(address: int) -> Segment:
    made = Segment()
    made.add(CopyWork(Place(address), Place(0), 8))
    return made


def forms(segment: Any) -> list[Any]:
    """The work of a segment: addresses, and nests of them."""
    def form(work: Any) -> Any:
        if isinstance(work, CopyWork):
            return work.target.address
        if isinstance(work, LoopWork):
            return ["while", *map(form, work.body)]
        assert isinstance(work, BranchWork)
        return ["if", [*map(form, work.then)], [*map(form, work.otherwise)]]

    return [form(w) for w in segment.work]


def test_loops_test_again_at_the_end_of_a_turn() -> None:
    made = with_conditions([
        copying(1), copying(2), Unless(Place(64), 5), copying(3), Jump(1, True), copying(4),
        Stop(None)])
    assert len(made) == 2 and forms(made[0]) == [1, 2, ["while", 3, 2], 4]


def test_branches_with_one_way_and_with_two() -> None:
    made = with_conditions([
        Unless(Place(64), 2), copying(1), Unless(Place(64), 5), copying(2), Jump(6), copying(3),
        Stop(None)])
    assert len(made) == 2 and forms(made[0]) == [["if", [1], []], ["if", [2], [3]]]


def test_what_jumps_around_a_step_of_the_host_finds_its_place() -> None:
    step = Stop("a step")
    made = with_conditions([
        copying(1), Unless(Place(64), 3), copying(2),       # a branch, folded
        Unless(Place(72), 7), copying(3), step, copying(4),  # stays
        copying(5), Stop(None)])
    assert [type(i).__name__ for i in made] == [
        "Segment", "Unless", "Segment", "Stop", "Segment", "Segment", "Stop"]
    unless = made[1]
    assert isinstance(unless, Unless) and made[unless.target] is made[5]
    assert forms(made[0]) == [1, ["if", [2], []]] and forms(made[5]) == [5]


def test_where_the_driver_has_no_conditions_the_host_reads_them() -> None:
    with using_fake_gpu() as driver, gf.Graph().as_default() as graph:
        driver.conditions = False
        x = gf.placeholder(gf.float32, [8])
        y = powers(x, 3)
        with gf.Session(graph=graph, device="cuda") as session:
            session.run(y, {x: X})
            assert driver.counts["download"] > 4
