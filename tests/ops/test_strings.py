"""Strings: parts, patterns, joining, numbers, decoding."""

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


def texts(fetch, feeds=None):
    return np.asarray(run(fetch, feeds)).tolist()


def test_length_case_and_blanks():
    words = gf.constant(["a é", "  B c "])
    assert texts(gf.strings.length(words)) == [4, 6]
    assert texts(gf.strings.length(words, unit="UTF8_CHAR")) == [3, 6]
    assert texts(gf.strings.upper("aé")) == "Aé".encode()
    assert texts(gf.strings.upper("aé", encoding="utf-8")) == "AÉ".encode()
    assert texts(gf.strings.lower(words)) == ["a é".encode(), b"  b c "]
    assert texts(gf.string_strip(words)) == ["a é".encode(), b"B c"]


def test_parts():
    assert texts(gf.substr(["abcdef", "uvw"], 1, 3)) == [b"bcd", b"vw"]
    assert texts(gf.strings.substr("abc", [0, -1], [1, 9])) == [b"a", b"c"]
    assert texts(gf.substr("aéb", 1, 1, unit="UTF8_CHAR")) == "é".encode()
    with pytest.raises(gf.errors.InvalidArgumentError, match="pos 4 is outside of a string"):
        run(gf.substr("abc", 4, 1))


def test_patterns():
    assert texts(gf.regex_replace("a1b22", "[0-9]+", r"<\0>")) == b"a<1>b<22>"
    assert texts(gf.strings.regex_replace("ab ab", "(a)(b)", r"\2\1", False)) == b"ba ab"
    assert texts(gf.strings.regex_full_match(["ab", "abc"], "a.")) == [True, False]


def test_joining():
    first, second = gf.constant(["a", "b"]), gf.placeholder(gf.string, [None])
    assert texts(gf.string_join([first, second], "/"), {second: ["x", "y"]}) == [b"a/x", b"b/y"]
    assert texts(gf.strings.join(["n", first])) == [b"na", b"nb"]
    table = gf.constant([["a", "b"], ["c", "d"]])
    assert texts(gf.reduce_join(table, 0)) == [b"ac", b"bd"]
    assert texts(gf.reduce_join(table, [0, 1])) == b"acbd"
    assert texts(gf.reduce_join(table, [1, 0], separator=",")) == b"a,b,c,d"
    assert texts(gf.reduce_join(table)) == b"abcd"
    assert texts(gf.reduce_join(table, -1, keep_dims=True)) == [[b"ab"], [b"cd"]]


def test_numbers_as_strings():
    """The texts are TensorFlow's."""
    assert texts(gf.as_string([3.1415926, -2.0])) == [b"3.141593", b"-2.000000"]
    assert texts(gf.as_string(3.1415926, precision=2)) == b"3.14"
    assert texts(gf.as_string(12345.678, scientific=True)) == b"1.234568e+04"
    assert texts(gf.as_string(0.5, shortest=True)) == b"0.5"
    assert texts(gf.as_string([7, -12], width=4, fill="0")) == [b"0007", b"-012"]
    assert texts(gf.strings.as_string([True, False])) == [b"true", b"false"]
    assert texts(gf.as_string(gf.constant(1 - 2j, gf.complex64), precision=1)) == b"(1.0,-2.0)"


def test_strings_as_numbers():
    numbers = run(gf.string_to_number(["1.5", " -2e3"]))
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, [1.5, -2000])
    assert run(gf.strings.to_number("42", gf.int64)) == 42
    for bad, dtype in (("x", gf.float32), ("1.5", gf.int32), ("3000000000", gf.int32)):
        with pytest.raises(gf.errors.InvalidArgumentError, match="is no"):
            run(gf.string_to_number(bad, dtype))


def test_format():
    text = gf.strings.format("x: {}, y: {}", (gf.constant([1, 2]), gf.constant(0.5)))
    assert texts(text) == b"x: [1 2], y: 0.5"
    with pytest.raises(ValueError, match="1 placeholders for 2 inputs"):
        gf.strings.format("{}", [1, 2])


def test_raw_bytes():
    values = np.array([[1, 2, 3], [4, 5, 6]], np.int16)
    packed = [row.tobytes() for row in values]
    np.testing.assert_array_equal(run(gf.decode_raw(packed, gf.int16)), values)
    swapped = run(gf.decode_raw(packed, gf.int16, little_endian=False))
    np.testing.assert_array_equal(swapped, values.byteswap())
    assert run(gf.decode_raw(b"abc", gf.uint8)).tolist() == [97, 98, 99]
    with pytest.raises(gf.errors.InvalidArgumentError, match="whole number of int16"):
        run(gf.decode_raw(b"abc", gf.int16))
    with pytest.raises(gf.errors.InvalidArgumentError, match="one length"):
        run(gf.decode_raw([b"abc", b"ab"], gf.uint8))


def test_comma_separated_values():
    lines = gf.placeholder(gf.string, [None])
    number, word, count = gf.decode_csv(lines, [[0.5], [""], gf.int64])
    assert (number.dtype, word.dtype, count.dtype) == (gf.float32, gf.string, gf.int64)
    found = run([number, word, count], {lines: ['1.5,"a,b",3', ",x,4"]})
    np.testing.assert_array_equal(found[0], [1.5, 0.5])
    assert found[1].tolist() == [b"a,b", b"x"] and found[2].tolist() == [3, 4]
    with pytest.raises(gf.errors.InvalidArgumentError, match="has no default"):
        run(count, {lines: ["1,x,"]})
    with pytest.raises(gf.errors.InvalidArgumentError, match="has 2 fields, expected 3"):
        run(number, {lines: ["1,x"]})
    only = gf.decode_csv(["1;2;3"], [[0], [0]], field_delim=";", select_cols=[0, 2])
    assert texts(only) == [[1], [3]]


def test_splitting():
    lines = gf.placeholder(gf.string, [None])
    parts = gf.string_split(lines)
    indices, values, shape = run(parts, {lines: ["to be  or", "", "not"]})
    assert indices.tolist() == [[0, 0], [0, 1], [0, 2], [2, 0]] and shape.tolist() == [3, 3]
    assert values.tolist() == [b"to", b"be", b"or", b"not"]
    whole = run(gf.strings.split(["a<>b<><>c"], sep="<>"))
    assert whole.values.tolist() == [b"a", b"b", b"", b"c"]
    dense = gf.sparse_tensor_to_dense(gf.string_split(["a,b", "c"], ","), default_value="-")
    assert texts(dense) == [[b"a", b"b"], [b"c", b"-"]]
    with pytest.raises(ValueError, match="there are no ragged tensors"):
        gf.strings.split(["a"], result_type="RaggedTensor")


def test_edit_distances():
    guess = gf.SparseTensor([[0, 0], [0, 1], [0, 2]], list("sit"), [1, 3])
    truth = gf.SparseTensor([[0, 0], [0, 1], [0, 2], [0, 3]], list("sets"), [1, 4])
    assert texts(gf.edit_distance(guess, truth, normalize=False)) == [2]
    assert texts(gf.edit_distance(guess, truth)) == [0.5]
    with pytest.raises(TypeError, match="must be a SparseTensor"):
        gf.edit_distance([1, 2], truth)
