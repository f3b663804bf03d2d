"""The variables of a graph that `get_variable` made, by name: found again or made once.

The store belongs to the root graph, and is kept in a private collection of it.
"""

from __future__ import annotations

import enum
import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

from graphflow.builder import F
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import AttributeValueError, DTypeError, GraphError, ShapeError
from graphflow.graph import Graph
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.shapes import TensorShape, as_shape
from graphflow.sites import user_site

_STORE_KEY = ("__variable_store",)


class ReuseMode(enum.Enum):
    """What a variable scope does with names that exist and names that do not."""

    AUTO_REUSE = 1

    def __repr__(self) -> str:
        return "gf.AUTO_REUSE"


AUTO_REUSE = ReuseMode.AUTO_REUSE


class VariableStore:
    """Variables by full name. `get_variable` finds or makes one; safe to use from threads."""

    def __init__(self) -> None:
        self._variables: dict[str, Variable] = {}
        self._lock = threading.RLock()

    def get_variable(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = "float32",
        initializer: Any = None,
        regularizer: Callable[[Any], Any] | None = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Callable[..., Any] | None = None,
        constraint: Callable[[Any], Any] | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        """The variable of the full name `name`; see `graphflow.get_variable`.

        reuse: True to find, False to make, None or AUTO_REUSE to do what is needed.
        """
        arguments = {
            "name": name, "shape": shape, "dtype": dtype, "initializer": initializer,
            "regularizer": regularizer, "reuse": reuse, "trainable": trainable,
            "collections": collections, "caching_device": caching_device,
            "partitioner": partitioner, "validate_shape": validate_shape,
            "use_resource": use_resource, "constraint": constraint,
            "synchronization": synchronization, "aggregation": aggregation,
        }
        if custom_getter is None:
            return self._get(**arguments)
        accepted = _parameters(custom_getter)
        for late in ("constraint", "synchronization", "aggregation"):
            # Getters written before these arguments existed do not take them.
            if accepted is not None and late not in accepted:
                del arguments[late]
        return custom_getter(getter=self._get, **arguments)

    def _get(
        self, name: str, shape: Any = None, dtype: Any = "float32", initializer: Any = None,
        regularizer: Any = None, reuse: Any = None, trainable: bool | None = None,
        collections: Any = None, caching_device: Any = None, partitioner: Any = None,
        validate_shape: bool = True, use_resource: bool | None = None, constraint: Any = None,
        synchronization: Any = None, aggregation: Any = None,
    ) -> Variable:
        if shape is not None and initializer is not None and not callable(initializer):
            raise GraphError(
                f"Variable {name}: if initializer is a constant, do not specify shape.")
        if partitioner is not None and not callable(partitioner):
            raise DTypeError(
                f"Variable {name}: partitioner must be callable, got {partitioner!r}.")
        dtype = as_dtype(dtype)
        shape = None if shape is None else as_shape(shape)
        with self._lock:
            found = self._variables.get(name)
            if found is not None:
                return _checked(found, name, shape, dtype, reuse)
            if reuse is True:
                raise GraphError(
                    f"Variable {name} does not exist, or was not created with gf.get_variable(). "
                    f"Did you mean to set reuse=gf.AUTO_REUSE in VarScope?{_asked_at()}"
                )
            initial_value, initial_dtype = _initial_value(name, shape, dtype, initializer)
            variable = Variable(
                initial_value, trainable, collections, validate_shape, caching_device, name,
                dtype=initial_dtype, constraint=constraint, use_resource=use_resource,
                synchronization=synchronization, aggregation=aggregation, shape=shape)
            self._variables[name] = variable
        if regularizer is not None:
            _regularize(variable, name, regularizer)
        return variable


def store_of(graph: Graph) -> VariableStore:
    """The store of the root of `graph`."""
    return graph.kept(_STORE_KEY, VariableStore)


def _asked_at() -> str:
    site = user_site()
    return f" Asked for at {site}." if site else ""


def _checked(
    found: Variable, name: str, shape: TensorShape | None, dtype: DType, reuse: Any
) -> Variable:
    """The variable that exists, if it may be shared and is what was asked for."""
    if reuse is False:
        raise GraphError(
            f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or "
            f"reuse=gf.AUTO_REUSE in VarScope? Originally defined at: {found.op.site}"
        )
    if shape is not None and not shape.is_compatible_with(found.shape):
        raise ShapeError(
            f"Trying to share variable {name}, but specified shape {shape} and found shape "
            f"{found.shape}. Originally defined at: {found.op.site}"
        )
    if dtype is not found.dtype:
        raise SharedTypeError(
            f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype "
            f"{found.dtype.name}. Originally defined at: {found.op.site}"
        )
    return found


class SharedTypeError(GraphError, DTypeError):
    """A variable was asked for with a type that it does not have (a ValueError in TensorFlow)."""


def _initial_value(
    name: str, shape: TensorShape | None, dtype: DType, initializer: Any
) -> tuple[Any, DType | None]:
    """What `Variable` takes as its initial value, and the dtype to convert it to."""
    if initializer is None:
        initializer = _default_initializer(name, shape, dtype)
    if inspect.isclass(initializer):
        initializer = initializer()
    if not callable(initializer):
        return initializer, None
    if shape is not None and shape.is_fully_defined():
        extra = {"partition_info": None} if _takes(initializer, "partition_info") else {}
        return functools.partial(initializer, shape.as_list(), dtype=dtype, **extra), dtype
    if shape is None and _needs_no_arguments(initializer):
        return initializer, None
    if shape is None:
        raise ShapeError(
            f"Shape of a new variable ({name}) must be given: the initializer {initializer!r} "
            "needs it."
        )
    raise ShapeError(
        f"Shape of a new variable ({name}) must be fully defined, but instead was {shape}."
    )


def _default_initializer(name: str, shape: TensorShape | None, dtype: DType) -> Any:
    if shape is None:
        raise ShapeError(
            f"Variable {name} did not get an initializer, so its shape must be specified."
        )
    if dtype.is_floating:
        return F.glorot_uniform_initializer()
    if dtype.is_integer or dtype.is_bool or dtype.is_string:
        return F.zeros_initializer()
    raise AttributeValueError(
        f"An initializer for variable {name} of type {dtype.name} is required."
    )


def _parameters(function: Callable[..., Any]) -> set[str] | None:
    """The names of the parameters of `function`; None if it takes any keyword."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return None
    return set(parameters)


def _takes(function: Callable[..., Any], parameter: str) -> bool:
    accepted = _parameters(function)
    return accepted is not None and parameter in accepted


def _needs_no_arguments(function: Callable[..., Any]) -> bool:
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(
        p.default is not inspect.Parameter.empty or p.kind in fixed
        for p in inspect.signature(function).parameters.values())


def _regularize(variable: Variable, name: str, regularizer: Callable[[Any], Any]) -> None:
    """Adds the loss, built outside all control flow under `<name>/Regularizer/`."""
    graph = variable.graph
    with init_scope(), graph.name_scope(f"{name}/Regularizer/"):
        loss = regularizer(variable)
    if loss is not None:
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
