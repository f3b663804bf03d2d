"""Feature columns: the same numbers and names of variables as TensorFlow 2.21's `feature_column`.

`PLACES`, `VALUES` and `NAMES` are what it gave for the columns of `columns()`.
"""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf

fc = tf.feature_column

PLACES = [[0, 0], [0, 1], [0, 50], [0, 68], [0, 121], [0, 155], [0, 156], [0, 157], [0, 158], [0,
    159],
    [0, 164], [0, 201], [0, 213], [0, 222], [0, 224], [0, 229], [0, 230], [0, 231], [0, 235],
    [1, 0], [1, 3], [1, 54], [1, 192], [1, 205], [1, 219], [1, 225], [1, 229], [1, 230], [1,
    232], [1, 235], [2, 0], [2, 4], [2, 54], [2, 75], [2, 155], [2, 156], [2, 157], [2, 158],
    [2, 164], [2, 184], [2, 185], [2, 220], [2, 227], [2, 229], [2, 230], [2, 233], [2, 236]]
VALUES = [2.0, 1.0, 1.0, 1.0, 1.0, 10.0, 11.0, 12.0, 13.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0,
    1.0,
    1.0, 3.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 4.0, 1.0, 1.0, 6.0, 1.0, 1.0, 1.0, 20.0, 21.0,
    22.0, 23.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 6.0, 1.0, 1.0]
NAMES = ['input_layer/job_embedding/embedding_weights:0', 'linear_model/age/weights:0',
    'linear_model/age_bucketized/weights:0', 'linear_model/age_bucketized_X_word/weights:0',
    'linear_model/job/weights:0', 'linear_model/word/weights:0', 'linear_model/bias_weights:0']


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def features():
    return {
        "age": tf.constant([[20.0], [35.0], [60.0]]),
        "xy": tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "word": tf.constant([["a"], ["b"], ["zz"]]),
        "job": tf.SparseTensor([[0, 0], [0, 1], [2, 0]], ["doc", "nurse", "doc"], [3, 2]),
        "num": tf.constant([[3], [0], [1]], tf.int64)}


def columns():
    age = fc.numeric_column("age", normalizer_fn=lambda x: x / 10.0)
    xy = fc.numeric_column("xy", shape=[2])
    ages = fc.bucketized_column(fc.numeric_column("age"), [25, 35, 50])
    places = fc.bucketized_column(xy, [2.0, 4.5])
    word = fc.categorical_column_with_vocabulary_list("word", ["a", "b"], num_oov_buckets=3)
    job = fc.categorical_column_with_hash_bucket("job", 10)
    num = fc.categorical_column_with_identity("num", 5)
    crosses = [fc.crossed_column([ages, "word"], 50), fc.crossed_column([places, num], 50),
               fc.crossed_column(["word", "num", "job"], 100)]
    table = np.arange(40).reshape(10, 4).astype(np.float32)
    dense = [age, xy, ages, places, *map(fc.indicator_column, [word, job, num, *crosses]),
             fc.embedding_column(job, 4, initializer=tf.constant_initializer(table))]
    return dense, [age, ages, word, job, crosses[0]]


def run(fetches):
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        return sess.run(fetches)


def test_all_kinds_of_columns_give_tensorflows_numbers():
    dense, wide = columns()
    made: dict = {}
    out = fc.input_layer(features(), dense, cols_to_vars=made)
    linear = fc.linear_model(features(), wide, units=2)
    assert out.shape.as_list() == [None, 237] or out.shape.as_list() == [3, 237]
    assert [v.name for v in tf.global_variables()] == NAMES
    assert [v.name for v in made[dense[-1]]] == ["input_layer/job_embedding/embedding_weights:0"]
    got, weighted = run([out, linear])
    assert np.argwhere(got).tolist() == PLACES
    np.testing.assert_allclose(got[got != 0], VALUES, rtol=1e-6)
    np.testing.assert_array_equal(weighted, np.zeros((3, 2)))


def test_a_linear_model_is_a_sum_over_ids():
    word = fc.categorical_column_with_vocabulary_list("word", ["a", "b"])
    words = tf.constant([["a", "b"], ["b", "b"], ["c", ""]])
    data = {"word": words, "x": tf.constant([1.0, 2, 3])}
    out = fc.linear_model(data, [word, fc.numeric_column("x")])
    weights = {v.op.name: v for v in tf.trainable_variables()}
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.tables_initializer()])
        weights["linear_model/word/weights"].load([[10.0], [100.0]], sess)
        weights["linear_model/x/weights"].load([[2.0]], sess)
        weights["linear_model/bias_weights"].load([0.5], sess)
        np.testing.assert_allclose(sess.run(out), [[112.5], [204.5], [6.5]])
        grads = tf.gradients(out, [weights["linear_model/word/weights"]])
        np.testing.assert_allclose(
            sess.run(tf.convert_to_tensor(grads[0])), [[1.0], [3.0]])


