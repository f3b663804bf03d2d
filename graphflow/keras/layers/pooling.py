"""Pooling: the largest element or the mean of windows, or of all of a sample."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.keras.backend.settings import image_data_format, normalize_data_format
from graphflow.keras.engine.layer import Layer
from graphflow.layers.input_spec import InputSpec
from graphflow.layers.pooling import PoolingBody
from graphflow.shapes import TensorShape, as_shape


class _Pooling(Layer, PoolingBody):
    def __init__(
        self, pool_size: Any, strides: Any = None, padding: str = "valid",
        data_format: str | None = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            pool_size=pool_size, strides=strides, padding=padding,
            data_format=data_format or image_data_format(), **kwargs)


class _Pooling1D(_Pooling):
    def __init__(
        self, pool_size: Any = 2, strides: Any = None, padding: str = "valid",
        data_format: str | None = "channels_last", **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class _Pooling2D(_Pooling):
    def __init__(
        self, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid",
        data_format: str | None = None, **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class _Pooling3D(_Pooling):
    def __init__(
        self, pool_size: Any = (2, 2, 2), strides: Any = None, padding: str = "valid",
        data_format: str | None = None, **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class MaxPooling1D(_Pooling1D):
    """The largest element of each window of sequences [batch, length, n]."""

    rank, pooling_type = 1, "MAX"


class AveragePooling1D(_Pooling1D):
    """The mean of each window of sequences [batch, length, n]."""

    rank, pooling_type = 1, "AVG"


class MaxPooling2D(_Pooling2D):
    """The largest element of each window of images [batch, height, width, n]."""

    rank, pooling_type = 2, "MAX"


class AveragePooling2D(_Pooling2D):
    """The mean of each window of images [batch, height, width, n]."""

    rank, pooling_type = 2, "AVG"


class MaxPooling3D(_Pooling3D):
    """The largest element of each window of volumes [batch, depth, height, width, n]."""

    rank, pooling_type = 3, "MAX"


class AveragePooling3D(_Pooling3D):
    """The mean of each window of volumes [batch, depth, height, width, n]."""

    rank, pooling_type = 3, "AVG"


class _Global(Layer):
    rank = 1
    largest = False

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = (data_format or "channels_last") if self.rank == 1 else (
            normalize_data_format(data_format))
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _axes(self) -> list[int]:
        first = 1 if self.data_format == "channels_last" else 2
        return list(range(first, first + self.rank))

    def call(self, inputs: Any) -> Any:
        """[batch, …, n] → [batch, n]."""
        return (F.reduce_max if self.largest else F.reduce_mean)(inputs, axis=self._axes())

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, n]."""
        sizes = as_shape(input_shape).as_list()
        return TensorShape([n for i, n in enumerate(sizes) if i not in self._axes()])


class GlobalMaxPooling1D(_Global):
    """The largest element over time: [batch, length, n] → [batch, n]."""

    largest = True


class GlobalAveragePooling1D(_Global):
    """The mean over time: [batch, length, n] → [batch, n]; masked steps do not count."""

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """[batch, length, n] → [batch, n]."""
        if mask is None:
            return super().call(inputs)
        (axis,) = self._axes()
        weights = F.expand_dims(F.cast(mask, inputs.dtype), 2 if axis == 1 else 1)
        return F.reduce_sum(inputs * weights, axis=axis) / F.reduce_sum(weights, axis=axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: there is no time any more."""
        return None


class GlobalMaxPooling2D(_Global):
    """The largest element of each channel of images: [batch, height, width, n] → [batch, n]."""

    rank, largest = 2, True


class GlobalAveragePooling2D(_Global):
    """The mean of each channel of images: [batch, height, width, n] → [batch, n]."""

    rank = 2


class GlobalMaxPooling3D(_Global):
    """The largest element of each channel of volumes."""

    rank, largest = 3, True


class GlobalAveragePooling3D(_Global):
    """The mean of each channel of volumes."""

    rank = 3


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
