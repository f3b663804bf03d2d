"""The arrays of a file: the safetensors format, checked byte range by byte range.

Every range must lie inside the data, be exactly as long as type and shape say, and follow the one
before it without a gap, so that no array reads what belongs to another one or to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphflow.errors import DataLossError, LoadError
from graphflow.export.archive import WEIGHTS
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field, number, only_keys, shown
from graphflow.export.sizes import MAX_ELEMENTS
from graphflow.export.strict_json import from_json
from graphflow.shapes import MOST_AXES
from graphflow.storage import STORED_TYPES, logical_tensors, pack_tensors

Arrays = dict[str, np.ndarray]


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The member of an archive that holds `arrays`."""
    return pack_tensors(dict(sorted(arrays.items())))


def unpack_arrays(data: bytes, limits: LoadLimits) -> Arrays:
    """The arrays of a member; they may be views of `data`, so they are not to be written.

    Raises LoadError.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise LoadError(f"{WEIGHTS}: it is cut short.")
    header = as_kind(from_json(data[8:8 + length], WEIGHTS, limits), dict, WEIGHTS)
    metadata = field(header, "__metadata__", dict, WEIGHTS, {})
    for value in metadata.values():
        as_kind(value, str, f"{WEIGHTS}: metadata")
    content = memoryview(data)[8 + length:]
    places = {name: _place(name, entry) for name, entry in header.items()
              if name != "__metadata__"}
    _check_ranges(places, len(content))
    stored = {name: _array(name, content[start:end], dtype, shape)
              for name, (dtype, shape, start, end) in places.items()}
    try:
        return logical_tensors(stored, dict(metadata), WEIGHTS)[0]
    except DataLossError as error:
        raise LoadError(str(error)) from error


Place = tuple[np.dtype, tuple[int, ...], int, int]


def _place(name: str, entry: Any) -> Place:
    where = f"{WEIGHTS}: {shown(name)}"
    record = as_kind(entry, dict, where)
    only_keys(record, ("dtype", "shape", "data_offsets"), where)
    dtype = STORED_TYPES.get(field(record, "dtype", str, where))
    if dtype is None:
        raise LoadError(f"{where}: graphflow does not write arrays of {shown(record['dtype'])}.")
    shape = tuple(number(n, where, MAX_ELEMENTS) for n in field(record, "shape", list, where))
    offsets = [number(n, where, 2**63) for n in field(record, "data_offsets", list, where)]
    if len(offsets) != 2 or len(shape) > MOST_AXES:
        raise LoadError(f"{where}: {shown(entry)} names no array.")
    if math.prod(shape) * dtype.itemsize != offsets[1] - offsets[0]:
        raise LoadError(f"{where}: {offsets[1] - offsets[0]} bytes for {dtype.name} "
                        f"{shown(list(shape))}.")
    return dtype, shape, offsets[0], offsets[1]


def _check_ranges(places: Mapping[str, Place], size: int) -> None:
    expected = 0
    for name, (_, _, start, end) in sorted(places.items(), key=lambda p: (p[1][2], p[1][3])):
        if start != expected:
            raise LoadError(f"{WEIGHTS}: {shown(name)} does not begin where the array before it "
                            "ends.")
        expected = end
    if expected != size:
        raise LoadError(f"{WEIGHTS}: {size} bytes of data, the arrays take {expected}.")


def _array(name: str, data: memoryview, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    array = np.frombuffer(data, dtype).reshape(shape)
    if dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise LoadError(f"{WEIGHTS}: {shown(name)} has bools that are neither 0 nor 1.")
    return array
