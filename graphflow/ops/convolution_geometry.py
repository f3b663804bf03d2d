"""How a window slides over an image: sizes, padding, layouts; shared by convolution and pooling.

Input: sizes (ints or symbols), strides, dilations, padding. Output: per spatial axis a
`WindowAxis`, which says which input element output `o` sees at window position `k`. Source of the
padding rules: TensorFlow's "SAME" (⌈size / stride⌉ outputs, the odd element of padding at the
end) and "VALID" (windows inside the input only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.dims import Dim, SymDim, ceildiv, dim_max, floordiv
from graphflow.errors import AttributeValueError
from graphflow.opdef import Attr, Infer
from graphflow.ops.arguments import failure
from graphflow.shapes import TensorShape, unknown_shape

LAYOUTS = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 2, 3, 1)}

WINDOW_ATTRS = {
    "strides": Attr("ints"),
    "padding": Attr("str", choices=("SAME", "VALID", "EXPLICIT")),
    "explicit_paddings": Attr("pairs", ()),
    "data_format": Attr("str", "NHWC", choices=tuple(LAYOUTS)),
    "dilations": Attr("ints", (1, 1)),
}


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
) -> tuple[WindowAxis, WindowAxis]:
    """The geometry of both axes, from the attributes `WINDOW_ATTRS`."""
    paddings: Any = [attrs["padding"]] * 2
    if attrs["padding"] == "EXPLICIT":
        paddings = attrs["explicit_paddings"]
    rows, columns = map(
        window_axis, size, window, attrs["strides"], attrs["dilations"], paddings)
    return rows, columns


# ---- layouts ----------------------------------------------------------------------------------


def split_layout(sizes: Sequence[Any], data_format: str) -> tuple[Any, Any, Any, Any]:
    """(batch, height, width, channels) of four things that stand in the layout's order."""
    n, h, w, c = LAYOUTS[data_format]
    return sizes[n], sizes[h], sizes[w], sizes[c]


def join_layout(n: Any, h: Any, w: Any, c: Any, data_format: str) -> tuple[Any, ...]:
    """Batch, height, width and channels in the layout's order."""
    return (n, h, w, c) if data_format == "NHWC" else (n, c, h, w)


def to_nhwc(x: np.ndarray, data_format: str) -> np.ndarray:
    """A view of an image batch with its channels last."""
    return x if data_format == "NHWC" else x.transpose(0, 2, 3, 1)


def from_nhwc(x: np.ndarray, data_format: str) -> np.ndarray:
    """The inverse of `to_nhwc`, contiguous."""
    return x if data_format == "NHWC" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))


# ---- checks -----------------------------------------------------------------------------------


def image_sizes(c: Infer, i: int) -> tuple[Dim, Dim, Dim, Dim]:
    """(batch, height, width, channels) of input `i`. Raises ShapeError unless its rank is 4."""
    shape = c.shape(i)
    if shape.rank is None:
        shape = unknown_shape(4)
    data_format = c.attrs["data_format"]
    if shape.rank != 4:
        order = ", ".join(join_layout("batch", "height", "width", "channels", data_format))
        fix = ""
        if shape.rank == 3:
            fix = f"Add the missing axis: gf.expand_dims({c.arg_name(i)}, axis)."
        elif shape.rank == 2:
            fix = f"Flat images need their shape back: gf.reshape({c.arg_name(i)}, [-1, …])."
        raise c.error(f"{c.arg_name(i)} must have rank 4 [{order}], got {c.show(i)}", fix)
    return split_layout(shape.sizes, data_format)


def check_window_attrs(c: Infer) -> None:
    """Raises AttributeValueError for strides, dilations or padding that make no sense."""
    for name in ("strides", "dilations"):
        values = c.attrs[name]
        if len(values) != 2 or min(values) < 1:
            raise c.error(f"{name} must be two positive numbers (height, width), got "
                          f"{list(values)}", cls=AttributeValueError)
    pads = c.attrs["explicit_paddings"]
    if (c.attrs["padding"] == "EXPLICIT") != (len(pads) == 2) or (
            pads and min(map(min, pads)) < 0):
        raise c.error(f"explicit_paddings must be two pairs of numbers that are not negative, for "
                      f"padding 'EXPLICIT' only; got {pads} for {c.attrs['padding']!r}",
                      cls=AttributeValueError)


