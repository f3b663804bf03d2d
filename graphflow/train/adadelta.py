"""Adadelta: steps in units of the variable, without a rate that must be tuned.

Source: Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701, 2012.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from graphflow.builder import F
from graphflow.train.elementwise import ElementwiseOptimizer, Slots


class AdadeltaOptimizer(ElementwiseOptimizer):
    """Adadelta, with a learning rate as in TensorFlow 1 (1.0 is the paper's).

        a ← rho·a + (1 − rho)·g²
        d = √(u + epsilon) / √(a + epsilon) · g
        u ← rho·u + (1 − rho)·d²
        w ← w − η·d

    The slots are called "accum" (a) and "accum_update" (u). Of a sparse gradient only the rows
    that it holds are touched.
    """

    slot_names = ("accum", "accum_update")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name, lr=learning_rate, rho=rho, epsilon=epsilon)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        squares = slots["accum"] * h.rho + F.square(g) * (1 - h.rho)
        step = F.sqrt(slots["accum_update"] + h.epsilon) * F.rsqrt(squares + h.epsilon) * g
        moves = slots["accum_update"] * h.rho + F.square(step) * (1 - h.rho)
        return w - step * h.lr, {"accum": squares, "accum_update": moves}
