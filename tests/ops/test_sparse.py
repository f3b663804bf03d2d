"""Sparse tensors: feeding and fetching, operators, training through products, mistakes.

What TensorFlow gives is recorded in tests/oracle; here NumPy and SciPy are the measure.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from both_devices import assert_same_error, on_both

import graphflow as tf

PLACES = np.array([[0, 1], [0, 3], [2, 0], [2, 1]])
VALUES = np.array([1.5, -2.0, 0.5, 3.0], np.float32)
DENSE = np.zeros((3, 4), np.float32)
DENSE[tuple(PLACES.T)] = VALUES
VALUE = tf.SparseTensorValue(PLACES, VALUES, np.array([3, 4]))


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def value(fetch, feeds=None):
    """The value, the same compiled and by the reference."""
    native, reference = on_both(tf.get_default_graph(), lambda s: s.run(fetch, feeds or {}))
    for one, other in zip(tf_leaves(native), tf_leaves(reference)):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    return native


def tf_leaves(nest):
    return [nest] if not isinstance(nest, (list, tuple)) else [
        leaf for part in nest for leaf in tf_leaves(part)]


def random_sparse(rows, columns, density=0.2, seed=0):
    matrix = scipy.sparse.random(rows, columns, density, random_state=seed, dtype=np.float32)
    matrix = matrix.tocsr().tocoo()
    return matrix.toarray(), tf.SparseTensorValue(
        np.stack([matrix.row, matrix.col], 1).astype(np.int64), matrix.data,
        np.array(matrix.shape))


# ---- feeding and fetching -----------------------------------------------------------------------


def test_fetching_gives_a_value_also_inside_nests():
    x = tf.SparseTensor(PLACES, VALUES, [3, 4])
    found = value({"a": x, "b": [x.values]}["a"])
    assert isinstance(found, tf.SparseTensorValue)
    assert found.indices.dtype == found.dense_shape.dtype == np.int64
    with tf.Session() as session:
        nest = session.run({"x": x, "y": (x, x.op)})
        np.testing.assert_array_equal(nest["x"].values, VALUES)
        assert nest["y"][1] is None
        np.testing.assert_array_equal(x.eval().indices, PLACES)


def test_a_fetched_value_can_be_fed():
    x = tf.sparse_placeholder(tf.float32)
    doubled = x * 2.0
    with tf.Session() as session:
        once = session.run(doubled, {x: VALUE})
        twice = session.run(doubled, {x: once})
        np.testing.assert_array_equal(twice.values, 4 * VALUES)
        parts = {x.indices: PLACES, x.values: VALUES, x.dense_shape: [3, 4]}
        np.testing.assert_array_equal(session.run(doubled, parts).values, 2 * VALUES)


def test_one_program_serves_batches_of_any_number_of_elements():
    x = tf.sparse_placeholder(tf.float32, [None, None])
    y = tf.sparse_tensor_dense_matmul(x, tf.ones([30, 2]))
    with tf.Session() as session:
        for rows in (1, 7, 40):
            dense, fed = random_sparse(rows, 30, seed=rows)
            np.testing.assert_allclose(session.run(y, {x: fed}), dense @ np.ones((30, 2)),
                                       rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("fed", "match"), [
    ((PLACES, VALUES), "stands for 3 tensors, but got 2 values"),
    ((PLACES, VALUES[:, None], [3, 4]), r"cannot feed a value of shape \[4, 1\]"),
    (DENSE, r"cannot feed ndarray for SparseTensor.*Feed a gf.SparseTensorValue"),
])
def test_wrong_feeds_are_named(fed, match):
    x = tf.sparse_placeholder(tf.float32, name="x")
    with tf.Session() as session, pytest.raises(ValueError, match=match):
        session.run(x, {x: fed})


# ---- products -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.int32])
def test_products_equal_dense_ones(dtype):
    dense, fed = random_sparse(13, 9)
    scale = (1 + 2j) if dtype == np.complex64 else 8
    dense, values = (dense * scale).astype(dtype), (fed.values * scale).astype(dtype)
    b = (np.arange(27).reshape(9, 3) % 5).astype(dtype)
    a = tf.SparseTensor(fed.indices, values, fed.dense_shape)
    np.testing.assert_allclose(value(tf.sparse.matmul(a, b)), dense @ b, rtol=1e-5)
    left = (np.arange(26).reshape(13, 2) % 7).astype(dtype)
    np.testing.assert_allclose(value(tf.sparse.matmul(a, left, adjoint_a=True)),
                               dense.conj().T @ left, rtol=1e-5)


def test_a_graph_convolution_learns(graph):
    """Two layers of ÂHW on two cliques with one link: labels spread from two nodes."""
    n = 12
    links = np.eye(n, dtype=np.float32)
    links[:6, :6] = links[6:, 6:] = 1
    links[5, 6] = links[6, 5] = 1
    degree = 1 / np.sqrt(links.sum(1))
    adjacency = links * degree[:, None] * degree
    places = np.argwhere(adjacency)
    support = tf.sparse_placeholder(tf.float32)
    features = tf.eye(n)
    tf.set_random_seed(1)
    weights = [tf.get_variable(f"w{i}", s) for i, s in enumerate(((n, 8), (8, 2)))]
    hidden = tf.nn.relu(tf.sparse_tensor_dense_matmul(support, tf.matmul(features, weights[0])))
    logits = tf.sparse_tensor_dense_matmul(support, tf.matmul(hidden, weights[1]))
    labels = tf.one_hot([0] * 6 + [1] * 6, 2)
    mask = tf.constant([1.0] + [0.0] * 10 + [1.0])
    loss = tf.reduce_sum(
        mask * tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))
    step = tf.train.AdamOptimizer(0.05).minimize(loss)
    feeds = {support: (places, adjacency[tuple(places.T)], [n, n])}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(60):
            session.run(step, feeds)
        assert session.run(tf.argmax(logits, 1), feeds).tolist() == [0] * 6 + [1] * 6


def test_places_outside_are_errors_in_a_run(graph):
    a = tf.sparse_placeholder(tf.float32)
    y = tf.sparse_tensor_dense_matmul(a, tf.ones([4, 2]))
    for place in ([3, 0], [0, 4], [-1, 0]):
        assert_same_error(graph, y, {a: ([place], [1.0], [3, 4])}, "is outside of [3, 4]")
    assert_same_error(graph, y, {a: (PLACES, VALUES, [3, 5])}, "inner sizes differ")


# ---- dense and sparse ---------------------------------------------------------------------------


def test_there_and_back():
    x = tf.placeholder(tf.float32, [None, None])
    sparse = tf.sparse.from_dense(x)
    np.testing.assert_array_equal(value(tf.sparse.to_dense(sparse), {x: DENSE}), DENSE)
    np.testing.assert_array_equal(value(sparse, {x: DENSE}).indices, np.argwhere(DENSE))
    np.testing.assert_array_equal(value(tf.sparse.to_dense(sparse), {x: 0 * DENSE}), 0 * DENSE)


def test_places_out_of_order_are_errors_unless_they_are_not_checked(graph):
    places = tf.placeholder(tf.int64, [None, 2])
    checked = tf.sparse_to_dense(places, [3, 4], tf.constant([1.0, 2.0]))
    assert_same_error(graph, checked, {places: [[2, 0], [0, 1]]}, "out of order")
    assert_same_error(graph, checked, {places: [[2, 0], [2, 0]]}, "is repeated")
    assert_same_error(graph, checked, {places: [[0, 0], [9, 0]]}, "out of bounds")
    free = tf.sparse_to_dense(places, [3, 4], tf.constant([1.0, 2.0]), validate_indices=False)
    assert value(free, {places: [[2, 0], [0, 1]]})[2, 0] == 1.0


def test_rearranging_equals_scipy():
    dense, fed = random_sparse(8, 6)
    x = tf.SparseTensor(*fed)
    pairs = [
        (tf.sparse.transpose(x), dense.T), (tf.sparse.reshape(x, [4, -1]), dense.reshape(4, 12)),
        (tf.sparse.slice(x, [2, 1], [3, 4]), dense[2:5, 1:5]),
        (tf.sparse.concat(1, [x, x]), np.concatenate([dense, dense], 1)),
        (tf.sparse.add(x, x), 2 * dense), (tf.sparse.expand_dims(x, 1), dense[:, None])]
    for found, wanted in pairs:
        np.testing.assert_allclose(value(tf.sparse.to_dense(found)), wanted)
    for part, wanted in zip(tf.sparse.split(sp_input=x, num_split=4, axis=1),
                            np.split(dense, [2, 4, 5], 1)):
        np.testing.assert_array_equal(value(tf.sparse.to_dense(part)), wanted)
    np.testing.assert_allclose(value(tf.sparse.reduce_sum(x, 0)), dense.sum(0), rtol=1e-6)


def test_softmax_over_the_elements_that_are_there():
    found = value(tf.sparse.softmax(tf.SparseTensor(*VALUE)))
    powers = np.exp(VALUES)
    wanted = powers / np.repeat([powers[:2].sum(), powers[2:].sum()], 2)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-6)


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("build", "match"), [
    (lambda: tf.SparseTensor([1, 2], [1.0, 2.0], [3]), "indices must have rank 2"),
    (lambda: tf.SparseTensor(PLACES, VALUES[:3], [3, 4]), "do not go with values"),
    (lambda: tf.SparseTensor(PLACES, VALUES, [3, 4, 5]), "do not go with dense_shape"),
    (lambda: tf.exp(tf.SparseTensor(*VALUE)), r"Use gf.sparse.to_dense\(x\)"),
    (lambda: tf.sparse.to_dense(DENSE), "must be a SparseTensor"),
    (lambda: tf.sparse.reduce_sum(tf.SparseTensor(*VALUE), 2), r"axis 2 is outside \[-2, 2\)"),
    (lambda: tf.sparse.reduce_sum(tf.sparse_placeholder(tf.float32), 0), "must be known"),
    (lambda: tf.sparse.matmul(tf.SparseTensor(*VALUE), tf.ones([3, 2])),
     r"inner sizes differ: a \[3, 4\], b \[3, 2\]"),
    (lambda: tf.sparse.transpose(tf.SparseTensor(*VALUE), [0, 0]), "is no order of the axes"),
    (lambda: tf.sparse_split(0, tf.SparseTensor(*VALUE), 2), "arguments go by name"),
    (lambda: tf.sparse.retain(tf.SparseTensor(*VALUE), [True]), "one entry for each"),
    (lambda: tf.sparse.softmax(tf.SparseTensor(PLACES, [1, 2, 3, 4], [3, 4])),
     "values must be floats, got int32"),
    (lambda: tf.nn.embedding_lookup_sparse(DENSE, tf.SparseTensor(*VALUE), None,
                                           combiner="max"), "combiner must be one of"),
])
def test_mistakes_are_named(build, match):
    with pytest.raises((ValueError, TypeError), match=match):
        build()


@pytest.mark.parametrize(("function", "numpy_function"), [
    (tf.abs, np.abs), (tf.negative, np.negative), (tf.sign, np.sign), (tf.square, np.square),
    (tf.tanh, np.tanh), (lambda x: tf.cast(x, tf.int32), lambda x: x.astype(np.int32)),
    (lambda x: tf.sqrt(tf.square(x)), np.abs), (tf.identity, lambda x: x),
])
def test_functions_that_keep_zero_take_sparse_tensors(function, numpy_function):
    dense = np.array([[0, -1.5, 0], [2.5, 0, 0]], np.float32)
    sparse = tf.SparseTensor([[0, 1], [1, 0]], tf.constant([-1.5, 2.5]), [2, 3])
    with tf.Session() as session:
        found = session.run(tf.sparse.to_dense(function(sparse)))
    np.testing.assert_allclose(found, numpy_function(dense), rtol=1e-6)
