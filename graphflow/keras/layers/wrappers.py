"""Layers around a layer: over the steps of sequences, in both directions."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.model_config import deserialize
from graphflow.keras.serialization import serialize_keras_object
from graphflow.shapes import TensorShape, as_shape


class Wrapper(Layer):
    """A layer around another one."""

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise AttributeValueError(
                f"{type(self).__name__}: `layer` must be a Layer, got {layer!r}.")
        super().__init__(**kwargs)
        self.layer = layer

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A wrapper from `get_config()`."""
        config = dict(config)
        return cls(deserialize(config.pop("layer")), **config)


class TimeDistributed(Wrapper):
    """A layer applied to each step of sequences: [batch, time, …] → [batch, time, …]."""

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The layer's outputs for all steps."""
        sizes = inputs.shape.as_list()
        dynamic = F.shape(inputs)
        flat = F.reshape(inputs, F.concat([[-1], dynamic[2:]], 0) if None in sizes[2:] else [
            -1, *sizes[2:]])
        more = {"training": training} if "training" in self.layer._call_arguments else {}
        outputs = self.layer(flat, **more)
        tail = outputs.shape.as_list()[1:]
        ends = F.shape(outputs)[1:] if None in tail else tail
        time = dynamic[1] if sizes[1] is None else sizes[1]
        head = F.stack([dynamic[0] if sizes[0] is None else sizes[0], time])
        made = F.reshape(outputs, F.concat([head, ends], 0))
        made.set_shape([*sizes[:2], *tail])
        return made

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, time, …]."""
        sizes = as_shape(input_shape).as_list()
        own = as_shape(self.layer.compute_output_shape(
            TensorShape([sizes[0], *sizes[2:]]))).as_list()
        return TensorShape([sizes[0], sizes[1], *own[1:]])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the steps."""
        return mask


class Bidirectional(Wrapper):
    """A recurrent layer in both directions; the outputs are put together by `merge_mode`.

    merge_mode: "concat", "sum", "mul", "ave", or None for a list of both. Source: Schuster,
    Paliwal, IEEE transactions on signal processing 45, 1997.
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None,
        backward_layer: Any = None, **kwargs: Any,
    ) -> None:
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise AttributeValueError(
                'Invalid merge mode. Merge mode should be one of {"sum", "mul", "ave", "concat", '
                f"None}}, got {merge_mode!r}.")
        if layer._batch_input_shape is not None and "input_shape" not in kwargs:
            kwargs.setdefault("batch_input_shape", layer._batch_input_shape)
        super().__init__(layer, **kwargs)
        object.__setattr__(self, "_layers", [])
        self.forward_layer = _copied(layer, "forward", False)
        self.backward_layer = backward_layer or _copied(layer, "backward", True)
        self._given_backward = backward_layer is not None
        self.merge_mode, self.supports_masking = merge_mode, True
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.stateful = layer.stateful
        if weights:
            half = len(weights) // 2
            self.forward_layer._initial_weights = weights[:half]
            self.backward_layer._initial_weights = weights[half:]

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Layer.__call__`; inputs may be [sequences, *initial states of both]."""
        if isinstance(inputs, (list, tuple)) and kwargs.get("initial_state") is None:
            inputs, states = inputs[0], list(inputs[1:])
            if states:
                kwargs["initial_state"] = states
        return super().__call__(inputs, *args, **kwargs)

    def call(
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None
    ) -> Any:
        """The outputs of both directions put together, then the states if asked for."""
        given = [None, None]
        if initial_state is not None:
            half = len(initial_state) // 2
            given = [initial_state[:half], initial_state[half:]]
        forward, backward = (
            layer(inputs, mask=mask, training=training, **(
                {} if states is None else {"initial_state": states}))
            for layer, states in zip((self.forward_layer, self.backward_layer), given))
        states: list[Any] = []
        if self.return_state:
            states = [*forward[1:], *backward[1:]]
            forward, backward = forward[0], backward[0]
        if self.return_sequences:
            backward = F.reverse(backward, [1])
        merged = self._merged(forward, backward)
        if not self.return_state:
            return merged
        return [*(merged if self.merge_mode is None else [merged]), *states]

    def _merged(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode == "concat":
            return F.concat([forward, backward], -1)
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) / 2
        return forward * backward if self.merge_mode == "mul" else [forward, backward]

    def reset_states(self) -> None:
        """Sets the states of both directions to zeros."""
        self.forward_layer.reset_states()
        self.backward_layer.reset_states()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs' mask for sequences, None for single outputs and states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        own = mask if self.return_sequences else None
        outputs = [own, own] if self.merge_mode is None else [own]
        if self.return_state:
            return [*outputs, *[None] * (2 * len(self.forward_layer.state_size))]
        return outputs if self.merge_mode is None else own

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs put together."""
        found = self.forward_layer.compute_output_shape(input_shape)
        states = found[1:] if self.return_state else []
        own = as_shape(found[0] if self.return_state else found)
        if self.merge_mode == "concat":
            own = TensorShape([*own.as_list()[:-1], 2 * (own.as_list()[-1] or 0)])
        outputs = [own, own] if self.merge_mode is None else [own]
        return [*outputs, *states, *states] if self.return_state or len(outputs) > 1 else own

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        config = super().get_config()
        config.pop("weights", None)
        config["backward_layer"] = serialize_keras_object(
            self.backward_layer) if self._given_backward else None
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A wrapper from `get_config()`."""
        config = dict(config)
        if config.get("backward_layer") is not None:
            config["backward_layer"] = deserialize(config["backward_layer"])
        return super().from_config(config)


def _copied(layer: Any, prefix: str, reversed_: bool) -> Any:
    config = layer.get_config()
    config["name"] = f"{prefix}_{layer.name}"
    config["go_backwards"] = layer.go_backwards != reversed_
    return type(layer).from_config(config)
