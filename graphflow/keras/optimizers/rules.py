"""The optimizers of Keras 2, with its arguments and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphflow.builder import F
from graphflow.graph import get_default_graph
from graphflow.keras.optimizers.base import Optimizer
from graphflow.ops import state
from graphflow.train.adadelta import AdadeltaOptimizer
from graphflow.train.adamax import AdaMaxOptimizer
from graphflow.train.elementwise import Slots
from graphflow.train.ftrl import FtrlOptimizer


class SGD(Optimizer):
    """w ← w − η·g; with momentum v ← μ·v − η·g, w ← w + v (nesterov: w ← w + μ·v − η·g)."""

    def __init__(
        self, learning_rate: Any = 0.01, momentum: Any = 0.0, nesterov: bool = False,
        name: str = "SGD", **kwargs: Any,
    ) -> None:
        super().__init__(name, learning_rate, hyper_momentum=momentum, **kwargs)
        self._has_momentum, self.nesterov = momentum != 0.0, nesterov

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list if self._has_momentum else ():
            self._zeros_slot(var, "momentum", self._name)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        step = h.learning_rate * g
        if not self._has_momentum:
            return w - step, {}
        speed = h.momentum * slots["momentum"] - step
        moved = w + (h.momentum * speed - step if self.nesterov else speed)
        return moved, {"momentum": speed}

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """w ← w − η·g / (√s + epsilon) with s ← rho·s + (1 − rho)·g².

    centered: s is less the square of a running mean of g. With momentum, m ← μ·m + η·g /
    √(s + epsilon), w ← w − m.
    """

    sparse_rows = "slots"

    def __init__(
        self, learning_rate: Any = 0.001, rho: Any = 0.9, momentum: Any = 0.0,
        epsilon: Any = 1e-7, centered: bool = False, name: str = "RMSprop", **kwargs: Any,
    ) -> None:
        super().__init__(name, learning_rate, hyper_rho=rho, hyper_momentum=momentum,
                         hyper_epsilon=epsilon, **kwargs)
        self._has_momentum, self.centered = momentum != 0.0, centered
        if self._has_momentum:
            self.sparse_rows = "rows"

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        names = ["rms", *(["mg"] if self.centered else []),
                 *(["momentum"] if self._has_momentum else [])]
        for var in var_list:
            for slot in names:
                self._zeros_slot(var, slot, self._name)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        squares = h.rho * slots["rms"] + (1 - h.rho) * F.square(g)
        changed, spread = {"rms": squares}, squares
        if self.centered:
            changed["mg"] = h.rho * slots["mg"] + (1 - h.rho) * g
            spread = squares - F.square(changed["mg"])
        if self._has_momentum:
            step = h.learning_rate * g * F.rsqrt(spread + h.epsilon)
            changed["momentum"] = h.momentum * slots["momentum"] + step
            return w - changed["momentum"], changed
        return w - h.learning_rate * g / (F.sqrt(spread) + h.epsilon), changed

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "centered": self.centered}


class Adagrad(Optimizer):
    """w ← w − η·g / (√a + epsilon) with a ← a + g²."""

    def __init__(
        self, learning_rate: Any = 0.001, initial_accumulator_value: float = 0.1,
        epsilon: Any = 1e-7, name: str = "Adagrad", **kwargs: Any,
    ) -> None:
        super().__init__(name, learning_rate, hyper_epsilon=epsilon, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self.initial_accumulator_value, "accumulator", self._name)

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        total = slots["accumulator"] + F.square(g)
        return w - h.learning_rate * g / (F.sqrt(total) + h.epsilon), {"accumulator": total}

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(),
                "initial_accumulator_value": self.initial_accumulator_value}


class Adadelta(Optimizer, AdadeltaOptimizer):
    """Steps in units of the weights; the rule is `gf.train.AdadeltaOptimizer`'s."""

    def __init__(
        self, learning_rate: Any = 0.001, rho: Any = 0.95, epsilon: Any = 1e-7,
        name: str = "Adadelta", **kwargs: Any,
    ) -> None:
        Optimizer.__init__(self, name, learning_rate, hyper_rho=rho, hyper_epsilon=epsilon,
                           **kwargs)

    def _derived(self, h: dict[str, Any]) -> dict[str, Any]:
        return {"lr": h["learning_rate"]}


