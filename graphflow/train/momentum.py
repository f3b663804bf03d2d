"""Gradient descent with momentum, plain and Nesterov's.

Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in
deep learning", ICML 2013; in TensorFlow 1's form, in which the learning rate is not inside the
accumulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.train.optimizer import Optimizer


class MomentumOptimizer(Optimizer):
    """a ← momentum · a + g; w ← w − η·a, or with `use_nesterov` w ← w − η·g − η·momentum·a.

    learning_rate, momentum: numbers, scalar tensors, or functions without arguments that give
    them. Of a sparse gradient only the rows that it holds are touched, in `w` and in `a`. The
    slot is called "momentum".
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._use_nesterov = use_nesterov
        self._learning_rate_tensor: Any = None
        self._momentum_tensor: Any = None

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert(rate, name="learning_rate")
        momentum = self._call_if_callable(self._momentum)
        self._momentum_tensor = convert(momentum, name="momentum")

    def _step(self, grad: Any, accumulated: Any, rate: Any, momentum: Any) -> Any:
        """What to subtract from the variable."""
        if self._use_nesterov:
            return grad * rate + accumulated * momentum * rate
        return accumulated * rate

    def _rates(self, var: Any) -> tuple[Any, Any]:
        return F.cast(self._learning_rate_tensor, var.dtype), F.cast(
            self._momentum_tensor, var.dtype)

    def _move(self, grad: Any, var: Any) -> Any:
        slot = self.get_slot(var, "momentum")
        rate, momentum = self._rates(var)
        accumulated = state.assign(slot, slot * momentum + grad)
        return state.assign_sub(var, self._step(grad, accumulated, rate, momentum))

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return self._move(grad, var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return self._move(grad, handle)

    def _move_rows(self, values: Any, var: Any, indices: Any) -> Any:
        slot = self.get_slot(var, "momentum")
        rate, momentum = self._rates(var)
        rows = F.gather(slot, indices) * momentum + values
        kept = state.scatter_update(slot, indices, rows)
        moved = state.scatter_sub(var, indices, self._step(values, rows, rate, momentum))
        return F.group(moved, kept)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._move_rows(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return self._move_rows(grad, handle, indices)
