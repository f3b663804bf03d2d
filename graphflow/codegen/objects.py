"""Object files: the symbols that they leave undefined.

Reads the symbol tables of ELF (Linux), Mach-O (macOS) and COFF (Windows) objects, 64 bits, little
endian: what LLVM writes on the machines that graphflow runs on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from graphflow.errors import ProgramError

_MACHO_SYMTAB = 2
_MACHO_KIND, _MACHO_STAB = 0x0E, 0xE0
_COFF_MACHINES = (0x8664, 0xAA64)  # x86-64, ARM64
_COFF_EXTERNAL = 2


def undefined_symbols(data: bytes) -> set[str]:
    """The names that an object needs from elsewhere, without the platform's leading underscore.

    Raises ProgramError if it is not an object file of a known kind.
    """
    if data[:5] == b"\x7fELF\x02":
        return set(_elf(data))
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return set(_macho(data))
    if len(data) > 20 and struct.unpack_from("<H", data)[0] in _COFF_MACHINES:
        return set(_coff(data))
    raise ProgramError("The compiler gave an object file of an unknown kind.")


def _text(data: bytes, at: int) -> str:
    return data[at:data.index(b"\0", at)].decode()


def _elf(data: bytes) -> Iterator[str]:
    """System V ABI, chapter 4: sections of type 2 hold symbols of 24 bytes."""
    sections_at, = struct.unpack_from("<Q", data, 0x28)
    entry, count = struct.unpack_from("<HH", data, 0x3A)
    heads = [struct.unpack_from("<IIQQQQII", data, sections_at + i * entry) for i in range(count)]
    for _, kind, _, _, start, size, link, _ in heads:
        if kind != 2:
            continue
        names = heads[link][4]
        for at in range(start + 24, start + size, 24):
            name, _, _, section = struct.unpack_from("<IBBH", data, at)
            if section == 0 and name:
                yield _text(data, names + name)


def _macho(data: bytes) -> Iterator[str]:
    """mach-o/loader.h and nlist.h: one load command names the tables."""
    commands, = struct.unpack_from("<I", data, 16)
    at = 32
    for _ in range(commands):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == _MACHO_SYMTAB:
            symbols, count, names, _ = struct.unpack_from("<IIII", data, at + 8)
            for entry in range(symbols, symbols + 16 * count, 16):
                name, bits = struct.unpack_from("<IB", data, entry)
                if not bits & _MACHO_STAB and bits & _MACHO_KIND == 0:
                    yield _text(data, names + name).removeprefix("_")
        at += size


def _coff(data: bytes) -> Iterator[str]:
    """The PE format's chapter "COFF Symbol Table": records of 18 bytes, then the long names."""
    table, count = struct.unpack_from("<II", data, 8)
    names = table + 18 * count
    index = 0
    while index < count:
        at = table + 18 * index
        zeros, place = struct.unpack_from("<II", data, at)
        value, section, _, storage, extra = struct.unpack_from("<IhHBB", data, at + 8)
        if section == 0 and storage == _COFF_EXTERNAL and value == 0:
            short = data[at:at + 8].rstrip(b"\0").decode(errors="replace")
            yield _text(data, names + place) if zeros == 0 else short
        index += 1 + extra