def checked_axes(c: Infer, size: Sequence[Dim], window: Sequence[Dim]) -> list[WindowAxis]:
    """`window_axes` of the attributes. Raises ShapeError if the window is empty or too large."""
    axes = window_axes(size, window, c.attrs)
    if any(not isinstance(a.window, SymDim) and a.window < 1 for a in axes):
        raise c.error(f"the window {_pair(window)} is empty")
    negative = [a for a in axes if not isinstance(a.out, SymDim) and (
        a.out < 1 if c.attrs["padding"] != "SAME" else a.out < 0)]
    if negative:
        covered = [(a.window - 1) * a.dilation + 1 for a in axes]
        dilated = f" (dilated: {_pair(covered)})" if max(c.attrs["dilations"]) > 1 else ""
        fix = "Use padding='SAME', or fewer pooling steps and strides before."
        raise c.error(f"the window {_pair(window)}{dilated} is larger than the input's height and "
                      f"width {_pair(size)} with padding {c.attrs['padding']!r}: {c.show(0)}", fix)
    return list(axes)


def _pair(values: Sequence[Any]) -> str:
    return f"[{values[0]}, {values[1]}]"


def image_shape(n: Dim, h: Dim, w: Dim, channels: Dim, data_format: str) -> TensorShape:
    """A shape in the layout's order."""
    return TensorShape.of(join_layout(n, h, w, channels, data_format))


# ---- arguments of the public functions --------------------------------------------------------


def window_attrs(
    op: str, name: str | None, strides: Any, padding: Any, data_format: Any, dilations: Any = None
) -> dict[str, Any]:
    """The attributes `WINDOW_ATTRS` from what TensorFlow's functions take.

    strides, dilations: an int, or 1, 2 or 4 of them (4 in the order of `data_format`).
    padding: "SAME", "VALID", or four pairs (before, after) in the order of `data_format`.
    Raises AttributeValueError, naming the argument.
    """
    data_format = data_format or "NHWC"
    if data_format not in LAYOUTS:
        raise failure(op, name, f"data_format must be 'NHWC' or 'NCHW', got "
                                       f"{data_format!r}")
    pads: tuple = ()
    if isinstance(padding, (list, tuple, np.ndarray)):
        pads = _explicit_pairs(op, name, padding, data_format)
        padding = "EXPLICIT"
    elif padding not in ("SAME", "VALID"):
        capitals = str(padding).upper()
        fix = f"Did you mean {capitals!r}?" if capitals in ("SAME", "VALID") else ""
        raise failure(op, name, "padding must be 'SAME', 'VALID' or four pairs "
                                f"[before, after], got {padding!r}", fix)
    return {
        "strides": spatial_pair(op, name, "strides", strides, data_format),
        "padding": padding, "explicit_paddings": pads, "data_format": data_format,
        "dilations": spatial_pair(op, name, "dilations", dilations, data_format),
    }


def spatial_pair(
    op: str, name: str | None, argument: str, value: Any, data_format: str
) -> tuple[int, int]:
    """(height, width) of an argument given as an int or as 1, 2 or 4 ints; None means 1.

    Raises AttributeValueError for other lengths, numbers below 1, and for batch or channel
    entries other than 1.
    """
    if value is None:
        return 1, 1
    try:
        given = tuple(int(v.__index__()) for v in np.atleast_1d(np.asarray(value, object)))
    except (AttributeError, TypeError):
        given = ()
    if len(given) not in (1, 2, 4):
        raise failure(op, name, f"{argument} must be an int or a list of 1, 2 or 4 ints, "
                                       f"got {value!r}")
    if len(given) == 4:
        n, h, w, channels = split_layout(given, data_format)
        if n != 1 or channels != 1:
            raise failure(
                op, name, f"{argument} of the batch and channel axes must be 1, got "
                f"{list(given)} for data_format {data_format!r}")
        given = (h, w)
    if min(given) < 1:
        raise failure(op, name, f"{argument} must be positive, got {value!r}")
    return given[0], given[-1]


def _explicit_pairs(op: str, name: str | None, padding: Any, data_format: str) -> tuple:
    pairs = np.asarray(padding, object)
    if pairs.shape != (4, 2) or not all(isinstance(v, (int, np.integer)) for v in pairs.flat):
        raise failure(op, name, "explicit padding must be four pairs [before, after] in "
                                       f"the order of data_format, got {padding!r}")
    n, h, w, channels = split_layout([tuple(map(int, p)) for p in pairs], data_format)
    if any(n) or any(channels) or min(h + w) < 0:
        raise failure(op, name, "explicit padding must not be negative, and 0 for the "
                                       f"batch and channel axes; got {padding!r}")
    return h, w
