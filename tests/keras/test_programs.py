"""Programs as they are printed in introductions, with only the import changed."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf


def test_digits_by_convolution():
    rng = np.random.default_rng(0)
    x_train = rng.random((64, 28, 28, 1))
    y_train = (x_train.mean((1, 2, 3)) > 0.5).astype(int)
    model = tf.keras.models.Sequential([
      tf.keras.layers.Conv2D(32, (3, 3), activation='relu', input_shape=(28, 28, 1)),
      tf.keras.layers.MaxPooling2D((2, 2)),
      tf.keras.layers.Conv2D(64, (3, 3), activation='relu'),
      tf.keras.layers.MaxPooling2D((2, 2)),
      tf.keras.layers.Flatten(),
      tf.keras.layers.Dense(10, activation='softmax')
    ])
    model.compile(optimizer='adam',
                  loss='sparse_categorical_crossentropy',
                  metrics=['accuracy'])
    history = model.fit(x_train, y_train, epochs=2)
    loss, accuracy = model.evaluate(x_train, y_train)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert loss < 2.3 and 0 <= accuracy <= 1


def test_layers_without_input_shape():
    x_train = np.random.rand(100, 784)
    y_train = tf.keras.utils.to_categorical(np.arange(100) % 10)
    model = tf.keras.Sequential([
      tf.keras.layers.Dense(128, activation='relu'),
      tf.keras.layers.Dense(10, activation='softmax')
    ])
    optimizer = tf.keras.optimizers.Adam(learning_rate=0.001)
    loss_fn = tf.keras.losses.CategoricalCrossentropy()
    model.compile(optimizer=optimizer, loss=loss_fn, metrics=['accuracy'])
    model.fit(x_train, y_train, epochs=5)
    assert model.history.history["loss"][-1] < 2.4


def test_evaluate_is_unpacked_without_metrics():
    x_train, y_train = np.random.rand(20, 4), np.random.rand(20)
    model = tf.keras.models.Sequential([
      tf.keras.layers.Dense(10, activation='relu', input_shape=(4,)),
      tf.keras.layers.Dense(1)
    ])
    model.compile(optimizer='adam', loss='mse')
    model.fit(x_train, y_train, epochs=10)
    with pytest.raises(TypeError, match="loss alone"):
        loss, accuracy = model.evaluate(x_train, y_train)


def test_line_through_points():
    X = np.array([1, 2, 3, 4], dtype=float)
    Y = np.array([2, 4, 6, 8], dtype=float)
    model = tf.keras.models.Sequential([
        tf.keras.layers.Dense(1, input_shape=[1])
    ])
    model.compile(optimizer='sgd', loss='mean_squared_error')
    model.fit(X, Y, epochs=1000, verbose=0)
    predictions = model.predict(X)
    np.testing.assert_allclose(predictions[:, 0], Y, atol=0.6)
