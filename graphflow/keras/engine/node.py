"""`Node`: one call of a layer, as models of connected layers keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.keras.engine.annotations import History, history_of, set_history
from graphflow.ops.nests import Nest
from graphflow.tensor import Tensor


class Node:
    """A call of `layer` whose arguments or results are Keras's tensors.

    Attributes:
      inputs: what it was called on: a tensor or a nest of them.
      args, kwargs: its other arguments, as they were given.
      outputs: what it returned; parents: the histories of the tensors among all arguments.
    """

    def __init__(
        self, layer: Any, inputs: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any],
        outputs: Any,
    ) -> None:
        self.layer, self.inputs, self.outputs = layer, inputs, outputs
        self.args, self.kwargs = args, dict(kwargs)
        self._arguments = Nest([inputs, list(args), self.kwargs])
        found = [history_of(x) for x in self._arguments.leaves]
        self.parents: list[History] = [h for h in found if h is not None]
        self.index = len(layer._inbound_nodes)
        layer._inbound_nodes.append(self)
        for position, tensor in enumerate(self.output_tensors):
            set_history(tensor, History(layer, self.index, position))

    @property
    def input_tensors(self) -> list[Any]:
        """The tensors that the layer was called on."""
        return [x for x in Nest(self.inputs).leaves if isinstance(x, Tensor)]

    @property
    def output_tensors(self) -> list[Any]:
        """The tensors that the call gave."""
        return [x for x in Nest(self.outputs).leaves if isinstance(x, Tensor)]

    def call_with(self, values: Mapping[Any, Any]) -> Any:
        """Calls the layer again, with other tensors in the places of some."""
        leaves = [values.get(x, x) if isinstance(x, Tensor) else x
                  for x in self._arguments.leaves]
        inputs, args, kwargs = self._arguments.rebuild(leaves)
        return self.layer(inputs, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<Node {self.index} of {self.layer!r}>"
