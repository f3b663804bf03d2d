"""`variable_scope` and `get_variable`: variables with names and defaults that depend on scopes.

Names of variables follow variable scopes alone; `name_scope` does not change them. A variable
scope opens a name scope as well, for the operations made inside. The scope in force belongs to
one thread and one graph.
"""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from graphflow.builder import convert
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError, DTypeError, GraphError
from graphflow.graph import Graph, get_default_graph
from graphflow.ops.graph_functions import graph_of
from graphflow.ops.variable_store import AUTO_REUSE, VariableStore, store_of
from graphflow.ops.variables import VariableAggregation, VariableSynchronization
from graphflow.scopes import GraphKeys

_SCOPES_KEY = ("__varscope",)


class VariableScope:
    """The prefix and the defaults that `get_variable` uses inside one `variable_scope`.

    Attributes: `name`, the prefix without a slash at its end; `original_name_scope`, the name
    scope opened with it; `reuse` (False, True or AUTO_REUSE); and the defaults `initializer`,
    `regularizer`, `caching_device`, `partitioner`, `custom_getter`, `dtype`, `use_resource`,
    `constraint`.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = "float32",
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self.name = name
        self.original_name_scope = name_scope
        self.reuse = reuse
        self.initializer = initializer
        self.regularizer = regularizer
        self.caching_device = caching_device
        self.partitioner = partitioner
        self.custom_getter = custom_getter
        self.dtype = as_dtype(dtype)
        self.use_resource = use_resource
        self.constraint = constraint

    def reuse_variables(self) -> None:
        """From here on the scope finds variables and makes none."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Sets the initializer of variables that are given none."""
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        """Sets the regularizer of variables that are given none."""
        self.regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        """Accepted for TensorFlow's sake, without effect."""
        self.caching_device = caching_device

    def set_partitioner(self, partitioner: Any) -> None:
        """Accepted for TensorFlow's sake: variables are kept whole."""
        self.partitioner = partitioner

    def set_custom_getter(self, custom_getter: Any) -> None:
        """Sets the function that `get_variable` calls instead of the getter itself."""
        self.custom_getter = custom_getter

    def set_dtype(self, dtype: Any) -> None:
        """Sets the type of variables that are given none."""
        self.dtype = as_dtype(dtype)

    def set_use_resource(self, use_resource: bool | None) -> None:
        """Accepted for TensorFlow's sake: every variable behaves as a resource variable."""
        self.use_resource = use_resource

    def get_collection(self, name: Any) -> list[Any]:
        """The items of a collection whose name begins with this scope's."""
        scope = f"{self.name}/" if self.name else ""
        return get_default_graph().get_collection(name, scope)

    def trainable_variables(self) -> list[Any]:
        """The trainable variables of this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        """The global variables of this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """The local variables of this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        var_store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Any = None,
        constraint: Any = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        """The variable `name` of this scope, from `var_store`; see the function of this name."""
        def chosen(value: Any, default: Any) -> Any:
            return default if value is None else value

        full_name = f"{self.name}/{name}" if self.name else name
        with get_default_graph().name_scope(None):
            if dtype is not None and initializer is not None and not callable(initializer):
                _check_type(initializer, dtype, full_name)
            return var_store.get_variable(
                full_name, shape, chosen(dtype, self.dtype),
                chosen(initializer, self.initializer), chosen(regularizer, self.regularizer),
                chosen(reuse, self.reuse), trainable, collections,
                chosen(caching_device, self.caching_device), chosen(partitioner, self.partitioner),
                validate_shape, chosen(use_resource, self.use_resource),
                chosen(custom_getter, self.custom_getter), chosen(constraint, self.constraint),
                synchronization, aggregation)

    def __repr__(self) -> str:
        return f"<gf.VariableScope {self.name!r} reuse={self.reuse!r}>"


def _check_type(initializer: Any, dtype: Any, name: str) -> None:
    found = convert(initializer).dtype
    if found is not as_dtype(dtype):
        raise AttributeValueError(
            f"Variable {name}: initializer type {found.name} and explicit dtype "
            f"{as_dtype(dtype).name} don't match."
        )


class _Opened:
    """How often sub-scopes were opened under one name: what makes default names unique."""

    __slots__ = ("children", "count", "next_number")

    def __init__(self) -> None:
        self.children: dict[str, _Opened] = {}
        self.count = 0
        self.next_number = 1

    def at(self, name: str) -> _Opened:
        """The record of the scope `name` (with slashes) below this one."""
        node = self
        for part in name.split("/") if name else ():
            node = node.children.setdefault(part, _Opened())
        return node

    def unique(self, prefix: str) -> str:
        """`prefix`, or with `_1`, `_2` … if a scope of that name was opened below this one."""
        record = self.at(prefix)
        if record.count == 0:
            return prefix
        while self.at(f"{prefix}_{record.next_number}").count:
            record.next_number += 1
        return f"{prefix}_{record.next_number}"


class _ThreadScope(threading.local):
    """The scope in force on one graph, for each thread."""

    def __init__(self) -> None:
        self.current = VariableScope(False)
        self.opened = _Opened()


def _scopes_of(graph: Graph) -> _ThreadScope:
    return graph.kept(_SCOPES_KEY, _ThreadScope)


def get_variable_scope() -> VariableScope:
    """The variable scope in force in this thread."""
    return _scopes_of(get_default_graph()).current


class variable_scope:
    """Context manager: variables that `get_variable` makes inside are named under this scope.

    Args:
      name_or_scope: a name, which extends the scope in force; or a VariableScope, which is
        entered as it is, wherever that happens; or None to use `default_name`.
      default_name: made unique within the scope in force; only used if there is no name.
      values: tensors whose graph is used.
      initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource:
        defaults for `get_variable`, inherited by the scopes inside. Getters are chained: an
        inner one is called with the outer one as its getter.
      constraint: default for `get_variable` in this scope alone.
      reuse: True to find variables only, AUTO_REUSE to make those that do not exist; None (or
        False) inherits. It is inherited by the scopes inside.
      auxiliary_name_scope: False opens no name scope.

    Yields the VariableScope. Raises DTypeError (a TypeError) without any name, or for an argument
    of a wrong type; AttributeValueError (a ValueError) for another `reuse`, or for `reuse` with
    a default name.
    """

    def __init__(
        self,
        name_or_scope: str | VariableScope | None,
        default_name: str | None = None,
        values: Sequence[Any] | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if name_or_scope is None and default_name is None:
            raise DTypeError("variable_scope: without a default_name, name_or_scope is required.")
        if name_or_scope is not None and not isinstance(name_or_scope, (str, VariableScope)):
            raise DTypeError(
                "variable_scope: name_or_scope must be a string or a VariableScope, got "
                f"{name_or_scope!r}."
            )
        if not (reuse is None or reuse is AUTO_REUSE or isinstance(reuse, bool)):
            raise AttributeValueError(
                f"variable_scope: reuse must be True, False, None or gf.AUTO_REUSE, got {reuse!r}."
            )
        if not isinstance(auxiliary_name_scope, bool):
            raise DTypeError(
                f"variable_scope: auxiliary_name_scope must be a bool, got "
                f"{auxiliary_name_scope!r}."
            )
        self._given, self._default_name = name_or_scope, default_name
        self._reuse, self._getter = reuse or None, custom_getter
        self._defaults = {
            "initializer": initializer, "regularizer": regularizer,
            "caching_device": caching_device, "partitioner": partitioner, "dtype": dtype,
            "use_resource": use_resource,
        }
        self._constraint, self._auxiliary = constraint, auxiliary_name_scope
        self._graph = graph_of(values)
        # As in TensorFlow, a block that is entered again keeps what its first entry settled.
        self._unique_name: str | None = None
        self._original_name_scope: str | None = None
        self._entered: list[tuple[ExitStack, VariableScope]] = []

    def __enter__(self) -> VariableScope:
        with ExitStack() as stack:
            default = get_default_graph()
            if default.root is not self._graph.root:
                stack.enter_context(self._graph.as_default())
            if self._given is None and self._reuse:
                raise AttributeValueError(
                    "variable_scope: reuse=True cannot be used without a name_or_scope, for a "
                    "default_name is made unique.")
            name_scope = self._enter_name_scope(stack)
            scope = self._extended(name_scope)
            _enter(stack, scope, jump=isinstance(self._given, VariableScope))
            self._entered.append((stack.pop_all(), scope))
        return scope

    def __exit__(self, *exc: Any) -> None:
        stack, scope = self._entered.pop()
        with stack:
            if get_variable_scope() is not scope:
                raise GraphError("`with variable_scope` blocks were left out of order.")

    def _enter_name_scope(self, stack: ExitStack) -> str:
        """Opens the name scope that belongs to the variable scope."""
        graph = get_default_graph()
        if not self._auxiliary:
            here = graph.get_name_scope()
            return f"{here}/" if here else ""
        given = self._given
        name = given.name.split("/")[-1] if isinstance(given, VariableScope) else given
        if name is None:
            name = self._default_name
        # Only the root variable scope has no name; entering it changes no name scope.
        return stack.enter_context(graph.name_scope(name)) if name else ""

    def _extended(self, name_scope: str) -> VariableScope:
        """The scope to enter: the one given or in force, with this block's own defaults."""
        given, scopes = self._given, _scopes_of(self._graph)
        if isinstance(given, VariableScope):
            scope = copy.copy(given)
        else:
            scope = copy.copy(scopes.current)
            if given is None:
                given = self._unique_name = self._unique_name or scopes.opened.at(
                    scope.name).unique(self._default_name or "")
            if self._original_name_scope is None:
                self._original_name_scope = name_scope
            scope.name = f"{scope.name}/{given}" if scope.name else given
            scope.original_name_scope = self._original_name_scope
        scope.reuse = self._reuse or scope.reuse
        scope.constraint = self._constraint
        for key, value in self._defaults.items():
            if value is not None:
                getattr(scope, f"set_{key}")(value)
        if self._getter is not None:
            scope.set_custom_getter(_chained(self._getter, scope.custom_getter))
        return scope


