"""A Keras model of two inputs and two outputs, with callbacks and saved weights (2018)."""

import os
import tempfile

import numpy as np

import graphflow as tf
from graphflow.keras import layers
from graphflow.keras.models import Model

np.random.seed(0)
tf.set_random_seed(0)
digits = tf.data.digits_dataset(size=8)


def pairs(images, labels, count):
    """Two images each: what digit the first is, and whether it is the greater one."""
    a, b = np.random.randint(0, len(labels), (2, count))
    return ([images[a], images[b]],
            {"digit": labels[a], "greater": (labels[a] > labels[b]).astype("float32")})


def encoder():
    image = layers.Input(shape=(8, 8, 1))
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(image)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    return Model(image, layers.Dense(32, activation="relu")(x), name="encoder")


left, right = layers.Input((8, 8, 1), name="left"), layers.Input((8, 8, 1), name="right")
shared = encoder()
left_code, right_code = shared(left), shared(right)
both = layers.concatenate([left_code, right_code])
both = layers.Dropout(0.1)(layers.Dense(32, activation="relu")(both))
model = Model(inputs=[left, right], outputs=[
    layers.Dense(10, activation="softmax", name="digit")(left_code),
    layers.Dense(1, activation="sigmoid", name="greater")(both)])
model.compile(optimizer=tf.keras.optimizers.Adam(lr=0.01),
              loss={"digit": "sparse_categorical_crossentropy",
                    "greater": "binary_crossentropy"},
              loss_weights={"digit": 1.0, "greater": 0.7}, metrics=["accuracy"])
model.summary()

directory = tempfile.mkdtemp()
rates = []
callbacks = [
    tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=4),
    tf.keras.callbacks.ModelCheckpoint(
        os.path.join(directory, "weights.h5"), save_best_only=True, save_weights_only=True),
    tf.keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1),
    tf.keras.callbacks.CSVLogger(os.path.join(directory, "log.csv")),
    tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(
            float(tf.keras.backend.get_value(model.optimizer.lr)))),
]
inputs, targets = pairs(digits.train_images, digits.train_labels, 1500)
validation = pairs(digits.test_images, digits.test_labels, 300)
history = model.fit(inputs, targets, batch_size=64, epochs=6, validation_data=validation,
                    callbacks=callbacks, verbose=2)

scores = dict(zip(model.metrics_names, model.evaluate(*validation, verbose=0)))
digit, greater = model.predict(validation[0])
model.load_weights(os.path.join(directory, "weights.h5"))
best = dict(zip(model.metrics_names, model.evaluate(*validation, verbose=0)))
print(scores)
