"""`parse_example` and `parse_single_example`: serialized `tf.train.Example`s become tensors.

One host step reads all features of all records: for each it gives either a dense array, or the
values of all records after one another with their number per record.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow import wire
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import fresh
from graphflow.dtypes import DType, to_array
from graphflow.errors import InvalidArgumentError
from graphflow.lowering import Host
from graphflow.opdef import Attr, ConstValue, Infer, NotDifferentiable, RunError, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare
from graphflow.ops.example_features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
)
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, as_shape
from graphflow.sparse_tensor import SparseTensor

_STRINGS = NotDifferentiable("strings have no gradient")
FIELDS = {dt.string: 1, dt.float32: 2, dt.int64: 3}
_KINDS = {1: "bytes", 2: "float", 3: "int64"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One feature to be read.

    shape: the sizes of its dense tensor in one record; None for a list of any length.
    default: an array of that shape, or None.
    optional: a missing list is an empty one.
    """

    key: str
    dtype: DType
    shape: tuple[int, ...] | None = None
    default: ConstValue | None = None
    optional: bool = True


def feature_values(data: bytes, kind: int) -> list[Any]:
    """The values of a serialized BytesList, FloatList or Int64List, by its field number."""
    out: list[Any] = []
    for number, content in wire.fields(data):
        if number != 1:
            continue
        if kind == 1 or not isinstance(content, bytes):
            out.append(content)
        elif kind == 2:
            out.extend(struct.unpack(f"<{len(content) // 4}f", content))
        else:
            out.extend(wire.varints(content))
    return [v - (1 << 64) if v >> 63 else v for v in out] if kind == 3 else out


def _features(record: bytes) -> dict[str, tuple[int, bytes]]:
    """(field number of the list, its bytes) by name."""
    found = {}
    for number, features in wire.fields(record):
        for _, entry in wire.fields(features) if number == 1 else ():
            parts = dict(wire.fields(entry))
            for kind, content in wire.fields(parts.get(2, b"")):
                found[parts.get(1, b"").decode()] = (kind, content)
    return found


def _list_of(found: Mapping[str, tuple[int, bytes]], wanted: Wanted, row: int) -> list[Any] | None:
    """The feature's values in a record; None if it has none."""
    if wanted.key not in found:
        return None
    kind, content = found[wanted.key]
    if kind != FIELDS[wanted.dtype]:
        raise RunError(InvalidArgumentError,
                       f"record {row}: feature {wanted.key!r} holds {_KINDS.get(kind)}, but "
                       f"{wanted.dtype.name} was asked for")
    return feature_values(content, kind)


def array_of(values: Sequence[Any], dtype: DType) -> np.ndarray:
    """A vector of these values."""
    out = np.empty(len(values), dtype.numpy)
    out[:] = values
    return out


def _dense(lists: Sequence[list[Any] | None], wanted: Wanted) -> np.ndarray:
    assert wanted.shape is not None
    size = int(np.prod(wanted.shape, dtype=np.int64))
    out = np.empty((len(lists), size), wanted.dtype.numpy)
    for row, values in enumerate(lists):
        if values is None:
            if wanted.default is None:
                raise RunError(InvalidArgumentError,
                               f"record {row}: Feature: {wanted.key} (data type: "
                               f"{wanted.dtype.name}) is required but could not be found")
            out[row] = wanted.default.array.ravel()
        elif len(values) != size:
            raise RunError(InvalidArgumentError,
                           f"record {row}: Key: {wanted.key}. Number of {wanted.dtype.name} "
                           f"values != expected. values size: {len(values)} but output shape: "
                           f"{list(wanted.shape)}")
        else:
            out[row] = values
    return out.reshape(len(lists), *wanted.shape)


