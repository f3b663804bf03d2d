"""Optimizer state comes back to its own weights, whatever the names beside it."""

from __future__ import annotations

import numpy as np
import pytest

from graphflow import keras


@pytest.mark.parametrize("optimizer", [
    lambda: keras.optimizers.SGD(lr=0.1, momentum=0.9, nesterov=True),
    lambda: keras.optimizers.Adam(lr=0.05),
    lambda: keras.optimizers.RMSprop(lr=0.05, momentum=0.5),
])
def test_training_goes_on_from_a_file_loaded_beside_the_model(optimizer, tmp_path):
    random = np.random.RandomState(0)
    x, y = random.rand(16, 5), random.rand(16, 2)
    model = keras.models.Sequential([
        keras.layers.Dense(7, activation="tanh", input_shape=(5,), name="z"),
        keras.layers.Dense(3, activation="tanh", name="a"), keras.layers.Dense(2, name="m")])
    model.compile(optimizer(), loss="mse")
    model.fit(x, y, epochs=2, batch_size=16, verbose=0, shuffle=False)
    model.save(tmp_path / "model.gflow")
    loaded = keras.models.load_model(tmp_path / "model.gflow")
    for one, other in zip(model.optimizer.get_weights(), loaded.optimizer.get_weights()):
        np.testing.assert_array_equal(one, other)
    losses = [m.fit(x, y, epochs=3, batch_size=16, verbose=0, shuffle=False).history["loss"]
              for m in (model, loaded)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
