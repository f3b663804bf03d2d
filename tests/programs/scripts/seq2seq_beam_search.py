"""Sequence to sequence with tf.contrib.seq2seq: attention, beam search, a model of 2018.

The target is the source turned round, with a symbol doubled where the source has a 2.
"""

import numpy as np

import graphflow as tf
from graphflow.contrib import seq2seq

tf.set_random_seed(2)
rng = np.random.RandomState(2)
PAD, GO, EOS, FIRST, VOCAB = 0, 1, 2, 3, 8
UNITS, EMBED, BATCH, MAX_LENGTH, BEAMS = 32, 12, 48, 4, 4


class Model:
    def __init__(self, mode, source, source_lengths, target_in=None, target_out=None,
                 target_lengths=None):
        self.mode = mode
        batch_size = tf.shape(source)[0]
        with tf.variable_scope("model", reuse=tf.AUTO_REUSE):
            embedding = tf.get_variable("embedding", [VOCAB, EMBED])
            with tf.variable_scope("encoder"):
                cell_fw, cell_bw = (tf.contrib.rnn.GRUCell(UNITS // 2) for _ in range(2))
                (fw, bw), (state_fw, state_bw) = tf.nn.bidirectional_dynamic_rnn(
                    cell_fw, cell_bw, tf.nn.embedding_lookup(embedding, source),
                    sequence_length=source_lengths, dtype=tf.float32)
                memory = tf.concat([fw, bw], 2)
                encoder_state = tf.concat([state_fw, state_bw], 1)
            if mode == "beam":
                memory = seq2seq.tile_batch(memory, multiplier=BEAMS)
                source_lengths = seq2seq.tile_batch(source_lengths, multiplier=BEAMS)
                encoder_state = seq2seq.tile_batch(encoder_state, multiplier=BEAMS)
                rows = batch_size * BEAMS
            else:
                rows = batch_size
            attention = seq2seq.BahdanauAttention(
                UNITS, memory, memory_sequence_length=source_lengths)
            cell = seq2seq.AttentionWrapper(
                tf.contrib.rnn.GRUCell(UNITS), attention, attention_layer_size=UNITS,
                alignment_history=mode == "greedy", name="attention")
            state = cell.zero_state(rows, tf.float32).clone(cell_state=encoder_state)
            projection = tf.layers.Dense(VOCAB, use_bias=False, name="projection")
            with tf.variable_scope("decoder") as scope:
                if mode == "train":
                    helper = seq2seq.TrainingHelper(
                        tf.nn.embedding_lookup(embedding, target_in), target_lengths)
                    decoder = seq2seq.BasicDecoder(cell, helper, state, projection)
                    outputs, _, _ = seq2seq.dynamic_decode(
                        decoder, impute_finished=True, scope=scope)
                    mask = tf.sequence_mask(target_lengths, dtype=tf.float32)
                    longest = tf.reduce_max(target_lengths)
                    self.loss = seq2seq.sequence_loss(
                        outputs.rnn_output, target_out[:, :longest], mask)
                    return
                start, limit = tf.fill([batch_size], GO), 2 * MAX_LENGTH + 1
                if mode == "greedy":
                    helper = seq2seq.GreedyEmbeddingHelper(embedding, start, EOS)
                    decoder = seq2seq.BasicDecoder(cell, helper, state, projection)
                else:
                    decoder = seq2seq.BeamSearchDecoder(
                        cell, embedding, start, EOS, state, BEAMS, projection,
                        length_penalty_weight=0.6)
                outputs, state, self.lengths = seq2seq.dynamic_decode(
                    decoder, maximum_iterations=limit, scope=scope)
                if mode == "greedy":
                    self.ids = outputs.sample_id
                    self.alignments = tf.transpose(state.alignment_history.stack(), [1, 0, 2])
                else:
                    self.ids = outputs.predicted_ids
                    self.scores = outputs.beam_search_decoder_output.scores


def translate(symbols):
    return [s for symbol in symbols[::-1] for s in ([symbol] * (2 if symbol == FIRST else 1))]


def padded(rows, width):
    return np.array([row + [PAD] * (width - len(row)) for row in rows], np.int32)


def make_batch(count):
    sources = [list(rng.randint(FIRST, VOCAB, rng.randint(2, MAX_LENGTH + 1)))
               for _ in range(count)]
    targets = [translate(s) for s in sources]
    width = 2 * MAX_LENGTH + 1
    return {
        source: padded(sources, MAX_LENGTH), source_lengths: [len(s) for s in sources],
        target_in: padded([[GO, *t] for t in targets], width),
        target_out: padded([[*t, EOS] for t in targets], width),
        target_lengths: [len(t) + 1 for t in targets]}, targets


source = tf.placeholder(tf.int32, [None, None], name="source")
source_lengths = tf.placeholder(tf.int32, [None], name="source_lengths")
target_in = tf.placeholder(tf.int32, [None, None], name="target_in")
target_out = tf.placeholder(tf.int32, [None, None], name="target_out")
target_lengths = tf.placeholder(tf.int32, [None], name="target_lengths")

model = Model("train", source, source_lengths, target_in, target_out, target_lengths)
greedy = Model("greedy", source, source_lengths)
beam = Model("beam", source, source_lengths)

global_step = tf.train.get_or_create_global_step()
optimizer = tf.train.AdamOptimizer(0.01)
params = tf.trainable_variables()
gradients, _ = tf.clip_by_global_norm(tf.gradients(model.loss, params), 5.0)
train_op = optimizer.apply_gradients(zip(gradients, params), global_step=global_step)


def accuracy(found, targets):
    ends = [list(row).index(EOS) if EOS in row else len(row) for row in found]
    return np.mean([list(row[:n]) == t for row, n, t in zip(found, ends, targets)])


variables = sorted(v.op.name for v in params)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    losses = []
    for _ in range(300):
        feed, _ = make_batch(BATCH)
        losses.append(sess.run([train_op, model.loss], feed)[1])
    feed, targets = make_batch(100)
    given = {source: feed[source], source_lengths: feed[source_lengths]}
    greedy_ids, alignments = sess.run([greedy.ids, greedy.alignments], given)
    beam_ids, scores = sess.run([beam.ids, beam.scores], given)
    lengths = np.array(feed[source_lengths])

greedy_accuracy = accuracy(greedy_ids, targets)
beam_accuracy = accuracy(beam_ids[:, :, 0], targets)
print(f"loss {losses[-1]:.4f}; sequences right: greedy {greedy_accuracy:.0%}, "
      f"beam {beam_accuracy:.0%}")
