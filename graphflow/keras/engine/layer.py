"""`Layer` of Keras: the shared base, with connections, masks and the learning phase."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from graphflow.builder import F
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import GraphError
from graphflow.keras import constraints, initializers, regularizers
from graphflow.keras.backend.phase import current_phase, in_phase, learning_phase
from graphflow.keras.backend.session import get_session, track_variable
from graphflow.keras.backend.settings import floatx
from graphflow.keras.engine.annotations import (
    any_mask,
    history_of,
    masks_of,
    set_masks,
)
from graphflow.keras.engine.configuration import argument_config
from graphflow.keras.engine.node import Node
from graphflow.layers.base import Layer as BaseLayer
from graphflow.ops.nests import Nest
from graphflow.ops.variables import Variable, VariableAggregation, VariableSynchronization
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor


class _CallDepth(threading.local):
    """How many calls of layers are going on inside each other in a thread."""

    def __init__(self) -> None:
        self.count = 0


_depth = _CallDepth()

LAYER_CLASSES: dict[str, Any] = {}
"""The built-in layers and models, by the name of their class."""


class Layer(BaseLayer):
    """The base of Keras's layers: weights, made by `build`, and a function of tensors, `call`.

    A subclass makes its weights in `build(input_shape)` with `add_weight` and computes in
    `call(inputs)`; with an argument `training` or `mask`, `call` is told the phase or the inputs'
    masks. Arguments as in `graphflow.layers.Layer`; input_dim=n is input_shape=(n,).
    """

    def __init__(
        self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        kwargs.pop("dynamic", None)
        size = kwargs.pop("input_dim", None)
        if size is not None:
            kwargs.setdefault("input_shape", (size,))
        self._inbound_nodes: list[Node] = []
        self._metric_objects: list[Any] = []
        super().__init__(trainable=trainable, name=name, dtype=dtype, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._call_arguments = _arguments_of(cls.call)
        cls._is_own = cls.__module__.startswith("graphflow.")
        if cls._is_own and not cls.__name__.startswith("_"):
            LAYER_CLASSES[cls.__name__] = cls

    _call_arguments: frozenset[str] = frozenset()
    _is_own = True

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(value, "_is_metric", False):
            self._metric_objects.append(value)
            object.__setattr__(self, name, value)
        elif name == "_inbound_nodes" or name == "_metric_objects":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)
            if name == "trainable":
                for layer in self._layers:
                    layer.trainable = value

    # ---- weights ----------------------------------------------------------------------------

    def add_weight(
        self, name: str | None = None, shape: Any = None, dtype: Any = None,
        initializer: Any = None, regularizer: Any = None, trainable: bool | None = None,
        constraint: Any = None, partitioner: Any = None, use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE, **kwargs: Any,
    ) -> Any:
        """A new weight; initializer, regularizer and constraint may be names. See the base."""
        return super().add_weight(
            name, shape, dtype, initializers.get(initializer), regularizers.get(regularizer),
            trainable, constraints.get(constraint), partitioner, use_resource, synchronization,
            aggregation, **kwargs)

    def _make_variable(
        self, name: str, shape: list[int], dtype: DType, initializer: Any, trainable: bool,
        **options: Any,
    ) -> tuple[Any, bool]:
        if initializer is None:
            initializer = (F.glorot_uniform_initializer() if dtype.is_floating
                           else F.zeros_initializer())
        options.pop("partitioner", None)
        variable = Variable(
            partial(initializer, shape, dtype=dtype), name=name, trainable=trainable,
            dtype=dtype, collections=self._collections(), **options)
        track_variable(variable)
        return variable, True

    def _collections(self) -> list[str]:
        return [GraphKeys.GLOBAL_VARIABLES]

    def _session(self) -> Any:
        return get_session()

    # ---- calling ----------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs for a tensor or a nest of tensors; the first call makes the weights.

        Keyword arguments: those of `call`. `training` is the learning phase unless given, `mask`
        the inputs' masks.
        """
        inputs = self._converted(inputs)
        given = dict(kwargs)
        masks = masks_of(inputs)
        if "mask" in self._call_arguments and kwargs.get("mask") is None and any_mask(masks):
            kwargs["mask"] = masks
        training = self._resolved_training(args, kwargs)
        _depth.count += 1
        try:
            outputs = self._run_call(inputs, args, kwargs, training)
        finally:
            _depth.count -= 1
        outputs = _made_fresh(inputs, outputs)
        self._pass_masks_on(inputs, outputs, kwargs.get("mask", masks))
        if not _depth.count and self._is_connected(inputs, args, given):
            Node(self, inputs, args, given, outputs)
        return outputs

    def _run_call(
        self, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any], training: Any
    ) -> Any:
        """`call` in its phase; code of the user's is never shown a phase that is not known."""
        if not isinstance(training, Tensor) or self._is_own:
            if "training" in self._call_arguments and len(args) == 0:
                kwargs["training"] = training
            with in_phase(training):
                return BaseLayer.__call__(self, inputs, *args, **kwargs)
        use, train = (
            self._run_call(inputs, args, dict(kwargs), phase) for phase in (False, True))
        nest, other = Nest(train), Nest(use)
        return nest.rebuild([
            a if a is b else F.where_v2(training, a, b)
            for a, b in zip(nest.leaves, other.leaves)])

    def _resolved_training(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The phase of a call: that of the argument, else of the call around it.

        Asking for the phase makes its placeholder, so it is only asked for where it is used.
        """
        if "training" not in self._call_arguments or args:
            return kwargs.get("training", current_phase())
        training = kwargs.get("training")
        return learning_phase() if training is None else training

    def _is_connected(self, inputs: Any, args: tuple[Any, ...], kwargs: Mapping) -> bool:
        leaves = [x for x in Nest([inputs, list(args), dict(kwargs)]).leaves
                  if isinstance(x, Tensor)]
        return any(history_of(x) is not None for x in leaves)

    def _pass_masks_on(self, inputs: Any, outputs: Any, masks: Any) -> None:
        given = masks is not None and any_mask(masks)
        if given or type(self).compute_mask is not BaseLayer.compute_mask:
            found = self.compute_mask(inputs, masks if given else None)
            if found is not None:
                set_masks(outputs, found)

    def _maybe_build(self, inputs: Any) -> None:
        if not self.built and self._dtype is None:
            first = [x for x in Nest(inputs).leaves if isinstance(x, Tensor)]
            if not first or not first[0].dtype.is_floating:
                self._dtype = as_dtype(floatx())
        super()._maybe_build(inputs)

    # ---- connections ------------------------------------------------------------------------

    @property
    def inbound_nodes(self) -> list[Node]:
        """The calls of the layer on Keras's tensors, in order."""
        return self._inbound_nodes

    def _only_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called and thus has no defined {what}.")
        if len(self._inbound_nodes) > 1:
            raise AttributeError(
                f"The layer {self.name} has multiple inbound nodes, hence the notion of "
                f'"layer {what}" is ill-defined. Use `get_{what}_at(node_index)` instead.')
        return self._inbound_nodes[0]

    def _node_at(self, node_index: int, what: str) -> Node:
        try:
            return self._inbound_nodes[node_index]
        except IndexError:
            raise GraphError(
                f"Asked to get {what} at node {node_index}, but the layer {self.name} has only "
                f"{len(self._inbound_nodes)} inbound nodes.") from None

    @property
    def input(self) -> Any:
        """The input tensor(s), if the layer was called once."""
        return self._only_node("input").inputs

    @property
    def output(self) -> Any:
        """The output tensor(s), if the layer was called once."""
        return self._only_node("output").outputs

    @property
    def input_shape(self) -> Any:
        """The input shape(s) as tuples, if the layer was called once."""
        return _shapes(self._only_node("input").inputs)

    @property
    def output_shape(self) -> Any:
        """The output shape(s) as tuples, if the layer was called once."""
        return _shapes(self._only_node("output").outputs)

    def get_input_at(self, node_index: int) -> Any:
        """The input tensor(s) of one call."""
        return self._node_at(node_index, "input").inputs

    def get_output_at(self, node_index: int) -> Any:
        """The output tensor(s) of one call."""
        return self._node_at(node_index, "output").outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """The input shape(s) of one call."""
        return _shapes(self._node_at(node_index, "input shape").inputs)

    def get_output_shape_at(self, node_index: int) -> Any:
        """The output shape(s) of one call."""
        return _shapes(self._node_at(node_index, "output shape").outputs)

    @property
    def input_mask(self) -> Any:
        """The mask(s) of the inputs, if the layer was called once."""
        return masks_of(self.input)

    @property
    def output_mask(self) -> Any:
        """The mask(s) of the outputs, if the layer was called once."""
        return masks_of(self.output)

    # ---- what it is -------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """The metrics that were assigned to attributes or added, here and in inner layers."""
        inner = [m for layer in self._layers for m in getattr(layer, "metrics", [])]
        return [*self._metric_objects, *inner]

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values; those of the constructor that are attributes too."""
        config = super().get_config()
        if self._is_own:
            config.update(argument_config(self))
        return config


Layer._call_arguments = frozenset()


def _arguments_of(function: Any) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def _made_fresh(inputs: Any, outputs: Any) -> Any:
    """The outputs, with tensors that were inputs replaced by identities of them."""
    given = set(map(id, Nest(inputs).leaves))
    nest = Nest(outputs)
    if not any(id(x) in given or isinstance(x, Variable) for x in nest.leaves):
        return outputs
    return nest.rebuild([
        F.identity(x) if isinstance(x, (Tensor, Variable)) and (
            id(x) in given or isinstance(x, Variable)) else x for x in nest.leaves])


def _shapes(tensors: Any) -> Any:
    """(None, 3)-like tuples for a nest of tensors."""
    nest = Nest(tensors)
    return nest.rebuild([
        tuple(x.shape.as_list()) if x.shape.rank is not None else None for x in nest.leaves])
