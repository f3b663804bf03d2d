"""FTRL-Proximal: follow the regularised leader, for sparse linear models.

Source: McMahan and others, "Ad click prediction: a view from the trenches", KDD 2013, algorithm 1;
the shrinkage term is that of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.train.elementwise import ElementwiseOptimizer, Slots


class FtrlOptimizer(ElementwiseOptimizer):
    """FTRL-Proximal, with p = −learning_rate_power.

        n' = n + g²
        z ← z + g + 2·shrinkage·w − (n'ᵖ − nᵖ)/η · w;  n ← n'
        w ← (sign(z)·l1 − z) / (nᵖ/η + 2·l2) where |z| > l1, else 0

    n starts as `initial_accumulator_value`. The slots are called "accum" (n) and "linear" (z);
    `accum_name` and `linear_name` name their variables. Of a sparse gradient only the rows that
    it holds are touched. Raises AttributeValueError (a ValueError) for a negative strength or
    start value, or a positive `learning_rate_power`.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
    ) -> None:
        for argument, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise AttributeValueError(
                    f"{name}: {argument} must be greater than or equal to zero, got {value!r}.")
        if learning_rate_power > 0.0:
            raise AttributeValueError(
                f"{name}: learning_rate_power must be less than or equal to zero, got "
                f"{learning_rate_power!r}.")
        super().__init__(
            use_locking, name, learning_rate=learning_rate, l1=l1_regularization_strength,
            l2=l2_regularization_strength, shrinkage=l2_shrinkage_regularization_strength)
        self._power = -learning_rate_power
        self._shrinks = l2_shrinkage_regularization_strength > 0.0
        self._initial_accumulator_value = initial_accumulator_value
        self._accum_name, self._linear_name = accum_name, linear_name

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accum",
                                self._accum_name or self._name)
            self._zeros_slot(var, "linear", self._linear_name or self._name)

    def _raised(self, total: Any) -> Any:
        return F.sqrt(total) if self._power == 0.5 else F.pow(total, self._power)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        total = slots["accum"] + F.square(g)
        root = self._raised(total)
        shrunk = g + 2 * h.shrinkage * w if self._shrinks else g
        pull = (root - self._raised(slots["accum"])) / h.learning_rate
        linear = slots["linear"] + shrunk - pull * w
        value = (F.sign(linear) * h.l1 - linear) / (root / h.learning_rate + 2 * h.l2)
        value = F.where_v2(F.abs(linear) > h.l1, value, F.zeros_like(value))
        return value, {"accum": total, "linear": linear}
