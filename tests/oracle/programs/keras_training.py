"""Training of Keras models without randomness: paths of optimizers, histories, evaluations.

Recorded with Keras 2, which TensorFlow uses if TF_USE_LEGACY_KERAS=1 and tf_keras is installed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, wave

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "decay": ("SGD", {"lr": 0.1, "decay": 0.5}),
    "clipnorm": ("SGD", {"lr": 0.1, "clipnorm": 0.1}),
    "clipvalue": ("SGD", {"lr": 0.1, "clipvalue": 0.02}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_centered": ("RMSprop", {"lr": 0.01, "centered": True}),
    "rmsprop_momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.5, "rho": 0.8}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adadelta": ("Adadelta", {"lr": 1.0}),
    "adam": ("Adam", {"lr": 0.01}),
    "amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "beta_2": 0.5}),
    "adamax": ("Adamax", {"lr": 0.01}),
    "nadam": ("Nadam", {"lr": 0.01}),
    "ftrl": ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.01}),
}


def numbers(found: Any) -> list[float]:
    """What `evaluate` or `train_on_batch` gave, as Python floats."""
    return [float(v) for v in (found if isinstance(found, list) else [found])]


def short(name: str) -> str:
    """A metric's short name: graphflow keeps those that the user wrote."""
    for long, brief in (("accuracy", "acc"), ("mean_absolute_error", "mae"),
                        ("mean_squared_error", "mse")):
        name = name.replace(long, brief)
    return name


def small_model(tf: ModuleType, **options: Any) -> Any:
    """Dense layers with given weights."""
    k = tf.keras.layers
    model = tf.keras.models.Sequential([
        k.Dense(4, activation="tanh", input_shape=(3,), **options), k.Dense(2)])
    model.set_weights([wave(*w.shape, phase=i) for i, w in enumerate(model.get_weights())])
    return model


def optimizer(tf: ModuleType, name: str, **arguments: Any) -> Any:
    """A Keras optimizer; the recorder's Keras keeps those of TensorFlow 1.15 under `legacy`."""
    module = getattr(tf.keras.optimizers, "legacy", tf.keras.optimizers)
    return getattr(module, name)(**arguments)


@case(rtol=2e-4, atol=1e-5)
def optimizers(tf: ModuleType) -> Any:
    """Losses and last weights of three epochs with each optimizer."""
    x, y = wave(10, 3), wave(10, 2, phase=1.0)
    found = {}
    for label, (name, arguments) in OPTIMIZERS.items():
        model = small_model(tf)
        model.compile(optimizer(tf, name, **arguments), "mse")
        history = model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
        found[label] = history.history["loss"], model.get_weights()
    return found


@case(rtol=2e-4, atol=1e-5)
def sparse_updates(tf: ModuleType) -> Any:
    """Embeddings, whose gradients hold only some rows. (Keras's Adamax takes the maximum with the
    gradient there, not with its absolute value as the rule says.)"""
    k = tf.keras.layers
    x, y = np.array([[1, 2], [3, 1], [1, 1], [4, 2]]), wave(4, 2)
    found = {}
    for label in ("sgd", "momentum", "rmsprop", "adagrad", "adam", "nadam"):
        name, arguments = OPTIMIZERS[label]
        model = tf.keras.models.Sequential(
            [k.Embedding(6, 2, input_length=2), k.Flatten(), k.Dense(2)])
        model.set_weights([wave(*w.shape, phase=i) for i, w in enumerate(model.get_weights())])
        model.compile(optimizer(tf, name, **arguments), "mse")
        model.fit(x, y, batch_size=2, epochs=3, shuffle=False, verbose=0)
        found[label] = model.get_weights()[0]
    return found


