"""`parse_single_sequence_example`: a serialized `tf.train.SequenceExample` becomes tensors.

Its context is parsed as an Example is. Of its lists, each entry is one step: a host step reads
their values after one another with their number per step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow import wire
from graphflow.builder import apply, convert, op_function
from graphflow.dims import fresh
from graphflow.errors import InvalidArgumentError
from graphflow.lowering import Host
from graphflow.opdef import Attr, Infer, NotDifferentiable, RunError, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare
from graphflow.ops.example_features import FixedLenSequenceFeature, VarLenFeature
from graphflow.ops.example_parsing import (
    FIELDS,
    Wanted,
    array_of,
    as_sparse,
    checked_dtype,
    feature_values,
    parse_single_example,
)
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, as_shape

_STRINGS = NotDifferentiable("strings have no gradient")


def _steps(record: bytes) -> dict[str, list[bytes]]:
    """The serialized Features of each list, by name."""
    found: dict[str, list[bytes]] = {}
    for number, lists in wire.fields(record):
        for _, entry in wire.fields(lists) if number == 2 else ():
            parts = dict(wire.fields(entry))
            found[parts.get(1, b"").decode()] = [
                feature for n, feature in wire.fields(parts.get(2, b"")) if n == 1]
    return found


def _values_of(feature: bytes, wanted: Wanted) -> list[Any]:
    for kind, content in wire.fields(feature):
        if kind != FIELDS[wanted.dtype]:
            raise RunError(InvalidArgumentError, f"feature list {wanted.key!r} does not hold "
                                                 f"{wanted.dtype.name}")
        return feature_values(content, kind)
    return []


def _parse(serialized: np.ndarray, features: tuple[Wanted, ...]) -> Any:
    try:
        steps = _steps(serialized.item())
    except (ValueError, AttributeError, TypeError) as error:
        raise RunError(InvalidArgumentError,
                       f"Could not parse sequence example: {error}") from error
    outputs: list[np.ndarray] = []
    for wanted in features:
        if wanted.key not in steps and not wanted.optional:
            raise RunError(InvalidArgumentError, f"feature list {wanted.key!r} is missing",
                           "Pass allow_missing=True.")
        lists = [_values_of(f, wanted) for f in steps.get(wanted.key, [])]
        if wanted.shape is None:
            outputs += [array_of([v for row in lists for v in row], wanted.dtype),
                        np.array([len(row) for row in lists], np.int64)]
            continue
        size = int(np.prod(wanted.shape, dtype=np.int64))
        for step, row in enumerate(lists):
            if len(row) != size:
                raise RunError(InvalidArgumentError,
                               f"feature list {wanted.key!r}, step {step}: {len(row)} values do "
                               f"not make the shape {list(wanted.shape)}")
        outputs.append(array_of([v for row in lists for v in row], wanted.dtype).reshape(
            len(lists), *wanted.shape))
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _types(c: Infer) -> list[TensorType]:
    c.require_rank(0, 0)
    out = []
    for wanted in c.attrs["features"]:
        steps = fresh()
        if wanted.shape is not None:
            out.append(TensorType(wanted.dtype, TensorShape.of((steps, *wanted.shape))))
        else:
            out += [TensorType(wanted.dtype, TensorShape.of((fresh(),))),
                    TensorType(dt.int64, TensorShape.of((steps,)))]
    return out


PARSE_LISTS = declare(
    "ParseFeatureLists", "serialized: string", attrs={"features": Attr("object")}, infer=_types,
    reference=_parse, grad=_STRINGS, lowering=Host(effect=False))


def _wanted(key: str, feature: Any) -> Wanted:
    if isinstance(feature, VarLenFeature):
        return Wanted(key, checked_dtype(key, feature))
    if not isinstance(feature, FixedLenSequenceFeature):
        raise failure("ParseSingleSequenceExample", None, f"sequence feature {key!r} must be a "
                      f"FixedLenSequenceFeature or VarLenFeature, got {feature!r}")
    return Wanted(key, checked_dtype(key, feature), as_shape(feature.shape).known_sizes(),
                  optional=feature.allow_missing)


@op_function
def parse_single_sequence_example(
    serialized: Any, context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None, example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A serialized `SequenceExample` as two dicts of tensors: of its context and of its lists.

    serialized: string []. context_features: as `parse_single_example` takes them.
    sequence_features: name → FixedLenSequenceFeature (gives [steps, *shape]) or VarLenFeature (a
      SparseTensor [steps, longest]).
    Raises InvalidArgumentError at run time for lists that are missing or hold something else.
    """
    if not context_features and not sequence_features:
        raise failure("ParseSingleSequenceExample", name, "Missing features.")
    with scope(name, "ParseSingleSequenceExample"):
        record = convert(serialized, dt.string)
        context = parse_single_example(record, context_features) if context_features else {}
        lists = dict(sequence_features or {})
        wanted = [_wanted(key, lists[key]) for key in sorted(lists)]
        if not wanted:
            return context, {}
        outputs = apply(PARSE_LISTS, (record,), {"features": tuple(wanted)})
        rest = list(outputs) if isinstance(outputs, tuple) else [outputs]
        found: dict[str, Any] = {}
        for one in wanted:
            found[one.key] = rest.pop(0) if one.shape is not None else as_sparse(
                rest.pop(0), rest.pop(0))
        return context, found

