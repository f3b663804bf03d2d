"""How many edges cross between two neighbouring layers, and what swapping neighbours would do.

Method: the accumulator tree of Barth, Mutzel & Jünger ("Simple and Efficient Bilayer Cross
Counting", 2004): O(edges · log nodes).
"""

from __future__ import annotations

from collections.abc import Sequence


def crossings_between(ends: Sequence[Sequence[int]], width: int) -> int:
    """Crossings between an upper and a lower layer.

    ends: for each node of the upper layer, from left to right, the places of its neighbours in
    the lower one. width: the number of nodes of the lower layer.
    """
    tree = [0] * (width + 1)
    total = seen = 0
    for places in ends:
        for place in places:
            # Edges so far that end further right: all but those that end here or to the left.
            k, left = place + 1, 0
            while k:
                left += tree[k]
                k &= k - 1
            total += seen - left
        for place in places:
            k = place + 1
            while k <= width:
                tree[k] += 1
                k += k & -k
        seen += len(places)
    return total


def crossings_of_pair(left: Sequence[int], right: Sequence[int]) -> int:
    """Crossings of the edges of two neighbours; both lists of places are sorted."""
    total = k = 0
    for place in left:
        while k < len(right) and right[k] < place:
            k += 1
        total += k
    return total