@case(rtol=2e-4, atol=1e-5)
def histories(tf: ModuleType) -> Any:
    """Losses, metrics, validation, weights of samples and classes, regularisers."""
    x, y = wave(11, 3), np.arange(11) % 2
    one_hot = np.eye(2, dtype="float32")[y]
    found: dict[str, Any] = {}

    def run(label: str, target: Any, loss: Any, metrics: Any, options: Any = None,
            **fit: Any) -> None:
        model = small_model(tf, **(options or {}))
        model.add(tf.keras.layers.Softmax())
        model.compile(optimizer(tf, "SGD", lr=0.2), loss, metrics=metrics)
        history = model.fit(x, target, batch_size=4, epochs=3, shuffle=False, verbose=0, **fit)
        values = sorted((short(name), list(v)) for name, v in history.history.items())
        found[label] = values, numbers(model.evaluate(x, target, batch_size=5, verbose=0))

    run("plain", one_hot, "categorical_crossentropy", ["accuracy"])
    run("sparse", y, "sparse_categorical_crossentropy", ["accuracy", "mae"])
    run("split", y, "sparse_categorical_crossentropy", ["acc"], validation_split=0.3)
    run("validation", one_hot, "mse", ["mae"], validation_data=(x[:5], one_hot[:5]))
    run("class_weight", y, "sparse_categorical_crossentropy", None,
        class_weight={0: 1.0, 1: 3.0})
    run("sample_weight", one_hot, "mse", ["mse"],
        sample_weight=np.linspace(0.1, 2.0, 11).astype("float32"))
    run("regularized", one_hot, "mse", None, {
        "kernel_regularizer": tf.keras.regularizers.l2(0.1),
        "activity_regularizer": tf.keras.regularizers.l1(0.01)})
    run("constrained", one_hot, "mse", None, {"kernel_constraint": "max_norm"})
    return found


@case(rtol=2e-4, atol=1e-5)
def several_outputs(tf: ModuleType) -> Any:
    """Two inputs, two outputs, a shared layer, weights of losses, single batches."""
    k = tf.keras.layers
    a, b = k.Input((3,), name="a"), k.Input((3,), name="b")
    shared = k.Dense(4, activation="tanh", name="shared")
    both = k.concatenate([shared(a), shared(b)])
    one = k.Dense(2, name="one")(both)
    two = k.Dense(1, activation="sigmoid", name="two")(k.add([shared(a), shared(b)]))
    model = tf.keras.models.Model(inputs=[a, b], outputs=[one, two])
    model.set_weights([wave(*w.shape, phase=i) for i, w in enumerate(model.get_weights())])
    model.compile(optimizer(tf, "SGD", lr=0.1), {"one": "mse", "two": "binary_crossentropy"},
                  loss_weights={"one": 1.0, "two": 0.2}, metrics={"one": "mae"})
    x = {"a": wave(6, 3), "b": wave(6, 3, phase=2.0)}
    y = {"one": wave(6, 2), "two": (np.arange(6) % 2).astype("float32")}
    history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return {
        "history": sorted((short(n), list(v)) for n, v in history.history.items()),
        "evaluate": numbers(model.evaluate(x, y, verbose=0)),
        "predict": model.predict(x),
        "on_batch": numbers(model.train_on_batch(x, y)),
        "test": numbers(model.test_on_batch(x, y)),
        "names": [layer.name for layer in model.layers][:3], "params": model.count_params(),
    }


@case(rtol=2e-4, atol=1e-5)
def batch_normalization(tf: ModuleType) -> Any:
    """Running averages after training, on vectors and images."""
    k = tf.keras.layers
    found = {}
    for label, shape in (("vectors", (3,)), ("images", (4, 4, 3))):
        model = tf.keras.models.Sequential([
            k.BatchNormalization(momentum=0.8, input_shape=shape), k.Flatten(), k.Dense(2)])
        weights = model.get_weights()
        model.set_weights([*weights[:4], 0.2 * wave(*weights[4].shape), weights[5]])
        model.compile(optimizer(tf, "SGD", lr=0.02), "mse")
        x, y = wave(10, *shape) * 2 + 1, wave(10, 2)
        history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        found[label] = (history.history["loss"], model.get_weights()[:4],
                        numbers(model.evaluate(x, y, verbose=0)))
    return found


@case(rtol=2e-4, atol=1e-5)
def recurrent_training(tf: ModuleType) -> Any:
    """Gradients through recurrent layers."""
    k = tf.keras.layers
    x, y = wave(6, 5, 3), wave(6, 2)
    found = {}
    for label, make in (("lstm", k.LSTM), ("gru", k.GRU), ("simple", k.SimpleRNN)):
        model = tf.keras.models.Sequential(
            [make(4, input_shape=(None, 3), return_sequences=True),
             k.Bidirectional(make(2)), k.Dense(2)])
        model.set_weights([
            0.5 * wave(*w.shape, phase=i) for i, w in enumerate(model.get_weights())])
        model.compile(optimizer(tf, "SGD", lr=0.3), "mse")
        history = model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0)
        found[label] = history.history["loss"], model.get_weights()
    return found
