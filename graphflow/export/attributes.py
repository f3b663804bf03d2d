"""Attributes as plain values, and back, by the kinds that the ops declare.

Small constants stand in the JSON as the hexadecimal bytes of their elements, so that every bit
survives; large ones stand among the weights, once each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.dtypes import DType, array_dtype, to_array
from graphflow.errors import GraphflowError, LoadError
from graphflow.export.plain import as_kind, field, number, shown
from graphflow.export.sizes import (
    MAX_ELEMENTS,
    SizeReader,
    SizeWriter,
    closed_shape,
    dtype_of,
    open_shape,
)
from graphflow.opdef import Attr, ConstValue
from graphflow.shapes import TensorShape

INLINE_BYTES = 64
_INT = 2**64
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Constants:
    """The large constants of a file: array by name, which is a digest: equal ones stand once."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def name_of(self, value: ConstValue) -> str:
        """The name under which the array stands in the file."""
        name = f"constants/{value.digest.hex()[:32]}"
        self.arrays.setdefault(name, value.array)
        return name


class AttributeWriter:
    """Attributes as plain values. Raises ValueError for what a file cannot hold."""

    def __init__(self, constants: Constants, sizes: SizeWriter) -> None:
        self._constants, self._sizes = constants, sizes

    def write(self, attr: Attr, value: Any) -> Any:
        """The plain form of the value of one attribute."""
        if value is None:
            return None
        if attr.codec is not None:
            return attr.codec.encode(value)
        writer: Callable[[Any], Any] | None = getattr(self, f"_{attr.kind}", None)
        if writer is None:
            raise ValueError(f"{type(value).__name__} objects have no form in a file")
        return writer(value)

    def _int(self, value: int) -> int:
        if not -_INT < value < _INT:
            raise ValueError(f"the integer {value} has more than 64 bits")
        return int(value)

    def _bool(self, value: bool) -> bool:
        return value

    def _str(self, value: str) -> str:
        return value

    def _float(self, value: float) -> Any:
        if isinstance(value, int):
            return self._int(value)
        return float(value) if math.isfinite(value) else str(float(value))

    def _number(self, value: Any) -> Any:
        if type(value) is bool:
            return value
        if type(value) in (int, float):
            return self._float(value)
        array = np.asarray(value) if isinstance(value, np.generic) else to_array(value)
        return {"const": self._const(ConstValue(array))}

    def _dtype(self, value: DType) -> str:
        return value.name

    def _shape(self, value: TensorShape) -> Any:
        # What is unknown in a shape that a user gave is renewed with every use.
        return {"sizes": open_shape(value)}

    def _ints(self, value: tuple[int, ...]) -> list[int]:
        return [self._int(v) for v in value]

    def _pairs(self, value: tuple[tuple[int, int], ...]) -> list[list[int]]:
        return [self._ints(pair) for pair in value]

    def _dtypes(self, value: tuple[DType, ...]) -> list[str]:
        return [v.name for v in value]

    def _strs(self, value: tuple[str, ...]) -> list[str]:
        return list(value)

    def _type(self, value: Any) -> list[Any]:
        return self._sizes.type(value)

    def _types(self, value: tuple[Any, ...]) -> list[Any]:
        return [self._sizes.type(v) for v in value]

    def _consts(self, value: tuple[ConstValue | None, ...]) -> list[Any]:
        return [None if v is None else self._const(v) for v in value]

    def _const(self, value: ConstValue) -> Any:
        array = value.array
        if array.dtype == object:
            texts = [bytes(v) for v in array.ravel()]
            if sum(map(len, texts)) + 8 * len(texts) <= INLINE_BYTES:
                return {"dtype": "string", "shape": list(array.shape),
                        "texts": [t.hex() for t in texts]}
        elif array.nbytes <= INLINE_BYTES:
            return {"dtype": array_dtype(array).name, "shape": list(array.shape),
                    "bytes": array.tobytes().hex()}
        return {"array": self._constants.name_of(value)}


