"""`embedding_lookup`: rows of one table, or of a table that is split over several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope


@op_function
def embedding_lookup(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None,
    validate_indices: bool = True, max_norm: float | None = None,
) -> Any:
    """The rows of `params` at `ids`.

    params: a table [n, d…] (tensor or variable), or a list of p tables that split one of n rows:
      with "mod" row r stands in table r mod p; with "div" the tables hold consecutive rows, the
      first n mod p of them one more than the others.
    ids: integers of any shape → [ids.shape…, d…]. max_norm: longer rows are scaled down to this
    L2 norm. `validate_indices` is ignored: ids are always checked.
    The gradient of each table is IndexedSlices.
    Raises ShapeError for an empty list, AttributeValueError for an unknown strategy;
    InvalidArgumentError at run time for an id out of range.
    """
    tables = list(params) if isinstance(params, (list, tuple)) else [params]
    if not tables:
        raise failure("embedding_lookup", name, "params must hold at least one table",
                      cls=ShapeError)
    if partition_strategy not in ("mod", "div"):
        raise failure("embedding_lookup", name,
                      f"partition_strategy must be 'mod' or 'div', got {partition_strategy!r}")
    with scope(name, "embedding_lookup") as inner:
        ids = convert(ids)
        if len(tables) == 1:
            rows = F.gather(tables[0], ids, name=inner)
            return F.identity(_clipped(rows, ids, max_norm))
        tables = [convert(t) for t in tables]
        return _from_shards(tables, ids, partition_strategy, max_norm)


def _from_shards(tables: Sequence[Any], ids: Any, strategy: str, max_norm: Any) -> Any:
    """Gathers from each table the ids that it holds, and puts the rows back in their order."""
    flat = F.reshape(ids, [-1])
    shard, row = (_mod_place if strategy == "mod" else _div_place)(tables, flat)
    places, parts = [], []
    for number, table in enumerate(tables):
        mine = F.where(F.equal(shard, np.array(number, shard.dtype.numpy)))
        local = F.gather_nd(row, mine)
        places.append(mine)
        parts.append(_clipped(F.gather(table, local), local, max_norm))
    shape = F.shape(tables[0])[1:]
    count = F.reshape(F.size(flat), [1])
    order = F.concat(places, 0)
    rows = F.scatter_nd(order, F.concat(parts, 0),
                        F.cast(F.concat([count, shape], 0), order.dtype))
    tail = tables[0].shape[1:]
    out = F.reshape(rows, F.concat([F.shape(ids), shape], 0))
    if hasattr(out, "set_shape"):
        out.narrow(ids.shape.concatenate(tail))
    return out


def _mod_place(tables: Sequence[Any], flat: Any) -> tuple[Any, Any]:
    return flat % len(tables), flat // len(tables)


def _div_place(tables: Sequence[Any], flat: Any) -> tuple[Any, Any]:
    """Row r is in one of the `extra` tables with one row more, or in one of those after them."""
    total = F.cast(F.add_n([F.shape(t)[0] for t in tables]), flat.dtype)
    each, extra = total // len(tables), total % len(tables)
    edge = extra * (each + 1)
    # With fewer rows than tables, the tables after the first `extra` are empty: never asked for.
    small = F.maximum(each, np.ones((), flat.dtype.numpy))
    inside = flat < edge
    shard = F.where(inside, flat // (each + 1), extra + (flat - edge) // small)
    row = F.where(inside, flat % (each + 1), (flat - edge) % small)
    return shard, row


def _clipped(rows: Any, ids: Any, max_norm: Any) -> Any:
    """Rows scaled down to `max_norm` where their L2 norm over all axes after ids' is larger."""
    if max_norm is None:
        return rows
    if rows.shape.rank is None or ids.shape.rank is None:
        raise failure("embedding_lookup", None, "max_norm needs a table and ids of known rank",
                      cls=ShapeError)
    axes = list(range(ids.shape.rank, rows.shape.rank))
    squares = F.reduce_sum(rows * rows, axis=axes, keepdims=True)
    # The root of 0 has no gradient, so a zero row takes the root of 1 and then its own norm 0.
    positive = squares > 0
    norm = F.where_v2(positive, F.sqrt(F.where_v2(positive, squares, 1)), squares)
    limit = convert(max_norm, rows.dtype)
    return rows * limit / F.maximum(norm, limit)
