"""Element types: names, conversions of Python values and arrays, the rules between tensors."""

from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.dtypes import can_feed, to_array


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize("value, expected", [
    ("float32", gf.float32), ("half", gf.float16), ("double", gf.float64), ("bool", gf.bool),
    (np.float64, gf.float64), (np.dtype(np.int8), gf.int8), (np.dtype(">f4"), gf.float32),
    (float, gf.float32), (int, gf.int32), (bool, gf.bool), (complex, gf.complex128),
    (str, gf.string), (bytes, gf.string), (np.dtype("S3"), gf.string), ("U", gf.string),
    (gf.bfloat16, gf.bfloat16), (ml_dtypes.bfloat16, gf.bfloat16),
    (np.bool_, gf.bool), (9, gf.int64),
])
def test_what_names_a_type(value, expected):
    assert gf.as_dtype(value) is expected


@pytest.mark.parametrize("value", ["xyz", None, np.dtype("M8[s]"), object(), 999])
def test_what_names_none(value):
    with pytest.raises(TypeError, match="Cannot convert .* to a DType. Known types: bfloat16"):
        gf.as_dtype(value)


def test_a_misspelt_type():
    with pytest.raises(TypeError, match="Did you mean 'float32'"):
        gf.placeholder("flot32")


def test_what_a_type_tells():
    assert gf.float32.is_floating and gf.int8.is_integer and gf.uint8.is_unsigned
    assert gf.complex64.is_complex and gf.complex64.real_dtype is gf.float32
    assert gf.bool.is_bool and not gf.bool.is_integer
    assert (gf.int8.min, gf.int8.max, gf.uint16.limits) == (-128, 127, (0, 65535))
    assert gf.float32.max == np.finfo(np.float32).max
    assert (gf.float16.size, gf.complex128.size, gf.bfloat16.size) == (2, 16, 2)
    assert gf.float32.as_numpy_dtype is np.float32 and gf.float32.base_dtype is gf.float32
    with pytest.raises(TypeError, match="complex64 has no min"):
        gf.complex64.min  # noqa: B018  # the property raises


def test_types_compare_with_their_names():
    assert gf.float32 == "float32" == gf.float32.name and gf.float32 == np.float32
    assert gf.float32 != gf.float64 and gf.float32 != "nonsense" and gf.float32 != None  # noqa: E711
    assert {gf.float32: 1}[gf.as_dtype("float32")] == 1
    assert pickle.loads(pickle.dumps(gf.bfloat16)) is gf.bfloat16


@pytest.mark.parametrize("value, expected", [
    (1, "int32"), (2**31, "int64"), (-2**31, "int32"), (1.5, "float32"), (True, "bool"),
    (1j, "complex128"), ("a", "string"), (b"a", "string"), ([1, 2.5], "float32"),
    ([], "float32"), ([[]], "float32"), (np.float64(1), "float64"), (np.arange(3), "int64"),
    ([np.float64(1), 2], "float32"), ([np.int8(1)], "int8"), ([True, False], "bool"),
    (np.array(["a", "b"]), "string"), (range(3), "int32"), ((1, 2), "int32"),
])
def test_the_type_that_a_constant_gets(value, expected):
    assert gf.constant(value).dtype.name == expected


@pytest.mark.parametrize("value, dtype, expected", [
    (1, gf.float32, 1.0), (1, gf.uint8, 1), ([1, 2], gf.complex64, [1, 2]),
    (np.arange(3), gf.float32, [0, 1, 2]), (np.float64(0.5), gf.float32, 0.5),
    ([], gf.int32, []), (255, gf.uint8, 255), (1.5, gf.bfloat16, 1.5), (2**63, gf.uint64, 2**63),
    (True, gf.float32, 1.0), ([True, False], gf.int64, [1, 0]), (True, gf.complex64, 1),
    (np.array([2.0, -1.0]), gf.int32, [2, -1]), (np.float64(2.0), gf.int32, 2),
    (np.array([0.0, 0.5]), gf.bool, [False, True]), (np.arange(3), gf.bool, [False, True, True]),
])
def test_a_constant_of_a_given_type(value, dtype, expected):
    tensor = gf.constant(value, dtype)
    assert tensor.dtype is dtype
    with gf.Session() as session:
        found = session.run(tensor)
    np.testing.assert_array_equal(found, np.array(expected, dtype.as_numpy_dtype))


