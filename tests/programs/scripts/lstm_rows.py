"""An LSTM reads an image row by row (static_rnn over tf.unstack, 2017)."""

import numpy as np

import graphflow as tf
from graphflow.nn import rnn_cell as rnn

tf.set_random_seed(0)

learning_rate = 0.01
training_steps = 260
batch_size = 64
num_input = 8  # data input (img shape: 8*8)
timesteps = 8  # timesteps
num_hidden = 32  # hidden layer num of features
num_classes = 10

digits = tf.data.digits_dataset(size=8)
rng = np.random.RandomState(0)

X = tf.placeholder("float", [None, timesteps, num_input])
Y = tf.placeholder("float", [None, num_classes])

weights = {'out': tf.Variable(tf.random_normal([num_hidden, num_classes]))}
biases = {'out': tf.Variable(tf.random_normal([num_classes]))}


def RNN(x, weights, biases):
    # Unstack to get a list of 'timesteps' tensors of shape (batch_size, n_input)
    x = tf.unstack(x, timesteps, 1)
    # Define a lstm cell with tensorflow
    lstm_cell = rnn.BasicLSTMCell(num_hidden, forget_bias=1.0)
    # Get lstm cell output
    outputs, states = tf.nn.static_rnn(lstm_cell, x, dtype=tf.float32)
    # Linear activation, using rnn inner loop last output
    return tf.matmul(outputs[-1], weights['out']) + biases['out']


logits = RNN(X, weights, biases)
prediction = tf.nn.softmax(logits)

loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=Y))
optimizer = tf.train.RMSPropOptimizer(learning_rate=learning_rate)
train_op = optimizer.minimize(loss_op)

correct_pred = tf.equal(tf.argmax(prediction, 1), tf.argmax(Y, 1))
accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, training_steps + 1):
        pick = rng.choice(len(digits.train_labels), batch_size)
        batch_x = digits.train_images[pick].reshape((batch_size, timesteps, num_input))
        batch_y = np.eye(num_classes)[digits.train_labels[pick]]
        sess.run(train_op, feed_dict={X: batch_x, Y: batch_y})
        if step % 50 == 0 or step == 1:
            loss, acc = sess.run([loss_op, accuracy], feed_dict={X: batch_x, Y: batch_y})
            print(f"Step {step}, Minibatch Loss= {loss:.4f}, Training Accuracy= {acc:.3f}")

    testing_accuracy = sess.run(accuracy, feed_dict={
        X: digits.test_images.reshape((-1, timesteps, num_input)),
        Y: np.eye(num_classes)[digits.test_labels]})
    print("Testing Accuracy:", testing_accuracy)
