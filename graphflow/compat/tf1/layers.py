"""`tf.contrib.layers`, also `tf.contrib.slim`: layers as functions, `weights` and `biases`.

Names of scopes and variables are those of TensorFlow 1.15: `Conv/weights`,
`fully_connected/biases`, `BatchNorm/moving_mean`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.compat.tf1.channels import collected, either_way
from graphflow.compat.tf1.framework import (
    add_arg_scope,
    arg_scope,
    get_model_variables,
    get_trainable_variables,
    get_variables,
    model_variable,
)
from graphflow.compat.tf1.group_norm import group_norm, instance_norm
from graphflow.compat.tf1.initializers import (
    variance_scaling_initializer,
    xavier_initializer,
    xavier_initializer_conv2d,
)
from graphflow.compat.tf1.optimize_loss import OPTIMIZER_CLS_NAMES, optimize_loss
from graphflow.graph import get_default_graph
from graphflow.layers import normalization
from graphflow.layers import pooling as pooling_layers
from graphflow.ops.graph_functions import control_dependencies
from graphflow.ops.initializers import Zeros
from graphflow.ops.variable_scope import variable_scope
from graphflow.regularizers import (
    apply_regularization,
    l1_l2_regularizer,
    l1_regularizer,
    l2_regularizer,
    sum_regularizer,
)
from graphflow.scopes import GraphKeys

_relu = F.relu


def _each(value: Any, count: int) -> list[int]:
    """A number for each of `count` axes, from a list of them or one number for all."""
    if isinstance(value, int):
        return [int(value)] * count
    given = [int(v) for v in value]
    return given * count if len(given) == 1 else given


def _pair(value: Any) -> list[int]:
    return _each(value, 2)


def _finish(
    outputs: Any, count: int, activation_fn: Any, normalizer_fn: Any, normalizer_params: Any,
    biases_initializer: Any, biases_regularizer: Any, trainable: bool, collections: Any,
) -> Any:
    """Normalisation or biases, then the activation; the result joins the collections."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    elif biases_initializer is not None:
        outputs = outputs + model_variable(
            "biases", [count], outputs.dtype, biases_initializer, biases_regularizer, trainable)
    outputs = outputs if activation_fn is None else activation_fn(outputs)
    return collected(outputs, collections)


@add_arg_scope
def fully_connected(
    inputs: Any, num_outputs: int, activation_fn: Any = _relu, normalizer_fn: Any = None,
    normalizer_params: Any = None, weights_initializer: Any = None,
    weights_regularizer: Any = None, biases_initializer: Any = Zeros(),  # noqa: B008
    biases_regularizer: Any = None, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, scope: Any = None,
) -> Any:
    """activation(inputs · weights + biases), ReLU by default. inputs: [..., n], n known.

    With `normalizer_fn`, that takes the place of the biases.
    """
    inputs = convert(inputs)
    with variable_scope(scope, "fully_connected", [inputs], reuse=reuse):
        weights = model_variable(
            "weights", [inputs.shape[-1].value, num_outputs], inputs.dtype,
            weights_initializer or xavier_initializer(), weights_regularizer, trainable)
        rank = inputs.shape.rank
        product = F.matmul(inputs, weights) if rank == 2 else F.tensordot(
            inputs, weights, [[rank - 1], [0]])
        return _finish(product, num_outputs, activation_fn, normalizer_fn, normalizer_params,
                       biases_initializer, biases_regularizer, trainable, outputs_collections)


@add_arg_scope
def linear(*args: Any, **named: Any) -> Any:
    """`fully_connected` without an activation."""
    return fully_connected(*args, **{"activation_fn": None, **named})


@add_arg_scope
@either_way
def convolution2d(
    inputs: Any, num_outputs: int, kernel_size: Any, stride: Any = 1, padding: str = "SAME",
    data_format: str | None = None, rate: Any = 1, activation_fn: Any = _relu,
    normalizer_fn: Any = None, normalizer_params: Any = None, weights_initializer: Any = None,
    weights_regularizer: Any = None, biases_initializer: Any = Zeros(),  # noqa: B008
    biases_regularizer: Any = None, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, scope: Any = None,
) -> Any:
    """A convolution of [batch, ..., n], plus biases, through an activation.

    Over one, two or three axes, as many as the inputs have between batch and channels.
    """
    inputs = convert(inputs)
    axes = inputs.shape.rank - 2
    with variable_scope(scope, "Conv", [inputs], reuse=reuse):
        weights = model_variable(
            "weights", [*_each(kernel_size, axes), inputs.shape[-1].value, num_outputs],
            inputs.dtype, weights_initializer or xavier_initializer(), weights_regularizer,
            trainable)
        if axes == 2:
            outputs = F.conv2d(inputs, weights, [1, *_pair(stride), 1], padding,
                               dilations=[1, *_pair(rate), 1])
        else:
            outputs = F.convolution(inputs, weights, padding.upper(), _each(stride, axes),
                                    _each(rate, axes))
        return _finish(outputs, num_outputs, activation_fn, normalizer_fn, normalizer_params,
                       biases_initializer, biases_regularizer, trainable, outputs_collections)


