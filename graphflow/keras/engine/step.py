"""The function of one phase: graph of losses, metrics and updates, as one call of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError, GraphError
from graphflow.graph import get_default_graph
from graphflow.keras.backend.session import get_session
from graphflow.keras.engine.compiled import Compiled, metrics_per_output
from graphflow.keras.engine.metric_names import as_metric
from graphflow.keras.engine.phases import Forward, forward
from graphflow.tensor import Tensor


class Signature(NamedTuple):
    """What a step is fed: (rank, last size) of each target, None where there is no loss; and
    whether each output has sample weights, by their rank."""

    targets: tuple[tuple[int, int | None] | None, ...]
    weights: tuple[int | None, ...]


@dataclass(slots=True)
class Step:
    """One phase of a model, ready to be run.

    names: of the numbers that a call gives, "loss" first; metrics: those with a state, in order.
    """

    feeds: list[Tensor]
    fetches: list[Any]
    operations: list[Any]
    names: list[str]
    metrics: list[Any]
    phase: Tensor | None = None
    training: bool = False
    _callables: dict[int, Any] = field(default_factory=dict)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The values of the fetches for a batch: inputs, targets, weights in order."""
        session = get_session()
        key = id(session)
        if key not in self._callables:
            feeds = [*self.feeds, self.phase] if self.phase is not None else self.feeds
            self._callables = {key: session.make_callable(
                [*self.fetches, *self.operations], feeds)}
        if self.phase is not None:
            arrays = [*arrays, np.asarray(self.training)]
        return self._callables[key](*arrays)[:len(self.fetches)]


def prediction_step(model: Any) -> Step:
    """The step that gives the outputs."""
    graph = forward(model, False)
    return Step(list(model.inputs), graph.outputs, _state_updates(model, graph),
                list(model.output_names), [], graph.phase, False)


def _state_updates(model: Any, graph: Forward) -> list[Any]:
    return list(graph.updates) if model.stateful else []


def loss_step(model: Any, compiled: Compiled, signature: Signature, training: bool) -> Step:
    """The step that gives the losses and metrics, and in training changes the weights."""
    graph = forward(model, training)
    names = list(model.output_names)
    targets, weights = _placeholders(graph.outputs, names, signature)
    total, losses = _losses(compiled, graph, names, targets, weights)
    metrics = [*losses, *_metrics(model, compiled, graph, names, targets, weights)]
    operations = [op for m in metrics for op in m.updates]
    if training:
        operations += [*graph.updates, *_train(model, compiled, total)]
    elif model.stateful:
        operations += graph.updates
    feeds = [*model.inputs, *(t for t in targets if t is not None),
             *(w for w in weights if w is not None)]
    fetches = [total, *(m.result for m in metrics)]
    return Step(feeds, fetches, operations, ["loss", *(m.name for m in metrics)],
                [m.metric for m in metrics], graph.phase, training)


def _train(model: Any, compiled: Compiled, total: Tensor) -> list[Any]:
    weights = model.trainable_weights if compiled.trainable is None else compiled.trainable
    if not weights:
        raise GraphError(
            f"Model {model.name} has no trainable weights. Set layer.trainable = True, and "
            "compile again.")
    with get_default_graph().name_scope("training"):
        return [compiled.optimizer.get_updates(total, weights)]


def _placeholders(
    outputs: Sequence[Tensor], names: Sequence[str], signature: Signature
) -> tuple[list[Any], list[Any]]:
    """Targets in the type of the outputs, which losses of the user's rely on; weights."""
    targets = [
        None if kind is None else F.placeholder(
            output.dtype if output.dtype.is_floating else dt.float32,
            [*[None] * (kind[0] - 1), kind[1]], name=f"{name}_target")
        for output, name, kind in zip(outputs, names, signature.targets)]
    weights = [
        None if rank is None else F.placeholder(
            dt.float32, [None] * rank, name=f"{name}_sample_weights")
        for name, rank in zip(names, signature.weights)]
    return targets, weights


