"""Batch normalisation.

Source: Ioffe, Szegedy, "Batch normalization: accelerating deep network training by reducing
internal covariate shift", ICML 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError, ShapeError, UnimplementedError
from graphflow.graph import get_default_graph
from graphflow.layers import scoped
from graphflow.layers.base import Layer
from graphflow.layers.core import training_flag
from graphflow.layers.input_spec import InputSpec
from graphflow.ops import state
from graphflow.ops.initializers import Ones, Zeros
from graphflow.shapes import as_shape

_ZEROS, _ONES = Zeros(), Ones()
_HALVES = (dt.float16, dt.bfloat16)


class BatchNormBody(Layer):
    """gamma · (x − mean) / √(variance + epsilon) + beta, along the axes `axis`.

    In training, mean and variance are those of the batch, and `moving_mean` and
    `moving_variance` follow them by updates that the program must run; otherwise they are the
    moving ones. For images whose channels are the normalised axis the moving variance follows
    the batch's with Bessel's correction n / (n − 1), as in TensorFlow.
    """

    def __init__(
        self, axis: Any = -1, momentum: Any = 0.99, epsilon: float = 1e-3, center: bool = True,
        scale: bool = True, beta_initializer: Any = None, gamma_initializer: Any = None,
        moving_mean_initializer: Any = None, moving_variance_initializer: Any = None,
        beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
        gamma_constraint: Any = None, fused: bool | None = None, **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, Sequence) else axis
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale, self.fused = center, scale, fused
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self.supports_masking = True
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes `gamma`, `beta`, `moving_mean` and `moving_variance`.

        Raises ShapeError if the rank or the size of a normalised axis is unknown.
        """
        shape = as_shape(input_shape)
        if shape.rank is None:
            raise ShapeError(
                f"Layer {self.name}: Input has undefined rank: batch normalization must know it.")
        axes = self._checked_axes(shape.rank)
        sizes: dict[int, Any] = {axis: shape.as_list()[axis] for axis in axes}
        if None in sizes.values():
            raise ShapeError(
                f"Layer {self.name}: Input has undefined `axis` dimension: axis {axes} of "
                f"{shape}. Use set_shape, or a placeholder with that size.")
        self.input_spec = InputSpec(ndim=shape.rank, axes=sizes)
        self.axis = axes
        self._bessel = self._is_fused(shape.rank, axes)
        own = as_dtype(self.dtype or "float32")
        dtype = dt.float32 if own in _HALVES else own
        wide = [1] * shape.rank
        for axis, size in sizes.items():
            wide[axis] = size
        self._make_weights(list(sizes.values()) if len(axes) == 1 else wide, dtype)
        self.built = True

    def _make_weights(self, shape: list[int], dtype: dt.DType) -> None:
        if self.scale:
            self.gamma = self.add_weight(
                "gamma", shape=shape, dtype=dtype, initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer, constraint=self.gamma_constraint)
        if self.center:
            self.beta = self.add_weight(
                "beta", shape=shape, dtype=dtype, initializer=self.beta_initializer,
                regularizer=self.beta_regularizer, constraint=self.beta_constraint)
        self.moving_mean = self.add_weight(
            "moving_mean", shape=shape, dtype=dtype, trainable=False,
            initializer=self.moving_mean_initializer)
        self.moving_variance = self.add_weight(
            "moving_variance", shape=shape, dtype=dtype, trainable=False,
            initializer=self.moving_variance_initializer)

    def _checked_axes(self, rank: int) -> list[int]:
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        axes = [axis + rank if axis < 0 else axis for axis in given]
        if not all(isinstance(a, int) and 0 <= a < rank for a in axes) or len(set(axes)) < len(
                axes):
            raise AttributeValueError(
                f"Layer {self.name}: Invalid axis: {self.axis!r} for inputs of rank {rank}.")
        return axes

    def _is_fused(self, rank: int, axes: list[int]) -> bool:
        """True for images with the channels first or last, unless `fused` is False."""
        fits = rank == 4 and axes in ([1], [3])
        if self.fused and not fits:
            raise AttributeValueError(
                f"Layer {self.name}: fused=True needs inputs of rank 4 and axis 1 or 3, got rank "
                f"{rank} and axis {axes}.")
        return fits and self.fused is not False

    def call(self, inputs: Any, training: Any = False) -> Any:
        """The normalised inputs; `training`: a bool, 0 or 1, or a bool scalar."""
        inputs = convert(inputs)
        flag = training_flag(training)
        moving = self.moving_mean.value(), self.moving_variance.value()
        if isinstance(flag, (bool, int)) and not flag:
            return self._normalised(inputs, *moving)
        if self._bessel and isinstance(flag, (bool, int)):
            return self._fused_training(inputs)
        mean, variance = self._moments(inputs)
        corrected = variance * self._correction(inputs) if self._bessel else variance
        if not isinstance(flag, (bool, int)):
            mean = F.where_v2(flag, mean, moving[0])
            variance = F.where_v2(flag, variance, moving[1])
            corrected = F.where_v2(flag, corrected, moving[1])
        outputs = self._normalised(inputs, mean, variance)
        self._follow(inputs, mean, corrected)
        return outputs

    def _fused_training(self, inputs: Any) -> Any:
        dtype, size = self.moving_mean.dtype, self.moving_mean.shape
        scale = F.ones(size, dtype) if self.gamma is None else self.gamma
        offset = F.zeros(size, dtype) if self.beta is None else self.beta
        outputs, mean, corrected = F.fused_batch_norm(
            inputs, scale, offset, epsilon=self.epsilon,
            data_format="NCHW" if self.axis == [1] else "NHWC", is_training=True)
        self._follow(inputs, mean, corrected)
        return outputs

    def _moments(self, inputs: Any) -> tuple[Any, Any]:
        """Mean and variance of the batch, in the weights' shape and type."""
        rank = inputs.shape.rank
        others = [axis for axis in range(rank) if axis not in self.axis]
        wide = F.cast(inputs, self.moving_mean.dtype)
        return F.moments(wide, others, keep_dims=len(self.axis) > 1)

    def _correction(self, inputs: Any) -> Any:
        """n / (n − 1) for n elements per channel; 1 for a single one."""
        sizes = F.shape(inputs)
        others = [axis for axis in range(inputs.shape.rank) if axis not in self.axis]
        known = [inputs.shape.as_list()[axis] for axis in others]
        dtype = self.moving_mean.dtype
        if None not in known:
            return F.constant(math.prod(known) / max(math.prod(known) - 1, 1), dtype)
        count = F.cast(F.reduce_prod(F.stack([sizes[axis] for axis in others])), dtype)
        return count / F.maximum(count - 1, 1)

    def _normalised(self, inputs: Any, mean: Any, variance: Any) -> Any:
        parts: Any = (mean, variance, self.beta, self.gamma)
        rank = inputs.shape.rank
        if len(self.axis) == 1 and self.axis != [rank - 1]:
            stood = [-1 if axis == self.axis[0] else 1 for axis in range(rank)]
            parts = tuple(None if p is None else F.reshape(p, stood) for p in parts)
        return F.batch_normalization(inputs, *parts, self.epsilon)

    def _follow(self, inputs: Any, mean: Any, variance: Any) -> None:
        """Adds the updates of the moving moments."""
        if not self.trainable:
            return
        graph = get_default_graph()
        for variable, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            with graph.name_scope("AssignMovingAvg") as own:
                gain = F.cast(1.0 - self.momentum, variable.dtype)
                self.add_update(state.assign_sub(
                    variable, (variable - value) * gain, name=own), inputs=inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return as_shape(input_shape)


class BatchNormalization(scoped.Layer, BatchNormBody):
    """gamma · (x − mean) / √(variance + epsilon) + beta; call with `training=` a bool or tensor.

    axis: the axis of the channels, or several. momentum: of the moving averages of mean and
    variance, whose updates join UPDATE_OPS: run them with each training step, as with
    `tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS))` around `minimize`.
    center, scale: whether there are `beta` and `gamma`. fused: accepted; True demands images.
    Raises ShapeError for inputs that do not fit, UnimplementedError for `renorm`,
    `virtual_batch_size` and `adjustment`.
    """

    def __init__(
        self, axis: Any = -1, momentum: Any = 0.99, epsilon: float = 1e-3, center: bool = True,
        scale: bool = True, beta_initializer: Any = _ZEROS, gamma_initializer: Any = _ONES,
        moving_mean_initializer: Any = _ZEROS, moving_variance_initializer: Any = _ONES,
        beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
        gamma_constraint: Any = None, renorm: bool = False, renorm_clipping: Any = None,
        renorm_momentum: Any = 0.99, fused: bool | None = None, trainable: bool = True,
        virtual_batch_size: int | None = None, adjustment: Any = None, name: Any = None,
        **kwargs: Any,
    ) -> None:
        for argument, value in (("renorm", renorm), ("virtual_batch_size", virtual_batch_size),
                                ("adjustment", adjustment)):
            if value:
                raise UnimplementedError(
                    None, None, f"batch_normalization: {argument} is not available. Leave it out: "
                    "the moments are those of the whole batch.")
        super().__init__(
            axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale,
            beta_initializer=beta_initializer, gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer, gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint, gamma_constraint=gamma_constraint, fused=fused,
            trainable=trainable, name=name, **kwargs)


def batch_normalization(
    inputs: Any, axis: Any = -1, momentum: Any = 0.99, epsilon: float = 1e-3,
    center: bool = True, scale: bool = True, beta_initializer: Any = _ZEROS,
    gamma_initializer: Any = _ONES, moving_mean_initializer: Any = _ZEROS,
    moving_variance_initializer: Any = _ONES, beta_regularizer: Any = None,
    gamma_regularizer: Any = None, beta_constraint: Any = None, gamma_constraint: Any = None,
    training: Any = False, trainable: bool = True, name: str | None = None, reuse: Any = None,
    renorm: bool = False, renorm_clipping: Any = None, renorm_momentum: Any = 0.99,
    fused: bool | None = None, virtual_batch_size: int | None = None, adjustment: Any = None,
) -> Any:
    """gamma · (x − mean) / √(variance + epsilon) + beta; see `BatchNormalization`.

    training: a bool or bool scalar; with it mean and variance are the batch's, and the updates of
    the moving averages in UPDATE_OPS must be run.
    """
    layer = BatchNormalization(
        axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale,
        beta_initializer=beta_initializer, gamma_initializer=gamma_initializer,
        moving_mean_initializer=moving_mean_initializer,
        moving_variance_initializer=moving_variance_initializer,
        beta_regularizer=beta_regularizer, gamma_regularizer=gamma_regularizer,
        beta_constraint=beta_constraint, gamma_constraint=gamma_constraint, renorm=renorm,
        renorm_clipping=renorm_clipping, renorm_momentum=renorm_momentum, fused=fused,
        trainable=trainable, virtual_batch_size=virtual_batch_size, adjustment=adjustment,
        name=name, _reuse=reuse, _scope=name)
    return layer(inputs, training=training)