def _enter(stack: ExitStack, scope: VariableScope, jump: bool) -> None:
    """Makes `scope` the one in force until `stack` is closed."""
    scopes = _scopes_of(get_default_graph())
    record = scopes.opened.at(scope.name)
    record.count += 1
    if jump:
        # Names used inside are forgotten at the end, and those of before come back.
        stack.callback(setattr, record, "children", copy.deepcopy(record.children))
    else:
        stack.callback(lambda: record.children.clear())
    stack.callback(setattr, scopes, "current", scopes.current)
    scopes.current = scope


def _chained(
    custom_getter: Callable[..., Any], outer: Callable[..., Any] | None
) -> Callable[..., Any]:
    """`custom_getter`, whose getter calls `outer` first."""
    if outer is None:
        return custom_getter

    def chained(getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return custom_getter(functools.partial(outer, getter), *args, **kwargs)

    return chained


@contextmanager
def variable_op_scope(
    values: Sequence[Any] | None, name_or_scope: Any, default_name: str | None = None,
    initializer: Any = None, regularizer: Any = None, caching_device: Any = None,
    partitioner: Any = None, custom_getter: Any = None, reuse: Any = None, dtype: Any = None,
    use_resource: bool | None = None, constraint: Any = None,
) -> Iterator[VariableScope]:
    """`variable_scope(name_or_scope, default_name, values, …)` in its older order."""
    with variable_scope(
        name_or_scope, default_name, values, initializer, regularizer, caching_device,
        partitioner, custom_getter, reuse, dtype, use_resource, constraint,
    ) as scope:
        yield scope


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable[..., Any] | None = None,
    constraint: Callable[[Any], Any] | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """The variable `name` of the variable scope in force: made, or found if the scope reuses.

    shape: fully known sizes; left out if `initializer` is a value or a function of no arguments.
    dtype: the scope's by default (float32).
    initializer: `f(shape, dtype=…)`, a class of such, a function without arguments, or a value.
      None uses the scope's, then glorot_uniform for floats, zeros for integers and bools.
    regularizer: its result (unless None) joins REGULARIZATION_LOSSES when the variable is made.
    custom_getter: `g(getter, name, shape, …)`, called instead of the getter.
    caching_device, use_resource, partitioner: accepted for TensorFlow's sake: variables are kept
      whole and on the session's device.

    Raises GraphError (a ValueError) if the variable exists and the scope does not reuse, or the
    other way round; ShapeError if the shape is not fully known, or contradicts the variable
    found; SharedTypeError if the type does.
    """
    return get_variable_scope().get_variable(
        store_of(get_default_graph()), name, shape, dtype, initializer, regularizer, None,
        trainable, collections, caching_device, partitioner, validate_shape, use_resource,
        custom_getter, constraint, synchronization, aggregation)


def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    trainable: bool | None = False,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable[..., Any] | None = None,
    constraint: Callable[[Any], Any] | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """`get_variable` for a variable of LOCAL_VARIABLES, which is never trainable."""
    return get_variable(
        name, shape, dtype, initializer, regularizer, False,
        [*(collections or ()), GraphKeys.LOCAL_VARIABLES], caching_device, partitioner,
        validate_shape, use_resource, custom_getter, constraint, synchronization, aggregation)


def no_regularizer(_: Any) -> None:
    """A regularizer that adds nothing: it turns off the scope's."""
