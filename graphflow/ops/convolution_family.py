"""Convolution over any number of spatial axes and its two adjoints.

Each differentiates to the other two.

`declare_convolution` makes the three ops of one number of axes. As in TensorFlow, "convolution"
does not flip the filter: output[o] = Σ input[o·s + k·d − pad] · filter[k].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.dims import Dim, never_negative, same
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, Sample, TensorType
from graphflow.ops import convolution_lowering, convolution_reference
from graphflow.ops.convolution_geometry import (
    AXIS_NAMES,
    check_window_attrs,
    checked_axes,
    image_shape,
    image_sizes,
    join_layout,
    listed,
    split_layout,
    window_axes,
)
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape, unknown_shape

Samples = Callable[[], Sequence[Sample]]
Errors = Callable[[], Sequence[ErrorSample]]


@dataclass(frozen=True, slots=True)
class Family:
    """The three ops of one number of spatial axes."""

    forward: OpDef
    backprop_input: OpDef
    backprop_filter: OpDef


# ---- inference --------------------------------------------------------------------------------

_NUMBERS = {4: "four", 5: "five"}


def _filter_order(rank: int) -> str:
    return f"[{', '.join(AXIS_NAMES[rank - 2])}, input channels, output channels]"


def _filter_sizes(c: Infer, i: int) -> tuple[Dim, ...]:
    shape, rank = c.shape(i), len(c.attrs["data_format"])
    if shape.rank is None:
        shape = unknown_shape(rank)
    if shape.rank != rank:
        raise c.error(f"{c.arg_name(i)} must have rank {rank} {_filter_order(rank)}, "
                      f"got {c.show(i)}")
    return shape.sizes


def _sizes_input(c: Infer, i: int) -> tuple[Dim, ...]:
    """The sizes that integer input `i` holds, fresh symbols where they are not known."""
    shape, value, rank = c.shape(i), c.value(i), len(c.attrs["data_format"])
    if shape.rank not in (None, 1) or (shape.rank == 1 and same(shape.sizes[0], rank) is False):
        raise c.error(f"{c.arg_name(i)} must be a vector of {_NUMBERS[rank]} sizes, "
                      f"got {c.show(i)}")
    if value is None:
        return unknown_shape(rank).sizes
    return TensorShape([d if never_negative(d) else None for d in value.tolist()]).sizes


def _check_channels(c: Infer, cin: Dim, group_in: Dim, cout: Dim, what: str) -> None:
    """Raises ShapeError unless the channels fit, in groups if the filter has fewer."""
    if same(cin, group_in) is not False:
        return
    problem = f"input has {cin} channels, filter expects {group_in}: {what}"
    if not (isinstance(cin, int) and isinstance(group_in, int)):
        return
    if group_in and not cin % group_in:
        groups = cin // group_in
        if not isinstance(cout, int) or not cout % groups:
            return
        problem += (f" (in {groups} groups of channels, the filter's {cout} output channels would "
                    f"have to be a multiple of {groups})")
    data_format = c.attrs["data_format"]
    fix = f"A filter is {_filter_order(len(data_format))}."
    other = _with_channels(data_format, last=data_format[-1] != "C")
    image = c.shape(0)
    if image.rank == len(other) and same(split_layout(image.sizes, other)[-1], group_in):
        fix = f"Did you mean data_format='{other}'?"
    raise c.error(problem, fix)


def _with_channels(data_format: str, last: bool) -> str:
    axes = data_format[1:].replace("C", "")
    return f"N{axes}C" if last else f"NC{axes}"


def _forward_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    n, *spatial, cin = image_sizes(c, 0)
    *window, group_in, cout = _filter_sizes(c, 1)
    _check_channels(c, cin, group_in, cout, f"{c.show(0)}, {c.show(1)}")
    axes = checked_axes(c, spatial, window)
    shape = image_shape(n, [a.out for a in axes], cout, c.attrs["data_format"])
    return [TensorType(c.dtype(0), shape)]


def _check_backprop(c: Infer, gradient: int, image: tuple, filter_sizes: tuple) -> None:
    """Raises ShapeError unless input `gradient` has the shape that the convolution gives."""
    n, *spatial, cin = image
    *window, group_in, cout = filter_sizes
    _check_channels(
        c, cin, group_in, cout, f"input {listed(image)}, filter {listed(filter_sizes)}")
    outs = [a.out for a in checked_axes(c, spatial, window)]
    if any(same(a, b) is False for a, b in zip(image_sizes(c, gradient), (n, *outs, cout))):
        shape = image_shape(n, outs, cout, c.attrs["data_format"])
        raise c.error(f"{c.arg_name(gradient)} must have the shape {shape} that this convolution "
                      f"gives, got {c.show(gradient)}")


def _backprop_input_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    sizes = _sizes_input(c, 2)
    image = split_layout(sizes, c.attrs["data_format"])
    _check_backprop(c, 0, image, _filter_sizes(c, 1))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _backprop_filter_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    sizes = _sizes_input(c, 2)
    _check_backprop(c, 1, image_sizes(c, 0), sizes)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


# ---- samples ----------------------------------------------------------------------------------


def ramp(*sizes: int) -> np.ndarray:
    """Distinct small numbers of both signs."""
    count = int(np.prod(sizes))
    return (np.arange(count, dtype=np.float64) * 7 % 11 - 5).reshape(sizes) / 4


def _case_arrays(
    case: tuple, schema: dict[str, Attr]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """(image, filter, an array in the shape of the output, attributes)."""
    image, filter_sizes, attrs = case
    full = {**{k: a.default for k, a in schema.items()}, **attrs}
    axes = window_axes(image[1:-1], filter_sizes[:-2], full)
    n, *spatial, cin = image
    data_format = full["data_format"]
    out = join_layout(n, [a.out for a in axes], filter_sizes[-1], data_format)
    return (ramp(*join_layout(n, spatial, cin, data_format)), ramp(*filter_sizes)[::-1],
            ramp(*out)[:, ::-1], attrs)


# ---- declarations -----------------------------------------------------------------------------


def declare_convolution(
    names: tuple[str, str, str], schema: dict[str, Attr], cases: Sequence[tuple],
    errors: tuple[Errors, Errors, Errors],
) -> Family:
    """The forward op and its adjoints in the input and in the filter, under TensorFlow's `names`.

    cases: (image sizes with channels last, filter sizes, attributes), the samples of all three.
    """
    made: list[Family] = []

    def forward_grad(F: Any, op: Any, g: Any) -> list[Any]:
        x, f = op.inputs
        return [apply(made[0].backprop_input, (g, f, F.shape(x)), op.attrs),
                apply(made[0].backprop_filter, (x, g, F.shape(f)), op.attrs)]

    def backprop_input_grad(F: Any, op: Any, gx: Any) -> list[Any]:
        """The op is linear in out_backprop and in the filter, and the adjoint of the forward."""
        out_backprop, f, _ = op.inputs
        return [apply(made[0].forward, (gx, f), op.attrs),
                apply(made[0].backprop_filter, (gx, out_backprop, F.shape(f)), op.attrs), None]

    def backprop_filter_grad(F: Any, op: Any, gf: Any) -> list[Any]:
        x, out_backprop, _ = op.inputs
        return [apply(made[0].backprop_input, (out_backprop, gf, F.shape(x)), op.attrs),
                apply(made[0].forward, (x, gf), op.attrs), None]

    def arrays() -> list[tuple]:
        return [_case_arrays(case, schema) for case in cases]

    common: dict[str, Any] = {"attrs": schema, "T": dt.FLOATS, "depth": 2}
    made.append(Family(
        declare(
            names[0], "input: T, filter: T", infer=_forward_type,
            reference=convolution_reference.convolve, grad=forward_grad,
            lowering=convolution_lowering.FORWARD, errors=errors[0],
            samples=lambda: [Sample((x, f), attrs) for x, f, _, attrs in arrays()], **common),
        declare(
            names[1], "out_backprop: T, filter: T, input_sizes: I", infer=_backprop_input_type,
            reference=convolution_reference.backprop_input, grad=backprop_input_grad,
            lowering=convolution_lowering.BACKPROP_INPUT, errors=errors[1],
            samples=lambda: [Sample((g, f, np.array(x.shape, np.int32)), attrs)
                             for x, f, g, attrs in arrays()], I=dt.INDICES, **common),
        declare(
            names[2], "input: T, out_backprop: T, filter_sizes: I", infer=_backprop_filter_type,
            reference=convolution_reference.backprop_filter, grad=backprop_filter_grad,
            lowering=convolution_lowering.BACKPROP_FILTER, errors=errors[2],
            samples=lambda: [Sample((x, g, np.array(f.shape, np.int32)), attrs)
                             for x, f, g, attrs in arrays()], I=dt.INDICES, **common)))
    return made[0]
