"""Digits under MonitoredTrainingSession: hooks, checkpoints, and a second start (2017)."""

import os
import tempfile

import numpy as np

import graphflow as tf

digits = tf.data.digits_dataset(size=8)
train_dir = os.environ.get("TRAIN_DIR") or tempfile.mkdtemp()


class DigitInput:
    """The next rows, again and again."""

    def __init__(self, batch_size):
        self.order, self.at, self.size = np.random.RandomState(0), 0, batch_size

    def __call__(self):
        rows = self.order.randint(len(digits.train_labels), size=self.size)
        return {"images:0": digits.train_images[rows].reshape(-1, 64),
                "labels:0": digits.train_labels[rows]}


class LoggerHook(tf.train.SessionRunHook):
    """Keeps the loss of each step."""

    def begin(self):
        self.losses = []

    def before_run(self, run_context):
        return tf.train.SessionRunArgs("total_loss:0")

    def after_run(self, run_context, run_values):
        self.losses.append(run_values.results)


def train(max_steps):
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        global_step = tf.train.get_or_create_global_step()
        images = tf.placeholder(tf.float32, [None, 64], name="images")
        labels = tf.placeholder(tf.int32, [None], name="labels")
        with tf.variable_scope("local"):
            weights = tf.get_variable(
                "weights", [64, 48], initializer=tf.truncated_normal_initializer(stddev=0.1))
            tf.add_to_collection("losses", 1e-4 * tf.nn.l2_loss(weights))
            hidden = tf.nn.relu(tf.matmul(images, weights) + tf.get_variable(
                "biases", [48], initializer=tf.constant_initializer(0.1)))
        logits = tf.layers.dense(hidden, 10, name="softmax_linear")
        tf.add_to_collection("losses", tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)))
        loss = tf.add_n(tf.get_collection("losses"), name="total_loss")
        tf.summary.scalar("learning/loss", loss)
        rate = tf.train.exponential_decay(0.2, global_step, 100, 0.9, staircase=True)
        apply_gradient = tf.train.GradientDescentOptimizer(rate).minimize(
            loss, global_step=global_step)
        averages = tf.train.ExponentialMovingAverage(0.99, global_step)
        with tf.control_dependencies([apply_gradient]):
            train_op = averages.apply(tf.trainable_variables())
        accuracy = tf.reduce_mean(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.float32))

        logger, feeder = LoggerHook(), tf.train.FeedFnHook(DigitInput(100))
        with tf.train.MonitoredTrainingSession(
                checkpoint_dir=train_dir, save_checkpoint_steps=50, save_summaries_steps=20,
                hooks=[tf.train.StopAtStepHook(last_step=max_steps), logger,
                       tf.train.NanTensorHook(loss), feeder],
                config=tf.ConfigProto(log_device_placement=False)) as mon_sess:
            while not mon_sess.should_stop():
                mon_sess.run(train_op)
        with tf.Session() as sess:
            saver = tf.train.Saver(averages.variables_to_restore())
            saver.restore(sess, tf.train.latest_checkpoint(train_dir))
            found = sess.run(accuracy, {
                images: digits.test_images.reshape(-1, 64), labels: digits.test_labels})
        return logger.losses, float(found)


first_losses, first_accuracy = train(max_steps=200)
second_losses, second_accuracy = train(max_steps=300)
print("accuracy", first_accuracy, second_accuracy)
