"""Strings: parts, patterns, joining, numbers, decoding."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from programs.registry import case, evaluated


def _parts(sparse: Any) -> list[Any]:
    return [sparse.indices, sparse.values, sparse.dense_shape]


@case()
def texts(tf: ModuleType) -> Any:
    """Parts, case, blanks, patterns, joining, formats."""
    table = tf.constant([["a", "b"], ["c", "d"]])
    return evaluated(tf, {
        "substr": lambda: tf.substr(["abcdef", "uvw"], 1, 3),
        "from the end": lambda: tf.substr("abc", [0, -1], [1, 9]),
        "at the end": lambda: tf.substr("abc", 3, 1), "beyond": lambda: tf.substr("abc", 4, 1),
        "length": lambda: tf.strings.length(["ab c", ""]),
        "upper": lambda: tf.strings.upper("a b"), "lower": lambda: tf.strings.lower("A b"),
        "strip": lambda: tf.string_strip([" a ", "\tb\n"]),
        "replace": lambda: tf.regex_replace("a1b22", "([a-z])([0-9]+)", r"\2\1"),
        "replace first": lambda: tf.regex_replace("a1b22", "[0-9]+", r"<\0>", False),
        "full match": lambda: tf.strings.regex_full_match(["ab", "abc"], "a."),
        "join": lambda: tf.string_join(["a", ["b", "c"]], "-"),
        "join all": lambda: tf.reduce_join(table, separator="-"),
        "join rows": lambda: tf.reduce_join(table, 1, keep_dims=True),
        "join 0, 1": lambda: tf.reduce_join(table, [0, 1]),
        "join 1, 0": lambda: tf.reduce_join(table, [1, 0]),
        "format": lambda: tf.strings.format(
            "x: {}, y: {}", (tf.constant([1, 2]), tf.constant(0.5))),
        "format long": lambda: tf.strings.format("{}", tf.range(10))})


@case()
def numbers(tf: ModuleType) -> Any:
    """as_string, string_to_number, decode_raw, decode_csv."""
    return evaluated(tf, {
        "floats": lambda: tf.as_string([3.1415926, -2.0]),
        "precision": lambda: tf.as_string(3.1415926, precision=2),
        "scientific": lambda: tf.as_string(12345.678, scientific=True),
        "shortest": lambda: tf.as_string([0.5, 1e10, 1e-7], shortest=True),
        "width": lambda: tf.as_string([7, -12], width=4, fill="0"),
        "blanks behind": lambda: tf.as_string([7.5], width=9, precision=2, fill="-"),
        "bools": lambda: tf.as_string([True, False]),
        "complex": lambda: tf.as_string(tf.constant(1 - 2j, tf.complex64), precision=1),
        "to float": lambda: tf.string_to_number(["1.5", " -2e3", "inf"]),
        "to int": lambda: tf.string_to_number("12", tf.int32),
        "no number": lambda: tf.string_to_number("x"),
        "raw": lambda: tf.decode_raw(["abcd", "efgh"], tf.int16),
        "raw big": lambda: tf.decode_raw(["abcd"], tf.int16, little_endian=False),
        "raw odd": lambda: tf.decode_raw(["abc"], tf.int16),
        "csv": lambda: tf.decode_csv(['1.5,"a,b",3', ",x,4"], [[0.5], [""], [1]]),
        "csv columns": lambda: tf.decode_csv(["1;2;3"], [[0], [0]], field_delim=";",
                                             select_cols=[0, 2]),
        "csv short": lambda: tf.decode_csv(["1,2"], [[0], [0], [0]])})


@case()
def splits(tf: ModuleType) -> Any:
    """string_split by characters, strings.split by whole separators."""
    texts = ["a b  c", "", " d"]
    return evaluated(tf, {
        "blanks": lambda: _parts(tf.string_split(texts)),
        "with empty parts": lambda: _parts(tf.string_split(texts, " ", skip_empty=False)),
        "two characters": lambda: _parts(tf.string_split(["a,b;c", ";"], delimiter=",;")),
        "bytes": lambda: _parts(tf.string_split(["abc", "d"], "")),
        "white space": lambda: _parts(tf.strings.split(texts)),
        "whole": lambda: _parts(tf.strings.split(["a<>b<><>c", "<>"], sep="<>")),
        "at most": lambda: _parts(tf.strings.split(["a b c d"], sep=" ", maxsplit=2)),
        "whole of nothing": lambda: _parts(tf.strings.split(["", "a"], sep=",")),
        "matrix": lambda: _parts(tf.string_split([["a"]]))})


@case()
def edit_distances(tf: ModuleType) -> Any:
    """edit_distance, as it is and by the length of the truth, with empty sequences."""
    guess = tf.SparseTensor([[0, 0], [0, 1], [0, 2], [2, 0]], [1, 2, 2, 3], [4, 3])
    truth = tf.SparseTensor([[0, 0], [0, 1], [1, 0], [3, 0]], [1, 3, 4, 5], [4, 2])
    deep = tf.SparseTensor([[0, 1, 0], [1, 0, 0]], ["a", "b"], [2, 2, 1])
    other = tf.SparseTensor([[0, 1, 0], [0, 1, 1]], ["b", "a"], [2, 2, 2])
    return evaluated(tf, {
        "normalized": lambda: tf.edit_distance(guess, truth),
        "whole": lambda: tf.edit_distance(guess, truth, normalize=False),
        "deep": lambda: tf.edit_distance(deep, other),
        "name": lambda: tf.constant(tf.edit_distance(guess, truth).op.name),
        "types": lambda: tf.edit_distance(guess, deep)})
