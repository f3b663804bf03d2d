"""Scopes of a graph: names, control dependencies, devices; and its collections."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphflow.errors import DTypeError, GraphError
from graphflow.gradient_registry import NamedRule
from graphflow.tensor import Operation, Tensor, dereferenced

_VALID_SCOPE = re.compile(r"^[A-Za-z0-9_.\-/>]*$")


class GraphKeys:
    """Standard names of graph collections, as in TensorFlow 1."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    TRAIN_OP = "train_op"
    EVAL_STEP = "eval_step"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"
    VARIABLES = "variables"


class _ThreadScopes(threading.local):
    """What `with` blocks of one thread have opened on one graph."""

    def __init__(self) -> None:
        self.name = ""
        self.controls: tuple[Operation, ...] = ()
        self.devices: tuple[Any, ...] = ()
        self.gradient_rules: dict[str, NamedRule] = {}


class GraphScopes(ABC):
    """The part of `Graph` that keeps names, scopes and collections."""

    def __init__(self) -> None:
        super().__init__()
        self._names_in_use: dict[str, int] = {}
        self._scopes = _ThreadScopes()
        self._collections: dict[Any, list[Any]] = {}
        self._lock = threading.RLock()
        self.seed: int | None = None

    root: Any

    @abstractmethod
    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Any:
        """The Tensor or Operation that `obj` stands for; see `Graph`."""

    # ---- names ------------------------------------------------------------------------------

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """`name` under the current scope, with `_1`, `_2` … appended if it is taken."""
        with self._lock:
            return self._unique_name(name, mark_as_used)

    def _unique_name(self, name: str, mark_as_used: bool) -> str:
        scope = self._scopes.name
        full = f"{scope}/{name}" if scope else name
        key = full.lower()
        count = self._names_in_use.get(key, 0)
        if mark_as_used:
            self._names_in_use[key] = count + 1
        if count == 0:
            return full
        candidate = key
        while candidate in self._names_in_use:
            candidate = f"{key}_{count}"
            suffix = count
            count += 1
        if mark_as_used:
            self._names_in_use[candidate] = 1
            self._names_in_use[key] = count
        return f"{full}_{suffix}"

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Operations made inside are named under `name`; yields the scope with its slash.

        `name` ending in `/` re-enters that scope as it is; None or `""` goes to the root.
        """
        outer = self._scopes.name
        if name:
            if not _VALID_SCOPE.match(name):
                raise GraphError(f"{name!r} is not a valid scope name.")
            inner = name[:-1] if name.endswith("/") else self.unique_name(name)
        else:
            inner = ""
        self._scopes.name = inner
        try:
            yield f"{inner}/" if inner else ""
        finally:
            self._scopes.name = outer

    def get_name_scope(self) -> str:
        """The name scope in force, without a slash at its end."""
        return self._scopes.name

    # ---- control dependencies and devices ---------------------------------------------------

    @contextmanager
    def control_dependencies(self, control_inputs: Sequence[Any] | None) -> Iterator[None]:
        """Operations made inside run after `control_inputs`; None forgets all that are in force.

        Raises DTypeError for what is neither an operation, a tensor nor a variable.
        """
        outer = self._scopes.controls
        if control_inputs is None:
            inner: tuple[Operation, ...] = ()
        else:
            if isinstance(control_inputs, (Tensor, Operation, str)):
                raise DTypeError(
                    "control_dependencies takes a list of operations and tensors, got "
                    f"{control_inputs!r}. Write control_dependencies([…])."
                )
            added = [self._control_operation(c) for c in control_inputs]
            inner = tuple(dict.fromkeys((*outer, *(op for op in added if op is not None))))
        self._scopes.controls = inner
        try:
            yield
        finally:
            self._scopes.controls = outer

    def _control_operation(self, value: Any) -> Operation | None:
        value = dereferenced(value)
        if isinstance(value, str):
            value = self.as_graph_element(value)
        if isinstance(value, Tensor):
            value = value.op
        if not isinstance(value, Operation):
            raise DTypeError(
                f"A control input must be an Operation or Tensor, got {value!r} "
                f"({type(value).__name__})."
            )
        return self.own_operation(value)

    def own_operation(self, operation: Operation) -> Operation | None:
        """`operation`, which must belong to this graph. Raises GraphError otherwise.

        A region gives None for an operation outside it, and waits for that as a whole.
        """
        if operation.graph is not self:
            raise GraphError(f"{operation!r} belongs to another graph.")
        return operation

    def _current_controls(self, inputs: Iterable[Tensor]) -> tuple[Operation, ...]:
        controls = self._scopes.controls
        if not controls:
            return ()
        direct = {t.op for t in inputs}
        return tuple(c for c in controls if c not in direct)

    @contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Accepted for TensorFlow's sake: a session runs on one device, so it has no effect."""
        yield

    @contextmanager
    def device(self, device_name_or_function: Any) -> Iterator[None]:
        """Operations made inside carry the device string (`"/cpu:0"`), or what a function says.

        None forgets the devices in force.
        """
        outer = self._scopes.devices
        entry = device_name_or_function
        self._scopes.devices = () if entry is None else (*outer, entry)
        try:
            yield
        finally:
            self._scopes.devices = outer

    def current_device(self) -> str:
        """The device string in force: the innermost wins."""
        for entry in reversed(self._scopes.devices):
            text = entry(self) if callable(entry) else str(entry)
            if text:
                return text
        return ""

    @contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Iterator[None]:
        """Operations of the given op types made inside get other gradient rules.

        op_type_map: op type → the name of a rule: of `RegisterGradient`, or of an op (`"Identity"`
        passes gradients on). Raises DTypeError (a TypeError) if it is not a dict of strings.
        """
        if not isinstance(op_type_map, dict) or not all(
            isinstance(text, str) for item in op_type_map.items() for text in item
        ):
            raise DTypeError(
                "gradient_override_map: op_type_map must be a dictionary mapping strings to "
                f"strings, got {op_type_map!r}."
            )
        outer = self._scopes.gradient_rules
        self._scopes.gradient_rules = outer | {
            op_type: NamedRule(name) for op_type, name in op_type_map.items()}
        try:
            yield
        finally:
            self._scopes.gradient_rules = outer

    @contextmanager
    def fresh_scopes(self) -> Iterator[None]:
        """Inside, no control dependency is in force (what `tf.init_scope` does)."""
        with self.control_dependencies(None):
            yield

    # ---- collections ------------------------------------------------------------------------

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Appends `value` to the collection `name`."""
        self.root._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Appends `value` to each collection of `names` (one name or several)."""
        names = (names,) if isinstance(names, str) else dict.fromkeys(names)
        for name in names:
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of the collection; with `scope`, the items whose name matches it (a regex)."""
        items = self.root._collections.get(name, [])
        if scope is None:
            return list(items)
        pattern = re.compile(scope)
        return [i for i in items if hasattr(i, "name") and pattern.match(i.name)]

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The collection itself: changing the list changes the collection."""
        return self.root._collections.setdefault(name, [])

    def kept(self, key: Any, make: Callable[[], Any]) -> Any:
        """What the root graph keeps under `key`, in a private collection; made at first use."""
        root = self.root
        with root._lock:
            held = root.get_collection_ref(key)
            if not held:
                held.append(make())
            return held[0]

    def get_all_collection_keys(self) -> list[Any]:
        """The names of all collections that are not empty."""
        return [k for k, v in self.root._collections.items() if v and isinstance(k, str)]

    @property
    def collections(self) -> list[Any]:
        """The names of all collections."""
        return list(self.root._collections)

    def clear_collection(self, name: Any) -> None:
        """Empties a collection."""
        self.root._collections.pop(name, None)
