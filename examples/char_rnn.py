"""A character language model that learns a text and writes it: the state is fed (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
text = ("the quick brown fox jumps over the lazy dog. "
        "pack my box with five dozen liquor jugs. ") * 20
chars = sorted(set(text))
vocab = {c: i for i, c in enumerate(chars)}
encoded = np.array([vocab[c] for c in text])


class Model:
    def __init__(self, rnn_size=48, num_layers=2, batch_size=10, seq_length=24, training=True):
        cells = []
        for _ in range(num_layers):
            cell = tf.nn.rnn_cell.BasicLSTMCell(rnn_size)
            if training:
                cell = tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=0.95)
            cells.append(cell)
        self.cell = cell = tf.nn.rnn_cell.MultiRNNCell(cells, state_is_tuple=True)
        self.input_data = tf.placeholder(tf.int32, [batch_size, seq_length])
        self.targets = tf.placeholder(tf.int32, [batch_size, seq_length])
        self.initial_state = cell.zero_state(batch_size, tf.float32)

        with tf.variable_scope('rnnlm'):
            softmax_w = tf.get_variable("softmax_w", [rnn_size, len(chars)])
            softmax_b = tf.get_variable("softmax_b", [len(chars)])
            embedding = tf.get_variable("embedding", [len(chars), rnn_size])
            inputs = tf.nn.embedding_lookup(embedding, self.input_data)
            outputs, self.final_state = tf.nn.dynamic_rnn(
                cell, inputs, initial_state=self.initial_state)
        output = tf.reshape(outputs, [-1, rnn_size])
        logits = tf.matmul(output, softmax_w) + softmax_b
        self.probs = tf.nn.softmax(logits)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.reshape(self.targets, [-1]), logits=logits)
        self.cost = tf.reduce_mean(loss)
        if training:
            self.lr = tf.Variable(0.0, trainable=False)
            tvars = tf.trainable_variables()
            grads, _ = tf.clip_by_global_norm(tf.gradients(self.cost, tvars), 5.0)
            self.train_op = tf.train.AdamOptimizer(self.lr).apply_gradients(zip(grads, tvars))

    def sample(self, sess, num, prime):
        state = sess.run(self.cell.zero_state(1, tf.float32))
        for char in prime[:-1]:
            feed = {self.input_data: [[vocab[char]]], self.initial_state: state}
            [state] = sess.run([self.final_state], feed)
        ret, char = prime, prime[-1]
        for _ in range(num):
            feed = {self.input_data: [[vocab[char]]], self.initial_state: state}
            probs, state = sess.run([self.probs, self.final_state], feed)
            char = chars[int(np.argmax(probs[0]))]
            ret += char
        return ret


with tf.variable_scope("model"):
    model = Model()
with tf.variable_scope("model", reuse=True):
    sampler = Model(batch_size=1, seq_length=1, training=False)

BATCH, LENGTH = 10, 24
count = len(encoded) // (BATCH * LENGTH) * BATCH * LENGTH
xdata, ydata = encoded[:count], np.roll(encoded, -1)[:count]
x_batches = np.split(xdata.reshape(BATCH, -1), count // (BATCH * LENGTH), 1)
y_batches = np.split(ydata.reshape(BATCH, -1), count // (BATCH * LENGTH), 1)

costs = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(30):
        sess.run(tf.assign(model.lr, 0.01 * (0.98 ** epoch)))
        state = sess.run(model.initial_state)
        for x, y in zip(x_batches, y_batches):
            feed = {model.input_data: x, model.targets: y}
            for i, (c, h) in enumerate(model.initial_state):
                feed[c] = state[i].c
                feed[h] = state[i].h
            train_loss, state, _ = sess.run([model.cost, model.final_state, model.train_op], feed)
            costs.append(float(train_loss))
    written = sampler.sample(sess, 40, "the quick ")
    print(f"train_loss = {costs[-1]:.3f}; {written!r}")
