"""Training: data in all forms, weights, validation, single batches, errors."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf
from graphflow.data import load_digits
from graphflow.keras import backend as K
from graphflow.keras.layers import Conv2D, Dense, Dropout, Flatten, Input, Lambda, MaxPooling2D
from graphflow.keras.models import Model, Sequential
from graphflow.keras.optimizers import SGD, Adam
from graphflow.keras.utils import Sequence, to_categorical

X = np.sin(np.arange(30.0)).reshape(10, 3).astype("float32")
Y = np.cos(np.arange(10.0))[:, None].astype("float32")


def dense(units=1, **options):
    model = Sequential([Dense(units, input_shape=(3,), **options)])
    model.set_weights([np.ones((3, units)), np.zeros(units)])
    return model


def test_digits_are_learned():
    images, labels = load_digits(8)
    x, y = images[:600], to_categorical(labels[:600], 10)
    model = Sequential([
        Conv2D(8, 3, activation="relu", input_shape=x.shape[1:]), MaxPooling2D(), Flatten(),
        Dropout(0.1), Dense(10, activation="softmax")])
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=5, batch_size=50, verbose=0, validation_split=0.2)
    assert history.history["val_acc"][-1] > 0.75
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy > 0.85 and loss < 1
    classes = model.predict_classes(x)
    assert np.mean(classes == labels[:600]) == pytest.approx(accuracy, abs=1e-6)


def test_last_batch_is_smaller_and_losses_are_means_over_samples():
    model = dense()
    model.compile(SGD(0.0), "mse")
    history = model.fit(X, Y, batch_size=4, verbose=0)
    assert history.history["loss"][0] == pytest.approx(
        np.mean((X.sum(1) - Y[:, 0]) ** 2), rel=1e-5)


def test_evaluate_without_metrics_is_the_loss_alone():
    model = dense()
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate(X, Y, verbose=0), float)
    with pytest.raises(TypeError, match="it is the loss alone.*metrics=\\['accuracy'\\]"):
        _, _ = model.evaluate(X, Y, verbose=0)


def test_shuffling_follows_numpys_generator():
    seen = []
    model = Sequential([Lambda(lambda t: t, input_shape=(1,)), Dense(1)])
    model.compile(SGD(0.0), lambda t, p: K.mean(t + 0.0 * p))

    class Spy(tf.keras.callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    np.random.seed(7)
    model.fit(np.arange(6.0), np.arange(6.0), batch_size=1, verbose=0, callbacks=[Spy()])
    np.random.seed(7)
    order = np.arange(6)
    np.random.shuffle(order)
    assert seen == list(order)


def test_inputs_by_name_list_and_type():
    a, b = Input((3,), name="a"), Input((2,), name="b")
    model = Model([a, b], [Dense(1, name="p")(a), Dense(1, name="q")(b)])
    model.compile("sgd", {"p": "mse", "q": "mae"}, loss_weights=[1.0, 0.5])
    x = {"a": X, "b": X[:, :2].astype("float64")}
    model.fit(x, {"p": Y, "q": Y[:, 0]}, verbose=0)
    values = model.evaluate([X, X[:, :2].tolist()], [Y.tolist(), Y], verbose=0)
    assert values[0] == pytest.approx(values[1] + 0.5 * values[2], rel=1e-5)
    assert model.metrics_names == ["loss", "p_loss", "q_loss"]
    assert [p.shape for p in model.predict(x)] == [(10, 1), (10, 1)]


def test_generators_and_sequences():
    def batches():
        while True:
            yield X[:5], Y[:5]

    class Halves(Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[5 * index:5 * index + 5], Y[5 * index:5 * index + 5]

    model = dense()
    model.compile("sgd", "mse")
    history = model.fit_generator(
        batches(), steps_per_epoch=3, epochs=2, verbose=0, validation_data=Halves())
    assert len(history.history["val_loss"]) == 2
    model.fit(Halves(), epochs=1, verbose=0)
    assert model.evaluate_generator(Halves()) == pytest.approx(
        model.evaluate(X, Y, verbose=0), rel=1e-5)
    assert model.predict_generator(Halves()).shape == (10, 1)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(batches(), verbose=0)


def test_class_weights():
    model = dense(2, activation="softmax")
    model.compile(SGD(0.0), "sparse_categorical_crossentropy")
    labels = np.arange(10) % 2
    plain = model.evaluate(X, labels, verbose=0)
    weighted = model.fit(X, labels, class_weight={0: 3.0, 1: 1.0}, verbose=0)
    assert weighted.history["loss"][0] == pytest.approx(2 * plain, rel=1e-5)
    with pytest.raises(ValueError, match="The classes \\[1\\] exist in the data"):
        model.fit(X, labels, class_weight={0: 3.0}, verbose=0)


def test_optimizers_of_tf_train_and_variables_of_rates():
    model = dense()
    model.compile(tf.train.GradientDescentOptimizer(0.1), "mse")
    before = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, verbose=0)
    assert model.evaluate(X, Y, verbose=0) < before
    optimizer = SGD(lr=0.5)
    assert K.get_value(optimizer.lr) == pytest.approx(0.5)
    K.set_value(optimizer.lr, 0.25)
    assert optimizer.get_config()["learning_rate"] == 0.25
    optimizer.lr = 0.125
    assert K.get_value(optimizer.learning_rate) == 0.125


def test_own_losses_and_metrics():
    def largest(y_true, y_pred):
        return K.max(K.abs(y_pred - y_true))

    model = dense()
    model.compile("sgd", lambda t, p: K.mean(K.square(p - t), axis=-1), metrics=[largest])
    found = model.evaluate(X, Y, verbose=0)
    errors = X.sum(1) - Y[:, 0]
    np.testing.assert_allclose(found, [np.mean(errors ** 2), np.abs(errors).max()], rtol=1e-5)


def test_added_losses():
    source = Input((3,))
    code = Dense(2)(source)
    model = Model(source, Dense(3)(Dropout(0.5)(code)))
    model.add_loss(tf.reduce_mean(tf.square(code)))
    model.add_metric(tf.reduce_max(code), name="peak", aggregation="mean")
    model.compile("sgd")
    history = model.fit(X, epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert "peak" in history.history


def test_adversarial_pair_trains_each_side_alone():
    critic = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
    critic.compile("sgd", "binary_crossentropy")
    critic.trainable = False
    maker = Sequential([Dense(3, input_shape=(2,))])
    both = Sequential([maker, critic])
    both.compile("sgd", "binary_crossentropy")
    fixed, moving = critic.get_weights(), maker.get_weights()
    both.train_on_batch(X[:, :2], np.ones((10, 1)))
    assert all(np.array_equal(a, b) for a, b in zip(fixed, critic.get_weights()))
    assert not np.array_equal(moving[0], maker.get_weights()[0])
    critic.train_on_batch(X, np.ones((10, 1)))
    assert not np.array_equal(fixed[0], critic.get_weights()[0])


def test_session_of_the_user():
    with tf.Session() as session:
        K.set_session(session)
        model = dense()
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)
        np.testing.assert_array_equal(session.run(model.weights[0]), model.get_weights()[0])


def test_errors():
    model = dense()
    with pytest.raises(RuntimeError, match="must compile your model"):
        model.fit(X, Y)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"expected dense_input to have shape \(3,\) but got"):
        model.fit(X[:, :2], Y)
    with pytest.raises(ValueError, match="same number of samples"):
        model.fit(X, Y[:4])
    with pytest.raises(ValueError, match="expects targets to have the same shape"):
        model.fit(X, np.zeros((10, 2)))
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier: 'sdg'"):
        model.compile("sdg", "mse")
    with pytest.raises(ValueError, match="Unknown loss function: 'mes'"):
        model.compile("sgd", "mes")
    model.compile("sgd")
    with pytest.raises(ValueError, match="it has no loss"):
        model.fit(X, Y)
