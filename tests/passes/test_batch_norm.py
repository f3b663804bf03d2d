"""Batch normalisation at inference goes into the filter of the convolution before it."""

from __future__ import annotations

import numpy as np
import pytest
from pass_cases import names_of, outputs_of

import graphflow as gf
from graphflow.freeze import freeze
from graphflow.opdef import TensorType
from graphflow.passes.batch_norm import BATCH_NORM
from graphflow.passes.pipeline import optimise
from graphflow.shapes import TensorShape

RNG = np.random.default_rng(5)
VALUES = {
    "w": RNG.normal(size=(3, 3, 2, 4)), "scale": RNG.uniform(0.5, 2, 4),
    "offset": RNG.normal(size=4), "mean": RNG.normal(size=4), "variance": RNG.uniform(0.2, 3, 4),
    "bias": RNG.normal(size=4),
}
VALUES = {name: value.astype(np.float32) for name, value in VALUES.items()}


def network(build, data_format="NHWC", known=True):
    """The Program of `build(x, v)` where v holds the variables, and an image for it."""
    sizes = (2, 6, 6, 2) if data_format == "NHWC" else (2, 2, 6, 6)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, sizes if known else (None, *sizes[1:]), name="x")
        v = {name: gf.Variable(value, name=name) for name, value in VALUES.items()}
        made = build(x, v)
        made = made if isinstance(made, list) else [made]
        program = freeze(made, [], {x: TensorType(gf.float32, TensorShape(x.shape))})
    return program, RNG.normal(size=sizes).astype(np.float32)


def fused(x, v, data_format="NHWC", is_training=False, bias=False):
    conv = gf.nn.conv2d(x, v["w"], strides=1, padding="SAME", data_format=data_format)
    if bias:
        conv = gf.nn.bias_add(conv, v["bias"], data_format)
    moments = {} if is_training else {"mean": v["mean"], "variance": v["variance"]}
    return gf.nn.fused_batch_norm(conv, v["scale"], v["offset"], **moments, epsilon=0.01,
                                  data_format=data_format, is_training=is_training)


def normalised(image, data_format="NHWC", bias=0.0):
    """By the definition, in float64."""
    x = image.astype(np.float64) if data_format == "NHWC" else image.transpose(0, 2, 3, 1)
    w = VALUES["w"].astype(np.float64)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    y = sum(padded[:, i:i + 6, j:j + 6] @ w[i, j] for i in range(3) for j in range(3)) + bias
    y = (y - VALUES["mean"]) / np.sqrt(VALUES["variance"] + 0.01)
    y = y * VALUES["scale"] + VALUES["offset"]
    return y if data_format == "NHWC" else y.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_fused_batch_norm(data_format, bias, known):
    program, image = network(lambda x, v: list(fused(x, v, data_format, bias=bias)),
                             data_format, known)
    after = BATCH_NORM.run(program)
    assert "FusedBatchNormV3" not in names_of(after)
    expected = normalised(image, data_format, VALUES["bias"] if bias else 0.0)
    for made in (program, after, optimise(program)):
        y, mean, variance = outputs_of(made, [image], **VALUES)
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(mean, VALUES["mean"])
        np.testing.assert_array_equal(variance, VALUES["variance"])


def test_the_image_is_passed_over_once():
    """One convolution and one addition work on the image; the rest has the size of the filter."""
    program, _ = network(lambda x, v: fused(x, v)[0])
    after = BATCH_NORM.run(program)
    on_images = [n.opdef.name for n in after.nodes if n.outputs[0].shape.rank == 4
                 and n.outputs[0].shape.as_list() == [2, 6, 6, 4]]
    assert on_images == ["Conv2D", "BiasAdd"]


def test_batch_normalization_of_given_moments():
    def build(x, v):
        conv = gf.nn.conv2d(x, v["w"], strides=1, padding="SAME")
        return gf.nn.batch_normalization(
            conv, v["mean"], v["variance"], v["offset"], v["scale"], 0.01)

    program, image = network(build)
    after = BATCH_NORM.run(program)
    assert after is not program
    conv = next(n for n in after.nodes if n.opdef.name == "Conv2D")
    assert conv.inputs[1].node.opdef.name == "Mul"
    np.testing.assert_allclose(
        outputs_of(after, [image], **VALUES)[0], normalised(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [
    lambda x, v: fused(x, v, is_training=True)[0],
    lambda x, v: [(c := gf.nn.conv2d(x, v["w"], strides=1, padding="SAME")) * v["scale"], c],
    lambda x, v: gf.nn.conv2d(x, v["w"], strides=1, padding="SAME") * gf.reduce_mean(x),
    lambda x, v: gf.nn.conv2d(x, v["w"], strides=1, padding="SAME") * x[:, :, :, :1],
    lambda x, v: gf.nn.conv2d(x, v["w"], strides=6, padding="SAME") * v["scale"],
])
def test_where_it_is_wrong_or_no_gain(build):
    """Moments of the batch; a convolution needed too; factors of the run; small images."""
    program, _ = network(build)
    assert BATCH_NORM.run(program) is program


def test_training_keeps_the_convolution_that_its_gradient_needs():
    def build(x, v):
        y = fused(x, v)[0]
        return [y, gf.gradients(gf.reduce_sum(y), v["w"])[0]]

    program, image = network(build)
    after = optimise(program)
    for a, b in zip(outputs_of(after, [image], **VALUES), outputs_of(program, [image], **VALUES)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
