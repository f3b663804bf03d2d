"""The graph of one phase of a model: its outputs, losses and updates in training or in use.

Where the outputs depend on the learning phase they are built anew, with the phase as a number, so
that nothing of the other phase is computed. Otherwise the model's own tensors serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.keras.backend.session import graph_state
from graphflow.keras.engine.annotations import ancestors, mask_of
from graphflow.ops.nests import Nest


@dataclass(slots=True)
class Forward:
    """What a model computes in one phase.

    outputs: the tensors; masks: theirs, or None; losses, updates: those of the layers for these
    outputs; phase: the learning phase's placeholder if the outputs need it, else None.
    """

    outputs: list[Any]
    masks: list[Any]
    losses: list[Any]
    updates: list[Any]
    phase: Any = None


def forward(model: Any, training: bool) -> Forward:
    """The graph of one phase."""
    phase = graph_state(model.inputs[0].graph.root).phase_placeholder
    if model._is_graph_network:
        seen = ancestors(model.outputs)
        needs_phase = phase is not None and phase.op in seen
        if not needs_phase or _has_symbolic_losses(model):
            return _own_tensors(model, phase if needs_phase else None)
    return _rebuilt(model, training)


def _layers(model: Any) -> list[Any]:
    return list({id(layer): layer for layer in model._with_inner()}.values())


def _has_symbolic_losses(model: Any) -> bool:
    return bool(model._losses) or bool(model._symbolic_metrics)


def _own_tensors(model: Any, phase: Any) -> Forward:
    inputs = {t.op for t in model.inputs}
    losses, updates = [], []
    for layer in _layers(model):
        losses += [loss for loss, given in layer._losses
                   if not given or _depends(loss, inputs)]
        if layer.trainable or getattr(layer, "stateful", False):
            updates += [u for u, given in layer._updates if not given or _depends(u, inputs)]
    outputs = list(model.outputs)
    return Forward(outputs, [mask_of(t) for t in outputs], losses, updates, phase)


def _depends(item: Any, inputs: set[Any]) -> bool:
    found = ancestors([item])
    return bool(found & inputs) or not any(
        op.type.startswith("Placeholder") for op in found)


def _rebuilt(model: Any, training: bool) -> Forward:
    before = {id(layer): (len(layer._losses), len(layer._updates)) for layer in _layers(model)}
    given = model._nested[0] if model._nested[0] is not None else _single(model.inputs)
    outputs = Nest(model._rebuilt(given, training)).leaves
    losses, updates = [], []
    for layer in _layers(model):
        made_losses, made_updates = before.get(id(layer), (0, 0))
        losses += [loss for i, (loss, inputs) in enumerate(layer._losses)
                   if i >= made_losses or not inputs]
        if layer.trainable or getattr(layer, "stateful", False):
            updates += [u for i, (u, inputs) in enumerate(layer._updates)
                        if i >= made_updates or not inputs]
    return Forward(outputs, [mask_of(t) for t in outputs], _unique(losses), _unique(updates))


def _unique(items: Sequence[Any]) -> list[Any]:
    return list({id(item): item for item in items}.values())


def _single(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)
