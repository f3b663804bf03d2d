"""`keras.preprocessing` and the TensorBoard callback. Expected values are Keras 2's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphflow as tf

SEQUENCES = [[1], [1, 2], [1, 2, 3]]


def test_padding_and_cutting():
    pad = tf.keras.preprocessing.sequence.pad_sequences
    np.testing.assert_array_equal(pad(SEQUENCES), [[0, 0, 1], [0, 1, 2], [1, 2, 3]])
    assert pad(SEQUENCES).dtype == np.int32
    np.testing.assert_array_equal(pad(SEQUENCES, padding="post"),
                                  [[1, 0, 0], [1, 2, 0], [1, 2, 3]])
    np.testing.assert_array_equal(pad(SEQUENCES, maxlen=2, truncating="pre"),
                                  [[0, 1], [1, 2], [2, 3]])
    np.testing.assert_array_equal(pad(SEQUENCES, maxlen=2, truncating="post", value=9),
                                  [[9, 1], [1, 2], [1, 2]])
    assert pad([[[1.0, 2.0]], [[3.0, 4.0]] * 2], dtype="float32").shape == (2, 2, 2)
    with pytest.raises(tf.errors.AttributeValueError, match="padding must be"):
        pad(SEQUENCES, padding="left")


def test_tokenizer_numbers_words_by_frequency():
    tokenizer = tf.keras.preprocessing.text.Tokenizer()
    texts = ["The cat sat on the mat.", "The dog sat on the log."]
    tokenizer.fit_on_texts(texts)
    assert tokenizer.word_index == {
        "the": 1, "sat": 2, "on": 3, "cat": 4, "mat": 5, "dog": 6, "log": 7}
    assert tokenizer.texts_to_sequences(["The dog sat, strangely!"]) == [[1, 6, 2]]
    assert tokenizer.sequences_to_texts([[1, 4]]) == ["the cat"]
    np.testing.assert_array_equal(tokenizer.texts_to_matrix(["the the cat"], mode="count"),
                                  [[0, 2, 0, 0, 1, 0, 0, 0]])
    limited = tf.keras.preprocessing.text.Tokenizer(num_words=4, oov_token="<oov>")
    limited.fit_on_texts(texts)
    assert limited.texts_to_sequences(["the dog sat"]) == [[2, 1, 3]]


def test_tensor_board_writes_the_logs_of_epochs(tmp_path: Path):
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    board = tf.keras.callbacks.TensorBoard(log_dir=str(tmp_path))
    history = model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=2, verbose=0, callbacks=[board],
                        validation_split=0.5)
    [file] = tmp_path.iterdir()
    events = list(tf.summary.summary_iterator(file))[1:]
    assert [e.step for e in events] == [0, 1]
    assert {v.tag for v in events[0].summary.value} == {"epoch_loss", "epoch_val_loss"}
    found = [v.simple_value for e in events for v in e.summary.value if v.tag == "epoch_loss"]
    np.testing.assert_allclose(found, history.history["loss"], rtol=1e-6)
