"""Freezing: slices of a graph, feeds of any tensor, unknown sizes and ranks, guarded variants."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def session():
    with gf.Session() as session:
        yield session


def variants(session) -> list[int]:
    """How many Programs the session has for each set of fetches and feeds."""
    return [len(v) for v in session._variants.values()]


# ---- slices -------------------------------------------------------------------------------------


def test_only_what_the_fetch_needs_runs(session):
    x, unfed = gf.placeholder(gf.float32, []), gf.placeholder(gf.float32, [])
    seen = []
    gf.py_func(lambda: seen.append(1), [], [])
    y, _ = x + 1.0, unfed + x
    assert session.run(y, {x: 1.0}) == 2.0 and not seen


def test_any_tensor_can_be_fed(session):
    x = gf.placeholder(gf.float32, [], name="x")
    h = gf.exp(x)
    y = h * 2.0
    assert session.run(y, {h: 3.0}) == 6.0, "x is not needed"
    assert session.run([h, y], {h: 3.0}) == [3.0, 6.0]
    assert session.run(gf.constant(1.0) + y, {y: 5.0}) == 6.0


def test_a_fed_variable_needs_no_value_and_gets_none(session):
    v = gf.Variable([1.0, 2.0])
    doubled = v * 2.0
    assert session.run(doubled, {v: [5.0, 6.0]}).tolist() == [10.0, 12.0]
    session.run(v.initializer)
    assert session.run(doubled, {v: [5.0, 6.0]}).tolist() == [10.0, 12.0]
    assert session.run(v).tolist() == [1.0, 2.0], "feeding stores nothing"


def test_a_fed_read_and_a_fed_constant(session):
    c = gf.constant([1.0, 2.0])
    v = gf.Variable(3.0)
    read = v.read_value()
    assert session.run(c * read, {c: [10.0, 20.0], read: 2.0}).tolist() == [20.0, 40.0]


def test_one_output_of_several_can_be_fed(session):
    a, b = gf.split(gf.constant([1.0, 2.0]), 2)
    assert session.run(gf.concat([a, b], 0), {b: [9.0]}).tolist() == [1.0, 9.0]


def test_facts_of_a_fed_tensor_are_forgotten(session):
    """The shape that was known from the graph does not outlive a feed of another one."""
    x = gf.placeholder(gf.float32, [None, 4])
    sizes = gf.shape(x)
    y = gf.reshape(x, [sizes[1], sizes[0]])
    assert session.run(y, {x: np.ones((3, 4))}).shape == (4, 3)
    assert session.run(y, {x: np.ones((3, 4)), sizes: [6, 2]}).shape == (2, 6)


# ---- unknown sizes: one Program for all, variants where relations differ ------------------------


def test_one_program_serves_every_batch_size(session):
    x = gf.placeholder(gf.float32, [None, 3])
    y = gf.matmul(x, gf.ones([3, 2]))
    for batch in (1, 7, 0, 1, 100):
        assert session.run(y, {x: np.ones((batch, 3))}).shape == (batch, 2)
    assert variants(session) == [1]


def test_relations_of_sizes_select_a_variant(session):
    x = gf.placeholder(gf.float32, [None, 3])
    z = gf.placeholder(gf.float32, [None, 3])
    both = x + z
    for m, n in [(4, 4), (5, 5), (1, 4), (1, 9), (4, 1), (1, 1), (2, 2)]:
        found = session.run(both, {x: np.full((m, 3), 1.0), z: np.full((n, 3), 2.0)})
        np.testing.assert_array_equal(found, np.full((max(m, n), 3), 3.0))
    assert variants(session)[0] <= 4, "equal, left is one, right is one, both are one"


def test_sizes_that_do_not_fit_are_an_error_with_both_and_the_line(session):
    x = gf.placeholder(gf.float32, [None, 3], name="x")
    z = gf.placeholder(gf.float32, [None, 3], name="z")
    both = gf.add(x, z, name="both")
    session.run(both, {x: np.ones((4, 3)), z: np.ones((4, 3))})
    with pytest.raises(ValueError, match=r"Add 'both'.*x \[4, 3\], y \[5, 3\].*"
                                         r"Built at .*test_freeze\.py:\d+") as caught:
        session.run(both, {x: np.ones((4, 3)), z: np.ones((5, 3))})
    assert isinstance(caught.value, gf.errors.InvalidArgumentError)
    assert caught.value.op is both.op


@pytest.mark.parametrize("rows", [1, 3])
def test_labels_of_another_length_are_an_error_even_if_they_could_be_broadcast(session, rows):
    logits = gf.placeholder(gf.float32, [None, 5])
    labels = gf.placeholder(gf.int32, [None])
    loss = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    right = session.run(loss, {logits: np.zeros((7, 5)), labels: [0] * 7})
    np.testing.assert_allclose(right, np.full(7, np.log(5.0)), rtol=1e-6)
    with pytest.raises(gf.errors.ShapeError, match=r"labels must have the shape \[7\]"):
        session.run(loss, {logits: np.zeros((7, 5)), labels: [0] * rows})
    probabilities = gf.placeholder(gf.float32, [None, 5])
    loss = gf.nn.softmax_cross_entropy_with_logits(labels=probabilities, logits=logits)
    with pytest.raises(gf.errors.ShapeError, match=r"the same shape: logits \[7, 5\]"):
        session.run(loss, {logits: np.zeros((7, 5)), probabilities: np.ones((rows, 5))})


def test_gradients_of_broadcasts_follow_the_variant(session):
    x = gf.placeholder(gf.float32, [None, 3])
    z = gf.placeholder(gf.float32, [None, 3])
    gradient, = gf.gradients(x * z, x)
    z4 = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(session.run(gradient, {x: np.ones((4, 3)), z: z4}), z4)
    np.testing.assert_array_equal(
        session.run(gradient, {x: np.ones((1, 3)), z: z4}), z4.sum(0, keepdims=True))


def test_sizes_computed_from_shapes(session):
    x = gf.placeholder(gf.float32, [None, None, 3])
    sizes = gf.shape(x)
    flat = gf.reshape(x, [sizes[0] * sizes[1], 3])
    back = gf.reshape(flat, [sizes[0], -1, 3])
    value = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    found = session.run([flat, back], {x: value})
    np.testing.assert_array_equal(found[0], value.reshape(20, 3))
    np.testing.assert_array_equal(found[1], value)
    assert flat.shape.as_list() == [None, 3]


# ---- unknown ranks ------------------------------------------------------------------------------


def test_a_placeholder_of_any_rank(session):
    x = gf.placeholder(gf.float32)
    y = gf.reduce_sum(x * 2.0) + gf.cast(gf.rank(x), gf.float32)
    assert session.run(y, {x: 1.0}) == 2.0
    assert session.run(y, {x: [[1.0, 2.0]]}) == 8.0
    gradient, = gf.gradients(y, x)
    assert session.run(gradient, {x: [[1.0, 2.0]]}).tolist() == [[2.0, 2.0]]


def test_a_rank_that_does_not_fit_is_found_when_fed(session):
    x = gf.placeholder(gf.float32, name="x")
    y = gf.matmul(x, gf.ones([3, 2]), name="product")
    assert session.run(y, {x: np.ones((4, 3))}).shape == (4, 2)
    with pytest.raises(ValueError, match=r"MatMul\w* 'product'.*\[4, 5\].*Built at .*test_freeze"):
        session.run(y, {x: np.ones((4, 5))})
    with pytest.raises(ValueError, match=r"MatMul\w* 'product'.*Built at .*test_freeze"):
        session.run(y, {x: np.ones(3)})


def test_what_set_shape_says_is_known_and_checked(session):
    x = gf.py_func(lambda n: np.ones(n, np.float32), [gf.placeholder(gf.int64, [2], name="n")],
                   gf.float32)
    assert x.shape.ndims is None
    x.set_shape([None, 3])
    y = gf.matmul(x, gf.ones([3, 2]))
    assert y.shape.as_list() == [None, 2]
    assert session.run(y, {"n:0": [4, 3]}).shape == (4, 2)
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"\[4, 5\]"):
        session.run(y, {"n:0": [4, 5]})
    with pytest.raises(ValueError, match=r"\[\?, 3\] and \[2, 2\] are incompatible"):
        x.set_shape([2, 2])


# ---- interning across the slice -----------------------------------------------------------------


def test_operations_run_in_creation_order_each_once(session):
    v = gf.Variable(1.0)
    session.run(v.initializer)
    bump = v.assign_add(1.0)
    assert session.run([bump, bump, bump.op, v]) == [2.0, 2.0, None, 2.0]


def test_unfed_placeholders_are_named_with_type_and_line(session):
    x = gf.placeholder(gf.float32, [None, 3], name="images")
    y = x * 2.0
    with pytest.raises(gf.errors.InvalidArgumentError, match=(
            r"Placeholder 'images': needs a value: dtype float32, shape \[images\.0, 3\]\. "
            r"Built at .*test_freeze\.py:\d+\. Pass feed_dict=\{images: value\}")) as caught:
        session.run(y)
    assert caught.value.op is x.op


# ---- what an unknown size of the user means -----------------------------------------------------


def same_shape_object():
    shape = gf.TensorShape([None, 3])
    x, y = gf.placeholder(gf.float32), gf.placeholder(gf.float32)
    x.set_shape(shape)
    y.set_shape(shape)
    return x, y


def defaults_of_one_shape():
    shape = gf.TensorShape([None, 3])
    return [gf.placeholder_with_default(np.ones((2, 3), np.float32), shape) for _ in range(2)]


def shape_of_another():
    x = gf.placeholder(gf.float32, [None, 3])
    return x, gf.placeholder(gf.float32, x.shape)


def set_to_that_of_another():
    x, y = gf.placeholder(gf.float32, [None, 3]), gf.placeholder(gf.float32)
    y.set_shape(x.shape)
    return x, y


def ensured():
    shape = gf.TensorShape([None, 3])
    return [gf.ensure_shape(gf.placeholder(gf.float32), shape) for _ in range(2)]


@pytest.mark.parametrize("make", [
    same_shape_object, defaults_of_one_shape, shape_of_another, set_to_that_of_another, ensured])
def test_none_is_not_the_same_size_each_time(session, make):
    """Two tensors of shape [None, 3] may be broadcast: the gradient sums over the axis."""
    x, y = make()
    gradients = gf.gradients(x * y, [x, y])
    for m, n in [(4, 1), (4, 4), (1, 3)]:
        found = session.run(gradients, {x: np.ones((m, 3)), y: np.ones((n, 3))})
        assert [g.shape for g in found] == [(m, 3), (n, 3)]
