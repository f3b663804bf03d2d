"""`Network`: layers connected between input and output tensors, used as one layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.errors import GraphError, UnimplementedError
from graphflow.keras.backend.phase import in_phase
from graphflow.keras.engine import layer as layers_module
from graphflow.keras.engine.annotations import history_of, maker_of, set_mask
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.network_map import map_network
from graphflow.keras.engine.op_layer import connect
from graphflow.layers.layer_names import to_snake_case, unique_layer_name
from graphflow.ops.nests import Nest
from graphflow.shapes import as_shape
from graphflow.tensor import Tensor


class Network(Layer):
    """A layer made of layers: `Network(inputs, outputs)`, or a subclass with its own `call`."""

    inputs: Any
    outputs: Any

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None,
        trainable: bool = True, **kwargs: Any,
    ) -> None:
        super().__init__(name=name, trainable=trainable, **kwargs)
        self._is_graph_network = False
        self._nodes: list[Any] = []
        self._ordered_layers: list[Layer] | None = None
        self._nested: tuple[Any, Any] = (None, None)
        self.inputs, self.outputs = None, None
        if inputs is not None and outputs is not None:
            self._set_graph(inputs, outputs)
        elif inputs is not None or outputs is not None:
            raise GraphError(f"{type(self).__name__}: give both inputs and outputs, or neither.")

    def _default_name(self) -> str:
        return unique_layer_name(to_snake_case(type(self).__name__), zero_based=True)

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        """Makes this the network between these tensors."""
        self._nested = inputs, outputs
        self.inputs, self.outputs = Nest(inputs).leaves, Nest(outputs).leaves
        for tensor in self.inputs:
            if not isinstance(tensor, Tensor) or history_of(tensor) is None:
                raise GraphError(
                    f"Input tensors to a Model must come from keras.Input. Received: {tensor!r}.")
        connect(list(self.outputs))
        self._nodes, self._ordered_layers = map_network(self.inputs, self.outputs)
        object.__setattr__(self, "_layers", list(self._ordered_layers))
        self._is_graph_network = self.built = True
        self.supports_masking = True

    def _used_layers(self) -> list[Any]:
        if self._ordered_layers is not None:
            return self._ordered_layers
        return [x for x in self._layers if isinstance(x, Layer)]

    # ---- layers and weights -----------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The layers, inputs first."""
        return self._used_layers()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of a name or number. Raises GraphError (a ValueError) if there is none."""
        layers = self.layers
        if index is not None:
            if index >= len(layers):
                raise GraphError(
                    f"Was asked to retrieve layer at index {index} but model only has "
                    f"{len(layers)} layers.")
            return layers[index]
        if name is None:
            raise GraphError("Provide either a layer name or layer index.")
        for layer in layers:
            if layer.name == name:
                return layer
        raise GraphError(
            f"No such layer: {name!r}. The layers are {', '.join(x.name for x in layers)}.")

    @property
    def weights(self) -> list[Any]:
        """The weights, layer by layer."""
        inner = [w for layer in self._used_layers() for w in layer.weights]
        own = [*self._trainable_weights, *self._non_trainable_weights]
        return list({id(w): w for w in [*inner, *own]}.values())

    @property
    def stateful(self) -> bool:
        """True if a layer keeps a state from batch to batch."""
        return any(getattr(layer, "stateful", False) for layer in self._used_layers())

    @stateful.setter
    def stateful(self, value: bool) -> None:
        """Networks are stateful if a layer is; the value is not kept."""

    @property
    def state_updates(self) -> list[Any]:
        """The updates of the stateful layers."""
        return [u for layer in self._used_layers() if getattr(layer, "stateful", False)
                for u in layer.updates]

    def reset_states(self) -> None:
        """Resets the states of stateful layers."""
        for layer in self._used_layers():
            if hasattr(layer, "reset_states") and getattr(layer, "stateful", False):
                layer.reset_states()

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs: those of their layers."""
        return [maker_of(t).name for t in self.inputs or ()]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: those of the layers that make them, made unique."""
        if not self._is_graph_network:
            return [f"output_{i + 1}" for i in range(len(self.outputs or ()))]
        names: list[str] = []
        for tensor in self.outputs:
            base = name = maker_of(tensor).name
            count = 1
            while name in names:
                name, count = f"{base}_{count}", count + 1
            names.append(name)
        return names

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs as tuples: one, or a list. Raises AttributeError before."""
        return _tuples(self.inputs, self.name, "input")

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs as tuples: one, or a list. Raises AttributeError before."""
        return _tuples(self.outputs, self.name, "output")

    @property
    def input(self) -> Any:
        """The input tensor(s)."""
        return self._nested[0] if self._is_graph_network else _single(self.inputs)

    @property
    def output(self) -> Any:
        """The output tensor(s)."""
        return self._nested[1] if self._is_graph_network else _single(self.outputs)

    # ---- calling ----------------------------------------------------------------------------

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs for other inputs; `training` reaches the layers as the learning phase."""
        if not self._is_graph_network:
            raise UnimplementedError(
                None, None, f"When subclassing the `Model` class, {type(self).__name__} should "
                "implement a `call` method.")
        given = self._given(inputs)
        values = dict(zip(self.inputs, given))
        if mask is not None:
            for tensor, m in zip(given, Nest(mask).leaves):
                if m is not None:
                    set_mask(tensor, m)
        for node in self._nodes:
            made = [t for t in Nest(node.call_with(values)).leaves if isinstance(t, Tensor)]
            values.update(zip(node.output_tensors, made))
        nest = Nest(self._nested[1])
        return nest.rebuild([values[t] for t in nest.leaves])

    def _given(self, inputs: Any) -> list[Any]:
        if isinstance(inputs, Mapping):
            names = self.input_names
            if set(names) <= set(inputs):
                return [inputs[n] for n in names]
        given = Nest(inputs).leaves
        if len(given) != len(self.inputs):
            raise GraphError(
                f"Model {self.name} expects {len(self.inputs)} inputs, got {len(given)}.")
        return given

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs of the latest call."""
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape, from the layers' own; for one or several outputs."""
        if not self._is_graph_network:
            return super().compute_output_shape(input_shape)
        several = isinstance(input_shape, list) and len(self.inputs) > 1
        shapes = dict(zip(self.inputs, input_shape if several else [input_shape]))
        for node in self._nodes:
            nest = Nest(node.inputs)
            given = nest.rebuild([as_shape(shapes.get(t, t.shape)) for t in nest.leaves])
            made = node.layer.compute_output_shape(given)
            made = made if isinstance(made, list) else [made]
            shapes.update(zip(node.output_tensors, made))
        found = [shapes[t] for t in self.outputs]
        return found[0] if len(found) == 1 else found

    def _rebuilt(self, inputs: Any, training: bool) -> Any:
        """The outputs for `inputs`, built anew for one phase, as no call of a layer."""
        layers_module._depth.count += 1
        try:
            return self(inputs, training=training) if (
                self._takes_training()) else self._in_phase(inputs, training)
        finally:
            layers_module._depth.count -= 1

    def _takes_training(self) -> bool:
        return "training" in self._call_arguments

    def _in_phase(self, inputs: Any, training: bool) -> Any:
        with in_phase(training):
            return self(inputs)

    def _pass_masks_on(self, inputs: Any, outputs: Any, masks: Any) -> None:
        """The inner layers have given the outputs their masks."""


def _single(tensors: Any) -> Any:
    return tensors[0] if tensors and len(tensors) == 1 else tensors


def _tuples(tensors: Any, name: str, what: str) -> Any:
    if tensors is None:
        raise AttributeError(
            f"The model {name} has no defined {what} shape before it is built or called.")
    shapes = [tuple(t.shape.as_list()) if t.shape.rank is not None else None for t in tensors]
    return shapes[0] if len(shapes) == 1 else shapes
