"""`tf.layers`: values, names, shapes, sharing, collections, errors."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, shape_of, wave


def waves(phase: float) -> Any:
    """An initialiser without randomness."""
    def initializer(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return wave(*[int(s) for s in shape], phase=phase)

    return initializer


def built(tf: ModuleType, make: Any, feed: Any = None) -> Any:
    """Value, gradient, static shape, op name and variables of what a function builds."""
    with tf.Graph().as_default(), tf.Session() as sess:
        tensor = make()
        variables = tf.trainable_variables()
        gradients = tf.gradients(tensor * tensor, variables)
        sess.run(tf.global_variables_initializer())
        return {
            "value": sess.run(tensor), "shape": shape_of(tensor), "name": tensor.name,
            "gradients": sess.run(gradients) if gradients else [],
            "variables": [[v.name, shape_of(v)] for v in tf.global_variables()],
        }


KERNELS = {"kernel_initializer": waves(0.5), "bias_initializer": waves(1.5)}
SEPARABLE = {"depthwise_initializer": waves(0.5), "pointwise_initializer": waves(1.0),
             "bias_initializer": waves(1.5)}


@case(rtol=1e-4, atol=1e-5)
def dense_layers(tf: ModuleType) -> Any:
    """Matrices and tensors of higher rank; activations; without bias."""
    dense = tf.layers.dense
    return {
        "matrix": built(tf, lambda: dense(wave(3, 4), 2, **KERNELS)),
        "relu": built(tf, lambda: dense(wave(3, 4), 2, tf.nn.relu, **KERNELS)),
        "no_bias": built(tf, lambda: dense(
            wave(3, 4), 2, use_bias=False, name="h", kernel_initializer=waves(0.0))),
        "rank3": built(tf, lambda: dense(wave(2, 3, 4), 5, tf.tanh, **KERNELS)),
        "rank4": built(tf, lambda: dense(wave(2, 3, 2, 4), 2, **KERNELS)),
        "double": built(tf, lambda: dense(
            tf.constant(wave(3, 4), tf.float64), 2,
            kernel_initializer=tf.constant_initializer(0.5))),
    }


@case(rtol=1e-4, atol=1e-5)
def convolution_layers(tf: ModuleType) -> Any:
    """Convolutions over one to three axes, transposed and separable ones."""
    L = tf.layers
    sequence, image, volume = wave(2, 7, 3), wave(2, 6, 5, 3), wave(1, 4, 5, 4, 2)
    return {
        "conv1d": built(tf, lambda: L.conv1d(sequence, 4, 3, **KERNELS)),
        "conv1d_same": built(tf, lambda: L.conv1d(
            sequence, 4, 3, strides=2, padding="same", activation=tf.nn.relu, **KERNELS)),
        "conv1d_dilated": built(tf, lambda: L.conv1d(
            sequence, 2, 2, dilation_rate=2, **KERNELS)),
        "conv2d": built(tf, lambda: L.conv2d(image, 4, 3, **KERNELS)),
        "conv2d_same": built(tf, lambda: L.conv2d(
            image, 4, [3, 2], (2, 1), "SAME", activation=tf.nn.relu, name="c", **KERNELS)),
        "conv2d_dilated": built(tf, lambda: L.conv2d(
            image, 2, 2, dilation_rate=(2, 1), **KERNELS)),
        "conv3d": built(tf, lambda: L.conv3d(volume, 2, 2, **KERNELS)),
        "conv3d_same": built(tf, lambda: L.conv3d(
            volume, 2, (1, 3, 2), strides=(1, 2, 1), padding="same", **KERNELS)),
        "transpose_valid": built(tf, lambda: L.conv2d_transpose(
            image, 2, 3, strides=2, **KERNELS)),
        "transpose_same": built(tf, lambda: L.conv2d_transpose(
            image, 2, (4, 3), strides=(2, 1), padding="same", activation=tf.tanh, **KERNELS)),
        "transpose_plain": built(tf, lambda: L.conv2d_transpose(image, 2, 2, **KERNELS)),
        "transpose3d": built(tf, lambda: L.conv3d_transpose(
            volume, 3, 2, strides=(2, 1, 2), padding="same", **KERNELS)),
        "transpose3d_valid": built(tf, lambda: L.conv3d_transpose(volume, 1, 3, **KERNELS)),
        "separable2d": built(tf, lambda: L.separable_conv2d(
            image, 4, 3, depth_multiplier=2, **SEPARABLE)),
        "separable2d_same": built(tf, lambda: L.separable_conv2d(
            image, 4, 3, 2, "same", activation=tf.nn.relu, **SEPARABLE)),
        "separable1d": built(tf, lambda: L.separable_conv1d(
            sequence, 4, 3, padding="same", **SEPARABLE)),
        "separable1d_stride": built(tf, lambda: L.separable_conv1d(
            sequence, 2, 3, strides=2, **SEPARABLE)),
    }


@case(rtol=1e-5)
def pooling_layers(tf: ModuleType) -> Any:
    """Largest elements and means over one to three axes."""
    L = tf.layers
    sequence, image, volume = wave(2, 7, 3), wave(2, 6, 5, 3), wave(1, 4, 5, 4, 2)
    return {
        "max1": built(tf, lambda: L.max_pooling1d(sequence, 2, 2)),
        "avg1": built(tf, lambda: L.average_pooling1d(sequence, 3, 2, "same")),
        "max2": built(tf, lambda: L.max_pooling2d(image, 2, 2)),
        "max2_list": built(tf, lambda: L.max_pooling2d(
            inputs=image, pool_size=[3, 2], strides=[1, 2], padding="same", name="p")),
        "avg2": built(tf, lambda: L.average_pooling2d(image, (2, 2), (2, 1), padding="SAME")),
        "max3": built(tf, lambda: L.max_pooling3d(volume, 2, 2)),
        "avg3": built(tf, lambda: L.average_pooling3d(volume, (1, 2, 2), 2, "same")),
    }


@case(rtol=1e-4, atol=1e-5)
def batch_normalization_layers(tf: ModuleType) -> Any:
    """Outputs, gradients and moving averages over three steps; the flag a bool or fed."""
    results = {}
    inputs = {"rank2": wave(6, 3), "rank3": wave(4, 2, 3), "rank4": wave(3, 2, 4, 2) * 2 + 1}
    options = {
        "plain": {}, "momentum": {"momentum": 0.6, "epsilon": 0.1},
        "bare": {"center": False, "scale": False}, "unfused": {"fused": False},
        "axis": {"axis": 1},
        "initial": {"beta_initializer": waves(0.3), "gamma_initializer": waves(0.9),
                    "moving_mean_initializer": waves(0.2), "name": "bn"},
    }
    for kind, value in inputs.items():
        for label, given in options.items():
            for mode in ("fed", True, False):
                if label == "axis" and (kind == "rank4" or mode != "fed"):
                    continue
                results[f"{kind}/{label}/{mode}"] = _normalised(tf, value, given, mode)
    return results


def _normalised(tf: ModuleType, value: np.ndarray, given: dict[str, Any], mode: Any) -> Any:
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, *value.shape[1:]])
        flag = tf.placeholder(tf.bool, []) if mode == "fed" else mode
        y = tf.layers.batch_normalization(x, training=flag, **given)
        weights = tf.constant(wave(*value.shape, phase=2.0))
        gradients = tf.gradients(y * weights, [x, *tf.trainable_variables()])
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        sess.run(tf.global_variables_initializer())
        steps = []
        for step in range(3):
            feed = {x: value * (1 + step)}
            if mode == "fed":
                feed[flag] = step != 1
            steps.append(sess.run([y, gradients], feed))
            sess.run(updates, feed)
            steps.append(sess.run(tf.global_variables()))
        return {"steps": steps, "variables": [v.name for v in tf.global_variables()],
                "trainable": len(tf.trainable_variables()), "updates": len(updates),
                "shape": shape_of(y)}


@case(rtol=1e-5)
def small_layers(tf: ModuleType) -> Any:
    """flatten, and dropout where nothing is random."""
    L = tf.layers
    open_batch = tf.placeholder(tf.float32, [None, 2, 3])
    unknown = tf.placeholder(tf.float32, None)
    x = wave(2, 2, 3)
    made = {
        "flatten": L.flatten(open_batch), "flatten_known": L.flatten(tf.constant(x)),
        "flatten_vector": L.flatten(tf.constant(x[0, 0])), "flatten_named": L.flatten(x, "f"),
        "flatten_first": L.flatten(x, data_format="channels_first"),
        "flatten_sizes": L.flatten(tf.placeholder_with_default(x, [2, None, 3])),
        "dropout_off": L.dropout(x), "dropout_zero": L.dropout(x, 0.0, training=True),
        "dropout_fed": L.dropout(x, 0.5, training=tf.constant(False)),
    }
    with tf.Session() as sess:
        return {
            "values": sess.run(made, {open_batch: x}),
            "shapes": {k: shape_of(t) for k, t in made.items()},
            "names": [made[k].name for k in made if k.startswith("flatten_n")],
            "unknown": sess.run(L.flatten(unknown), {unknown: x}),
        }


@case(rtol=1e-5)
def sharing_and_names(tf: ModuleType) -> Any:
    """reuse, variable scopes, layer objects called twice; names of weights, ops and layers."""
    x = tf.constant(wave(2, 3))
    L = tf.layers
    outs = [L.dense(x, 2), L.dense(x, 2), L.dense(x, 2, name="h"),
            L.dense(x * 2, 2, name="h", reuse=True)]
    with tf.variable_scope("outer", reuse=tf.AUTO_REUSE):
        outs += [L.dense(x, 2, name="a"), L.dense(x, 2, name="a"), L.dense(x, 2)]
    with tf.variable_scope("outer", reuse=True):
        outs.append(L.dense(x, 2, name="a"))
    with tf.name_scope("tower"):
        outs.append(L.dense(x, 2, activation=tf.nn.relu))
    layer = L.Dense(2, name="shared")
    outs += [layer(x), layer.apply(x), layer(x + 1)]
    free = L.Dense(2, trainable=False)
    outs.append(free(x))
    conv = [L.Conv2D(2, 2)(wave(1, 3, 3, 1)), L.Conv2DTranspose(2, 2)(wave(1, 3, 3, 1)),
            L.BatchNormalization()(x), L.MaxPooling2D(2, 2)(wave(1, 4, 4, 1))]
    return {
        "ops": [t.name for t in outs], "variables": [v.name for v in tf.global_variables()],
        "trainable": [v.name for v in tf.trainable_variables()],
        "conv_scopes": [t.name.split("/")[0] for t in conv],
        "layer": [layer.name, layer.scope_name, layer.kernel.name, layer.bias.name, layer.built,
                  layer.dtype, layer.units, layer.use_bias, layer.count_params(),
                  [v.name for v in layer.trainable_weights], [v.name for v in layer.weights],
                  [v.name for v in layer.variables], len(layer.non_trainable_variables)],
        "free": [[v.name for v in free.trainable_variables],
                 [v.name for v in free.non_trainable_variables]],
    }


@case(rtol=1e-5)
def regularizers_and_collections(tf: ModuleType) -> Any:
    """Losses of kernels, biases and activities; none for reused weights; scopes' defaults."""
    x = tf.constant(wave(2, 3))
    L = tf.layers
    square = lambda w: 0.5 * tf.reduce_sum(w * w)  # noqa: E731 short
    L.dense(x, 2, kernel_regularizer=square, bias_regularizer=square, name="h", **KERNELS)
    L.dense(x, 2, kernel_regularizer=square, name="h", reuse=True)
    layer = L.Dense(2, activity_regularizer=square, name="act", **KERNELS)
    layer(x)
    with tf.variable_scope("s", regularizer=lambda w: tf.reduce_sum(w) * 3.0,
                           initializer=tf.constant_initializer(0.25)):
        L.dense(x, 2, name="d")
    losses = tf.losses.get_regularization_losses()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return {"values": sess.run(losses), "names": [t.name for t in losses],
                "own": len(layer.losses), "total": sess.run(tf.losses.get_regularization_loss())}


