"""`max_pool` and `avg_pool`: maximum and average over sliding windows of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import apply, op_function, publish
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.opdef import ErrorSample
from graphflow.ops.arguments import failure
from graphflow.ops.convolution_geometry import spatial_numbers, window_attrs
from graphflow.ops.pooling_family import declare_pooling
from graphflow.ops.pooling_positions import IMAGE_POSITIONS
from graphflow.ops.pooling_windows import CASES, POOL_ATTRS, distinct, settings

# ---- declarations -----------------------------------------------------------------------------


def _pool_errors() -> list[ErrorSample]:
    x = distinct(1, 2, 4, 2)
    return [
        ErrorSample((x[0],), settings(), ShapeError,
                    r"must have rank 4 .*\[2, 4, 2\].*expand_dims"),
        ErrorSample((x,), settings((4, 1)), ShapeError,
                    r"window \[4, 1\] is larger than the input's height and width \[2, 4\]"),
        ErrorSample((x,), settings((0, 1)), AttributeValueError, "ksize must be two positive"),
        ErrorSample((x,), settings(strides=(1, 0)), AttributeValueError, "strides must be two"),
        ErrorSample((x,), settings(dilations=(2, 3)), ShapeError,
                    r"window \[2, 2\] \(dilated: \[3, 4\]\) is larger"),
        ErrorSample((x,), settings(padding="EXPLICIT", explicit_paddings=((2, 0), (0, 0))),
                    AttributeValueError, "smaller than the window"),
        ErrorSample((x,), settings(data_format="CHWN"), AttributeValueError, "data_format"),
    ]


def _avg_grad_errors() -> list[ErrorSample]:
    x, sizes = distinct(1, 4, 4, 1), np.array([1, 4, 4, 1], np.int32)
    return [ErrorSample((x, sizes), settings(), ShapeError,
                        r"grad must have the shape \[1, 2, 2, 1\]"),
            ErrorSample((x, sizes[:2]), settings(), ShapeError, "vector of 4 sizes")]


_POOLS = declare_pooling(
    ("MaxPool", "AvgPool", "AvgPoolGrad"), POOL_ATTRS, CASES, IMAGE_POSITIONS, _pool_errors,
    _avg_grad_errors)
MAX_POOL = _POOLS.maximum
AVG_POOL = _POOLS.average


# ---- public functions -------------------------------------------------------------------------


@op_function
def max_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """The largest element of each window.

    value (or input): [batch, height, width, channels], or [batch, channels, height, width] with
      data_format "NCHW"; any real dtype. NaN is larger than everything.
    ksize, strides: an int, or a list of 1, 2 (height, width) or 4 ints (`data_format` order; 1
      for batch and channels).
    padding: "SAME", "VALID", or four pairs [before, after]; padding is never the largest.
    Its gradient goes to the first largest element of a window, in row-major order.
    Raises ShapeError for another rank and for a window larger than the image,
    AttributeValueError for ksize, strides, padding or data_format that make no sense.
    """
    return pool_with(MAX_POOL, value, ksize, strides, padding, data_format, name, input)


@op_function
def avg_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """The mean of each window, of its elements inside the image (padding is not counted).

    value (or input): images of a float dtype; other arguments and errors as in `max_pool`.
    """
    return pool_with(AVG_POOL, value, ksize, strides, padding, data_format, name, input)


@op_function
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NHWC",
    name: str | None = None,
) -> Any:
    """`max_pool`, with its first argument under the name that TensorFlow gives it here."""
    return pool_with(MAX_POOL, input, ksize, strides, padding, data_format, name, None)


publish(avg_pool, "avg_pool2d")


def pool_with(
    opdef: Any, value: Any, ksize: Any, strides: Any, padding: Any, data_format: Any,
    name: str | None, alias: Any,
) -> Any:
    """One pool of `opdef`, 2D or 3D by its attributes, from TensorFlow's arguments."""
    op = opdef.name
    axes = len(opdef.attrs["data_format"].default) - 2
    if (value is None) == (alias is None):
        problem = "is missing" if value is None else "and input are both given"
        raise failure(op, name, f"value {problem}", "Give value or input.")
    for argument, given in (("ksize", ksize), ("strides", strides), ("padding", padding)):
        if given is None:
            twos = [1, *[2] * axes, 1]
            raise failure(op, name, f"{argument} is missing",
                          f"For example ksize={twos}, strides={twos}, padding='SAME'.")
    attrs = window_attrs(op, name, strides, padding, data_format, axes=axes)
    attrs["ksize"] = spatial_numbers(op, name, "ksize", ksize, attrs["data_format"])
    return apply(opdef, (alias if value is None else value,), attrs, name=name)
