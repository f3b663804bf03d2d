"""`Summary` and `HistogramProto`: what an event tells, to and from bytes.

The field numbers are those of TensorFlow's core/framework/summary.proto.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from graphflow import wire


@dataclass(slots=True)
class HistogramProto:
    """Counts between limits: bucket i holds what is ≤ bucket_limit[i] and above the one before."""

    min: float = 0.0
    max: float = 0.0
    num: float = 0.0
    sum: float = 0.0
    sum_squares: float = 0.0
    bucket_limit: list[float] = field(default_factory=list)
    bucket: list[float] = field(default_factory=list)

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        heads = (self.min, self.max, self.num, self.sum, self.sum_squares)
        return b"".join(wire.double(k, v) for k, v in enumerate(heads, 1)) + (
            wire.doubles(6, self.bucket_limit) + wire.doubles(7, self.bucket))


@dataclass(slots=True)
class Value:
    """One value of a summary: a tag and a number, a histogram, an image or another message.

    image: (height, width, channels, PNG). Others are kept as (field number, bytes).
    """

    tag: str = ""
    simple_value: float | None = None
    histo: HistogramProto | None = None
    image: Any = None
    other: tuple[tuple[int, bytes], ...] = ()

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        out = wire.message(1, self.tag.encode())
        if self.simple_value is not None:
            out += wire.single(2, self.simple_value)
        if self.image is not None:
            out += wire.message(4, self.image.SerializeToString())
        if self.histo is not None:
            out += wire.message(5, self.histo.SerializeToString())
        return out + b"".join(wire.message(k, v) for k, v in self.other)


@dataclass(slots=True)
class Image:
    """A picture: its sizes, its channels (1, 3 or 4), and its PNG file."""

    height: int = 0
    width: int = 0
    colorspace: int = 0
    encoded_image_string: bytes = b""

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        sizes = (self.height, self.width, self.colorspace)
        return b"".join(wire.integer(k, v) for k, v in enumerate(sizes, 1)) + (
            wire.message(4, self.encoded_image_string))


class _Values(list):
    def add(self, **arguments: Any) -> Value:
        """Appends a Value and gives it."""
        self.append(Value(**arguments))
        return self[-1]


class Summary:
    """A list of values, in the form of `tf.Summary`: `Summary(value=[Summary.Value(…)])`."""

    Value: ClassVar = Value
    Image: ClassVar = Image

    def __init__(self, value: Iterable[Any] = ()) -> None:
        self.value = _Values(value)

    def SerializeToString(self) -> bytes:
        """The bytes of the message."""
        return b"".join(wire.message(1, v.SerializeToString()) for v in self.value)

    def ParseFromString(self, serialized: bytes) -> int:
        """Reads bytes; of histograms and pictures they stay bytes. Gives their number."""
        self.value = _Values(_value(data) for number, data in wire.fields(serialized)
                             if number == 1)
        return len(serialized)

    @classmethod
    def FromString(cls, serialized: bytes) -> Summary:
        """A Summary from its bytes."""
        out = cls()
        out.ParseFromString(serialized)
        return out


def _value(data: bytes) -> Value:
    found = Value()
    for number, content in wire.fields(data):
        if number == 1:
            found.tag = content.decode()
        elif number == 2:
            found.simple_value = content
        elif isinstance(content, bytes):
            found.other = (*found.other, (number, content))
    return found


def _limits() -> np.ndarray:
    """TensorFlow's limits of buckets (core/lib/histogram): each 1.1 times the one before."""
    positive = [1e-12]
    while positive[-1] * 1.1 < 1e20:
        positive.append(positive[-1] * 1.1)
    positive.append(np.finfo(np.float64).max)
    return np.array([*(-v for v in reversed(positive)), 0.0, *positive])


def histogram_of(values: np.ndarray) -> HistogramProto:
    """The histogram of all elements. Raises ValueError if one is NaN or infinite."""
    flat = values.astype(np.float64).ravel()
    if not np.isfinite(flat).all():
        raise ValueError("Nan or Inf in summary histogram")
    limits = _limits()
    counts = np.bincount(np.searchsorted(limits, flat, "right"), minlength=len(limits))
    used = np.flatnonzero(counts)
    if not len(used):
        return HistogramProto(bucket_limit=[limits[-1]], bucket=[0.0])
    kept = slice(max(used[0] - 1, 0), used[-1] + 1)  # an empty one in front bounds the first
    return HistogramProto(
        float(flat.min()), float(flat.max()), float(flat.size), float(flat.sum()),
        float(np.square(flat).sum()), limits[kept].tolist(),
        counts[kept].astype(np.float64).tolist())


def png(pixels: np.ndarray) -> bytes:
    """A PNG file. pixels: uint8 [height, width, channels], 1 (grey), 3 (RGB) or 4 (RGBA)."""
    height, width, channels = pixels.shape
    kind = {1: 0, 3: 2, 4: 6}[channels]
    lines = np.concatenate(
        [np.zeros((height, 1), np.uint8), pixels.reshape(height, width * channels)], axis=1)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(lines.tobytes())) + chunk(b"IEND", b"")


def text_value(tag: str, texts: np.ndarray) -> Value:
    """A Value for TensorBoard's text plugin. texts: bytes of any shape."""
    shape = b"".join(wire.message(2, wire.integer(1, n)) for n in texts.shape)
    strings: Sequence[bytes] = [t if isinstance(t, bytes) else str(t).encode()
                                for t in texts.ravel()]
    tensor = wire.integer(1, 7) + wire.message(2, shape) + b"".join(
        wire.message(8, s) for s in strings)
    plugin = wire.message(1, wire.message(1, b"text"))
    return Value(tag, other=((8, tensor), (9, plugin)))
