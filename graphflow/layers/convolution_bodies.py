"""What convolution layers of every rank and family compute."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.layers.base import Layer
from graphflow.layers.core import last_size
from graphflow.layers.input_spec import InputSpec
from graphflow.layers.layouts import (
    channels_axis,
    checked_data_format,
    checked_padding,
    layout_name,
    output_length,
    per_axis,
    transposed_length,
)
from graphflow.shapes import TensorShape, as_shape


class ConvBody(Layer):
    """activation(convolution(inputs, kernel) + bias) over `rank` axes.

    inputs: [batch, …, n] (or [batch, n, …] with channels_first), n known. The kernel is
    [*kernel_size, n, filters].
    """

    def __init__(
        self, rank: int, filters: int, kernel_size: Any, strides: Any = 1,
        padding: str = "valid", data_format: str | None = None, dilation_rate: Any = 1,
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any = None,
        bias_initializer: Any = None, kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.rank = rank
        self.filters = None if filters is None else int(filters)
        self.kernel_size = per_axis(self.name, kernel_size, rank, "kernel_size")
        self.strides = per_axis(self.name, strides, rank, "strides")
        self.padding = checked_padding(self.name, padding, causal=rank == 1)
        self.data_format = checked_data_format(self.name, data_format)
        self.dilation_rate = per_axis(self.name, dilation_rate, rank, "dilation_rate")
        self.activation, self.use_bias = activation, use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(ndim=rank + 2)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes `kernel` and `bias`. Raises ShapeError if the channels are unknown."""
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            "kernel", shape=self._kernel_shape(channels), initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self._add_bias()
        self.built = True

    def _channels(self, input_shape: Any) -> int:
        axis = channels_axis(self.data_format)
        channels = last_size(self, input_shape, axis, type(self).__name__)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, channels, self.filters or 0]

    def _add_bias(self, size: int | None = None) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", shape=[self.filters if size is None else size],
                initializer=self.bias_initializer, regularizer=self.bias_regularizer,
                constraint=self.bias_constraint)

    def call(self, inputs: Any) -> Any:
        """The convolution, plus bias, through the activation."""
        inputs, padding = convert(inputs), self.padding.upper()
        if padding == "CAUSAL":
            inputs, padding = self._padded_before(inputs), "VALID"
        return self._finished(F.convolution(
            inputs, self.kernel, padding, strides=self.strides,
            dilation_rate=self.dilation_rate,
            data_format=layout_name(self.data_format, self.rank),
            name="Conv2D" if self.rank == 2 else None))

    def _padded_before(self, inputs: Any) -> Any:
        """Sequences with zeros in front, so that no output depends on later inputs."""
        front = [self.dilation_rate[0] * (self.kernel_size[0] - 1), 0]
        last = self.data_format == "channels_last"
        return F.pad(inputs, [[0, 0], front, [0, 0]] if last else [[0, 0], [0, 0], front])

    def _finished(self, outputs: Any) -> Any:
        if self.use_bias:
            outputs = F.bias_add(
                outputs, self.bias, data_format=layout_name(self.data_format, self.rank))
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs."""
        lengths = [
            output_length(n, k, self.padding, s, d) for n, k, s, d in zip(
                self._space(input_shape), self.kernel_size, self.strides, self.dilation_rate)]
        return self._with_space(input_shape, lengths)

    def _space(self, input_shape: Any) -> list[int | None]:
        sizes = as_shape(input_shape).as_list()
        return sizes[1:-1] if self.data_format == "channels_last" else sizes[2:]

    def _with_space(self, input_shape: Any, lengths: list[Any]) -> TensorShape:
        batch = as_shape(input_shape)[0]
        if self.data_format == "channels_last":
            return TensorShape([batch, *lengths, self.filters])
        return TensorShape([batch, self.filters, *lengths])


class TransposedConvBody(ConvBody):
    """activation(transposed convolution(inputs, kernel) + bias) over 2 or 3 axes.

    The kernel is [*kernel_size, filters, n] for n input channels.
    """

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, self.filters or 0, channels]

    def call(self, inputs: Any) -> Any:
        """The transposed convolution, plus bias, through the activation."""
        inputs = convert(inputs)
        dynamic, static = F.shape(inputs), self.compute_output_shape(inputs.shape)
        first = 1 if self.data_format == "channels_last" else 2
        lengths = [
            self._grown(dynamic[first + i] if size is None else size, i)
            for i, size in enumerate(self._space(inputs.shape))]
        batch = inputs.shape.as_list()[0]
        sizes = [dynamic[0] if batch is None else batch, *lengths]
        sizes.insert(len(sizes) if first == 1 else 1, self.filters)
        op = F.conv2d_transpose if self.rank == 2 else F.conv3d_transpose
        steps = [1, *self.strides]
        steps.insert(len(steps) if first == 1 else 1, 1)
        outputs = op(
            inputs, self.kernel, sizes, steps, padding=self.padding.upper(),
            data_format=layout_name(self.data_format, self.rank))
        outputs.set_shape(static)
        return self._finished(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs."""
        lengths = [
            None if n is None else self._grown(n, i)
            for i, n in enumerate(self._space(input_shape))]
        return self._with_space(input_shape, lengths)

    def _grown(self, length: Any, axis: int) -> Any:
        """The output's length along an axis, for a number or tensor."""
        return transposed_length(
            length, self.kernel_size[axis], self.padding, self.strides[axis])


class SeparableConvBody(ConvBody):
    """A depthwise convolution, then one of width 1 that mixes the channels, over 1 or 2 axes.

    Weights: `depthwise_kernel` [*kernel_size, n, depth_multiplier], `pointwise_kernel`
    [1 …, n · depth_multiplier, filters], `bias`.
    Source: Chollet, "Xception", CVPR 2017.
    """

    def __init__(
        self, rank: int, filters: int, kernel_size: Any, strides: Any = 1,
        padding: str = "valid", data_format: str | None = None, dilation_rate: Any = 1,
        depth_multiplier: int = 1, activation: Any = None, use_bias: bool = True,
        depthwise_initializer: Any = None, pointwise_initializer: Any = None,
        bias_initializer: Any = None, depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, depthwise_constraint: Any = None,
        pointwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=rank, filters=filters, kernel_size=kernel_size, strides=strides,
            padding=padding, data_format=data_format, dilation_rate=dilation_rate,
            activation=activation, use_bias=use_bias, bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint, **kwargs)
        self.depth_multiplier = int(depth_multiplier)
        self.depthwise_initializer = depthwise_initializer
        self.pointwise_initializer = pointwise_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.pointwise_regularizer = pointwise_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint
        self.depthwise_kernel: Any = None
        self.pointwise_kernel: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the two kernels and `bias`. Raises ShapeError if the channels are unknown."""
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel", shape=[*self.kernel_size, channels, self.depth_multiplier],
            initializer=self.depthwise_initializer, regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint)
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            shape=[*[1] * self.rank, channels * self.depth_multiplier, self.filters],
            initializer=self.pointwise_initializer, regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint)
        self._add_bias()
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The separable convolution, plus bias, through the activation."""
        inputs, padding = convert(inputs), self.padding.upper()
        if padding == "CAUSAL":
            inputs, padding = self._padded_before(inputs), "VALID"
        # Sequences are images of height 1; the strides of both axes must be equal.
        axis = 1 if self.data_format == "channels_last" else 2
        kernels = [self.depthwise_kernel, self.pointwise_kernel]
        strides, rates = self.strides, self.dilation_rate
        if self.rank == 1:
            inputs, kernels = F.expand_dims(inputs, axis), [F.expand_dims(k, 0) for k in kernels]
            strides, rates = strides * 2, (1, *rates)
        steps = (1, *strides, 1) if axis == 1 else (1, 1, *strides)
        outputs = F.separable_conv2d(
            inputs, *kernels, strides=steps, padding=padding, rate=rates,
            data_format=layout_name(self.data_format, 2))
        if self.rank == 2:
            return self._finished(outputs)
        if self.use_bias:
            outputs = F.bias_add(
                outputs, self.bias, data_format=layout_name(self.data_format, 2))
        outputs = F.squeeze(outputs, [axis])
        return outputs if self.activation is None else self.activation(outputs)