def _parse(serialized: np.ndarray, features: tuple[Wanted, ...]) -> Any:
    records = []
    for row, record in enumerate(serialized.ravel().tolist()):
        try:
            records.append(_features(record))
        except (ValueError, AttributeError, TypeError) as error:
            raise RunError(InvalidArgumentError,
                           f"Could not parse example input {row}: {error}") from error
    outputs: list[np.ndarray] = []
    for wanted in features:
        lists = [_list_of(found, wanted, row) for row, found in enumerate(records)]
        if wanted.shape is not None:
            outputs.append(_dense(lists, wanted))
            continue
        if not wanted.optional and None in lists:
            raise RunError(InvalidArgumentError, f"record {lists.index(None)}: feature "
                           f"{wanted.key!r} is missing", "Pass allow_missing=True.")
        full = [v or [] for v in lists]
        outputs += [array_of([v for row in full for v in row], wanted.dtype),
                    np.array([len(row) for row in full], np.int64)]
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _types(c: Infer) -> list[TensorType]:
    c.require_rank(0, 1)
    batch = c.shape(0).sizes[0] if c.shape(0).rank == 1 else fresh()
    out = []
    for wanted in c.attrs["features"]:
        if wanted.shape is not None:
            out.append(TensorType(wanted.dtype, TensorShape.of((batch, *wanted.shape))))
        else:
            out += [TensorType(wanted.dtype, TensorShape.of((fresh(),))),
                    TensorType(dt.int64, TensorShape.of((batch,)))]
    return out


PARSE_EXAMPLE = declare(
    "ParseExample", "serialized: string", attrs={"features": Attr("object")}, infer=_types,
    reference=_parse, grad=_STRINGS, lowering=Host(effect=False))


# ---- public -------------------------------------------------------------------------------------


def _wanted(key: str, feature: Any) -> list[Wanted]:
    """What must be read for one entry of `features`."""
    if isinstance(feature, SparseFeature):
        keys = feature.index_key
        indices = list(keys) if isinstance(keys, (list, tuple)) else [keys]
        return [*(Wanted(k, dt.int64) for k in indices),
                Wanted(feature.value_key, checked_dtype(key, feature))]
    dtype = checked_dtype(key, feature)
    if isinstance(feature, FixedLenFeature):
        sizes = as_shape(feature.shape)
        if not sizes.is_fully_defined():
            raise failure("ParseExample", None, f"feature {key!r}: shape must be fully known, got "
                          f"{feature.shape!r}", "Use VarLenFeature or FixedLenSequenceFeature.")
        return [Wanted(key, dtype, sizes.known_sizes(), _default(feature, dtype, sizes))]
    if isinstance(feature, FixedLenSequenceFeature):
        return [Wanted(key, dtype, optional=feature.allow_missing)]
    return [Wanted(key, dtype)]


def checked_dtype(key: str, feature: Any) -> DType:
    """The type of a feature. Raises AttributeValueError for others than Examples hold."""
    if not isinstance(feature, (FixedLenFeature, VarLenFeature, FixedLenSequenceFeature,
                                SparseFeature)):
        raise failure("ParseExample", None, f"feature {key!r} must be a FixedLenFeature, "
                      f"VarLenFeature, FixedLenSequenceFeature or SparseFeature, got {feature!r}")
    found = dt.as_dtype(feature.dtype)
    if found not in FIELDS:
        raise failure("ParseExample", None, f"feature {key!r}: dtype must be int64, float32 or "
                      f"string, got {found.name}", "Read it as one of these and cast it.")
    return found


def _default(feature: FixedLenFeature, dtype: DType, shape: TensorShape) -> ConstValue | None:
    if feature.default_value is None:
        return None
    array, sizes = to_array(feature.default_value, dtype), shape.known_sizes()
    return ConstValue(np.full(sizes, array.item(), array.dtype) if array.size == 1
                      else array.reshape(sizes))


def _row_indices(counts: Any) -> Any:
    """[total, 2]: the (record, place) of each value. counts: int64 [batch]."""
    inside = F.sequence_mask(counts)
    return F.where(inside)


def as_sparse(values: Any, counts: Any) -> SparseTensor:
    """Rows of `counts` values each, one after the other in `values`."""
    longest = F.reduce_max(F.concat([counts, F.zeros([1], dt.int64)], 0))
    shape = F.stack([F.shape(counts, out_type=dt.int64)[0], longest])
    return SparseTensor(_row_indices(counts), values, shape)


