"""Datasets from the lines or records of files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphflow.data.pipeline.dataset import Dataset, Values, _given
from graphflow.data.pipeline.elements import Spec
from graphflow.dtypes import as_dtype
from graphflow.errors import DataLossError, NotFoundError
from graphflow.shapes import TensorShape

_STRING = Spec(as_dtype("string"), TensorShape([]))


class _Files(Dataset):
    """Strings, read from files one after the other."""

    def __init__(self, filenames: Any, read: Callable[[bytes], Iterator[bytes]],
                 compression_type: str | None) -> None:
        _, sources, names_of = _given(filenames)

        def elements(values: Values) -> Iterator[list[Any]]:
            for name in np.ravel(names_of(values)[0]):
                path = name.decode() if isinstance(name, bytes) else str(name)
                for record in read(_content(path, compression_type)):
                    yield [np.array(record, object)]

        super().__init__(_STRING, sources, elements)


def _content(path: str, compression: str | None) -> bytes:
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError as error:
        raise NotFoundError(None, None, f"{path}; No such file or directory") from error
    if compression == "ZLIB":
        return zlib.decompress(content)
    return gzip.decompress(content) if compression == "GZIP" else content


class TextLineDataset(_Files):
    """The lines of text files, without their ends."""

    def __init__(self, filenames: Any, compression_type: str | None = None,
                 buffer_size: int | None = None) -> None:
        super().__init__(filenames, lambda content: iter(content.splitlines()), compression_type)


class FixedLengthRecordDataset(_Files):
    """Records of `record_bytes` bytes, between a header and a footer."""

    def __init__(
        self, filenames: Any, record_bytes: int, header_bytes: int | None = None,
        footer_bytes: int | None = None, buffer_size: int | None = None,
        compression_type: str | None = None,
    ) -> None:
        def read(content: bytes) -> Iterator[bytes]:
            end = len(content) - (footer_bytes or 0)
            return (content[at:at + record_bytes] for at in range(
                header_bytes or 0, end - record_bytes + 1, record_bytes))

        super().__init__(filenames, read, compression_type)


class TFRecordDataset(_Files):
    """The records of TFRecord files. Raises DataLossError for damaged ones."""

    def __init__(self, filenames: Any, compression_type: str | None = None,
                 buffer_size: int | None = None, num_parallel_reads: int | None = None) -> None:
        def read(content: bytes) -> Iterator[bytes]:
            from graphflow.wire import records

            try:
                yield from records(content)
            except ValueError as error:
                raise DataLossError(None, None, str(error)) from error

        super().__init__(filenames, read, compression_type)
