"""Whole files as operations: `read_file`, `write_file`, `matching_files`. Steps in Python."""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, current, op_function
from graphflow.dims import fresh
from graphflow.errors import (
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ShapeError,
    UnknownError,
)
from graphflow.lowering import Host
from graphflow.opdef import ErrorSample, Infer, NotDifferentiable, RunError, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.shapes import SCALAR, TensorShape

if TYPE_CHECKING:
    from pathlib import Path

_STRINGS = NotDifferentiable("strings have no gradient")
_ERRORS: tuple[tuple[type[OSError], type[Exception]], ...] = (
    (FileNotFoundError, NotFoundError), (PermissionError, PermissionDeniedError),
    (IsADirectoryError, InvalidArgumentError))


def _path(name: np.ndarray) -> Path:
    from pathlib import Path

    return Path(os.fsdecode(name.item()))


def _failed(error: OSError, path: Path) -> RunError:
    kind = next((mapped for raised, mapped in _ERRORS if isinstance(error, raised)), UnknownError)
    return RunError(kind, f"{path}: {error.strerror or error}")


def _read(filename: np.ndarray) -> np.ndarray:
    path = _path(filename)
    try:
        return np.array(path.read_bytes(), object)
    except OSError as error:
        raise _failed(error, path) from error


def _write(filename: np.ndarray, contents: np.ndarray) -> tuple[()]:
    path = _path(filename)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.item())
    except OSError as error:
        raise _failed(error, path) from error
    return ()


def _matching(pattern: np.ndarray) -> np.ndarray:
    found = {os.fsencode(path) for p in pattern.ravel() for path in glob.glob(os.fsdecode(p))}
    return np.array([*sorted(found), None], object)[:-1]


def _of_scalars(*types: TensorType) -> Any:
    def infer(c: Infer) -> list[TensorType]:
        for i in range(len(c.types)):
            c.require_rank(i, 0)
        return list(types)

    return infer


def _vector_error() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.string, 2),), {}, ShapeError, "filename must have rank 0")]


# What a file holds may change between runs, so reads are steps of their own, in order.
READ_FILE = declare(
    "ReadFile", "filename: string", infer=_of_scalars(TensorType(dt.string, SCALAR)),
    reference=_read, grad=_STRINGS, lowering=Host(effect=True, reaches_out=True),
    errors=_vector_error)

WRITE_FILE = declare(
    "WriteFile", "filename: string, contents: string", infer=_of_scalars(), reference=_write,
    grad=_STRINGS, lowering=Host(effect=True, reaches_out=True))

MATCHING_FILES = declare(
    "MatchingFiles", "pattern: string",
    infer=lambda c: [TensorType(dt.string, TensorShape.of((fresh(),)))], reference=_matching,
    grad=_STRINGS, lowering=Host(effect=True, reaches_out=True))


@op_function
def read_file(filename: Any, name: str | None = None) -> Any:
    """The bytes of a file as a string scalar.

    filename: string scalar. Raises NotFoundError or PermissionDeniedError at run time.
    """
    return apply(READ_FILE, (filename,), name=name)


@op_function
def write_file(filename: Any, contents: Any, name: str | None = None) -> Any:
    """An operation that writes a string scalar to a file, and makes folders that are missing.

    Raises PermissionDeniedError, or what else the system says, at run time.
    """
    graph: Any = current()
    inputs = (convert(filename), convert(contents))
    return graph.add_operation(WRITE_FILE, inputs, {}, name)


@op_function
def matching_files(pattern: Any, name: str | None = None) -> Any:
    """The names of the files that match glob patterns: a string vector, sorted.

    pattern: a string or a vector of them, with `*`, `?` and `[…]`.
    """
    return apply(MATCHING_FILES, (pattern,), name=name)
