"""A convolutional network of raw ops, with keep_prob fed (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(1)
np.random.seed(1)

# Training Parameters
learning_rate = 0.004
num_steps = 110
batch_size = 64
display_step = 20

# Network Parameters
num_input = 196  # 14 x 14
num_classes = 10
dropout = 0.75  # Dropout, probability to keep units

digits = tf.data.digits_dataset(size=14)

# tf Graph input
X = tf.placeholder(tf.float32, [None, num_input])
Y = tf.placeholder(tf.float32, [None, num_classes])
keep_prob = tf.placeholder(tf.float32)  # dropout (keep probability)


# Create some wrappers for simplicity
def conv2d(x, W, b, strides=1):
    # Conv2D wrapper, with bias and relu activation
    x = tf.nn.conv2d(x, W, strides=[1, strides, strides, 1], padding='SAME')
    x = tf.nn.bias_add(x, b)
    return tf.nn.relu(x)


def maxpool2d(x, k=2):
    # MaxPool2D wrapper
    return tf.nn.max_pool(x, ksize=[1, k, k, 1], strides=[1, k, k, 1], padding='SAME')


# Create model
def conv_net(x, weights, biases, dropout):
    # Tensor input becomes 4-D: [Batch Size, Height, Width, Channel]
    x = tf.reshape(x, shape=[-1, 14, 14, 1])
    conv1 = maxpool2d(conv2d(x, weights['wc1'], biases['bc1']), k=2)
    conv2 = maxpool2d(conv2d(conv1, weights['wc2'], biases['bc2']), k=2)

    # Reshape conv2 output to fit fully connected layer input
    fc1 = tf.reshape(conv2, [-1, weights['wd1'].get_shape().as_list()[0]])
    fc1 = tf.add(tf.matmul(fc1, weights['wd1']), biases['bd1'])
    fc1 = tf.nn.relu(fc1)
    fc1 = tf.nn.dropout(fc1, dropout)
    return tf.add(tf.matmul(fc1, weights['out']), biases['out'])


weights = {
    'wc1': tf.Variable(tf.random_normal([5, 5, 1, 8], stddev=0.2)),
    'wc2': tf.Variable(tf.random_normal([5, 5, 8, 16], stddev=0.1)),
    'wd1': tf.Variable(tf.random_normal([4 * 4 * 16, 64], stddev=0.1)),
    'out': tf.Variable(tf.random_normal([64, num_classes], stddev=0.1))
}
biases = {
    'bc1': tf.Variable(tf.zeros([8])),
    'bc2': tf.Variable(tf.zeros([16])),
    'bd1': tf.Variable(tf.zeros([64])),
    'out': tf.Variable(tf.zeros([num_classes]))
}

# Construct model
logits = conv_net(X, weights, biases, keep_prob)
prediction = tf.nn.softmax(logits)

# Define loss and optimizer
loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=Y))
optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate)
train_op = optimizer.minimize(loss_op)

# Evaluate model
correct_pred = tf.equal(tf.argmax(prediction, 1), tf.argmax(Y, 1))
accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, num_steps + 1):
        pick = np.random.choice(len(digits.train_labels), batch_size)
        batch_x = digits.train_images[pick].reshape(-1, num_input)
        batch_y = np.eye(num_classes)[digits.train_labels[pick]]
        sess.run(train_op, feed_dict={X: batch_x, Y: batch_y, keep_prob: dropout})
        if step % display_step == 0 or step == 1:
            loss, acc = sess.run([loss_op, accuracy], feed_dict={
                X: batch_x, Y: batch_y, keep_prob: 1.0})
            print("Step " + str(step) + f", Minibatch Loss= {loss:.4f}"
                  + f", Training Accuracy= {acc:.3f}")

    print("Optimization Finished!")
    testing_accuracy = sess.run(accuracy, feed_dict={
        X: digits.test_images.reshape(-1, num_input),
        Y: np.eye(num_classes)[digits.test_labels], keep_prob: 1.0})
    print("Testing Accuracy:", testing_accuracy)
