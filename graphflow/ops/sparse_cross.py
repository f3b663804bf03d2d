"""`sparse_cross_hashed`: for each row, the bucket of every combination of its columns' values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import fresh
from graphflow.errors import AttributeValueError
from graphflow.lowering import Host
from graphflow.opdef import Attr, Infer, NotDifferentiable, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare
from graphflow.ops.string_hashing import fingerprint64, fingerprint_cat
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor

DEFAULT_HASH_KEY = 0xDECAFCAFFE
_BIGGEST = 2**63 - 1


def _rows(indices: np.ndarray, values: np.ndarray, count: int) -> list[list[Any]]:
    found: list[list[Any]] = [[] for _ in range(count)]
    for row, value in zip(indices[:, 0].tolist(), values.tolist()):
        found[row].append(fingerprint64(value) if isinstance(value, bytes)
                          else value & (2**64 - 1))
    return found


def _cross(
    rows: np.ndarray, *columns: np.ndarray, num_buckets: int, hash_key: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = int(rows)
    pairs = zip(columns[::2], columns[1::2])
    per_column = [_rows(indices, values, count) for indices, values in pairs]
    indices: list[tuple[int, int]] = []
    values: list[int] = []
    longest = 0
    for row, lists in enumerate(zip(*per_column)):
        combinations = list(itertools.product(*lists))
        longest = max(longest, len(combinations))
        for place, parts in enumerate(combinations):
            value = hash_key
            for part in parts:
                value = fingerprint_cat(value, part)
            indices.append((row, place))
            values.append(value % (num_buckets or _BIGGEST))
    return (np.array(indices, np.int64).reshape(-1, 2), np.array(values, np.int64),
            np.array([count, longest], np.int64))


def _types(c: Infer) -> list[TensorType]:
    if c.attrs["num_buckets"] < 0:
        raise c.error(f"num_buckets must not be negative, got {c.attrs['num_buckets']}",
                      cls=AttributeValueError)
    for i in range(1, len(c.types)):
        c.require_rank(i, 2 if i % 2 else 1)
    size = fresh()
    return [TensorType(dt.int64, TensorShape.of((size, 2))),
            TensorType(dt.int64, TensorShape.of((size,))),
            TensorType(dt.int64, TensorShape.of((2,)))]


SPARSE_CROSS = declare(
    "SparseCrossHashed", "rows: int64, columns: *any",
    attrs={"num_buckets": Attr("int"), "hash_key": Attr("int", DEFAULT_HASH_KEY)}, infer=_types,
    reference=_cross, grad=NotDifferentiable("a hash has no gradient"),
    lowering=Host(effect=False))


@op_function
def sparse_cross_hashed(
    inputs: Sequence[Any], num_buckets: int = 0, hash_key: int | None = None,
    name: str | None = None,
) -> SparseTensor:
    """The hashed crosses of columns, numbered as TensorFlow numbers them.

    inputs: SparseTensors or dense tensors [rows, k] of strings or integers; the dense ones come
      last in each combination. num_buckets: 0 for 2⁶³ − 1. → SparseTensor of int64 [rows, n].
    Raises AttributeValueError without inputs.
    """
    if not inputs:
        raise failure("SparseCrossHashed", name, "inputs must not be empty")
    columns = [x if isinstance(x, SparseTensor) else convert(x) for x in inputs]
    ordered = [*(x for x in columns if isinstance(x, SparseTensor)),
               *(_as_sparse(x) for x in columns if not isinstance(x, SparseTensor))]
    flat = [part for x in ordered for part in (
        x.indices, x.values if x.values.dtype.is_string else F.cast(x.values, dt.int64))]
    attrs = {"num_buckets": int(num_buckets),
             "hash_key": DEFAULT_HASH_KEY if hash_key is None else int(hash_key)}
    return SparseTensor(*apply(SPARSE_CROSS, (ordered[0].dense_shape[0], *flat), attrs, name=name))


def _as_sparse(x: Any) -> SparseTensor:
    """Every element of a dense tensor [rows, k]."""
    shape = F.shape(x, out_type=dt.int64)
    everywhere = F.where(F.fill(shape, True))
    return SparseTensor(everywhere, F.reshape(x, [-1]), shape)
