"""Strings split into parts: sparse tensors of two axes, the strings and the parts of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import fresh
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import Attr, ErrorSample, Infer, NotDifferentiable, Sample, TensorType
from graphflow.ops.arguments import failure, renamed, typed
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor


def _type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 1)
    if c.attrs["characters"] and c.attrs["maxsplit"] >= 0:
        raise c.error(f"maxsplit {c.attrs['maxsplit']} needs a whole separator",
                      cls=AttributeValueError)
    count = fresh()
    return [TensorType(dt.int64, TensorShape.of((count, 2))),
            TensorType(dt.string, TensorShape.of((count,))),
            TensorType(dt.int64, TensorShape.of((2,)))]


def _parts(text: bytes, sep: bytes, maxsplit: int, characters: bool, skip: bool) -> list[bytes]:
    if not characters:
        return text.split(sep or None, maxsplit)
    if not text:
        return []
    if not sep:
        return [text[i:i + 1] for i in range(len(text))]
    for other in sep[1:]:
        text = text.replace(bytes([other]), sep[:1])
    return [p for p in text.split(sep[:1]) if p or not skip]


def _reference(
    input: np.ndarray, sep: str, maxsplit: int, characters: bool, skip_empty: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [_parts(t, sep.encode(), maxsplit, characters, skip_empty) for t in input.tolist()]
    counts = [len(row) for row in rows]
    values = np.empty(sum(counts), object)
    values[:] = [part for row in rows for part in row]
    places = [(i, k) for i, count in enumerate(counts) for k in range(count)]
    return (np.array(places, np.int64).reshape(-1, 2), values,
            np.array([len(rows), max(counts, default=0)], np.int64))


STRING_SPLIT = declare(
    "StringSplit", "input: string",
    attrs={"sep": Attr("str"), "maxsplit": Attr("int", -1), "characters": Attr("bool", False),
           "skip_empty": Attr("bool", True)},
    infer=_type, reference=_reference, grad=NotDifferentiable("strings have no gradient"),
    lowering=Host(effect=False),
    samples=lambda: [
        Sample((np.array(["a b  c", "", "d"]),), {"sep": ""}),
        Sample((np.array(["a,b,,c", "d"]),), {"sep": ",", "maxsplit": 1}),
        Sample((np.array(["a b,c", "d,"]),), {"sep": " ,", "characters": True}),
        Sample((np.array(["a b,c", "d,"]),),
               {"sep": ",", "characters": True, "skip_empty": False}),
        Sample((np.zeros(0, str),), {"sep": " "})],
    errors=lambda: [
        ErrorSample((typed(dt.string),), {"sep": " "}, ShapeError, "input must have rank 1"),
        ErrorSample((typed(dt.string, 2),), {"sep": " ", "maxsplit": 1, "characters": True},
                    AttributeValueError, "maxsplit 1 needs a whole separator")])


def _split(name: str | None, source: Any, result_type: str, attrs: dict[str, Any]) -> SparseTensor:
    if result_type != "SparseTensor":
        raise failure("StringSplit", name, f"result_type must be SparseTensor, got "
                                           f"{result_type!r}: there are no ragged tensors")
    source = convert(source)
    if source.shape.rank == 0:
        source = F.expand_dims(source, 0)
    return SparseTensor(*apply(STRING_SPLIT, (source,), attrs, name=name))


@op_function
def string_split(
    source: Any, sep: Any = None, skip_empty: bool = True, delimiter: Any = None,
    result_type: str = "SparseTensor", name: str | None = None,
) -> SparseTensor:
    """The strings of a vector, split at any of the characters in `sep` (a blank by default).

    source: [n] strings → a SparseTensor [n, most parts]; an empty `sep` splits into bytes;
    skip_empty: empty parts are left out. `delimiter` is the old name of sep.
    Raises ShapeError for other ranks, AttributeValueError for another result_type.
    """
    sep = renamed("StringSplit", "sep", sep, "delimiter", delimiter)
    return _split(name, source, result_type, {
        "sep": " " if sep is None else sep, "characters": True, "skip_empty": bool(skip_empty)})


@op_function
def strings_split(
    input: Any = None, sep: Any = None, maxsplit: int = -1, result_type: str = "SparseTensor",
    source: Any = None, name: str | None = None,
) -> SparseTensor:
    """The strings of a vector, split at `sep` as a whole, as `str.split` does.

    input: [n] strings (`source` is its old name) → a SparseTensor [n, most parts]; without `sep`
    at white space; maxsplit: at most so many splits of a string.
    """
    given = renamed("StringSplit", "input", input, "source", source)
    if given is None:
        raise failure("StringSplit", name, "input is missing")
    return _split(name, given, result_type, {"sep": sep or "", "maxsplit": int(maxsplit)})
