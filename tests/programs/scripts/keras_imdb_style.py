"""Reviews as word numbers: embedding, bidirectional LSTM and GRU, class weights (2018)."""

import numpy as np

import graphflow as tf
from graphflow import keras

np.random.seed(1)
tf.set_random_seed(1)
VOCABULARY, LENGTH = 40, 16

# Words 2–5 praise, 6–9 blame, and 1 before a word turns it round
reviews = np.random.randint(10, VOCABULARY, (1600, LENGTH))
labels = np.random.randint(0, 2, 1600)
for review, label in zip(reviews, labels):
    place = np.random.randint(1, LENGTH - 1)
    turned = np.random.rand() < 0.4
    review[place] = np.random.randint(2, 6) if label != turned else np.random.randint(6, 10)
    if turned:
        review[place - 1] = 1
    review[:np.random.randint(0, place)] = 0  # padding before

model = keras.Sequential()
model.add(keras.layers.Embedding(VOCABULARY, 16, input_length=LENGTH))
model.add(keras.layers.Bidirectional(keras.layers.LSTM(16, return_sequences=True)))
model.add(keras.layers.GlobalMaxPooling1D())
model.add(keras.layers.Dense(16, activation=tf.nn.relu,
                             kernel_regularizer=keras.regularizers.l2(1e-4)))
model.add(keras.layers.Dense(1, activation=tf.nn.sigmoid))
model.compile(optimizer=tf.train.AdamOptimizer(0.01), loss='binary_crossentropy',
              metrics=['acc'])
history = model.fit(reviews[:1200], labels[:1200], epochs=7, batch_size=50,
                    validation_split=0.2, class_weight={0: 1.0, 1: 1.0}, verbose=0)
results = model.evaluate(reviews[1200:], labels[1200:], verbose=0)
classes = (model.predict(reviews[1200:]) > 0.5).astype("int32")
print(history.history.keys(), results)
