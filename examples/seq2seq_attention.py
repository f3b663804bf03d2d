"""Sequence to sequence with attention: the decoder reverses what the encoder read (2017)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(1)
rng = np.random.RandomState(1)
VOCAB, LENGTH, HIDDEN, EMBED, BATCH = 8, 4, 32, 12, 48
GO = 0  # symbols are 1 … VOCAB - 1

encoder_inputs = tf.placeholder(tf.int32, [None, LENGTH], name="encoder_inputs")
targets = tf.placeholder(tf.int32, [None, LENGTH], name="targets")

with tf.variable_scope("encoder"):
    embedding = tf.get_variable("embedding", [VOCAB, EMBED])
    embedded = tf.nn.embedding_lookup(embedding, encoder_inputs)
    memory, encoder_state = tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.GRUCell(HIDDEN), embedded, dtype=tf.float32)

decoder_cell = tf.nn.rnn_cell.GRUCell(HIDDEN)


def attention(state):
    """Additive attention (Bahdanau et al. 2015) of a state over the encoder's outputs."""
    with tf.variable_scope("attention", reuse=tf.AUTO_REUSE):
        keys = tf.layers.dense(memory, HIDDEN, use_bias=False, name="memory_layer")
        query = tf.layers.dense(state, HIDDEN, use_bias=False, name="query_layer")
        v = tf.get_variable("v", [HIDDEN])
        score = tf.reduce_sum(v * tf.tanh(keys + tf.expand_dims(query, 1)), [2])
        alignment = tf.nn.softmax(score)
    return tf.einsum("bt,bth->bh", alignment, memory), alignment


def step(symbol, state):
    with tf.variable_scope("decoder", reuse=tf.AUTO_REUSE):
        table = tf.get_variable("embedding", [VOCAB, EMBED])
        context, alignment = attention(state)
        inputs = tf.concat([tf.nn.embedding_lookup(table, symbol), context], 1)
        output, state = decoder_cell(inputs, state)
        logits = tf.layers.dense(tf.concat([output, context], 1), VOCAB, name="projection")
    return logits, state, alignment


# Training: the true symbols are the decoder's inputs
go = tf.fill([tf.shape(targets)[0]], GO)
inputs = [go, *tf.unstack(targets, axis=1)[:-1]]
state, losses = encoder_state, []
for t in range(LENGTH):
    logits, state, _ = step(inputs[t], state)
    losses.append(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=targets[:, t], logits=logits))
loss = tf.reduce_mean(tf.stack(losses))

# Inference: its own symbols are, in a loop
def body(t, symbol, state, symbols, alignments):
    logits, state, alignment = step(symbol, state)
    symbol = tf.argmax(logits, 1, output_type=tf.int32)
    return (t + 1, symbol, state, symbols.write(t, symbol), alignments.write(t, alignment))


_, _, _, symbols, alignments = tf.while_loop(
    lambda t, *_: t < LENGTH, body,
    (0, tf.fill([tf.shape(encoder_inputs)[0]], GO), encoder_state,
     tf.TensorArray(tf.int32, size=LENGTH), tf.TensorArray(tf.float32, size=LENGTH)))
decoded = tf.transpose(symbols.stack())
attended = tf.transpose(alignments.stack(), [1, 0, 2])

optimizer = tf.train.AdamOptimizer(0.01)
gradients, variables = zip(*optimizer.compute_gradients(loss))
gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
train_op = optimizer.apply_gradients(zip(gradients, variables))


def make_batch(count):
    source = rng.randint(1, VOCAB, (count, LENGTH))
    return source, source[:, ::-1]


with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(250):
        source, target = make_batch(BATCH)
        _, value = sess.run([train_op, loss], {encoder_inputs: source, targets: target})
    source, target = make_batch(200)
    answer, weights = sess.run([decoded, attended], {encoder_inputs: source})
    symbol_accuracy = np.mean(answer == target)
    print(f"loss {value:.4f}, {symbol_accuracy:.1%} of the symbols right")
    print(source[0], "->", answer[0])
