"""What is known of elements when a kernel is built is not loaded, clamped or checked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.schedule import Launch
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Loop, Statement, expressions
from graphflow.runtime.native import NativeExecutable


@pytest.fixture
def session() -> Iterator[gf.Session]:
    with gf.Graph().as_default() as graph, gf.Session(graph=graph, device="cpu") as made:
        yield made


def launches(session: gf.Session) -> list[Launch]:
    """Of the run that was compiled last."""
    variant = list(session._variants.values())[-1][-1]
    assert isinstance(variant.executable, NativeExecutable)
    return [s for s in variant.executable.schedule.steps if isinstance(s, Launch)]


def nodes(launch: Launch) -> list[Expr]:
    def all_of(body: tuple[Statement, ...]) -> list[Statement]:
        return [s for one in body
                for s in (one, *(all_of(one.body) if isinstance(one, Loop) else ()))]

    return [n for s in all_of(launch.kernel.body) for e in expressions(s) for n in walk(e)]


def test_a_constant_of_equal_elements_is_a_number_in_the_code(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3, 40])
    data = np.arange(120, dtype=np.float32).reshape(3, 40)
    found = session.run(x * np.full((3, 40), 2.5, np.float32) - np.ones(40, np.float32), {x: data})
    np.testing.assert_array_equal(found, data * 2.5 - 1)
    (launch,) = launches(session)
    assert len(launch.buffers) == 2


def test_a_constant_of_other_elements_is_loaded(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [2, 2])
    c = np.array([[0.0, -0.0], [0.0, 0.0]], np.float32)
    found = session.run(x / c, {x: np.ones((2, 2))})
    np.testing.assert_array_equal(found, [[np.inf, -np.inf], [np.inf, np.inf]])
    (launch,) = launches(session)
    assert len(launch.buffers) == 3


@pytest.mark.parametrize("key", [
    np.s_[1:], np.s_[:, 3:-4:2], np.s_[::-1, ::-3], np.s_[2], np.s_[-1, 5:], np.s_[..., None, 7],
    np.s_[5:2], np.s_[1:100, -3:]])
def test_slices_with_constant_bounds_load_elements_alone(session: gf.Session, key: object) -> None:
    x = gf.placeholder(gf.float32, [8, 50])
    data = np.random.default_rng(0).normal(size=(8, 50)).astype(np.float32)
    found = session.run(x[key] * 2.0, {x: data})
    np.testing.assert_array_equal(found, data[key] * 2)
    (launch,) = launches(session)
    assert len(launch.buffers) == 2
    assert not {n.op for n in nodes(launch)} & {"min", "max", "lt", "ge", "select"}


def test_a_slice_along_rows_is_read_in_order(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 50])
    data = np.random.default_rng(0).normal(size=(8, 50)).astype(np.float32)
    np.testing.assert_array_equal(session.run(x[:, 10:30], {x: data}), data[:, 10:30])
    (launch,) = launches(session)
    (offset,) = {n.args[0] for n in nodes(launch) if n.op == "load"}
    innermost = max(n.attr for n in walk(offset) if n.op == "index")
    assert stride(offset, innermost) == 1


def test_an_index_into_an_axis_of_unknown_size_is_checked(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 4])
    assert session.run(x[2], {x: np.ones((3, 4))}).tolist() == [1, 1, 1, 1]
    with pytest.raises(gf.errors.GraphflowError, match="index 2 is out of range"):
        session.run(x[2], {x: np.ones((2, 4))})
