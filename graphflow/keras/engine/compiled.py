"""What `compile` was told: optimizer, and losses, their weights and metrics for each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.errors import AttributeValueError
from graphflow.keras import losses as losses_module


@dataclass(slots=True)
class Compiled:
    """The arguments of `compile`, not yet matched with outputs.

    trainable: the weights that training changes, taken down by `compile` if they were there.
    """

    optimizer: Any
    loss: Any = None
    metrics: Any = None
    loss_weights: Any = None
    sample_weight_mode: Any = None
    weighted_metrics: Any = None
    trainable: list[Any] | None = None
    metric_objects: dict[Any, Any] = field(default_factory=dict)

    def losses(self, names: Sequence[str]) -> list[Any]:
        """A `Loss` object or None for each output."""
        return [losses_module.as_loss(x) for x in per_output(
            self.loss, names, "loss", broadcast=True)]

    def weights(self, names: Sequence[str]) -> list[float]:
        """The weight of each output's loss: 1.0 unless given."""
        return [1.0 if w is None else float(w) for w in per_output(
            self.loss_weights, names, "loss_weights")]


def per_output(
    value: Any, names: Sequence[str], what: str, broadcast: bool = False
) -> list[Any]:
    """What an argument says of each output: a list or dict of them, or one for all.

    Raises AttributeValueError (a ValueError) for names or numbers that do not fit.
    """
    if value is None:
        return [None] * len(names)
    if isinstance(value, Mapping) and "class_name" not in value:
        unknown = sorted(set(value) - set(names))
        if unknown:
            raise AttributeValueError(
                f"compile: unknown entries in the {what} dictionary: {unknown}. Only expected "
                f"the outputs {list(names)}.")
        return [value.get(name) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) != len(names):
            raise AttributeValueError(
                f"compile: when passing a list as {what}, it should have one entry per model "
                f"output. The model has {len(names)} outputs, but you passed {what}={value!r}.")
        return list(value)
    if broadcast or len(names) == 1:
        return [value] * len(names)
    raise AttributeValueError(f"compile: could not interpret {what}={value!r}.")


def metrics_per_output(metrics: Any, names: Sequence[str]) -> list[list[Any]]:
    """The metrics of each output: one list is for all outputs."""
    if not metrics:
        return [[] for _ in names]
    if isinstance(metrics, Mapping):
        return [_listed(m) for m in per_output(metrics, names, "metrics")]
    if not isinstance(metrics, (list, tuple)):
        raise AttributeValueError(
            "compile: metrics must be a list of metrics (or of lists, one per output), or a dict "
            f"from outputs to metrics, got {metrics!r}.")
    if any(isinstance(m, (list, tuple)) for m in metrics):
        return [_listed(m) for m in per_output(list(metrics), names, "metrics")]
    return [list(metrics) for _ in names]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
