"""How a window slides over an image: sizes, padding, layouts; shared by convolution and pooling.

Input: sizes (ints or symbols), strides, dilations, padding. Output: per spatial axis a
`WindowAxis`, which says which input element output `o` sees at window position `k`. Source of the
padding rules: TensorFlow's "SAME" (⌈size / stride⌉ outputs, the odd element of padding at the
end) and "VALID" (windows inside the input only).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.dims import Dim, SymDim, ceildiv, dim_max, floordiv
from graphflow.errors import AttributeValueError
from graphflow.opdef import Attr, Infer
from graphflow.ops.arguments import failure
from graphflow.shapes import TensorShape, unknown_shape

LAYOUTS = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 2, 3, 1)}
VOLUME_LAYOUTS = {"NDHWC": (0, 1, 2, 3, 4), "NCDHW": (0, 2, 3, 4, 1)}
_ORDER: dict[str, tuple[int, ...]] = {**LAYOUTS, **VOLUME_LAYOUTS}
AXIS_NAMES: dict[int, tuple[str, ...]] = {2: ("height", "width"), 3: ("depth", "height", "width")}
_WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}


def _attributes(layouts: Iterable[str], axes: int) -> dict[str, Attr]:
    return {
        "strides": Attr("ints"),
        "padding": Attr("str", choices=("SAME", "VALID", "EXPLICIT")),
        "explicit_paddings": Attr("pairs", ()),
        "data_format": Attr("str", next(iter(layouts)), choices=tuple(layouts)),
        "dilations": Attr("ints", (1,) * axes),
    }


WINDOW_ATTRS = _attributes(LAYOUTS, 2)
VOLUME_ATTRS = _attributes(VOLUME_LAYOUTS, 3)


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """How a window slides along one axis of `size` elements.

    Output `o` sees, at window position `k`, input `o * stride + k * dilation - before`, which
    may lie outside [0, size): padding. `size`, `window`, `before` and `out` are ints where arrays
    are computed, and may be symbols where shapes are inferred.
    """

    size: Any
    window: Any
    stride: int
    dilation: int
    before: Any
    out: Any

    def source(self, out: Any, k: Any) -> Any:
        """The input index of window position `k` at output `out`."""
        return out * self.stride + k * self.dilation - self.before

    def slices(self) -> Iterator[tuple[int, slice, slice]]:
        """For each window position that sees anything: (k, outputs, the inputs they see)."""
        for k in range(self.window):
            offset = k * self.dilation - self.before
            first = max(0, -(offset // self.stride))
            last = min(self.out - 1, (self.size - 1 - offset) // self.stride)
            if last >= first:
                start = first * self.stride + offset
                stop = last * self.stride + offset + 1
                yield k, slice(first, last + 1), slice(start, stop, self.stride)

    def counts(self) -> np.ndarray:
        """How many elements inside the input each output sees: int64 [out]."""
        counts = np.zeros(self.out, np.int64)
        for _, outputs, _ in self.slices():
            counts[outputs] += 1
        return counts


def window_axis(
    size: Dim, window: Dim, stride: int, dilation: int, padding: str | tuple[int, int]
) -> WindowAxis:
    """The geometry along one axis; `out` is 0 or less where the window does not fit."""
    extent = (window - 1) * dilation + 1
    before: Any
    if padding == "SAME":
        out = ceildiv(size, stride)
        before = dim_max((out - 1) * stride + extent - size, 0) // 2
    else:
        before, after = padding if isinstance(padding, tuple) else (0, 0)
        out = floordiv(size + (before + after) - extent, stride) + 1
    return WindowAxis(size, window, stride, dilation, before, out)


def window_axes(
    size: Sequence[Dim], window: Sequence[Dim], attrs: dict[str, Any]
) -> tuple[WindowAxis, ...]:
    """The geometry of all spatial axes, from the attributes `WINDOW_ATTRS` or `VOLUME_ATTRS`."""
    paddings: Any = [attrs["padding"]] * len(size)
    if attrs["padding"] == "EXPLICIT":
        paddings = attrs["explicit_paddings"]
    return tuple(map(
        window_axis, size, window, attrs["strides"], attrs["dilations"], paddings))


# ---- layouts ----------------------------------------------------------------------------------


def split_layout(sizes: Sequence[Any], data_format: str) -> tuple[Any, ...]:
    """(batch, spatial axes…, channels) of things that stand in the layout's order."""
    return tuple(sizes[i] for i in _ORDER[data_format])