class Adam(Optimizer):
    """w ← w − η·√(1 − beta_2ᵗ)/(1 − beta_1ᵗ) · m / (√v + epsilon), as `gf.train.AdamOptimizer`.

    amsgrad: v is replaced by its largest value so far (Reddi and others, ICLR 2018).
    """

    sparse_rows = "all"

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: Any = 0.9, beta_2: Any = 0.999,
        epsilon: Any = 1e-7, amsgrad: bool = False, name: str = "Adam", **kwargs: Any,
    ) -> None:
        super().__init__(name, learning_rate, hyper_beta_1=beta_1, hyper_beta_2=beta_2,
                         hyper_epsilon=1e-7 if epsilon is None else epsilon, **kwargs)
        self.amsgrad = amsgrad

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            for slot in ("m", "v", "vhat") if self.amsgrad else ("m", "v"):
                self._zeros_slot(var, slot, self._name)

    def _derived(self, h: dict[str, Any]) -> dict[str, Any]:
        power_1, power_2 = F.pow(h["beta_1"], h["step"]), F.pow(h["beta_2"], h["step"])
        return {"rate": h["learning_rate"] * F.sqrt(1 - power_2) / (1 - power_1)}

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        m = slots["m"] + (g - slots["m"]) * (1 - h.beta_1)
        v = slots["v"] + (F.square(g) - slots["v"]) * (1 - h.beta_2)
        changed = {"m": m, "v": v}
        if self.amsgrad:
            v = changed["vhat"] = F.maximum(slots["vhat"], v)
        return w - h.rate * m / (F.sqrt(v) + h.epsilon), changed

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "amsgrad": self.amsgrad}


class Adamax(Optimizer, AdaMaxOptimizer):
    """Adam with the infinity norm; the rule is `gf.train.AdaMaxOptimizer`'s."""

    sparse_rows = "slots"

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: Any = 0.9, beta_2: Any = 0.999,
        epsilon: Any = 1e-7, name: str = "Adamax", **kwargs: Any,
    ) -> None:
        Optimizer.__init__(self, name, learning_rate, hyper_beta_1=beta_1, hyper_beta_2=beta_2,
                           hyper_epsilon=epsilon, **kwargs)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for var in var_list:
            for slot in ("m", "v"):
                self._zeros_slot(var, slot, self._name)

    def _derived(self, h: dict[str, Any]) -> dict[str, Any]:
        return {"beta1": h["beta_1"], "beta2": h["beta_2"],
                "power": F.pow(h["beta_1"], h["step"])}


class Nadam(Optimizer):
    """Adam with Nesterov momentum, whose beta_1 grows with the steps.

    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    sparse_rows = "slots"

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: Any = 0.9, beta_2: Any = 0.999,
        epsilon: Any = 1e-7, name: str = "Nadam", **kwargs: Any,
    ) -> None:
        schedule_decay = kwargs.pop("schedule_decay", 0.004)
        kwargs.setdefault("decay", schedule_decay)
        super().__init__(name, learning_rate, hyper_beta_1=beta_1, hyper_beta_2=beta_2,
                         hyper_epsilon=epsilon, **kwargs)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(1.0, "momentum_cache", first)
        for var in var_list:
            for slot in ("m", "v"):
                self._zeros_slot(var, slot, self._name)

    def _prepare(self) -> None:
        super()._prepare()
        # The decay belongs to the schedule of the momentum, not to the learning rate.
        self._hyper_tensors["learning_rate"] = self._variable("learning_rate").value()

    def _derived(self, h: dict[str, Any]) -> dict[str, Any]:
        decay, step = self._variable("decay").value(), h["step"]
        now, following = (
            h["beta_1"] * (1.0 - 0.5 * F.pow(0.96, decay * t)) for t in (step, step + 1.0))
        schedule = self._get_non_slot_variable("momentum_cache").value() * now
        return {"now": now, "following": following, "schedule": schedule,
                "power": F.pow(h["beta_2"], step)}

    def _rule(self, w: Any, g: Any, slots: Slots, h: SimpleNamespace) -> tuple[Any, Slots]:
        m = h.beta_1 * slots["m"] + (1 - h.beta_1) * g
        v = h.beta_2 * slots["v"] + (1 - h.beta_2) * F.square(g)
        ahead = (1 - h.now) * (g / (1 - h.schedule)) + h.following * (
            m / (1 - h.schedule * h.following))
        return (w - h.learning_rate * ahead / (F.sqrt(v / (1 - h.power)) + h.epsilon),
                {"m": m, "v": v})

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        cache = self._get_non_slot_variable("momentum_cache")
        with get_default_graph().control_dependencies(update_ops):
            kept = state.assign(cache, self._hyper_tensors["schedule"])
        return super()._finish([*update_ops, kept], name_scope)


class Ftrl(Optimizer, FtrlOptimizer):
    """FTRL-Proximal; the rule is `gf.train.FtrlOptimizer`'s."""

    def __init__(
        self, learning_rate: Any = 0.001, learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1, l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0, name: str = "Ftrl",
        l2_shrinkage_regularization_strength: float = 0.0, **kwargs: Any,
    ) -> None:
        Optimizer.__init__(
            self, name, learning_rate, hyper_l1=l1_regularization_strength,
            hyper_l2=l2_regularization_strength,
            hyper_shrinkage=l2_shrinkage_regularization_strength, **kwargs)
        self._power = -learning_rate_power
        self._shrinks = l2_shrinkage_regularization_strength > 0.0
        self._initial_accumulator_value = initial_accumulator_value
        self._accum_name = self._linear_name = None

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        config = super().get_config()
        names = {"l1": "l1_regularization_strength", "l2": "l2_regularization_strength",
                 "shrinkage": "l2_shrinkage_regularization_strength"}
        return {**{names.get(k, k): v for k, v in config.items()},
                "learning_rate_power": -self._power,
                "initial_accumulator_value": self._initial_accumulator_value}
