"""Frames: the collapsed index space of a fused group.

Adjacent axes along which every value of a group either runs in full or is broadcast become one
axis, so that the elementwise kernels of all layers are the same kernel whatever their shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphflow.dims import Dim, product, same
from graphflow.program import Value

Pattern = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """Merged axes.

    Attributes:
      sizes: of the merged axes.
      axes: for each merged axis, the axes of the group's shape that it stands for.
      patterns: value → for each merged axis, whether the value runs along it.
      anchored: True if kernels of this frame store to memory that later statements of the same
        turn of the first axis load from.
    """

    sizes: tuple[Dim, ...]
    axes: tuple[tuple[int, ...], ...]
    patterns: dict[Value, Pattern]
    anchored: bool = False


def pattern(value: Value, shape: Sequence[Dim]) -> Pattern | None:
    """Along which axes of `shape` the value runs in full; None if it does not broadcast to it."""
    sizes = value.shape.sizes
    lead = len(shape) - len(sizes)
    if lead < 0:
        return None
    found = [False] * lead
    for own, full in zip(sizes, shape[lead:]):
        if same(own, full):
            found.append(True)
        elif own == 1:
            found.append(False)
        else:
            return None
    return tuple(found)


def _is_one(size: Dim) -> bool:
    return isinstance(size, int) and size == 1


def frame(
    shape: Sequence[Dim], values: Iterable[Value], boundaries: Iterable[int] = ()
) -> Frame | None:
    """The frame of a group; None if a value does not fit.

    boundaries: axes that must not be merged with the axis before them.
    """
    patterns = {}
    for value in values:
        found = pattern(value, shape)
        if found is None:
            return None
        patterns[value] = found
    cuts = set(boundaries)
    groups: list[list[int]] = []
    for axis, size in enumerate(shape):
        group = groups[-1] if groups else []
        last = next((a for a in reversed(group) if not _is_one(shape[a])), None)
        if groups and axis not in cuts and (
            _is_one(size) or last is None or all(p[axis] == p[last] for p in patterns.values())
        ):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    merged = {
        v: tuple(any(p[a] and not _is_one(shape[a]) for a in g) for g in groups)
        for v, p in patterns.items()}
    return Frame(tuple(product([shape[a] for a in g]) for g in groups),
                 tuple(map(tuple, groups)), merged)