@case(rtol=1e-4, atol=1e-5)
def a_small_network_trains(tf: ModuleType) -> Any:
    """Convolution, normalisation, pooling, dense: ten steps of Adam with updates."""
    x = tf.placeholder(tf.float32, [None, 6, 6, 1])
    labels = tf.placeholder(tf.int32, [None])
    training = tf.placeholder(tf.bool, [])
    L = tf.layers
    h = L.conv2d(x, 4, 3, padding="same", activation=tf.nn.relu, **KERNELS)
    h = L.max_pooling2d(L.batch_normalization(h, training=training, momentum=0.9), 2, 2)
    h = L.dense(L.flatten(h), 5, tf.nn.elu, **KERNELS)
    logits = L.dense(h, 3, **KERNELS)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = tf.train.AdamOptimizer(0.01).minimize(loss)
    feed = {x: wave(8, 6, 6, 1), labels: np.arange(8) % 3}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = []
        for _ in range(10):
            values.append(sess.run([loss, train], {**feed, training: True})[0])
        values.append(sess.run(loss, {**feed, training: False}))
        return values, sess.run([v for v in tf.global_variables() if "moving" in v.name])


@case(rtol=1e-5)
def layers_of_users(tf: ModuleType) -> Any:
    """A subclass of Layer with build and call."""

    class Scale(tf.layers.Layer):
        def __init__(self, factor: float, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape: Any) -> None:
            self.gain = self.add_variable(
                "gain", shape=[int(input_shape[-1])], initializer=tf.ones_initializer())
            self.built = True

        def call(self, inputs: Any) -> Any:
            self.add_loss(tf.reduce_sum(inputs), inputs=inputs)
            return inputs * self.gain * self.factor

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    layer = Scale(3.0)
    x = tf.constant(wave(2, 3))
    first, second = layer(x), layer(first_again := x + 1)
    del first_again
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return {"values": sess.run([first, second]), "name": layer.name,
                "weights": [v.name for v in layer.weights], "losses": len(layer.losses),
                "collection": len(tf.losses.get_regularization_losses()),
                "graph_names": [first.name, second.name]}


