"""Softmax regression on digits in an InteractiveSession, with the loss written out (2016)."""

import numpy as np

import graphflow as tf

digits = tf.data.digits_dataset(size=8)
train_xs = digits.train_images.reshape(-1, 64)
train_ys = np.eye(10)[digits.train_labels]
test_xs = digits.test_images.reshape(-1, 64)
test_ys = np.eye(10)[digits.test_labels]

sess = tf.InteractiveSession()

# Create the model
x = tf.placeholder(tf.float32, [None, 64])
W = tf.Variable(tf.zeros([64, 10]))
b = tf.Variable(tf.zeros([10]))
y = tf.nn.softmax(tf.matmul(x, W) + b)

# Define loss and optimizer
y_ = tf.placeholder(tf.float32, [None, 10])
cross_entropy = tf.reduce_mean(-tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))
train_step = tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)

# Train
tf.global_variables_initializer().run()
np.random.seed(0)
for _ in range(600):
    batch = np.random.choice(len(train_xs), 100)
    train_step.run({x: train_xs[batch], y_: train_ys[batch]})

# Test trained model
correct_prediction = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))
loss_value = cross_entropy.eval({x: test_xs, y_: test_ys})
accuracy_value = accuracy.eval({x: test_xs, y_: test_ys})
print("accuracy", accuracy_value)
sess.close()
