"""Dense layers, activations, changes of shape, masks, and functions as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.errors import ExportError, ShapeError
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.layers.core import DenseBody
from graphflow.layers.input_spec import InputSpec
from graphflow.regularizers import L1L2
from graphflow.shapes import TensorShape, as_shape


class Dense(Layer, DenseBody):
    """activation(inputs · kernel + bias): [..., n] → [..., units].

    The kernel is [n, units], the bias [units]. Initialisers, regularisers, constraints and the
    activation may be names. Raises ShapeError for inputs that do not fit.
    """

    def __init__(
        self, units: int, activation: Any = None, use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**resolved(locals()))


class Activation(Layer):
    """A function of each output: a name or a function."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        given = resolved(locals())
        self_activation = given.pop("activation")
        super().__init__(**given)
        self.activation, self.supports_masking = self_activation, True

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


class Flatten(Layer):
    """[batch, …] → [batch, n]: all axes but the first become one.

    data_format: with "channels_first", the channels are moved to the end before.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or "channels_last"
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """[batch, …] → [batch, n]."""
        rank = inputs.shape.rank
        if self.data_format == "channels_first" and rank is not None and rank > 2:
            inputs = F.transpose(inputs, [0, *range(2, rank), 1])
        width = self.compute_output_shape(inputs.shape)[1]
        if isinstance(width, int) and width:
            return F.reshape(inputs, [-1, width])
        outputs = F.reshape(inputs, [F.shape(inputs)[0], -1])
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, n]; n is unknown if one of its factors is."""
        shape = as_shape(input_shape)
        if shape.rank is None:
            return TensorShape([None, None])
        rest = shape[1:]
        return TensorShape(
            [shape.as_list()[0], rest.num_elements() if rest.is_fully_defined() else None])


class Reshape(Layer):
    """[batch, …] → [batch, *target_shape]; one size may be −1. Raises ShapeError otherwise."""

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, inputs: Any) -> Any:
        """[batch, …] → [batch, *target_shape]."""
        target = self.compute_output_shape(inputs.shape)
        sizes = [-1 if n is None else n for n in target.as_list()[1:]]
        batch = inputs.shape.as_list()[0] if inputs.shape.rank else None
        first = batch if batch is not None else -1 if -1 not in sizes else F.shape(inputs)[0]
        outputs = F.reshape(inputs, [first, *sizes])
        outputs.set_shape(target)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, *target_shape] with a size of −1 computed, where that is possible."""
        shape = as_shape(input_shape)
        sizes: list[int | None] = list(self.target_shape)
        known = int(np.prod([n for n in self.target_shape if n != -1], dtype=np.int64))
        if shape.rank is not None and shape[1:].is_fully_defined():
            total = shape[1:].num_elements()
            fits = known == total if -1 not in sizes else known and total % known == 0
            if not fits or sizes.count(-1) > 1:
                raise ShapeError(
                    f"Layer {self.name}: total size of new array must be unchanged: input "
                    f"{shape}, target_shape {self.target_shape}.")
            sizes = [total // known if n == -1 else n for n in sizes]
        batch = shape.as_list()[0] if shape.rank else None
        return TensorShape([batch, *(None if n == -1 else n for n in sizes)])


class Permute(Layer):
    """The axes of a sample in another order: dims counts them from 1."""

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ShapeError(
                f"Invalid permutation `dims` for Permute Layer: {dims}. The set of indices must "
                "be consecutive and start from 1.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        """The transposed inputs."""
        return F.transpose(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The sizes in the new order."""
        sizes = as_shape(input_shape).as_list()
        return TensorShape([sizes[i] for i in (0, *self.dims)])


class RepeatVector(Layer):
    """[batch, n] → [batch, times, n]: the vector `n` times."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """[batch, width] → [batch, n, width]."""
        return F.tile(F.expand_dims(inputs, 1), [1, self.n, 1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, n, width]."""
        batch, width = as_shape(input_shape).as_list()
        return TensorShape([batch, self.n, width])


class Masking(Layer):
    """Marks the steps of sequences [batch, time, …] in which every feature is `mask_value`."""

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value, self.supports_masking = mask_value, True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """[batch, time]: False where a step is to be skipped."""
        return F.reduce_any(F.not_equal(inputs, self._value(inputs)), axis=-1)

    def _value(self, inputs: Any) -> Any:
        return F.cast(self.mask_value, inputs.dtype)

    def call(self, inputs: Any) -> Any:
        """The inputs, 0 where they are masked."""
        kept = F.reduce_any(F.not_equal(inputs, self._value(inputs)), axis=-1, keepdims=True)
        return inputs * F.cast(kept, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


class Lambda(Layer):
    """A function of the inputs as a layer. Variables that it uses are not weights of the layer.

    function: called with the inputs, the keywords of `arguments`, and `mask` if it has such an
    argument. output_shape, mask: of the outputs, where they do not follow by themselves.
    """

    def __init__(
        self, function: Callable[..., Any], output_shape: Any = None, mask: Any = None,
        arguments: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function, self.arguments = function, dict(arguments or {})
        self._output_shape, self.mask = output_shape, mask
        self.supports_masking = mask is not None
        code = getattr(function, "__code__", None)
        self._takes_mask = code is not None and "mask" in code.co_varnames[:code.co_argcount]

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The function of the inputs."""
        more = {"mask": mask} if self._takes_mask else {}
        return self.function(inputs, **self.arguments, **more)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask that was given, or what the given function makes of the inputs'."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The given shape."""
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return as_shape(self._output_shape(input_shape))
        return TensorShape([as_shape(input_shape).as_list()[0], *self._output_shape])

    def get_config(self) -> dict[str, Any]:
        """Raises ExportError: a Python function has no form that a file could hold."""
        raise ExportError(
            f"Lambda '{self.name}': it holds a Python function, which no file can. Write a Layer "
            "of your own and pass it as custom_objects, or export the graph with gf.export.")


class ActivityRegularization(Layer):
    """The inputs; a penalty on them joins the losses."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self.supports_masking, self.l1, self.l2 = True, l1, l2

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape
