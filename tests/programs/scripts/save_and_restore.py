"""Trains, saves, and goes on in a second session from the checkpoint (2016)."""

import os
import tempfile

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
learning_rate = 0.01
model_path = os.path.join(tempfile.mkdtemp(), "model.ckpt")

digits = tf.data.digits_dataset(size=8)
one_hot = np.eye(10)

x = tf.placeholder("float", [None, 64])
y = tf.placeholder("float", [None, 10])


def init_weights(shape):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1))


hidden = tf.nn.sigmoid(tf.matmul(x, init_weights([64, 48])) + tf.Variable(tf.zeros([48])))
pred = tf.matmul(hidden, init_weights([48, 10])) + tf.Variable(tf.zeros([10]))

cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=pred, labels=y))
global_step = tf.Variable(0, name='global_step', trainable=False)
optimizer = tf.train.MomentumOptimizer(0.1, 0.9).minimize(cost, global_step=global_step)
correct = tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1))
accuracy = tf.reduce_mean(tf.cast(correct, "float"))

init = tf.global_variables_initializer()
saver = tf.train.Saver()


def train(sess, epochs):
    for _ in range(epochs):
        for i in range(len(digits.train_labels) // 100):
            part = slice(i * 100, (i + 1) * 100)
            sess.run(optimizer, feed_dict={
                x: digits.train_images[part].reshape(-1, 64),
                y: one_hot[digits.train_labels[part]]})
    return sess.run([cost, accuracy], feed_dict={
        x: digits.test_images.reshape(-1, 64), y: one_hot[digits.test_labels]})


print("Starting 1st session...")
with tf.Session() as sess:
    sess.run(init)
    first_cost, first_accuracy = train(sess, 4)
    save_path = saver.save(sess, model_path)
    print(f"Model saved in file: {save_path}, accuracy {first_accuracy}")

print("Starting 2nd session...")
with tf.Session() as sess:
    sess.run(init)
    load_path = saver.restore(sess, model_path)
    restored_cost = sess.run(cost, feed_dict={
        x: digits.test_images.reshape(-1, 64), y: one_hot[digits.test_labels]})
    second_cost, second_accuracy = train(sess, 12)
    steps = sess.run(global_step)
    print("Second Optimization Finished! accuracy", second_accuracy, "after", steps, "steps")
