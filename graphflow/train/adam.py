"""Adam: steps scaled by running estimates of the gradient's first and second moments.

Source: Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, in the form at the end
of its section 2, where the bias corrections are in the learning rate and epsilon is their
"epsilon hat".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.dtypes import DType
from graphflow.graph import get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.train.duplicate_indices import summed_once
from graphflow.train.optimizer import Optimizer


class AdamOptimizer(Optimizer):
    """Adam, in TensorFlow 1's form.

        m ← beta1·m + (1 − beta1)·g
        v ← beta2·v + (1 − beta2)·g²
        w ← w − η·√(1 − beta2ᵗ)/(1 − beta1ᵗ) · m / (√v + epsilon)

    learning_rate, beta1, beta2, epsilon: numbers, scalar tensors, or functions without arguments
    that give them. A sparse gradient counts as the tensor that it stands for: rows that it does
    not hold decay and move as well. The slots are called "m" and "v"; the powers betaᵗ are the
    variables `beta1_power` and `beta2_power`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta1 = beta1
        self._beta2 = beta2
        self._epsilon = epsilon
        self._lr_t: Any = None
        self._beta1_t: Any = None
        self._beta2_t: Any = None
        self._epsilon_t: Any = None
        self._rates: dict[DType, tuple[Any, Any, Any, Any]] = {}

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        graph = get_default_graph()
        return (self._get_non_slot_variable("beta1_power", graph),
                self._get_non_slot_variable("beta2_power", graph))

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._beta1, "beta1_power", first)
        self._create_non_slot_variable(self._beta2, "beta2_power", first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _prepare(self) -> None:
        self._lr_t = convert(self._call_if_callable(self._lr), name="learning_rate")
        self._beta1_t = convert(self._call_if_callable(self._beta1), name="beta1")
        self._beta2_t = convert(self._call_if_callable(self._beta2), name="beta2")
        self._epsilon_t = convert(self._call_if_callable(self._epsilon), name="epsilon")
        self._rates = {}

    def _rates_for(self, dtype: DType) -> tuple[Any, Any, Any, Any]:
        """(corrected learning rate, 1 − beta1, 1 − beta2, epsilon), made once per type."""
        if dtype not in self._rates:
            power1, power2 = (F.cast(p, dtype) for p in self._get_beta_accumulators())
            rate = F.cast(self._lr_t, dtype) * F.sqrt(1 - power2) / (1 - power1)
            self._rates[dtype] = (
                rate, 1 - F.cast(self._beta1_t, dtype), 1 - F.cast(self._beta2_t, dtype),
                F.cast(self._epsilon_t, dtype))
        return self._rates[dtype]

    def _move(self, grad: Any, var: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        rate, gain1, gain2, epsilon = self._rates_for(var.dtype)
        first = state.assign(m, m + (grad - m) * gain1)
        second = state.assign(v, v + (F.square(grad) - v) * gain2)
        return state.assign_sub(var, first * rate / (F.sqrt(second) + epsilon))

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return self._move(grad, var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return self._move(grad, handle)

    def _move_by_rows(self, values: Any, var: Any, indices: Any) -> Any:
        rate, gain1, gain2, epsilon = self._rates_for(var.dtype)
        beta1, beta2 = F.cast(self._beta1_t, var.dtype), F.cast(self._beta2_t, var.dtype)
        first = self._decay_and_add(self.get_slot(var, "m"), beta1, indices, values * gain1)
        second = self._decay_and_add(
            self.get_slot(var, "v"), beta2, indices, F.square(values) * gain2)
        return state.assign_sub(var, first * rate / (F.sqrt(second) + epsilon))

    def _decay_and_add(self, slot: Any, beta: Any, indices: Any, rows: Any) -> Any:
        decayed = state.assign(slot, slot * beta)
        with get_default_graph().control_dependencies([decayed]):
            return state.scatter_add(slot, indices, rows)

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        """m and v are added to: repeated rows may come as zeros. A subclass may replace rows."""
        own = type(self)
        if own._apply_sparse is not AdamOptimizer._apply_sparse or (
                own._move_by_rows is not AdamOptimizer._move_by_rows):
            return super()._apply_sparse_duplicate_indices(grad, var)
        return self._apply_sparse(summed_once(grad, var), var)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._move_by_rows(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return self._move_by_rows(grad, handle, indices)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        power1, power2 = self._get_beta_accumulators()
        with get_default_graph().control_dependencies(update_ops):
            next1 = state.assign(power1, power1 * self._beta1_t)
            next2 = state.assign(power2, power2 * self._beta2_t)
        return F.group(*update_ops, next1, next2, name=name_scope)
