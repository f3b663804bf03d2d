"""Moments in two steps: sums that can be added up over batches, then mean and variance."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.ops.arguments import renamed
from graphflow.ops.reduction import axes_argument
from graphflow.ops.scope import scope
from graphflow.ops.shape_ops import size_over


@op_function
def sufficient_statistics(
    x: Any, axes: Any, shift: Any = None, keep_dims: bool | None = None, name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Any, Any, Any]:
    """(count, Σ(x − shift), Σ(x − shift)², shift) over `axes`, for `normalize_moments`.

    x: floats. shift: a value near the mean, for accuracy; None is 0. The count is a scalar of the
    type of `x`. keep_dims: the old name of `keepdims`.
    Method: shifted data, https://en.wikipedia.org/wiki/Algorithms_for_calculating_variance.
    """
    keepdims = bool(renamed("sufficient_statistics", "keepdims", keepdims, "keep_dims", keep_dims))
    with scope(name, "sufficient_statistics"):
        x = convert(x)
        count = size_over(x, axes_argument("sufficient_statistics", name, axes, x.shape.rank))
        counts = F.cast(convert(count, name="count"), x.dtype)
        if shift is None:
            deviations, squares = x, F.square(x)
        else:
            shift = convert(shift, x.dtype, "shift")
            deviations, squares = F.subtract(x, shift), F.squared_difference(x, shift)
        mean_ss = F.reduce_sum(deviations, axes, keepdims=keepdims, name="mean_ss")
        variance_ss = F.reduce_sum(squares, axes, keepdims=keepdims, name="var_ss")
    return counts, mean_ss, variance_ss, shift


@op_function
def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Any, Any]:
    """(mean, variance) from what `sufficient_statistics` gives, or from sums of it."""
    with scope(name, "normalize"):
        divisor = F.reciprocal(counts, name="divisor")
        shifted_mean = F.multiply(mean_ss, divisor, name="mean" if shift is None else None)
        mean = shifted_mean if shift is None else F.add(shifted_mean, shift, name="mean")
        variance = F.subtract(F.multiply(variance_ss, divisor), F.square(shifted_mean),
                              name="variance")
    return mean, variance
