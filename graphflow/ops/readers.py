"""Readers: they take names of files from a queue and give records. Steps in Python.

A reader belongs to the session that runs it. `read` gives (key, value); when a file is through it
takes the next name from the queue, and ends with the queue (OutOfRangeError).
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, current
from graphflow.dims import fresh
from graphflow.errors import (
    DataLossError,
    InvalidArgumentError,
    NotFoundError,
    UnimplementedError,
)
from graphflow.opdef import Attr, Infer, NotDifferentiable, RunError, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.host_state import current_host_state
from graphflow.ops.queues import STEP, QueueSpec
from graphflow.shapes import SCALAR, TensorShape
from graphflow.tensor import Operation, Tensor
from graphflow.wire import records

_STRINGS = NotDifferentiable("strings have no gradient")
Record = tuple[bytes, bytes]


@dataclass(frozen=True, eq=False)
class ReaderSpec:
    """What a reader's operations share; equal by identity.

    records: (key and value of each record) of the file of that name.
    """

    kind: str
    records: Callable[[bytes], Iterator[Record]]

    def state(self) -> _ReaderState:
        """The reader of the session that runs."""
        found: _ReaderState = current_host_state().kept(self, lambda: _ReaderState(self.records))
        return found

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class _ReaderState:
    """Where a reader stands."""

    def __init__(self, records: Callable[[bytes], Iterator[Record]]) -> None:
        self._records, self._lock = records, threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._current: Iterator[Record] | None = None
        self.produced = self.completed = 0

    def next(self, queue: QueueSpec, wait: bool = True) -> Record | None:
        """The next record; without `wait`, None where the file is through."""
        while True:
            if self._current is None:
                if not wait:
                    return None
                [(name,)] = queue.state().take(1)
                self._current = self._records(name.item())
            record = next(self._current, None)
            if record is not None:
                self.produced += 1
                return record
            self._current = None
            self.completed += 1

    def read(self, queue: QueueSpec, count: int) -> list[Record]:
        """At least one record, and at most `count`, from one file on."""
        with self._lock:
            first = self.next(queue)
            found = [] if first is None else [first]
            while len(found) < count and (record := self.next(queue, wait=False)):
                found.append(record)
            return found


def _content(name: bytes) -> bytes:
    try:
        with open(name, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise RunError(NotFoundError, f"{name.decode(errors='replace')}; {error.strerror}"
                       ) from error


def _whole(name: bytes) -> Iterator[Record]:
    yield name, _content(name)


def _itself(name: bytes) -> Iterator[Record]:
    yield name, name


def _lines(skip: int) -> Callable[[bytes], Iterator[Record]]:
    def read(name: bytes) -> Iterator[Record]:
        for number, line in enumerate(_content(name).splitlines(), 1):
            if number > skip:
                yield name + b":%d" % number, line

    return read


def _fixed(size: int, header: int, footer: int, hop: int) -> Callable[[bytes], Iterator[Record]]:
    def read(name: bytes) -> Iterator[Record]:
        content = _content(name)
        starts = range(header, len(content) - footer - size + 1, hop)
        for number, at in enumerate(starts):
            yield name + b":%d" % number, content[at:at + size]

    return read


def _gunzip(content: bytes) -> bytes:
    import gzip

    return gzip.decompress(content)


_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content, "GZIP": _gunzip, "ZLIB": zlib.decompress}


def _tf_records(compression: str) -> Callable[[bytes], Iterator[Record]]:
    def read(name: bytes) -> Iterator[Record]:
        at = 0
        try:
            for record in records(_DECOMPRESS[compression](_content(name))):
                yield name + b":%d" % at, record
                at += 16 + len(record)
        except (ValueError, OSError, zlib.error) as error:
            raise RunError(DataLossError, f"{name.decode(errors='replace')}: {error}") from error

    return read


# ---- the operations -----------------------------------------------------------------------------


def _strings(values: list[bytes]) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _read(reader: ReaderSpec, queue: QueueSpec) -> Any:
    [(key, value)] = reader.state().read(queue, 1)
    return np.array(key, object), np.array(value, object)


def _read_up_to(num_records: np.ndarray, reader: ReaderSpec, queue: QueueSpec) -> Any:
    count = int(num_records)
    if count < 1:
        raise RunError(InvalidArgumentError, f"num_records must be above 0, got {count}")
    found = reader.state().read(queue, count)
    return _strings([key for key, _ in found]), _strings([value for _, value in found])


def _vectors(c: Infer) -> list[TensorType]:
    size = fresh()
    return [TensorType(dt.string, TensorShape.of((size,)))] * 2


_PLACES = {"reader": Attr("object"), "queue": Attr("object")}

READER_READ = declare(
    "ReaderReadV2", "", attrs=_PLACES, infer=lambda c: [TensorType(dt.string, SCALAR)] * 2,
    reference=_read, grad=_STRINGS, lowering=STEP)

READER_READ_UP_TO = declare(
    "ReaderReadUpToV2", "num_records: int64", attrs=_PLACES, infer=_vectors,
    reference=_read_up_to, grad=_STRINGS, lowering=STEP)


def _count(reader: ReaderSpec, which: str) -> np.int64:
    return np.int64(getattr(reader.state(), which))


READER_COUNT = declare(
    "ReaderNumRecordsProducedV2", "", infer=lambda c: [TensorType(dt.int64, SCALAR)],
    attrs={"reader": Attr("object"), "which": Attr("str", choices=("produced", "completed"))},
    reference=_count, grad=_STRINGS, lowering=STEP)


def _reset(reader: ReaderSpec) -> tuple[()]:
    reader.state().reset()
    return ()


READER_RESET = declare(
    "ReaderResetV2", "", attrs={"reader": Attr("object")}, infer=lambda c: [], reference=_reset,
    grad=_STRINGS, lowering=STEP)


# ---- public -------------------------------------------------------------------------------------


class ReaderBase:
    """What all readers share. Make a `TextLineReader` or one of its relatives."""

    supports_serialize = False

    def __init__(self, records: Callable[[bytes], Iterator[Record]]) -> None:
        self._spec = ReaderSpec(type(self).__name__, records)

    @property
    def reader_ref(self) -> ReaderSpec:
        """What stands for the reader."""
        return self._spec

    def _attrs(self, queue: Any) -> dict[str, Any]:
        return {"reader": self._spec, "queue": getattr(queue, "queue_ref", queue)}

    def read(self, queue: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
        """(key, value) of the next record: strings []. queue: of the files' names."""
        key, value = apply(READER_READ, (), self._attrs(queue), name=name or "ReaderReadV2")
        return key, value

    def read_up_to(
        self, queue: Any, num_records: Any, name: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """(keys, values) of the next records, at most `num_records` and at least one: strings [n].
        """
        keys, values = apply(READER_READ_UP_TO, (num_records,), self._attrs(queue), name=name)
        return keys, values

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many records it has given. → int64 []."""
        found: Tensor = apply(
            READER_COUNT, (), {"reader": self._spec, "which": "produced"}, name=name)
        return found

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many files it is through with. → int64 []."""
        found: Tensor = apply(
            READER_COUNT, (), {"reader": self._spec, "which": "completed"}, name=name)
        return found

    def reset(self, name: str | None = None) -> Operation:
        """An operation that begins anew with the queue's next file."""
        graph: Any = current()
        operation: Operation = graph.add_operation(
            READER_RESET, (), {"reader": self._spec}, name)
        return operation

    def serialize_state(self, name: str | None = None) -> Tensor:
        """Raises UnimplementedError, as TensorFlow's readers do."""
        raise UnimplementedError(None, None, f"{self._spec!r}: Reader state is not saved.")

    restore_state = serialize_state


class WholeFileReader(ReaderBase):
    """(name, content) of each file."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(_whole)


class IdentityReader(ReaderBase):
    """(name, name) of each entry of the queue."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(_itself)


class TextLineReader(ReaderBase):
    """("file:number", line without its end), from line `skip_header_lines` + 1 on."""

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        super().__init__(_lines(skip_header_lines or 0))


class FixedLengthRecordReader(ReaderBase):
    """("file:number", `record_bytes` bytes), one each `hop_bytes`, between header and footer."""

    def __init__(
        self, record_bytes: int, header_bytes: int | None = None, footer_bytes: int | None = None,
        hop_bytes: int | None = None, name: str | None = None, encoding: str | None = None,
    ) -> None:
        if encoding not in (None, ""):
            raise UnimplementedError(None, None, f"FixedLengthRecordReader: encoding {encoding!r} "
                                                 "is not supported. Unpack the file before.")
        super().__init__(_fixed(int(record_bytes), header_bytes or 0, footer_bytes or 0,
                                hop_bytes or int(record_bytes)))


class TFRecordReader(ReaderBase):
    """("file:position", record) of TFRecord files. options: their `TFRecordOptions`."""

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        super().__init__(_tf_records(compression_name(options)))


def compression_name(options: Any) -> str:
    """"", "GZIP" or "ZLIB": what `TFRecordOptions` (or one of its values) asks for."""
    kind = getattr(options, "compression_type", options)
    return {None: "", 0: "", 1: "ZLIB", 2: "GZIP"}.get(kind, kind)
