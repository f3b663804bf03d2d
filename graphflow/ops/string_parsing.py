"""Numbers as strings and strings as numbers: `as_string`, `string_to_number`, decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.dims import fresh
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Host
from graphflow.opdef import (
    Attr,
    ConstValue,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, renamed, typed
from graphflow.ops.declare import declare
from graphflow.ops.strings import each
from graphflow.shapes import TensorShape

_STRINGS = NotDifferentiable("strings have no gradient")


# ---- as_string -------------------------------------------------------------------------------


def _as_string_type(c: Infer) -> list[TensorType]:
    attrs = c.attrs
    if attrs["scientific"] and attrs["shortest"]:
        raise c.error("scientific='%e' and shortest='%g' exclude each other",
                      cls=AttributeValueError)
    if attrs["fill"] not in ("", " ", "+", "-", "0", "#"):
        raise c.error(f"fill must be one of ' ', '+', '-', '0', '#', got {attrs['fill']!r}",
                      cls=AttributeValueError)
    if attrs["precision"] > -1 and not (c.dtype(0).is_floating or c.dtype(0).is_complex):
        raise c.error(f"precision is for floats and complex numbers, got {c.dtype(0).name}",
                      cls=AttributeValueError)
    return [TensorType(dt.string, c.shape(0))]


def _as_string(
    input: np.ndarray, precision: int, scientific: bool, shortest: bool, width: int, fill: str
) -> np.ndarray:
    head = "%" + fill + (str(width) if width > -1 else "")
    kind = "e" if scientific else "g" if shortest else "f"
    real = head + (f".{precision}" if precision > -1 else "") + kind

    def text(value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, bool):
            return b"true" if value else b"false"
        if isinstance(value, complex):
            return f"({real % value.real},{real % value.imag})".encode()
        return ((real if isinstance(value, float) else head + "d") % value).encode()

    wide = input.astype(np.float64) if dt.array_dtype(input).is_floating else input
    return each(text, dt.string, wide)


AS_STRING = declare(
    "AsString", "input: any",
    attrs={"precision": Attr("int", -1), "scientific": Attr("bool", False),
           "shortest": Attr("bool", False), "width": Attr("int", -1), "fill": Attr("str", "")},
    infer=_as_string_type, reference=_as_string, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        Sample((np.array([[1.5, -2.0], [0.0, 3.0]]),)), Sample((np.array(2.0),)),
        Sample((np.array([1.5, -20.25]),), {"precision": 1, "scientific": True},
               dtypes=dt.INEXACT),
        Sample((np.array([1.5, -20.25]),), {"shortest": True, "width": 8, "fill": "0"},
               dtypes=dt.FLOATS),
        Sample((np.zeros((0, 2)),))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2),), {"scientific": True, "shortest": True},
                    AttributeValueError, "exclude each other"),
        ErrorSample((typed(dt.float32, 2),), {"fill": "x"}, AttributeValueError,
                    "fill must be one of"),
        ErrorSample((typed(dt.int32, 2),), {"precision": 2}, AttributeValueError,
                    "precision is for floats and complex numbers, got int32")])


@op_function
def as_string(
    input: Any, precision: int = -1, scientific: bool = False, shortest: bool = False,
    width: int = -1, fill: str = "", name: str | None = None,
) -> Any:
    """Numbers and bools as strings, by the rules of printf: %d, %f, and `true`, `false`.

    precision: digits after the point; scientific: %e; shortest: %g; width: the least number of
    characters, filled with `fill` (' ', '0' or '-' for blanks behind).
    Raises AttributeValueError for arguments that exclude each other.
    """
    attrs = {"precision": precision, "scientific": scientific, "shortest": shortest,
             "width": width, "fill": fill}
    return apply(AS_STRING, (input,), attrs, name=name)


# ---- string_to_number ------------------------------------------------------------------------


def number(text: bytes, dtype: dt.DType) -> int | float:
    """The number that a string holds. Raises RunError if it holds none, or one too large."""
    try:
        value = float(text) if dtype.is_floating else int(text)
        if b"_" in text or (dtype.is_integer and not dtype.min <= value <= dtype.max):
            raise ValueError
    except ValueError:
        raise RunError(InvalidArgumentError,
                       f"{text.decode('utf-8', 'replace')!r} is no {dtype.name}") from None
    return value


STRING_TO_NUMBER = declare(
    "StringToNumber", "string_tensor: string", attrs={"out_type": Attr(
        "dtype", dt.float32, choices=(dt.float32, dt.float64, dt.int32, dt.int64))},
    infer=lambda c: [TensorType(c.attrs["out_type"], c.shape(0))],
    reference=lambda string_tensor, out_type: each(
        lambda s: number(s, out_type), out_type, string_tensor),
    grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        *(Sample((np.array([["1", "-20"], [" 3 ", "400"]]),), {"out_type": t})
          for t in (dt.float32, dt.float64, dt.int32, dt.int64)),
        Sample((np.array("1.5e3"),)), Sample((np.zeros((0, 2), str),))],
    errors=lambda: [ErrorSample((typed(dt.string, 2),), {"out_type": dt.int8},
                                AttributeValueError, "out_type")])


@op_function
def string_to_number(
    string_tensor: Any = None, out_type: Any = dt.float32, name: str | None = None,
    input: Any = None,
) -> Any:
    """Strings as numbers of `out_type`: float32, float64, int32 or int64.

    `input` is another name of `string_tensor`. Raises InvalidArgumentError at run time for a
    string that is no number.
    """
    given = renamed("StringToNumber", "string_tensor", string_tensor, "input", input)
    if given is None:
        raise failure("StringToNumber", name, "string_tensor is missing")
    return apply(STRING_TO_NUMBER, (given,), {"out_type": dt.as_dtype(out_type)}, name=name)


# ---- decode_raw ------------------------------------------------------------------------------

_RAW = (dt.float16, dt.float32, dt.float64, dt.int32, dt.uint16, dt.uint8, dt.int16, dt.int8,
        dt.int64, dt.bool_)


def _raw_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.attrs["out_type"], c.shape(0).concatenate(TensorShape.of((fresh(),))))]


def _decode_raw(bytes: np.ndarray, out_type: dt.DType, little_endian: bool) -> np.ndarray:
    texts = bytes.ravel().tolist()
    sizes = {len(t) for t in texts}
    if len(sizes) > 1:
        raise RunError(InvalidArgumentError,
                       f"the strings must have one length, got lengths {sorted(sizes)}")
    size = sizes.pop() if sizes else 0
    if size % out_type.size:
        raise RunError(InvalidArgumentError, f"strings of {size} bytes do not hold a whole number "
                                             f"of {out_type.name}, of {out_type.size} bytes each")
    stored = out_type.numpy.newbyteorder("<" if little_endian else ">")
    values = np.frombuffer(b"".join(texts), stored).astype(out_type.numpy)
    return values.reshape(*bytes.shape, size // out_type.size)


DECODE_RAW = declare(
    "DecodeRaw", "bytes: string",
    attrs={"out_type": Attr("dtype", choices=_RAW), "little_endian": Attr("bool", True)},
    infer=_raw_type, reference=_decode_raw, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        *(Sample((np.array([["abcdefgh", "ijklmnop"]]),), {"out_type": t}) for t in _RAW),
        Sample((np.array("abcd"),), {"out_type": dt.int16, "little_endian": False}),
        Sample((np.zeros((0,), str),), {"out_type": dt.uint8})],
    errors=lambda: [ErrorSample((typed(dt.string, 2),), {"out_type": dt.complex64},
                                AttributeValueError, "out_type")])


@op_function
def decode_raw(
    input_bytes: Any = None, out_type: Any = None, little_endian: bool = True,
    name: str | None = None, bytes: Any = None,
) -> Any:
    """The bytes of strings as numbers: [b…] → [b…, n].

    input_bytes: strings of one length, a multiple of the size of `out_type`; `bytes` is its old
    name. Raises AttributeValueError for other types, InvalidArgumentError at run time for lengths
    that do not fit.
    """
    given = renamed("DecodeRaw", "input_bytes", input_bytes, "bytes", bytes)
    if given is None or out_type is None:
        raise failure("DecodeRaw", name, "input_bytes and out_type must be given")
    attrs = {"out_type": dt.as_dtype(out_type), "little_endian": bool(little_endian)}
    return apply(DECODE_RAW, (given,), attrs, name=name)


# ---- decode_csv ------------------------------------------------------------------------------


def _csv_type(c: Infer) -> list[TensorType]:
    if not c.attrs["out_types"]:
        raise c.error("record_defaults must name at least one column", cls=AttributeValueError)
    return [TensorType(t, c.shape(0)) for t in c.attrs["out_types"]]


def _decode_csv(
    records: np.ndarray, out_types: tuple[dt.DType, ...], defaults: tuple[Any, ...],
    field_delim: str, use_quote_delim: bool, na_value: str, select_cols: tuple[int, ...] | None,
) -> tuple[np.ndarray, ...]:
    import csv

    lines = [r.decode("utf-8", "surrogateescape") for r in records.ravel().tolist()]
    rows = list(csv.reader(lines, delimiter=field_delim, quoting=(
        csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE)))
    wanted = select_cols if select_cols is not None else tuple(range(len(out_types)))
    columns: list[list[Any]] = [[] for _ in out_types]
    for k, row in enumerate(rows):
        fits = len(row) == len(out_types) if select_cols is None else len(row) > max(wanted)
        if not fits:
            raise RunError(InvalidArgumentError, f"record {k} has {len(row)} fields, expected "
                                                 f"{len(out_types)}")
        for column, out, default, i in zip(columns, out_types, defaults, wanted):
            column.append(_field(row[i], out, default, na_value, k, i))
    return tuple(_column(values, t).reshape(records.shape)
                 for values, t in zip(columns, out_types))


def _field(
    text: str, out: dt.DType, default: ConstValue | None, na_value: str, record: int, field: int
) -> Any:
    if text in ("", na_value):
        if default is None:
            raise RunError(InvalidArgumentError,
                           f"field {field} of record {record} is missing, and has no default")
        return default.array.item()
    raw = text.encode("utf-8", "surrogateescape")
    return raw if out.is_string else number(raw, out)


def _column(values: list[Any], dtype: dt.DType) -> np.ndarray:
    column = np.empty(len(values), dtype.numpy)
    column[:] = values
    return column


DECODE_CSV = declare(
    "DecodeCSV", "records: string",
    attrs={"out_types": Attr("dtypes"), "defaults": Attr("consts"),
           "field_delim": Attr("str", ","), "use_quote_delim": Attr("bool", True),
           "na_value": Attr("str", ""), "select_cols": Attr("ints", None, optional=True)},
    infer=_csv_type, reference=_decode_csv, grad=_STRINGS, lowering=Host(effect=False),
    samples=lambda: [
        Sample((np.array(['1,2.5,"a,b"', "3,,c"]),),
               {"out_types": (dt.int32, dt.float32, dt.string),
                "defaults": (None, ConstValue(np.array(0.5)), None)}),
        Sample((np.array('1;"x";NA'),),
               {"out_types": (dt.int64, dt.string), "defaults": (ConstValue(np.array(7)), None),
                "field_delim": ";", "use_quote_delim": False, "na_value": "NA",
                "select_cols": (2, 1)}),
        Sample((np.zeros(0, str),), {"out_types": (dt.int32,), "defaults": (None,)})],
    errors=lambda: [ErrorSample((typed(dt.string, 2),), {"out_types": (), "defaults": ()},
                                AttributeValueError, "at least one column")])


@op_function
def decode_csv(
    records: Any, record_defaults: Sequence[Any], field_delim: str = ",",
    use_quote_delim: bool = True, name: str | None = None, na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Any]:
    """The columns of lines of comma-separated values: one tensor per column, of records' shape.

    record_defaults: for each column a value whose dtype the column has and that stands for empty
      fields, or a DType (or empty list) where a field must not be empty.
    select_cols: the numbers of the columns that are wanted.
    Raises AttributeValueError for wrong arguments; InvalidArgumentError at run time for a record
    with another number of fields, or a field that is no number.
    """
    types, defaults = [], []
    for given in record_defaults:
        is_type = isinstance(given, dt.DType)
        value = None if is_type else convert(given)
        constant = None if value is None else value.op.attrs.get("value")
        if value is not None and (constant is None or constant.array.size > 1):
            raise failure("DecodeCSV", name, "record_defaults must hold constants of at most one "
                          f"element, got {given!r}")
        types.append(given if value is None else value.dtype)
        defaults.append(constant if constant is not None and constant.array.size else None)
    if select_cols is not None and len(select_cols) != len(types):
        raise failure("DecodeCSV", name, f"{len(select_cols)} select_cols for {len(types)} "
                      "record_defaults", cls=ShapeError)
    attrs = {"out_types": tuple(types), "defaults": tuple(defaults), "field_delim": field_delim,
             "use_quote_delim": bool(use_quote_delim), "na_value": na_value,
             "select_cols": None if select_cols is None else tuple(map(int, select_cols))}
    columns = apply(DECODE_CSV, (records,), attrs, name=name)
    return list(columns) if isinstance(columns, tuple) else [columns]