def join_layout(n: Any, spatial: Sequence[Any], c: Any, data_format: str) -> tuple[Any, ...]:
    """Batch, spatial axes and channels in the layout's order."""
    return (n, *spatial, c) if data_format[-1] == "C" else (n, c, *spatial)


def spatial_axes(data_format: str) -> tuple[int, ...]:
    """The numbers of the spatial axes."""
    return _ORDER[data_format][1:-1]


def channels_last(x: np.ndarray, data_format: str) -> np.ndarray:
    """A view of an image batch with its channels last."""
    return x if data_format[-1] == "C" else np.moveaxis(x, 1, -1)


def from_channels_last(x: np.ndarray, data_format: str) -> np.ndarray:
    """The inverse of `channels_last`, contiguous."""
    return x if data_format[-1] == "C" else np.ascontiguousarray(np.moveaxis(x, -1, 1))


# ---- checks -----------------------------------------------------------------------------------


def image_sizes(c: Infer, i: int) -> tuple[Dim, ...]:
    """(batch, spatial axes…, channels) of input `i`. Raises ShapeError for another rank."""
    shape = c.shape(i)
    data_format = c.attrs["data_format"]
    rank = len(data_format)
    if shape.rank is None:
        shape = unknown_shape(rank)
    if shape.rank != rank:
        order = ", ".join(join_layout("batch", AXIS_NAMES[rank - 2], "channels", data_format))
        fix = ""
        if shape.rank == rank - 1:
            fix = f"Add the missing axis: gf.expand_dims({c.arg_name(i)}, axis)."
        elif shape.rank == 2:
            fix = f"Flat images need their shape back: gf.reshape({c.arg_name(i)}, [-1, …])."
        raise c.error(f"{c.arg_name(i)} must have rank {rank} [{order}], got {c.show(i)}", fix)
    return split_layout(shape.sizes, data_format)


def check_window_attrs(c: Infer) -> None:
    """Raises AttributeValueError for strides, dilations or padding that make no sense."""
    axes = len(c.attrs["data_format"]) - 2
    names = ", ".join(AXIS_NAMES[axes])
    for name in ("strides", "dilations"):
        values = c.attrs[name]
        if len(values) != axes or min(values) < 1:
            raise c.error(f"{name} must be {_WORDS[axes]} positive numbers ({names}), got "
                          f"{list(values)}", cls=AttributeValueError)
    pads = c.attrs["explicit_paddings"]
    if (c.attrs["padding"] == "EXPLICIT") != (len(pads) == axes) or (
            pads and min(map(min, pads)) < 0):
        raise c.error(f"explicit_paddings must be {_WORDS[axes]} pairs of numbers that are not "
                      f"negative, for padding 'EXPLICIT' only; got {pads} for "
                      f"{c.attrs['padding']!r}", cls=AttributeValueError)


def checked_axes(c: Infer, size: Sequence[Dim], window: Sequence[Dim]) -> list[WindowAxis]:
    """`window_axes` of the attributes. Raises ShapeError if the window is empty or too large."""
    axes = window_axes(size, window, c.attrs)
    if any(not isinstance(a.window, SymDim) and a.window < 1 for a in axes):
        raise c.error(f"the window {listed(window)} is empty")
    negative = [a for a in axes if not isinstance(a.out, SymDim) and (
        a.out < 1 if c.attrs["padding"] != "SAME" else a.out < 0)]
    if negative:
        covered = [(a.window - 1) * a.dilation + 1 for a in axes]
        dilated = f" (dilated: {listed(covered)})" if max(c.attrs["dilations"]) > 1 else ""
        fix = "Use padding='SAME', or fewer pooling steps and strides before."
        names = " and ".join((", ".join(AXIS_NAMES[len(axes)][:-1]), AXIS_NAMES[len(axes)][-1]))
        raise c.error(f"the window {listed(window)}{dilated} is larger than the input's {names} "
                      f"{listed(size)} with padding {c.attrs['padding']!r}: {c.show(0)}", fix)
    return list(axes)


