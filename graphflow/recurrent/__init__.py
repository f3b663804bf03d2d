"""Recurrent networks: cells, and the functions that unroll them over time."""

from graphflow.recurrent import rnn_cell
from graphflow.recurrent.dynamic import bidirectional_dynamic_rnn, dynamic_rnn, raw_rnn
from graphflow.recurrent.static import static_bidirectional_rnn, static_rnn

__all__ = [
    "bidirectional_dynamic_rnn", "dynamic_rnn", "raw_rnn", "rnn_cell",
    "static_bidirectional_rnn", "static_rnn",
]
