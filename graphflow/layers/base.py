"""`Layer`: weights, and a function of tensors that uses them, in the form of Keras 2.

A subclass makes its weights in `build(input_shape)` with `add_weight`, and computes in
`call(inputs)`; `layer(inputs)` does both. Two families share this class: `tf.layers`
(`graphflow.layers.scoped`), whose weights come from variable scopes, and Keras. They differ in
what they replace: `_make_variable`, `_naming`, `_default_name` and `_finish_call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from graphflow.builder import F, convert
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, GraphError, ShapeError, UnimplementedError
from graphflow.graph import get_default_graph
from graphflow.layers.input_spec import check_inputs
from graphflow.layers.layer_names import to_snake_case, unique_layer_name
from graphflow.layers.tracking import LayerTracking
from graphflow.ops.nests import Nest
from graphflow.ops.variables import Variable, VariableAggregation, VariableSynchronization
from graphflow.shapes import as_shape
from graphflow.tensor import Tensor

_KEYWORDS = {"input_shape", "batch_input_shape", "batch_size", "weights", "activity_regularizer"}


class Layer(LayerTracking):
    """The base of layers.

    Args:
      trainable: False keeps optimizers from changing the weights.
      name: of the layer, its weights and operations; made of the class's name by default.
      dtype: of the weights; that of the first input by default.
      input_shape, batch_input_shape, batch_size, weights: what Keras's models use.
      activity_regularizer: a function from the output to a loss.

    Attributes: `built`, `trainable`, `input_spec`, `stateful`, `supports_masking`.
    Raises DTypeError (a TypeError) for other keywords.
    """

    def __init__(
        self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__()
        unknown = sorted(set(kwargs) - _KEYWORDS)
        if unknown:
            raise DTypeError(
                f"{type(self).__name__}: Keyword argument not understood: {', '.join(unknown)}.")
        self.trainable = trainable
        self.built = False
        self.stateful = False
        self.supports_masking = False
        self.input_spec: Any = None
        self._name = name or self._default_name()
        self._dtype = None if dtype is None else as_dtype(dtype)
        self._activity_regularizer = kwargs.get("activity_regularizer")
        self._initial_weights = kwargs.get("weights")
        self._batch_input_shape = _batch_input_shape(kwargs)

    # ---- what subclasses define -------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes the weights. input_shape: a TensorShape, or a nest of them like the inputs."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs: tensors computed from the inputs and the weights."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The TensorShape of the output for inputs of a shape. Raises UnimplementedError."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} does not define compute_output_shape.")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: that of the inputs if the layer supports masks."""
        if not self.supports_masking:
            if mask is not None and any(m is not None for m in Nest(mask).leaves):
                raise DTypeError(
                    f"Layer {self.name} does not support masking, but was passed an input_mask: "
                    f"{mask}.")
            return None
        return mask

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, from which `from_config` makes an equal layer."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if self._batch_input_shape is not None:
            config["batch_input_shape"] = self._batch_input_shape
        config["dtype"] = self.dtype
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """A layer from `get_config()`, with weights of its own."""
        return cls(**config)

    # ---- what the two families replace ------------------------------------------------------

    def _default_name(self) -> str:
        return unique_layer_name(to_snake_case(type(self).__name__), zero_based=True)

    def _naming(self) -> AbstractContextManager[Any]:
        """The name scope of one call."""
        return get_default_graph().name_scope(self.name)

    def _make_variable(
        self, name: str, shape: list[int], dtype: DType, initializer: Any, trainable: bool,
        **options: Any,
    ) -> tuple[Any, bool]:
        """(a variable of this name, whether it was made now)."""
        if initializer is None:
            floating = dtype.is_floating
            initializer = (
                F.glorot_uniform_initializer() if floating else F.zeros_initializer())
        options.pop("partitioner", None)
        return Variable(
            partial(initializer, shape, dtype=dtype), name=name, trainable=trainable,
            dtype=dtype, **options), True

    def _finish_call(self, inputs: Any, outputs: Any) -> None:
        """Called after each call, when the layer's scopes are closed."""

    # ---- calling ----------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs for these inputs; the first call makes the weights.

        inputs: a tensor, something that becomes one, or a nest of them. Other arguments go to
        `call`. Raises ShapeError or DTypeError for inputs that do not fit.
        """
        inputs = self._converted(inputs)
        with self._naming():
            check_inputs(self.name, self.input_spec, inputs)
            self._maybe_build(inputs)
            outputs = self.call(inputs, *args, **kwargs)
            self._regularize_activity(inputs, outputs)
        self._finish_call(inputs, outputs)
        return outputs

    def _converted(self, inputs: Any) -> Any:
        nest = Nest(inputs)
        return nest.rebuild([
            x if x is None or not _is_value(x) else convert(x) for x in nest.leaves])

    def _maybe_build(self, inputs: Any) -> None:
        if self.built:
            return
        nest = Nest(inputs)
        tensors = [x for x in nest.leaves if isinstance(x, Tensor)]
        if self._dtype is None and tensors:
            self._dtype = tensors[0].dtype
        self.build(nest.rebuild([getattr(x, "shape", None) for x in nest.leaves]))
        self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def _regularize_activity(self, inputs: Any, outputs: Any) -> None:
        if self._activity_regularizer is None:
            return
        with get_default_graph().name_scope("ActivityRegularizer"):
            for output in Nest(outputs).leaves:
                penalty = self._activity_regularizer(output)
                batch = F.cast(F.shape(output)[0], penalty.dtype)
                # A mean over the batch, so that its size does not change the strength.
                self.add_loss(penalty / batch, inputs=inputs)

    # ---- weights ----------------------------------------------------------------------------

    def add_weight(
        self, name: str | None = None, shape: Any = None, dtype: Any = None,
        initializer: Any = None, regularizer: Any = None, trainable: bool | None = None,
        constraint: Any = None, partitioner: Any = None, use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE, **kwargs: Any,
    ) -> Any:
        """A new weight: a variable named after the layer, tracked by it.

        shape: fully known, () by default; dtype: the layer's, else float32. initializer: a
        function (shape, dtype) → tensor, Glorot's uniform one by default. regularizer: its loss
        joins `losses`. constraint: applied by optimizers after each update.
        Raises ShapeError if the shape is not known.
        """
        shape = as_shape(() if shape is None else shape)
        if not shape.is_fully_defined():
            raise ShapeError(
                f"Layer {self.name}: the shape of a weight must be known, got {shape} for "
                f"{name!r}. Set the sizes of the inputs that it depends on.")
        on_read = synchronization is VariableSynchronization.ON_READ
        if on_read and trainable:
            raise GraphError(
                f"Layer {self.name}: a weight with synchronization ON_READ cannot be trainable.")
        trainable = not on_read if trainable is None else trainable
        variable, is_new = self._make_variable(
            name or "weight", shape.as_list(),
            as_dtype(dtype or self._dtype or "float32"), initializer,
            trainable and self.trainable, constraint=constraint, partitioner=partitioner,
            use_resource=use_resource, synchronization=synchronization, aggregation=aggregation)
        self._track_weight(variable, trainable)
        if regularizer is not None and is_new:
            graph = get_default_graph()
            with graph.name_scope(f"{name}/Regularizer"):
                loss = regularizer(variable)
            if loss is not None:
                self.add_loss(loss)
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """The older name of `add_weight`."""
        return self.add_weight(*args, **kwargs)

    def count_params(self) -> int:
        """How many numbers the weights hold. Raises GraphError before the layer is built."""
        if not self.built:
            raise GraphError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built. "
                f"You can build it manually via: `{self.name}.build(batch_input_shape)`.")
        return sum(int(np.prod(w.shape.as_list(), dtype=np.int64)) for w in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """The values of the weights in the current session, in the order of `weights`."""
        weights = self.weights
        return self._session().run(weights) if weights else []

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the weights in the current session, in the order of `weights`.

        Raises GraphError for another number of arrays, ShapeError for one of another shape.
        """
        params = self.weights
        if len(params) != len(weights):
            raise GraphError(
                f'You called `set_weights(weights)` on layer "{self.name}" with a weight list of '
                f"length {len(weights)}, but the layer was expecting {len(params)} weights.")
        arrays = [np.asarray(w) for w in weights]
        for param, array in zip(params, arrays):
            if not param.shape.is_compatible_with(array.shape):
                raise ShapeError(
                    f"Layer weight {param.name} has shape {param.shape}, which is not compatible "
                    f"with the provided weight shape {list(array.shape)}.")
        if params:
            session = self._session()
            for param, array in zip(params, arrays):
                param.load(array, session)

    def _session(self) -> Any:
        graph = self.weights[0].graph
        return graph.session_for(None, f"Layer {self.name}: its weights' values")

    # ---- what it is -------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The layer's name."""
        return self._name

    @property
    def dtype(self) -> str | None:
        """The name of the weights' type; None until it is known."""
        return None if self._dtype is None else self._dtype.name

    @property
    def activity_regularizer(self) -> Any:
        """The function from the output to a loss, or None."""
        return self._activity_regularizer

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self.name!r}>"


def _batch_input_shape(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    if kwargs.get("batch_input_shape") is not None:
        return tuple(kwargs["batch_input_shape"])
    shape = kwargs.get("input_shape")
    if shape is None:
        return None
    sizes: Iterable[Any] = shape if isinstance(shape, Iterable) else (shape,)
    return (kwargs.get("batch_size"), *sizes)


def _is_value(x: Any) -> bool:
    """True for arrays, numbers and variables; tensors and sparse tensors are left as they are."""
    return not isinstance(x, Tensor) and (
        isinstance(x, (np.ndarray, np.generic, int, float, complex, Variable)))
