"""Convolutions: plain, transposed, separable and depthwise."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.keras.backend.settings import image_data_format
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.layers.convolution_bodies import ConvBody, SeparableConvBody, TransposedConvBody
from graphflow.layers.core import last_size
from graphflow.layers.input_spec import InputSpec
from graphflow.layers.layouts import channels_axis, layout_name


def _keywords(arguments: dict[str, Any], rank: int) -> dict[str, Any]:
    """A constructor's `locals()` as keywords of the body for `rank` axes."""
    given = resolved(arguments)
    given["data_format"] = given["data_format"] or image_data_format()
    return {"rank": rank, **given}


class Conv1D(Layer, ConvBody):
    """A convolution of sequences, plus bias, through an activation.

    inputs: [batch, length, n] → [batch, length', filters]; kernel: [width, n, filters]. padding:
    "valid", "same" or "causal".
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str | None = "channels_last", dilation_rate: Any = 1,
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any =
        "glorot_uniform", bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any =
        None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 1))


class Conv2D(Layer, ConvBody):
    """A convolution of images, plus bias, through an activation.

    inputs: [batch, height, width, n] → [batch, height', width', filters]; kernel: [height, width,
    n, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = None,
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any =
        "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any =
        None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 2))


class Conv3D(Layer, ConvBody):
    """A convolution of volumes, plus bias, through an activation.

    inputs: [batch, depth, height, width, n]; kernel: [depth, height, width, n, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = (1, 1, 1), activation: Any = None,
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any =
        "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any =
        None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 3))


class _Transposed(Layer, TransposedConvBody):
    """A transposed convolution whose size is fixed by `output_padding`, if that is given."""

    def __init__(self, output_padding: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_padding = None if output_padding is None else tuple(
            output_padding if isinstance(output_padding, (list, tuple))
            else [output_padding] * self.rank)

    def _grown(self, length: Any, axis: int) -> Any:
        if self.output_padding is None:
            return super()._grown(length, axis)
        window = self.kernel_size[axis]
        cut = 2 * (window // 2) if self.padding == "same" else 0
        return (length - 1) * self.strides[axis] + window - cut + self.output_padding[axis]


class Conv2DTranspose(_Transposed):
    """A transposed convolution of images, plus bias, through an activation.

    inputs: [batch, height, width, n]; kernel: [height, width, filters, n].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        output_padding: Any = None, data_format: str | None = None, dilation_rate: Any = (1, 1),
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any =
        "glorot_uniform", bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any =
        None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 2))


class Conv3DTranspose(_Transposed):
    """A transposed convolution of volumes, plus bias, through an activation.

    inputs: [batch, depth, height, width, n]; kernel: [depth, height, width, filters, n].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
        output_padding: Any = None, data_format: str | None = None, activation: Any = None,
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any =
        "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any =
        None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 3))


class SeparableConv1D(Layer, SeparableConvBody):
    """A depthwise convolution of sequences, then one of width 1 that mixes the channels.

    depthwise_kernel: [width, n, depth_multiplier]; pointwise_kernel: [1, n · depth_multiplier,
    filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = 1, depth_multiplier: int = 1,
        activation: Any = None, use_bias: bool = True, depthwise_initializer: Any =
        "glorot_uniform", pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any =
        "zeros", depthwise_regularizer: Any = None, pointwise_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None, depthwise_constraint: Any =
        None, pointwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 1))


class SeparableConv2D(Layer, SeparableConvBody):
    """A depthwise convolution of images, then one of width 1 that mixes the channels.

    depthwise_kernel: [height, width, n, depth_multiplier]; pointwise_kernel: [1, 1,
    n · depth_multiplier, filters].
    """

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = (1, 1), depth_multiplier: int = 1,
        activation: Any = None, use_bias: bool = True, depthwise_initializer: Any =
        "glorot_uniform", pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any =
        "zeros", depthwise_regularizer: Any = None, pointwise_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None, depthwise_constraint: Any =
        None, pointwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**_keywords(locals(), 2))


class DepthwiseConv2D(Layer, ConvBody):
    """A convolution of each channel of images by itself, with `depth_multiplier` filters each.

    inputs: [batch, height, width, n] → n · depth_multiplier channels; depthwise_kernel: [height,
    width, n, depth_multiplier].
    """

    def __init__(
        self, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        depth_multiplier: int = 1, data_format: str | None = None, activation: Any = None,
        use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform", bias_initializer:
        Any = "zeros", depthwise_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, depthwise_constraint: Any = None, bias_constraint: Any =
        None, **kwargs: Any,
    ) -> None:
        given = _keywords(locals(), 2)
        for name in ("initializer", "regularizer", "constraint"):
            given[f"kernel_{name}"] = given.pop(f"depthwise_{name}")
        self_multiplier = int(given.pop("depth_multiplier"))
        super().__init__(filters=None, **given)
        self.depth_multiplier = self_multiplier
        self.depthwise_kernel: Any = None

    @property
    def depthwise_initializer(self) -> Any:
        """The initialiser of the kernel."""
        return self.kernel_initializer

    @property
    def depthwise_regularizer(self) -> Any:
        """The regulariser of the kernel."""
        return self.kernel_regularizer

    @property
    def depthwise_constraint(self) -> Any:
        """The constraint of the kernel."""
        return self.kernel_constraint

    def build(self, input_shape: Any) -> None:
        """Makes `depthwise_kernel` and `bias`. Raises ShapeError for unknown channels."""
        axis = channels_axis(self.data_format)
        channels = last_size(self, input_shape, axis, "DepthwiseConv2D")
        self.input_spec = InputSpec(ndim=4, axes={axis: channels})
        self.filters = channels * self.depth_multiplier
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel", shape=[*self.kernel_size, channels, self.depth_multiplier],
            initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint)
        self._add_bias()
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The depthwise convolution, plus bias, through the activation."""
        last = self.data_format == "channels_last"
        steps = (1, *self.strides, 1) if last else (1, 1, *self.strides)
        return self._finished(F.depthwise_conv2d(
            inputs, self.depthwise_kernel, steps, self.padding.upper(),
            rate=self.dilation_rate, data_format=layout_name(self.data_format, 2)))


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution2DTranspose, Convolution3DTranspose = Conv2DTranspose, Conv3DTranspose
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
