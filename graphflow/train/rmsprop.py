"""RMSProp: gradients divided by a running root mean square of themselves.

Source: Tieleman, Hinton, "Lecture 6.5 — RMSProp", Coursera: Neural networks for machine learning,
2012; the centred form: Graves, "Generating sequences with recurrent neural networks",
arXiv:1308.0850, 2013, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F
from graphflow.train.elementwise import ElementwiseOptimizer, Slots


class RMSPropOptimizer(ElementwiseOptimizer):
    """RMSProp with momentum, in TensorFlow 1's form.

        s ← decay·s + (1 − decay)·g²
        centered: a ← decay·a + (1 − decay)·g, otherwise a = 0
        m ← momentum·m + η·g / √(s − a² + epsilon)
        w ← w − m

    s starts as ones. The slots are called "rms" (s), "mg" (a, if `centered`) and "momentum" (m).
    Of a sparse gradient only the rows that it holds are touched.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, decay=decay, momentum=momentum,
            epsilon=epsilon)
        self._centered = centered

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, 1.0, "rms", self._name)
            if self._centered:
                self._zeros_slot(var, "mg", self._name)
            self._zeros_slot(var, "momentum", self._name)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        squares = slots["rms"] + (F.square(g) - slots["rms"]) * (1 - h.decay)
        changed = {"rms": squares}
        spread = squares
        if self._centered:
            mean = slots["mg"] + (g - slots["mg"]) * (1 - h.decay)
            changed["mg"] = mean
            spread = squares - F.square(mean)
        step = h.learning_rate * g * F.rsqrt(spread + h.epsilon)
        changed["momentum"] = slots["momentum"] * h.momentum + step
        return w - changed["momentum"], changed
