"""What belongs to a layer: its weights, the layers inside it, losses and updates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphflow.ops.nests import Nest
from graphflow.ops.variables import Variable


class LayerTracking:
    """Lists of weights, losses and updates, with those of the layers inside.

    Layers and variables that are assigned to attributes, alone or in lists, tuples and dicts, are
    found again here.
    """

    trainable: bool

    def __init__(self) -> None:
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._layers: list[LayerTracking] = []
        self._losses: list[tuple[Any, list[Any]]] = []
        self._updates: list[tuple[Any, list[Any]]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name.startswith("_") and name in _OWN:
            return
        for item in _leaves(value):
            if isinstance(item, LayerTracking):
                if not any(item is layer for layer in self._layers):
                    self._layers.append(item)
            elif isinstance(item, Variable):
                self._track_weight(item, item.trainable)

    def _track_weight(self, variable: Any, trainable: bool) -> None:
        known = [*self._trainable_weights, *self._non_trainable_weights]
        if not any(variable is w for w in known):
            (self._trainable_weights if trainable else self._non_trainable_weights).append(
                variable)

    # ---- weights ----------------------------------------------------------------------------

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that training changes: none if the layer is not trainable."""
        if not self.trainable:
            return []
        inner = [w for layer in self._layers for w in layer.trainable_weights]
        return _unique([*self._trainable_weights, *inner])

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that training does not change."""
        if not self.trainable:
            inner = [w for layer in self._layers for w in layer.weights]
            return _unique([*self._trainable_weights, *self._non_trainable_weights, *inner])
        inner = [w for layer in self._layers for w in layer.non_trainable_weights]
        return _unique([*self._non_trainable_weights, *inner])

    @property
    def weights(self) -> list[Any]:
        """All weights, the trainable ones first."""
        return self.trainable_weights + self.non_trainable_weights

    @property
    def variables(self) -> list[Any]:
        """The same as `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Any]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The same as `non_trainable_weights`."""
        return self.non_trainable_weights

    # ---- losses and updates -----------------------------------------------------------------

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses (tensors, or functions without arguments that give one) to `losses`.

        inputs: the tensors that they depend on; None for those that depend on weights alone.
        """
        for loss in _listed(losses):
            value = loss() if callable(loss) else loss
            if value is not None:
                self._losses.append((value, _tensors(inputs)))

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds operations to run with each training step to `updates`; inputs as in `add_loss`."""
        for update in _listed(updates):
            if update is not None:
                self._updates.append((getattr(update, "op", update), _tensors(inputs)))

    @property
    def losses(self) -> list[Any]:
        """The losses that were added here and in the layers inside."""
        return [loss for layer in self._with_inner() for loss, _ in layer._losses]

    @property
    def updates(self) -> list[Any]:
        """The updates that were added here and in the layers inside, if the layer trains."""
        if not self.trainable and not getattr(self, "stateful", False):
            return []
        return [update for layer in self._with_inner() for update, _ in layer._updates]

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that were added for these inputs; None: those that need no inputs."""
        return _relevant([p for layer in self._with_inner() for p in layer._losses], inputs)

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that were added for these inputs; None: those that need no inputs."""
        return _relevant([p for layer in self._with_inner() for p in layer._updates], inputs)

    def _with_inner(self) -> Iterator[LayerTracking]:
        yield self
        for layer in self._layers:
            yield from layer._with_inner()


_OWN = {"_trainable_weights", "_non_trainable_weights", "_layers", "_losses", "_updates"}


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, (LayerTracking, Variable)):
        return [value]
    if isinstance(value, (list, tuple, Mapping)):
        return Nest(value).leaves
    return []


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _tensors(inputs: Any) -> list[Any]:
    return [] if inputs is None else Nest(inputs).leaves


def _relevant(pairs: list[tuple[Any, list[Any]]], inputs: Any) -> list[Any]:
    wanted = _tensors(inputs)
    if inputs is None:
        return [value for value, given in pairs if not given]
    return [value for value, given in pairs if any(g is w for g in given for w in wanted)]


def _unique(items: list[Any]) -> list[Any]:
    return list({id(item): item for item in items}.values())
