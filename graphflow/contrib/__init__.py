"""`tf.contrib`: the modules of `graphflow.compat.tf1` under the names that programs import.

`from graphflow.contrib import rnn` and `import graphflow.contrib.slim as slim` both work.
"""

import sys

from graphflow import lookup, signal
from graphflow.compat.tf1 import (
    crf,
    data,
    framework,
    layers,
    legacy_seq2seq,
    losses,
    opt,
    rnn,
    seq2seq,
    slim,
    training,
)

for _name, _module in {
        "crf": crf, "data": data, "framework": framework, "layers": layers,
        "legacy_seq2seq": legacy_seq2seq, "lookup": lookup, "losses": losses, "opt": opt,
        "rnn": rnn, "seq2seq": seq2seq, "signal": signal,
        "slim": slim, "slim.losses": losses, "slim.learning": training,
        "training": training}.items():
    sys.modules[f"{__name__}.{_name}"] = _module

__all__ = ["crf", "data", "framework", "layers", "legacy_seq2seq", "lookup", "losses", "opt",
           "rnn", "seq2seq", "signal", "slim", "training"]


def __getattr__(name: str) -> object:
    """Says what to use instead of a part of `tf.contrib` that is not there."""
    from graphflow.absent import missing

    raise missing(__name__, name)
