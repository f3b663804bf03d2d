"""Nadam and lazy Adam: variants of Adam.

Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.graph import get_default_graph
from graphflow.ops import state
from graphflow.train.adam import AdamOptimizer


class NadamOptimizer(AdamOptimizer):
    """Adam with Nesterov momentum, in the form of TensorFlow 1.15's `tf.contrib.opt`.

        m ← beta1·m + (1 − beta1)·g
        v ← beta2·v + (1 − beta2)·g²
        w ← w − η·√(1 − beta2ᵗ)/(1 − beta1ᵗ) · (beta1·m + (1 − beta1)·g) / (√v + epsilon)

    Arguments and slots are those of `AdamOptimizer`. For a sparse gradient m and v decay
    everywhere, and w changes in the rows that it holds. (Keras's Nadam also changes beta1 from
    step to step.)
    """

    def _move(self, grad: Any, var: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        rate, gain1, gain2, epsilon = self._rates_for(var.dtype)
        first = state.assign(m, m + (grad - m) * gain1)
        second = state.assign(v, v + (F.square(grad) - v) * gain2)
        ahead = grad * gain1 + first * F.cast(self._beta1_t, var.dtype)
        return state.assign_sub(var, ahead * rate / (F.sqrt(second) + epsilon))

    def _move_by_rows(self, values: Any, var: Any, indices: Any) -> Any:
        rate, gain1, gain2, epsilon = self._rates_for(var.dtype)
        beta1, beta2 = F.cast(self._beta1_t, var.dtype), F.cast(self._beta2_t, var.dtype)
        first = self._decay_and_add(self.get_slot(var, "m"), beta1, indices, values * gain1)
        second = self._decay_and_add(
            self.get_slot(var, "v"), beta2, indices, F.square(values) * gain2)
        ahead = values * gain1 + beta1 * F.gather(first, indices)
        step = ahead * rate / (F.sqrt(F.gather(second, indices)) + epsilon)
        with get_default_graph().control_dependencies([first, second]):
            return state.scatter_sub(var, indices, step)


class LazyAdamOptimizer(AdamOptimizer):
    """Adam that touches only the rows that a sparse gradient holds, as `tf.contrib.opt` has it.

    Arguments, slots and dense updates are those of `AdamOptimizer`.
    """

    def _move_by_rows(self, values: Any, var: Any, indices: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        rate, gain1, gain2, epsilon = self._rates_for(var.dtype)
        first, second = F.gather(m, indices), F.gather(v, indices)
        first = first + (values - first) * gain1
        second = second + (F.square(values) - second) * gain2
        moved = state.scatter_sub(var, indices, first * rate / (F.sqrt(second) + epsilon))
        return F.group(moved, state.scatter_update(m, indices, first),
                       state.scatter_update(v, indices, second))
