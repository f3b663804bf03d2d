"""`Variable`: a value that lives in a session and that operations read and assign.

In the graph a variable is an operation `w` whose output is a handle, its initialiser `w/Assign`
and its first read `w/read`. Used as a tensor it is read at the place of use: after the
assignments that were built before, under the control dependencies in force.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from graphflow.builder import Arithmetic, F, apply, convert
from graphflow.dtypes import DType, to_array
from graphflow.errors import AttributeValueError, DTypeError, GraphError, ShapeError
from graphflow.graph import Graph, get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.initial_value import guarded, remember
from graphflow.ops.variable_counter import count_up_to
from graphflow.ops.variable_slice import variable_slice
from graphflow.scopes import GraphKeys
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape, as_shape
from graphflow.tensor import Operation, Tensor, dereferenced


class VariableSynchronization(enum.Enum):
    """When the copies of a distributed variable are brought together; kept with the variable."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


class VariableAggregation(enum.Enum):
    """How the copies of a distributed variable are brought together; kept with the variable."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3


def _row_update(method: str, verb: str) -> Callable[..., Tensor]:
    function = getattr(state, method)

    def update(
        self: Any, sparse_delta: IndexedSlices, use_locking: bool = False,
        name: str | None = None,
    ) -> Tensor:
        if not isinstance(sparse_delta, IndexedSlices):
            raise DTypeError(
                f"Variable '{self.op.name}'.{method} takes gf.IndexedSlices(values, indices), got "
                f"{sparse_delta!r}. For indices and updates use gf.{method}(v, indices, updates)."
            )
        return function(self, sparse_delta.indices, sparse_delta.values, name=name)

    update.__name__, update.__qualname__ = method, f"Variable.{method}"
    update.__doc__ = (
        f"{verb} the rows of `sparse_delta`; gives the new value.\n\n"
        "Raises DTypeError (a TypeError) if it is not an IndexedSlices.")
    return update


class Variable(Arithmetic):
    """A value that keeps between runs of a session, in the form of TensorFlow 1's `tf.Variable`.

    It must be initialised before it is read: run `v.initializer` or
    `global_variables_initializer()`, or restore a checkpoint. Built inside a loop or conditional,
    the variable itself is made outside of it, in the graph around.

    Args:
      initial_value: a tensor, array, Python value, or a function without arguments that gives
        one. Other variables in it count as initialised: where one is not, its own initial value
        is used.
      trainable: also adds it to TRAINABLE_VARIABLES, which optimizers change; None means True
        unless `synchronization` is ON_READ.
      collections: names of collections to join, [GLOBAL_VARIABLES] by default.
      validate_shape: if False the shape is left open and may change with each assignment.
      dtype: converts the initial value; by default that value's own type.
      constraint: a function of the value that optimizers apply after each update.
      shape: the static shape, if it is to be less (or otherwise) known than the initial value's.
      caching_device, use_resource, expected_shape, import_scope: accepted for TensorFlow's sake,
        without effect.

    Raises GraphError if there is no initial value or it was built inside a loop or conditional,
    ShapeError if its shape is not fully known (and `validate_shape`) or contradicts `shape`,
    DTypeError if it does not fit `dtype` or `constraint` cannot be called.
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Sequence[Any] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable[[Any], Any] | None = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        shape: Any = None,
    ) -> None:
        _check_arguments(initial_value, collections, variable_def, constraint, name)
        self._synchronization = _mode(VariableSynchronization, synchronization, name)
        self._aggregation = _mode(VariableAggregation, aggregation, name)
        on_read = self._synchronization is VariableSynchronization.ON_READ
        self._trainable = not on_read if trainable is None else bool(trainable)
        self._constraint = constraint
        self._validate_shape = validate_shape
        self._build(initial_value, name or "Variable", dtype, shape)
        keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
        if self._trainable and GraphKeys.TRAINABLE_VARIABLES not in keys:
            keys.append(GraphKeys.TRAINABLE_VARIABLES)
        self.graph.add_to_collections(keys, self)

    def _build(self, value: Any, name: str, dtype: Any, shape: Any) -> None:
        """Adds `w/initial_value`, `w`, `w/Assign` and `w/read` outside all control flow."""
        with init_scope():
            graph = get_default_graph()
            with graph.name_scope(name) as scope:
                if callable(value):
                    with graph.name_scope("Initializer"):
                        initial = _as_initial(graph, value(), dtype, name)
                else:
                    initial = _as_initial(graph, value, dtype, name)
                self._initial_value = initial
                self._handle = self._make_handle(initial, shape, scope)
                remember(self)
                self._start = guarded(initial, self._handle.op.name)
                self._initializer = state.assign(
                    self._handle, self._start, validate_shape=self._validate_shape).op
                self._read = graph.read(self._handle)

    def _make_handle(self, initial: Tensor, shape: Any, scope: str) -> Tensor:
        name = scope[:-1]
        if self._validate_shape and not initial.shape.is_fully_defined():
            raise ShapeError(
                f"Variable '{name}': the initial value must have a fully known shape, got "
                f"{initial!r}. Set its shape, or pass validate_shape=False."
            )
        if shape is None:
            static = initial.shape if self._validate_shape else UNKNOWN_SHAPE
        else:
            static = as_shape(shape)
            if self._validate_shape and not static.is_compatible_with(initial.shape):
                raise ShapeError(
                    f"Variable '{name}': the initial value's shape {initial.shape} is not "
                    f"compatible with the given shape {static}."
                )
        return apply(
            state.VARIABLE, (),
            {"dtype": initial.dtype, "shape": static, "shared_name": name}, name=scope)

    # ---- what it is -------------------------------------------------------------------------

    def as_graph_tensor(self) -> Tensor:
        """The handle: the tensor that stands for the variable itself."""
        return self._handle

    @property
    def handle(self) -> Tensor:
        """The tensor that stands for the variable itself, which assignments take."""
        return self._handle

    @property
    def op(self) -> Operation:
        """The operation that is the variable."""
        return self._handle.op

    @property
    def name(self) -> str:
        """The name of the handle, such as `"w:0"`."""
        return self._handle.name

    @property
    def _shared_name(self) -> str:
        """The key of the value in a session's store: the operation's name."""
        return self.op.attrs["shared_name"]

    @property
    def graph(self) -> Graph:
        """The graph that holds the variable."""
        return self._handle.graph

    @property
    def device(self) -> str:
        """The device string."""
        return self._handle.device

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._handle.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return self._handle.shape

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return self._handle.shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows of the shape. Raises ShapeError if it contradicts."""
        self._handle.set_shape(shape)
        self._read.set_shape(shape)

    @property
    def trainable(self) -> bool:
        """True if optimizers change the variable by default."""
        return self._trainable

    @property
    def synchronization(self) -> VariableSynchronization:
        """The mode that was asked for."""
        return self._synchronization

    @property
    def aggregation(self) -> VariableAggregation:
        """The mode that was asked for."""
        return self._aggregation

    @property
    def constraint(self) -> Callable[[Any], Any] | None:
        """The function that optimizers apply to the value after an update, or None."""
        return self._constraint

    @property
    def initializer(self) -> Operation:
        """The operation that sets the variable to its initial value."""
        return self._initializer

    @property
    def initial_value(self) -> Tensor:
        """The tensor that the initialiser assigns."""
        return self._initial_value

    # ---- reading ----------------------------------------------------------------------------

    def value(self) -> Tensor:
        """The value as a tensor, read at this place; one read serves until the next write."""
        return convert(self)

    def read_value(self) -> Tensor:
        """A new read of the value, at this place and under the control dependencies in force."""
        return apply(state.READ_VARIABLE, (self,), name="read")

    def initialized_value(self) -> Tensor:
        """The value, or the initial value while the variable is not initialised."""
        with init_scope():
            return F.cond(
                state.is_variable_initialized(self), self.read_value, lambda: self._start)

    def eval(self, session: Any = None) -> Any:
        """The value as an array, from `session` (the default session if None)."""
        session = self.graph.session_for(session, f"Variable '{self.op.name}'.eval()")
        return session.run(self)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows at `indices`: `gather(self, indices)`."""
        return F.gather(self, indices, name=name)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements or slices at `indices`: `gather_nd(self, indices)`."""
        return F.gather_nd(self, indices, name=name)

    # ---- writing ----------------------------------------------------------------------------

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value in `session` (the default one if None) without adding operations.

        Raises DTypeError or ShapeError if `value` does not fit, ClosedSessionError without a
        session.
        """
        session = self.graph.session_for(session, f"Variable '{self.op.name}'.load()")
        array = to_array(value, self.dtype)
        state.check_assignable(self.shape, as_shape(array.shape), self.op.name)
        session.load(self, array)

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """Sets the variable; gives the new value as a tensor (the operation if not `read_value`).

        Raises ShapeError or DTypeError if `value` does not fit the variable.
        """
        return _outcome(state.assign(
            self, value, validate_shape=self._validate_shape, name=name), read_value)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """Adds `delta`; gives the new value as a tensor (the operation if not `read_value`)."""
        return _outcome(state.assign_add(self, delta, name=name), read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """Subtracts `delta`; gives the new value (the operation if not `read_value`)."""
        return _outcome(state.assign_sub(self, delta, name=name), read_value)

    def count_up_to(self, limit: int) -> Tensor:
        """Adds 1 and gives the value before. Raises OutOfRangeError when run at `limit`."""
        return count_up_to(self, limit)

    scatter_update = _row_update("scatter_update", "Sets")
    scatter_add = _row_update("scatter_add", "Adds")
    scatter_sub = _row_update("scatter_sub", "Subtracts")
    scatter_mul = _row_update("scatter_mul", "Multiplies by")
    scatter_div = _row_update("scatter_div", "Divides by")
    scatter_min = _row_update("scatter_min", "Takes the minimum with")
    scatter_max = _row_update("scatter_max", "Takes the maximum with")

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Sets the elements or slices at `indices` [..., K]; gives the new value."""
        return state.scatter_nd_update(self, indices, updates, name=name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Adds to the elements or slices at `indices` [..., K]; gives the new value."""
        return state.scatter_nd_add(self, indices, updates, name=name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Subtracts from the elements or slices at `indices` [..., K]; gives the new value."""
        return state.scatter_nd_sub(self, indices, updates, name=name)

    def __getitem__(self, key: Any) -> Tensor:
        """`value[key]`; `v[key].assign(new)` sets that part of the variable."""
        return variable_slice(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise DTypeError(
            f"Variable '{self.op.name}' does not support item assignment. Use v[…].assign(value), "
            "and run what it gives."
        )

    # ---- what Python asks -------------------------------------------------------------------

    def __iter__(self) -> NoReturn:
        raise DTypeError(
            f"Variable '{self.op.name}' cannot be iterated over while the graph is built; use "
            "gf.unstack(v)."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise DTypeError(
            f"Variable '{self.op.name}' has no value while the graph is built, so NumPy cannot "
            "use it. Use a gf function, or v.eval() to get the value."
        )

    def __repr__(self) -> str:
        return f"<gf.Variable '{self.name}' shape={_shown(self.shape)} dtype={self.dtype.name}>"


def _check_arguments(
    initial_value: Any, collections: Any, variable_def: Any, constraint: Any, name: str | None
) -> None:
    who = f"Variable '{name or 'Variable'}'"
    if variable_def is not None:
        raise GraphError(
            f"{who}: graphflow has no VariableDef protocol buffers; a graph is saved and loaded "
            "as a whole."
        )
    if initial_value is None:
        raise GraphError(f"{who}: initial_value must be specified.")
    if collections is not None and not isinstance(collections, (list, tuple, set)):
        raise GraphError(
            f"{who}: collections must be a list, tuple or set of names, got {collections!r}."
        )
    if constraint is not None and not callable(constraint):
        raise GraphError(f"{who}: constraint must be a function, got {constraint!r}.")


def _mode(kind: type[enum.Enum], value: Any, name: str | None) -> Any:
    if value is None:
        return next(iter(kind))
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(f"{kind.__name__}.{m.name}" for m in kind)
        raise AttributeValueError(
            f"Variable '{name or 'Variable'}': expected one of {choices}, got {value!r}."
        ) from None


def _as_initial(graph: Graph, value: Any, dtype: Any, name: str) -> Tensor:
    """`value` as a tensor of `graph`, with the hint that helps inside loops and conditionals."""
    tensor = dereferenced(value)
    if isinstance(tensor, Tensor) and tensor.graph is not graph and tensor.graph.root is graph:
        raise GraphError(
            f"Variable '{name}': its initial value {value!r} was built inside a loop or "
            "conditional. Pass a function that builds it: Variable(lambda: …)."
        )
    return graph.convert(value, dtype, "initial_value")


def _outcome(new_value: Tensor, read_value: bool) -> Any:
    return new_value if read_value else new_value.op


def _shown(shape: TensorShape) -> str:
    if shape.rank is None:
        return "<unknown>"
    sizes = ["?" if d is None else str(d) for d in shape.as_list()]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def is_variable(x: Any) -> bool:
    """True if `x` is a Variable."""
    return isinstance(x, Variable)


VariableV1 = Variable
