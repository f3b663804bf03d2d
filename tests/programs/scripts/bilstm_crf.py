"""A BiLSTM-CRF tagger (Huang, Xu & Yu 2015; Lample et al. 2016), on sentences of a toy grammar.

Names are one to three words long and tagged B I I; whether a word is one of a name follows from
its neighbours, so that neither words nor single tags are enough.
"""

import numpy as np

import graphflow as tf

tf.set_random_seed(4)
rng = np.random.RandomState(4)
WORDS, TAGS = 12, 3  # O, B, I; word 1 opens a name, word 2 closes it, 0 is padding
EMBED, UNITS, LENGTH, BATCH = 8, 12, 10, 32


def make_sentence():
    words, tags = [], []
    while len(words) < LENGTH - 5:
        if rng.rand() < 0.4:
            size = rng.randint(1, 4)
            words += [1, *rng.randint(3, WORDS, size), 2]
            tags += [0, 1, *[2] * (size - 1), 0]
        else:
            words.append(rng.randint(3, WORDS))
            tags.append(0)
    return words[:LENGTH], tags[:LENGTH]


def make_batch(count):
    words, tags = np.zeros((2, count, LENGTH), np.int32)
    lengths = []
    for row in range(count):
        sentence, own_tags = make_sentence()
        words[row, :len(sentence)], tags[row, :len(sentence)] = sentence, own_tags
        lengths.append(len(sentence))
    return {word_ids: words, labels: tags, sequence_lengths: lengths}


word_ids = tf.placeholder(tf.int32, shape=[None, None], name="word_ids")
labels = tf.placeholder(tf.int32, shape=[None, None], name="labels")
sequence_lengths = tf.placeholder(tf.int32, shape=[None], name="sequence_lengths")
dropout = tf.placeholder_with_default(1.0, shape=[], name="dropout")

with tf.variable_scope("words"):
    embeddings = tf.get_variable("_word_embeddings", [WORDS, EMBED], tf.float32)
    word_embeddings = tf.nn.dropout(tf.nn.embedding_lookup(embeddings, word_ids), dropout)

with tf.variable_scope("bi-lstm"):
    cell_fw = tf.contrib.rnn.LSTMCell(UNITS)
    cell_bw = tf.contrib.rnn.LSTMCell(UNITS)
    (output_fw, output_bw), _ = tf.nn.bidirectional_dynamic_rnn(
        cell_fw, cell_bw, word_embeddings, sequence_length=sequence_lengths, dtype=tf.float32)
    output = tf.nn.dropout(tf.concat([output_fw, output_bw], axis=-1), dropout)

with tf.variable_scope("proj"):
    W = tf.get_variable("W", dtype=tf.float32, shape=[2 * UNITS, TAGS])
    b = tf.get_variable("b", shape=[TAGS], dtype=tf.float32, initializer=tf.zeros_initializer())
    nsteps = tf.shape(output)[1]
    pred = tf.matmul(tf.reshape(output, [-1, 2 * UNITS]), W) + b
    logits = tf.reshape(pred, [-1, nsteps, TAGS])

log_likelihood, trans_params = tf.contrib.crf.crf_log_likelihood(
    logits, labels, sequence_lengths)
loss = tf.reduce_mean(-log_likelihood)
viterbi_sequence, viterbi_score = tf.contrib.crf.crf_decode(
    logits, trans_params, sequence_lengths)
train_op = tf.train.AdamOptimizer(0.02).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    losses = []
    for _ in range(120):
        feed = make_batch(BATCH)
        losses.append(sess.run([train_op, loss], {**feed, dropout: 0.9})[1])
    test = make_batch(200)
    decoded, scores, unary, transitions = sess.run(
        [viterbi_sequence, viterbi_score, logits, trans_params], test)

right = total = 0
agree = True
for row, length in enumerate(test[sequence_lengths]):
    found, score = tf.contrib.crf.viterbi_decode(unary[row, :length], transitions)
    agree = agree and found == list(decoded[row, :length]) and np.isclose(score, scores[row],
                                                                           rtol=1e-4)
    right += np.sum(np.array(found) == test[labels][row, :length])
    total += length
accuracy = right / total
print(f"loss {losses[0]:.2f} -> {losses[-1]:.3f}, {accuracy:.1%} of the tags right")
