"""Non-maximum suppression: greedy choice of boxes, or of anything with given overlaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import elements, types


def suppress(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """The best candidates, in order, each overlapping no earlier one by more than a threshold.

    Buffers: overlaps float32 [n, n]; scores float32 [n]; limits float32 [2], the overlap and the
    score; wanted int32 []; chosen int32 [found], with room for n; scratch: state int32 [n], 1
    where a candidate is out; found int64 [1]. Sizes: n. Of equal scores the lower index is first.
    """
    def kernel(buffers: Any, sizes: Any) -> None:
        n = sizes[0]
        overlaps = elements(buffers, 0, types.float32)
        scores = elements(buffers, 1, types.float32)
        limits = elements(buffers, 2, types.float32)
        wanted = elements(buffers, 3, types.int32)[0]
        chosen = elements(buffers, 4, types.int32)
        state = elements(buffers, 5, types.int32)
        for i in range(n):
            state[i] = 0 if scores[i] > limits[1] else 1
        found = 0
        while found < wanted:
            best = -1
            for i in range(n):
                if state[i] == 0 and (best < 0 or scores[i] > scores[best]):
                    best = i
            if best < 0:
                break
            chosen[found] = best
            found += 1
            state[best] = 1
            for i in range(n):
                if overlaps[i * n + best] > limits[0]:
                    state[i] = 1
        elements(buffers, 6, types.int64)[0] = found

    return kernel
