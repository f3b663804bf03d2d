"""Optimizers that treat each element by itself: one rule serves dense and sparse gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F, convert
from graphflow.dtypes import DType
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.train.duplicate_indices import summed_everywhere
from graphflow.train.optimizer import Optimizer

Slots = dict[str, Any]


class ElementwiseOptimizer(Optimizer):
    """An optimizer whose new value of an element depends on that element alone.

    A subclass says which slots it keeps and gives `_rule`. A dense gradient applies the rule to
    the whole variable; of a sparse one only the rows that it holds are read and written.
    Hyperparameters are numbers, scalar tensors, or functions without arguments that give one.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, use_locking: bool, name: str, **hyperparameters: Any) -> None:
        super().__init__(use_locking, name)
        self._hyper = hyperparameters
        self._hyper_tensors: dict[str, Any] = {}
        self._cast_hyper: dict[DType, SimpleNamespace] = {}

    @abstractmethod
    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        """(new value, new slots) from value, gradient, slots and hyperparameters, all of one
        type."""

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            for slot in self.slot_names:
                self._zeros_slot(var, slot, self._name)

    def _constant_slot(self, var: Any, value: Any, slot_name: str, op_name: str) -> None:
        """The slot of `var`, made if missing, with `value` in every place."""
        shape = var.get_shape()
        if shape.is_fully_defined():
            self._get_or_make_slot_with_initializer(
                var, F.constant_initializer(value, dtype=var.dtype), shape, var.dtype,
                slot_name, op_name)
        else:
            start = F.cast(F.fill(F.shape(var.initialized_value()), value), var.dtype)
            self._get_or_make_slot(var, start, slot_name, op_name)

    def _prepare(self) -> None:
        self._cast_hyper = {}
        self._hyper_tensors = {
            name: convert(self._call_if_callable(value), name=name)
            for name, value in self._hyper.items()}

    def _hyper_for(self, dtype: DType) -> SimpleNamespace:
        """The hyperparameters in the type of a variable, cast once per step."""
        if dtype not in self._cast_hyper:
            self._cast_hyper[dtype] = SimpleNamespace(
                **{name: F.cast(t, dtype) for name, t in self._hyper_tensors.items()})
        return self._cast_hyper[dtype]

    def _slots_of(self, var: Any) -> Slots:
        return {name: slots[key] for name, slots in self._slots.items()
                if (key := (var.op.graph, var.op.name)) in slots}

    def _move(self, grad: Any, var: Any) -> Any:
        slots = self._slots_of(var)
        value, changed = self._rule(var, grad, slots, self._hyper_for(var.dtype))
        kept = [state.assign(slots[name], new) for name, new in changed.items()]
        return F.group(state.assign(var, value), *kept)

    def _move_rows(self, values: Any, var: Any, indices: Any) -> Any:
        slots = self._slots_of(var)
        rows = {name: F.gather(slot, indices) for name, slot in slots.items()}
        value, changed = self._rule(
            F.gather(var, indices), values, rows, self._hyper_for(var.dtype))
        kept = [state.scatter_update(slots[name], indices, new) for name, new in changed.items()]
        return F.group(state.scatter_update(var, indices, value), *kept)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return self._move(grad, var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return self._move(grad, handle)

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        """Rows are replaced: repeated ones may come with the same values."""
        if type(self)._apply_sparse is not ElementwiseOptimizer._apply_sparse:
            return super()._apply_sparse_duplicate_indices(grad, var)
        return self._apply_sparse(summed_everywhere(grad, var), var)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._move_rows(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return self._move_rows(grad, handle, indices)


def soft_threshold(x: Any, amount: Any) -> Any:
    """x moved towards 0 by `amount`, 0 where it is nearer: the proximal map of amount·|x|."""
    return F.sign(x) * F.maximum(F.abs(x) - amount, 0)
