"""Descent followed by the proximal map of l1·|w| + l2·w²/2, which sets small weights to zero.

Source: Duchi, Singer, "Efficient online and batch learning using forward backward splitting",
JMLR 10, 2009 (FOBOS).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F
from graphflow.train.adagrad import check_positive
from graphflow.train.elementwise import ElementwiseOptimizer, Slots, soft_threshold


class ProximalGradientDescentOptimizer(ElementwiseOptimizer):
    """w ← shrink(w − η·g, η·l1) / (1 + η·l2), shrink(x, c) = sign(x)·max(|x| − c, 0).

    learning_rate, l1_regularization_strength, l2_regularization_strength: numbers, scalar
    tensors, or functions without arguments that give them. Of a sparse gradient only the rows
    that it holds are touched.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, l1=l1_regularization_strength,
            l2=l2_regularization_strength)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        return _proximal_step(w, g, h.learning_rate, h), {}


class ProximalAdagradOptimizer(ElementwiseOptimizer):
    """a ← a + g²; then the proximal step of `ProximalGradientDescentOptimizer` with rate η/√a.

    a starts as `initial_accumulator_value`; its slot is called "accumulator". Of a sparse
    gradient only the rows that it holds are touched. Raises AttributeValueError (a ValueError) if
    `initial_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        check_positive(name, "initial_accumulator_value", initial_accumulator_value)
        super().__init__(
            use_locking, name, learning_rate=learning_rate, l1=l1_regularization_strength,
            l2=l2_regularization_strength)
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accumulator", self._name)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        total = slots["accumulator"] + F.square(g)
        rate = h.learning_rate * F.rsqrt(total)
        return _proximal_step(w, g, rate, h), {"accumulator": total}


def _proximal_step(w: Any, g: Any, rate: Any, h: SimpleNamespace) -> Any:
    return soft_threshold(w - rate * g, rate * h.l1) / (1 + rate * h.l2)