def _sequence(values: Any, counts: Any, feature: FixedLenSequenceFeature) -> Any:
    sizes = as_shape(feature.shape).known_sizes()
    each = int(np.prod(sizes, dtype=np.int64))
    sparse = as_sparse(values, counts)
    fill = feature.default_value
    if fill is None:
        fill = "" if sparse.dtype.is_string else 0
    dense = F.sparse_tensor_to_dense(sparse, default_value=convert(fill, sparse.dtype))
    if not sizes:
        return dense
    return F.reshape(dense, F.concat([F.shape(dense)[:1], [-1 if each else 0], list(sizes)], 0))


def _from_pairs(outputs: list[Any], feature: SparseFeature) -> SparseTensor:
    """A SparseTensor whose places are features themselves; sorted by place."""
    *places, (values, counts) = [outputs[i:i + 2] for i in range(0, len(outputs), 2)]
    sizes = feature.size if isinstance(feature.size, (list, tuple)) else [feature.size]
    rows = _row_indices(counts)[:, :1]
    indices = F.concat([rows, *(F.expand_dims(p[0], 1) for p in places)], 1)
    shape = F.concat([F.shape(counts, out_type=dt.int64), F.constant(list(sizes), dt.int64)], 0)
    found = SparseTensor(indices, values, shape)
    return found if feature.already_sorted else F.sparse_reorder(found)


@op_function
def parse_example(
    serialized: Any, features: Mapping[str, Any], name: str | None = None,
    example_names: Any = None,
) -> dict[str, Any]:
    """Serialized `Example`s as a dict of tensors.

    serialized: string [batch]. features: name → FixedLenFeature (gives a dense tensor [batch,
      *shape]), VarLenFeature (a SparseTensor [batch, longest]), FixedLenSequenceFeature (a dense
      tensor [batch, longest, *shape]) or SparseFeature.
    Raises AttributeValueError for wrong features; InvalidArgumentError at run time for records
    that are damaged, or hold another type or number of values, or miss a feature without default.
    """
    if not features:
        raise failure("ParseExample", name, "Missing: features was {}.")
    wanted = {key: _wanted(key, features[key]) for key in sorted(features)}
    flat = tuple(w for parts in wanted.values() for w in parts)
    with scope(name, "ParseExample"):
        outputs = apply(PARSE_EXAMPLE, (convert(serialized, dt.string),), {"features": flat})
        rest = list(outputs) if isinstance(outputs, tuple) else [outputs]
        found: dict[str, Any] = {}
        for key, parts in wanted.items():
            count = sum(1 if w.shape is not None else 2 for w in parts)
            own, rest = rest[:count], rest[count:]
            found[key] = _assembled(features[key], own)
    return found


def _assembled(feature: Any, outputs: list[Any]) -> Any:
    if isinstance(feature, FixedLenFeature):
        return outputs[0]
    if isinstance(feature, SparseFeature):
        return _from_pairs(outputs, feature)
    if isinstance(feature, FixedLenSequenceFeature):
        return _sequence(outputs[0], outputs[1], feature)
    return as_sparse(outputs[0], outputs[1])


@op_function
def parse_single_example(
    serialized: Any, features: Mapping[str, Any], name: str | None = None,
    example_names: Any = None,
) -> dict[str, Any]:
    """One serialized `Example` as a dict of tensors: `parse_example` without the batch axis.

    serialized: string []. A VarLenFeature gives a SparseTensor of rank 1.
    """
    with scope(name, "ParseSingleExample"):
        found = parse_example(F.expand_dims(convert(serialized, dt.string), 0), features)
        return {key: _first(value) for key, value in found.items()}


def _first(value: Any) -> Any:
    if isinstance(value, SparseTensor):
        return SparseTensor(value.indices[:, 1:], value.values, value.dense_shape[1:])
    return F.squeeze(value, [0])
