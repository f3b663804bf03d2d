"""`tf.contrib`: the modules of `graphflow.compat.tf1` under the names that programs import.

`from graphflow.contrib import rnn` and `import graphflow.contrib.slim as slim` both work.
"""

import sys

from graphflow.compat.tf1 import framework, layers, legacy_seq2seq, opt, rnn, seq2seq

slim = layers

for _name, _module in {"framework": framework, "layers": layers, "opt": opt, "rnn": rnn,
                       "legacy_seq2seq": legacy_seq2seq, "seq2seq": seq2seq,
                       "slim": slim}.items():
    sys.modules[f"{__name__}.{_name}"] = _module

__all__ = ["framework", "layers", "legacy_seq2seq", "opt", "rnn", "seq2seq", "slim"]