@pytest.mark.parametrize("value, dtype, problem", [
    (1.5, gf.int32, "1.5 of type float32 to int32"), (256, gf.uint8, r"outside \[0, 255\]"),
    (-1, gf.uint8, "outside"), ("a", gf.float32, "holds text"), (1, gf.string, "string"),
    (1j, gf.float32, "imaginary"), (1, gf.bool, "not a bool"), (2.0, gf.int32, "is a float"),
    ([1, 2.0], gf.int64, "is a float"), (np.array([1.5]), gf.int32, "has a fraction"),
    (2**40, gf.int32, "outside"), ([[1, 2], [3]], gf.float32, "lengths"),
    ([1, None], gf.float32, "NoneType None"), (None, gf.float32, "None"),
    ({"a": 1}, gf.float32, "dict"),
])
def test_values_that_a_type_cannot_hold(value, dtype, problem):
    with pytest.raises(TypeError, match=problem):
        gf.constant(value, dtype)


def test_numbers_take_the_type_of_the_tensor_beside_them():
    x = gf.placeholder(gf.float16, [2])
    for y in (x + 1, 1 + x, x * 2.5, x / 3, x - [1, 2], np.float16(2) * x, x ** 2):
        assert y.dtype is gf.float16
    assert (gf.constant(7, gf.int64) + 1).dtype is gf.int64


@pytest.mark.parametrize("combine", [
    lambda: gf.constant(1) + gf.constant(1.0),
    lambda: gf.constant(1.0) * gf.constant(1.0, gf.float64),
    lambda: gf.matmul(gf.ones([2, 2]), gf.ones([2, 2], gf.float64)),
    lambda: gf.concat([gf.constant([1]), gf.constant([1.0])], 0),
    lambda: gf.constant(1) + 1.5,
])
def test_tensors_are_never_promoted(combine):
    with pytest.raises((TypeError, ValueError), match=r"gf\.cast"):
        combine()


def test_true_division_of_integers_is_floating():
    assert (gf.constant(3) / gf.constant(2)).dtype is gf.float64
    assert (gf.constant(3) // gf.constant(2)).dtype is gf.int32


def test_which_feeds_are_cast():
    order = [gf.bool, gf.uint8, gf.int32, gf.float32, gf.complex64]
    for i, source in enumerate(order):
        for j, target in enumerate(order):
            simpler = i <= j or (source.is_integer and target.is_integer)
            truth = target.is_bool and not source.is_complex
            assert can_feed(source, target) == (simpler or truth)
    assert not can_feed(gf.string, gf.float32) and not can_feed(gf.float32, gf.string)


def test_converting_changes_neither_the_array_nor_its_type():
    array = np.arange(3.0)
    assert to_array(array) is array
    made = gf.constant(array)
    array[:] = -1
    with gf.Session() as session:
        np.testing.assert_array_equal(session.run(made), [0, 1, 2])


def test_arrays_of_another_byte_order():
    with gf.Session() as session:
        value = session.run(gf.constant(np.array([1, 2], ">i4")) + 1)
    assert value.dtype == np.int32 and value.tolist() == [2, 3]


def test_every_type_is_complete():
    assert {d.name for d in dt.ALL} == {
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "string"}
    for dtype in dt.FIXED_SIZE:
        assert gf.as_dtype(dtype.numpy) is dtype is gf.as_dtype(dtype.as_datatype_enum)
        assert repr(dtype) == f"gf.{dtype.name}" or dtype is gf.bool
