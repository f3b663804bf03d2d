"""Gathers, scatters, one-hot rows and embeddings, against NumPy."""

import numpy as np
import pytest

import graphflow as gf

X = np.arange(24, dtype=np.float64).reshape(2, 3, 4) / 8


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


def run_with_variables(fetch):
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        return session.run(fetch)


# ---- gather -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("indices", [1, [0, 1, 1], [[1, 0], [0, 0]], []])
def test_gather_is_take(axis, indices):
    indices = np.array(indices, np.int32)
    for shape in (X.shape, [None] * 3, None):
        params = gf.placeholder(gf.float64, shape)
        y = gf.gather(params, indices, axis=axis)
        assert y.shape.is_compatible_with(np.take(X, indices, axis).shape)
        np.testing.assert_array_equal(run(y, {params: X}), np.take(X, indices, axis))


def test_gather_within_batches():
    picks = np.array([[2, 0], [1, 1]])
    expected = np.stack([X[b][picks[b]] for b in range(2)])
    np.testing.assert_array_equal(run(gf.gather(X, picks, batch_dims=1)), expected)
    np.testing.assert_array_equal(run(gf.gather(X, picks, batch_dims=-1)), expected)
    np.testing.assert_array_equal(run(gf.batch_gather(X, picks)), expected)
    columns = np.array([[3, 0], [1, 1]])
    np.testing.assert_array_equal(
        run(gf.gather(X, columns, axis=2, batch_dims=1)),
        np.stack([X[b][:, columns[b]] for b in range(2)]))


def test_gather_takes_its_axis_after_the_name():
    """The order of arguments is TensorFlow's: params, indices, validate_indices, name, axis."""
    y = gf.gather(X, [0], None, "picked", 2)
    assert y.name == "picked:0"
    assert y.shape.as_list() == [2, 3, 1]
    assert gf.gather(X, [0]).name == "GatherV2:0"


@pytest.mark.parametrize("indices, place", [([0, 3], r"\[1\] = 3"), ([[0], [-1]], r"\[1,0\] = -1"),
                                            (7, " = 7")])
def test_gather_out_of_range(indices, place):
    y = gf.gather(X, indices, axis=1)
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=rf"indices{place} is not in \[0, 3\).*test_gather_scatter.py"):
        run(y)


def test_sizes_gathered_from_a_shape_are_known():
    x = gf.placeholder(gf.float32, [None, 3, 4])
    assert gf.zeros(gf.gather(gf.shape(x), [2, 1])).shape.as_list() == [4, 3]


def test_gradient_of_rows_is_indexed_slices():
    table = gf.Variable(X[0], name="table")
    ids = gf.constant([[2, 0], [2, 2]])
    rows = gf.gather(table, ids)
    weights = np.arange(16.0).reshape(2, 2, 4)
    (g,) = gf.gradients(gf.reduce_sum(rows * weights), [table])
    assert isinstance(g, gf.IndexedSlices)
    assert g.values.shape.as_list() == [4, 4] and g.indices.shape.as_list() == [4]
    dense = np.zeros((3, 4))
    np.add.at(dense, [[2, 0], [2, 2]], weights)
    values, indices, shape, whole = run_with_variables(
        [g.values, g.indices, g.dense_shape, gf.convert_to_tensor(g)])
    np.testing.assert_array_equal(values, weights.reshape(4, 4))
    np.testing.assert_array_equal(indices, [2, 0, 2, 2])
    np.testing.assert_array_equal(shape, [3, 4])
    np.testing.assert_allclose(whole, dense)


def test_slices_of_several_gathers_are_joined():
    table = gf.Variable(X[0], name="table")
    loss = gf.reduce_sum(gf.gather(table, [0, 1])) + 2 * gf.reduce_sum(gf.gather(table, [1]))
    (g,) = gf.gradients(loss, [table])
    assert isinstance(g, gf.IndexedSlices)
    np.testing.assert_array_equal(run_with_variables(gf.convert_to_tensor(g)),
                                  np.array([[1.0], [3.0], [0.0]]) * np.ones(4))


def test_indexed_slices_stand_for_a_tensor():
    slices = gf.IndexedSlices(gf.constant([[1.0, 2.0], [3.0, 4.0]]), gf.constant([2, 2]),
                              gf.constant([4, 2]))
    assert slices.shape.as_list() == [4, 2]
    assert slices.dtype == gf.float32 and slices.name == slices.values.name
    np.testing.assert_array_equal(run(gf.add(slices, gf.zeros([4, 2]))),
                                  [[0, 0], [0, 0], [4, 6], [0, 0]])
    np.testing.assert_array_equal(run((-slices).values), [[-1, -2], [-3, -4]])
    doubled = slices.map_dense(lambda rows: rows * 2)
    assert doubled.indices is slices.indices
    np.testing.assert_array_equal(run(doubled.values), [[2, 4], [6, 8]])


