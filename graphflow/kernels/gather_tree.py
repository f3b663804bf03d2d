"""Whole beams from the symbols and parents that a beam search kept for each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import elements, types


def gather_tree(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """Follows the parents back from the last step of each beam.

    Buffers, int32: step_ids [time, batch, beams], parent_ids [time, batch, beams],
    max_sequence_lengths [batch], end_token [], beams [time, batch, beams]. Sizes: time, batch,
    beams. A parent that does not exist ends the beam there; what is before it are end tokens.
    """
    def kernel(buffers: Any, sizes: Any) -> None:
        times, batch, beams = sizes[0], sizes[1], sizes[2]
        ids = elements(buffers, 0, types.int32)
        parents = elements(buffers, 1, types.int32)
        lengths = elements(buffers, 2, types.int32)
        end = elements(buffers, 3, types.int32)[0]
        out = elements(buffers, 4, types.int32)
        for i in range(times * batch * beams):
            out[i] = end
        for row in range(batch):
            length = types.int64(lengths[row])
            length = length if length < times else times
            for beam in range(beams):
                source = beam
                for time in range(length - 1, -1, -1):
                    place = (time * batch + row) * beams
                    if source >= 0 and source < beams:
                        out[place + beam] = ids[place + source]
                        source = types.int64(parents[place + source])
                over = False
                for time in range(length):
                    place = (time * batch + row) * beams + beam
                    if over:
                        out[place] = end
                    elif out[place] == end:
                        over = True

    return kernel
