"""Stateless random ops: draws that depend on a seed given as a tensor, and on nothing else.

The pair of seeds takes the place of the run counter of the other random ops, as seed[0] · C +
seed[1] in 64 bits with an odd C near 2⁶⁴ over the golden ratio; see `random_bits`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.ops.arguments import failure, shape_argument
from graphflow.ops.random import (
    FLOAT_TYPES,
    INTEGER_TYPES,
    RANDOM_NORMAL,
    RANDOM_UNIFORM,
    RANDOM_UNIFORM_INT,
    TRUNCATED_NORMAL,
)
from graphflow.ops.random_categorical import class_draws
from graphflow.ops.scope import scope

_KEY = {"key0": 0x5EED0001, "key1": 0x57A7E1E5}  # no op with state has it, but by chance
_SPREAD = np.uint64(0x9E3779B97F4A7C15).astype(np.int64)


def _counter(op: str, name: str | None, seed: Any) -> Any:
    """The pair of seeds as one int64 scalar."""
    seed = convert(seed)
    if seed.dtype not in dt.INDICES:
        raise failure(op, name, f"seed must be int32 or int64, got {seed.dtype.name}",
                      cls=DTypeError)
    if not seed.shape.is_compatible_with([2]):
        raise failure(op, name, f"seed must have shape [2], not {seed.shape}", cls=ShapeError)
    wide = F.cast(seed, dt.int64)
    return wide[0] * _SPREAD + wide[1]


def _shape(op: str, name: str | None, shape: Any) -> Any:
    return convert(shape_argument(op, name, shape), name="shape")


def _checked(op: str, name: str | None, dtype: Any, types: tuple[Any, ...]) -> Any:
    dtype = as_dtype(dtype)
    if dtype not in types:
        listed = ", ".join(t.name for t in types)
        raise failure(op, name, f"dtype must be one of {listed}, got {dtype.name}",
                      cls=DTypeError)
    return dtype


@op_function
def stateless_random_uniform(
    shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dt.float32,
    name: str | None = None,
) -> Any:
    """Uniform draws from [minval, maxval) that depend on `seed` alone.

    shape: integer vector; seed: [2], int32 or int64, may be computed; other arguments as in
    `random_uniform`. Raises ShapeError or DTypeError for another seed, AttributeValueError if an
    integer draw has no maxval.
    """
    op = "stateless_random_uniform"
    dtype = _checked(op, name, dtype, (*FLOAT_TYPES, *INTEGER_TYPES))
    if maxval is None and dtype.is_integer:
        raise failure(op, name, f"Must specify maxval for {dtype.name}")
    with scope(name, op) as last:
        shape, counter = _shape(op, name, shape), _counter(op, name, seed)
        low, high = convert(minval, dtype), convert(1 if maxval is None else maxval, dtype)
        if dtype.is_integer:
            return apply(RANDOM_UNIFORM_INT, (shape, low, high, counter), _KEY, name=last)
        drawn = apply(RANDOM_UNIFORM, (shape, counter), _KEY | {"dtype": dtype})
        return F.add(drawn * (high - low), low, name=last)


def _normal(
    opdef: Any, op: str, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any,
    name: str | None,
) -> Any:
    dtype = _checked(op, name, dtype, FLOAT_TYPES)
    with scope(name, op) as last:
        shape, counter = _shape(op, name, shape), _counter(op, name, seed)
        drawn = apply(opdef, (shape, counter), _KEY | {"dtype": dtype})
        return F.add(drawn * convert(stddev, dtype), convert(mean, dtype), name=last)


@op_function
def stateless_random_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dt.float32,
    name: str | None = None,
) -> Any:
    """Normal draws that depend on `seed` ([2], int32 or int64) alone; see `random_normal`."""
    return _normal(RANDOM_NORMAL, "stateless_random_normal", shape, seed, mean, stddev, dtype,
                   name)


@op_function
def stateless_truncated_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dt.float32,
    name: str | None = None,
) -> Any:
    """Truncated normal draws that depend on `seed` ([2]) alone; see `truncated_normal`."""
    return _normal(TRUNCATED_NORMAL, "stateless_truncated_normal", shape, seed, mean, stddev,
                   dtype, name)


@op_function
def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = dt.int64, name: str | None = None
) -> Any:
    """Classes drawn with probabilities softmax(logits); they depend on `seed` ([2]) alone.

    See `categorical` for the arguments and what is raised.
    """
    op = "stateless_categorical"
    with scope(name, op) as last:
        counter = _counter(op, name, seed)
        found = class_draws(
            op, name, logits, num_samples, dtype,
            lambda sizes: apply(RANDOM_UNIFORM, (sizes, counter), _KEY | {"dtype": dt.float64}))
        return F.identity(found, name=last)


@op_function
def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = dt.int64,
    name: str | None = None,
) -> Any:
    """`stateless_categorical` under its first name."""
    return stateless_categorical(logits, num_samples, seed, output_dtype,
                                 name or "stateless_multinomial")