class AttributeReader:
    """Attributes from plain values. Raises LoadError."""

    def __init__(self, arrays: dict[str, np.ndarray], sizes: SizeReader, text: int) -> None:
        self._arrays, self._sizes, self._text = arrays, sizes, text
        self._shared: dict[str, ConstValue] = {}  # one copy, however many name it

    def read(self, attr: Attr, plain: Any, where: str) -> Any:
        """The value of one attribute."""
        if plain is None and attr.optional:
            return None
        if attr.codec is not None:
            try:
                return attr.codec.decode(plain)
            except (ValueError, TypeError) as error:
                raise LoadError(f"{where}: {error}.") from error
        reader: Callable[[Any, str], Any] | None = getattr(self, f"_{attr.kind}", None)
        if reader is None:
            raise LoadError(f"{where}: a file cannot hold this attribute.")
        return reader(plain, where)

    def _int(self, plain: Any, where: str) -> int:
        return as_kind(plain, int, where)

    def _bool(self, plain: Any, where: str) -> bool:
        return as_kind(plain, bool, where)

    def _str(self, plain: Any, where: str) -> str:
        text = as_kind(plain, str, where)
        if len(text) > self._text:
            raise LoadError(f"{where}: a text of {len(text)} characters.")
        return text

    def _float(self, plain: Any, where: str) -> float:
        if isinstance(plain, str) and plain in _SPECIAL:
            return _SPECIAL[plain]
        if not isinstance(plain, (int, float)) or isinstance(plain, bool):
            raise LoadError(f"{where}: a number was expected, got {shown(plain)}.")
        return plain

    def _number(self, plain: Any, where: str) -> Any:
        if isinstance(plain, dict):
            const = self._const(plain.get("const"), where).array
            if const.ndim:
                raise LoadError(f"{where}: a number was expected, got {shown(plain)}.")
            return const.item() if const.dtype == object else const[()]
        return plain if isinstance(plain, bool) else self._float(plain, where)

    def _dtype(self, plain: Any, where: str) -> Any:
        return dtype_of(plain, where)

    def _shape(self, plain: Any, where: str) -> TensorShape:
        return closed_shape(as_kind(plain, dict, where).get("sizes"), where)

    def _ints(self, plain: Any, where: str) -> tuple[int, ...]:
        return tuple(as_kind(v, int, where) for v in as_kind(plain, list, where))

    def _pairs(self, plain: Any, where: str) -> tuple[tuple[int, ...], ...]:
        return tuple(self._ints(v, where) for v in as_kind(plain, list, where))

    def _dtypes(self, plain: Any, where: str) -> tuple[Any, ...]:
        return tuple(dtype_of(v, where) for v in as_kind(plain, list, where))

    def _strs(self, plain: Any, where: str) -> tuple[str, ...]:
        return tuple(self._str(v, where) for v in as_kind(plain, list, where))

    def _type(self, plain: Any, where: str) -> Any:
        return self._sizes.type(plain, where)

    def _types(self, plain: Any, where: str) -> tuple[Any, ...]:
        return tuple(self._sizes.type(v, where) for v in as_kind(plain, list, where))

    def _consts(self, plain: Any, where: str) -> tuple[ConstValue | None, ...]:
        return tuple(None if v is None else self._const(v, where)
                     for v in as_kind(plain, list, where))

    def _const(self, plain: Any, where: str) -> ConstValue:
        record = as_kind(plain, dict, where)
        if "array" in record:
            name = field(record, "array", str, where)
            if name not in self._arrays:
                raise LoadError(f"{where}: the file has no array {shown(name)}.")
            if name not in self._shared:
                self._shared[name] = ConstValue(self._arrays[name])
            return self._shared[name]
        dtype = dtype_of(field(record, "dtype", str, where), where)
        shape = tuple(number(n, where, MAX_ELEMENTS)
                      for n in field(record, "shape", list, where))
        try:
            return ConstValue(_elements(record, dtype, shape, where))
        except (ValueError, GraphflowError) as error:
            if isinstance(error, LoadError):
                raise
            raise LoadError(f"{where}: the constant is damaged ({error}).") from error


def _elements(
    record: dict[str, Any], dtype: DType, shape: tuple[int, ...], where: str
) -> np.ndarray:
    """The array of a small constant: as many bytes or texts as its shape says."""
    if len(shape) > 64 or math.prod(shape) > INLINE_BYTES:
        raise LoadError(f"{where}: a constant of shape {shown(list(shape))} stands in the JSON.")
    if dtype.is_string:
        texts = [bytes.fromhex(as_kind(t, str, where))
                 for t in field(record, "texts", list, where)]
        array = np.empty(len(texts), object)
        array[:] = texts
        return array.reshape(shape)
    data = bytes.fromhex(field(record, "bytes", str, where))
    if dtype.is_bool and data.strip(b"\0\1"):
        raise LoadError(f"{where}: bools are 0 or 1.")
    if len(data) != math.prod(shape) * dtype.numpy.itemsize:
        raise LoadError(f"{where}: {len(data)} bytes for {dtype.name} {list(shape)}.")
    return np.frombuffer(data, dtype.numpy).reshape(shape)
