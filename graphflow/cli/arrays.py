"""Arrays in files, as the command line takes and gives them: .npz, .npy and .csv."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from graphflow.storage import write_atomic
from graphflow.tensor import Tensor

KINDS = (".npz", ".npy", ".csv")


def read_inputs(given: Sequence[str], inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Arrays by the names of inputs.

    given: `NAME=FILE`, or `FILE`: an .npz with arrays of these names, or a file for the only
      input.
    Raises ClickException for files that cannot be read or do not fit.
    """
    found: dict[str, np.ndarray] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if equals and not os.path.exists(text):
            if name not in inputs:
                raise click.ClickException(f"There is no input {name!r}; {_those(inputs)}.")
            found[name] = _read_one(path, name, inputs[name])
        elif Path(text).suffix.lower() == ".npz":
            found |= _read_all(text, inputs)
        elif len(inputs) == 1:
            name = next(iter(inputs))
            found[name] = _read_one(text, name, inputs[name])
        else:
            raise click.ClickException(
                f"{text}: for which input? Write --input NAME={text}; {_those(inputs)}.")
    return found


def _those(inputs: Mapping[str, Tensor]) -> str:
    return f"inputs are {', '.join(map(repr, inputs))}" if inputs else "there are no inputs"


def _read_all(path: str, inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    with _numpy_file(path) as arrays:
        unknown = sorted(set(arrays.files) - inputs.keys())
        if unknown:
            raise click.ClickException(
                f"{path}: {', '.join(map(repr, unknown))} is no input; {_those(inputs)}.")
        return {name: _numbers(path, arrays, name) for name in arrays.files}


def _read_one(path: str, name: str, tensor: Tensor) -> np.ndarray:
    kind = Path(path).suffix.lower()
    if kind == ".csv":
        return _read_csv(path, name, tensor)
    if kind == ".npy":
        return np.asarray(_numpy_file(path))
    if kind == ".npz":
        with _numpy_file(path) as arrays:
            if name not in arrays.files and len(arrays.files) != 1:
                raise click.ClickException(
                    f"{path}: it has no array {name!r}, but {', '.join(arrays.files)}.")
            return _numbers(path, arrays, name if name in arrays.files else arrays.files[0])
    raise click.ClickException(f"{path}: files of inputs end in {', '.join(KINDS)}.")


def _numpy_file(path: str) -> Any:
    with open(path, "rb") as file:
        if not file.read(6).startswith((b"\x93NUMPY", b"PK")):
            raise click.ClickException(f"{path}: it is no file of NumPy arrays.")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise click.ClickException(f"{path}: it is no file of NumPy arrays ({error}).") from None


def _numbers(path: str, arrays: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(arrays[name])
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise click.ClickException(f"{path}: the array {name!r} cannot be read ({error}).") from (
            None)


def _read_csv(path: str, name: str, tensor: Tensor) -> np.ndarray:
    """A table of numbers, with or without a row of titles; its columns are the last axis."""
    kind = tensor.dtype.numpy
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if line.strip()]
    titled = bool(lines) and not _is_number(lines[0].split(",")[0])
    if len(lines) == titled:
        raise click.ClickException(f"{path}: it has no row of numbers.")
    try:
        found = np.loadtxt(lines[titled:], kind, delimiter=",", ndmin=2, comments=None)
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}.") from None
    sizes = tensor.shape.as_list() if tensor.shape.rank is not None else [None, None]
    if len(sizes) == 2:
        return found
    if len(sizes) < 2 and found.shape[1] == 1:
        return found[:, 0] if sizes else found[0, 0]
    wanted = tuple(-1 if n is None else n for n in sizes)
    if wanted.count(-1) > 1 or len(sizes) < 2:
        raise click.ClickException(
            f"{path}: a table of {found.shape[0]} rows and {found.shape[1]} columns does not fit "
            f"{name!r}, {tensor.shape}. Use .npy.")
    try:
        return found.reshape(wanted)
    except ValueError:
        raise click.ClickException(
            f"{path}: {found.size} numbers do not fill {name!r}, {tensor.shape}.") from None


def _is_number(text: str) -> bool:
    try:
        complex(text.strip())
    except ValueError:
        return False
    return True


def write_outputs(path: Path, outputs: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a whole: all of them to .npz, the only one to .npy or .csv.

    Raises ClickException if they do not go into such a file.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise click.ClickException(f"{path}: files of outputs end in {', '.join(KINDS)}.")
    if kind == ".npz":
        write_atomic(path, lambda file: np.savez(file, **outputs))  # type: ignore[arg-type]
        return
    if len(outputs) != 1:
        raise click.ClickException(
            f"{path}: {len(outputs)} outputs ({', '.join(outputs)}) go to an .npz file, or choose "
            "one with --select.")
    (name, array), = outputs.items()
    if kind == ".npy":
        write_atomic(path, lambda file: np.save(file, array, allow_pickle=False))
        return
    if array.ndim > 2 or array.dtype.kind not in "biuf":
        raise click.ClickException(
            f"{path}: {name!r} is {array.dtype} {list(array.shape)}; tables hold one or two axes "
            "of numbers. Use .npy.")
    form = "%.9g" if array.dtype.kind == "f" else "%d"
    rows = array.reshape(-1, 1) if array.ndim < 2 else array
    write_atomic(path, lambda file: np.savetxt(file, rows, form, delimiter=","))
