"""Blocks, patches, bands, rolled, reversed and repeated elements, counts; with gradients."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from programs.registry import case, evaluated, wave


def _with_gradient(tf: ModuleType, x: Any, y: Any) -> list[Any]:
    """y, and the gradient in x of a weighted sum of it."""
    weights = tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)) % 7 + 1, y.dtype)
    return [y, tf.convert_to_tensor(tf.gradients(tf.reduce_sum(weights * y), x)[0])]


def _all(tf: ModuleType, x: Any, functions: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    return evaluated(tf, {k: lambda f=f: _with_gradient(tf, x, f(x))
                          for k, f in functions.items()})


@case()
def blocks(tf: ModuleType) -> Any:
    """space_to_depth and back, space_to_batch and back, paddings that fit."""
    deep, wide = tf.constant(wave(1, 2, 3, 8)), tf.constant(wave(2, 4, 6, 1))
    many = tf.constant(wave(8, 2, 2, 1))
    found = _all(tf, deep, {"depth to space": lambda x: tf.nn.depth_to_space(x, 2)})
    found |= _all(tf, wide, {
        "space to depth": lambda x: tf.space_to_depth(x, 2),
        "to batch": lambda x: tf.space_to_batch(x, [[0, 0], [1, 1]], 2),
        "to batch nd": lambda x: tf.space_to_batch_nd(x, [3, 2], [[1, 1], [2, 0]])})
    found |= _all(tf, many, {
        "to space": lambda x: tf.batch_to_space(x, [[0, 1], [1, 0]], 2),
        "to space nd": lambda x: tf.batch_to_space_nd(x, [4, 2], [[2, 0], [0, 1]])})
    return found | evaluated(tf, {
        "paddings": lambda: tf.required_space_to_batch_paddings([5, 7], [2, 3]),
        "more paddings": lambda: tf.required_space_to_batch_paddings(
            [5, 7], [2, 3], [[1, 0], [2, 1]]),
        "not divisible": lambda: tf.space_to_depth(wide, 5)})


@case()
def patches(tf: ModuleType) -> Any:
    """extract_image_patches with strides, rates and both paddings; volumes."""
    image, volume = tf.constant(wave(2, 7, 6, 2)), tf.constant(wave(1, 4, 5, 4, 2))
    windows = {"plain": ((3, 3), (5, 5), (1, 1)), "overlapping": ((2, 3), (2, 1), (2, 1)),
               "spread": ((3, 2), (1, 2), (1, 3))}
    found = _all(tf, image, {
        f"{name} {padding}": lambda x, p=padding, k=k, s=s, r=r: tf.extract_image_patches(
            x, [1, *k, 1], [1, *s, 1], [1, *r, 1], p)
        for name, (k, s, r) in windows.items() for padding in ("VALID", "SAME")})
    return found | evaluated(tf, {
        f"volume {padding}": lambda p=padding: tf.extract_volume_patches(
            volume, [1, 2, 3, 2, 1], [1, 2, 1, 1, 1], p) for padding in ("VALID", "SAME")})


@case()
def bands(tf: ModuleType) -> Any:
    """matrix_diag, its part and replacement in several alignments; band_part; tensor diagonals."""
    x, row = tf.constant(wave(2, 3, 4)), tf.constant(wave(3))
    bands = (0, 2, -1, (-1, 2), (0, 3), (-2, -1))
    aligned = [(k, a) for k in bands for a in ("LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT")]
    found = _all(tf, x, {
        f"part {k} {a}": lambda x, k=k, a=a: tf.matrix_diag_part(x, k=k, align=a, padding_value=9)
        for k, a in aligned})
    found |= _all(tf, x, {
        f"set {k} {a}": lambda x, k=k, a=a: tf.matrix_set_diag(
            x, 2 * tf.matrix_diag_part(x, k=k, align=a), k=k, align=a) for k, a in aligned})
    found |= _all(tf, x, {f"band {m} {n}": lambda x, m=m, n=n: tf.linalg.band_part(x, m, n)
                          for m, n in ((0, -1), (-1, 0), (1, 1), (0, 0), (-1, -1))})
    found |= _all(tf, row, {f"diag {k} {size}": lambda d, k=k, size=size: tf.matrix_diag(
        d, k=k, num_rows=size[0], num_cols=size[1], padding_value=5)
        for k in (0, 2, -1) for size in ((-1, -1), (5, -1), (-1, 6), (3, 3), (4, 4))})
    return found | evaluated(tf, {
        "diag": lambda: tf.diag([[1.0, 2.0], [3.0, 4.0]]),
        "diag part": lambda: tf.diag_part(tf.reshape(tf.range(36), [2, 3, 2, 3])),
        "no band": lambda: tf.matrix_diag_part(x, k=4), "flat": lambda: tf.matrix_diag(1.0)})


@case()
def moves(tf: ModuleType) -> Any:
    """roll, reverse_sequence, repeat, by numbers and by tensors."""
    x = tf.constant(wave(3, 4))
    fed = tf.placeholder_with_default
    return _all(tf, x, {
        "roll": lambda x: tf.roll(x, 1, 0), "rolls": lambda x: tf.roll(x, [1, -2], [0, 1]),
        "roll twice": lambda x: tf.roll(x, [2, -3], [1, 1]),
        "roll fed": lambda x: tf.roll(x, fed([5], [1]), [-1]),
        "reverse": lambda x: tf.reverse_sequence(x, [2, 4, 0], seq_axis=1),
        "reverse columns": lambda x: tf.reverse_sequence(x, [3, 1, 2, 0], 0, 1),
        "reverse by old names": lambda x: tf.reverse_sequence(x, [2, 4, 0], seq_dim=1,
                                                              batch_dim=0),
        "too long": lambda x: tf.reverse_sequence(x, [2, 5, 0], seq_axis=1),
        "repeat": lambda x: tf.repeat(x, 2), "repeat rows": lambda x: tf.repeat(x, [1, 0, 2], 0),
        "repeat fed": lambda x: tf.repeat(x, fed([1, 0, 2, 1], [None]), axis=1),
        "repeat by a fed number": lambda x: tf.repeat(x, fed(2, []), axis=-1),
        "repeat wrongly": lambda x: tf.repeat(x, [1, 2], 0)})


@case()
def counts(tf: ModuleType) -> Any:
    """bincount, histograms, confusion matrices, masks, positions, permutations."""
    values = tf.constant(wave(5, 7, phase=0.4) * 3)
    return evaluated(tf, {
        "bincount": lambda: tf.bincount([1, 1, 2, 5]),
        "weights": lambda: tf.bincount([1, 1, 2, 5], weights=[0.5, 1.0, 2.0, 3.0]),
        "minlength": lambda: tf.bincount([1, 1, 2], minlength=5),
        "maxlength": lambda: tf.bincount([1, 1, 2, 7], maxlength=3),
        "dtype": lambda: tf.bincount([[1, 1], [2, 0]], dtype=tf.float32),
        "negative": lambda: tf.bincount([1, -1]),
        "histogram": lambda: tf.histogram_fixed_width(values, [-2.0, 2.0], nbins=8),
        "wide histogram": lambda: tf.histogram_fixed_width([1, 2, 3, 9], [0, 5], 5, tf.int64),
        "bins": lambda: tf.histogram_fixed_width_bins(values, [-2.0, 2.0], nbins=8),
        "confusion": lambda: tf.confusion_matrix([1, 2, 4], [2, 2, 4]),
        "classes": lambda: tf.confusion_matrix([1, 2, 4], [2, 2, 4], num_classes=6),
        "weighted": lambda: tf.confusion_matrix(
            [[1], [2]], [2, 2], dtype=tf.float32, weights=[0.5, 2.0]),
        "too few classes": lambda: tf.confusion_matrix([1, 2, 4], [2, 2, 4], num_classes=3),
        "mask": lambda: tf.sequence_mask([1, 3, 2], 5),
        "masks": lambda: tf.sequence_mask([[1, 3], [2, 0]], dtype=tf.float32),
        "scalar mask": lambda: tf.sequence_mask(tf.constant(2, tf.int64), tf.constant(3)),
        "unravel": lambda: tf.unravel_index([22, 41, 7], [7, 6]),
        "unravel one": lambda: tf.unravel_index(57, [3, 4, 5]),
        "unravel beyond": lambda: tf.unravel_index([60], [3, 4, 5]),
        "permutation": lambda: tf.invert_permutation([3, 4, 0, 2, 1]),
        "no permutation": lambda: tf.invert_permutation([0, 0, 1])})


@case()
def sparse_segments(tf: ModuleType) -> Any:
    """sparse_segment_sum, mean and sqrt_n, with and without a number of segments."""
    x = tf.constant(wave(3, 4))
    functions = {name: getattr(tf, f"sparse_segment_{name}") for name in ("sum", "mean", "sqrt_n")}
    found = _all(tf, x, {name: lambda x, f=f: f(x, [2, 0, 1], [0, 0, 1])
                         for name, f in functions.items()})
    return found | _all(tf, x, {f"{name} gaps": lambda x, f=f: f(x, [2, 0, 2], [1, 1, 3])
                                for name, f in functions.items()}) | evaluated(tf, {
        f"{name} of 4": lambda f=f: f(x, [0, 2], [0, 2], num_segments=4)
        for name, f in functions.items()})


@case()
def scattered_extrema(tf: ModuleType) -> Any:
    """tensor_scatter_nd_max and min: values and shared gradients."""
    x, u = tf.constant([1.0, 2.0, 3.0]), tf.constant([5.0, 2.0, 2.0, 0.0])

    def both(f: Callable[..., Any]) -> list[Any]:
        y = f(x, [[0], [1], [1], [2]], u)
        return [y, *tf.gradients(y * [1.0, 2.0, 3.0], [x, u])]

    return evaluated(tf, {"max": lambda: both(tf.tensor_scatter_nd_max),
                          "min": lambda: both(tf.tensor_scatter_nd_min)})
