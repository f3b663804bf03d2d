"""Draws of classes from logits: `categorical`, `multinomial`."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope

_LOGITS = (dt.float16, dt.bfloat16, dt.float32, dt.float64, dt.int32, dt.int64)


def class_draws(
    op: str, name: str | None, logits: Any, num_samples: Any, dtype: Any, uniform: Any
) -> Any:
    """For each row the classes whose part of [0, Σp) the numbers `uniform([rows, n])` fall into.

    Weights p = exp(logit − largest logit) are summed up in float64; a class of weight 0 is never
    drawn, since the search is for the first sum larger than the number.
    """
    dtype = as_dtype(dt.int64 if dtype is None else dtype)
    if dtype not in dt.INDICES:
        raise failure(op, name, f"dtype must be int32 or int64, got {dtype.name}", cls=DTypeError)
    logits = convert(logits)
    if logits.dtype not in _LOGITS:
        raise failure(op, name, f"logits must be real numbers, got {logits.dtype.name}",
                      cls=DTypeError)
    if logits.shape.rank not in (None, 2):
        raise failure(op, name, f"logits must be [batch, classes], got {logits.shape}",
                      "Add an axis for a single distribution: gf.expand_dims(logits, 0).",
                      ShapeError)
    logits = F.cast(logits, dt.float64)
    weights = F.exp(logits - F.reduce_max(logits, axis=1, keepdims=True))
    sums = F.cumsum(weights, axis=1)
    numbers = uniform(F.stack([F.shape(logits)[0], F.cast(convert(num_samples), dt.int32)]))
    return F.searchsorted(sums, numbers * sums[:, -1:], side="right", out_type=dtype)


@op_function
def categorical(
    logits: Any, num_samples: Any, dtype: Any = None, seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Classes drawn with probabilities softmax(logits), independently.

    logits: [batch, classes], unnormalised log-probabilities; num_samples: how many for each row
    → [batch, num_samples] of dtype int64 (default) or int32. Not differentiable.
    Raises ShapeError for other ranks, DTypeError for other dtypes.
    """
    with scope(name, "categorical") as last:
        found = class_draws(
            "categorical", name, logits, num_samples, dtype,
            lambda sizes: F.random_uniform(sizes, dtype=dt.float64, seed=seed))
        return F.identity(found, name=last)


@op_function
def multinomial(
    logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None,
    output_dtype: Any = None,
) -> Any:
    """`categorical` under its first name, with its order of arguments."""
    return categorical(logits, num_samples, output_dtype, seed, name or "multinomial")
