"""Pooling over one, two or three spatial axes, by rank: `pool`, `max_pool1d`, `max_pool_v2` …"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, renamed, static_ints
from graphflow.ops.convolution_by_rank import (
    FORMATS,
    checked_format,
    image_format,
    per_axis,
    require_rank,
)
from graphflow.ops.scope import scope


@op_function
def pool(
    input: Any, window_shape: Any, pooling_type: str, padding: str, dilation_rate: Any = None,
    strides: Any = None, name: str | None = None, data_format: str | None = None,
    dilations: Any = None,
) -> Any:
    """The largest element ("MAX") or the mean ("AVG") of each window.

    input: [batch, spatial axes…, channels], channels second with data_format "NCW", "NCHW" or
      "NCDHW". window_shape: one int per spatial axis (one to three of them).
    strides: an int, or one per axis. padding: "SAME" or "VALID".
    dilation_rate (or dilations): the distance of a window's elements; above 1 strides must be 1,
      and the padding of "SAME" counts as elements 0, as in TensorFlow.
    Raises AttributeValueError for arguments that make no sense.
    """
    op = "pool"
    window = static_ints(op, name, "window_shape", window_shape)
    axes = len(window)
    if axes not in FORMATS:
        raise failure(op, name, f"window_shape must hold one to three ints, got {window_shape!r}")
    if pooling_type not in ("MAX", "AVG"):
        raise failure(op, name, f"pooling_type must be 'MAX' or 'AVG', got {pooling_type!r}")
    rate = renamed(op, "dilation_rate", dilation_rate, "dilations", dilations)
    rates = per_axis(op, name, "dilation_rate", rate, axes)
    steps = per_axis(op, name, "strides", strides, axes)
    layout = checked_format(op, name, data_format, axes)
    x = convert(input)
    require_rank(op, name, x, axes)
    with scope(name, f"{pooling_type.lower()}_pool") as last:
        if max(rates) > 1:
            if max(steps) > 1:
                raise failure(op, name, f"strides {list(steps)} must be 1 where dilation_rate "
                                        f"{list(rates)} is not")
            return _dilated(x, window, pooling_type, padding, rates, layout, last)
        return _pooled(x, pooling_type, window, steps, padding, layout, last)


def _pooled(
    x: Any, kind: str, window: Any, steps: Any, padding: Any, layout: str, last: str | None
) -> Any:
    """One pool of a rank from 1 to 3; sequences are images of height 1."""
    if len(layout) == 5:
        function = F.max_pool3d if kind == "MAX" else F.avg_pool3d
        return function(x, window, steps, padding, data_format=layout, name=last)
    function = F.max_pool if kind == "MAX" else F.avg_pool
    if len(layout) == 4:
        return function(x, window, steps, padding, data_format=layout, name=last)
    height = layout.index("W")
    images = function(F.expand_dims(x, height), (1, *window), (1, *steps), padding,
                      data_format=image_format(layout))
    return F.squeeze(images, [height], name=last)


def _dilated(
    x: Any, window: tuple[int, ...], kind: str, padding: Any, rates: tuple[int, ...],
    layout: str, last: str | None,
) -> Any:
    if padding not in ("SAME", "VALID"):
        raise failure("pool", last, f"padding must be 'SAME' or 'VALID', got {padding!r}")
    if padding == "SAME":
        extra = [(w - 1) * r for w, r in zip(window, rates)]
        pads = [(e // 2, e - e // 2) for e in extra]
        sides = [(0, 0), *pads, (0, 0)] if layout[-1] == "C" else [(0, 0), (0, 0), *pads]
        x = F.pad(x, sides)
    height = layout.index("W") if len(layout) == 3 else None
    if height is not None:
        x, layout = F.expand_dims(x, height), image_format(layout)
        window, rates = (1, *window), (1, *rates)
    ops = ("MaxPool", "AvgPool") if len(layout) == 4 else ("MaxPool3D", "AvgPool3D")
    attrs = {"ksize": window, "strides": (1,) * len(window), "padding": "VALID",
             "data_format": layout, "dilations": rates}
    out = apply(ops[kind == "AVG"], (x,), attrs, name=None if height is not None else last)
    return out if height is None else F.squeeze(out, [height], name=last)


# ---- sequences --------------------------------------------------------------------------------


def _pool1d(
    op: str, kind: str, input: Any, ksize: Any, strides: Any, padding: Any,
    data_format: str | None, name: str | None,
) -> Any:
    """`op` is TensorFlow's name of the scope too."""
    layout = checked_format(op, name, data_format, 1)
    numbers: list[tuple[int, ...]] = []
    for what, value in (("ksize", ksize), ("strides", strides)):
        given = static_ints(op, name, what, value)
        if len(given) not in (1, 3) or min(given) < 1 or (
                len(given) == 3 and sum(given) - given[layout.index("W")] != 2):
            raise failure(op, name, f"{what} must be a positive int, or a list of 1 or 3 with 1 "
                                    f"for batch and channels, got {value!r}")
        numbers.append((given[layout.index("W")] if len(given) == 3 else given[0],))
    with scope(name, op):
        x = convert(input)
        require_rank(op, name, x, 1)
        window, steps = numbers
        return _pooled(x, kind, window, steps, padding, layout, None)


@op_function
def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NWC",
    name: str | None = None,
) -> Any:
    """The largest element of each window of sequences.

    input: [batch, width, channels], or [batch, channels, width] with data_format "NCW".
    ksize, strides: an int, or a list of 1 or 3 ints. Other arguments and errors as `max_pool`.
    """
    return _pool1d("MaxPool1d", "MAX", input, ksize, strides, padding, data_format, name)


@op_function
def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NWC",
    name: str | None = None,
) -> Any:
    """The mean of each window of sequences; arguments and errors as in `max_pool1d`."""
    return _pool1d("AvgPool1D", "AVG", input, ksize, strides, padding, data_format, name)


# ---- by the rank of the input -----------------------------------------------------------------


def _pool_v2(
    op: str, functions: tuple[Any, Any, Any], input: Any, ksize: Any, strides: Any, padding: Any,
    data_format: str | None, name: str | None,
) -> Any:
    x = convert(input)
    rank = x.shape.rank
    if rank is None and data_format:
        rank = len(data_format)
    if rank not in (3, 4, 5):
        raise failure(op, name, f"input must have rank 3, 4 or 5, got input {x.shape}",
                      cls=ShapeError)
    layout = checked_format(op, name, data_format, rank - 2)
    return functions[rank - 3](x, ksize, strides, padding, data_format=layout, name=name)


@op_function
def max_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None,
    name: str | None = None,
) -> Any:
    """`max_pool1d`, `max_pool` or `max_pool3d`, by the rank of `input` (3, 4 or 5)."""
    functions = (F.max_pool1d, F.max_pool, F.max_pool3d)
    return _pool_v2("max_pool_v2", functions, input, ksize, strides, padding, data_format, name)


@op_function
def avg_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None,
    name: str | None = None,
) -> Any:
    """`avg_pool1d`, `avg_pool` or `avg_pool3d`, by the rank of `input` (3, 4 or 5)."""
    functions = (F.avg_pool1d, F.avg_pool, F.avg_pool3d)
    return _pool_v2("avg_pool_v2", functions, input, ksize, strides, padding, data_format, name)
