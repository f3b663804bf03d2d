"""`Sequential`: a stack of layers, each called on the output of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphflow.errors import DTypeError, GraphError
from graphflow.keras.engine.annotations import history_of, maker_of
from graphflow.keras.engine.input_layer import Input, InputLayer
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.model import Model
from graphflow.keras.engine.network import Network
from graphflow.ops.nests import Nest
from graphflow.tensor import Tensor


class Sequential(Model):
    """A stack of layers with one input and one output.

    layers: to be added at once. If the first one has an `input_shape`, the model is built at once,
    otherwise when it is first called, fitted, or `build(input_shape)`.
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._stack: list[Any] = []
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list[Any]:
        """The layers, without that of the input."""
        return list(self._stack)

    def _used_layers(self) -> list[Any]:
        return list(self._stack)

    def add(self, layer: Any) -> None:
        """Puts a layer on top. Raises DTypeError (a TypeError) for what is none, GraphError for
        one with several outputs."""
        if isinstance(layer, Tensor) and history_of(layer) is not None:
            layer = maker_of(layer)
        if not isinstance(layer, Layer):
            raise DTypeError(
                f"The added layer must be an instance of class Layer. Found: {layer!r}.")
        if not self._stack and not self._is_graph_network:
            self._start(layer)
        elif self._is_graph_network:
            self._put_on(layer)
        else:
            self._append(layer)

    def _start(self, layer: Any) -> None:
        if isinstance(layer, InputLayer):
            tensor = layer.inbound_nodes[0].outputs
            self._set_graph(tensor, tensor)
            return
        shape = layer._batch_input_shape
        if isinstance(layer, Network) and layer.inputs and shape is None:
            shape, dtype = layer.input_shape, layer.inputs[0].dtype
        else:
            dtype = layer.dtype
        if shape is None:
            self._append(layer)
            return
        tensor = Input(batch_shape=shape, dtype=dtype, name=f"{layer.name}_input")
        self._set_graph(tensor, tensor)
        self._put_on(layer)

    def _append(self, layer: Any) -> None:
        self._stack.append(layer)
        object.__setattr__(self, "_layers", list(self._stack))

    def _put_on(self, layer: Any) -> None:
        output = layer(self.outputs[0])
        if len(Nest(output).leaves) != 1:
            raise GraphError(
                "All layers in a Sequential model should have a single output tensor. For "
                "multi-output layers, use the functional API.")
        self._stack.append(layer)
        self._set_graph(self.inputs[0], output)

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        super()._set_graph(inputs, outputs)
        object.__setattr__(self, "_layers", list(self._stack))
        self._forget_phases()

    def pop(self) -> None:
        """Takes the last layer off. Raises DTypeError (a TypeError) if there is none."""
        if not self._stack:
            raise DTypeError("There are no layers in the model.")
        layer = self._stack.pop()
        object.__setattr__(self, "_layers", list(self._stack))
        if self._is_graph_network:
            node = layer._inbound_nodes.pop()
            self._set_graph(self.inputs[0], node.inputs)

    def build(self, input_shape: Any = None) -> None:
        """Builds the layers for inputs of a shape [batch, …]."""
        if not self._is_graph_network and input_shape is not None:
            shape = input_shape.as_list() if hasattr(input_shape, "as_list") else input_shape
            self._connect(Input(batch_shape=tuple(shape), name=f"{self._first_name()}_input"))
        self.built = True

    def _first_name(self) -> str:
        return self._stack[0].name if self._stack else self.name

    def _connect(self, tensor: Any) -> None:
        """Builds the stack as a network from `tensor`."""
        output = tensor
        for layer in self._stack:
            output = layer(output)
        self._set_graph(tensor, output)

    def _set_inputs(self, tensors: Any) -> None:
        self._connect(tensors[0] if isinstance(tensors, (list, tuple)) else tensors)

    def _maybe_build(self, inputs: Any) -> None:
        """The layers build themselves as they are called."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The output of the last layer for other inputs."""
        if self._is_graph_network:
            return super().call(inputs, training, mask)
        outputs = inputs
        for layer in self._stack:
            outputs = layer(outputs)
        self.built = True
        return outputs

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The most probable class of each sample: int64 [samples] (or [samples, 1] for one
        probability per sample)."""
        found = self.predict(x, batch_size=batch_size, verbose=verbose)
        return found.argmax(axis=-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The same as `predict`."""
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def get_config(self) -> dict[str, Any]:
        """{"name", "layers"}, from which `from_config` makes an equal model."""
        from graphflow.keras.engine.model_config import sequential_config

        return sequential_config(self)

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """A model from `get_config()`, with weights of its own."""
        from graphflow.keras.engine.model_config import sequential_from_config

        return sequential_from_config(cls, config, custom_objects)
