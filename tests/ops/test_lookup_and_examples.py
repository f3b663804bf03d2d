"""Lookup tables, string hashes, serialized examples.

The hashes are TensorFlow 2.21's of the same words.
"""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf

WORDS = ["", "a", "hello", "a word", "sixteen letters!", "seventeen letters", "x" * 33,
         "y" * 64, "z" * 65, "w" * 200]
FAST = [377723, 291400, 497363, 366775, 618771, 533856, 302064, 608066, 666247, 460573]
OLD = [598820, 789371, 546981, 111449, 185799, 660858, 632921, 400685, 170797, 607196]
STRONG = [683186, 759715, 855808, 868319, 898077, 871684, 269955, 40637, 173135, 486922]


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def run(fetches, feeds=None):
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run(fetches, feeds)


# ---- hashes -------------------------------------------------------------------------------------


def test_hashes_are_tensorflows():
    buckets = 1000003
    found = run([tf.string_to_hash_bucket_fast(WORDS, buckets),
                 tf.string_to_hash_bucket(WORDS, buckets),
                 tf.string_to_hash_bucket_strong(WORDS, buckets, [3, 12345678901])])
    assert [f.tolist() for f in found] == [FAST, OLD, STRONG]
    assert found[0].dtype == np.int64
    with pytest.raises(ValueError, match="num_buckets must be at least 1"):
        tf.strings.to_hash_bucket_fast(WORDS, 0)
    with pytest.raises(ValueError, match="2 elements"):
        tf.strings.to_hash_bucket_strong(WORDS, 5, [1])


def test_crosses_are_numbered_as_in_tensorflow():
    words, numbers = tf.constant([["a"], ["bc"], ["zz"]]), tf.constant([[1], [2], [30]])
    found = run(tf.sparse.cross_hashed([words, numbers], num_buckets=1000))
    assert found.values.tolist() == [485, 127, 200]
    assert found.indices.tolist() == [[0, 0], [1, 0], [2, 0]]
    with pytest.raises(ValueError, match="inputs must not be empty"):
        tf.sparse.cross_hashed([])


# ---- tables -------------------------------------------------------------------------------------


def test_a_table_of_words():
    entries = tf.contrib.lookup.KeyValueTensorInitializer(
        ["a", "b"], [10, 20], value_dtype=tf.int64)
    table = tf.contrib.lookup.HashTable(entries, -1)
    words = tf.placeholder(tf.string, [None, None])
    found = table.lookup(words)
    assert found.dtype is tf.int64 and found.shape.as_list() == [None, None]
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="Table not initialized"):
            sess.run(found, {words: [["a"]]})
        table.init.run()
        got = sess.run(found, {words: [["a", "x"], ["b", "a"]]})
        np.testing.assert_array_equal(got, [[10, -1], [20, 10]])
        assert sess.run(table.size()) == 2
    sparse = table.lookup(tf.SparseTensor([[0, 1], [2, 0]], ["b", "q"], [3, 2]))
    np.testing.assert_array_equal(run(sparse).values, [20, -1])
    with pytest.raises(TypeError, match="dtype string, but"):
        table.lookup(tf.constant([1]))


def test_words_to_places_and_back():
    table = tf.contrib.lookup.index_table_from_tensor(["emerson", "lake", "palmer"])
    back = tf.contrib.lookup.index_to_string_table_from_tensor(["emerson", "lake", "palmer"])
    ids = table.lookup(tf.constant(["lake", "and", "palmer"]))
    assert run(ids).tolist() == [1, -1, 2]
    assert run(back.lookup(tf.constant([2, 7, 0], tf.int64))).tolist() == [
        b"palmer", b"UNK", b"emerson"]
    numbers = tf.contrib.lookup.index_table_from_tensor([100, 7], dtype=tf.int32)
    assert run(numbers.lookup(tf.constant([7, 8, 100]))).tolist() == [1, -1, 0]


def test_words_outside_the_vocabulary_have_buckets():
    table = tf.contrib.lookup.index_table_from_tensor(["a", "b"], num_oov_buckets=1000003)
    assert run(table.lookup(tf.constant(["b", "hello", "a word"]))).tolist() == [
        1, 497363 + 2, 366775 + 2]
    static = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([0], tf.int64)), 5)
    got = run([static.lookup(tf.constant(["a", "hello"])), static.size()])
    assert got[0][0] == 0 and 1 <= got[0][1] <= 5 and got[1] == 6


