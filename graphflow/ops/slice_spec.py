"""What a strided slice means: its five masks read as one entry per axis, and the sizes it gives.

TensorFlow writes `x[1:, ..., tf.newaxis, 3]` as three vectors (begin, end, strides) and five bit
masks over their positions. `slice_entries` reads these for an input of known rank;
`sliced_size` is the size of one sliced axis, for integers and for sizes with symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.dims import (
    Dim,
    SymDim,
    add,
    ceildiv,
    dim_max,
    dim_min,
    fresh,
    never_negative,
    sub,
)

MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


class SpecError(ValueError):
    """Slice vectors and masks that do not fit the input: the problem, and its fix."""

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(problem)
        self.fix = fix


class _Unknown:
    """A begin or end that is computed when the graph runs."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class SliceEntry:
    """One axis of the input, or one new axis of the output.

    Attributes:
      axis: the input's axis; None for a new axis of size 1.
      position: the place in begin, end and strides; None for an axis that is taken whole.
      index: True if begin is the one index that is taken, and the axis is dropped.
      open_begin, open_end: True if the slice starts (ends) where the axis does.
    """

    axis: int | None
    position: int | None = None
    index: bool = False
    open_begin: bool = False
    open_end: bool = False


def slice_entries(count: int, rank: int, attrs: dict[str, int]) -> list[SliceEntry]:
    """The entries of a slice of `count` positions on an input of rank `rank`, in order.

    attrs: the five masks of `MASKS`. An ellipsis outranks a new axis, which outranks an index;
    without an ellipsis one stands at the end. Raises SpecError for two ellipses and for more
    indices than axes. Source: TensorFlow 1.15, core/util/strided_slice_op.cc.
    """
    def has(mask: str, i: int) -> bool:
        return bool(attrs[mask] >> i & 1)

    ellipses = [i for i in range(count) if has("ellipsis_mask", i)]
    if len(ellipses) > 1:
        raise SpecError("an index can have only one ellipsis (...)")
    used = sum(1 for i in range(count) if not (has("ellipsis_mask", i) or has("new_axis_mask", i)))
    if used > rank:
        raise SpecError(f"too many indices: {used} for a tensor of rank {rank}")
    entries: list[SliceEntry] = []
    axis = 0
    for i in range(count):
        if has("ellipsis_mask", i):
            entries += [SliceEntry(axis + k) for k in range(rank - used)]
            axis += rank - used
        elif has("new_axis_mask", i):
            entries.append(SliceEntry(None))
        else:
            entries.append(SliceEntry(axis, i, has("shrink_axis_mask", i), has("begin_mask", i),
                                      has("end_mask", i)))
            axis += 1
    return entries + [SliceEntry(k) for k in range(axis, rank)]


def _lower(a: Dim, b: Dim) -> Dim:
    """min(a, b), decided where the sizes' signs allow it."""
    if never_negative(sub(a, b)):
        return b
    return a if never_negative(sub(b, a)) else dim_min(a, b)


def _higher(a: Dim, b: Dim) -> Dim:
    """max(a, b), decided where the sizes' signs allow it."""
    if never_negative(sub(a, b)):
        return a
    return b if never_negative(sub(b, a)) else dim_max(a, b)


def _counted(place: Any, size: Dim, furthest: int) -> Any:
    """`place` as a size ≥ 0, as a negative integer counted from the end, or UNKNOWN.

    `size − k` is the place −k for every size as long as k ≤ `furthest`: beyond that, a small
    size makes it negative, and it counts from the end a second time.
    """
    if not isinstance(place, SymDim) or never_negative(place):
        return place
    back = sub(place, size)
    return back if not isinstance(back, SymDim) and -furthest <= back < 0 else UNKNOWN


def sliced_size(size: Dim, begin: Any, end: Any, stride: Any) -> Dim:
    """How many elements `[begin:end:stride]` takes from an axis of `size`.

    begin, end: an int, a size, None (open), or UNKNOWN; stride: an int other than 0, or UNKNOWN.
    A size that nothing is known of where it depends on what is computed when the graph runs.
    """
    if stride is UNKNOWN or isinstance(stride, SymDim):
        return fresh()
    furthest = 2 if stride > 0 else 1
    begin, end = (v if v is None or v is UNKNOWN else _counted(v, size, furthest)
                  for v in (begin, end))
    if begin is UNKNOWN or end is UNKNOWN:
        return fresh()
    span = _forward_span(size, begin, end) if stride > 0 else _backward_span(size, begin, end)
    return _higher(ceildiv(span, abs(stride)), 0)


def _forward_span(size: Dim, begin: Any, end: Any) -> Dim:
    """end − begin with both clamped to the axis; below zero where nothing is taken."""
    if end is None:
        stop = size
    else:
        stop = _lower(end, size) if never_negative(end) else add(size, end)
    if begin is None:
        return stop
    if never_negative(begin):
        return sub(stop, begin)
    # stop − max(size + begin, 0), written so that x[-3:] has the size min(3, size).
    return _lower(sub(sub(stop, size), begin), stop)


def _backward_span(size: Dim, begin: Any, end: Any) -> Dim:
    """begin − end with both clamped to the axis, for a negative stride."""
    last = sub(size, 1)
    if begin is None:
        start = last
    else:
        start = _lower(begin, last) if never_negative(begin) else add(size, begin)
    if end is None:
        stop: Dim = -1
    else:
        stop = end if never_negative(end) else _higher(add(size, end), -1)
    return sub(start, stop)


def sliced_sizes(
    sizes: Sequence[Dim], begin: Sequence[Any], end: Sequence[Any], strides: Sequence[Any],
    attrs: dict[str, int],
) -> list[Dim]:
    """The output's sizes. Raises SpecError for an index out of range, a stride of 0.

    begin, end, strides: ints, sizes, or UNKNOWN, one per position.
    """
    out: list[Dim] = []
    for entry in slice_entries(len(begin), len(sizes), attrs):
        if entry.axis is None:
            out.append(1)
            continue
        size = sizes[entry.axis]
        if entry.position is None:
            out.append(size)
            continue
        first, stop, stride = (v[entry.position] for v in (begin, end, strides))
        check_stride(stride, entry)
        if entry.index:
            check_index(first, size, entry.axis)
        else:
            out.append(sliced_size(size, None if entry.open_begin else first,
                                   None if entry.open_end else stop, stride))
    return out


def check_stride(stride: Any, entry: SliceEntry) -> None:
    """Raises SpecError if the stride is known to be 0, or backward where one index is taken."""
    if stride is UNKNOWN or isinstance(stride, SymDim):
        return
    if stride == 0:
        raise SpecError(f"the stride of axis {entry.axis} is 0; it must not be")
    if entry.index and stride < 0:
        raise SpecError(
            f"axis {entry.axis} is indexed by one number, so its stride must be 1, got {stride}")


def check_index(index: Any, size: Any, axis: int) -> None:
    """Raises SpecError if `index` is known to be outside an axis of known `size`."""
    if index is UNKNOWN or isinstance(index, SymDim) or isinstance(size, SymDim):
        return
    if not -size <= index < size:
        raise SpecError(f"index {index} is out of range for axis {axis} of size {size}",
                        f"Its indices go from {-size} to {size - 1}." if size else "")
