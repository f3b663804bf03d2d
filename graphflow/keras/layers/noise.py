"""Layers that are random in training and pass their inputs on in use."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.keras.backend.phase import in_train_phase
from graphflow.keras.engine.layer import Layer
from graphflow.layers.input_spec import InputSpec


class _InTraining(Layer):
    """A change of the inputs in training only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _changed(self, inputs: Any) -> Any:
        raise NotImplementedError

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The changed inputs in training, else the inputs."""
        return in_train_phase(lambda: self._changed(inputs), inputs, training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


class Dropout(_InTraining):
    """Sets a random fraction `rate` of the inputs to 0, and scales the others by 1/(1 − rate).

    noise_shape: the shape of the random choice, which broadcasts to the inputs; None in it stands
    for their size. Source: Srivastava and others, JMLR 15, 2014.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def _noise_shape(self, inputs: Any) -> Any:
        return self.noise_shape

    def _changed(self, inputs: Any) -> Any:
        return F.dropout(inputs, noise_shape=self._noise_shape(inputs), seed=self.seed,
                         rate=self.rate)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, thinned out in training."""
        if not 0 < self.rate < 1:
            return inputs
        return super().call(inputs, training)


class _SpatialDropout(Dropout):
    rank = 1

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.data_format = data_format or "channels_last"
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise_shape(self, inputs: Any) -> Any:
        ones = [1] * self.rank
        if self.data_format == "channels_last":
            return (None, *ones, None)
        return (None, None, *ones)


class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of sequences [batch, time, channels].

    Source: Tompson and others, "Efficient object localization using convolutional networks",
    CVPR 2015.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images; see `SpatialDropout1D`."""

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes; see `SpatialDropout1D`."""

    rank = 3


class GaussianNoise(_InTraining):
    """Adds normal noise of a standard deviation to the inputs."""

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = stddev

    def _changed(self, inputs: Any) -> Any:
        return inputs + F.random_normal(F.shape(inputs), 0.0, self.stddev, inputs.dtype)


class GaussianDropout(_InTraining):
    """Multiplies the inputs by normal noise of mean 1 and variance rate / (1 − rate).

    Source: Srivastava and others, JMLR 15, 2014, section 10.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def _changed(self, inputs: Any) -> Any:
        stddev = float(np.sqrt(self.rate / (1.0 - self.rate)))
        return inputs * F.random_normal(F.shape(inputs), 1.0, stddev, inputs.dtype)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, multiplied by noise in training."""
        return super().call(inputs, training) if 0 < self.rate < 1 else inputs


class AlphaDropout(_InTraining):
    """Dropout that keeps mean and variance, for networks of selu units.

    Source: Klambauer and others, "Self-normalizing neural networks", NIPS 2017.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def _changed(self, inputs: Any) -> Any:
        dropped = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946
        shape = F.shape(inputs) if self.noise_shape is None else self.noise_shape
        kept = F.cast(F.greater_equal(
            F.random_uniform(shape, seed=self.seed), self.rate), inputs.dtype)
        a = ((1 - self.rate) * (1 + self.rate * dropped ** 2)) ** -0.5
        return a * (inputs * kept + dropped * (1 - kept)) - a * dropped * self.rate

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The inputs, with some of them at selu's lower limit in training."""
        return super().call(inputs, training) if 0.0 < self.rate < 1.0 else inputs
