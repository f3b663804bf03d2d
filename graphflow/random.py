"""`tf.random`: random tensors and seeds."""

from graphflow.ops.candidate_sampling import (
    all_candidate_sampler,
    fixed_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    uniform_candidate_sampler,
)
from graphflow.ops.graph_functions import get_seed, set_random_seed
from graphflow.ops.learned_unigram import learned_unigram_candidate_sampler
from graphflow.ops.random import random_normal as normal
from graphflow.ops.random import random_shuffle as shuffle
from graphflow.ops.random import random_uniform as uniform
from graphflow.ops.random import truncated_normal
from graphflow.ops.random_categorical import categorical, multinomial
from graphflow.ops.random_rejection import random_gamma as gamma
from graphflow.ops.random_rejection import random_poisson as poisson
from graphflow.ops.random_stateless import (
    stateless_categorical,
    stateless_multinomial,
    stateless_truncated_normal,
)
from graphflow.ops.random_stateless import stateless_random_normal as stateless_normal
from graphflow.ops.random_stateless import stateless_random_uniform as stateless_uniform

__all__ = [
    "all_candidate_sampler", "categorical", "fixed_unigram_candidate_sampler", "gamma",
    "get_seed", "learned_unigram_candidate_sampler", "log_uniform_candidate_sampler",
    "multinomial", "normal", "poisson",
    "set_random_seed", "shuffle", "stateless_categorical", "stateless_multinomial",
    "stateless_normal", "stateless_truncated_normal", "stateless_uniform", "truncated_normal",
    "uniform", "uniform_candidate_sampler",
]