conv1d = conv2d = conv3d = convolution = convolution1d = convolution3d = convolution2d


@add_arg_scope
@either_way
def convolution2d_transpose(
    inputs: Any, num_outputs: int, kernel_size: Any, stride: Any = 1, padding: str = "SAME",
    data_format: str = "NHWC", activation_fn: Any = _relu, normalizer_fn: Any = None,
    normalizer_params: Any = None, weights_initializer: Any = None,
    weights_regularizer: Any = None, biases_initializer: Any = Zeros(),  # noqa: B008
    biases_regularizer: Any = None, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, scope: Any = None,
) -> Any:
    """A transposed convolution of images, plus biases, through an activation."""
    inputs = convert(inputs)
    kernel, steps = _pair(kernel_size), _pair(stride)
    with variable_scope(scope, "Conv2d_transpose", [inputs], reuse=reuse):
        weights = model_variable(
            "weights", [*kernel, num_outputs, inputs.shape[-1].value], inputs.dtype,
            weights_initializer or xavier_initializer(), weights_regularizer, trainable)
        found = F.shape(inputs)
        known = inputs.shape.as_list()
        extra = [0 if padding.upper() == "SAME" else max(k - s, 0)
                 for k, s in zip(kernel, steps)]
        sizes = [found[1 + i] * steps[i] + extra[i] if known[1 + i] is None
                 else known[1 + i] * steps[i] + extra[i] for i in range(2)]
        outputs = F.conv2d_transpose(
            inputs, weights, F.stack([found[0], *sizes, num_outputs]), [1, *steps, 1],
            padding.upper())
        return _finish(outputs, num_outputs, activation_fn, normalizer_fn, normalizer_params,
                       biases_initializer, biases_regularizer, trainable, outputs_collections)


conv2d_transpose = convolution2d_transpose


@add_arg_scope
@either_way
def max_pool2d(
    inputs: Any, kernel_size: Any, stride: Any = 2, padding: str = "VALID",
    data_format: str = "NHWC", outputs_collections: Any = None, scope: str | None = None,
) -> Any:
    """The largest of each window of images [batch, height, width, n]."""
    pooled = pooling_layers.max_pooling2d(inputs, _pair(kernel_size), _pair(stride), padding,
                                          name=scope or "MaxPool2D")
    return collected(pooled, outputs_collections)


@add_arg_scope
@either_way
def avg_pool2d(
    inputs: Any, kernel_size: Any, stride: Any = 2, padding: str = "VALID",
    data_format: str = "NHWC", outputs_collections: Any = None, scope: str | None = None,
) -> Any:
    """The mean of each window of images [batch, height, width, n]."""
    pooled = pooling_layers.average_pooling2d(
        inputs, _pair(kernel_size), _pair(stride), padding, name=scope or "AvgPool2D")
    return collected(pooled, outputs_collections)


@add_arg_scope
@either_way
def batch_norm(
    inputs: Any, decay: float = 0.999, center: bool = True, scale: bool = False,
    epsilon: float = 0.001, activation_fn: Any = None, param_initializers: Any = None,
    param_regularizers: Any = None, updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, batch_weights: Any = None,
    fused: Any = None, data_format: str = "NHWC", zero_debias_moving_mean: bool = False,
    scope: Any = None, renorm: bool = False, renorm_clipping: Any = None,
    renorm_decay: float = 0.99, adjustment: Any = None,
) -> Any:
    """Batch normalisation; with `updates_collections=None` the moments follow at once."""
    given = param_initializers or {}
    inputs = convert(inputs)
    with variable_scope(scope, "BatchNorm", [inputs], reuse=reuse) as own:
        layer = normalization.BatchNormalization(
            momentum=decay, epsilon=epsilon, center=center, scale=scale, fused=fused,
            trainable=trainable, renorm=renorm, _scope=own, _reuse=own.reuse or None,
            **{f"{k}_initializer": v for k, v in given.items()})
        outputs = layer(inputs, training=is_training)
    _each_collected(layer.variables, GraphKeys.MODEL_VARIABLES)
    if updates_collections is None:
        with control_dependencies(layer.updates):
            outputs = F.identity(outputs)
    else:
        _each_collected(layer.updates, updates_collections)
    outputs = outputs if activation_fn is None else activation_fn(outputs)
    return collected(outputs, outputs_collections)


