"""`DeviceSpec`: the parts of a device's name; and partitioners, which have no effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


class DeviceSpec:
    """Parts of a name such as "/job:worker/task:1/device:GPU:0"; each may be None."""

    def __init__(
        self, job: str | None = None, replica: int | None = None, task: int | None = None,
        device_type: str | None = None, device_index: int | None = None,
    ) -> None:
        self.job, self.replica, self.task = job, replica, task
        self.device_type = device_type.upper() if device_type else None
        self.device_index = device_index

    def to_string(self) -> str:
        """The name."""
        parts = [f"/{kind}:{value}" for kind, value in (
            ("job", self.job), ("replica", self.replica), ("task", self.task))
            if value is not None]
        if self.device_type is not None:
            index = "*" if self.device_index is None else self.device_index
            parts.append(f"/device:{self.device_type}:{index}")
        return "".join(parts)

    def __str__(self) -> str:
        return self.to_string()

    @classmethod
    def from_string(cls, spec: str) -> DeviceSpec:
        """The parts of a name. Raises ValueError for what is no name."""
        found: dict[str, Any] = {}
        for part in filter(None, spec.split("/")):
            words = part.split(":")
            kind = words[0].lower()
            if kind in ("job", "replica", "task") and len(words) == 2:
                found[kind] = words[1] if kind == "job" else int(words[1])
            elif kind in ("cpu", "gpu") and len(words) <= 2:
                found.update(device_type=kind, device_index=_index(words[1:]))
            elif kind == "device" and len(words) in (2, 3):
                found.update(device_type=words[1], device_index=_index(words[2:]))
            else:
                raise ValueError(f"Unknown attribute: {part!r} in {spec!r}")
        return cls(**found)

    parse_from_string = from_string


def _index(words: list[str]) -> int | None:
    return int(words[0]) if words and re.fullmatch(r"\d+", words[0]) else None


def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Callable[..., list[int]]:
    """For `partitioner=`, which is accepted without effect: `num_shards` along an axis."""
    def partitions(shape: Any, dtype: Any = None) -> list[int]:
        found = [1] * len(shape)
        found[axis] = num_shards
        return found

    return partitions


def _whole(shape: Any, dtype: Any = None) -> list[int]:
    return [1] * len(shape)


def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16,
    max_shards: int | None = None,
) -> Callable[..., list[int]]:
    """For `partitioner=`, which is accepted without effect: variables are whole."""
    return _whole


def min_max_variable_partitioner(
    max_partitions: int = 1, axis: int = 0, min_slice_size: int = 256 << 10,
    bytes_per_string_element: int = 16,
) -> Callable[..., list[int]]:
    """For `partitioner=`, which is accepted without effect: variables are whole."""
    return _whole
