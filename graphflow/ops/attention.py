"""Scaled dot-product attention.

Source: Vaswani et al., "Attention is all you need", 2017, section 3.2.1.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope


@op_function
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False,
    scale: float | None = None, name: str | None = None,
) -> Any:
    """softmax(query · keyᵀ · scale) · value, over the last two axes.

    query: floats [..., q, d], key [..., k, d], value [..., k, e] → [..., q, e]; the leading axes
      broadcast.
    mask: broadcasts to [..., q, k]; bool (False hides a key), or floats added to the scores.
    causal: query i sees the keys 0 … i only.
    scale: 1 / √d by default.
    A query that sees no key gives the mean of all values.
    Raises ShapeError if ranks or sizes do not fit.
    """
    op = "scaled_dot_product_attention"
    with scope(name, op) as last:
        query, key, value = convert(query), convert(key), convert(value)
        for what, x in (("query", query), ("key", key), ("value", value)):
            if x.shape.rank is not None and x.shape.rank < 2:
                raise failure(op, name, f"{what} must have rank 2 or more, got {x.shape}",
                              cls=ShapeError)
        scores = F.matmul(query * _scale(query, scale), key, transpose_b=True)
        lowest = convert(scores.dtype.min / 2, scores.dtype)
        if mask is not None:
            mask = convert(mask)
            scores = F.where_v2(mask, scores, lowest) if mask.dtype is dt.bool_ else scores + mask
        if causal:
            rows, columns = (F.range(F.shape(x)[-2]) for x in (query, key))
            seen = F.greater_equal(F.expand_dims(rows, 1), columns)
            scores = F.where_v2(seen, scores, lowest)
        return F.matmul(F.softmax(scores), value, name=last)


def _scale(query: Any, scale: float | None) -> Any:
    if scale is not None:
        return scale
    depth = query.shape.as_list()[-1] if query.shape.rank is not None else None
    if depth is not None:
        return 1 / math.sqrt(max(depth, 1))
    return F.rsqrt(F.cast(F.shape(query)[-1], query.dtype))
