"""Dense, dropout and flatten layers."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.layers import scoped
from graphflow.layers.base import Layer
from graphflow.layers.functional import layer_function
from graphflow.layers.input_spec import InputSpec
from graphflow.layers.layouts import checked_data_format
from graphflow.ops.initializers import Zeros
from graphflow.shapes import TensorShape, as_shape

_ZEROS = Zeros()


class DenseBody(Layer):
    """activation(inputs · kernel + bias) along the last axis.

    inputs: [..., n] with n known and at least two axes → [..., units]. The kernel is [n, units],
    the bias [units].
    """

    def __init__(
        self, units: int, activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = None,
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = int(units)
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=2)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes `kernel` and `bias`. Raises DTypeError for a layer that is not of floats,
        ShapeError if the last size is unknown."""
        dtype = as_dtype(self.dtype or "float32")
        if not (dtype.is_floating or dtype.is_complex):
            raise DTypeError(
                f"Unable to build `Dense` layer {self.name} with non-floating point dtype "
                f"{dtype.name}. Cast the inputs to floats.")
        size = last_size(self, input_shape, -1, "Dense")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.kernel = self.add_weight(
            "kernel", shape=[size, self.units], initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        if self.use_bias:
            self.bias = self.add_weight(
                "bias", shape=[self.units], initializer=self.bias_initializer,
                regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """[..., n] → [..., units]."""
        inputs = convert(inputs)
        rank = inputs.shape.rank
        if inputs.dtype is not self.kernel.dtype:
            inputs = F.cast(inputs, self.kernel.dtype)
        if rank == 2:
            outputs = F.matmul(inputs, self.kernel)
        elif rank is None:
            flat = F.matmul(F.reshape(inputs, [-1, F.shape(self.kernel)[0]]), self.kernel)
            outputs = F.reshape(flat, F.concat([F.shape(inputs)[:-1], [self.units]], 0))
        else:
            outputs = F.tensordot(inputs, self.kernel, [[rank - 1], [0]])
        if self.use_bias:
            outputs = F.bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[..., n] → [..., units]."""
        shape = as_shape(input_shape).with_rank_at_least(2)
        last_size(self, shape, -1, "Dense")
        return shape[:-1].concatenate([self.units])


class Dense(scoped.Layer, DenseBody):
    """activation(inputs · kernel + bias): a fully connected layer.

    inputs: [..., n] with n known → [..., units]. activation: a function, or None. Weights:
    `kernel` [n, units] and, with `use_bias`, `bias` [units], with initialisers, regularisers and
    constraints of their own. Raises ShapeError for inputs that do not fit.
    """

    def __init__(
        self, units: int, activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = _ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units, activation=activation, use_bias=use_bias,
            kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint, trainable=trainable, name=name, **kwargs)


class Dropout(scoped.Layer):
    """Sets a random fraction `rate` of the inputs to 0 and scales the others up by 1/(1 − rate).

    It does so in training only: `layer(inputs, training=True)`, where `training` is a bool or a
    bool tensor. noise_shape: the shape of the random choice, which broadcasts to the inputs; None
    in it stands for the inputs' size. Source: Srivastava and others, JMLR 15, 2014.
    """

    def __init__(
        self, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None,
        name: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed
        self.supports_masking = True

    def call(self, inputs: Any, training: Any = False) -> Any:
        """The inputs, thinned out if `training`."""
        return dropped(inputs, self.rate, self.noise_shape, self.seed, training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return as_shape(input_shape)


def dropped(inputs: Any, rate: Any, noise_shape: Any, seed: int | None, training: Any) -> Any:
    """`dropout` of the inputs where `training`, a bool, 0 or 1, or a bool scalar, says so."""
    inputs = convert(inputs)
    if isinstance(training, (bool, int)):
        if not training:
            return F.identity(inputs)
        return F.dropout(inputs, noise_shape=noise_shape, seed=seed, rate=rate, name="dropout")
    thinned = F.dropout(inputs, noise_shape=noise_shape, seed=seed, rate=rate, name="dropout")
    return F.where_v2(training_flag(training), thinned, inputs)


def training_flag(training: Any) -> Any:
    """`training` if it is a bool, 0 or 1; else a bool scalar.

    A tensor of unknown rank, such as a placeholder without a shape, is taken for a scalar, which
    the run checks: what it chooses keeps its shape.
    """
    if isinstance(training, (bool, int)):
        return training
    flag = F.cast(training, dt.bool_)
    return F.reshape(flag, []) if flag.shape.rank is None else flag


class Flatten(scoped.Layer):
    """[batch, …] → [batch, n]: all axes but the first become one.

    data_format: of images with "channels_first" the channels are moved to the end before, so that
    the order of the elements is the same in both layouts.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = checked_data_format(self.name, data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """[batch, …] → [batch, n]."""
        inputs = convert(inputs)
        rank = inputs.shape.rank
        if self.data_format == "channels_first" and rank is not None and rank > 1:
            inputs = F.transpose(inputs, [0, *range(2, rank), 1])
        if rank == 1:
            return F.expand_dims(inputs, -1)
        outputs = F.reshape(inputs, [F.shape(inputs)[0], -1]) if rank is None else F.reshape(
            inputs, [-1 if self._fixed(inputs) else F.shape(inputs)[0], self._width(inputs)])
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs

    def _fixed(self, inputs: Any) -> bool:
        return inputs.shape[1:].is_fully_defined() and 0 not in inputs.shape[1:].as_list()

    def _width(self, inputs: Any) -> int:
        return inputs.shape[1:].num_elements() if inputs.shape[1:].is_fully_defined() else -1

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, n]; n is unknown if one of its factors is."""
        shape = as_shape(input_shape)
        if shape.rank is None:
            return TensorShape([None, None])
        if shape.rank == 1:
            return TensorShape([shape[0], 1])
        rest = shape[1:]
        return TensorShape([shape[0], rest.num_elements() if rest.is_fully_defined() else None])


def last_size(layer: Layer, input_shape: Any, axis: int, kind: str) -> int:
    """The known size of the channel axis of the inputs. Raises ShapeError if it is unknown."""
    shape = as_shape(input_shape)
    size = None if shape.rank is None else shape.as_list()[axis]
    if size is None:
        what = "last dimension" if axis == -1 else "channel dimension"
        raise ShapeError(
            f"The {what} of the inputs to `{kind}` should be defined, since the weights of layer "
            f"{layer.name} depend on it. Found `None` in {shape}. Use set_shape, or a "
            "placeholder with that size.")
    return size


dense = layer_function(
    "dense", Dense, """activation(inputs · kernel + bias); see `Dense`.

inputs: [..., n] with n known → [..., units]. The weights are `<name>/kernel` and `<name>/bias`;
with `reuse`, those of an earlier call with the same name.""")


def dropout(
    inputs: Any, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None,
    training: Any = False, name: str | None = None,
) -> Any:
    """A random fraction `rate` of the inputs becomes 0 if `training`; see `Dropout`."""
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Any:
    """[batch, …] → [batch, n]; see `Flatten`."""
    return Flatten(name=name, data_format=data_format)(inputs)


