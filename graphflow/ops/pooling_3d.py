"""`max_pool3d` and `avg_pool3d`: maximum and average over sliding windows of volumes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import op_function
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.opdef import ErrorSample
from graphflow.ops.pooling import pool_with
from graphflow.ops.pooling_family import declare_pooling
from graphflow.ops.pooling_positions import VOLUME_POSITIONS
from graphflow.ops.pooling_windows import VOLUME_CASES, VOLUME_POOL_ATTRS, distinct, settings


def _pool_errors() -> list[ErrorSample]:
    x = distinct(1, 2, 2, 3, 1)
    return [
        ErrorSample((x[0],), settings((1, 1, 1)), ShapeError,
                    r"must have rank 5 .*\[2, 2, 3, 1\].*expand_dims"),
        ErrorSample((x,), settings((3, 1, 1)), ShapeError,
                    r"window \[3, 1, 1\] is larger than the input's depth, height and width"),
        ErrorSample((x,), {**settings((1, 1, 1)), "ksize": (1, 1)}, AttributeValueError,
                    "ksize must be three positive"),
    ]


def _avg_grad_errors() -> list[ErrorSample]:
    x, sizes = distinct(1, 2, 2, 2, 1), np.array([1, 2, 2, 2, 1], np.int32)
    return [ErrorSample((x, sizes), settings((2, 2, 2)), ShapeError,
                        r"grad must have the shape \[1, 1, 1, 1, 1\]"),
            ErrorSample((x, sizes[:2]), settings((2, 2, 2)), ShapeError, "vector of 5 sizes")]


_POOLS = declare_pooling(
    ("MaxPool3D", "AvgPool3D", "AvgPool3DGrad"), VOLUME_POOL_ATTRS, VOLUME_CASES,
    VOLUME_POSITIONS, _pool_errors, _avg_grad_errors)


@op_function
def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NDHWC",
    name: str | None = None,
) -> Any:
    """The largest element of each window of volumes.

    input: [batch, depth, height, width, channels], or [batch, channels, depth, height, width]
      with data_format "NCDHW"; any real dtype.
    ksize, strides: an int, or a list of 1, 3 or 5 ints (`data_format` order; 1 for batch and
      channels). padding: "SAME", "VALID", or five pairs [before, after].
    Errors and gradient as in `max_pool`.
    """
    return pool_with(_POOLS.maximum, input, ksize, strides, padding, data_format, name, None)


@op_function
def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NDHWC",
    name: str | None = None,
) -> Any:
    """The mean of each window of volumes, of its elements inside the volume.

    input: volumes of a float dtype; other arguments and errors as in `max_pool3d`.
    """
    return pool_with(_POOLS.average, input, ksize, strides, padding, data_format, name, None)
