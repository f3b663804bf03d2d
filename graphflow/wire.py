"""Protocol buffers' wire format, as far as records and events need it, and TFRecord framing.

Sources: https://protobuf.dev/programming-guides/encoding/ and TensorFlow's
core/lib/io/record_writer.cc: length (uint64), masked CRC-32C of the length, the data, masked
CRC-32C of the data, all little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), reversed


@cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


def masked_crc(data: bytes) -> int:
    """The CRC-32C of the data, rotated and shifted as TFRecord files keep it."""
    crc, table = 0xFFFFFFFF, _table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(data: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, struct.pack("<I", masked_crc(length)), data,
                     struct.pack("<I", masked_crc(data))))


def records(content: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file. Raises ValueError for a damaged one."""
    at = 0
    while at + 12 <= len(content):
        head = content[at:at + 8]
        (length,), (crc,) = struct.unpack("<Q", head), struct.unpack_from("<I", content, at + 8)
        data = content[at + 12:at + 12 + length]
        if crc != masked_crc(head) or len(data) < length:
            raise ValueError(f"corrupted record at {at}")
        if struct.unpack_from("<I", content, at + 12 + length) != (masked_crc(data),):
            raise ValueError(f"corrupted record at {at}")
        yield data
        at += 16 + length


def varint(value: int) -> bytes:
    """A whole number, seven bits a byte; negative ones as 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """Field `number`: a whole number."""
    return varint(number << 3) + varint(value)


def message(number: int, value: bytes) -> bytes:
    """Field `number`: bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def double(number: int, value: float) -> bytes:
    """Field `number`: float64."""
    return varint(number << 3 | 1) + struct.pack("<d", value)


def single(number: int, value: float) -> bytes:
    """Field `number`: float32."""
    return varint(number << 3 | 5) + struct.pack("<f", value)


def doubles(number: int, values: Sequence[float]) -> bytes:
    """Field `number`: packed float64s."""
    return message(number, struct.pack(f"<{len(values)}d", *values))


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field: ints, floats (64 and 32 bits), or bytes.

    Raises ValueError for bytes that are no message.
    """
    at = 0
    while at < len(data):
        key, at = _varint_at(data, at)
        number, kind = key >> 3, key & 7
        value: Any
        try:
            if kind == 0:
                value, at = _varint_at(data, at)
            elif kind == 1:
                (value,), at = struct.unpack_from("<d", data, at), at + 8
            elif kind == 5:
                (value,), at = struct.unpack_from("<f", data, at), at + 4
            elif kind == 2:
                size, at = _varint_at(data, at)
                value, at = data[at:at + size], at + size
            else:
                raise ValueError(f"unknown wire type {kind}")
        except struct.error as error:
            raise ValueError("the message is cut off") from error
        if at > len(data):
            raise ValueError("the message is cut off")
        yield number, value


def varints(data: bytes) -> Iterator[int]:
    """The whole numbers of a packed field. Raises ValueError if it is cut off."""
    at = 0
    while at < len(data):
        value, at = _varint_at(data, at)
        yield value


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & ((1 << 64) - 1), at
    raise ValueError("the message is cut off")
