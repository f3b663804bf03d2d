"""`tf.contrib.layers.optimize_loss` and `tf.contrib.training.create_train_op`: a step in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphflow import train
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.graph import get_default_graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops.arguments import is_tensor
from graphflow.ops.graph_functions import control_dependencies
from graphflow.ops.variable_scope import get_variable, variable_scope
from graphflow.scopes import GraphKeys

OPTIMIZER_CLS_NAMES: dict[str, Callable[..., Any]] = {
    "Adagrad": train.AdagradOptimizer,
    "Adam": train.AdamOptimizer,
    "Ftrl": train.FtrlOptimizer,
    "Momentum": lambda learning_rate: train.MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": train.RMSPropOptimizer,
    "SGD": train.GradientDescentOptimizer,
}


def optimize_loss(
    loss: Any, global_step: Any, learning_rate: Any, optimizer: Any,
    gradient_noise_scale: float | None = None, gradient_multipliers: Any = None,
    clip_gradients: Any = None, learning_rate_decay_fn: Callable[..., Any] | None = None,
    update_ops: Sequence[Any] | None = None, variables: Any = None, name: str | None = None,
    summaries: Sequence[str] | None = None, colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Any:
    """The loss, a scalar; computing it also makes one step of an optimizer.

    global_step: a variable, or None: the graph's, if it has one. learning_rate: a number, a scalar
      tensor or None; a number becomes a variable, `learning_rate`. optimizer: a name of
      OPTIMIZER_CLS_NAMES, a class, a function of the learning rate, or an Optimizer.
    gradient_noise_scale: the deviation of noise on the gradients. gradient_multipliers: factors of
      gradients, by variable or its name. clip_gradients: a number, the largest global norm, or a
      function of the list of (gradient, variable). learning_rate_decay_fn: (learning rate, global
      step) → learning rate. update_ops: what runs before the loss, UPDATE_OPS by default.
    variables: what is trained; all trainable ones by default. summaries: accepted.
    Raises AttributeValueError (a ValueError) for an unknown optimizer, or none to train.
    """
    loss = convert(loss)
    step = train.get_global_step() if global_step is None else global_step
    with variable_scope(name, "OptimizeLoss", [loss]):
        updates = get_default_graph().get_collection(
            GraphKeys.UPDATE_OPS) if update_ops is None else list(update_ops)
        if updates:
            with control_dependencies(updates):
                loss = F.identity(loss)
        rate = _rate(learning_rate, learning_rate_decay_fn, step)
        chosen = _optimizer(optimizer, rate)
        pairs = chosen.compute_gradients(
            loss, variables, colocate_gradients_with_ops=colocate_gradients_with_ops)
        pairs = _changed(pairs, gradient_noise_scale, gradient_multipliers, clip_gradients)
        applied = chosen.apply_gradients(
            pairs, global_step=step if increment_global_step else None, name="train")
        with control_dependencies([applied]):
            return F.identity(loss)


def _rate(learning_rate: Any, decay: Callable[..., Any] | None, step: Any) -> Any:
    rate = learning_rate
    if rate is not None and not is_tensor(rate):
        if rate < 0:
            raise AttributeValueError(f"optimize_loss: Invalid learning_rate {rate}.")
        rate = get_variable("learning_rate", [], trainable=False,
                            initializer=F.constant_initializer(float(rate)))
    if decay is not None and rate is not None:
        if step is None:
            raise AttributeValueError(
                "optimize_loss: global_step is required for learning_rate_decay_fn.")
        rate = decay(rate, step)
    return rate


def _optimizer(optimizer: Any, rate: Any) -> Any:
    if isinstance(optimizer, train.Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZER_CLS_NAMES:
            raise AttributeValueError(
                f"optimize_loss: Optimizer name should be one of "
                f"{', '.join(OPTIMIZER_CLS_NAMES)}, you provided {optimizer}.")
        optimizer = OPTIMIZER_CLS_NAMES[optimizer]
    elif not callable(optimizer):
        raise AttributeValueError(f"optimize_loss: Unrecognized optimizer: {optimizer!r}.")
    elif rate is None:
        return optimizer()
    if rate is None:
        raise AttributeValueError("optimize_loss: Learning rate is None, but should be given.")
    return optimizer(rate)


def _changed(pairs: Any, noise: float | None, multipliers: Any, clip: Any) -> Any:
    """The gradients with noise, factors and clipping, in this order."""
    if noise is not None:
        pairs = [(g if g is None else _plus_noise(g, noise), v) for g, v in pairs]
    if multipliers is not None:
        pairs = [(_scaled(g, v, multipliers), v) for g, v in pairs]
    if clip is None:
        return pairs
    if callable(clip):
        return clip(pairs)
    gradients, variables = zip(*pairs)
    return list(zip(F.clip_by_global_norm(gradients, clip)[0], variables))


def _plus_noise(gradient: Any, scale: float) -> Any:
    dense = F.convert_to_tensor(gradient)
    return dense + scale * F.truncated_normal(F.shape(dense), dtype=dense.dtype)


def _scaled(gradient: Any, variable: Any, multipliers: Mapping[Any, Any]) -> Any:
    factor = next((f for key, f in multipliers.items()
                   if key is variable or key in (variable.name, variable.op.name)), None)
    if gradient is None or factor is None:
        return gradient
    if isinstance(gradient, IndexedSlices):
        return IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * F.cast(factor, gradient.dtype)


def create_train_op(
    total_loss: Any, optimizer: Any, global_step: Any = None, update_ops: Any = None,
    variables_to_train: Any = None, transform_grads_fn: Callable[..., Any] | None = None,
    clip_gradient_norm: float = 0, **accepted: Any,
) -> Any:
    """The loss, a scalar; computing it also makes one step of the optimizer.

    global_step: a variable; the graph's, which is made if there is none, by default. update_ops:
    what runs before; UPDATE_OPS by default. transform_grads_fn: a function of the list of
    (gradient, variable); clip_gradient_norm: of each gradient, 0 for none.
    """
    step = train.get_or_create_global_step() if global_step is None else global_step
    updates = get_default_graph().get_collection(
        GraphKeys.UPDATE_OPS) if update_ops is None else list(update_ops)
    with control_dependencies(updates):
        loss = F.identity(convert(total_loss))
    pairs = optimizer.compute_gradients(loss, variables_to_train)
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    if clip_gradient_norm > 0:
        pairs = [(_shortened(g, clip_gradient_norm), v) for g, v in pairs]
    applied = optimizer.apply_gradients(pairs, global_step=step)
    with control_dependencies([applied]):
        return F.identity(loss, name="train_op")


def _shortened(gradient: Any, length: float) -> Any:
    return None if gradient is None else F.clip_by_norm(F.convert_to_tensor(gradient), length)


__all__ = ["OPTIMIZER_CLS_NAMES", "create_train_op", "optimize_loss"]
