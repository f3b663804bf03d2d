"""Weight decay that is decoupled from the gradient: AdamW and its kin.

Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019; in the form of
TensorFlow 1.15's `tf.contrib.opt`, where the decay is not multiplied by the learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.graph import get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops import state
from graphflow.tensor import Operation
from graphflow.train.adam import AdamOptimizer
from graphflow.train.momentum import MomentumOptimizer
from graphflow.train.optimizer import GradientAndVariable, Optimizer


class DecoupledWeightDecayExtension(Optimizer):
    """A mixin, to stand before an optimizer: w ← w − weight_decay·w, then the optimizer's update.

    weight_decay: a number, a scalar tensor, or a function without arguments that gives one; follow
    the learning rate's schedule by giving a tensor. Of a sparse gradient only the rows that it
    holds decay. `minimize` and `apply_gradients` take `decay_var_list`, the variables to decay:
    all by default.
    """

    def __init__(self, weight_decay: Any, **kwargs: Any) -> None:
        self._decay_var_list: Sequence[Any] | None = None
        self._weight_decay = weight_decay
        self._weight_decay_tensor: Any = None
        super().__init__(**kwargs)

    def minimize(
        self, loss: Any, global_step: Any = None, var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP, aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False, name: str | None = None,
        grad_loss: Any = None, decay_var_list: Sequence[Any] | None = None,
    ) -> Operation:
        """See `Optimizer.minimize`; decay_var_list: the variables to decay, all by default."""
        self._decay_var_list = decay_var_list
        return super().minimize(
            loss, global_step, var_list, gate_gradients, aggregation_method,
            colocate_gradients_with_ops, name, grad_loss)

    def apply_gradients(
        self, grads_and_vars: Iterable[GradientAndVariable], global_step: Any = None,
        name: str | None = None, decay_var_list: Sequence[Any] | None = None,
    ) -> Operation:
        """See `Optimizer.apply_gradients`; decay_var_list: as for `minimize`."""
        if decay_var_list is not None:
            self._decay_var_list = decay_var_list
        return super().apply_gradients(grads_and_vars, global_step, name)

    def _prepare(self) -> None:
        decay = self._call_if_callable(self._weight_decay)
        self._weight_decay_tensor = convert(decay, name="weight_decay")
        super()._prepare()

    def _decays(self, var: Any) -> bool:
        return not self._decay_var_list or any(var is v for v in self._decay_var_list)

    def _rate(self, var: Any) -> Any:
        return F.cast(self._weight_decay_tensor, var.dtype)

    def _decayed(self, var: Any) -> list[Any]:
        return [state.assign_sub(var, self._rate(var) * var)] if self._decays(var) else []

    def _decayed_rows(self, var: Any, indices: Any) -> list[Any]:
        if not self._decays(var):
            return []
        return [state.scatter_sub(var, indices, self._rate(var) * F.gather(var, indices))]

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        with get_default_graph().control_dependencies(self._decayed(var)):
            return super()._apply_dense(grad, var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        with get_default_graph().control_dependencies(self._decayed(handle)):
            return super()._resource_apply_dense(grad, handle)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        with get_default_graph().control_dependencies(self._decayed_rows(var, grad.indices)):
            return super()._apply_sparse(grad, var)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        with get_default_graph().control_dependencies(self._decayed_rows(handle, indices)):
            return super()._resource_apply_sparse(grad, handle, indices)


class AdamWOptimizer(DecoupledWeightDecayExtension, AdamOptimizer):
    """Adam with decoupled weight decay: w ← w − weight_decay·w, then `AdamOptimizer`'s update."""

    def __init__(
        self, weight_decay: Any, learning_rate: Any = 0.001, beta1: Any = 0.9,
        beta2: Any = 0.999, epsilon: Any = 1e-8, use_locking: bool = False, name: str = "AdamW",
    ) -> None:
        super().__init__(
            weight_decay, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
            epsilon=epsilon, use_locking=use_locking, name=name)


class MomentumWOptimizer(DecoupledWeightDecayExtension, MomentumOptimizer):
    """Momentum with decoupled weight decay: w ← w − weight_decay·w, then the momentum update."""

    def __init__(
        self, weight_decay: Any, learning_rate: Any, momentum: Any, use_locking: bool = False,
        name: str = "MomentumW", use_nesterov: bool = False,
    ) -> None:
        super().__init__(
            weight_decay, learning_rate=learning_rate, momentum=momentum,
            use_locking=use_locking, name=name, use_nesterov=use_nesterov)
