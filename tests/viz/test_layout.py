"""Ranks, orders and coordinates of layered drawings, against brute force and SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression, linprog

from graphflow.viz.coordinates import BEND_GAP, ITEM_GAP, Segment, place_block
from graphflow.viz.crossings import crossings_between, crossings_of_pair
from graphflow.viz.network_simplex import Arc, shortest
from graphflow.viz.ordering import layers_of
from graphflow.viz.ranks import downward, ranks_of


@given(st.lists(st.lists(st.integers(0, 7), max_size=5), max_size=8))
def test_crossings_are_those_of_brute_force(ends):
    edges = [(a, b) for a, places in enumerate(ends) for b in places]
    expected = sum(
        (a < c and b > d) or (a > c and b < d)
        for (a, b), (c, d) in itertools.combinations(edges, 2))
    assert crossings_between([sorted(places) for places in ends], 8) == expected


def test_crossings_of_a_pair():
    assert crossings_of_pair([1, 3], [0, 2]) == 3
    assert crossings_of_pair([0], [0]) == 0


def random_dag(seed: int, count: int) -> list[tuple[int, int]]:
    """A connected graph without cycles."""
    random = np.random.default_rng(seed)
    chain = [(int(random.integers(0, k)), k) for k in range(1, count)]
    more = [tuple(sorted(random.choice(count, 2, replace=False).tolist())) for _ in range(count)]
    return list(dict.fromkeys([*chain, *more]))


@pytest.mark.parametrize("seed", range(8))
def test_ranks_are_as_short_as_linear_programming_makes_them(seed):
    count = 24
    edges = random_dag(seed, count)
    weights = np.random.default_rng(seed).integers(1, 5, len(edges)).astype(float)
    rows = np.zeros((len(edges), count))
    for k, (a, b) in enumerate(edges):
        rows[k, a], rows[k, b] = 1, -1
    best = linprog(weights @ -rows, A_ub=rows, b_ub=-np.ones(len(edges)), bounds=(0, None))
    wires = [(a, b, w) for (a, b), w in zip(edges, weights)]
    rank = ranks_of(count, wires)
    assert all(rank[a] < rank[b] for a, b in edges)
    assert sum(w * (rank[b] - rank[a]) for a, b, w in wires) == pytest.approx(best.fun)


def test_the_simplex_keeps_least_lengths():
    rank = shortest([0, 5, 9], [Arc(0, 1, 1.0, 3), Arc(1, 2, 1.0), Arc(0, 2, 2.0)])
    assert [r - rank[0] for r in rank] == [0, 3, 4]


def test_pins_stand_alone_in_the_first_and_the_last_layer():
    rank = ranks_of(5, [(0, 1, 1.0), (1, 2, 1.0), (3, 2, 0.1), (1, 4, 0.1)], top=[3], bottom=[4])
    assert rank.count(rank[3]) == 1 and rank[3] == 0
    assert rank.count(rank[4]) == 1 and rank[4] == max(rank)


def test_edges_that_close_a_cycle_lead_up():
    edges = [(0, 1), (1, 2), (2, 0), (2, 3)]
    assert downward(4, edges) == [True, True, False, True]


def test_a_planar_graph_is_drawn_without_crossings():
    """A complete binary tree whose nodes come in an order that has nothing to do with it."""
    edges = [(k, child) for k in range(15) for child in (2 * k + 1, 2 * k + 2) if child < 31]
    mixed = np.random.default_rng(0).permutation(31)
    edges = [(int(mixed[a]), int(mixed[b])) for a, b in edges]
    depth = {int(mixed[k]): (k + 1).bit_length() - 1 for k in range(31)}
    assert layers_of(31, [depth[k] for k in range(31)], edges).crossings() == 0


def test_long_edges_get_a_bend_in_every_layer_that_they_pass():
    layers = layers_of(3, [0, 1, 3], [(0, 1), (0, 2)])
    assert layers.routes[0] == (0, 1)
    assert len(layers.routes[1]) == 4 and layers.routes[1][1:3] == (3, 4)


def test_an_order_that_is_given_is_kept():
    layers = layers_of(4, [0, 0, 1, 1], [(0, 3), (1, 2)], fixed=((1, 0), ()))
    assert layers.rows[0] == [1, 0] and layers.crossings() == 0


def test_a_row_is_the_weighted_isotonic_regression_of_what_its_neighbours_want():
    random = np.random.default_rng(1)
    goals, weights = random.normal(0, 100, 9), random.uniform(0.5, 4, 9)
    anchor, width = 9, [30.0] * 9 + [10.0]
    rows = [[anchor], list(range(9))]
    above = [[Segment(anchor, w, g)] for g, w in zip(goals, weights)] + [[]]
    soft = [False] * 10
    places = place_block(rows, width, [20.0] * 10, soft, above, [[]] * 10)
    found = np.array([places.x[k] for k in range(9)]) - places.x[anchor]
    offsets = np.arange(9) * (30 + ITEM_GAP)
    expected = isotonic_regression(goals - offsets, weights=weights).x + offsets
    # A slot is also drawn to where it was, by a weight of 0.02, which the rounds wear away.
    np.testing.assert_allclose(found, expected, atol=0.05)


@given(st.integers(0, 1000))
def test_items_never_overlap(seed):
    random = np.random.default_rng(seed)
    width = random.uniform(4, 90, 12).tolist()
    soft = (random.random(12) < 0.3).tolist()
    rows = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10, 11]]
    above: list[list[Segment]] = [[] for _ in range(12)]
    below: list[list[Segment]] = [[] for _ in range(12)]
    for upper, lower in zip(rows, rows[1:]):
        for b in lower:
            a = int(random.choice(upper))
            above[b].append(Segment(a, 1.0, 0.0))
            below[a].append(Segment(b, 1.0, 0.0))
    places = place_block(rows, width, [20.0] * 12, soft, above, below)
    for row in rows:
        for a, b in zip(row, row[1:]):
            gap = BEND_GAP if soft[a] or soft[b] else ITEM_GAP
            apart = places.x[b] - places.x[a] - (width[a] + width[b]) / 2
            assert apart >= gap - 1e-6
    assert min(places.x[s] - width[s] / 2 for row in rows for s in row) == pytest.approx(0)
