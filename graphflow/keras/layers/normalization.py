"""Batch and layer normalisation."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.errors import UnimplementedError
from graphflow.keras.backend.phase import learning_phase
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.layers.normalization import BatchNormBody
from graphflow.shapes import as_shape


class BatchNormalization(Layer, BatchNormBody):
    """gamma · (x − mean) / √(variance + epsilon) + beta, per channel.

    In training mean and variance are the batch's, in use running averages of them, which `fit`
    keeps. axis: of the channels. Source: Ioffe, Szegedy, "Batch normalization", ICML 2015.
    """

    def __init__(
        self, axis: Any = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
        scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros", moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
        gamma_constraint: Any = None, renorm: bool = False, renorm_clipping: Any = None,
        renorm_momentum: float = 0.99, fused: bool | None = None, trainable: bool = True,
        virtual_batch_size: Any = None, adjustment: Any = None, name: Any = None, **kwargs: Any,
    ) -> None:
        given = resolved(locals())
        unused = {k: given.pop(k) for k in ("renorm", "virtual_batch_size", "adjustment")}
        if any(unused.values()):
            raise UnimplementedError(
                None, None, "BatchNormalization: renorm, virtual_batch_size and adjustment are "
                "not supported.")
        given.pop("renorm_clipping")
        given.pop("renorm_momentum")
        super().__init__(**given)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The normalised inputs."""
        return BatchNormBody.call(
            self, inputs, learning_phase() if training is None else training)


class LayerNormalization(Layer):
    """gamma · (x − mean) / √(variance + epsilon) + beta, over the axes `axis` of each sample.

    Source: Ba, Kiros, Hinton, "Layer normalization", arXiv:1607.06450, 2016.
    """

    def __init__(
        self, axis: Any = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
        beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
        beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
        gamma_constraint: Any = None, trainable: bool = True, name: Any = None, **kwargs: Any,
    ) -> None:
        given = resolved(locals())
        own = {k: given.pop(k) for k in list(given) if k not in ("trainable", "name", *kwargs)}
        super().__init__(**given)
        for key, value in own.items():
            setattr(self, key, value)
        self.supports_masking = True
        self.gamma: Any = None
        self.beta: Any = None

    axis: Any
    epsilon: float
    center: bool
    scale: bool

    def build(self, input_shape: Any) -> None:
        """Makes `gamma` and `beta`."""
        shape = as_shape(input_shape)
        axes = list(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]
        self._axes = sorted(a % shape.rank for a in axes)
        sizes = [shape.as_list()[a] for a in self._axes]
        for name, wanted in (("gamma", self.scale), ("beta", self.center)):
            if wanted:
                setattr(self, name, self.add_weight(
                    name, shape=sizes, initializer=getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint")))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The normalised inputs."""
        rank = inputs.shape.rank
        mean, variance = F.moments(inputs, self._axes, keep_dims=True)
        sizes = inputs.shape.as_list()
        wide = [sizes[i] if i in self._axes else 1 for i in range(rank)]
        scale, offset = (None if w is None else w.value() if len(self._axes) == 1 and (
            self._axes[0] == rank - 1) else F.reshape(w, wide) for w in (self.gamma, self.beta))
        return F.batch_normalization(inputs, mean, variance, offset, scale, self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return as_shape(input_shape)
