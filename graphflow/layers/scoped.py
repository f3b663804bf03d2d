"""The layers of `tf.layers`: weights from variable scopes, losses and updates in collections."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from graphflow.dtypes import DType
from graphflow.errors import GraphError
from graphflow.graph import get_default_graph
from graphflow.layers.base import Layer as BaseLayer
from graphflow.layers.layer_names import to_snake_case, unique_layer_name
from graphflow.ops.variable_scope import VariableScope, get_variable, variable_scope
from graphflow.scopes import GraphKeys


class Layer(BaseLayer):
    """A layer whose weights are made by `get_variable` in a variable scope of the layer's name.

    So scopes give weights their names, default initialisers and regularisers, and share them
    where they are reused. Losses join REGULARIZATION_LOSSES, updates UPDATE_OPS. The scope is
    fixed by the first call: that of the name, made unique if the name is a default.

    Keywords `_scope` and `_reuse`: the variable scope, and whether its variables are reused.
    """

    def __init__(
        self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        scope = kwargs.pop("_scope", None)
        self._reuse = kwargs.pop("_reuse", None)
        self._base_name = name.name if isinstance(name, VariableScope) else name
        super().__init__(
            trainable=trainable, name=None if isinstance(name, VariableScope) else name,
            dtype=dtype, **kwargs)
        self._scope: Any = None
        self._current_scope: Any = None
        if scope is not None:
            with variable_scope(scope) as entered:
                self._scope = entered

    def _default_name(self) -> str:
        own = to_snake_case(type(self).__name__)
        self._base_name = self._base_name or own
        return unique_layer_name(own, zero_based=False)

    def apply(self, *args: Any, **kwargs: Any) -> Any:
        """The same as calling the layer."""
        return self(*args, **kwargs)

    @property
    def scope_name(self) -> str:
        """The name of the variable scope. Raises GraphError before the first call."""
        if self._scope is None:
            raise GraphError(
                f'No name available for layer scope because the layer "{self.name}" has not been '
                "used yet. The scope name is determined the first time the layer is called.")
        return self._scope.name

    def _set_scope(self, scope: Any = None) -> None:
        if self._scope is not None:
            return
        if self._reuse:
            entering = variable_scope(self._base_name if scope is None else scope)
        else:
            entering = variable_scope(scope, default_name=self._base_name)
        with entering as entered:
            self._scope = entered

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """As `Layer.__call__` of Keras; `scope`: the variable scope, at the first call."""
        self._set_scope(kwargs.pop("scope", None))
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            return super().__call__(inputs, *args, **kwargs)

    def _naming(self) -> AbstractContextManager[Any]:
        return get_default_graph().name_scope(self._current_scope.original_name_scope)

    def _finish_call(self, inputs: Any, outputs: Any) -> None:
        _join(GraphKeys.UPDATE_OPS, self.updates)

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """A weight in the layer's variable scope; see Keras's `Layer.add_weight`."""
        self._set_scope()
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            with self._naming():
                return super().add_weight(*args, **kwargs)

    def _make_variable(
        self, name: str, shape: list[int], dtype: DType, initializer: Any, trainable: bool,
        **options: Any,
    ) -> tuple[Any, bool]:
        graph = get_default_graph()
        existing = set(map(id, graph.get_collection(GraphKeys.GLOBAL_VARIABLES)))
        variable = get_variable(
            name, shape=shape, dtype=dtype, initializer=initializer, trainable=trainable,
            **options)
        return variable, id(variable) not in existing

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses to `losses` and to REGULARIZATION_LOSSES."""
        before = len(self._losses)
        super().add_loss(losses, inputs)
        _join(GraphKeys.REGULARIZATION_LOSSES, [loss for loss, _ in self._losses[before:]])


def _join(key: str, items: list[Any]) -> None:
    """Adds what the collection does not hold yet."""
    collection = get_default_graph().get_collection_ref(key)
    held = set(map(id, collection))
    collection.extend(item for item in items if id(item) not in held)
