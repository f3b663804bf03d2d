"""`Model`: a network that can be trained, saved and described."""

from __future__ import annotations

from typing import Any

from graphflow.keras.engine.network import Network
from graphflow.keras.engine.saving import SavingMixin
from graphflow.keras.engine.training import TrainingMixin
from graphflow.ops.nests import Nest


class Model(TrainingMixin, SavingMixin, Network):
    """Layers with a training loop.

    `Model(inputs, outputs)` is the network between Keras's tensors; each may be one tensor or a
    nest. A subclass defines layers in `__init__` and `call(inputs, training=None)` instead.
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None,
        trainable: bool = True, **kwargs: Any,
    ) -> None:
        # Keras 1 called them so.
        inputs = kwargs.pop("input", inputs)
        outputs = kwargs.pop("output", outputs)
        self._start_training_state()
        super().__init__(inputs, outputs, name, trainable, **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Builds a subclass's weights for inputs of a shape [batch, …] (or several)."""
        if not self._is_graph_network and type(self).call is not Network.call:
            shapes = input_shape if isinstance(input_shape, list) and not (
                input_shape and isinstance(input_shape[0], (int, type(None)))) else [input_shape]
            if input_shape is not None and not self._building:
                self._build_from_shapes([_sizes(s) for s in shapes])
        self.built = True

    def _build_from_shapes(self, shapes: list[tuple[Any, ...]]) -> None:
        from graphflow.keras.engine.input_layer import Input

        tensors = [Input(batch_shape=shape) for shape in shapes]
        object.__setattr__(self, "_building", True)
        try:
            self._set_inputs(tensors)
        finally:
            object.__setattr__(self, "_building", False)

    def _maybe_build(self, inputs: Any) -> None:
        outside = self._building
        object.__setattr__(self, "_building", True)
        try:
            super()._maybe_build(inputs)
        finally:
            object.__setattr__(self, "_building", outside)

    def _set_inputs(self, tensors: Any) -> None:
        """Fixes the inputs of a model with its own `call`, and builds it."""
        object.__setattr__(self, "inputs", list(Nest(tensors).leaves))
        given = tensors[0] if isinstance(tensors, list) and len(tensors) == 1 else tensors
        object.__setattr__(self, "_nested", (given, None))
        outputs = self._rebuilt(given, False)
        object.__setattr__(self, "outputs", Nest(outputs).leaves)
        self._forget_phases()

    def summary(
        self, line_length: int | None = None, positions: Any = None, print_fn: Any = None
    ) -> None:
        """Prints the layers with their output shapes and numbers of weights.

        Raises GraphError (a ValueError) before the model is built.
        """
        from graphflow.keras.engine.summary import print_summary

        print_summary(self, line_length, positions, print_fn or print)

    def get_config(self) -> dict[str, Any]:
        """Layers and connections as plain values, from which `from_config` makes an equal model.

        Raises UnimplementedError for a subclass with its own `call`.
        """
        from graphflow.keras.engine.model_config import network_config

        return network_config(self)

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """A model from `get_config()`, with weights of its own."""
        from graphflow.keras.engine.model_config import network_from_config

        return network_from_config(cls, config, custom_objects)


def _sizes(shape: Any) -> tuple[Any, ...]:
    return tuple(shape.as_list() if hasattr(shape, "as_list") else shape)
