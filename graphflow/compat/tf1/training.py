"""`tf.contrib.training`, also `slim.learning`: a training step in one call."""

from graphflow.compat.tf1.hparams import HParams
from graphflow.compat.tf1.optimize_loss import create_train_op

__all__ = ["HParams", "create_train_op"]