def test_tables_from_files(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("emerson\nlake\npalmer\n")
    table = tf.contrib.lookup.index_table_from_file(vocabulary_file=str(path))
    back = tf.contrib.lookup.index_to_string_table_from_file(str(path), vocab_size=2)
    assert run(table.lookup(tf.constant(["palmer", "x"]))).tolist() == [2, -1]
    assert run(back.lookup(tf.constant([1, 2], tf.int64))).tolist() == [b"lake", b"UNK"]
    columns = tmp_path / "columns.csv"
    columns.write_text("a,1.5\nb,2.5\n")
    floats = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
        str(columns), tf.string, 0, tf.float32, 1, delimiter=","), 0.0)
    assert run(floats.lookup(tf.constant(["b"]))).tolist() == [2.5]
    tf.contrib.lookup.index_table_from_file(str(tmp_path / "missing"))
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        run(tf.no_op())


def test_a_key_with_two_values_is_refused():
    tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "a"], [1, 2]), 0)
    with pytest.raises(tf.errors.FailedPreconditionError, match="different value for same key"):
        run(tf.no_op())


def test_a_table_that_changes():
    table = tf.contrib.lookup.MutableHashTable(tf.string, tf.float32, [0.0, 0.0])
    put = table.insert(["a", "b"], [[1.0, 2.0], [3.0, 4.0]])
    out, size, gone = table.lookup(tf.constant(["b", "z"])), table.size(), table.remove(["a", "q"])
    with tf.Session() as sess:
        assert sess.run(size) == 0
        sess.run(put)
        np.testing.assert_array_equal(sess.run(out), [[3, 4], [0, 0]])
        sess.run(gone)
        keys, values = sess.run(table.export())
        assert keys.tolist() == [b"b"] and values.tolist() == [[3.0, 4.0]]
    with pytest.raises(ValueError, match="values must have shape"):
        table.insert(["a"], [1.0])


# ---- examples -----------------------------------------------------------------------------------


def example(**lists):
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList),
             int: ("int64_list", tf.train.Int64List)}
    features = {}
    for name, values in lists.items():
        field, make = kinds[type(values[0])]
        features[name] = tf.train.Feature(**{field: make(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=features))


def test_an_example_comes_back_from_its_bytes():
    made = example(a=[1, -2, 2**62], b=[1.5, -0.25], c=[b"x", b""])
    back = tf.train.Example.FromString(made.SerializeToString())
    assert back == made
    assert back.features.feature["a"].int64_list.value == [1, -2, 2**62]
    assert back.features.feature["c"].WhichOneof("kind") == "bytes_list"
    # Bytes that TensorFlow 2.21 wrote for example(a=[1, -2]).
    written = (b"\n\x16\n\x14\n\x01a\x12\x0f\x1a\r\n\x0b\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
               b"\x01")
    assert example(a=[1, -2]).SerializeToString() == written
    grown = tf.train.Example()
    grown.features.feature["a"].int64_list.value.extend([1, -2])
    assert grown.SerializeToString() == written
    with pytest.raises(TypeError, match="encode"):
        tf.train.BytesList(value=["text"])
    with pytest.raises(TypeError, match="whole numbers"):
        tf.train.Int64List(value=[1.5])
    with pytest.raises(ValueError, match="cut off"):
        tf.train.Example.FromString(written[:-2])


def test_parsing_one_example():
    features = {
        "a": tf.FixedLenFeature([2], tf.int64), "x": tf.FixedLenFeature([], tf.float32, 7.0),
        "w": tf.VarLenFeature(tf.string), "s": tf.FixedLenFeature((), tf.string, default_value="")}
    serialized = tf.placeholder(tf.string, [])
    parsed = tf.parse_single_example(serialized, features)
    assert parsed["a"].shape.as_list() == [2] and parsed["s"].shape.as_list() == []
    with tf.Session() as sess:
        got = sess.run(parsed, {serialized: example(a=[1, 2], w=[b"p", b"q"]).SerializeToString()})
        assert got["a"].tolist() == [1, 2] and got["x"] == 7.0 and got["s"] == b""
        assert got["w"].values.tolist() == [b"p", b"q"]
        assert got["w"].indices.tolist() == [[0], [1]] and got["w"].dense_shape.tolist() == [2]
        for wrong, message in (
                (example(x=[1.0]), "Feature: a .* is required but could not be found"),
                (example(a=[1]), "Key: a.*values size: 1 but output shape"),
                (example(a=[1.5, 2.5]), "holds float, but int64 was asked for")):
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                sess.run(parsed, {serialized: wrong.SerializeToString()})
        with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input"):
            sess.run(parsed, {serialized: b"\xff\xff"})


def test_parsing_a_batch():
    records = [example(v=[1, 2, 3], k=[0, 4], y=[0.5, 1.5]), example(v=[9], k=[2], y=[2.5]),
               example(x=[1])]
    serialized = tf.constant([r.SerializeToString() for r in records])
    parsed = tf.parse_example(serialized, {
        "v": tf.VarLenFeature(tf.int64),
        "seq": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        "sparse": tf.SparseFeature("k", "y", tf.float32, 6)} | {
        "v2": tf.io.VarLenFeature(tf.int64)})
    got = run(parsed)
    assert got["v"].indices.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert got["v"].values.tolist() == [1, 2, 3, 9] and got["v"].dense_shape.tolist() == [3, 3]
    assert got["seq"].shape == (3, 0)
    assert got["sparse"].indices.tolist() == [[0, 0], [0, 4], [1, 2]]
    assert got["sparse"].values.tolist() == [0.5, 1.5, 2.5]
    assert got["sparse"].dense_shape.tolist() == [3, 6]
    rows = run(tf.parse_example(serialized, {
        "v": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True)}))["v"]
    assert rows.tolist() == [[1, 2, 3], [9, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="must be a FixedLenFeature"):
        tf.parse_example(serialized, {"v": tf.int64})
    with pytest.raises(ValueError, match="dtype must be int64, float32 or string, got int32"):
        tf.parse_example(serialized, {"v": tf.VarLenFeature(tf.int32)})


@pytest.mark.parametrize("kind", ["", "GZIP", "ZLIB"])
def test_record_files(tmp_path, kind):
    options = tf.python_io.TFRecordOptions(kind)
    path = str(tmp_path / "records")
    records = [b"", b"one", bytes(1000)]
    with tf.python_io.TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)
    assert list(tf.python_io.tf_record_iterator(path, options)) == records
    dataset = tf.data.TFRecordDataset(path, compression_type=kind)
    value = dataset.make_one_shot_iterator().get_next()
    assert [run(value)] == [b""]
    (tmp_path / "bad").write_bytes(b"\x03" + bytes(30))
    with pytest.raises(tf.errors.DataLossError):
        list(tf.python_io.tf_record_iterator(str(tmp_path / "bad")))
    with tf.python_io.TFRecordWriter(path) as writer, pytest.raises(
            TypeError, match="takes bytes"):
        writer.write("text")


