"""`TensorShape`, as TensorFlow 1 programs use it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.shapes import broadcast_shapes

SHAPES = st.lists(st.integers(0, 3), max_size=4)


def test_reading_a_shape():
    shape = gf.TensorShape([None, 28, 28])
    assert (shape.ndims, shape.rank, len(shape)) == (3, 3, 3)
    assert shape.as_list() == [None, 28, 28]
    assert [d.value for d in shape] == [None, 28, 28] == [d.value for d in shape.dims]
    assert shape[1].value == 28 and shape[-1] == 28
    assert shape[1:] == gf.TensorShape([28, 28]) and shape[1:].num_elements() == 784
    assert not shape.is_fully_defined() and shape.num_elements() is None


def test_a_shape_of_unknown_rank():
    shape = gf.TensorShape(None)
    assert shape.ndims is None and shape.dims is None and not shape
    assert shape[0].value is None and shape[1:].ndims is None
    for use in (len, list, gf.TensorShape.as_list):
        with pytest.raises(ValueError, match="rank"):
            use(shape)


def test_scalars():
    shape = gf.TensorShape([])
    assert shape and shape.num_elements() == 1 and shape.is_fully_defined()
    assert shape == gf.TensorShape(()) == gf.constant(1.0).shape


def test_what_makes_a_shape():
    for dims in ([2, 3], (2, 3), np.array([2, 3]), gf.TensorShape([2, 3]),
                 [gf.Dimension(2), np.int64(3)]):
        assert gf.TensorShape(dims).as_list() == [2, 3]
    assert gf.TensorShape(5).as_list() == [5]
    assert gf.TensorShape([2, 3]) == [2, 3] and gf.TensorShape([2, 3]) != [2, 4]


@pytest.mark.parametrize("bad, problem", [
    ([-1, 3], "negative.*a size that is not known is None"),
    ("ab", "sequence of sizes, got 'ab'"),
    ([2, "x"], "must be an int, None or a Dimension, got 'x'"),
    (2.5, "sequence of sizes, got 2.5"),
])
def test_what_does_not(bad, problem):
    with pytest.raises(ValueError, match=problem):
        gf.TensorShape(bad)


def test_compatible_shapes():
    shape = gf.TensorShape([None, 3])
    for other in ([2, 3], [None, None], None):
        assert shape.is_compatible_with(other)
    for other in ([2, 4], [3], [1, 2, 3]):
        assert not shape.is_compatible_with(other)
        with pytest.raises(ValueError, match=r"\[\?, 3\] and \[.*\] are incompatible"):
            shape.assert_is_compatible_with(other)


def test_merging_keeps_the_better_known():
    merged = gf.TensorShape([None, 3, None]).merge_with([2, None, None])
    assert merged.as_list() == [2, 3, None]
    assert gf.TensorShape(None).merge_with([2]).as_list() == [2]
    assert gf.TensorShape([2]).merge_with(None).as_list() == [2]
    with pytest.raises(ValueError, match=r"\[2\] and \[3\]"):
        gf.TensorShape([2]).merge_with([3])


def test_concatenating():
    assert gf.TensorShape([None]).concatenate([3, 4]).as_list() == [None, 3, 4]
    assert gf.TensorShape([2]).concatenate(None).ndims is None


def test_ranks():
    shape = gf.TensorShape([2, 3])
    assert shape.with_rank(2) is shape.with_rank_at_least(1) is shape.with_rank_at_most(2)
    assert gf.TensorShape(None).with_rank(2).as_list() == [None, None]
    shape.assert_has_rank(2)
    shape.assert_same_rank([None, None])
    for wrong in (lambda: shape.with_rank(3), lambda: shape.with_rank_at_least(3),
                  lambda: shape.with_rank_at_most(1), lambda: shape.assert_has_rank(1),
                  lambda: shape.assert_same_rank([1])):
        with pytest.raises(ValueError, match=r"\[2, 3\].*rank"):
            wrong()
    with pytest.raises(ValueError, match="not fully defined"):
        gf.TensorShape([None]).assert_is_fully_defined()


def test_the_most_specific_compatible_shape():
    both = gf.TensorShape([2, 3]).most_specific_compatible_shape([2, 4])
    assert both.as_list() == [2, None]
    assert gf.TensorShape([2]).most_specific_compatible_shape([2, 3]).ndims is None


@given(SHAPES, SHAPES)
def test_broadcasting_is_numpys(a, b):
    try:
        expected = list(np.broadcast_shapes(tuple(a), tuple(b)))
    except ValueError:
        expected = None
    merged = broadcast_shapes(gf.TensorShape(a), gf.TensorShape(b))
    assert (merged if merged is None else merged.as_list()) == expected


def test_texts():
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 3], name="x")
    assert str(x.shape) == "[x.0, 3]"
    assert repr(gf.TensorShape([2, 3])) == "TensorShape([2, 3])"
    assert str(gf.TensorShape(None)) == "<unknown>"


def test_shapes_are_keys_and_are_pickled():
    for shape in (gf.TensorShape([2, 3]), gf.TensorShape(None), gf.TensorShape([None, 2])):
        assert pickle.loads(pickle.dumps(shape)) == shape
        assert {shape: 1}[shape] == 1
