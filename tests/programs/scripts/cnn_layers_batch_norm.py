"""A network of tf.layers with batch normalisation, moving averages of weights, a Saver (2018)."""

import os
import tempfile

import numpy as np

import graphflow as tf

tf.set_random_seed(2)
digits = tf.data.digits_dataset(size=8)


def network(images, is_training, reuse=None):
    with tf.variable_scope("network", reuse=reuse):
        net = tf.layers.conv2d(images, 16, 3, padding="same", use_bias=False, name="conv1")
        net = tf.layers.batch_normalization(net, training=is_training, momentum=0.9, name="bn1")
        net = tf.nn.relu(net)
        net = tf.layers.max_pooling2d(net, pool_size=[2, 2], strides=2)
        net = tf.layers.conv2d(net, 32, [3, 3], padding="same", activation=tf.nn.relu,
                               kernel_initializer=tf.variance_scaling_initializer(2.0))
        net = tf.layers.flatten(net)
        net = tf.layers.dropout(net, rate=0.3, training=is_training)
        return tf.layers.dense(net, 10, kernel_regularizer=tf.keras.regularizers.l2(1e-4))


images = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
labels = tf.placeholder(tf.int64, [None], name="labels")
is_training = tf.placeholder_with_default(False, [], name="is_training")
global_step = tf.train.get_or_create_global_step()

logits = network(images, is_training)
tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
total_loss = tf.losses.get_total_loss()
learning_rate = tf.train.exponential_decay(0.01, global_step, 50, 0.7, staircase=True)

update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
with tf.control_dependencies(update_ops):
    apply_op = tf.train.AdamOptimizer(learning_rate).minimize(total_loss, global_step=global_step)
ema = tf.train.ExponentialMovingAverage(decay=0.95, num_updates=global_step)
with tf.control_dependencies([apply_op]):
    train_op = ema.apply(tf.trainable_variables())

correct = tf.nn.in_top_k(logits, labels, 1)
accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
directory = tempfile.mkdtemp()
everything = {images: digits.test_images, labels: digits.test_labels}

rng = np.random.RandomState(0)
saver = tf.train.Saver(max_to_keep=2)
with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(5):
        order = rng.permutation(len(digits.train_labels))
        for start in range(0, len(order), 64):
            batch = order[start:start + 64]
            _, loss, step = sess.run([train_op, total_loss, global_step], feed_dict={
                images: digits.train_images[batch], labels: digits.train_labels[batch],
                is_training: True})
        path = saver.save(sess, os.path.join(directory, "model.ckpt"), global_step=step)
        print(f"epoch {epoch}: loss {loss:.4f}, accuracy {sess.run(accuracy, everything):.3f}")
    accuracy_raw = sess.run(accuracy, everything)
    moving_mean = sess.run(tf.get_default_graph().get_tensor_by_name(
        "network/bn1/moving_mean:0"))

# The averaged weights are restored in place of the trained ones.
averaged = tf.train.Saver(ema.variables_to_restore())
with tf.Session() as sess:
    averaged.restore(sess, tf.train.latest_checkpoint(directory))
    accuracy_averaged = sess.run(accuracy, everything)
    print("accuracy with averaged weights:", accuracy_averaged)
