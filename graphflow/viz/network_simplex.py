"""Ranks with the least total length of edges: the network simplex method.

Input: edges with weights and least lengths, and ranks that satisfy these. Output: ranks that do
so with the least sum of weight · length.

Method: Gansner, Koutsofios, North & Vo, "A Technique for Drawing Directed Graphs" (1993), section
2.3. A tree of tight edges is kept; an edge of it whose cut value is negative leaves, the edge of
least slack that leads back over the cut enters. The cut value of a tree edge is the sum, over the
nodes on its tail's side, of the weight that leaves each node less the weight that arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WORK = 6_000_000  # steps of the inner loops, after which the best ranks so far are good enough


@dataclass(frozen=True, slots=True)
class Arc:
    """An edge: rank[target] - rank[source] is at least `length`."""

    source: int
    target: int
    weight: float
    length: int = 1


def shortest(rank: Sequence[int], arcs: Sequence[Arc]) -> list[int]:
    """Ranks of least total length. The graph must be connected, `rank` feasible."""
    if len(rank) < 2:
        return list(rank)
    return _Simplex(list(rank), arcs).solved()


class _Simplex:
    """The tree, as it changes.

    Attributes:
      rank: feasible all the time.
      tree: for each node the arcs of the tree that touch it.
      order: nodes so that parents come first.
      up: the arc to the parent of each node; None for the root.
    """

    def __init__(self, rank: list[int], arcs: Sequence[Arc]) -> None:
        self.rank, self.arcs = rank, arcs
        self.pull = [0.0] * len(rank)
        for arc in arcs:
            self.pull[arc.source] += arc.weight
            self.pull[arc.target] -= arc.weight
        self.tree: list[list[Arc]] = [[] for _ in rank]
        self.order: list[int] = []
        self.up: list[Arc | None] = [None] * len(rank)
        self._grow_tree()

    def solved(self) -> list[int]:
        """The ranks, once no exchange makes edges shorter."""
        turns = max(1, WORK // (len(self.rank) + len(self.arcs)))
        for _ in range(turns):
            self._traverse()
            leaving = self._leaving()
            if leaving is None:
                break
            self._exchange(leaving)
        return self.rank

    def slack(self, arc: Arc) -> int:
        """By how much an arc is longer than it must be."""
        return self.rank[arc.target] - self.rank[arc.source] - arc.length

    def _grow_tree(self) -> None:
        """A spanning tree of tight arcs; whole parts move until there is one."""
        near: list[list[Arc]] = [[] for _ in self.rank]
        for arc in self.arcs:
            near[arc.source].append(arc)
            near[arc.target].append(arc)
        inside = [False] * len(self.rank)
        members = [0]
        inside[0] = True
        at = 0
        while True:
            while at < len(members):
                node = members[at]
                at += 1
                for arc in near[node]:
                    other = arc.target if arc.source == node else arc.source
                    if not inside[other] and not self.slack(arc):
                        inside[other] = True
                        members.append(other)
                        self._join(arc)
            if len(members) == len(self.rank):
                return
            arc = min((a for a in self.arcs if inside[a.source] != inside[a.target]),
                      key=self.slack)
            shift = self.slack(arc) if inside[arc.source] else -self.slack(arc)
            for node in members:
                self.rank[node] += shift
            at = 0  # arcs to the outside that were loose may be tight now
            outer = arc.target if inside[arc.source] else arc.source
            inside[outer] = True
            members.append(outer)
            self._join(arc)

    def _join(self, arc: Arc) -> None:
        self.tree[arc.source].append(arc)
        self.tree[arc.target].append(arc)

    def _traverse(self) -> None:
        order, up = [0], self.up
        up[0] = None
        for node in order:
            mine = up[node]
            for arc in self.tree[node]:
                if arc is not mine:
                    child = arc.target if arc.source == node else arc.source
                    up[child] = arc
                    order.append(child)
        self.order = order

    def _leaving(self) -> int | None:
        """The node below the tree arc with the most negative cut value."""
        sums = self.pull[:]
        best, found = -1e-9, None
        for node in reversed(self.order):
            arc = self.up[node]
            if arc is None:
                break
            cut = sums[node] if arc.source == node else -sums[node]
            if cut < best:
                best, found = cut, node
            sums[arc.target if arc.source == node else arc.source] += sums[node]
        return found

    def _exchange(self, node: int) -> None:
        """Takes the arc above `node` out of the tree and puts another in."""
        leaving = self.up[node]
        assert leaving is not None
        below = [False] * len(self.rank)
        below[node] = True
        for other in self.order:
            arc = self.up[other]
            if arc is not None and not below[other]:
                below[other] = below[arc.target if arc.source == other else arc.source]
        rising = leaving.target == node  # the part below moves down the page
        entering, slack = None, 0
        for arc in self.arcs:
            if below[arc.source] != below[arc.target] and below[arc.source] == rising:
                own = self.slack(arc)
                if entering is None or own < slack:
                    entering, slack = arc, own
        assert entering is not None
        for other in range(len(self.rank)):
            if below[other]:
                self.rank[other] += slack if rising else -slack
        for end in (leaving.source, leaving.target):
            self.tree[end] = [a for a in self.tree[end] if a is not leaving]
        self._join(entering)
