"""`Optimizer`: the base class of the optimizers, in the form of TensorFlow 1's.

`minimize` is `compute_gradients` followed by `apply_gradients`, which appends the update of each
variable to the graph. Operations run in the order in which they were made and the gradients are
made before the updates, so all updates of one step start from the same values.

A subclass makes its slots in `_create_slots`, its hyperparameters' tensors in `_prepare`, updates
in `_apply_dense(grad, var)` and `_apply_sparse(grad, var)` (or their `_resource_` twins), and what
comes once per step in `_finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import DType
from graphflow.errors import (
    AttributeValueError,
    DTypeError,
    GraphError,
    GraphflowError,
    UnimplementedError,
)
from graphflow.gradients import gradients
from graphflow.graph import get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.variable_collections import trainable_variables
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.tensor import Operation, Tensor
from graphflow.train.duplicate_indices import deduplicate_indexed_slices
from graphflow.train.slot_creator import (
    create_slot,
    create_slot_with_initializer,
    create_zeros_slot,
)

GradientAndVariable = tuple[Any, Any]


class InvalidTypeError(GraphError, DTypeError):
    """A loss or variable of a type that the optimizer does not take (TensorFlow: ValueError)."""


class SparseConstraintError(GraphflowError, RuntimeError):
    """A variable with a constraint was given a sparse gradient."""


class Optimizer:
    """Adds to a graph the operations that train its variables.

    Args:
      use_locking: accepted for TensorFlow's sake: each run is atomic.
      name: the name of the operations and slots that it makes.

    Raises GraphError (a ValueError) if `name` is empty.
    """

    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise GraphError(f"Optimizer: Must specify the optimizer name, got {name!r}.")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[tuple, Any]] = {}
        self._non_slot_dict: dict[tuple, Any] = {}

    def get_name(self) -> str:
        """The name given to the constructor."""
        return self._name

    # ---- what users call --------------------------------------------------------------------

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """The operation that makes one step to lower `loss`.

        loss: a floating tensor; of more than one element, its sum is what is lowered.
        global_step: an integer variable to add 1 to after the updates.
        var_list: the variables to change; those of TRAINABLE_VARIABLES by default.
        name: of the operation; the optimizer's by default. See `compute_gradients` for the rest.
        Raises GraphError (a ValueError) if there are no variables, or none that the loss
        depends on.
        """
        grads_and_vars = self.compute_gradients(
            loss, var_list=var_list, gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops, grad_loss=grad_loss)
        if all(g is None for g, _ in grads_and_vars):
            names = ", ".join(v.name for _, v in grads_and_vars)
            raise GraphError(
                f"{self._name}: No gradients provided for any variable: the loss {loss!r} does "
                f"not depend on any of {names} by differentiable operations. Check the graph for "
                "ops without gradients (argmax, casts to integers, stop_gradient)."
            )
        return self.apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[GradientAndVariable]:
        """(gradient, variable) for each variable; the gradient is a Tensor, IndexedSlices or None.

        loss: a floating tensor, or a function without arguments that gives one.
        gate_gradients: GATE_GRAPH makes every gradient wait for all of them; the others need
          nothing, for a run is deterministic.
        grad_loss: the gradient to start from, ones by default.
        aggregation_method, colocate_gradients_with_ops: accepted for TensorFlow's sake.
        Raises GraphError or InvalidTypeError (ValueErrors) if there are no variables or types do
        not fit, DTypeError (a TypeError) if `var_list` holds something else than variables.
        """
        loss = loss() if callable(loss) else loss
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise AttributeValueError(
                f"{self._name}: gate_gradients must be one of: Optimizer.GATE_NONE, "
                f"Optimizer.GATE_OP, Optimizer.GATE_GRAPH, got {gate_gradients!r}."
            )
        loss = convert(loss)
        self._assert_valid_dtypes([loss])
        if grad_loss is not None:
            grad_loss = convert(grad_loss, loss.dtype)
        variables = trainable_variables() if var_list is None else _flat(var_list)
        if not variables:
            raise GraphError(f"{self._name}: No variables to optimize.")
        for variable in variables:
            self._check_optimizable(variable)
        grads = gradients(
            loss, variables, grad_ys=None if grad_loss is None else [grad_loss],
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops)
        if gate_gradients == self.GATE_GRAPH and any(g is not None for g in grads):
            grads = F.tuple(grads)
        pairs = list(zip(grads, variables))
        self._assert_valid_dtypes([v for g, v in pairs if g is not None])
        return pairs

    def apply_gradients(
        self,
        grads_and_vars: Iterable[GradientAndVariable],
        global_step: Any = None,
        name: str | None = None,
    ) -> Operation:
        """The operation that updates the variables by their gradients.

        grads_and_vars: as `compute_gradients` gives them, possibly changed in between; pairs
        without a gradient are passed over. global_step, name: see `minimize`.
        Raises GraphError (a ValueError) if no variable has a gradient, DTypeError (a TypeError)
        if a gradient cannot be a tensor, UnimplementedError for a tensor in place of a variable.
        """
        pairs = [(self._as_gradient(g, v), v) for g, v in tuple(grads_and_vars)]
        if not pairs:
            raise GraphError(f"{self._name}: No variables provided.")
        updated = [v for g, v in pairs if g is not None]
        if not updated:
            names = ", ".join(v.name for _, v in pairs)
            raise GraphError(f"{self._name}: No gradients provided for any variable: {names}.")
        for variable in updated:
            self._check_updatable(variable)
        with init_scope():
            self._create_slots(updated)
        graph = get_default_graph()
        with graph.name_scope(name or self._name) as scope:
            self._prepare()
            update_ops = []
            for gradient, variable in pairs:
                if gradient is not None:
                    with graph.name_scope(f"update_{variable.op.name}"):
                        update_ops.append(self._update(gradient, variable))
            step = self._count(update_ops, global_step, scope)
        train_ops = graph.get_collection_ref(GraphKeys.TRAIN_OP)
        if step not in train_ops:
            train_ops.append(step)
        return step

    def get_slot(self, var: Any, name: str) -> Any:
        """The slot `name` of a variable, or None if there is none."""
        return self._slots.get(name, {}).get(_var_key(var))

    def get_slot_names(self) -> list[str]:
        """The names of the slots made so far, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """The optimizer's own variables in the default graph, slots included, sorted by name."""
        graph = get_default_graph().root
        own = [*self._non_slot_variables(), *(
            slot for slots in self._slots.values() for slot in slots.values())]
        return sorted((v for v in own if v.graph is graph), key=lambda v: v.name)

    # ---- one update -------------------------------------------------------------------------

    def _as_gradient(self, gradient: Any, variable: Any) -> Any:
        if gradient is None or isinstance(gradient, (Tensor, IndexedSlices)):
            return gradient
        try:
            return convert(gradient, variable.dtype)
        except GraphflowError as error:
            raise DTypeError(
                f"{self._name}: the gradient of {variable!r} must be convertible to a Tensor or "
                f"IndexedSlices, or None, got {gradient!r}. {error}"
            ) from None

    def _update(self, gradient: Any, variable: Any) -> Any:
        """The operation or tensor that stands for the update of one variable."""
        constraint = variable.constraint
        if isinstance(gradient, IndexedSlices):
            if constraint is not None:
                raise SparseConstraintError(
                    f"{self._name}: Cannot use a constraint function on a sparse variable: "
                    f"'{variable.op.name}' has both a constraint and a sparse gradient. Make the "
                    "gradient dense: gf.convert_to_tensor(grad)."
                )
            return self._update_sparse(gradient, variable)
        dense = self._apply_dense if self._overrides("_apply_dense") else (
            self._resource_apply_dense)
        update = dense(gradient, variable)
        if constraint is None:
            return update
        with get_default_graph().control_dependencies([update]):
            return variable.assign(constraint(variable))

    def _update_sparse(self, gradient: IndexedSlices, variable: Any) -> Any:
        if self._overrides("_apply_sparse") or self._overrides("_apply_sparse_duplicate_indices"):
            return self._apply_sparse_duplicate_indices(gradient, variable)
        return self._resource_apply_sparse_duplicate_indices(
            gradient.values, variable, gradient.indices)

    def _count(self, update_ops: list[Any], global_step: Any, scope: str) -> Operation:
        """The operation of the whole step; it counts `global_step` if there is one."""
        if global_step is None:
            done = self._finish(update_ops, scope)
        else:
            finished = self._finish(update_ops, "update")
            with get_default_graph().control_dependencies([finished]):
                done = state.assign_add(global_step, 1, name=scope)
        return done.op if isinstance(done, Tensor) else done

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Optimizer, method)

    def _check_optimizable(self, variable: Any) -> None:
        if not isinstance(variable, (Variable, Tensor)):
            raise DTypeError(
                f"{self._name}: var_list must hold variables, got {variable!r} "
                f"({type(variable).__name__})."
            )

    def _check_updatable(self, variable: Any) -> None:
        if isinstance(variable, Tensor):
            raise UnimplementedError(
                None, variable.op,
                f"{self._name}: trying to update a Tensor, {variable!r}: only variables can be "
                "updated.")
        if not isinstance(variable, Variable):
            raise UnimplementedError(
                None, None, f"{self._name}: trying to optimize unsupported type {variable!r}.")

    def _assert_valid_dtypes(self, tensors: Sequence[Any]) -> None:
        """Raises InvalidTypeError for a loss or variable of a type that is not valid."""
        valid = self._valid_dtypes()
        for tensor in tensors:
            if tensor.dtype not in valid:
                names = ", ".join(sorted(d.name for d in valid))
                raise InvalidTypeError(
                    f"{self._name}: invalid type {tensor.dtype.name} for {tensor.name}, expected "
                    f"one of {names}. Use gf.cast(x, gf.float32)."
                )

    # ---- what subclasses replace ------------------------------------------------------------

    def _valid_dtypes(self) -> set[DType]:
        """The types that losses and variables may have."""
        return set(dt.FLOATS)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Makes the slots of the variables; called once per `apply_gradients`, before it adds
        operations."""

    def _prepare(self) -> None:
        """Makes the tensors that all updates share."""

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        """The operation that updates `var` by the tensor `grad`."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} does not define _apply_dense(grad, var).")

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        """As `_apply_dense`; used where a subclass defines only this one."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} does not define _apply_dense(grad, var).")

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        """Adds up slices of one index, then `_apply_sparse`.

        Adding first is always right; a subclass for which repeated indices do no harm may replace
        this method.
        """
        values, indices = deduplicate_indexed_slices(grad.values, grad.indices)
        return self._apply_sparse(IndexedSlices(values, indices, grad.dense_shape), var)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        """The operation that updates `var` by slices whose indices are all different."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} does not define _apply_sparse(grad, var), which "
            f"the sparse gradient of '{var.op.name}' needs.")

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, handle: Any, indices: Any
    ) -> Any:
        """As `_apply_sparse_duplicate_indices`, for `_resource_apply_sparse`."""
        values, unique = deduplicate_indexed_slices(grad, indices)
        return self._resource_apply_sparse(values, handle, unique)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        """As `_apply_sparse`; used where a subclass defines only this one."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} does not define _apply_sparse(grad, var), which "
            f"the sparse gradient of '{handle.op.name}' needs.")

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        """The operation, named `name_scope`, that stands for the whole step."""
        return F.group(*update_ops, name=name_scope)

    # ---- what subclasses use ----------------------------------------------------------------

    def _call_if_callable(self, param: Any) -> Any:
        """A hyperparameter, called if it is a function without arguments."""
        return param() if callable(param) else param

    def _slot_dict(self, slot_name: str) -> dict[tuple, Any]:
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(self, var: Any, val: Any, slot_name: str, op_name: str) -> Any:
        """The slot of `var`, made if missing: it starts as `val`, named `<var>/<op_name>`."""
        return self._slot(slot_name, var, lambda: create_slot(var, val, op_name))

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Any:
        """The slot of `var`, made by an initializer if it is missing."""
        return self._slot(slot_name, var, lambda: create_slot_with_initializer(
            var, initializer, shape, dtype, op_name))

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Any:
        """The slot of `var`, made of zeros if it is missing."""
        return self._slot(slot_name, var, lambda: create_zeros_slot(var, op_name))

    def _slot(self, slot_name: str, var: Any, make: Callable[[], Any]) -> Any:
        slots, key = self._slot_dict(slot_name), _var_key(var)
        if key not in slots:
            slots[key] = make()
        return slots[key]

    def _create_non_slot_variable(
        self, initial_value: Any, name: str, colocate_with: Any
    ) -> Any:
        """The optimizer's variable `name` in the graph of `colocate_with`, made if missing."""
        key = (name, colocate_with.graph)
        if key not in self._non_slot_dict:
            self._non_slot_dict[key] = Variable(initial_value, name=name, trainable=False)
        return self._non_slot_dict[key]

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        """The optimizer's variable `name` in `graph` (the default graph), or None."""
        graph = get_default_graph() if graph is None else graph
        return self._non_slot_dict.get((name, graph.root))

    def _non_slot_variables(self) -> Iterable[Any]:
        return self._non_slot_dict.values()


def _var_key(var: Any) -> tuple:
    return var.op.graph, var.op.name


def _flat(var_list: Any) -> list[Any]:
    """The variables in a nest of lists and tuples (or a single one), in order."""
    flat: list[Any] = []
    pending = [var_list]
    while pending:
        item = pending.pop()
        if isinstance(item, (list, tuple)):
            pending.extend(reversed(item))
        else:
            flat.append(item)
    return flat
