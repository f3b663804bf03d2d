"""`contrib.layers.group_norm` and `instance_norm`: variables around the operations of `nn`.

Sources: Wu & He, "Group normalization", ECCV 2018; Ulyanov, Vedaldi & Lempitsky, "Instance
normalization: the missing ingredient for fast stylization", 2016.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.compat.tf1.channels import collected, either_way
from graphflow.compat.tf1.framework import add_arg_scope, model_variable
from graphflow.errors import AttributeValueError
from graphflow.ops.initializers import Zeros
from graphflow.ops.variable_scope import variable_scope


def _normalized(
    inputs: Any, groups: int, epsilon: float, center: bool, scale: bool, initializers: Any,
    trainable: bool, activation_fn: Any,
) -> Any:
    """Groups of channels [batch, ..., channels], each normalised over all places."""
    channels = inputs.shape[-1].value
    if channels is None or channels % groups:
        raise AttributeValueError(
            f"Invalid groups {groups} for {channels} channels: it must divide them.")
    given = initializers or {}
    beta = model_variable(
        "beta", [channels], inputs.dtype, given.get("beta", Zeros()),
        trainable=trainable) if center else None
    gamma = model_variable(
        "gamma", [channels], inputs.dtype, given.get("gamma", F.ones_initializer()),
        trainable=trainable) if scale else None
    sizes = F.shape(inputs)
    parts = F.reshape(inputs, F.concat([sizes[:-1], [groups, channels // groups]], 0))
    rank = inputs.shape.rank
    axes = [*range(1, rank - 1), rank]
    mean, variance = F.moments(parts, axes, keep_dims=True)
    flat = F.reshape((parts - mean) * F.rsqrt(variance + epsilon), sizes)
    flat.set_shape(inputs.shape)
    flat = flat if gamma is None else flat * gamma
    flat = flat if beta is None else flat + beta
    return flat if activation_fn is None else activation_fn(flat)


@add_arg_scope
def group_norm(
    inputs: Any, groups: int = 32, channels_axis: int = -1, reduction_axes: Any = (-3, -2),
    center: bool = True, scale: bool = True, epsilon: float = 1e-6, activation_fn: Any = None,
    param_initializers: Any = None, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, scope: Any = None,
    mean_close_to_zero: bool = False,
) -> Any:
    """Group normalisation of [batch, ..., channels], over all axes between.

    channels_axis: −1, or −3 for images [batch, channels, height, width]. Raises
    AttributeValueError (a ValueError) for another axis, or groups that do not divide the channels.
    """
    inputs = convert(inputs)
    rank = inputs.shape.rank
    axis = channels_axis % rank
    if axis not in (1, rank - 1):
        raise AttributeValueError(
            f"group_norm: channels_axis must be the last axis or the second, got {channels_axis}")
    with variable_scope(scope, "GroupNorm", [inputs], reuse=reuse):
        last = inputs if axis == rank - 1 else F.transpose(inputs, [0, *range(2, rank), 1])
        found = _normalized(last, groups, epsilon, center, scale, param_initializers, trainable,
                            activation_fn)
        if axis != rank - 1:
            found = F.transpose(found, [0, rank - 1, *range(1, rank - 1)])
        return collected(found, outputs_collections)


@add_arg_scope
@either_way
def instance_norm(
    inputs: Any, center: bool = True, scale: bool = True, epsilon: float = 1e-6,
    activation_fn: Any = None, param_initializers: Any = None, reuse: Any = None,
    variables_collections: Any = None, outputs_collections: Any = None, trainable: bool = True,
    data_format: str = "NHWC", scope: Any = None,
) -> Any:
    """Each channel of each example normalised over its places: [batch, ..., channels]."""
    inputs = convert(inputs)
    with variable_scope(scope, "InstanceNorm", [inputs], reuse=reuse):
        found = _normalized(inputs, inputs.shape[-1].value, epsilon, center, scale,
                            param_initializers, trainable, activation_fn)
        return collected(found, outputs_collections)
