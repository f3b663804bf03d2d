"""What programs ask of tensors and sizes while they build a graph."""

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def test_tensors_and_others():
    x = gf.constant([1.0, 2.0])
    assert gf.is_tensor(x) and gf.is_tensor(gf.Variable(1.0))
    assert gf.is_tensor(gf.IndexedSlices(x, gf.constant([0, 1])))
    assert not any(map(gf.is_tensor, (3, [1, 2], np.zeros(2), "text", None)))


def test_static_values():
    np.testing.assert_array_equal(gf.get_static_value(gf.constant([[1.5, 2.0]])), [[1.5, 2.0]])
    x = gf.placeholder(gf.float32, [None, 3])
    assert gf.get_static_value(x) is None and gf.get_static_value(gf.Variable(1.0)) is None
    assert gf.get_static_value(gf.shape(x)[1]) == 3
    assert gf.get_static_value(gf.shape(x)) is None
    assert gf.get_static_value(gf.shape(x), partial=True).tolist() == [None, 3]


def test_sizes():
    assert gf.dimension_value(gf.Dimension(3)) == 3 == gf.dimension_value(3)
    assert gf.dimension_value(gf.Dimension(None)) is None
    assert gf.dimension_at_index(gf.TensorShape([2, 5]), 1) == 5
    assert gf.dimension_at_index(gf.TensorShape(None), 1).value is None


def test_slices_stay_slices():
    slices = gf.IndexedSlices(gf.constant([1.0]), gf.constant([0]))
    assert gf.convert_to_tensor_or_indexed_slices(slices) is slices
    assert gf.convert_to_tensor_or_indexed_slices([1, 2], gf.float64).dtype == gf.float64


def test_a_guaranteed_constant_has_no_gradient():
    x = gf.constant(2.0)
    y = gf.guarantee_const(x)
    assert y.name == "GuaranteeConst:0" and gf.gradients(y * x, x)[0] is not None
    with gf.Session() as session:
        assert session.run(gf.gradients(y * x, x)[0]) == 2.0