def test_a_sequence_example():
    made = tf.train.SequenceExample()
    made.context.feature["length"].int64_list.value.append(3)
    for k in range(3):
        made.feature_lists.feature_list["x"].feature.add().float_list.value.extend([k, 10.0 * k])
        made.feature_lists.feature_list["w"].feature.add().bytes_list.value.extend([b"q"] * k)
    serialized = made.SerializeToString()
    assert tf.train.SequenceExample.FromString(serialized).SerializeToString() == serialized
    context, lists = tf.parse_single_sequence_example(
        serialized, {"length": tf.FixedLenFeature([], tf.int64)},
        {"x": tf.FixedLenSequenceFeature([2], tf.float32), "w": tf.VarLenFeature(tf.string),
         "none": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True)})
    got = run([context["length"], lists["x"], lists["w"], lists["none"]])
    assert got[0] == 3 and got[3].shape == (0,)
    np.testing.assert_array_equal(got[1], [[0, 0], [1, 10], [2, 20]])
    assert got[2].indices.tolist() == [[1, 0], [2, 0], [2, 1]]
    assert got[2].dense_shape.tolist() == [3, 2]
    _, lists = tf.parse_single_sequence_example(
        serialized, sequence_features={"y": tf.FixedLenSequenceFeature([], tf.int64)})
    with pytest.raises(tf.errors.InvalidArgumentError, match="feature list 'y' is missing"):
        run(lists["y"])


def test_base64():
    words = tf.constant([b"", b"a", b"ab?>", bytes([255, 254])])
    found = run([tf.encode_base64(words), tf.encode_base64(words, pad=True),
                 tf.decode_base64(tf.encode_base64(words))])
    assert found[0].tolist() == [b"", b"YQ", b"YWI_Pg", b"__4"]  # as TensorFlow 2.21
    assert found[1].tolist() == [b"", b"YQ==", b"YWI_Pg==", b"__4="]
    assert found[2].tolist() == [b"", b"a", b"ab?>", b"\xff\xfe"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no base64"):
        run(tf.decode_base64("a*"))