@case()
def mistakes(tf: ModuleType) -> Any:
    """Ranks, sizes, arguments that layers refuse."""
    L = tf.layers
    matrix, image = tf.constant(wave(2, 3)), tf.constant(wave(1, 4, 4, 1))
    open_size = tf.placeholder(tf.float32, [None, None])
    L.dense(matrix, 2, name="taken")

    def twice() -> Any:
        layer = L.Dense(2)
        layer(matrix)
        return layer(tf.constant(wave(2, 4)))

    return [outcome(make) for make in (
        lambda: L.dense(tf.constant(wave(3)), 2), lambda: L.dense(open_size, 2),
        lambda: L.dense(matrix, 2, name="taken"),
        lambda: L.dense(matrix, 2, name="missing", reuse=True),
        lambda: L.conv2d(matrix, 2, 2), lambda: L.conv1d(matrix, 2, 2),
        lambda: L.conv2d(image, 2, 2, padding="full"), lambda: L.conv2d(image, 2, (1, 2, 3)),
        lambda: L.conv2d(image, 2, 2, data_format="NHWC"),
        lambda: L.max_pooling2d(matrix, 2, 2), lambda: L.max_pooling2d(image, (1, 1, 1), 2),
        lambda: L.batch_normalization(matrix, axis=3),
        lambda: L.batch_normalization(tf.placeholder(tf.float32, None)),
        lambda: L.batch_normalization(open_size), twice,
        lambda: L.Dense(2).scope_name, lambda: L.Dense(2).count_params(),
        lambda: L.Dense(2, wrong=1))]
