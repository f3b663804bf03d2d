"""`LoadLimits`: how much of anything a file may hold, so that reading it has a known price."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """What `gf.load` accepts at most; beyond it, a LoadError says which limit was met.

    Attributes:
      file_bytes: size of the file, and of all its members unpacked.
      json_bytes: size of one JSON member, unpacked.
      ratio: unpacked size over packed size of a member of more than 64 KiB.
      members: entries of the archive.
      json_values: values, keys included, in one JSON member.
      json_depth: lists and objects inside each other.
      operations: operations of the graph and their outputs, in branches and loop bodies too.
      region_depth: branches and loop bodies inside each other.
      text: characters of a name or text.
    """

    file_bytes: int = 64 * 2**30
    json_bytes: int = 256 * 2**20
    ratio: int = 200
    members: int = 64
    json_values: int = 10_000_000
    json_depth: int = 256
    operations: int = 1_000_000
    region_depth: int = 24
    text: int = 1 << 20
