"""Which layer each node of a directed graph is drawn in.

Input: a number of nodes, in an order that edges mostly follow, and weighted edges. Output: a rank
for each node, so that edges lead down. Edges of cycles that go against the given order lead up.

Method: the layered drawing of Sugiyama, Tagawa & Toda (1981), with ranks of least total length of
edges (`network_simplex.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import networkx as nx

from graphflow.viz.network_simplex import Arc, shortest

Wire = tuple[int, int, float]


def downward(count: int, edges: Sequence[tuple[int, int]]) -> list[bool]:
    """For each edge, whether it leads down: False for those that close a cycle."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    component = [0] * count
    for number, members in enumerate(nx.strongly_connected_components(graph)):
        for node in members:
            component[node] = number
    return [component[a] != component[b] or a < b for a, b in edges]


def ranks_of(
    count: int, wires: Sequence[Wire], top: Iterable[int] = (), bottom: Iterable[int] = (),
) -> list[int]:
    """A rank for each node: wires lead from lower ranks to higher ones, as short as they can be.

    wires: (from, to, weight) without cycles, so that everything hangs together. top, bottom: nodes
    that stand alone in the first and in the last layer; no wire leads to a top node or from a
    bottom one.
    """
    top, bottom = set(top), set(bottom)
    if not top and not bottom:
        return _without_gaps(_solved(count, wires))
    # All top nodes are one node for the method, and all bottom nodes another.
    first, last = count, count + 1

    def end(node: int) -> int:
        return first if node in top else last if node in bottom else node

    inner = [n for n in range(count) if end(n) == n]
    place = {n: k for k, n in enumerate([*inner, first, last])}
    merged = [(place[end(a)], place[end(b)], w) for a, b, w in wires]
    found = _solved(len(place), [*merged, (place[first], place[last], 0.0)])
    ranks = [found[place[end(n)]] for n in range(count)]
    lowest = min((ranks[n] for n in inner), default=0)
    highest = max((ranks[n] for n in inner), default=0)
    return _without_gaps([
        lowest - 1 if n in top else highest + 1 if n in bottom else ranks[n]
        for n in range(count)])


def _solved(count: int, wires: Sequence[Wire]) -> list[int]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for a, b, _ in wires:
        above[b].append(a)
        below[a].append(b)
    rank = [0] * count
    for node in _topological(above, below):
        rank[node] = max((rank[a] + 1 for a in above[node]), default=0)
    return shortest(rank, [Arc(a, b, w) for a, b, w in wires])


def _topological(above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> list[int]:
    waiting = [len(nodes) for nodes in above]
    order = [n for n, number in enumerate(waiting) if not number]
    for node in order:
        for target in below[node]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    return order


def _without_gaps(rank: list[int]) -> list[int]:
    place = {r: k for k, r in enumerate(sorted(set(rank)))}
    return [place[r] for r in rank]
