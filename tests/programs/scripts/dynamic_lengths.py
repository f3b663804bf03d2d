"""Sequences of many lengths, rising or random: dynamic_rnn with sequence_length (2017)."""

import random

import graphflow as tf

tf.set_random_seed(0)
random.seed(0)


class ToySequenceData:
    """Linear sequences (class 0) and random ones (class 1), padded with zeros to one length."""

    def __init__(self, n_samples=1000, max_seq_len=20, min_seq_len=3, max_value=1000):
        self.data = []
        self.labels = []
        self.seqlen = []
        for _ in range(n_samples):
            length = random.randint(min_seq_len, max_seq_len)
            self.seqlen.append(length)
            if random.random() < .5:
                rand_start = random.randint(0, max_value - length)
                s = [[float(i) / max_value] for i in range(rand_start, rand_start + length)]
                self.labels.append([1., 0.])
            else:
                s = [[float(random.randint(0, max_value)) / max_value] for _ in range(length)]
                self.labels.append([0., 1.])
            s += [[0.] for _ in range(max_seq_len - length)]
            self.data.append(s)
        self.batch_id = 0

    def next(self, batch_size):
        if self.batch_id == len(self.data):
            self.batch_id = 0
        end = min(self.batch_id + batch_size, len(self.data))
        part = slice(self.batch_id, end)
        self.batch_id = end
        return self.data[part], self.labels[part], self.seqlen[part]


seq_max_len, n_hidden, n_classes, batch_size = 20, 24, 2, 100
trainset = ToySequenceData(n_samples=1000, max_seq_len=seq_max_len)
testset = ToySequenceData(n_samples=500, max_seq_len=seq_max_len)

x = tf.placeholder("float", [None, seq_max_len, 1])
y = tf.placeholder("float", [None, n_classes])
seqlen = tf.placeholder(tf.int32, [None])

lstm_cell = tf.nn.rnn_cell.LSTMCell(n_hidden)
outputs, states = tf.nn.dynamic_rnn(lstm_cell, x, dtype=tf.float32, sequence_length=seqlen)

# The output of each sequence's last step, by a flat index
index = tf.range(0, tf.shape(outputs)[0]) * seq_max_len + (seqlen - 1)
last = tf.gather(tf.reshape(outputs, [-1, n_hidden]), index)
pred = tf.matmul(last, tf.Variable(tf.random_normal([n_hidden, n_classes]))) \
    + tf.Variable(tf.random_normal([n_classes]))

cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=pred, labels=y))
optimizer = tf.train.AdamOptimizer(0.02).minimize(cost)
correct_pred = tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1))
accuracy = tf.reduce_mean(tf.cast(correct_pred, tf.float32))
same_state = tf.reduce_max(tf.abs(last - states.h))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(150):
        batch_x, batch_y, batch_seqlen = trainset.next(batch_size)
        sess.run(optimizer, feed_dict={x: batch_x, y: batch_y, seqlen: batch_seqlen})
    test_feed = {x: testset.data, y: testset.labels, seqlen: testset.seqlen}
    test_accuracy, difference = sess.run([accuracy, same_state], feed_dict=test_feed)
    print("Testing Accuracy:", test_accuracy)