def _losses(
    compiled: Compiled, graph: Forward, names: Sequence[str], targets: Sequence[Any],
    weights: Sequence[Any],
) -> tuple[Tensor, list[BoundMetric]]:
    """(the total, the mean over batches of each output's loss if there are several)."""
    found = []
    for output, mask, name, target, weight, loss, scale in zip(
            graph.outputs, graph.masks, names, targets, weights, compiled.losses(names),
            compiled.weights(names)):
        if loss is None:
            continue
        with get_default_graph().name_scope(f"loss/{name}_loss"):
            value = loss(target, output, sample_weight=_masked(weight, mask, output))
            if value.shape.rank != 0:
                value = F.reduce_mean(value)
        found.append((name, value, scale))
    terms = [value if scale == 1.0 else scale * value for _, value, scale in found]
    terms += [F.cast(_scalar(loss), dt.float32) for loss in graph.losses]
    if not terms:
        raise AttributeValueError(
            "The model cannot be trained or evaluated because it has no loss. Pass a `loss` "
            "argument to `compile`, or use add_loss.")
    total = terms[0] if len(terms) == 1 else F.add_n(
        [F.cast(t, terms[0].dtype) for t in terms], name="loss/total")
    if len(graph.outputs) == 1:
        return total, []
    return total, [
        _bind(f"{name}_loss", _kept_mean(compiled, f"{name}_loss"), (value,), None)
        for name, value, _ in found]


def _kept_mean(compiled: Compiled, name: str) -> Any:
    """The `Mean` of a name, which the phases share."""
    if ("mean", name) not in compiled.metric_objects:
        compiled.metric_objects["mean", name] = as_metric("mean", None, None, None, name)
    return compiled.metric_objects["mean", name]


def _scalar(loss: Any) -> Tensor:
    loss = F.convert_to_tensor(loss)
    return loss if loss.shape.rank == 0 else F.reduce_mean(loss)


def _masked(weight: Any, mask: Any, output: Tensor) -> Any:
    """Sample weights times the mask."""
    if mask is None:
        return weight
    mask = F.cast(mask, output.dtype)
    if weight is None:
        return mask
    weight = F.cast(weight, output.dtype)
    while weight.shape.rank is not None and weight.shape.rank < mask.shape.rank:
        weight = F.expand_dims(weight, -1)
    return weight * mask


class BoundMetric(NamedTuple):
    """A metric with the operations that update it for a batch, and its result after them."""

    name: str
    metric: Any
    updates: list[Any]
    result: Tensor


def _metrics(
    model: Any, compiled: Compiled, graph: Forward, names: Sequence[str],
    targets: Sequence[Any], weights: Sequence[Any],
) -> list[BoundMetric]:
    bound: list[BoundMetric] = []
    plain = metrics_per_output(compiled.metrics, names)
    scaled = metrics_per_output(compiled.weighted_metrics, names)
    for i, (output, name, target) in enumerate(zip(graph.outputs, names, targets)):
        prefix = f"{name}_" if len(names) > 1 else ""
        mask = graph.masks[i]
        for kind, listed in (("plain", plain[i]), ("weighted", scaled[i])):
            weight = _masked(weights[i] if kind == "weighted" else None, mask, output)
            for j, spec in enumerate(listed):
                if target is None:
                    continue
                metric = compiled.metric_objects.setdefault(
                    (i, kind, j), None) or as_metric(
                        spec, target, output, compiled.losses(names)[i])
                compiled.metric_objects[i, kind, j] = metric
                label = _unique(prefix + metric.name, [b.name for b in bound])
                bound.append(_bind(label, metric, (target, output), weight))
    for metric in model.metrics:
        bound.append(BoundMetric(metric.name, metric, [], metric.result()))
    for value, name, _ in model._symbolic_metrics:
        bound.append(_bind(name, _kept_mean(compiled, name), (value,), None))
    return bound


def _bind(name: str, metric: Any, arguments: tuple[Any, ...], weight: Any) -> BoundMetric:
    with get_default_graph().name_scope(f"metrics/{name.replace('<', '').replace('>', '')}"):
        update = metric.update_state(*arguments, **(
            {} if weight is None else {"sample_weight": weight}))
        return BoundMetric(name, metric, [] if update is None else [update], metric.result())


def _unique(name: str, taken: Sequence[str]) -> str:
    count, found = 1, name
    while found in taken:
        found, count = f"{name}_{count}", count + 1
    return found
