"""How a reduction runs: which of the builders makes its kernel."""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.codegen.channels import build_channels, channels_of, in_any_order
from graphflow.codegen.chunks import build_chunked, rows_of_a_chunk
from graphflow.codegen.columns import build_columns, rows_together
from graphflow.codegen.elements import Elements
from graphflow.codegen.nests import Body, build_reduce
from graphflow.dims import Dim
from graphflow.lowering import Reduce
from graphflow.program import Node

LONG_ROW = 512       # elements from which on rows of an unknown number go chunk by chunk
MANY = 1 << 16       # elements, where the number is known


def build_reduction(
    e: Elements, node: Node, lowering: Reduce, sizes: Sequence[Dim], reduced: Sequence[int],
) -> Body:
    """A reduction of input 0, whose merged axes have `sizes`, over the axes `reduced`."""
    ctx = Elements(lambda v: True).context(node)
    down = _rows_of_columns(sizes, reduced)
    if down is not None:
        return build_columns(e, node, (sizes[0], sizes[1]), down)
    channels = channels_of(sizes, reduced)
    if channels is not None and in_any_order(node):
        return build_channels(e, [node], (sizes[0], channels))
    rows = rows_of_a_chunk(sizes, reduced)
    if rows is not None:
        return build_chunked(e, node, lowering, sizes, reduced, rows, ctx)
    return build_reduce(e, node, lowering, sizes, reduced, ctx)


def _rows_of_columns(sizes: Sequence[Dim], reduced: Sequence[int]) -> int | None:
    """The rows of a chunk if rows are reduced to a single one, and there is much to do."""
    if len(sizes) != 2 or list(reduced) != [0]:
        return None
    count, row = sizes
    rows = rows_together(row)
    if rows is None or not isinstance(row, int):
        return None
    much = count * row >= MANY if isinstance(count, int) else row >= LONG_ROW
    return rows if much else None
