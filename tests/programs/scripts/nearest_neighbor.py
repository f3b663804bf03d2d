"""k-nearest neighbours: the distance to all training images, one test image a run (2016)."""

import numpy as np

import graphflow as tf

digits = tf.data.digits_dataset(size=8)
Xtr, Ytr = digits.train_images.reshape(-1, 64), np.eye(10)[digits.train_labels]
Xte, Yte = digits.test_images.reshape(-1, 64)[:120], np.eye(10)[digits.test_labels][:120]

# tf Graph Input
xtr = tf.placeholder("float", [None, 64])
xte = tf.placeholder("float", [64])

# Nearest Neighbor calculation using L1 Distance
distance = tf.reduce_sum(tf.abs(tf.add(xtr, tf.negative(xte))), reduction_indices=1)
# Prediction: Get min distance index (Nearest neighbor)
pred = tf.argmin(distance, 0)

# Majority among the five nearest by L2, all test images at once
K = 5
queries = tf.placeholder("float", [None, 64])
labels = tf.placeholder(tf.int32, [None])
squared = tf.reduce_sum(tf.square(tf.expand_dims(queries, 1) - tf.expand_dims(xtr, 0)), axis=2)
_, nearest = tf.nn.top_k(-squared, k=K)
votes = tf.reduce_sum(tf.one_hot(tf.gather(labels, nearest), 10), axis=1)
majority = tf.argmax(votes, axis=1)

accuracy = 0.
init = tf.global_variables_initializer()

with tf.Session() as sess:
    sess.run(init)
    # loop over test data
    for i in range(len(Xte)):
        # Get nearest neighbor
        nn_index = sess.run(pred, feed_dict={xtr: Xtr, xte: Xte[i, :]})
        # Calculate accuracy
        if np.argmax(Ytr[nn_index]) == np.argmax(Yte[i]):
            accuracy += 1. / len(Xte)
    voted = sess.run(majority, feed_dict={
        xtr: Xtr, queries: Xte, labels: digits.train_labels})
    majority_accuracy = np.mean(voted == np.argmax(Yte, axis=1))
    print("Done! Accuracy:", accuracy, "by majority:", majority_accuracy)
