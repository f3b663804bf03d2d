"""Training: optimizers, the global step, checkpoints (`gf.train`)."""

from graphflow.train.adam import AdamOptimizer
from graphflow.train.gradient_descent import GradientDescentOptimizer
from graphflow.train.momentum import MomentumOptimizer
from graphflow.train.optimizer import Optimizer
from graphflow.train.training_util import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
    global_step,
)

__all__ = [
    "AdamOptimizer", "GradientDescentOptimizer", "MomentumOptimizer", "Optimizer",
    "assert_global_step", "create_global_step", "get_global_step", "get_or_create_global_step",
    "global_step",
]
