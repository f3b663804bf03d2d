"""What nodes carry, as plain data: attributes, types, sizes, arrays.

Numbers, texts and None stand for themselves; all else is a tuple whose first item says what it is.
A text that begins with `?` is the name of a size that nothing is known of, and of nothing else:
such names are others in each process. A value that no other process could make sense of (a Python
function, an open queue) has no plain form: `NotKept`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.dims import KnownDim, SymDim, polynomial
from graphflow.dims.polynomial import Atom
from graphflow.dtypes import DType, as_dtype
from graphflow.inference import TensorType
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

_ITSELF = frozenset({type(None), bool, int, float})


class NotKept(Exception):
    """Something has no plain form; the message says what."""


def plain(value: Any) -> Any:
    """The plain form of a value. Raises NotKept if there is none."""
    kind = type(value)
    if kind in _ITSELF:
        return value
    if kind is str:
        return ("text", "=" + value) if value[:1] == "?" else value
    if kind is tuple:
        return ("tuple", *map(plain, value))
    if kind is bytes:
        return ("bytes", value.hex())
    if kind is DType:
        return ("dtype", value.name)
    if kind is TensorShape:
        return ("shape", plain_shape(value))
    if kind is TensorType:
        return ("type", value.dtype.name, plain_shape(value.shape))
    if kind is KnownDim:
        return ("size", int(value))
    if kind is SymDim:
        return ("dim", plain_dim(value))
    if kind is list:
        return ("list", *map(plain, value))
    if kind is complex:
        return ("complex", value.real, value.imag)
    if isinstance(value, np.generic):
        return ("scalar", as_dtype(value.dtype).name, value.tobytes().hex())
    raise NotKept(f"a {kind.__name__}")


def restored(data: Any) -> Any:
    """The value that `plain` has written."""
    if type(data) is not tuple:
        return data
    kind, *items = data
    if kind == "tuple":
        return tuple(map(restored, items))
    if kind == "text":
        return items[0][1:]
    if kind == "bytes":
        return bytes.fromhex(items[0])
    if kind == "dtype":
        return as_dtype(items[0])
    if kind == "shape":
        return shape_from(items[0])
    if kind == "type":
        return TensorType(as_dtype(items[0]), shape_from(items[1]))
    if kind == "size":
        return KnownDim(items[0])
    if kind == "dim":
        return dim_from(items[0])
    if kind == "list":
        return list(map(restored, items))
    if kind == "complex":
        return complex(*items)
    if kind == "scalar":
        return np.frombuffer(bytes.fromhex(items[1]), as_dtype(items[0]).numpy)[0]
    raise ValueError(f"plain data of an unknown kind {kind!r}")


# ---- sizes --------------------------------------------------------------------------------------


def plain_shape(shape: TensorShape) -> tuple | None:
    """A shape's sizes, or None where the rank is not known."""
    return None if shape.rank is None else plain_dims(shape.sizes)


def shape_from(data: tuple | None) -> TensorShape:
    return UNKNOWN_SHAPE if data is None else TensorShape.of(dims_from(data))


def plain_dims(dims: Any) -> tuple:
    """Sizes: numbers, and tuples for those with symbols."""
    return tuple([plain_dim(d) for d in dims])


def dims_from(data: tuple) -> tuple:
    return tuple([d if type(d) is int else dim_from(d) for d in data])


def plain_dim(dim: Any) -> Any:
    """One size: a number, or the terms of its polynomial."""
    if not isinstance(dim, SymDim):
        return int(dim)
    return tuple([(tuple([(_plain_atom(atom), power) for atom, power in monomial]), coefficient)
                  for monomial, coefficient in dim.terms])


def dim_from(data: Any) -> Any:
    if type(data) is int:
        return data
    terms = tuple([
        (tuple([(_atom_from(atom), power) for atom, power in monomial]), coefficient)
        for monomial, coefficient in data])
    if len(terms) > 1 or len(terms[0][0]) > 1:  # names have changed, and with them the order
        terms = polynomial.canonical(polynomial.product(dict(terms), {(): 1}))
    return SymDim(terms)


def _plain_atom(atom: Atom) -> Any:
    return atom if isinstance(atom, str) else (atom[0], *map(plain_dim, atom[1:]))


def _atom_from(data: Any) -> Any:
    return data if isinstance(data, str) else (data[0], *map(dim_from, data[1:]))


# ---- arrays -------------------------------------------------------------------------------------


def plain_symbolic(value: np.ndarray | None) -> tuple | None:
    """What is known of a value: a shape, and numbers or sizes."""
    if value is None:
        return None
    items = value.ravel().tolist()
    return value.dtype == object, value.shape, plain_dims(items)


def symbolic_from(data: tuple | None) -> np.ndarray | None:
    if data is None:
        return None
    symbols, shape, items = data
    array = np.empty(len(items), object if symbols else np.int64)
    array[:] = dims_from(items)
    return array.reshape(shape)


def plain_array(array: np.ndarray) -> tuple:
    """An array with its content. Raises NotKept for one of Python objects."""
    if array.dtype == object:
        items = array.ravel().tolist()
        if any(type(item) is not bytes for item in items):
            raise NotKept("an array of Python objects")
        return "", array.shape, tuple(items)
    return as_dtype(array.dtype).name, array.shape, array.tobytes()


def array_from(data: tuple) -> np.ndarray:
    name, shape, content = data
    if name:
        return np.frombuffer(content, as_dtype(name).numpy).reshape(shape)
    array = np.empty(len(content), object)
    array[:] = content
    return array.reshape(shape)
