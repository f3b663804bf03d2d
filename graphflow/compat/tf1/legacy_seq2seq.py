"""`tf.contrib.legacy_seq2seq`: decoders and losses over lists of steps."""

from graphflow.compat.tf1.seq2seq.losses import legacy_sequence_loss as sequence_loss
from graphflow.compat.tf1.seq2seq.losses import rnn_decoder, sequence_loss_by_example

__all__ = ["rnn_decoder", "sequence_loss", "sequence_loss_by_example"]
