"""`Optimizer` of Keras: hyperparameters in variables, a count of steps, clipping of gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError, DTypeError, GraphError
from graphflow.gradients import gradients
from graphflow.graph import get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.keras.backend.session import get_session, track_variable
from graphflow.keras.backend.values import get_value, set_value
from graphflow.keras.optimizers.schedules import LearningRateSchedule, deserialize
from graphflow.ops import state
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.variables import Variable
from graphflow.tensor import Operation
from graphflow.train.elementwise import ElementwiseOptimizer

_KEYWORDS = {"lr", "decay", "clipnorm", "clipvalue"}


class Optimizer(ElementwiseOptimizer):
    """The base of Keras's optimizers.

    Hyperparameters such as `lr` and `momentum` are variables of Keras's session, which callbacks
    read and set while training goes on. Keywords: decay (the rate is η / (1 + decay·steps)),
    clipnorm (bounds the norm of each gradient), clipvalue (its elements), lr (learning_rate).

    sparse_rows: "rows" if a sparse gradient touches only the rows that it holds, "slots" if slots
    change everywhere but the weight in these rows, "all" if it counts as a dense one.
    """

    sparse_rows = "rows"

    def __init__(self, name: str, learning_rate: Any = 0.01, **kwargs: Any) -> None:
        unknown = sorted(k for k in kwargs if k not in _KEYWORDS and not k.startswith("hyper_"))
        if unknown:
            raise DTypeError(
                f"Unexpected keyword argument passed to optimizer: {', '.join(unknown)}.")
        for key in ("decay", "clipnorm", "clipvalue"):
            if kwargs.get(key) is not None and kwargs[key] < 0:
                raise AttributeValueError(f"Expected {key} >= 0, received: {kwargs[key]}.")
        hyper = {k[6:]: v for k, v in kwargs.items() if k.startswith("hyper_")}
        rate = kwargs.get("lr", learning_rate)
        object.__setattr__(self, "_values", {
            "learning_rate": rate, **hyper, "decay": kwargs.get("decay", 0.0)})
        object.__setattr__(self, "_variables", {})
        object.__setattr__(self, "_steps", {})
        # Not `super()`: the rules of some come from optimizers with constructors of their own.
        ElementwiseOptimizer.__init__(self, False, name)
        self.clipnorm, self.clipvalue = kwargs.get("clipnorm"), kwargs.get("clipvalue")

    # ---- hyperparameters --------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        name = "learning_rate" if name == "lr" else name
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        value = self._values[name]
        return value if isinstance(value, LearningRateSchedule) else self._variable(name)

    def __setattr__(self, name: str, value: Any) -> None:
        name = "learning_rate" if name == "lr" else name
        if name not in self._values:
            object.__setattr__(self, name, value)
            return
        held = self._variables.get((get_default_graph().root, name))
        if held is None or isinstance(value, LearningRateSchedule):
            self._values[name] = value
        else:
            set_value(held, value)

    def _variable(self, name: str) -> Any:
        """The variable of a hyperparameter in the default graph, made when first asked for."""
        key = (get_default_graph().root, name)
        if key not in self._variables:
            value = self._values[name]
            value = value() if callable(value) else value
            with init_scope():
                made = value if isinstance(value, Variable) else Variable(
                    np.float32(value), trainable=False, collections=[],
                    name=f"{self._name}/{name}")
            track_variable(made)
            self._variables[key] = made
        return self._variables[key]

    @property
    def iterations(self) -> Any:
        """The variable that counts the steps: an int64 scalar."""
        graph = get_default_graph().root
        if graph not in self._steps:
            with init_scope():
                made = Variable(np.int64(0), trainable=False, collections=[],
                                name=f"{self._name}/iter")
            track_variable(made)
            self._steps[graph] = made
        return self._steps[graph]

    def _prepare(self) -> None:
        step = F.cast(self.iterations.value(), dt.float32)
        rate = self._values["learning_rate"]
        if isinstance(rate, LearningRateSchedule):
            rate = F.cast(rate(self.iterations.value()), dt.float32)
        else:
            rate = F.convert_to_tensor(self._variable("learning_rate").value())
        if self._values["decay"]:
            rate = rate / (1.0 + self._variable("decay").value() * step)
        tensors = {name: self._variable(name).value() for name in self._values
                   if name not in ("learning_rate", "decay")}
        self._cast_hyper = {}
        self._hyper_tensors = {**tensors, "learning_rate": rate, "step": step + 1.0}
        self._hyper_tensors.update(self._derived(self._hyper_tensors))

    def _derived(self, h: dict[str, Any]) -> dict[str, Any]:
        """More scalars that the rule uses, computed once per step."""
        return {}

    # ---- gradients --------------------------------------------------------------------------

    def get_gradients(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The clipped gradients. Raises GraphError (a ValueError) where there is none."""
        grads = gradients(loss, list(params))
        missing = [p.name for g, p in zip(grads, params) if g is None]
        if missing:
            raise GraphError(
                f"{self._name}: No gradients provided for {missing}: the loss does not depend on "
                "them by differentiable operations. Give them trainable=False, or use them.")
        return [self._clipped(g) for g in grads]

    def _clipped(self, gradient: Any) -> Any:
        if self.clipnorm is not None:
            gradient = F.clip_by_norm(gradient, self.clipnorm)
        if self.clipvalue is not None:
            if isinstance(gradient, IndexedSlices):
                gradient = F.convert_to_tensor(gradient)
            gradient = F.clip_by_value(gradient, -self.clipvalue, self.clipvalue)
        return gradient

    def get_updates(self, loss: Any, params: Sequence[Any]) -> Operation:
        """The operation of one step that lowers `loss` by changing `params`."""
        grads = gradients(loss, list(params))
        pairs = [(self._clipped(g), p) for g, p in zip(grads, params) if g is not None]
        if not pairs:
            raise GraphError(
                f"{self._name}: No gradients provided for any variable: "
                f"{[p.name for p in params]}.")
        return self.apply_gradients(pairs)

    def minimize(  # type: ignore[override]  # Keras's order of arguments
        self, loss: Any, var_list: Any = None, grad_loss: Any = None, name: str | None = None,
        **kwargs: Any,
    ) -> Operation:
        """The operation of one step that lowers `loss` by changing the variables of a list."""
        variables = var_list() if callable(var_list) else var_list
        pairs = self.compute_gradients(loss, variables, grad_loss=grad_loss)
        return self.apply_gradients(
            [(None if g is None else self._clipped(g), v) for g, v in pairs], name=name)

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Any]], global_step: Any = None,
        name: str | None = None,
    ) -> Operation:
        """The operation that updates the variables by their gradients, and counts the step."""
        return super().apply_gradients(grads_and_vars, global_step, name)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        counted = state.assign_add(self.iterations, np.int64(1))
        return F.group(*update_ops, counted, name=name_scope)

    def _move_rows(self, values: Any, var: Any, indices: Any) -> Any:
        if self.sparse_rows == "rows":
            return super()._move_rows(values, var, indices)
        dense = F.unsorted_segment_sum(values, indices, F.shape(var)[0])
        if self.sparse_rows == "all":
            return self._move(dense, var)
        slots = self._slots_of(var)
        value, changed = self._rule(var.value(), dense, slots, self._hyper_for(var.dtype))
        kept = [state.assign(slots[name], new) for name, new in changed.items()]
        return F.group(state.scatter_update(var, indices, F.gather(value, indices)), *kept)

    # ---- values -----------------------------------------------------------------------------

    @property
    def weights(self) -> list[Any]:
        """The count of steps, and the slots in the order in which they were made.

        Not by name: a model that is loaded beside another one has other names.
        """
        present = set(self.variables())
        slots = [slot for by_variable in self._slots.values() for slot in by_variable.values()]
        others = [v for v in self.variables() if v not in set(slots)]
        return [self.iterations, *others, *(slot for slot in slots if slot in present)]

    def get_weights(self) -> list[Any]:
        """The values of `weights`."""
        return get_session().run(self.weights)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets `weights`. Raises GraphError for another number of arrays."""
        own = self.weights
        if len(own) != len(weights):
            raise GraphError(
                f"You called `set_weights(weights)` on optimizer {self._name} with a weight list "
                f"of length {len(weights)}, but the optimizer was expecting {len(own)} weights.")
        for variable, value in zip(own, weights):
            set_value(variable, value)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values; hyperparameters as they stand now."""
        config: dict[str, Any] = {"name": self._name}
        for name, value in self._values.items():
            if isinstance(value, LearningRateSchedule):
                config[name] = {"class_name": type(value).__name__, "config": value.get_config()}
            else:
                held = self._variables.get((get_default_graph().root, name))
                config[name] = float(value if held is None else get_value(held))
        for key in ("clipnorm", "clipvalue"):
            if getattr(self, key) is not None:
                config[key] = getattr(self, key)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Optimizer:
        """An optimizer from `get_config()`."""
        config = dict(config)
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config["learning_rate"] = deserialize(rate)
        return cls(**config)
