"""Convolution layers of `tf.layers`.

Arguments that they share: kernel_size, strides, dilation_rate: an int, or one per axis. padding:
"valid" or "same". data_format: "channels_last", or "channels_first" for inputs with the channels
on axis 1; the channels must be known. activation: a function, or None. use_bias: adds a bias
[filters]. Initialisers, regularisers and constraints are functions of the weight they are named
after, as in `get_variable`. Inputs that do not fit raise ShapeError, arguments that make no sense
AttributeValueError (both are ValueErrors).
"""

from __future__ import annotations

from typing import Any

from graphflow.layers import scoped
from graphflow.layers.convolution_bodies import ConvBody, SeparableConvBody, TransposedConvBody
from graphflow.layers.functional import layer_function
from graphflow.ops.initializers import Zeros

_ZEROS = Zeros()


class Conv1D(scoped.Layer, ConvBody):
    """A convolution of sequences, plus bias, through an activation.

    inputs: [batch, length, n]; `kernel`: [width, n, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = 1, activation: Any = None,
        use_bias: bool = True, kernel_initializer: Any = None, bias_initializer: Any = _ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=1, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, dilation_rate=dilation_rate, activation=activation,
            use_bias=use_bias, kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint, bias_constraint=bias_constraint,
            trainable=trainable, name=name, **kwargs)


class Conv2D(scoped.Layer, ConvBody):
    """A convolution of images, plus bias, through an activation.

    inputs: [batch, height, width, n]; `kernel`: [height, width, n, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = (1, 1), activation: Any = None,
        use_bias: bool = True, kernel_initializer: Any = None, bias_initializer: Any = _ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=2, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, dilation_rate=dilation_rate, activation=activation,
            use_bias=use_bias, kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint, bias_constraint=bias_constraint,
            trainable=trainable, name=name, **kwargs)


class Conv3D(scoped.Layer, ConvBody):
    """A convolution of volumes, plus bias, through an activation.

    inputs: [batch, depth, height, width, n]; `kernel`: [depth, height, width, n, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = (1, 1, 1),
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any = None,
        bias_initializer: Any = _ZEROS, kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, trainable: bool = True,
        name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=3, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, dilation_rate=dilation_rate, activation=activation,
            use_bias=use_bias, kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint, bias_constraint=bias_constraint,
            trainable=trainable, name=name, **kwargs)


class SeparableConv1D(scoped.Layer, SeparableConvBody):
    """A depthwise convolution of sequences, then one of width 1 that mixes the channels.

    inputs: [batch, length, n]; `depthwise_kernel`: [width, n, depth_multiplier],
    `pointwise_kernel`: [1, n · depth_multiplier, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = 1, depth_multiplier: int = 1,
        activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = None,
        pointwise_initializer: Any = None, bias_initializer: Any = _ZEROS,
        depthwise_regularizer: Any = None, pointwise_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        depthwise_constraint: Any = None, pointwise_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=1, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, dilation_rate=dilation_rate,
            depth_multiplier=depth_multiplier, activation=activation, use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer, bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint, bias_constraint=bias_constraint,
            trainable=trainable, name=name, **kwargs)


class SeparableConv2D(scoped.Layer, SeparableConvBody):
    """A depthwise convolution of images, then one of width 1 that mixes the channels.

    inputs: [batch, height, width, n]; `depthwise_kernel`: [height, width, n, depth_multiplier],
    `pointwise_kernel`: [1, 1, n · depth_multiplier, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str = "channels_last", dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1, activation: Any = None, use_bias: bool = True,
        depthwise_initializer: Any = None, pointwise_initializer: Any = None,
        bias_initializer: Any = _ZEROS, depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, depthwise_constraint: Any = None,
        pointwise_constraint: Any = None, bias_constraint: Any = None, trainable: bool = True,
        name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=2, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, dilation_rate=dilation_rate,
            depth_multiplier=depth_multiplier, activation=activation, use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer, bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint, bias_constraint=bias_constraint,
            trainable=trainable, name=name, **kwargs)


class Conv2DTranspose(scoped.Layer, TransposedConvBody):
    """A transposed convolution ("deconvolution") of images, plus bias, through an activation.

    inputs: [batch, height, width, n]; `kernel`: [height, width, filters, n].
    Sizes grow by the strides; with "valid" padding, by what a window exceeds the stride besides.
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str = "channels_last", activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = _ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=2, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint, trainable=trainable, name=name, **kwargs)


class Conv3DTranspose(scoped.Layer, TransposedConvBody):
    """A transposed convolution ("deconvolution") of volumes, plus bias, through an activation.

    inputs: [batch, depth, height, width, n]; `kernel`: [depth, height, width, filters, n].
    Sizes grow by the strides; with "valid" padding, by what a window exceeds the stride besides.
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
        data_format: str = "channels_last", activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = _ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=3, filters=filters, kernel_size=kernel_size, strides=strides, padding=padding,
            data_format=data_format, activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint, trainable=trainable, name=name, **kwargs)


conv1d = layer_function(
    "conv1d", Conv1D, "A convolution of sequences [batch, length, n]; see `Conv1D`.")
conv2d = layer_function(
    "conv2d", Conv2D, "A convolution of images [batch, height, width, n]; see `Conv2D`.")
conv3d = layer_function(
    "conv3d", Conv3D, "A convolution of volumes [batch, depth, height, width, n]; see `Conv3D`.")
separable_conv1d = layer_function(
    "separable_conv1d", SeparableConv1D,
    "A separable convolution of sequences; see `SeparableConv1D`.")
separable_conv2d = layer_function(
    "separable_conv2d", SeparableConv2D,
    "A separable convolution of images; see `SeparableConv2D`.")
conv2d_transpose = layer_function(
    "conv2d_transpose", Conv2DTranspose,
    "A transposed convolution of images; see `Conv2DTranspose`.")
conv3d_transpose = layer_function(
    "conv3d_transpose", Conv3DTranspose,
    "A transposed convolution of volumes; see `Conv3DTranspose`.")
