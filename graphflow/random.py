"""`tf.random`: random tensors and seeds."""

from graphflow.ops.graph_functions import get_seed, set_random_seed
from graphflow.ops.random import random_normal as normal
from graphflow.ops.random import random_shuffle as shuffle
from graphflow.ops.random import random_uniform as uniform
from graphflow.ops.random import truncated_normal

__all__ = [
    "get_seed", "normal", "set_random_seed", "shuffle", "truncated_normal", "uniform",
]
