"""Gradient descent: w ← w − η·g."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.train.optimizer import Optimizer


class GradientDescentOptimizer(Optimizer):
    """w ← w − learning_rate · gradient.

    learning_rate: a number, a scalar tensor, or a function without arguments that gives one. Of a
    sparse gradient only the rows that it holds are touched.
    """

    def __init__(
        self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._learning_rate_tensor: Any = None

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert(rate, name="learning_rate")

    def _descend(self, grad: Any, var: Any) -> Any:
        return state.assign_sub(var, F.cast(self._learning_rate_tensor, var.dtype) * grad)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return self._descend(grad, var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return self._descend(grad, handle)

    def _descend_rows(self, values: Any, var: Any, indices: Any) -> Any:
        rate = F.cast(self._learning_rate_tensor, var.dtype)
        return state.scatter_sub(var, indices, values * rate)

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        # Subtraction row by row adds repeated rows up by itself.
        return self._descend_rows(grad.values, var, grad.indices)

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, handle: Any, indices: Any
    ) -> Any:
        return self._descend_rows(grad, handle, indices)
