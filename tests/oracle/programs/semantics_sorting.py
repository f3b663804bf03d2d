"""Sorting, searching, sets of elements, and results whose size depends on values."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, shape_of, wave

TIES = np.array([[3, 1, 3, 0, 1], [2, 2, 2, 5, -7]], np.int32)


@case()
def sorted_values(tf: ModuleType) -> Any:
    """sort and argsort: axes, directions, ties, element types, gradients, mistakes."""
    x, ties = tf.constant(wave(2, 4, 3)), tf.constant(TIES)

    def slope(**arguments: Any) -> Any:
        y = tf.sort(x, **arguments)
        weights = tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)), tf.float32)
        return tf.gradients(tf.reduce_sum(y * y * weights), x)[0]

    turns = ("ASCENDING", "DESCENDING")
    return evaluated(tf, {
        **{f"{axis} {turn}": lambda a=axis, t=turn: [tf.sort(x, a, t), tf.argsort(x, a, t),
                                                     slope(axis=a, direction=t)]
           for axis in (0, 1, -1, -2) for turn in turns},
        **{f"ties {turn}": lambda t=turn: [tf.sort(ties, direction=t),
                                           tf.argsort(ties, direction=t, stable=True)]
           for turn in turns},
        "types": lambda: [tf.sort(tf.cast(ties, t)) for t in (
            tf.int8, tf.int16, tf.int64, tf.float16, tf.float64)],
        "unsigned": lambda: [tf.sort(tf.constant(np.array([3, 250, 0], t))) for t in (
            np.uint8, np.uint16, np.uint32, np.uint64)],
        "ends": lambda: tf.sort([3, -5, 2**31 - 1, -2**31]),
        "infinities": lambda: tf.argsort([1.0, np.inf, -np.inf, -2.0]),
        "empty": lambda: tf.sort(tf.zeros([0, 3])), "scalar": lambda: tf.sort(5),
        "axis": lambda: tf.sort([3, 1], axis=1), "direction": lambda: tf.sort([1], -1, "UP")})


@case()
def searched(tf: ModuleType) -> Any:
    """searchsorted: sides, result types, several rows, nothing to search in, mistakes."""
    row, values = tf.constant([1, 3, 3, 5]), tf.constant([0, 1, 3, 4, 5, 9])
    rows, wanted = tf.constant([[1, 3, 5], [2, 4, 6]]), tf.constant([[3, 9], [4, 1]])
    found = evaluated(tf, {
        **{f"{side} {out}": lambda s=side, o=out: [tf.searchsorted(row, values, s, getattr(tf, o)),
                                                   tf.searchsorted(rows, wanted, s)]
           for side in ("left", "right") for out in ("int32", "int64")},
        "cube": lambda: tf.searchsorted(
            tf.reshape(rows, [2, 1, 3]), tf.reshape(wanted, [2, 1, 2])),
        "empty row": lambda: tf.searchsorted(tf.zeros([0]), [1.0]),
        "no values": lambda: tf.searchsorted([1.0], tf.zeros([0])),
        "side": lambda: tf.searchsorted(row, values, "middle"),
        "scalar": lambda: tf.searchsorted(row, 2)})
    return found | {"shape": shape_of(tf.searchsorted(rows, wanted))}


@case()
def sets(tf: ModuleType) -> Any:
    """unique, unique_with_counts, setdiff1d: order, repetitions, zeros, NaN, text, mistakes."""
    x = tf.constant([7, 1, 7, 0, 1, 7])
    special = tf.constant([1, np.nan, -0.0, 0.0, np.nan, 3, 1, -np.inf, np.inf], tf.float32)
    text = tf.constant(["b", "a", "b", ""])
    found = evaluated(tf, {
        **{name: lambda v=v: [*tf.unique(v), *tf.unique_with_counts(v, tf.int64)]
           for name, v in (("integers", x), ("special", special), ("empty", x[:0]),
                           ("bools", tf.constant([True, False, True])))},
        "text": lambda: list(tf.unique(text)),
        "difference": lambda: [*tf.setdiff1d(x, [1, 4, 1]), *tf.setdiff1d(x, x)],
        "difference special": lambda: list(tf.setdiff1d(special, [0.0, np.nan, 1.0])),
        "difference text": lambda: list(tf.setdiff1d(text, ["a"], tf.int64)),
        "matrix": lambda: tf.unique([[1]]).y, "difference matrix": lambda: tf.setdiff1d(
            [[1]], [1]).out})
    return found | {"names": [t.op.name for t in (
        tf.unique(x).y, tf.unique_with_counts(x).y, tf.setdiff1d(x, x).out)]}


@case()
def sized_by_values(tf: ModuleType) -> Any:
    """where, boolean_mask and unique in the middle of a computation, with its gradient."""
    x, ids = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.int32, [None])
    places = tf.where(x > 0)
    kept = tf.boolean_mask(x, tf.reduce_sum(x, 1) > 0)
    y, number, count = tf.unique_with_counts(ids)
    means = tf.unsorted_segment_sum(x, number, tf.size(y)) / tf.cast(count, tf.float32)[:, None]
    loss = tf.reduce_sum(kept * kept) + tf.reduce_sum(means * means * means)
    fetches = [places, kept, means, loss, tf.gradients(loss, x)[0],
               tf.where([[0.0, 2.0], [np.nan, -0.0]])]
    with tf.Session() as sess:
        return [sess.run(fetches, {x: wave(len(v), 3, phase=p), ids: v})
                for v, p in (([5, 3, 5, 5], 0.0), ([1], 1.0), ([2, 2, 9, 0, 1, 9], 2.0))]