def listed(values: Sequence[Any]) -> str:
    """Sizes as they stand in messages: `[3, n]`."""
    return f"[{', '.join(map(str, values))}]"


def image_shape(n: Dim, spatial: Sequence[Dim], channels: Dim, data_format: str) -> TensorShape:
    """A shape in the layout's order."""
    return TensorShape.of(join_layout(n, spatial, channels, data_format))


# ---- arguments of the public functions --------------------------------------------------------


def window_attrs(
    op: str, name: str | None, strides: Any, padding: Any, data_format: Any,
    dilations: Any = None, axes: int = 2,
) -> dict[str, Any]:
    """The attributes `WINDOW_ATTRS` or `VOLUME_ATTRS` from what TensorFlow's functions take.

    strides, dilations: an int, or 1, `axes` or `axes` + 2 of them (in the order of
      `data_format`).
    padding: "SAME", "VALID", or a pair (before, after) per axis in the order of `data_format`.
    Raises AttributeValueError, naming the argument.
    """
    layouts = tuple(LAYOUTS if axes == 2 else VOLUME_LAYOUTS)
    data_format = data_format or next(iter(layouts))
    if data_format not in layouts:
        known = " or ".join(map(repr, layouts))
        raise failure(op, name, f"data_format must be {known}, got {data_format!r}")
    pads: tuple = ()
    if isinstance(padding, (list, tuple, np.ndarray)):
        pads = _explicit_pairs(op, name, padding, data_format)
        padding = "EXPLICIT"
    elif padding not in ("SAME", "VALID"):
        capitals = str(padding).upper()
        fix = f"Did you mean {capitals!r}?" if capitals in ("SAME", "VALID") else ""
        raise failure(op, name, f"padding must be 'SAME', 'VALID' or {_WORDS[axes + 2]} pairs "
                                f"[before, after], got {padding!r}", fix)
    return {
        "strides": spatial_numbers(op, name, "strides", strides, data_format),
        "padding": padding, "explicit_paddings": pads, "data_format": data_format,
        "dilations": spatial_numbers(op, name, "dilations", dilations, data_format),
    }


def spatial_numbers(
    op: str, name: str | None, argument: str, value: Any, data_format: str
) -> tuple[int, ...]:
    """One number per spatial axis of an argument given as an int, or as 1, axes or axes + 2 ints.

    None means 1. Raises AttributeValueError for other lengths, numbers below 1, and for batch or
    channel entries other than 1.
    """
    axes = len(data_format) - 2
    if value is None:
        return (1,) * axes
    try:
        given = tuple(int(v.__index__()) for v in np.atleast_1d(np.asarray(value, object)))
    except (AttributeError, TypeError):
        given = ()
    if len(given) not in (1, axes, axes + 2):
        raise failure(op, name, f"{argument} must be an int or a list of 1, {axes} or {axes + 2} "
                                f"ints, got {value!r}")
    if len(given) == axes + 2:
        n, *spatial, channels = split_layout(given, data_format)
        if n != 1 or channels != 1:
            raise failure(
                op, name, f"{argument} of the batch and channel axes must be 1, got "
                f"{list(given)} for data_format {data_format!r}")
        given = tuple(spatial)
    if min(given) < 1:
        raise failure(op, name, f"{argument} must be positive, got {value!r}")
    return given if len(given) == axes else given * axes


def _explicit_pairs(op: str, name: str | None, padding: Any, data_format: str) -> tuple:
    pairs = np.asarray(padding, object)
    rank = len(data_format)
    if pairs.shape != (rank, 2) or not all(isinstance(v, (int, np.integer)) for v in pairs.flat):
        raise failure(op, name, f"explicit padding must be {_WORDS[rank]} pairs [before, after] "
                                f"in the order of data_format, got {padding!r}")
    n, *spatial, channels = split_layout([tuple(map(int, p)) for p in pairs], data_format)
    if any(n) or any(channels) or min(map(min, spatial)) < 0:
        raise failure(op, name, "explicit padding must not be negative, and 0 for the "
                                f"batch and channel axes; got {padding!r}")
    return tuple(spatial)
