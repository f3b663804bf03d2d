"""`tf.keras.layers` with given weights: values, shapes, weights, configurations.

Recorded with Keras 2, which TensorFlow uses if TF_USE_LEGACY_KERAS=1 and tf_keras is installed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, wave


def applied(tf: ModuleType, layer: Any, *inputs: np.ndarray, dtype: str = "float32") -> Any:
    """Outputs, shapes and weights of a layer called on inputs."""
    keras = tf.keras
    tensors = [keras.layers.Input(x.shape[1:], dtype=dtype) for x in inputs]
    outputs = layer(tensors if len(tensors) > 1 else tensors[0])
    model = keras.models.Model(tensors, outputs)
    weights = [wave(*w.shape, phase=0.3 + i) for i, w in enumerate(layer.get_weights())]
    layer.set_weights([abs(w) if "variance" in v.name else w
                       for w, v in zip(weights, layer.weights)])
    found = model.predict(list(inputs) if len(inputs) > 1 else inputs[0])
    listed = outputs if isinstance(outputs, list) else [outputs]
    return {"value": found, "weights": [w.shape for w in weights],
            "trainable": len(layer.trainable_weights), "params": layer.count_params(),
            "shape": [[None, *t.shape.as_list()[1:]] for t in listed]}


@case(rtol=1e-4, atol=1e-5)
def dense_and_shapes(tf: ModuleType) -> Any:
    """Dense layers, activations, and layers that only move elements."""
    k = tf.keras.layers
    x, seq, image = wave(3, 4), wave(2, 3, 4), wave(2, 3, 4, 2)
    return {
        "dense": applied(tf, k.Dense(2, activation="relu"), x),
        "dense_3d": applied(tf, k.Dense(3, use_bias=False, activation="tanh"), seq),
        "activation": applied(tf, k.Activation("softplus"), x),
        "flatten": applied(tf, k.Flatten(), image),
        "reshape": applied(tf, k.Reshape((4, -1)), image),
        "permute": applied(tf, k.Permute((2, 1)), seq),
        "repeat": applied(tf, k.RepeatVector(3), x),
        "lambda": applied(tf, k.Lambda(lambda t: t * 2 + 1), x),
        "dropout": applied(tf, k.Dropout(0.5), x),
        "noise": applied(tf, k.GaussianNoise(0.5), x),
        "masking": applied(tf, k.Masking(0.0), np.maximum(seq, 0)),
    }


@case(rtol=1e-4, atol=1e-5)
def activation_layers(tf: ModuleType) -> Any:
    """Activations with arguments and weights, and all activations by name."""
    k, x = tf.keras.layers, wave(3, 4) * 3
    names = ("elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid",
             "exponential", "linear", "softmax", "swish")
    return {
        **{name: applied(tf, k.Activation(name), x) for name in names},
        "leaky": applied(tf, k.LeakyReLU(), x),
        "prelu": applied(tf, k.PReLU(), x),
        "prelu_shared": applied(tf, k.PReLU(shared_axes=[1, 2]), wave(2, 3, 4, 2)),
        "elu_layer": applied(tf, k.ELU(0.5), x),
        "thresholded": applied(tf, k.ThresholdedReLU(0.7), x),
        "softmax_layer": applied(tf, k.Softmax(axis=1), wave(2, 3, 4)),
        "relu_layer": applied(tf, k.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2), x),
        "relu6": applied(tf, k.ReLU(6.0), x * 3),
    }


@case(rtol=1e-4, atol=1e-5)
def convolutions(tf: ModuleType) -> Any:
    """Convolutions over one to three axes, transposed, separable, depthwise."""
    k = tf.keras.layers
    seq, image, volume = wave(2, 7, 3), wave(2, 6, 5, 3), wave(1, 4, 4, 3, 2)
    return {
        "conv1d": applied(tf, k.Conv1D(4, 3, strides=2, activation="relu"), seq),
        "causal": applied(tf, k.Conv1D(2, 3, padding="causal", dilation_rate=2), seq),
        "conv2d": applied(tf, k.Conv2D(4, (3, 2), padding="same"), image),
        "strided": applied(tf, k.Conv2D(2, 3, strides=(2, 1), use_bias=False), image),
        "dilated": applied(tf, k.Conv2D(2, 2, dilation_rate=2), image),
        "conv3d": applied(tf, k.Conv3D(2, 2, padding="same"), volume),
        "transpose": applied(tf, k.Conv2DTranspose(2, 3, strides=2, padding="same"), image),
        "transpose_valid": applied(tf, k.Conv2DTranspose(2, 3, strides=2), image),
        "output_padding": applied(tf, k.Conv2DTranspose(
            2, 3, strides=2, padding="same", output_padding=0), image),
        "transpose3d": applied(tf, k.Conv3DTranspose(2, 2, strides=2), volume),
        "separable1d": applied(tf, k.SeparableConv1D(2, 3, depth_multiplier=2), seq),
        "separable2d": applied(tf, k.SeparableConv2D(4, 3, padding="same"), image),
        "depthwise": applied(tf, k.DepthwiseConv2D(3, depth_multiplier=2), image),
        "depthwise_same": applied(tf, k.DepthwiseConv2D(
            2, strides=2, padding="same", use_bias=False), image),
    }


@case(rtol=1e-4, atol=1e-5)
def pooling_and_resizing(tf: ModuleType) -> Any:
    """Windows, whole samples, padding, cropping, enlarging."""
    k = tf.keras.layers
    seq, image, volume = wave(2, 7, 3), wave(2, 6, 5, 3), wave(1, 4, 4, 4, 2)
    return {
        "max1d": applied(tf, k.MaxPooling1D(2), seq),
        "avg1d": applied(tf, k.AveragePooling1D(3, 2, padding="same"), seq),
        "max2d": applied(tf, k.MaxPooling2D((2, 2)), image),
        "avg2d": applied(tf, k.AveragePooling2D(3, strides=1, padding="same"), image),
        "max3d": applied(tf, k.MaxPooling3D(2), volume),
        "avg3d": applied(tf, k.AveragePooling3D(2), volume),
        "global_max1d": applied(tf, k.GlobalMaxPooling1D(), seq),
        "global_avg1d": applied(tf, k.GlobalAveragePooling1D(), seq),
        "global_max2d": applied(tf, k.GlobalMaxPooling2D(), image),
        "global_avg2d": applied(tf, k.GlobalAveragePooling2D(), image),
        "global_max3d": applied(tf, k.GlobalMaxPooling3D(), volume),
        "global_avg3d": applied(tf, k.GlobalAveragePooling3D(), volume),
        "pad1d": applied(tf, k.ZeroPadding1D((1, 2)), seq),
        "pad2d": applied(tf, k.ZeroPadding2D(((1, 0), (2, 1))), image),
        "pad3d": applied(tf, k.ZeroPadding3D(1), volume),
        "crop1d": applied(tf, k.Cropping1D((1, 2)), seq),
        "crop2d": applied(tf, k.Cropping2D(((1, 0), (2, 1))), image),
        "crop3d": applied(tf, k.Cropping3D(1), volume),
        "up1d": applied(tf, k.UpSampling1D(2), seq),
        "up2d": applied(tf, k.UpSampling2D((2, 3)), image),
        "up2d_bilinear": applied(tf, k.UpSampling2D(2, interpolation="bilinear"), image),
        "up3d": applied(tf, k.UpSampling3D(2), volume),
    }


@case(rtol=1e-4, atol=1e-5)
def normalizations(tf: ModuleType) -> Any:
    """Batch and layer normalisation in use."""
    k, image = tf.keras.layers, wave(2, 4, 3, 2)
    return {
        "batch": applied(tf, k.BatchNormalization(), wave(5, 3)),
        "batch_image": applied(tf, k.BatchNormalization(scale=False), image),
        "batch_axis": applied(tf, k.BatchNormalization(axis=1, epsilon=0.01), image),
        "layer": applied(tf, k.LayerNormalization(), wave(5, 3)),
        "layer_axes": applied(tf, k.LayerNormalization(axis=[1, 2], center=False), image),
    }


@case(rtol=1e-4, atol=1e-5)
def merging(tf: ModuleType) -> Any:
    """Layers of several inputs."""
    k = tf.keras.layers
    a, b, c = wave(3, 4), wave(3, 4, phase=1.0), wave(3, 4, phase=2.0)
    seq, other = wave(2, 3, 4), wave(2, 5, 4, phase=1.0)
    return {
        "add": applied(tf, k.Add(), a, b, c),
        "subtract": applied(tf, k.Subtract(), a, b),
        "multiply": applied(tf, k.Multiply(), a, b, c),
        "average": applied(tf, k.Average(), a, b, c),
        "maximum": applied(tf, k.Maximum(), a, b, c),
        "minimum": applied(tf, k.Minimum(), a, b, c),
        "concatenate": applied(tf, k.Concatenate(), a, b),
        "concatenate_axis": applied(tf, k.Concatenate(axis=1), seq, other),
        "dot": applied(tf, k.Dot(axes=1), a, b),
        "dot_normalized": applied(tf, k.Dot(axes=(2, 2), normalize=True), seq, other),
        "attention": applied(tf, k.Attention(), seq, other),
        "attention_scaled": applied(tf, k.Attention(use_scale=True, causal=True), seq, seq),
        "additive": applied(tf, k.AdditiveAttention(), seq, other),
    }


@case(rtol=1e-4, atol=1e-5)
def multi_head_attention(tf: ModuleType) -> Any:
    """Queries and values of different lengths; a mask; the weights of the heads."""
    query, value = wave(2, 3, 4), wave(2, 5, 6, phase=1.0)
    mask = np.tril(np.ones((2, 3, 5))) > 0
    found = {}
    for label, options in (("plain", {}), ("masked", {"attention_mask": tf.constant(mask)})):
        layer = tf.keras.layers.MultiHeadAttention(2, 3, value_dim=4)
        outputs, scores = layer(
            tf.constant(query), tf.constant(value), return_attention_scores=True, **options)
        layer.set_weights([
            wave(*w.shape, phase=0.3 + i) for i, w in enumerate(layer.get_weights())])
        session = tf.keras.backend.get_session()
        found[label] = (session.run(outputs), session.run(scores),
                        [w.shape for w in layer.get_weights()])
    return found


@case(rtol=1e-4, atol=1e-5)
def recurrent(tf: ModuleType) -> Any:
    """Recurrent layers: outputs, states, directions, unrolled, with other activations."""
    k, x = tf.keras.layers, wave(2, 5, 3)
    return {
        "simple": applied(tf, k.SimpleRNN(4), x),
        "simple_sequences": applied(tf, k.SimpleRNN(4, return_sequences=True), x),
        "lstm": applied(tf, k.LSTM(4), x),
        "lstm_sequences": applied(tf, k.LSTM(4, return_sequences=True), x),
        "lstm_state": applied(tf, k.LSTM(4, return_state=True), x),
        "lstm_backwards": applied(tf, k.LSTM(4, go_backwards=True, return_sequences=True), x),
        "lstm_sigmoid": applied(tf, k.LSTM(4, recurrent_activation="sigmoid"), x),
        "lstm_unrolled": applied(tf, k.LSTM(4, unroll=True), x),
        "gru": applied(tf, k.GRU(4), x),
        "gru_after": applied(tf, k.GRU(4, reset_after=True, return_sequences=True), x),
        "gru_no_bias": applied(tf, k.GRU(4, use_bias=False), x),
        "stacked": applied(tf, k.RNN([k.LSTMCell(3), k.GRUCell(2)]), x),
        "bidirectional": applied(tf, k.Bidirectional(k.LSTM(3, return_sequences=True)), x),
        "bidirectional_sum": applied(tf, k.Bidirectional(k.GRU(3), merge_mode="sum"), x),
        "bidirectional_none": applied(tf, k.Bidirectional(k.SimpleRNN(3), merge_mode=None), x),
        "time_distributed": applied(tf, k.TimeDistributed(k.Dense(2)), x),
        "time_distributed_conv": applied(
            tf, k.TimeDistributed(k.Conv2D(2, 2)), wave(2, 3, 4, 4, 1)),
    }


@case(rtol=1e-4, atol=1e-5)
def masks(tf: ModuleType) -> Any:
    """Masks from embeddings reach recurrent layers, pooling and the loss."""
    k = tf.keras.layers
    words = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [2, 1, 4, 3]], np.int32)

    def run(*rest: Any) -> Any:
        source = k.Input((4,), dtype="int32")
        x = k.Embedding(5, 3, mask_zero=True)(source)
        for layer in rest:
            x = layer(x)
        model = tf.keras.models.Model(source, x)
        model.set_weights([wave(*w.shape, phase=i) for i, w in enumerate(model.get_weights())])
        model.compile("sgd", "mse")
        target = wave(*model.predict(words).shape)
        # TensorFlow 1.15's mean counts the masked steps of sequences; later ones' does not.
        loss = [] if target.ndim > 2 else [float(model.evaluate(words, target, verbose=0))]
        return model.predict(words), loss

    return {
        "lstm": run(k.LSTM(3)),
        "sequences": run(k.GRU(3, return_sequences=True)),
        "stack": run(k.LSTM(3, return_sequences=True), k.SimpleRNN(2)),
        "bidirectional": run(k.Bidirectional(k.LSTM(2))),
        "average": run(k.GlobalAveragePooling1D()),
        "distributed": run(k.LSTM(2, return_sequences=True), k.TimeDistributed(k.Dense(2))),
    }


@case(rtol=1e-4, atol=1e-5)
def states(tf: ModuleType) -> Any:
    """Initial states as an argument, and states that go on from batch to batch."""
    k, x = tf.keras.layers, wave(2, 5, 3)
    source, first = k.Input((5, 3)), k.Input((4,))
    out = k.GRU(4)(source, initial_state=first)
    model = tf.keras.models.Model([source, first], out)
    model.set_weights([wave(*w.shape, phase=i) for i, w in enumerate(model.get_weights())])
    kept = tf.keras.models.Sequential(
        [k.LSTM(3, stateful=True, batch_input_shape=(2, 5, 3))])
    kept.set_weights([wave(*w.shape, phase=i) for i, w in enumerate(kept.get_weights())])
    runs = [kept.predict(x, batch_size=2) for _ in range(2)]
    kept.reset_states()
    return {"initial": model.predict([x, wave(2, 4, phase=1.0)]), "first": runs[0],
            "second": runs[1], "reset": kept.predict(x, batch_size=2)}
