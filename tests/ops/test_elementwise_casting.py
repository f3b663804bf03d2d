"""cast, saturate_cast and bitcast."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def test_a_cast_to_the_same_type_is_the_tensor_itself():
    x = gf.constant([1.0])
    assert gf.cast(x, gf.float32) is x
    assert gf.cast(x, "float32") is x


def test_named_casts():
    x = gf.constant([1, 0, 3])
    for name, dtype, op in [
            ("to_float", gf.float32, "ToFloat"), ("to_double", gf.float64, "ToDouble"),
            ("to_int64", gf.int64, "ToInt64"), ("to_bfloat16", gf.bfloat16, "ToBFloat16"),
            ("to_complex64", gf.complex64, "ToComplex64"),
            ("to_complex128", gf.complex128, "ToComplex128")]:
        y = getattr(gf, name)(x)
        assert (y.dtype, y.op.name) == (dtype, op)
    assert gf.to_int32(gf.constant([2.9])).op.name == "ToInt32"


def test_floats_to_integers_truncate_and_saturate():
    x = gf.constant([2.9, -2.9, np.nan, np.inf, -np.inf, 3e9])
    np.testing.assert_array_equal(
        value(gf.cast(x, gf.int32)), [2, -2, 0, 2**31 - 1, -2**31, 2**31 - 1])
    np.testing.assert_array_equal(value(gf.cast([-1.0, 300.0], gf.uint8)), [0, 255])


def test_integers_wrap_and_bools_are_not_zero():
    wide = gf.constant([255, 256, -1])
    np.testing.assert_array_equal(value(gf.cast(wide, gf.int8)), [-1, 0, -1])
    np.testing.assert_array_equal(value(gf.cast([0.0, 0.5, np.nan], gf.bool)), [False, True, True])
    np.testing.assert_array_equal(value(gf.cast([True, False], gf.float32)), [1, 0])


def test_python_values_are_converted_first():
    assert value(gf.cast([1.7, 2.2], gf.int32)).tolist() == [1, 2]


def test_gradients_are_cast_back():
    x = gf.constant([1.0, 2.0])
    gradient, = gf.gradients(gf.cast(x, gf.float64) * 3, x)
    assert gradient.dtype == gf.float32
    np.testing.assert_array_equal(value(gradient), [3, 3])
    assert gf.gradients(gf.cast(gf.cast(x, gf.int32), gf.float32), x) == [None]


def test_complex_parts_are_dropped_and_gradients_real():
    x = gf.constant([1.0, 2.0])
    y = gf.real(gf.cast(x, gf.complex64) * gf.constant(2 + 3j, gf.complex64))
    np.testing.assert_array_equal(value(gf.gradients(y, x)[0]), [2, 2])
    np.testing.assert_array_equal(
        value(gf.cast(gf.constant([1 + 2j], gf.complex64), gf.float32)), [1])


def test_strings_are_not_numbers():
    with pytest.raises(TypeError, match="Cast 'Cast': x must be one of.*got string"):
        gf.cast(["1"], gf.int32)
    with pytest.raises(TypeError, match="gf.as_string"):
        gf.cast([1], gf.string)


def test_a_cast_of_sizes_stays_known():
    x = gf.placeholder(gf.float32, [None, 4])
    size = gf.cast(gf.shape(x), gf.int64)
    assert size.symbolic_value[1] == 4
    assert gf.zeros(gf.cast(size, gf.int32)).shape.as_list() == [None, 4]


def test_a_cast_keeps_indexed_slices():
    slices = gf.IndexedSlices(gf.constant([[1.0]]), gf.constant([0]), gf.constant([2, 1]))
    assert gf.cast(slices, gf.float64).dtype == gf.float64


@pytest.mark.parametrize("source, target, values, expected", [
    ("float32", "uint8", [-3.0, 7.9, 1e5, np.inf], [0, 7, 255, 255]),
    ("int32", "int8", [-1000, 5, 1000], [-128, 5, 127]),
    ("int8", "uint32", [-5, 5], [0, 5]),
    ("uint64", "int64", [2**64 - 1, 3], [2**63 - 1, 3]),
    ("float64", "float16", [1e9, -1e9, 1.5], [65504, -65504, 1.5]),
    ("float32", "int32", [3e9, -3e9], [2**31 - 1, -2**31])])
def test_saturate_cast(source, target, values, expected):
    x = gf.constant(np.array(values, source))
    y = gf.saturate_cast(x, target)
    assert y.dtype.name == target
    np.testing.assert_array_equal(value(y), np.array(expected, target))


def test_saturate_cast_takes_real_numbers():
    with pytest.raises(TypeError, match="expects real numbers, got bool"):
        gf.saturate_cast([True], gf.int32)


def test_bitcast_to_the_same_and_other_sizes():
    x = np.array([[1.0, -2.5], [0.0, np.inf]], np.float32)
    np.testing.assert_array_equal(value(gf.bitcast(x, gf.int32)), x.view(np.int32))
    y = gf.bitcast(x, gf.uint8)
    assert y.shape.as_list() == [2, 2, 4]
    np.testing.assert_array_equal(value(y), x.view(np.uint8).reshape(2, 2, 4))
    back = gf.bitcast(y, gf.float32)
    assert back.shape.as_list() == [2, 2]
    np.testing.assert_array_equal(value(back), x)
    with pytest.raises(ValueError, match=r"last axis must have 4 elements.*\[2, 3\]"):
        gf.bitcast(gf.zeros([2, 3], gf.uint8), gf.float32)
