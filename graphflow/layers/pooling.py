"""Pooling layers: the largest element, or the mean, of each window."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.layers import scoped
from graphflow.layers.base import Layer
from graphflow.layers.functional import layer_function
from graphflow.layers.input_spec import InputSpec
from graphflow.layers.layouts import (
    checked_data_format,
    checked_padding,
    layout_name,
    output_length,
    per_axis,
)
from graphflow.shapes import TensorShape, as_shape


class PoolingBody(Layer):
    """Pooling over `rank` axes. inputs: [batch, …, n], or [batch, n, …] with channels_first.

    pool_size, strides: an int, or one per axis; without strides windows stand side by side.
    """

    rank = 0
    pooling_type = ""

    def __init__(
        self, pool_size: Any, strides: Any = None, padding: str = "valid",
        data_format: str | None = None, **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        strides = pool_size if strides is None else strides
        self.pool_size = per_axis(self.name, pool_size, self.rank, "pool_size")
        self.strides = per_axis(self.name, strides, self.rank, "strides")
        self.padding = checked_padding(self.name, padding)
        self.data_format = checked_data_format(self.name, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        """The largest element ("MAX") or the mean ("AVG") of each window."""
        kind = "MaxPool" if self.pooling_type == "MAX" else "AvgPool"
        last = {1: "Squeeze", 2: kind, 3: f"{kind}3D"}[self.rank]
        return F.pool(
            inputs, self.pool_size, self.pooling_type, self.padding.upper(),
            strides=self.strides, data_format=layout_name(self.data_format, self.rank),
            name=last)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs."""
        sizes = as_shape(input_shape).as_list()
        first = 1 if self.data_format == "channels_last" else 2
        for i, (window, stride) in enumerate(zip(self.pool_size, self.strides)):
            sizes[first + i] = output_length(sizes[first + i], window, self.padding, stride)
        return TensorShape(sizes)


class _Pooling(scoped.Layer, PoolingBody):
    """The form that the pooling layers of `tf.layers` share."""

    def __init__(
        self, pool_size: Any, strides: Any, padding: str = "valid",
        data_format: str = "channels_last", name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            pool_size=pool_size, strides=strides, padding=padding, data_format=data_format,
            name=name, **kwargs)


class MaxPooling1D(_Pooling):
    """The largest element of each window of sequences [batch, length, n]."""

    rank, pooling_type = 1, "MAX"


class AveragePooling1D(_Pooling):
    """The mean of each window of sequences [batch, length, n]."""

    rank, pooling_type = 1, "AVG"


class MaxPooling2D(_Pooling):
    """The largest element of each window of images [batch, height, width, n]."""

    rank, pooling_type = 2, "MAX"


class AveragePooling2D(_Pooling):
    """The mean of each window of images [batch, height, width, n]."""

    rank, pooling_type = 2, "AVG"


class MaxPooling3D(_Pooling):
    """The largest element of each window of volumes [batch, depth, height, width, n]."""

    rank, pooling_type = 3, "MAX"


class AveragePooling3D(_Pooling):
    """The mean of each window of volumes [batch, depth, height, width, n]."""

    rank, pooling_type = 3, "AVG"


_DOC = """The {what} of each window of {items}.

pool_size, strides: an int, or one per axis. padding: "valid" or "same". data_format:
"channels_last", or "channels_first" for channels on axis 1. Raises ShapeError for inputs of
another rank, AttributeValueError for arguments that make no sense."""

max_pooling1d = layer_function(
    "max_pooling1d", MaxPooling1D,
    _DOC.format(what="largest element", items="sequences [batch, length, n]"), reuse=False)
average_pooling1d = layer_function(
    "average_pooling1d", AveragePooling1D,
    _DOC.format(what="mean", items="sequences [batch, length, n]"), reuse=False)
max_pooling2d = layer_function(
    "max_pooling2d", MaxPooling2D,
    _DOC.format(what="largest element", items="images [batch, height, width, n]"), reuse=False)
average_pooling2d = layer_function(
    "average_pooling2d", AveragePooling2D,
    _DOC.format(what="mean", items="images [batch, height, width, n]"), reuse=False)
max_pooling3d = layer_function(
    "max_pooling3d", MaxPooling3D,
    _DOC.format(what="largest element", items="volumes [batch, depth, height, width, n]"),
    reuse=False)
average_pooling3d = layer_function(
    "average_pooling3d", AveragePooling3D,
    _DOC.format(what="mean", items="volumes [batch, depth, height, width, n]"), reuse=False)
