"""Tiles of convolutions: every column is in one of them, and no vector belongs to two groups."""

from __future__ import annotations

import pytest

from graphflow.codegen.tile_choice import Columns, choose_tiling, cut_columns, even_cut


def columns_of(parts: tuple[Columns, ...]) -> list[list[int]]:
    """The columns of each vector, in order."""
    return [list(range(first, first + part.lanes))
            for part in parts for block in range(part.blocks) for vector in range(part.vectors)
            for first in [part.first + block * part.width + vector * part.lanes]]


@pytest.mark.parametrize("vectors", [1, 2, 3, 4])
@pytest.mark.parametrize("lanes", [8, 16])
def test_each_column_is_in_one_vector(vectors: int, lanes: int) -> None:
    for columns in range(1, 200):
        found = columns_of(cut_columns(columns, lanes, vectors))
        assert sum(found, []) == list(range(columns))
        assert all(len(v) <= lanes for v in found)


def test_columns_that_fill_no_vectors_are_divided_alike() -> None:
    assert cut_columns(24, 16, 2) == (Columns(0, 2, 12, 1),)
    assert cut_columns(33, 16, 3) == (Columns(0, 3, 11, 1),)
    assert cut_columns(32, 16, 2) == (Columns(0, 2, 16, 1),)


@pytest.mark.parametrize("groups, each", [(32, 4), (4, 64), (2, 128), (3, 7), (5, 24), (2, 37)])
def test_no_vector_belongs_to_two_groups(groups: int, each: int) -> None:
    tiling = choose_tiling([56], groups * each, groups, 36, 16, 512)
    found = columns_of(tiling.parts)
    assert sum(found, []) == list(range(groups * each))
    assert all(v[0] // each == v[-1] // each for v in found)
    (part,) = tiling.parts
    assert each % part.width == 0, "a block is a part of one group"


@pytest.mark.parametrize("count, most", [(1, 14), (14, 14), (15, 14), (56, 14), (31, 6)])
def test_runs_are_cut_into_parts_that_are_alike(count: int, most: int) -> None:
    parts = even_cut(count, most)
    assert sum(parts) == count and max(parts) <= most
    assert len(parts) == -(-count // most) and len(set(parts[:-1])) <= 1
