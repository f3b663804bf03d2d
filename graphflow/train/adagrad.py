"""Adagrad: each element's rate falls with the sum of its squared gradients.

Source: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic
optimization", JMLR 12, 2011; `AdagradDAOptimizer` is the dual-averaging form of its section 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.train.elementwise import ElementwiseOptimizer, Slots, soft_threshold


class AdagradOptimizer(ElementwiseOptimizer):
    """a ← a + g²; w ← w − η·g/√a, where a starts as `initial_accumulator_value`.

    learning_rate: a number, a scalar tensor, or a function without arguments that gives one. The
    slot is called "accumulator". Of a sparse gradient only the rows that it holds are touched.
    Raises AttributeValueError (a ValueError) if `initial_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        check_positive(name, "initial_accumulator_value", initial_accumulator_value)
        super().__init__(use_locking, name, learning_rate=learning_rate)
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accumulator", self._name)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        total = slots["accumulator"] + F.square(g)
        return w - h.learning_rate * g * F.rsqrt(total), {"accumulator": total}


class AdagradDAOptimizer(ElementwiseOptimizer):
    """Adagrad by dual averaging: w is computed anew from the sums of all gradients.

        s ← s + g;  a ← a + g²
        w ← −η · shrink(s, l1·t) / (l2·t·η + √a)

    with shrink(s, c) = sign(s)·max(|s| − c, 0) and t the number of this step, `global_step` + 1.
    The start value of w does not count. The slots are called "gradient_accumulator" and
    "gradient_squared_accumulator". Raises AttributeValueError (a ValueError) if
    `initial_gradient_squared_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        check_positive(name, "initial_gradient_squared_accumulator_value",
                       initial_gradient_squared_accumulator_value)
        super().__init__(
            use_locking, name, learning_rate=learning_rate, l1=l1_regularization_strength,
            l2=l2_regularization_strength)
        self._start = initial_gradient_squared_accumulator_value
        self._global_step = global_step

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "gradient_accumulator", self._name)
            self._constant_slot(var, self._start, "gradient_squared_accumulator", self._name)

    def _prepare(self) -> None:
        super()._prepare()
        self._hyper_tensors["step"] = convert(self._global_step) + 1

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        total = slots["gradient_accumulator"] + g
        squares = slots["gradient_squared_accumulator"] + F.square(g)
        above = -h.learning_rate * soft_threshold(total, h.l1 * h.step)
        value = above / (h.l2 * h.step * h.learning_rate + F.sqrt(squares))
        return value, {"gradient_accumulator": total, "gradient_squared_accumulator": squares}


def check_positive(name: str, argument: str, value: Any) -> None:
    """Raises AttributeValueError (a ValueError) for a number that is not positive."""
    if not value > 0.0:
        raise AttributeValueError(f"{name}: {argument} must be positive, got {value!r}.")
