"""`tf.contrib.opt`: optimizers that TensorFlow 1.15 kept there."""

from graphflow.train.adamax import AdaMaxOptimizer
from graphflow.train.nadam import LazyAdamOptimizer, NadamOptimizer
from graphflow.train.weight_decay import AdamWOptimizer, MomentumWOptimizer

__all__ = ["AdaMaxOptimizer", "AdamWOptimizer", "LazyAdamOptimizer", "MomentumWOptimizer",
           "NadamOptimizer"]
