"""Single products and convolutions in TensorFlow 1."""

from __future__ import annotations

from typing import Any

from benchmarks.kernel_shapes import BY_DATA, FORWARD, Convolution, Kernel, Product


def output_of(tf: Any, kernel: Kernel, x: Any, y: Any, bias: Any = None) -> Any:
    """The result of a kernel, from its inputs in order."""
    if isinstance(kernel, Product):
        return tf.matmul(x, y, kernel.transpose_a, kernel.transpose_b)
    settings = {"strides": [1, kernel.stride, kernel.stride, 1], "padding": _padding(kernel)}
    if kernel.direction != FORWARD:
        if kernel.direction == BY_DATA:
            return tf.nn.conv2d_backprop_input(kernel.image_shape, y, x, **settings)
        return tf.nn.conv2d_backprop_filter(x, kernel.kernel_shape, y, **settings)
    convolve = tf.nn.depthwise_conv2d if kernel.depthwise else tf.nn.conv2d
    made = tf.nn.bias_add(convolve(x, y, **settings), bias)
    return {"": tf.identity, "relu": tf.nn.relu, "relu6": tf.nn.relu6}[kernel.activation](made)


def _padding(kernel: Convolution) -> Any:
    """"SAME" where it means as many zeros on each side, as it does for steps of one."""
    if kernel.stride == 1 or kernel.pad == 0:
        return "SAME"
    edge = [kernel.pad, kernel.pad]
    return [[0, 0], edge, edge, [0, 0]]
