"""Element types: `DType`, its families, and the rules of conversion between them.

graphflow never promotes between tensors (TensorFlow 1's rule); Python numbers take the type of
the tensor beside them; feeds are cast only where no information of kind is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

from graphflow.dims import Dimension
from graphflow.errors import DTypeError


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """The element type of a tensor.

    Attributes:
      name: TensorFlow's name for the type, such as `"float32"`.
      numpy: the NumPy dtype that stores it (`object` for strings, holding `bytes`).
      kind: one of `bool`, `signed`, `unsigned`, `float`, `complex`, `string`.
    """

    name: str
    numpy: np.dtype
    kind: str
    enum: int = field(default=0)

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy scalar type, as in TensorFlow."""
        return self.numpy.type

    @property
    def base_dtype(self) -> DType:
        """The type itself: graphflow has no reference types."""
        return self

    @property
    def real_dtype(self) -> DType:
        """The type of the parts of a complex number; any other type itself."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    @property
    def as_datatype_enum(self) -> int:
        """TensorFlow's number for the type."""
        return self.enum

    @property
    def is_floating(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("signed", "unsigned")

    @property
    def is_unsigned(self) -> bool:
        return self.kind == "unsigned"

    @property
    def is_bool(self) -> bool:
        return self.kind == "bool"

    @property
    def is_complex(self) -> bool:
        return self.kind == "complex"

    @property
    def is_string(self) -> bool:
        return self.kind == "string"

    @property
    def is_differentiable(self) -> bool:
        """True for the types that gradients flow through: floats and complex numbers."""
        return self.kind in ("float", "complex")

    @property
    def size(self) -> int:
        """Bytes per element (strings: of the pointer)."""
        return self.numpy.itemsize

    @property
    def min(self) -> Any:
        """The smallest finite value. Raises TypeError for complex and string types."""
        return self._limit("min")

    @property
    def max(self) -> Any:
        """The largest finite value. Raises TypeError for complex and string types."""
        return self._limit("max")

    def _limit(self, which: str) -> Any:
        if self.is_bool:
            return which == "max"
        if self.is_integer:
            return getattr(np.iinfo(self.numpy), which)
        if self.is_floating:
            return getattr(ml_dtypes.finfo(self.numpy), which)
        raise DTypeError(f"{self.name} has no {which}imum.")

    @property
    def limits(self) -> tuple[Any, Any]:
        """(min, max)."""
        return self.min, self.max

    def is_compatible_with(self, other: Any) -> bool:
        """True if `other` names the same type."""
        return as_dtype(other) is self

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if isinstance(other, DType):
            return self is other
        try:
            return as_dtype(other) is self
        except TypeError:
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"gf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"

    def __reduce__(self) -> tuple:
        return as_dtype, (self.name,)


float16 = DType("float16", np.dtype(np.float16), "float", 19)
bfloat16 = DType("bfloat16", np.dtype(ml_dtypes.bfloat16), "float", 14)
float32 = DType("float32", np.dtype(np.float32), "float", 1)
float64 = DType("float64", np.dtype(np.float64), "float", 2)
int8 = DType("int8", np.dtype(np.int8), "signed", 6)
int16 = DType("int16", np.dtype(np.int16), "signed", 5)
int32 = DType("int32", np.dtype(np.int32), "signed", 3)
int64 = DType("int64", np.dtype(np.int64), "signed", 9)
uint8 = DType("uint8", np.dtype(np.uint8), "unsigned", 4)
uint16 = DType("uint16", np.dtype(np.uint16), "unsigned", 17)
uint32 = DType("uint32", np.dtype(np.uint32), "unsigned", 22)
uint64 = DType("uint64", np.dtype(np.uint64), "unsigned", 23)
bool_ = DType("bool", np.dtype(np.bool_), "bool", 10)
complex64 = DType("complex64", np.dtype(np.complex64), "complex", 8)
complex128 = DType("complex128", np.dtype(np.complex128), "complex", 18)
string = DType("string", np.dtype(object), "string", 7)

half, double = float16, float64

FLOATS = (float32, float64, float16, bfloat16)
COMPLEX = (complex64, complex128)
SIGNED = (int32, int64, int8, int16)
UNSIGNED = (uint8, uint16, uint32, uint64)
INTEGERS = SIGNED + UNSIGNED
INDICES = (int32, int64)
BOOL = (bool_,)
REALS = FLOATS + INTEGERS
INEXACT = FLOATS + COMPLEX
NUMBERS = FLOATS + COMPLEX + INTEGERS
FIXED_SIZE = NUMBERS + BOOL
ALL = FIXED_SIZE + (string,)

_BY_NAME = {d.name: d for d in ALL} | {"half": float16, "double": float64, "float": float32}
_BY_NUMPY = {d.numpy: d for d in FIXED_SIZE}
_BY_ENUM = {d.enum: d for d in ALL}
_BY_PYTHON = {bool: bool_, int: int32, float: float32, complex: complex128, str: string,
              bytes: string, object: string}


def as_dtype(type_value: Any) -> DType:
    """The `DType` for a DType, a NumPy dtype or scalar type, a Python type, or a name.

    Raises DTypeError (a TypeError) if there is none.
    """
    if isinstance(type_value, DType):
        return type_value
    if isinstance(type_value, str) and type_value in _BY_NAME:
        return _BY_NAME[type_value]
    if isinstance(type_value, int) and not isinstance(type_value, bool) and type_value in _BY_ENUM:
        return _BY_ENUM[type_value]
    if isinstance(type_value, type) and type_value in _BY_PYTHON:
        return _BY_PYTHON[type_value]
    try:
        dtype = np.dtype(type_value)
    except TypeError:
        dtype = None
    if dtype is not None and type_value is not None:
        if dtype.kind in "SUO":
            return string
        native = dtype.newbyteorder("=")
        if native in _BY_NUMPY:
            return _BY_NUMPY[native]
    known = sorted(d.name for d in ALL)
    import difflib

    near = difflib.get_close_matches(type_value, known, 1) if isinstance(type_value, str) else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DTypeError(
        f"Cannot convert {type_value!r} to a DType.{hint} Known types: {', '.join(known)}.")


def can_feed(source: DType, target: DType) -> bool:
    """True if a feed of `source` may be cast silently to `target`, as TensorFlow 1 does.

    Widening and narrowing within a kind, and from a simpler kind (bool → integer → float →
    complex), are allowed, and real numbers as bools (those other than 0 are True); dropping a
    fraction, an imaginary part, or parsing text is not.
    """
    order = {"bool": 0, "unsigned": 1, "signed": 1, "float": 2, "complex": 3}
    if source is target:
        return True
    if target.is_bool:
        return source in REALS
    if source.kind not in order or target.kind not in order:
        return False
    return order[source.kind] <= order[target.kind]


def array_dtype(array: np.ndarray) -> DType:
    """The `DType` of a NumPy array. Raises DTypeError for types such as datetime64."""
    return as_dtype(array.dtype)


def to_array(value: Any, dtype: DType | None = None) -> np.ndarray:
    """`value` (number, string, nested list, array) as a NumPy array of `dtype`.

    Without `dtype`, TensorFlow's rule: Python floats are float32, Python integers int32 (int64 if
    they do not fit), NumPy arrays keep their type. Bools count as numbers; a NumPy array (but no
    Python value) may hold whole floats for integers, and numbers for bools. Raises DTypeError for
    ragged lists and for values that `dtype` cannot hold: a Python float, a fraction or an overflow
    in an integer type, text in a number type, an imaginary part in a real type.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        natural = array_dtype(array)
    else:
        array = _from_python(value, dtype)
        natural = _python_dtype(array)
    target = dtype or natural
    if target.is_string:
        return _to_bytes(array)
    if natural.is_string:
        raise DTypeError(f"Cannot convert {_short(value)} to {target.name}: it holds text.")
    if array.size == 0 or array.dtype == target.numpy:
        return np.asarray(array, target.numpy)
    _check_fits(array, natural, target, value)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(target.numpy)


def _from_python(value: Any, dtype: DType | None) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise DTypeError(
            f"Cannot convert {_short(value)} to a tensor: nested lists must all have the same "
            "lengths."
        ) from None
    if array.dtype == object and (dtype is None or not dtype.is_string):
        flat = array.ravel()
        if not all(isinstance(v, (str, bytes)) for v in flat):
            raise DTypeError(f"Cannot convert {_short(value)} to a tensor: {_culprit(flat)}")
    if array.dtype.kind in "SU":
        if isinstance(value, (list, tuple)):
            _require_text(value)
        array = np.array(value, object)  # NumPy's text of one width loses NULs at the end
    return array


def _culprit(values: np.ndarray) -> str:
    """What among `values` cannot be an element of a tensor."""
    plain = (str, bytes, bool, int, float, complex, np.generic)
    bad = next((v for v in values if not isinstance(v, plain)), values[0])
    if isinstance(bad, Dimension):
        return (f"the size {bad} is not known until the graph runs. Use gf.shape(x)[axis], which "
                "is a tensor.")
    return f"it holds {type(bad).__name__} {_short(bad)}."


def _require_text(value: list | tuple) -> None:
    """Raises DTypeError unless a nested list holds only text (NumPy turns its numbers to text)."""
    pending = list(value)
    while pending:
        item = pending.pop()
        if isinstance(item, (list, tuple)):
            pending.extend(item)
        elif not isinstance(item, (str, bytes)) and np.asarray(item).dtype.kind not in "SUO":
            raise DTypeError(
                f"Cannot convert {_short(value)} to a tensor: it holds text and "
                f"{type(item).__name__} {_short(item)}."
            )


def _python_dtype(array: np.ndarray) -> DType:
    """TensorFlow's type for what was a Python number or list."""
    natural = array_dtype(array)
    if natural is float64:
        return float32
    if natural is int64:
        limits = np.iinfo(np.int32)
        fits = array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max)
        return int32 if fits else int64
    return natural


