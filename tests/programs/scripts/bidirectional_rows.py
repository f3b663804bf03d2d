"""Two LSTMs, one from each side, over the rows of an image (2017)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
timesteps, num_input, num_hidden, num_classes = 8, 8, 24, 10
digits = tf.data.digits_dataset(size=8)
rng = np.random.RandomState(0)

X = tf.placeholder("float", [None, timesteps, num_input])
Y = tf.placeholder(tf.int32, [None])

with tf.variable_scope("static"):
    cells = [tf.nn.rnn_cell.BasicLSTMCell(num_hidden, forget_bias=1.0) for _ in range(2)]
    outputs, _, _ = tf.nn.static_bidirectional_rnn(
        cells[0], cells[1], tf.unstack(X, timesteps, 1), dtype=tf.float32)
with tf.variable_scope("dynamic"):
    forward, backward = (tf.nn.rnn_cell.GRUCell(num_hidden) for _ in range(2))
    (gru_fw, gru_bw), _ = tf.nn.bidirectional_dynamic_rnn(forward, backward, X, dtype=tf.float32)
both = tf.concat([outputs[-1], tf.reduce_mean(tf.concat([gru_fw, gru_bw], 2), 1)], axis=1)

# Weights of 2*n_hidden of each, because of forward + backward cells
logits = tf.layers.dense(both, num_classes, name="out")
loss_op = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=Y))
train_op = tf.train.AdamOptimizer(0.01).minimize(loss_op)
accuracy = tf.reduce_mean(tf.cast(
    tf.equal(tf.argmax(logits, 1, output_type=tf.int32), Y), tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(120):
        pick = rng.choice(len(digits.train_labels), 64)
        loss, _ = sess.run([loss_op, train_op], feed_dict={
            X: digits.train_images[pick, :, :, 0], Y: digits.train_labels[pick]})
    testing_accuracy = sess.run(accuracy, {
        X: digits.test_images[..., 0], Y: digits.test_labels})
    variables = [v.name for v in tf.trainable_variables()]
    print(f"Testing Accuracy: {testing_accuracy:.3f}")