def test_indexed_slices_without_a_shape_cannot_be_dense():
    slices = gf.IndexedSlices(gf.constant([[1.0]]), gf.constant([0]))
    with pytest.raises(ValueError, match="no dense_shape.*dense_shape=gf.shape"):
        gf.convert_to_tensor(slices)


def test_gather_nd_follows_index_vectors():
    indices = np.array([[[0, 2], [1, 1]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(run(gf.gather_nd(X, indices)),
                                  X[indices[..., 0], indices[..., 1]])
    np.testing.assert_array_equal(run(gf.gather_nd(X, [1, 2, 3])), X[1, 2, 3])
    np.testing.assert_array_equal(run(gf.gather_nd(X, np.zeros((2, 0), np.int32))),
                                  np.stack([X, X]))
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=r"indices\[1\] = \[0, 3\] does not index into params \[2, 3, 4\]"):
        run(gf.gather_nd(X, [[0, 0], [0, 3]]))


def test_gather_nd_within_batches():
    indices = np.array([[[2], [0]], [[1], [1]]], np.int32)
    np.testing.assert_array_equal(run(gf.gather_nd(X, indices, batch_dims=1)),
                                  np.stack([X[b][indices[b, :, 0]] for b in range(2)]))


# ---- scatter ----------------------------------------------------------------------------------


def test_scatter_nd_adds_repeated_places():
    indices, updates = [[2], [0], [2]], np.arange(6, dtype=np.float32).reshape(3, 2)
    expected = np.zeros((4, 2), np.float32)
    np.add.at(expected, [2, 0, 2], updates)
    np.testing.assert_array_equal(run(gf.scatter_nd(indices, updates, [4, 2])), expected)
    shape = gf.placeholder(gf.int32, [2])
    y = gf.scatter_nd(indices, updates, shape)
    assert y.shape.as_list() == [None, None]
    np.testing.assert_array_equal(run(y, {shape: [4, 2]}), expected)
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"indices\[0\] = \[2\]"):
        run(y, {shape: [2, 2]})


def test_tensor_scatters():
    x = np.ones((3, 2), np.float32)
    indices, updates = [[1], [0]], np.array([[5, 6], [7, 8]], np.float32)
    np.testing.assert_array_equal(run(gf.tensor_scatter_nd_update(x, indices, updates)),
                                  [[7, 8], [5, 6], [1, 1]])
    np.testing.assert_array_equal(run(gf.tensor_scatter_nd_add(x, indices, updates)),
                                  [[8, 9], [6, 7], [1, 1]])
    np.testing.assert_array_equal(run(gf.tensor_scatter_nd_sub(x, indices, updates)),
                                  [[-6, -7], [-4, -5], [1, 1]])
    np.testing.assert_array_equal(x, np.ones((3, 2)))


def test_half_precision_sums_are_rounded_once():
    """4096 ones in float16: adding one at a time would stop at 2048."""
    total = gf.unsorted_segment_sum(np.ones(4096, np.float16), np.zeros(4096, np.int32), 1)
    assert run(total).tolist() == [4096]


# ---- segments ---------------------------------------------------------------------------------

ROWS = np.array([[1.0, -2.0], [3.0, 4.0], [5.0, 0.5], [-1.0, 2.0]])
IDS = np.array([2, 0, 2, -1], np.int32)


@pytest.mark.parametrize("function, numpy, empty", [
    (gf.unsorted_segment_sum, np.sum, 0),
    (gf.unsorted_segment_prod, np.prod, 1),
    (gf.unsorted_segment_max, np.max, np.finfo(np.float64).min),
    (gf.unsorted_segment_min, np.min, np.finfo(np.float64).max),
    (gf.unsorted_segment_mean, np.mean, 0),
    (gf.unsorted_segment_sqrt_n,
     lambda x, axis: np.sum(x, axis) / np.sqrt(len(x)), 0),
])
def test_unsorted_segments(function, numpy, empty):
    expected = np.stack([numpy(ROWS[s == IDS], axis=0) if np.any(s == IDS)
                         else np.full(2, empty) for s in range(4)])
    np.testing.assert_allclose(run(function(ROWS, IDS, 4)), expected)
    n = gf.placeholder(gf.int32, [])
    np.testing.assert_allclose(run(function(ROWS, IDS, n), {n: 4}), expected)


def test_segment_id_too_large():
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=r"segment_ids\[0\] = 2 is not less than num_segments 2"):
        run(gf.unsorted_segment_sum(ROWS, IDS, 2))


@pytest.mark.parametrize("function, numpy, empty", [
    (gf.segment_sum, np.sum, 0), (gf.segment_mean, np.mean, 0),
    (gf.segment_max, np.max, 0), (gf.segment_min, np.min, 0),
    (gf.segment_prod, np.prod, 1),
])
def test_sorted_segments(function, numpy, empty):
    ids = np.array([0, 0, 2, 2])
    expected = np.stack([numpy(ROWS[:2], axis=0), np.full(2, empty), numpy(ROWS[2:], axis=0)])
    fed = gf.placeholder(gf.int64, [None])
    np.testing.assert_allclose(run(function(ROWS, fed), {fed: ids}), expected)
    assert function(ROWS, ids).shape.as_list() == [3, 2]
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"must not decrease.*\[2\] = 0"):
        run(function(ROWS, fed), {fed: [0, 1, 0, 2]})


