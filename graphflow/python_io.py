"""`tf.python_io`: TFRecord files, written and read in Python."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from graphflow.errors import DataLossError, NotFoundError
from graphflow.ops.readers import compression_name
from graphflow.wire import framed, records


class TFRecordCompressionType:
    """How a TFRecord file is packed."""

    NONE, ZLIB, GZIP = 0, 1, 2


class TFRecordOptions:
    """compression_type: "", "ZLIB", "GZIP", or one of `TFRecordCompressionType`.

    The other arguments are zlib's; only `compression_level` counts.
    """

    compression_type_map: ClassVar[dict[int, str]] = {0: "", 1: "ZLIB", 2: "GZIP"}

    def __init__(
        self, compression_type: Any = None, flush_mode: Any = None,
        input_buffer_size: int | None = None, output_buffer_size: int | None = None,
        window_bits: int | None = None, compression_level: int | None = None,
        compression_method: Any = None, mem_level: int | None = None,
        compression_strategy: Any = None,
    ) -> None:
        kind = compression_name(compression_type)
        if kind not in ("", "ZLIB", "GZIP"):
            raise ValueError(f'Not a valid compression_type: "{compression_type}"')
        self.compression_type, self.compression_level = kind, compression_level

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """"", "ZLIB" or "GZIP"."""
        return compression_name(options)


class TFRecordWriter:
    """Writes records (bytes) to a new file. Close it, or use it in a `with` block.

    Raises NotFoundError if the folder does not exist.
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        self._kind = compression_name(options)
        level = getattr(options, "compression_level", None)
        try:
            raw = open(os.fspath(path), "wb")  # noqa: SIM115  (closed by `close`)
        except FileNotFoundError as error:
            raise NotFoundError(None, None, f"{path}; No such file or directory") from error
        self._raw = raw
        self._packer = zlib.compressobj(-1 if level is None else level)
        self._stream: Any = gzip.GzipFile(
            fileobj=raw, mode="wb", compresslevel=9 if level is None else level
        ) if self._kind == "GZIP" else raw

    def write(self, record: bytes) -> None:
        """Appends one record. Raises TypeError for anything but bytes."""
        if not isinstance(record, (bytes, bytearray)):
            raise TypeError(f"TFRecordWriter.write takes bytes, got {record!r}. Write text "
                            "as text.encode(), an Example as example.SerializeToString().")
        data = framed(bytes(record))
        self._stream.write(self._packer.compress(data) if self._kind == "ZLIB" else data)

    def flush(self) -> None:
        """Hands what was written to the system."""
        self._stream.flush()

    def close(self) -> None:
        """Ends the file."""
        if not self._raw.closed:
            if self._kind == "ZLIB":
                self._raw.write(self._packer.flush())
            elif self._kind == "GZIP":
                self._stream.close()
            self._raw.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of a file, in order. Raises NotFoundError; DataLossError for damaged ones."""
    try:
        with open(os.fspath(path), "rb") as stream:
            content = stream.read()
    except FileNotFoundError as error:
        raise NotFoundError(None, None, f"{path}; No such file or directory") from error
    kind = compression_name(options)
    try:
        if kind:
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read() if kind == "GZIP" else (
                zlib.decompress(content))
        yield from records(content)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataLossError(None, None, f"{path}: {error}") from error


__all__ = ["TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "tf_record_iterator"]
