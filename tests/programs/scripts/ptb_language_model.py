"""A word model in the manner of the PTB tutorial: three graphs share weights by scopes (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(3)


class Config:
    init_scale, learning_rate, max_grad_norm = 0.1, 1.0, 5
    num_layers, num_steps, hidden_size = 2, 8, 32
    max_epoch, max_max_epoch, keep_prob, lr_decay = 5, 9, 0.9, 0.7
    batch_size, vocab_size = 8, 12


class PTBModel:
    def __init__(self, is_training, config):
        self.batch_size, self.num_steps = config.batch_size, config.num_steps
        size, vocab_size = config.hidden_size, config.vocab_size
        self._input_data = tf.placeholder(tf.int32, [config.batch_size, config.num_steps])
        self._targets = tf.placeholder(tf.int32, [config.batch_size, config.num_steps])

        def attn_cell():
            cell = tf.nn.rnn_cell.BasicLSTMCell(
                size, forget_bias=0.0, state_is_tuple=True, reuse=tf.get_variable_scope().reuse)
            if is_training and config.keep_prob < 1:
                return tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=config.keep_prob)
            return cell

        cell = tf.nn.rnn_cell.MultiRNNCell([attn_cell() for _ in range(config.num_layers)])
        self._initial_state = cell.zero_state(config.batch_size, tf.float32)
        with tf.device("/cpu:0"):
            embedding = tf.get_variable("embedding", [vocab_size, size], dtype=tf.float32)
            inputs = tf.nn.embedding_lookup(embedding, self._input_data)
        if is_training and config.keep_prob < 1:
            inputs = tf.nn.dropout(inputs, config.keep_prob)
        outputs, state = [], self._initial_state
        with tf.variable_scope("RNN"):
            for time_step in range(self.num_steps):
                if time_step > 0:
                    tf.get_variable_scope().reuse_variables()
                (cell_output, state) = cell(inputs[:, time_step, :], state)
                outputs.append(cell_output)
        output = tf.reshape(tf.stack(axis=1, values=outputs), [-1, size])
        softmax_w = tf.get_variable("softmax_w", [size, vocab_size], dtype=tf.float32)
        softmax_b = tf.get_variable("softmax_b", [vocab_size], dtype=tf.float32)
        logits = tf.matmul(output, softmax_w) + softmax_b
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
            logits=logits, labels=tf.reshape(self._targets, [-1]))
        self._cost = cost = tf.reduce_sum(loss) / config.batch_size
        self._final_state = state
        if not is_training:
            return
        self._lr = tf.Variable(0.0, trainable=False)
        tvars = tf.trainable_variables()
        grads, _ = tf.clip_by_global_norm(tf.gradients(cost, tvars), config.max_grad_norm)
        optimizer = tf.train.GradientDescentOptimizer(self._lr)
        self._train_op = optimizer.apply_gradients(
            zip(grads, tvars), global_step=tf.train.get_or_create_global_step())
        self._new_lr = tf.placeholder(tf.float32, shape=[], name="new_learning_rate")
        self._lr_update = tf.assign(self._lr, self._new_lr)

    def assign_lr(self, session, lr_value):
        session.run(self._lr_update, feed_dict={self._new_lr: lr_value})


def ptb_producer(words, batch_size, num_steps):
    batch_len = len(words) // batch_size
    data = words[:batch_size * batch_len].reshape(batch_size, batch_len)
    for i in range((batch_len - 1) // num_steps):
        yield (data[:, i * num_steps:(i + 1) * num_steps],
               data[:, i * num_steps + 1:(i + 1) * num_steps + 1])


def run_epoch(session, model, words, eval_op=None):
    costs, iters = 0.0, 0
    state = session.run(model._initial_state)
    for x, y in ptb_producer(words, model.batch_size, model.num_steps):
        fetches = {"cost": model._cost, "final_state": model._final_state}
        if eval_op is not None:
            fetches["eval_op"] = eval_op
        feed_dict = {model._input_data: x, model._targets: y}
        for i, (c, h) in enumerate(model._initial_state):
            feed_dict[c] = state[i].c
            feed_dict[h] = state[i].h
        vals = session.run(fetches, feed_dict)
        state = vals["final_state"]
        costs += vals["cost"]
        iters += model.num_steps
    return np.exp(costs / iters)


# A chain of twelve words: one of two fixed successors, the first four times in five
rng = np.random.RandomState(0)
words = [0]
for _ in range(4000):
    words.append((words[-1] * 5 + (1 if rng.rand() < 0.8 else 4)) % 12)
words = np.array(words)
train_data, valid_data = words[:3200], words[3200:]

config = Config()
with tf.Graph().as_default(), tf.Session() as session:
    initializer = tf.random_uniform_initializer(-config.init_scale, config.init_scale, seed=1)
    with tf.variable_scope("model", reuse=None, initializer=initializer):
        m = PTBModel(is_training=True, config=config)
    with tf.variable_scope("model", reuse=True, initializer=initializer):
        mvalid = PTBModel(is_training=False, config=config)
    session.run(tf.global_variables_initializer())
    first_perplexity = run_epoch(session, mvalid, valid_data)
    for i in range(config.max_max_epoch):
        lr_decay = config.lr_decay ** max(i - config.max_epoch, 0.0)
        m.assign_lr(session, config.learning_rate * lr_decay)
        train_perplexity = run_epoch(session, m, train_data, eval_op=m._train_op)
    valid_perplexity = run_epoch(session, mvalid, valid_data)
    print(f"Valid Perplexity: {first_perplexity:.3f} -> {valid_perplexity:.3f}")
