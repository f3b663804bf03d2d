"""Activations with arguments or weights, as layers."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.keras import activations
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.layers.input_spec import InputSpec
from graphflow.shapes import as_shape


class _Elementwise(Layer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


class LeakyReLU(_Elementwise):
    """x where positive, alpha·x elsewhere."""

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = float(alpha)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return F.leaky_relu(inputs, alpha=self.alpha)


class PReLU(_Elementwise):
    """x where positive, alpha·x elsewhere, with a learned `alpha` for each element of a sample.

    shared_axes: axes along which alpha is the same. Source: He and others, "Delving deep into
    rectifiers", ICCV 2015.
    """

    def __init__(
        self, alpha_initializer: Any = "zeros", alpha_regularizer: Any = None,
        alpha_constraint: Any = None, shared_axes: Any = None, **kwargs: Any,
    ) -> None:
        given = resolved(locals())
        own = {k: given.pop(k) for k in (
            "alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes")}
        super().__init__(**given)
        for key, value in own.items():
            setattr(self, key, value)
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            self.shared_axes = [shared_axes]

    alpha_initializer: Any
    alpha_regularizer: Any
    alpha_constraint: Any
    shared_axes: Any

    def build(self, input_shape: Any) -> None:
        """Makes `alpha`."""
        sizes = as_shape(input_shape).as_list()[1:]
        for axis in self.shared_axes or ():
            sizes[axis - 1] = 1
        self.alpha = self.add_weight(
            "alpha", shape=sizes, initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer, constraint=self.alpha_constraint)
        self.input_spec = InputSpec(ndim=len(sizes) + 1)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return F.relu(inputs) - self.alpha * F.relu(-inputs)


class ELU(_Elementwise):
    """x where positive, alpha·(exp(x) − 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = float(alpha)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return activations.elu(inputs, self.alpha)


class ThresholdedReLU(_Elementwise):
    """x where it is above `theta`, 0 elsewhere."""

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = float(theta)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        above = F.greater(inputs, F.cast(self.theta, inputs.dtype))
        return inputs * F.cast(above, inputs.dtype)


class Softmax(_Elementwise):
    """exp(x) / Σ exp(x) along `axis`."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return activations.softmax(inputs, axis=self.axis)


class ReLU(_Elementwise):
    """max(x, 0), cut at `max_value`; below `threshold` negative_slope·(x − threshold).

    Raises AttributeValueError for a negative max_value or slope.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0, threshold: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (max_value is not None and max_value < 0.0) or negative_slope < 0.0:
            raise AttributeValueError(
                "max_value and negative_slope of a ReLU layer cannot be negative, got "
                f"{max_value} and {negative_slope}.")
        self.max_value, self.negative_slope, self.threshold = (
            max_value, negative_slope, threshold)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return activations.relu(
            inputs, alpha=self.negative_slope, max_value=self.max_value,
            threshold=self.threshold)
