"""Sparse tensors: products, reductions, rearranging, lookup, feeds and fetches."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, shape_of, wave

PLACES = [[0, 1], [0, 3], [2, 0], [2, 1]]
VALUES = [1.5, -2.0, 0.5, 3.0]


def matrix(tf: ModuleType, scale: float = 1.0) -> Any:
    return tf.SparseTensor(PLACES, tf.constant(VALUES) * scale, [3, 4])


def other(tf: ModuleType) -> Any:
    return tf.SparseTensor([[0, 1], [1, 2], [2, 1]], [-1.5, 4.0, 1.0], [3, 4])


def cube(tf: ModuleType) -> Any:
    return tf.SparseTensor([[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 1]], [1.0, -2.0, 3.0, -4.0],
                           [2, 2, 2])


def parts(value: Any) -> list[Any]:
    """A SparseTensor as a list of tensors."""
    return [value.indices, value.values, value.dense_shape]


@case()
def products(tf: ModuleType) -> Any:
    """sparse_tensor_dense_matmul with its flags, and gradients of both sides."""
    b, left = tf.constant(wave(4, 2)), tf.constant(wave(3, 2))

    def slopes(y: Any, xs: list[Any]) -> list[Any]:
        return [tf.convert_to_tensor(g) for g in tf.gradients(tf.reduce_sum(y * y), xs)]

    def both(dense: Any, **flags: Any) -> list[Any]:
        a = matrix(tf)
        y = tf.sparse_tensor_dense_matmul(a, dense, **flags)
        return [y, *slopes(y, [a.values, dense])]

    return evaluated(tf, {
        "plain": lambda: both(b), "adjoint_a": lambda: both(left, adjoint_a=True),
        "adjoint_b": lambda: both(tf.transpose(b), adjoint_b=True),
        "both": lambda: both(tf.transpose(left), adjoint_a=True, adjoint_b=True),
        "dense sparse": lambda: tf.sparse.matmul(tf.transpose(left), matrix(tf)),
        "inner": lambda: tf.sparse_tensor_dense_matmul(matrix(tf), left),
        "dense": lambda: tf.sparse_matmul(left, b, transpose_b=True, a_is_sparse=True)})


@case()
def reductions(tf: ModuleType) -> Any:
    """Sums and maxima over axes, dense and sparse; softmax and its gradient."""
    x, c = matrix(tf), cube(tf)
    weights = tf.constant([1.0, -1.0, 2.0, 0.5])
    soft = tf.sparse.softmax(x)
    return evaluated(tf, {
        **{f"{axis} {keep}": lambda a=axis, k=keep: [
            tf.sparse_reduce_sum(x, a, keepdims=k), tf.sparse_reduce_max(x, a, keepdims=k),
            *parts(tf.sparse.reduce_sum_sparse(x, axis=a, keepdims=k)),
            *parts(tf.sparse.reduce_max_sparse(x, axis=a, keepdims=k))]
           for axis in (None, 0, 1, [-1], [0, 1]) for keep in (False, True)},
        "cube": lambda: [tf.sparse.reduce_sum(c, [0, 2]), tf.sparse.reduce_max(c, 1),
                         *parts(tf.sparse.reduce_sum_sparse(c, [1]))],
        "old names": lambda: tf.sparse_reduce_sum(x, reduction_axes=1, keep_dims=True),
        "slope": lambda: tf.gradients(tf.sparse_reduce_sum(x, 1)[0] ** 2.0, x.values)[0],
        "softmax": lambda: [*parts(soft), *parts(tf.sparse.softmax(c)), tf.gradients(
            tf.reduce_sum(soft.values * weights), x.values)[0]]})


@case()
def elements(tf: ModuleType) -> Any:
    """Sums, maxima and minima of two; retaining, filling, resetting the shape."""
    a, b = matrix(tf), other(tf)
    dense = tf.constant(wave(3, 4))
    filled, empty = tf.sparse_fill_empty_rows(a, 7.0)
    total = tf.sparse.add(a, b)
    return evaluated(tf, {
        "add": lambda: parts(total), "threshold": lambda: parts(tf.sparse_add(a, b, 0.25)),
        "slope": lambda: tf.gradients(tf.reduce_sum(total.values ** 2.0), [a.values, b.values]),
        "dense": lambda: [tf.sparse.add(a, dense), tf.sparse_add(dense, a)],
        "maximum": lambda: parts(tf.sparse.maximum(a, b)),
        "minimum": lambda: parts(tf.sparse_minimum(a, b)),
        "retain": lambda: parts(tf.sparse_retain(a, [True, False, False, True])),
        "fill": lambda: [*parts(filled), empty],
        "reset": lambda: parts(tf.sparse_reset_shape(a)),
        "reset to": lambda: parts(tf.sparse.reset_shape(a, [5, 4])),
        "reset too small": lambda: parts(tf.sparse.reset_shape(a, [2, 4])),
        "times": lambda: [*parts(a * dense), *parts(a / tf.constant([1.0, 2.0, 3.0, 4.0]))],
        "mask": lambda: tf.sparse_mask(tf.IndexedSlices(
            tf.constant([[1.0], [2.0], [3.0]]), tf.constant([4, 2, 9])), [2]).values})


@case()
def arrays(tf: ModuleType) -> Any:
    """Order, transpose, reshape, slice, concat, split, merge, expand_dims."""
    a, b, c = matrix(tf), other(tf), cube(tf)
    mixed = tf.SparseTensor(PLACES[::-1], VALUES, [3, 4])
    wider = tf.SparseTensor([[3, 0]], [9.0], [4, 2])
    ids = tf.SparseTensor(PLACES, tf.constant([3, 0, 2, 2], tf.int64), [3, 4])
    return evaluated(tf, {
        "reorder": lambda: parts(tf.sparse_reorder(mixed)),
        "reorder slope": lambda: tf.gradients(
            tf.reduce_sum(tf.sparse.reorder(mixed).values * VALUES), mixed.values)[0],
        "transpose": lambda: [*parts(tf.sparse.transpose(a)),
                              *parts(tf.sparse.transpose(c, [2, 0, 1]))],
        "reshape": lambda: [*parts(tf.sparse_reshape(a, [2, -1])),
                            *parts(tf.sparse.reshape(c, [8]))],
        "reshape wrong": lambda: parts(tf.sparse_reshape(a, [5, 2])),
        "slice": lambda: [*parts(tf.sparse.slice(a, [0, 1], [2, 2])),
                          *parts(tf.sparse.slice(a, [1, 0], [9, 9]))],
        "concat": lambda: [*parts(tf.sparse.concat(0, [a, b])),
                           *parts(tf.sparse_concat(-1, [a, b, a]))],
        "concat wrong": lambda: parts(tf.sparse_concat(1, [a, wider])),
        "concat expand": lambda: parts(tf.sparse_concat(
            1, [a, wider], expand_nonconcat_dim=True)),
        "split": lambda: [t for s in tf.sparse.split(sp_input=a, num_split=3, axis=1)
                          for t in parts(s)],
        "expand": lambda: [*parts(tf.sparse.expand_dims(a)),
                           *parts(tf.sparse.expand_dims(a, 0))],
        "merge": lambda: [*parts(tf.sparse.merge(ids, a, 5)),
                          *parts(tf.sparse_merge([ids, ids], a, [5, 6]))]})


@case()
def dense(tf: ModuleType) -> Any:
    """To dense with defaults and checks, from dense, indicator, eye."""
    a = matrix(tf)
    x = tf.constant([[0.0, 2.0], [3.0, 0.0]])
    sparse = tf.sparse.from_dense(x)
    ids = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], tf.constant([1, 0, 2]), [2, 2])
    return evaluated(tf, {
        "to": lambda: [tf.sparse.to_dense(a), tf.sparse_tensor_to_dense(a, -1.0)],
        "slope": lambda: tf.gradients(tf.reduce_sum(tf.sparse.to_dense(a) ** 2.0), a.values)[0],
        "text": lambda: tf.sparse.to_dense(tf.SparseTensor([[1]], ["a"], [3])),
        "bool": lambda: tf.sparse.to_dense(tf.SparseTensor([[1]], [True], [3])),
        "vector": lambda: tf.sparse_to_dense([1, 3], [5], 2.0),
        "scalar": lambda: tf.sparse_to_dense(2, [4], 1, -1),
        "order": lambda: tf.sparse_to_dense([3, 1], [5], [1, 2]),
        "repeated": lambda: tf.sparse_to_dense([1, 1], [5], [1, 2]),
        "unchecked": lambda: tf.sparse_to_dense([3, 1], [5], [1, 2], validate_indices=False),
        "outside": lambda: tf.sparse_to_dense([1, 7], [5], [1, 2]),
        "from": lambda: parts(sparse),
        "from slope": lambda: tf.gradients(tf.reduce_sum(sparse.values ** 2.0), x)[0],
        "indicator": lambda: tf.sparse_to_indicator(ids, 4),
        "eye": lambda: [*parts(tf.sparse.eye(2)), *parts(tf.sparse.eye(3, 2, tf.int32))]})


@case()
def lookup(tf: ModuleType) -> Any:
    """embedding_lookup_sparse and its safe form: combiners, weights, empty rows, gradients."""
    table = tf.constant(wave(5, 3))
    ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0], [2, 0], [2, 1]],
                          tf.constant([1, 3, 0, 3, 3], tf.int64), [3, 2])
    weights = tf.SparseTensor(ids.indices, [0.5, 2.0, 1.0, 0.25, 3.0], [3, 2])
    bad = tf.SparseTensor([[0, 0], [2, 0], [2, 1]], tf.constant([2, -1, 4], tf.int64), [4, 2])
    bad_weights = tf.SparseTensor(bad.indices, [1.0, 2.0, -1.0], [4, 2])

    def found(**arguments: Any) -> list[Any]:
        plain = tf.nn.embedding_lookup_sparse(table, ids, None, **arguments)
        weighted = tf.nn.embedding_lookup_sparse(table, ids, weights, **arguments)
        slopes = tf.gradients(tf.reduce_sum(weighted ** 2.0), [table, weights.values])
        return [plain, weighted, *(tf.convert_to_tensor(g) for g in slopes)]

    return evaluated(tf, {
        **{name: lambda n=name: found(combiner=n) for name in ("mean", "sqrtn", "sum")},
        "norm": lambda: tf.nn.embedding_lookup_sparse(table, ids, weights, max_norm=0.5),
        "tables": lambda: tf.nn.embedding_lookup_sparse(
            [table[:3], table[3:]], ids, None, "div", combiner="sum"),
        "safe": lambda: [tf.nn.safe_embedding_lookup_sparse([table], bad),
                         tf.nn.safe_embedding_lookup_sparse([table], bad, default_id=3),
                         tf.nn.safe_embedding_lookup_sparse([table], bad, bad_weights),
                         tf.nn.safe_embedding_lookup_sparse([table], bad, bad_weights, "sum")]})


@case()
def placeholders(tf: ModuleType) -> Any:
    """What may be fed for a SparseTensor, static shapes, names, and fetched values."""
    value = tf.SparseTensorValue(np.array(PLACES), np.array(VALUES, np.float32),
                                 np.array([3, 4]))
    x, any_ = tf.sparse_placeholder(tf.float32, [None, 4], "x"), tf.sparse_placeholder(tf.float32)
    fixed = tf.sparse_placeholder(tf.float32, [3, 4])
    with tf.Session() as session:
        runs = [
            list(session.run(p, {p: fed})) for p in (x, any_, fixed)
            for fed in (value, tuple(value), (PLACES, VALUES, [3, 4]))]
        total = session.run(tf.sparse_reduce_sum(fixed), {fixed: value})
        kind = type(session.run(x, {x: value})).__name__
        evaluated_value = list(x.eval({x: value}, session))
    constant = tf.SparseTensor.from_value(value)
    return {
        "runs": runs, "total": total, "kind": kind, "eval": evaluated_value,
        "names": [x.values.name, x.indices.name, x.dense_shape.name],
        "shapes": [shape_of(p) for p in (any_, fixed, constant)],
        "parts": [shape_of(t) for p in (x, any_, fixed) for t in (p.indices, p.values)],
        "dtype": constant.dtype.name}