def _each_collected(objects: Sequence[Any], key: str) -> None:
    """Those that are not in the collection join it."""
    graph = get_default_graph()
    there = graph.get_collection(key)
    for found in objects:
        if not any(found is other for other in there):
            graph.add_to_collection(key, found)


@add_arg_scope
def layer_norm(
    inputs: Any, center: bool = True, scale: bool = True, activation_fn: Any = None,
    reuse: Any = None, variables_collections: Any = None, outputs_collections: Any = None,
    trainable: bool = True, begin_norm_axis: int = 1, begin_params_axis: int = -1,
    scope: Any = None,
) -> Any:
    """Normalisation over the axes from `begin_norm_axis` on (Ba, Kiros & Hinton 2016)."""
    inputs = convert(inputs)
    with variable_scope(scope, "LayerNorm", [inputs], reuse=reuse):
        rank = inputs.shape.rank
        mean, variance = F.moments(inputs, list(range(begin_norm_axis % rank, rank)),
                                   keep_dims=True)
        shape = inputs.shape.as_list()[begin_params_axis:]
        beta = model_variable("beta", shape, inputs.dtype, Zeros(),
                              trainable=trainable) if center else None
        gamma = model_variable("gamma", shape, inputs.dtype, F.ones_initializer(),
                               trainable=trainable) if scale else None
        outputs = F.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collected(outputs, outputs_collections)


@add_arg_scope
def dropout(
    inputs: Any, keep_prob: Any = 0.5, noise_shape: Any = None, is_training: Any = True,
    outputs_collections: Any = None, scope: str | None = None, seed: int | None = None,
) -> Any:
    """Elements stay with probability `keep_prob`, scaled up, while `is_training`."""
    from graphflow.layers import dropout as layer

    outputs = layer(inputs, 1 - keep_prob, noise_shape, seed, is_training, scope or "Dropout")
    return collected(outputs, outputs_collections)


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Any:
    """[batch, ...] → [batch, n]."""
    from graphflow.layers import flatten as layer

    return collected(layer(inputs, scope or "Flatten"), outputs_collections)


@add_arg_scope
def one_hot_encoding(
    labels: Any, num_classes: int, on_value: float = 1.0, off_value: float = 0.0,
    outputs_collections: Any = None, scope: str | None = None,
) -> Any:
    """labels: ints [...] → float32 [..., num_classes]."""
    encoded = F.one_hot(labels, num_classes, on_value, off_value, name=scope)
    return collected(encoded, outputs_collections)


def embed_sequence(
    ids: Any, vocab_size: int | None = None, embed_dim: int | None = None, unique: bool = False,
    initializer: Any = None, regularizer: Any = None, trainable: bool = True, scope: Any = None,
    reuse: Any = None,
) -> Any:
    """ids: ints [batch, time] → [batch, time, embed_dim], rows of `embeddings`."""
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        table = model_variable("embeddings", [vocab_size, embed_dim], initializer=initializer,
                               regularizer=regularizer, trainable=trainable)
        return F.gather(table, ids)


