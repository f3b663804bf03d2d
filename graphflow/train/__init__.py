"""Training: optimizers, the global step, checkpoints (`gf.train`)."""

from graphflow.train.adam import AdamOptimizer
from graphflow.train.checkpoint_files import (
    checkpoint_exists,
    get_checkpoint_mtimes,
    remove_checkpoint,
)
from graphflow.train.checkpoint_reader import (
    CheckpointReader,
    NewCheckpointReader,
    list_variables,
    load_checkpoint,
    load_variable,
)
from graphflow.train.checkpoint_state import (
    CheckpointState,
    generate_checkpoint_state_proto,
    get_checkpoint_state,
    latest_checkpoint,
    update_checkpoint_state,
)
from graphflow.train.gradient_descent import GradientDescentOptimizer
from graphflow.train.momentum import MomentumOptimizer
from graphflow.train.optimizer import Optimizer
from graphflow.train.saver import Saver
from graphflow.train.training_util import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
    global_step,
)

__all__ = [
    "AdamOptimizer", "CheckpointReader", "CheckpointState", "GradientDescentOptimizer",
    "MomentumOptimizer", "NewCheckpointReader", "Optimizer", "Saver", "assert_global_step",
    "checkpoint_exists", "create_global_step", "generate_checkpoint_state_proto",
    "get_checkpoint_mtimes", "get_checkpoint_state", "get_global_step",
    "get_or_create_global_step", "global_step", "latest_checkpoint", "list_variables",
    "load_checkpoint", "load_variable", "remove_checkpoint", "update_checkpoint_state",
]
