"""`tf.contrib.slim`: layers, argument scopes and variables in one place."""

from graphflow.compat.tf1 import framework, layers, losses
from graphflow.compat.tf1 import training as learning
from graphflow.compat.tf1.framework import *  # noqa: F403  # slim's names are those of both
from graphflow.compat.tf1.layers import *  # noqa: F403

__all__ = [*framework.__all__, *layers.__all__, "learning", "losses"]  # noqa: PLE0604  # names of modules
