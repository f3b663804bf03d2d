"""Placing values in one arena: none of those alive together overlap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.codegen import memory
from graphflow.codegen.memory import ALIGNMENT, Lifetime, place


@st.composite
def lifetimes(draw: st.DrawFn) -> Lifetime:
    first = draw(st.integers(0, 20))
    size = draw(st.one_of(st.integers(0, 200), st.sampled_from([0, 63, 64, 65, 4096, 10**9])))
    return Lifetime(size, first, first + draw(st.integers(0, 8)))


def together(a: Lifetime, b: Lifetime) -> bool:
    return a.first <= b.last and b.first <= a.last


@pytest.fixture(autouse=True, params=["by size", "by time"])
def _way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Few values are placed by size, very many by time: both are tested with few."""
    before = memory.MANY
    memory.MANY = 0 if request.param == "by time" else before
    yield
    memory.MANY = before


@given(st.lists(lifetimes(), max_size=30))
def test_values_alive_together_do_not_overlap(values: list[Lifetime]) -> None:
    offsets, total = place(values)
    assert len(offsets) == len(values)
    for k, (value, offset) in enumerate(zip(values, offsets)):
        assert offset % ALIGNMENT == 0 and offset >= 0 and offset + value.size <= total
        for other, place_of_other in zip(values[:k], offsets[:k]):
            if together(value, other):
                assert (offset + value.size <= place_of_other
                        or place_of_other + other.size <= offset)


@given(st.lists(lifetimes(), min_size=1, max_size=30))
def test_the_arena_is_no_larger_than_all_values_and_no_smaller_than_those_of_one_step(
    values: list[Lifetime],
) -> None:
    _, total = place(values)
    aligned = [-(-max(v.size, 1) // ALIGNMENT) * ALIGNMENT for v in values]
    steps = range(max(v.last for v in values) + 1)
    at_once = [sum(a for v, a in zip(values, aligned) if v.first <= s <= v.last) for s in steps]
    assert max(at_once) <= total <= sum(aligned)


@given(st.integers(1, 40), st.integers(1, 10**6))
def test_a_chain_of_equal_values_needs_two(length: int, size: int) -> None:
    chain = [Lifetime(size, k, k + 1) for k in range(length)]
    _, total = place(chain)
    assert total <= 2 * -(-size // ALIGNMENT) * ALIGNMENT


def test_nothing_needs_no_memory() -> None:
    assert place([]) == ([], 0)


def test_values_without_elements_have_a_place_of_their_own() -> None:
    offsets, total = place([Lifetime(0, 0, 3), Lifetime(0, 1, 2)])
    assert len(set(offsets)) == 2 and total == 2 * ALIGNMENT


@pytest.mark.parametrize("layers", [3, 8])
def test_the_arena_of_a_deep_chain_holds_two_values(layers: int) -> None:
    """Products alternate between two places, however many there are."""
    rows, width = 32, 48
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [rows, width])
        y = x
        for _ in range(layers):
            y = gf.matmul(y, gf.constant(np.eye(width, dtype=np.float32)))
        with gf.Session(graph=graph, device="cpu") as session:
            given = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
            np.testing.assert_array_equal(session.run(y, {x: given}), given)
            assert arena_bytes(session) <= 2 * rows * width * 4


def arena_bytes(session: gf.Session) -> int:
    """The bytes of all plans that the session's executables keep."""
    executables = [v.executable for found in session._variants.values() for v in found]
    return sum(executable.arena_bytes() for executable in executables)