def _check_fits(array: np.ndarray, natural: DType, target: DType, value: Any) -> None:
    problem = ""
    from_python = not isinstance(value, (np.ndarray, np.generic))
    if natural.is_complex and not target.is_complex:
        problem = "it has an imaginary part"
    elif target.is_bool and from_python and not natural.is_bool:
        problem = "it is not a bool"
    elif target.is_integer and natural.is_floating and not _is_whole(array):
        problem = "it has a fraction"
    elif target.is_integer and natural.is_floating and from_python:
        problem = "it is a float"
    if not problem and target.is_integer and not natural.is_bool:
        low, high = target.limits
        if array.min() < low or array.max() > high:
            problem = f"it is outside [{low}, {high}]"
    if problem:
        raise DTypeError(
            f"Cannot convert {_short(value)} of type {natural.name} to {target.name}: {problem}."
        )


def _is_whole(array: np.ndarray) -> bool:
    wide = np.asarray(array, np.float64)
    return bool(np.all(wide == np.trunc(wide)))


def _to_bytes(array: np.ndarray) -> np.ndarray:
    out = np.empty(array.shape, object)
    for index, item in np.ndenumerate(array):
        if not isinstance(item, (str, bytes)):
            raise DTypeError(f"Cannot convert {_short(item)} to a string tensor; use str(...).")
        out[index] = item.encode() if isinstance(item, str) else bytes(item)
    return out


def _short(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."