def weighted():
    ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([0, 2, 1], tf.int64), [3, 2])
    scale = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [1.0, 3.0, 5.0], [3, 2])
    return {"ids": ids, "scale": scale}


def test_weights_and_combiners():
    column = fc.weighted_categorical_column(fc.categorical_column_with_identity("ids", 3), "scale")
    table = tf.constant_initializer(np.array([[1.0], [10.0], [100.0]], np.float32))
    for combiner, expected in (("mean", [301 / 4, 10, 0]), ("sum", [301, 50, 0]),
                               ("sqrtn", [301 / np.sqrt(10), 10, 0])):
        tf.reset_default_graph()
        out = fc.input_layer(weighted(), [
            fc.embedding_column(column, 1, combiner=combiner, initializer=table)])
        np.testing.assert_allclose(run(out)[:, 0], expected, rtol=1e-6)
    tf.reset_default_graph()
    out = fc.input_layer(weighted(), [fc.indicator_column(column)])
    np.testing.assert_allclose(run(out), [[1, 0, 3], [0, 5, 0], [0, 0, 0]])


def test_shared_embeddings_are_one_table():
    data = {"a": tf.constant([[0], [1]], tf.int64), "b": tf.constant([[1], [1]], tf.int64)}
    columns = fc.shared_embedding_columns(
        [fc.categorical_column_with_identity(k, 2) for k in "ab"], 3)
    out = fc.input_layer(data, columns)
    assert len(tf.global_variables()) == 1
    got = run(out)
    np.testing.assert_array_equal(got[1, :3], got[0, 3:])
    np.testing.assert_array_equal(got[0, 3:], got[1, 3:])


def test_columns_of_a_file_and_defaults(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("x\ny\nz\n")
    column = fc.categorical_column_with_vocabulary_file("w", str(path), default_value=0)
    assert column.num_buckets == 3
    out = fc.input_layer({"w": tf.constant(["z", "q"])}, fc.indicator_column(column))
    np.testing.assert_array_equal(run(out), [[0, 0, 1], [1, 0, 0]])
    tf.reset_default_graph()
    column = fc.categorical_column_with_identity("i", 3, default_value=2)
    out = fc.input_layer({"i": tf.constant([1, 9])}, fc.indicator_column(column))
    np.testing.assert_array_equal(run(out), [[0, 1, 0], [0, 0, 1]])
    tf.reset_default_graph()
    column = fc.categorical_column_with_identity("i", 3)
    out = fc.input_layer({"i": tf.constant([1, 9])}, fc.indicator_column(column))
    with pytest.raises(tf.errors.InvalidArgumentError, match="ids must be in"):
        run(out)


def test_what_parse_example_needs():
    dense, _ = columns()
    with pytest.raises(ValueError, match="different parse_spec for key num"):
        fc.make_parse_example_spec(dense)  # a crossed "num" would be a string
    spec = fc.make_parse_example_spec(dense[:7])
    assert spec["age"] == tf.FixedLenFeature([1], tf.float32)
    assert spec["job"] == tf.VarLenFeature(tf.string)
    assert set(spec) == {"age", "xy", "word", "job", "num"}


def test_mistakes_say_what_to_do():
    word = fc.categorical_column_with_vocabulary_list("word", ["a"])
    with pytest.raises(ValueError, match="embedding_column or indicator_column"):
        fc.input_layer({"word": tf.constant(["a"])}, [word])
    with pytest.raises(ValueError, match="Feature x is not in features dictionary"):
        fc.input_layer({"y": tf.constant([1.0])}, [fc.numeric_column("x")])
    with pytest.raises(ValueError, match="must have shape"):
        fc.input_layer({"x": tf.zeros([4, 3])}, [fc.numeric_column("x")])
    with pytest.raises(ValueError, match="sorted"):
        fc.bucketized_column(fc.numeric_column("x"), [3, 1])
    with pytest.raises(ValueError, match="Duplicate feature column name"):
        fc.input_layer({"x": tf.zeros([4, 1])}, [fc.numeric_column("x"), fc.numeric_column("x")])
    with pytest.raises(ValueError, match="hashed already"):
        fc.crossed_column(["a", fc.categorical_column_with_hash_bucket("b", 3)], 10)
    with pytest.raises(ValueError, match="dictionary"):
        fc.input_layer(tf.zeros([4, 1]), [fc.numeric_column("x")])
