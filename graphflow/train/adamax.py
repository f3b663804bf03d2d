"""AdaMax: Adam with the infinity norm.

Source: Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F
from graphflow.graph import get_default_graph
from graphflow.ops import state
from graphflow.train.elementwise import ElementwiseOptimizer, Slots


class AdaMaxOptimizer(ElementwiseOptimizer):
    """AdaMax, in the form of TensorFlow 1.15's `tf.contrib.opt.AdaMaxOptimizer`.

        m ← beta1·m + (1 − beta1)·g
        v ← max(beta2·v, |g|)
        w ← w − η/(1 − beta1ᵗ) · m / (v + epsilon)

    The slots are called "m" and "v"; the power beta1ᵗ is the variable `beta1_power`. Of a sparse
    gradient only the rows that it holds are touched.
    """

    slot_names = ("m", "v")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdaMax",
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, beta1=beta1, beta2=beta2,
            epsilon=epsilon)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._hyper["beta1"], "beta1_power", first)
        super()._create_slots(var_list)

    def _prepare(self) -> None:
        super()._prepare()
        self._hyper_tensors["power"] = self._get_non_slot_variable("beta1_power").value()

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        m = slots["m"] * h.beta1 + g * (1 - h.beta1)
        v = F.maximum(slots["v"] * h.beta2, F.abs(g))
        step = h.learning_rate / (1 - h.power) * (m / (v + h.epsilon))
        return w - step, {"m": m, "v": v}

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        power = self._get_non_slot_variable("beta1_power")
        with get_default_graph().control_dependencies(update_ops):
            following = state.assign(power, power * self._hyper_tensors["beta1"])
        return F.group(*update_ops, following, name=name_scope)
