"""Input pipelines: `tf.data.Dataset` and its iterators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf


@pytest.fixture(autouse=True)
def graph() -> Any:
    with tf.Graph().as_default() as graph:
        yield graph


def elements(dataset: Any, session: Any = None) -> list[Any]:
    """All elements, by a one-shot iterator."""
    following = dataset.make_one_shot_iterator().get_next()
    found = []
    with session or tf.Session() as sess:
        while True:
            try:
                found.append(sess.run(following))
            except tf.errors.OutOfRangeError:
                return found


def test_slices_of_nests_keep_their_structure_and_types():
    dataset = tf.data.Dataset.from_tensor_slices(
        ({"a": [1.5, 2.5], "b": np.arange(4).reshape(2, 2)}, ["x", "y"]))
    assert dataset.output_types == ({"a": tf.float32, "b": tf.int64}, tf.string)
    assert dataset.output_shapes[0]["b"].as_list() == [2]
    (first, label), (second, _) = elements(dataset)
    assert first["a"] == 1.5 and label == b"x"
    np.testing.assert_array_equal(second["b"], [2, 3])


def test_batches_repeat_take_skip_concatenate_and_shard():
    numbers = tf.data.Dataset.range(5)
    assert [list(b) for b in elements(numbers.batch(2))] == [[0, 1], [2, 3], [4]]
    assert [list(b) for b in elements(numbers.batch(2, drop_remainder=True))] == [[0, 1], [2, 3]]
    assert elements(numbers.repeat(2)) == [*range(5), *range(5)]
    assert elements(numbers.repeat().take(7)) == [0, 1, 2, 3, 4, 0, 1]
    assert elements(numbers.skip(3).concatenate(tf.data.Dataset.range(2))) == [3, 4, 0, 1]
    assert elements(numbers.shard(2, 1)) == [1, 3]
    assert elements(numbers.cache().repeat(2).prefetch(1)) == [*range(5), *range(5)]


def test_map_and_filter_run_operations():
    dataset = tf.data.Dataset.range(6).map(lambda i: (tf.square(i), tf.cast(i, tf.float32) / 2))
    dataset = dataset.filter(lambda square, half: tf.equal(square % 2, 0))
    assert elements(dataset) == [(0, 0.0), (4, 1.0), (16, 2.0)]


def test_shuffle_is_a_permutation_that_seeds_fix():
    dataset = tf.data.Dataset.range(20).shuffle(8, seed=3)
    first, second = elements(dataset.repeat(2)), elements(dataset.repeat(2))
    assert first == second
    assert sorted(first[:20]) == list(range(20)) and first[:20] != list(range(20))
    assert first[:20] != first[20:]
    assert first.index(19) > 10  # only eight are held at a time
    same = elements(tf.data.Dataset.range(20).shuffle(
        20, seed=3, reshuffle_each_iteration=False).repeat(2))
    assert same[:20] == same[20:]


def test_each_session_begins_a_one_shot_iterator():
    following = tf.data.Dataset.range(3).make_one_shot_iterator().get_next()
    for _ in range(2):
        with tf.Session() as sess:
            assert [sess.run(following) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
                sess.run(following)


def test_placeholders_are_read_when_the_iterator_is_initialised():
    data, size = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.int64, [])
    iterator = tf.data.Dataset.from_tensor_slices(data).batch(size).make_initializable_iterator()
    doubled = iterator.get_next() * 2.0
    assert doubled.shape.as_list() == [None, 2]
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="not been initialized"):
            sess.run(doubled)
        for rows in (3, 2):
            sess.run(iterator.initializer, {data: np.ones((4, 2)), size: rows})
            np.testing.assert_array_equal(sess.run(doubled), np.full((rows, 2), 2.0))
    with pytest.raises(tf.errors.GraphError, match="make_initializable_iterator"):
        tf.data.Dataset.from_tensor_slices(data).make_one_shot_iterator()


def test_one_iterator_for_training_and_validation():
    training, validation = tf.data.Dataset.range(3), tf.data.Dataset.range(10, 12)
    iterator = tf.data.Iterator.from_structure(training.output_types, training.output_shapes)
    following = iterator.get_next()
    begin_training = iterator.make_initializer(training)
    begin_validation = iterator.make_initializer(validation)
    with tf.Session() as sess:
        sess.run(begin_training)
        assert [sess.run(following) for _ in range(2)] == [0, 1]
        sess.run(begin_validation)
        assert sess.run(following) == 10
    with pytest.raises(tf.errors.DTypeError, match="expected output types"):
        iterator.make_initializer(tf.data.Dataset.from_tensors([1.5]))


def test_generators_and_padded_batches():
    dataset = tf.data.Dataset.from_generator(
        lambda: ([i] * i for i in range(1, 4)), tf.int32, tf.TensorShape([None]))
    batches = elements(dataset.padded_batch(2, [None], padding_values=-1))
    np.testing.assert_array_equal(batches[0], [[1, -1], [2, 2]])
    np.testing.assert_array_equal(batches[1], [[3, 3, 3]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="different shapes"):
        elements_or_raise(dataset.batch(2))


def elements_or_raise(dataset: Any) -> Any:
    following = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        return sess.run(following)


def test_zip_ends_with_the_shortest():
    dataset = tf.data.Dataset.zip((tf.data.Dataset.range(3), tf.data.Dataset.range(7, 9)))
    assert elements(dataset) == [(0, 7), (1, 8)]
    assert elements(dataset.enumerate())[1] == (1, (1, 8))


def test_lines_and_records_of_files(tmp_path: Path):
    lines = tmp_path / "a.txt"
    lines.write_text("one\ntwo\n")
    assert elements(tf.data.TextLineDataset([str(lines)])) == [b"one", b"two"]
    (tmp_path / "b.bin").write_bytes(b"h" + bytes(range(6)))
    records = tf.data.FixedLengthRecordDataset(str(tmp_path / "b.bin"), 3, header_bytes=1)
    decoded = elements(records.map(lambda r: tf.decode_raw(r, tf.uint8)))
    np.testing.assert_array_equal(decoded, [[0, 1, 2], [3, 4, 5]])
    missing = tf.data.TextLineDataset(str(tmp_path / "none"))
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        elements_or_raise(missing)


def test_mistakes_are_told():
    with pytest.raises(tf.errors.ShapeError, match="first sizes differ"):
        tf.data.Dataset.from_tensor_slices((np.zeros(3), np.zeros(4)))
    with pytest.raises(tf.errors.ShapeError, match="from_tensors"):
        tf.data.Dataset.from_tensor_slices(1.0)


# ---- datasets of datasets -----------------------------------------------------------------------


def _all_elements(dataset):
    element, found = dataset.make_one_shot_iterator().get_next(), []
    with tf.Session() as sess:
        try:
            while True:
                found.append(sess.run(element))
        except tf.errors.OutOfRangeError:
            return found


def test_interleaving_takes_the_order_of_tensorflow():
    with tf.Graph().as_default():
        numbers = tf.data.Dataset.range(1, 6)
        # The example of TensorFlow's documentation of interleave.
        mixed = numbers.interleave(
            lambda x: tf.data.Dataset.from_tensors(x).repeat(6), cycle_length=2, block_length=4)
        assert [int(x) for x in _all_elements(mixed)] == [
            1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 3, 3, 4, 4, 5, 5, 5, 5,
            5, 5]
        flat = numbers.flat_map(lambda x: tf.data.Dataset.from_tensor_slices([x, 10 * x]))
        assert [int(x) for x in _all_elements(flat)] == [1, 10, 2, 20, 3, 30, 4, 40, 5, 50]


def test_files_of_records_are_interleaved(tmp_path):
    for name in "ab":
        with tf.python_io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
            for k in range(3):
                writer.write(f"{name}{k}".encode())
    with tf.Graph().as_default():
        files = tf.data.Dataset.list_files(str(tmp_path / "*.tfrecord"), shuffle=False)
        records = files.interleave(tf.data.TFRecordDataset, cycle_length=2)
        assert _all_elements(records) == [b"a0", b"b0", b"a1", b"b1", b"a2", b"b2"]
        parallel = files.apply(tf.data.experimental.parallel_interleave(
            lambda name: tf.data.TFRecordDataset(name), cycle_length=1))
        assert _all_elements(parallel) == [b"a0", b"a1", b"a2", b"b0", b"b1", b"b2"]
        missing = tf.data.Dataset.list_files(str(tmp_path / "*.missing"))
        with tf.Session() as sess, pytest.raises(
                tf.errors.InvalidArgumentError, match="No files matched"):
            sess.run(missing.make_one_shot_iterator().get_next())


def test_experimental_transformations():
    experimental = tf.data.experimental
    with tf.Graph().as_default():
        numbers = tf.data.Dataset.range(5).prefetch(experimental.AUTOTUNE)
        batches = numbers.apply(experimental.map_and_batch(lambda x: x * 2, 2))
        assert [b.tolist() for b in _all_elements(batches)] == [[0, 2], [4, 6], [8]]
        assert [int(x) for x in _all_elements(batches.unbatch())] == [0, 2, 4, 6, 8]
        twice = numbers.apply(experimental.shuffle_and_repeat(10, 2, seed=1))
        assert sorted(map(int, _all_elements(twice))) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        lengths = tf.data.Dataset.range(1, 7).map(lambda n: tf.range(n))
        buckets = lengths.apply(experimental.bucket_by_sequence_length(
            lambda x: tf.shape(x)[0], [3, 5], [2, 2, 2]))
        assert [b.tolist() for b in _all_elements(buckets)] == [
            [[0, 0], [0, 1]], [[0, 1, 2, 0], [0, 1, 2, 3]],
            [[0, 1, 2, 3, 4, 0], [0, 1, 2, 3, 4, 5]]]
