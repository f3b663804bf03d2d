"""Inference: what a batch normalisation multiplies by goes into the filter of the convolution.

conv(x, w) · s = conv(x, w · s) for one factor s per output channel. Both w and s must come from
constants and variables alone, and nothing else may use the convolution's result; the product w · s
then costs little beside the pass over the image that it saves. Results differ by roundings: the
mean is subtracted after the scaling instead of before.
"""

from __future__ import annotations

from graphflow.builder import F, apply
from graphflow.dims import equal
from graphflow.passes.base import Rebuilder
from graphflow.passes.patterns import op
from graphflow.passes.rules import Rules, example, floats
from graphflow.program import Node, Value, is_effect
from graphflow.shapes import TensorShape

rule = Rules(exact=False)

MAX_DEPTH = 16


def _is_parameter(value: Value, depth: int = MAX_DEPTH) -> bool:
    """True if `value` is made of constants and variables alone."""
    node = value.node
    if node.opdef.name in ("Const", "StateValue"):
        return True
    return (bool(node.inputs) and depth > 0 and not is_effect(node.opdef, node.attrs)
            and all(_is_parameter(v, depth - 1) for v in node.inputs))


def _scaled_filter(conv: Value, slope: Value, rebuilder: Rebuilder) -> Value | None:
    """The convolution with its filter times `slope` [output channels]; None if that is no gain."""
    if conv.node.opdef.name != "Conv2D" or rebuilder.uses(conv) > 1:
        return None
    x, weights = conv.node.inputs
    if not _is_parameter(weights) or not _is_parameter(slope) or _is_parameter(x):
        return None
    saved, spent = conv.shape.num_elements(), weights.shape.num_elements()
    if saved is not None and spent is not None and saved < spent:
        return None
    return apply("Conv2D", (x, weights * slope), conv.node.attrs)


def _without_bias(value: Value, rebuilder: Rebuilder) -> tuple[Value, Value | None]:
    """A convolution and the bias that was added to it, if one was."""
    node = value.node
    if node.opdef.name == "BiasAdd" and rebuilder.uses(value) <= 1 and (
            node.attrs["data_format"] == node.inputs[0].node.attrs.get("data_format")):
        convolution, bias = node.inputs
        return convolution, bias
    return value, None


@rule(op("FusedBatchNormV3", "x", "scale", "offset", "mean", "variance", is_training=False))
def normalised_convolution(
    x: Value, scale: Value, offset: Value, mean: Value, variance: Value, node: Node,
    rebuilder: Rebuilder,
) -> tuple[Value, Value, Value] | None:
    """(conv(x, w) − μ) · s + β = conv(x, w · s) + (β − μ · s), with s = γ / √(σ² + ε)."""
    data_format = node.attrs["data_format"]
    conv, bias = _without_bias(x, rebuilder)
    if x.dtype is not scale.dtype or conv.node.attrs.get("data_format") != data_format:
        return None
    if not all(map(_is_parameter, (scale, offset, mean, variance))):
        return None
    slope = scale * F.rsqrt(variance + node.attrs["epsilon"])
    scaled = _scaled_filter(conv, slope, rebuilder)
    if scaled is None:
        return None
    shift = offset - (mean if bias is None else mean - bias) * slope
    return F.bias_add(scaled, shift, data_format), mean, variance


_FILTER = [[[[1.0, -0.5]], [[0.25, 2.0]]], [[[0.5, 1.5]], [[-1.0, 0.75]]]]
_FACTORS = [2.0, -0.75]


@rule(op("Mul", op("Conv2D", bind="conv"), "s"),
      example(lambda F, x: F.conv2d(x, F.constant(_FILTER), strides=1, padding="SAME") * _FACTORS,
              floats(2, 5, 5, 1)))
def scaled_convolution(conv: Value, s: Value, rebuilder: Rebuilder) -> Value | None:
    """conv(x, w) · s = conv(x, w · s) for s along the channels."""
    if not _along_channels(s.shape, conv):
        return None
    return _scaled_filter(conv, F.reshape(s, [-1]), rebuilder)


def _along_channels(shape: TensorShape, conv: Value) -> bool:
    """True if `shape` has an axis of channels, where the result has it, and is 1 elsewhere."""
    place = 1 if conv.node.attrs["data_format"] == "NHWC" else 3
    if conv.shape.rank is None or shape.rank is None or not place <= shape.rank <= 4:
        return False
    channels = conv.shape.sizes[-1 if place == 1 else 1]
    sizes = shape.sizes
    return equal(sizes[-place], channels) is True and all(
        equal(d, 1) is True for i, d in enumerate(sizes) if i != len(sizes) - place)


BATCH_NORM = rule.as_pass("batch_norm", "specialise", __doc__)
