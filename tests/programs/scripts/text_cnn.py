"""Sentences classified by a convolutional network, one class that holds the graph (2016)."""

import numpy as np

import graphflow as tf


class TextCNN:
    """An embedding layer, then convolutional, max-pooling and softmax layers."""

    def __init__(self, sequence_length, num_classes, vocab_size, embedding_size, filter_sizes,
                 num_filters, l2_reg_lambda=0.0):
        self.input_x = tf.placeholder(tf.int32, [None, sequence_length], name="input_x")
        self.input_y = tf.placeholder(tf.float32, [None, num_classes], name="input_y")
        self.dropout_keep_prob = tf.placeholder(tf.float32, name="dropout_keep_prob")
        l2_loss = tf.constant(0.0)

        with tf.device('/cpu:0'), tf.name_scope("embedding"):
            self.W = tf.Variable(
                tf.random_uniform([vocab_size, embedding_size], -1.0, 1.0), name="W")
            embedded_chars = tf.nn.embedding_lookup(self.W, self.input_x)
            embedded_chars_expanded = tf.expand_dims(embedded_chars, -1)

        pooled_outputs = []
        for filter_size in filter_sizes:
            with tf.name_scope(f"conv-maxpool-{filter_size}"):
                filter_shape = [filter_size, embedding_size, 1, num_filters]
                W = tf.Variable(tf.truncated_normal(filter_shape, stddev=0.1), name="W")
                b = tf.Variable(tf.constant(0.1, shape=[num_filters]), name="b")
                conv = tf.nn.conv2d(embedded_chars_expanded, W, strides=[1, 1, 1, 1],
                                    padding="VALID", name="conv")
                h = tf.nn.relu(tf.nn.bias_add(conv, b), name="relu")
                pooled_outputs.append(tf.nn.max_pool(
                    h, ksize=[1, sequence_length - filter_size + 1, 1, 1],
                    strides=[1, 1, 1, 1], padding='VALID', name="pool"))
        num_filters_total = num_filters * len(filter_sizes)
        h_pool_flat = tf.reshape(tf.concat(pooled_outputs, 3), [-1, num_filters_total])
        with tf.name_scope("dropout"):
            h_drop = tf.nn.dropout(h_pool_flat, self.dropout_keep_prob)
        with tf.name_scope("output"):
            W = tf.get_variable("W", shape=[num_filters_total, num_classes],
                                initializer=tf.glorot_uniform_initializer())
            b = tf.Variable(tf.constant(0.1, shape=[num_classes]), name="b")
            l2_loss += tf.nn.l2_loss(W)
            l2_loss += tf.nn.l2_loss(b)
            self.scores = tf.nn.xw_plus_b(h_drop, W, b, name="scores")
            self.predictions = tf.argmax(self.scores, 1, name="predictions")
        with tf.name_scope("loss"):
            losses = tf.nn.softmax_cross_entropy_with_logits(
                logits=self.scores, labels=self.input_y)
            self.loss = tf.reduce_mean(losses) + l2_reg_lambda * l2_loss
        with tf.name_scope("accuracy"):
            correct_predictions = tf.equal(self.predictions, tf.argmax(self.input_y, 1))
            self.accuracy = tf.reduce_mean(
                tf.cast(correct_predictions, "float"), name="accuracy")


# A sentence is positive if the word pair "7 8" stands in it, at any place
rng = np.random.RandomState(0)
x = rng.randint(1, 7, (1200, 14))
positive = rng.rand(1200) < 0.5
place = rng.randint(0, 13, 1200)
x[np.arange(1200), place] = 7
x[np.arange(1200), np.where(positive, place + 1, (place + 5) % 14)] = 8
y = np.eye(2)[positive.astype(int)]

with tf.Graph().as_default():
    tf.set_random_seed(0)
    sess = tf.Session(config=tf.ConfigProto(allow_soft_placement=True,
                                            log_device_placement=False))
    with sess.as_default():
        cnn = TextCNN(14, 2, 9, 12, [2, 3, 4], 8, l2_reg_lambda=0.001)
        global_step = tf.Variable(0, name="global_step", trainable=False)
        optimizer = tf.train.AdamOptimizer(3e-3)
        grads_and_vars = optimizer.compute_gradients(cnn.loss)
        train_op = optimizer.apply_gradients(grads_and_vars, global_step=global_step)
        sess.run(tf.global_variables_initializer())
        for _ in range(8):
            for start in range(0, 1000, 50):
                _, step, loss = sess.run([train_op, global_step, cnn.loss], {
                    cnn.input_x: x[start:start + 50], cnn.input_y: y[start:start + 50],
                    cnn.dropout_keep_prob: 0.8})
        dev_accuracy = sess.run(cnn.accuracy, {
            cnn.input_x: x[1000:], cnn.input_y: y[1000:], cnn.dropout_keep_prob: 1.0})
        print(f"step {step}, loss {loss:.4f}, acc {dev_accuracy:.3f}")