def test_gradients_of_products_with_zeros():
    """d(prod)/dx is the product of the others, also where elements are zero."""
    x = np.array([2.0, 0.0, 3.0, 0.0, 0.0, 5.0])
    ids = [0, 0, 0, 1, 1, 1]
    data = gf.constant(x)
    (g,) = gf.gradients(gf.unsorted_segment_prod(data, ids, 2), [data])
    np.testing.assert_array_equal(run(g), [0, 6, 0, 0, 0, 0])


def test_equal_extrema_share_the_gradient():
    data = gf.constant([1.0, 3.0, 3.0, 2.0])
    (g,) = gf.gradients(gf.unsorted_segment_max(data, [0, 0, 0, 1], 3)[:2], [data])
    np.testing.assert_array_equal(run(g), [0, 0.5, 0.5, 1])


# ---- one_hot ----------------------------------------------------------------------------------


def test_one_hot():
    labels = [0, 2, -1, 3]
    expected = np.eye(3)[[0, 2, 0, 0]] * np.array([[1], [1], [0], [0]])
    y = gf.one_hot(labels, 3)
    assert y.dtype == gf.float32 and y.name == "one_hot:0"
    np.testing.assert_array_equal(run(y), expected)
    np.testing.assert_array_equal(run(gf.one_hot(labels, 3, axis=0)), expected.T)
    np.testing.assert_array_equal(run(gf.one_hot(labels, 3, 5.0, -1.0)), expected * 6 - 1)
    depth = gf.placeholder(gf.int32, [])
    y = gf.one_hot(labels, depth)
    assert y.shape.as_list() == [4, None]
    np.testing.assert_array_equal(run(y, {depth: 3}), expected)


@pytest.mark.parametrize("arguments, dtype", [
    ({}, "float32"), ({"on_value": 1}, "int32"), ({"off_value": True}, "bool"),
    ({"on_value": 1.0, "off_value": 0.0}, "float32"), ({"dtype": "int64"}, "int64"),
    ({"on_value": 2, "dtype": "float64"}, "float64"),
    ({"on_value": np.float64(1)}, "float64"),
])
def test_one_hot_types(arguments, dtype):
    assert gf.one_hot([1], 2, **arguments).dtype.name == dtype


def test_one_hot_type_mismatch():
    with pytest.raises(TypeError, match="on_value is float32, the result int32"):
        gf.one_hot([1], 2, on_value=gf.constant(1.0), dtype=gf.int32)


# ---- embeddings -------------------------------------------------------------------------------

TABLE = np.arange(21, dtype=np.float32).reshape(7, 3)
ids = [[6, 0, 3], [3, 5, 1]]


def shards(strategy, count):
    if strategy == "mod":
        return [TABLE[k::count] for k in range(count)]
    return np.array_split(TABLE, count)


def test_embedding_of_one_table():
    table = gf.Variable(TABLE, name="table")
    y = gf.nn.embedding_lookup(table, ids)
    assert y.shape.as_list() == [2, 3, 3]
    (g,) = gf.gradients(gf.reduce_sum(y), [table])
    assert isinstance(g, gf.IndexedSlices)
    np.testing.assert_array_equal(run_with_variables(y), TABLE[np.array(ids)])


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_embedding_of_a_split_table(strategy, count):
    tables = [gf.Variable(part, name=f"part{k}") for k, part in enumerate(shards(strategy, count))]
    y = gf.nn.embedding_lookup(tables, ids, strategy)
    assert y.shape.as_list() == [2, 3, 3]
    gradients = gf.gradients(gf.reduce_sum(gf.square(y)), tables)
    assert all(isinstance(g, gf.IndexedSlices) for g in gradients)
    rows, *dense = run_with_variables([y, *map(gf.convert_to_tensor, gradients)])
    np.testing.assert_array_equal(rows, TABLE[np.array(ids)])
    whole = np.zeros_like(TABLE)
    np.add.at(whole, np.array(ids), 2 * TABLE[np.array(ids)])
    places = shards(strategy, count)
    for part, place in zip(dense, places):
        np.testing.assert_array_equal(part, whole[place[:, 0].astype(int) // 3])


def test_embedding_rows_are_clipped():
    y = run(gf.nn.embedding_lookup(TABLE, [0, 1, 6], max_norm=10.0))
    norms = np.linalg.norm(TABLE[[0, 1, 6]], axis=1, keepdims=True)
    np.testing.assert_allclose(y, TABLE[[0, 1, 6]] * np.minimum(1, 10 / norms), rtol=1e-6)


def test_embedding_arguments():
    with pytest.raises(ValueError, match="'mod' or 'div', got 'hash'"):
        gf.nn.embedding_lookup(TABLE, ids, "hash")
    with pytest.raises(ValueError, match="at least one table"):
        gf.nn.embedding_lookup([], ids)
