"""Training: optimizers, the global step, checkpoints (`gf.train`)."""

from typing import TYPE_CHECKING

from graphflow.graph_files import write_graph
from graphflow.train.adadelta import AdadeltaOptimizer
from graphflow.train.adagrad import AdagradDAOptimizer, AdagradOptimizer
from graphflow.train.adam import AdamOptimizer
from graphflow.train.adamax import AdaMaxOptimizer
from graphflow.train.basic_session_run_hooks import (
    FeedFnHook,
    FinalOpsHook,
    GlobalStepWaiterHook,
    LoggingTensorHook,
    NanLossDuringTrainingError,
    NanTensorHook,
    StopAtStepHook,
)
from graphflow.train.batching import (
    batch,
    batch_join,
    maybe_batch,
    maybe_batch_join,
    maybe_shuffle_batch,
    maybe_shuffle_batch_join,
    shuffle_batch,
    shuffle_batch_join,
)
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
    checkpoints_iterator,
    generate_checkpoint_state_proto,
    get_checkpoint_state,
    latest_checkpoint,
    update_checkpoint_state,
)
from graphflow.train.coordinator import Coordinator, LooperThread
from graphflow.train.cosine_decay import (
    cosine_decay,
    cosine_decay_restarts,
    linear_cosine_decay,
    noisy_linear_cosine_decay,
)
from graphflow.train.example import (
    BytesList,
    Example,
    Feature,
    FeatureList,
    FeatureLists,
    Features,
    FloatList,
    Int64List,
    SequenceExample,
)
from graphflow.train.ftrl import FtrlOptimizer
from graphflow.train.gradient_descent import GradientDescentOptimizer
from graphflow.train.input_producers import (
    input_producer,
    limit_epochs,
    match_filenames_once,
    range_input_producer,
    slice_input_producer,
    string_input_producer,
)
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
from graphflow.train.monitored_session import (
    ChiefSessionCreator,
    MonitoredSession,
    MonitoredTrainingSession,
    SessionCreator,
    SingularMonitoredSession,
    WorkerSessionCreator,
)
from graphflow.train.moving_averages import ExponentialMovingAverage
from graphflow.train.nadam import LazyAdamOptimizer, NadamOptimizer
from graphflow.train.optimizer import Optimizer
from graphflow.train.profiler_hook import ProfilerHook
from graphflow.train.proximal import ProximalAdagradOptimizer, ProximalGradientDescentOptimizer
from graphflow.train.queue_runner import QueueRunner, add_queue_runner, start_queue_runners
from graphflow.train.rmsprop import RMSPropOptimizer
from graphflow.train.saver import Saver
from graphflow.train.saving_hooks import (
    CheckpointSaverHook,
    CheckpointSaverListener,
    StepCounterHook,
    SummarySaverHook,
)
from graphflow.train.scaffold import Scaffold
from graphflow.train.server import ClusterSpec, Server, replica_device_setter
from graphflow.train.session_manager import SessionManager
from graphflow.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from graphflow.train.session_timing import SecondOrStepTimer
from graphflow.train.supervisor import Supervisor, basic_train_loop
from graphflow.train.training_util import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
    global_step,
)
from graphflow.train.warm_start import init_from_checkpoint, warm_start
from graphflow.train.weight_decay import (
    AdamWOptimizer,
    DecoupledWeightDecayExtension,
    MomentumWOptimizer,
)

if TYPE_CHECKING:
    from graphflow.train.meta_graph import export_meta_graph
    from graphflow.train.meta_graph_import import import_meta_graph

__all__ = [
    "AdaMaxOptimizer", "AdadeltaOptimizer", "AdagradDAOptimizer", "AdagradOptimizer",
    "AdamOptimizer", "AdamWOptimizer", "BytesList", "CheckpointReader", "CheckpointSaverHook",
    "CheckpointSaverListener", "CheckpointState",
    "ChiefSessionCreator", "ClusterSpec", "Coordinator",
    "DecoupledWeightDecayExtension", "Example", "ExponentialMovingAverage", "Feature",
    "FeatureList", "FeatureLists", "Features", "FeedFnHook", "FinalOpsHook", "FloatList",
    "FtrlOptimizer",
    "GlobalStepWaiterHook", "GradientDescentOptimizer", "Int64List", "LazyAdamOptimizer",
    "LoggingTensorHook", "LooperThread",
    "MomentumOptimizer",
    "MomentumWOptimizer", "MonitoredSession", "MonitoredTrainingSession", "NadamOptimizer",
    "NanLossDuringTrainingError", "NanTensorHook", "NewCheckpointReader", "Optimizer",
    "ProfilerHook", "ProximalAdagradOptimizer", "ProximalGradientDescentOptimizer", "QueueRunner",
    "RMSPropOptimizer",
    "Saver", "Scaffold", "SecondOrStepTimer", "SequenceExample", "Server", "SessionCreator",
    "SessionManager", "SessionRunArgs", "SessionRunContext", "SessionRunHook",
    "SessionRunValues", "SingularMonitoredSession", "StepCounterHook", "StopAtStepHook",
    "SummarySaverHook", "Supervisor", "WorkerSessionCreator", "add_queue_runner",
    "assert_global_step", "basic_train_loop", "batch", "batch_join",
    "checkpoint_exists", "checkpoints_iterator", "cosine_decay",
    "cosine_decay_restarts", "create_global_step", "export_meta_graph",
    "exponential_decay", "import_meta_graph", "init_from_checkpoint", "warm_start", "write_graph",
    "generate_checkpoint_state_proto", "get_checkpoint_mtimes", "get_checkpoint_state",
    "get_global_step", "get_or_create_global_step", "global_step", "input_producer",
    "inverse_time_decay",
    "latest_checkpoint", "limit_epochs", "linear_cosine_decay", "linear_warmup", "list_variables",
    "load_checkpoint", "load_variable", "match_filenames_once", "maybe_batch",
    "maybe_batch_join", "maybe_shuffle_batch", "maybe_shuffle_batch_join", "natural_exp_decay",
    "noisy_linear_cosine_decay",
    "piecewise_constant", "piecewise_constant_decay", "polynomial_decay", "range_input_producer",
    "remove_checkpoint",
    "replica_device_setter", "shuffle_batch", "shuffle_batch_join", "slice_input_producer",
    "start_queue_runners",
    "string_input_producer", "update_checkpoint_state",
]


def __getattr__(name: str) -> object:
    """Files of graphs are loaded when they are first used."""
    import importlib

    if name == "summary_iterator":
        from graphflow.summary import summary_iterator

        return summary_iterator
    modules = {"export_meta_graph": "meta_graph", "import_meta_graph": "meta_graph_import"}
    if name in modules:
        return getattr(importlib.import_module(f"graphflow.train.{modules[name]}"), name)
    from graphflow.absent import missing

    raise missing(__name__, name)
