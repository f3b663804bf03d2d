"""Convolution and pooling of every rank, depthwise forms, morphology, sampled losses, CTC."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, wave


def _with_gradients(tf: ModuleType, make: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """A thunk for [y, ∂(y · a wave) for every array]."""
    def build() -> Any:
        tensors = [tf.constant(a) for a in arrays]
        y = make(*tensors)
        weight = tf.constant(wave(*y.get_shape().as_list(), phase=0.3))
        return [y, *tf.gradients(y * weight, tensors)]

    return build


def _of(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    return [wave(*shape, phase=float(i)) for i, shape in enumerate(shapes)]


@case(rtol=1e-4, atol=1e-5)
def convolutions_of_sequences(tf: ModuleType) -> Any:
    """conv1d, its transpose, and `convolution` by rank."""
    x, f, g = _of([(2, 7, 3), (3, 3, 4), (3, 4, 3)])
    made = {
        f"conv1d_{padding}_{stride}_{rate}": _with_gradients(
            tf, lambda x, f, p=padding, s=stride, d=rate: tf.nn.conv1d(x, f, s, p, dilations=d),
            x, f)
        for padding in ("SAME", "VALID") for stride, rate in ((1, 1), (2, 1), (1, 2))}
    made["transpose_same"] = _with_gradients(
        tf, lambda x, f: tf.nn.conv1d_transpose(x, f, [2, 14, 4], 2, "SAME"), x, g.swapaxes(1, 2))
    made["transpose_valid"] = _with_gradients(
        tf, lambda x, f: tf.nn.conv1d_transpose(x, f, [2, 15, 4], [1, 2, 1], "VALID"), x,
        g.swapaxes(1, 2))
    made["conv_transpose"] = _with_gradients(
        tf, lambda x, f: tf.nn.conv_transpose(x, f, [2, 15, 4], 2, "VALID"), x, g.swapaxes(1, 2))
    made["by_rank_dilated"] = _with_gradients(
        tf, lambda x, f: tf.nn.convolution(x, f, "SAME", dilation_rate=[2]), x, f)
    return evaluated(tf, made)


@case(rtol=1e-4, atol=1e-5)
def convolutions_of_volumes(tf: ModuleType) -> Any:
    """conv3d with strides, its transpose, its gradient ops."""
    x, f = _of([(1, 3, 4, 3, 2), (2, 3, 2, 2, 2)])
    made = {
        f"conv3d_{padding}_{stride}": _with_gradients(
            tf, lambda x, f, p=padding, s=stride: tf.nn.conv3d(x, f, [1, s, 1, s, 1], p), x, f)
        for padding in ("SAME", "VALID") for stride in (1, 2)}
    made["by_rank"] = _with_gradients(
        tf, lambda x, f: tf.nn.convolution(x, f, "SAME", strides=[1, 2, 1]), x, f)
    y, g = _of([(1, 2, 2, 3, 3), (2, 3, 2, 2, 3)])
    made["transpose"] = _with_gradients(
        tf, lambda y, g: tf.nn.conv3d_transpose(y, g, [1, 2, 4, 6, 2], [1, 1, 2, 2, 1], "SAME"),
        y, g)
    made["filter_gradient"] = lambda: tf.nn.conv3d_backprop_filter_v2(
        x, [2, 3, 2, 2, 2], wave(1, 2, 2, 2, 2), [1] * 5, "VALID")
    return evaluated(tf, made)


@case(rtol=1e-4, atol=1e-5)
def depthwise_forms(tf: ModuleType) -> Any:
    """depthwise, separable, atrous; dilated with both paddings."""
    x, f, point, plain, back = _of([
        (2, 5, 4, 3), (3, 2, 3, 2), (1, 1, 6, 2), (2, 2, 3, 2), (2, 2, 2, 3)])
    nn, made = tf.nn, {}
    for p in ("SAME", "VALID"):
        made[f"depthwise_{p}"] = _with_gradients(
            tf, lambda x, f, p=p: nn.depthwise_conv2d(x, f, [1, 2, 2, 1], p), x, f)
        made[f"dilated_{p}"] = _with_gradients(
            tf, lambda x, f, p=p: nn.depthwise_conv2d(x, f, [1] * 4, p, rate=[2, 2]), x, f)
        made[f"separable_{p}"] = _with_gradients(
            tf, lambda x, f, q, p=p: nn.separable_conv2d(x, f, q, [1] * 4, p), x, f, point)
        made[f"atrous_{p}"] = _with_gradients(
            tf, lambda x, f, p=p: nn.atrous_conv2d(x, f, 2, p), x, plain)
    made["native"] = lambda: nn.depthwise_conv2d_native(x, f, [1] * 4, "SAME")
    made["atrous_transpose"] = _with_gradients(
        tf, lambda x, f: nn.atrous_conv2d_transpose(x, f, [2, 5, 4, 2], 2, "SAME"), x, back)
    return evaluated(tf, made)


@case(rtol=1e-4, atol=1e-5)
def pools_of_every_rank(tf: ModuleType) -> Any:
    """Sequences, volumes, `pool`, `max_pool_v2`, argmax."""
    seq, image, volume = _of([(2, 7, 2), (2, 5, 4, 2), (1, 3, 4, 5, 2)])
    nn, made = tf.nn, {}
    for p in ("SAME", "VALID"):
        for kind in ("MAX", "AVG"):
            for label, x, window, strides in (
                    ("1d", seq, [3], [2]), ("2d", image, [2, 3], [1, 2]),
                    ("3d", volume, [2, 2, 2], [1, 2, 2])):
                made[f"pool_{label}_{kind}_{p}"] = _with_gradients(
                    tf, lambda x, w=window, k=kind, p=p, s=strides: nn.pool(x, w, k, p, strides=s),
                    x)
        made[f"max_pool1d_{p}"] = _with_gradients(
            tf, lambda x, p=p: nn.max_pool1d(x, 2, 2, p), seq)
        made[f"avg_pool1d_{p}"] = _with_gradients(
            tf, lambda x, p=p: nn.avg_pool1d(x, [1, 3, 1], [1, 2, 1], p), seq)
        made[f"argmax_{p}"] = lambda p=p: nn.max_pool_with_argmax(
            image, [1, 3, 2, 1], [1, 2, 2, 1], p)
        made[f"argmax_in_batch_{p}"] = lambda p=p: nn.max_pool_with_argmax(
            image, [1, 3, 2, 1], [1, 2, 2, 1], p, include_batch_in_index=True)
    made["dilated"] = _with_gradients(
        tf, lambda x: nn.pool(x, [2, 2], "MAX", "VALID", dilation_rate=[2, 1]), image)
    made["v2"] = lambda: nn.max_pool_v2(volume, [2, 2, 2], 2, "VALID")
    made["avg_v2"] = lambda: nn.avg_pool_v2(seq, 2, 2, "VALID")
    made["3d"] = lambda: nn.max_pool3d(volume, [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], "SAME")
    return evaluated(tf, made)


@case(rtol=1e-4, atol=1e-5)
def morphology_and_normalisation(tf: ModuleType) -> Any:
    """Dilation, erosion, local response, the first batch normalisation, Poisson loss."""
    x, f, v = _of([(1, 5, 4, 7), (2, 3, 7), (7,)])
    nn = tf.nn
    made = {f"{name}_{p}": _with_gradients(
        tf, lambda x, f, g=g, p=p: g(x, f, [1, 2, 1, 1], [1, 1, 2, 1], p), x, f)
        for name, g in (("dilation2d", nn.dilation2d), ("erosion2d", nn.erosion2d))
        for p in ("SAME", "VALID")}
    made["lrn"] = _with_gradients(tf, lambda x: nn.lrn(x, 2, 1.5, 0.5, 0.75), x)
    made["lrn_default"] = _with_gradients(tf, nn.local_response_normalization, x)
    made["global_norm"] = _with_gradients(
        tf, lambda x, m, b, g: nn.batch_norm_with_global_normalization(
            x, m, tf.square(m) + 1.0, b, g, 1e-3, True), x, v, v + 1, v * 2)
    counts = np.array([0.0, 1.0, 2.5, 7.0], np.float32)
    for full in (False, True):
        made[f"poisson_{full}"] = _with_gradients(
            tf, lambda x, full=full: nn.log_poisson_loss(counts, x, full), wave(4))
    return evaluated(tf, made)


@case(rtol=1e-4, atol=1e-5)
def sampled_losses(tf: ModuleType) -> Any:
    """nce and sampled softmax from given candidates, accidental hits."""
    weights, biases, inputs = _of([(20, 4), (20,), (3, 4)])
    labels = np.array([[1, 5], [7, 2], [0, 19]], np.int64)
    sampled = np.array([3, 1, 8, 2], np.int64)
    counts = np.array([[0.5, 0.3], [0.2, 0.4], [0.9, 0.01]], np.float32)
    values = (sampled, counts, np.array([0.4, 0.5, 0.2, 0.45], np.float32))
    made: dict[str, Any] = {}
    losses = {"nce_loss": tf.nn.nce_loss, "sampled_softmax_loss": tf.nn.sampled_softmax_loss}
    for name, loss in losses.items():
        for hits in (True, False):
            made[f"{name}_{hits}"] = _with_gradients(
                tf, lambda w, b, x, f=loss, h=hits: f(
                    w, b, labels, x, 4, 20, 2, values, h), weights, biases, inputs)
    for i in range(3):
        made[f"hits_{i}"] = lambda i=i: tf.nn.compute_accidental_hits(labels, sampled, 2)[i]
    made["all_candidates"] = lambda: list(tf.nn.all_candidate_sampler(labels % 4, 2, 4, True))
    made["uniform_counts"] = lambda: list(tf.nn.uniform_candidate_sampler(
        labels, 2, 4, False, 50))[1:]
    made["too_small"] = lambda: tf.nn.uniform_candidate_sampler(labels, 2, 5, True, 4)
    return evaluated(tf, made)


@case(rtol=1e-4, atol=1e-5)
def ctc_losses(tf: ModuleType) -> Any:
    """Dense labels, blank first and last, lengths 0 to 3; gradients; runs collapsed."""
    x = wave(6, 4, 5) * 2
    labels = np.array([[0, 1, 1], [2, 2, 0], [3, 0, 0], [0, 0, 0]], np.int32)
    lengths = np.array([3, 2, 1, 0], np.int32)
    times = np.array([6, 5, 3, 2], np.int32)
    return evaluated(tf, {
        "last": _with_gradients(tf, lambda x: tf.nn.ctc_loss_v2(
            labels, x, lengths, times, blank_index=-1), x),
        "first": _with_gradients(tf, lambda x: tf.nn.ctc_loss_v2(
            labels + 1, x, lengths, times), x),
        "batch_major": lambda: tf.nn.ctc_loss_v2(
            labels, np.swapaxes(x, 0, 1), lengths, times, False, blank_index=-1),
        "collapsed": lambda: tf.nn.collapse_repeated(labels, lengths),
    })


@case(rtol=1e-4, atol=1e-5)
def ctc_decoders(tf: ModuleType) -> Any:
    """Best path and prefix search; the sparse label form of the loss."""
    x = np.sin(0.31 * np.arange(5 * 3 * 4) ** 2).reshape(5, 3, 4).astype(np.float32) * 3
    times = np.array([5, 4, 3], np.int32)
    made: dict[str, Any] = {}
    for merge in (True, False):
        made[f"greedy_{merge}"] = lambda m=merge: tf.nn.ctc_greedy_decoder(x, times, m)
        made[f"beam_{merge}"] = lambda m=merge: tf.nn.ctc_beam_search_decoder(
            x[:, :2], times[:2], 100, 3, m)
    made["narrow_beam"] = lambda: tf.nn.ctc_beam_search_decoder_v2(x[:, :2], times[:2], 3, 2)
    places = np.array([[0, 0], [0, 1], [1, 0], [2, 0]], np.int64)
    labels = tf.SparseTensor(
        places, np.array([0, 0, 2, 1], np.int32), np.array([3, 2], np.int64))
    for key in ("preprocess_collapse_repeated", "ctc_merge_repeated",
                "ignore_longer_outputs_than_inputs"):
        made[f"loss_{key}"] = _with_gradients(tf, lambda x, k=key: tf.nn.ctc_loss(
            labels, x, times, **{k: k != "ctc_merge_repeated"}), x)
    return evaluated(tf, made)