@add_arg_scope
@either_way
def separable_convolution2d(
    inputs: Any, num_outputs: int | None, kernel_size: Any, depth_multiplier: int = 1,
    stride: Any = 1, padding: str = "SAME", data_format: str = "NHWC", rate: Any = 1,
    activation_fn: Any = _relu, normalizer_fn: Any = None, normalizer_params: Any = None,
    weights_initializer: Any = None, pointwise_initializer: Any = None,
    weights_regularizer: Any = None, biases_initializer: Any = Zeros(),  # noqa: B008
    biases_regularizer: Any = None, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, scope: Any = None,
) -> Any:
    """A convolution of each channel by itself, then (unless num_outputs is None) across channels.

    Variables: `depthwise_weights`, `pointwise_weights`, `biases`.
    """
    inputs = convert(inputs)
    channels = inputs.shape[-1].value
    first = weights_initializer or xavier_initializer()
    with variable_scope(scope, "SeparableConv2d", [inputs], reuse=reuse):
        depthwise = model_variable(
            "depthwise_weights", [*_pair(kernel_size), channels, depth_multiplier], inputs.dtype,
            first, weights_regularizer, trainable)
        outputs = F.depthwise_conv2d(
            inputs, depthwise, [1, *_pair(stride), 1], padding.upper(), rate=_pair(rate))
        count = channels * depth_multiplier
        if num_outputs is not None:
            pointwise = model_variable(
                "pointwise_weights", [1, 1, count, num_outputs], inputs.dtype,
                pointwise_initializer or first, weights_regularizer, trainable)
            outputs, count = F.conv2d(outputs, pointwise, [1, 1, 1, 1], "VALID"), num_outputs
        return _finish(outputs, count, activation_fn, normalizer_fn, normalizer_params,
                       biases_initializer, biases_regularizer, trainable, outputs_collections)


separable_conv2d = separable_convolution2d


@add_arg_scope
@either_way
def bias_add(
    inputs: Any, activation_fn: Any = None, initializer: Any = Zeros(),  # noqa: B008
    regularizer: Any = None, reuse: Any = None, variables_collections: Any = None,
    outputs_collections: Any = None, trainable: bool = True, data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """inputs + biases, one for each element of the last axis."""
    inputs = convert(inputs)
    with variable_scope(scope, "BiasAdd", [inputs], reuse=reuse):
        return _finish(inputs, inputs.shape[-1].value, activation_fn, None, None, initializer,
                       regularizer, trainable, outputs_collections)


def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: str | None = None) -> Any:
    """The inputs divided by their length along an axis."""
    inputs = convert(inputs)
    lengths = F.sqrt(epsilon + F.reduce_sum(F.square(inputs), dim, keepdims=True))
    return F.divide(inputs, lengths, name=scope)


def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **named: Any
           ) -> Any:
    """`layer` again and again with the same arguments, in scopes `conv/conv_1`, `conv/conv_2` …"""
    name = getattr(layer, "__name__", "layer")
    scope = named.pop("scope", None)
    with variable_scope(scope, "Repeat", [inputs]) as entered:
        inputs = convert(inputs)
        prefix = entered.name.rsplit("/", 1)[-1] if scope is not None else name
        for number in range(1, repetitions + 1):
            inputs = layer(inputs, *args, scope=f"{prefix}_{number}", **named)
    return inputs


@add_arg_scope
def relu(*args: Any, **named: Any) -> Any:
    """`fully_connected` with ReLU."""
    return fully_connected(*args, **{"activation_fn": F.relu, **named})


@add_arg_scope
def relu6(*args: Any, **named: Any) -> Any:
    """`fully_connected` with ReLU6."""
    return fully_connected(*args, **{"activation_fn": F.relu6, **named})


def stack(inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **named: Any) -> Any:
    """`layer` again and again, each time with the next arguments."""
    scope = named.pop("scope", None)
    with variable_scope(scope, "Stack", [inputs]):
        for number, given in enumerate(stack_args, 1):
            args = given if isinstance(given, (list, tuple)) else [given]
            inputs = layer(inputs, *args, scope=f"{layer.__name__}_{number}", **named)
    return inputs


def softmax(logits: Any, scope: str | None = None) -> Any:
    """Softmax over the last axis."""
    return F.softmax(logits, name=scope)


__all__ = [
    "OPTIMIZER_CLS_NAMES", "apply_regularization", "arg_scope", "avg_pool2d", "batch_norm",
    "bias_add", "conv1d", "conv2d", "conv2d_transpose", "conv3d", "convolution",
    "convolution1d", "convolution2d", "convolution2d_transpose", "convolution3d", "dropout",
    "embed_sequence", "flatten", "fully_connected", "get_model_variables",
    "get_trainable_variables", "get_variables", "group_norm", "instance_norm",
    "l1_l2_regularizer", "l1_regularizer", "l2_regularizer", "layer_norm", "linear",
    "max_pool2d", "one_hot_encoding", "optimize_loss", "relu", "relu6", "repeat",
    "separable_conv2d", "separable_convolution2d", "softmax", "stack", "sum_regularizer",
    "unit_norm", "variance_scaling_initializer", "xavier_initializer",
    "xavier_initializer_conv2d",
]
