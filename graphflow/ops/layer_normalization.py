"""Normalisation by moments of single examples: layer, group and instance normalisation.

Sources: Ba, Kiros, Hinton, "Layer normalization", 2016; Wu, He, "Group normalization", 2018;
Ulyanov, Vedaldi, Lempitsky, "Instance normalization", 2016. TensorFlow 1 had them outside of
`tf.nn`; the functions here are the shared ground of such layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, renamed, static_ints
from graphflow.ops.convolution_geometry import LAYOUTS
from graphflow.ops.scope import scope


def _normalized(x: Any, axes: Sequence[int], epsilon: float) -> Any:
    """(x − mean) / √(variance + ε) over `axes`."""
    mean, variance = F.moments(x, list(axes), keepdims=True)
    return (x - mean) * F.rsqrt(variance + epsilon)


def _affine(x: Any, scale: Any, offset: Any, name: str | None) -> Any:
    """x · scale + offset, either of which may be None."""
    if scale is not None:
        x = F.multiply(x, scale, name=name if offset is None else None)
    if offset is not None:
        x = F.add(x, offset, name=name)
    return F.identity(x, name=name) if scale is None and offset is None else x


@op_function
def layer_normalization(
    x: Any, scale: Any = None, offset: Any = None, axis: Any = -1, epsilon: float = 1e-5,
    name: str | None = None,
) -> Any:
    """(x − mean) / √(variance + epsilon) · scale + offset, the moments over `axis`.

    x: floats. axis: an axis or a list of them, usually those after the batch's. scale, offset:
    broadcast against x (usually they have the sizes of `axis`), or None.
    Raises ShapeError if x's rank is unknown, AttributeValueError for an axis that x lacks.
    """
    op = "layer_normalization"
    with scope(name, op) as last:
        x = convert(x)
        if x.shape.rank is None:
            raise failure(op, name, "the rank of x must be known", cls=ShapeError)
        axes = static_ints(op, name, "axis", axis)
        if any(not -x.shape.rank <= a < x.shape.rank for a in axes):
            raise failure(op, name, f"axis {axis} is outside of x {x.shape}")
        return _affine(_normalized(x, axes, epsilon), scale, offset, last)


@op_function
def instance_normalization(
    x: Any, scale: Any = None, offset: Any = None, epsilon: float = 1e-5,
    data_format: str | None = "NHWC", name: str | None = None,
) -> Any:
    """Images normalised by the moments of each channel of each image.

    x: [batch, height, width, channels], or [batch, channels, height, width] with data_format
    "NCHW"; scale, offset: [channels] or None. Errors as in `group_normalization`.
    """
    op = "instance_normalization"
    with scope(name, op) as last:
        x = _image(op, name, x, data_format)
        _, h, w, _ = LAYOUTS[data_format or "NHWC"]
        scale, offset = (_along_channels(v, data_format) for v in (scale, offset))
        return _affine(_normalized(x, (h, w), epsilon), scale, offset, last)


@op_function
def group_normalization(
    x: Any, scale: Any = None, offset: Any = None, groups: int = 32, epsilon: float = 1e-5,
    data_format: str | None = "NHWC", name: str | None = None,
) -> Any:
    """Images normalised by the moments of groups of consecutive channels of each image.

    x: [batch, height, width, channels], or [batch, channels, height, width] with data_format
    "NCHW"; scale, offset: [channels] or None. The channels must be a multiple of `groups`.
    Raises ShapeError if they are not or are not known, AttributeValueError for another layout.
    """
    op = "group_normalization"
    with scope(name, op) as last:
        x = _image(op, name, x, data_format)
        last_axis = (data_format or "NHWC") == "NHWC"
        channels = x.shape.as_list()[3 if last_axis else 1]
        if channels is None or groups < 1 or channels % groups:
            raise failure(op, name, f"the channels of x {x.shape} must be a multiple of groups "
                                    f"{groups}", cls=ShapeError)
        n, a, b, c = F.unstack(F.shape(x), 4)
        within = channels // groups
        split = [n, a, b, groups, within] if last_axis else [n, groups, within, b, c]
        parts = F.reshape(x, F.stack(split))
        normal = _normalized(parts, (1, 2, 4) if last_axis else (2, 3, 4), epsilon)
        scale, offset = (_along_channels(v, data_format) for v in (scale, offset))
        return _affine(F.reshape(normal, F.shape(x)), scale, offset, last)


def _image(op: str, name: str | None, x: Any, data_format: str | None) -> Any:
    if (data_format or "NHWC") not in LAYOUTS:
        raise failure(op, name, f"data_format must be 'NHWC' or 'NCHW', got {data_format!r}")
    x = convert(x)
    if x.shape.rank != 4:
        raise failure(op, name, f"x must have rank 4, got {x.shape}", cls=ShapeError)
    return x


def _along_channels(vector: Any, data_format: str | None) -> Any:
    if vector is None or (data_format or "NHWC") == "NHWC":
        return vector
    return F.reshape(vector, [-1, 1, 1])


@op_function
def batch_norm_with_global_normalization(
    t: Any = None, m: Any = None, v: Any = None, beta: Any = None, gamma: Any = None,
    variance_epsilon: Any = None, scale_after_normalization: bool | None = None,
    name: str | None = None, input: Any = None, mean: Any = None, variance: Any = None,
) -> Any:
    """`batch_normalization` of images under its first name, gamma only if asked for.

    t (input), m (mean), v (variance), beta, gamma as x, mean, variance, offset and scale there.
    """
    op = "batch_norm_with_global_normalization"
    t, m, v = (renamed(op, new, value, old, given) for new, value, old, given in (
        ("input", t, "t", input), ("mean", m, "m", mean), ("variance", v, "v", variance)))
    return F.batch_normalization(
        t, m, v, beta, gamma if scale_after_normalization else None, variance_epsilon, name)
