"""Flags, `tf.app.run`, contrib's layers, summaries in event files, a Coordinator (2017)."""

import os
import tempfile

import numpy as np

import graphflow as tf
from graphflow.contrib import layers

flags = tf.app.flags
flags.DEFINE_integer('max_steps', 200, 'Number of steps to run trainer.')
flags.DEFINE_float('learning_rate', 0.003, 'Initial learning rate')
flags.DEFINE_float('dropout', 0.9, 'Keep probability for training dropout.')
flags.DEFINE_string('log_dir', os.path.join(tempfile.mkdtemp(), 'logs'), 'Summaries log directory')
FLAGS = flags.FLAGS
outcome = {}


def variable_summaries(var):
    """Attach a lot of summaries to a Tensor (for TensorBoard visualization)."""
    with tf.name_scope('summaries'):
        mean = tf.reduce_mean(var)
        tf.summary.scalar('mean', mean)
        with tf.name_scope('stddev'):
            stddev = tf.sqrt(tf.reduce_mean(tf.square(var - mean)))
        tf.summary.scalar('stddev', stddev)
        tf.summary.histogram('histogram', var)


def train():
    digits = tf.data.digits_dataset(size=8)
    tf.set_random_seed(0)
    sess = tf.InteractiveSession()
    with tf.name_scope('input'):
        x = tf.placeholder(tf.float32, [None, 64], name='x-input')
        y_ = tf.placeholder(tf.int64, [None], name='y-input')
        tf.summary.image('input', tf.reshape(x, [-1, 8, 8, 1]), 2)
    keep_prob = tf.placeholder(tf.float32)

    hidden1 = layers.fully_connected(
        x, 64, weights_initializer=layers.xavier_initializer(), scope='layer1',
        weights_regularizer=layers.l2_regularizer(1e-4))
    with tf.variable_scope('layer1', reuse=True):
        variable_summaries(tf.get_variable('weights'))
    dropped = tf.nn.dropout(hidden1, keep_prob)
    y = layers.fully_connected(dropped, 10, activation_fn=None, scope='layer2')

    with tf.name_scope('cross_entropy'):
        cross_entropy = tf.losses.sparse_softmax_cross_entropy(labels=y_, logits=y)
        total = cross_entropy + tf.losses.get_regularization_loss()
    tf.summary.scalar('cross_entropy', cross_entropy)
    with tf.name_scope('train'):
        train_step = tf.train.AdamOptimizer(FLAGS.learning_rate).minimize(total)
    with tf.name_scope('accuracy'):
        correct_prediction = tf.equal(tf.argmax(y, 1), y_)
        accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))
    tf.summary.scalar('accuracy', accuracy)

    merged = tf.summary.merge_all()
    train_writer = tf.summary.FileWriter(FLAGS.log_dir + '/train', sess.graph)
    test_writer = tf.summary.FileWriter(FLAGS.log_dir + '/test')
    tf.global_variables_initializer().run()
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)

    rng = np.random.RandomState(0)
    for i in range(FLAGS.max_steps):
        if i % 50 == 0:
            summary, acc = sess.run([merged, accuracy], feed_dict={
                x: digits.test_images.reshape(-1, 64), y_: digits.test_labels, keep_prob: 1.0})
            test_writer.add_summary(summary, i)
            print(f'Accuracy at step {i}: {acc}')
        pick = rng.choice(len(digits.train_labels), 100)
        summary, _ = sess.run([merged, train_step], feed_dict={
            x: digits.train_images[pick].reshape(-1, 64), y_: digits.train_labels[pick],
            keep_prob: FLAGS.dropout})
        train_writer.add_summary(summary, i)
    coord.request_stop()
    coord.join(threads)
    train_writer.close()
    test_writer.close()
    outcome['accuracy'] = accuracy.eval({
        x: digits.test_images.reshape(-1, 64), y_: digits.test_labels, keep_prob: 1.0})
    sess.close()


def main(_):
    if tf.gfile.Exists(FLAGS.log_dir):
        tf.gfile.DeleteRecursively(FLAGS.log_dir)
    tf.gfile.MakeDirs(FLAGS.log_dir)
    train()


if __name__ == '__main__':
    try:
        tf.app.run(main=main)
    except SystemExit as end:
        outcome['exit'] = end.code
