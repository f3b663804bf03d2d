"""Training: optimizers, the global step, checkpoints (`gf.train`)."""

from graphflow.train.adadelta import AdadeltaOptimizer
from graphflow.train.adagrad import AdagradDAOptimizer, AdagradOptimizer
from graphflow.train.adam import AdamOptimizer
from graphflow.train.adamax import AdaMaxOptimizer
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
from graphflow.train.coordinator import Coordinator, start_queue_runners
from graphflow.train.cosine_decay import (
    cosine_decay,
    cosine_decay_restarts,
    linear_cosine_decay,
    noisy_linear_cosine_decay,
)
from graphflow.train.ftrl import FtrlOptimizer
from graphflow.train.gradient_descent import GradientDescentOptimizer
from graphflow.train.learning_rate_decay import (
    exponential_decay,
    inverse_time_decay,
    linear_warmup,
    natural_exp_decay,
    piecewise_constant,
    piecewise_constant_decay,
    polynomial_decay,
)
from graphflow.train.momentum import MomentumOptimizer
from graphflow.train.moving_averages import ExponentialMovingAverage
from graphflow.train.nadam import LazyAdamOptimizer, NadamOptimizer
from graphflow.train.optimizer import Optimizer
from graphflow.train.proximal import ProximalAdagradOptimizer, ProximalGradientDescentOptimizer
from graphflow.train.rmsprop import RMSPropOptimizer
from graphflow.train.saver import Saver
from graphflow.train.training_util import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
    global_step,
)
from graphflow.train.weight_decay import (
    AdamWOptimizer,
    DecoupledWeightDecayExtension,
    MomentumWOptimizer,
)

__all__ = [
    "AdaMaxOptimizer", "AdadeltaOptimizer", "AdagradDAOptimizer", "AdagradOptimizer",
    "AdamOptimizer", "AdamWOptimizer", "CheckpointReader", "CheckpointState", "Coordinator",
    "DecoupledWeightDecayExtension", "ExponentialMovingAverage", "FtrlOptimizer",
    "GradientDescentOptimizer", "LazyAdamOptimizer", "MomentumOptimizer",
    "MomentumWOptimizer", "NadamOptimizer", "NewCheckpointReader", "Optimizer",
    "ProximalAdagradOptimizer", "ProximalGradientDescentOptimizer", "RMSPropOptimizer",
    "Saver", "assert_global_step", "checkpoint_exists", "cosine_decay",
    "cosine_decay_restarts", "create_global_step", "exponential_decay",
    "generate_checkpoint_state_proto", "get_checkpoint_mtimes", "get_checkpoint_state",
    "get_global_step", "get_or_create_global_step", "global_step", "inverse_time_decay",
    "latest_checkpoint", "linear_cosine_decay", "linear_warmup", "list_variables",
    "load_checkpoint", "load_variable", "natural_exp_decay", "noisy_linear_cosine_decay",
    "piecewise_constant", "piecewise_constant_decay", "polynomial_decay", "remove_checkpoint",
    "start_queue_runners",
    "update_checkpoint_state",
]
