"""What an Estimator is told: modes, what a model function gives, how to run, what to train on."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphflow.builder import F, convert
from graphflow.data.pipeline.dataset import Dataset
from graphflow.errors import AttributeValueError, DTypeError, GraphError, ShapeError
from graphflow.graph import get_default_graph
from graphflow.scopes import GraphKeys
from graphflow.tensor import Operation, Tensor
from graphflow.train.basic_session_run_hooks import hooks_of


class ModeKeys:
    """What a model function is called for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class _Fields(NamedTuple):
    mode: str
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: dict[str, Any]
    export_outputs: Any
    training_chief_hooks: tuple
    training_hooks: tuple
    scaffold: Any
    evaluation_hooks: tuple
    prediction_hooks: tuple


class EstimatorSpec(_Fields):
    """What a model function gives; make it with names: `EstimatorSpec(mode, loss=…, …)`.

    mode: the mode that it was called with. predictions: a tensor or a dict of them (PREDICT).
    loss: a scalar (TRAIN, EVAL). train_op: an operation (TRAIN).
    eval_metric_ops: names to (value, update) pairs, as `gf.metrics.…` give them.
    scaffold, training_hooks, training_chief_hooks, evaluation_hooks, prediction_hooks: optional.
    Raises GraphError (a ValueError) if something that the mode needs is missing.
    """

    __slots__ = ()

    def __new__(
        cls, mode: str, predictions: Any = None, loss: Any = None, train_op: Any = None,
        eval_metric_ops: Any = None, export_outputs: Any = None, training_chief_hooks: Any = None,
        training_hooks: Any = None, scaffold: Any = None, evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> EstimatorSpec:
        if mode not in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT):
            raise GraphError(f"EstimatorSpec: mode must be a gf.estimator.ModeKeys, got {mode!r}.")
        if mode == ModeKeys.TRAIN and train_op is None:
            raise GraphError("Missing train_op.")
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL) and loss is None:
            raise GraphError("Missing loss.")
        if mode == ModeKeys.PREDICT and predictions is None:
            raise GraphError("Missing predictions.")
        return super().__new__(
            cls, mode, {} if predictions is None else predictions,
            None if loss is None else _scalar_loss(loss), _operation(train_op),
            _checked_metrics(eval_metric_ops), export_outputs,
            tuple(hooks_of(training_chief_hooks)), tuple(hooks_of(training_hooks)), scaffold,
            tuple(hooks_of(evaluation_hooks)), tuple(hooks_of(prediction_hooks)))


def _scalar_loss(loss: Any) -> Any:
    loss = convert(loss)
    if loss.shape.is_fully_defined() and loss.shape.num_elements() != 1:
        raise ShapeError(f"EstimatorSpec: Loss must be scalar, given: {loss!r}")
    return F.reshape(loss, []) if loss.shape.rank != 0 else loss


def _operation(train_op: Any) -> Any:
    if train_op is not None and not isinstance(train_op, (Tensor, Operation)) and not hasattr(
            train_op, "as_graph_tensor"):
        raise DTypeError(f"train_op must be Operation or Tensor, given: {train_op!r}")
    return train_op


def _checked_metrics(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DTypeError(f"eval_metric_ops must be a dict, given: {given!r}")
    for key, pair in given.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise DTypeError("Values of eval_metric_ops must be (metric_value, update_op) "
                             f"tuples, given: {pair!r} for key: {key}")
    return dict(given)


_CONFIG: dict[str, Any] = {
    "model_dir": None, "tf_random_seed": None, "save_summary_steps": 100,
    "save_checkpoints_steps": None, "save_checkpoints_secs": None, "session_config": None,
    "keep_checkpoint_max": 5, "keep_checkpoint_every_n_hours": 10000, "log_step_count_steps": 100,
    "train_distribute": None, "device_fn": None, "protocol": None, "eval_distribute": None,
    "experimental_distribute": None, "experimental_max_worker_delay_secs": None,
    "session_creation_timeout_secs": 7200,
}


class RunConfig:
    """How an Estimator runs.

    model_dir: for checkpoints and summaries. tf_random_seed: of the graphs.
    save_checkpoints_steps or save_checkpoints_secs (600): how often checkpoints are written.
    save_summary_steps, log_step_count_steps, keep_checkpoint_max, keep_checkpoint_every_n_hours.
    session_config: a ConfigProto. The rest is accepted for TensorFlow's sake.
    """

    task_type, task_id, is_chief, master, evaluation_master = "worker", 0, True, "", ""
    num_ps_replicas, num_worker_replicas, global_id_in_cluster = 0, 1, 0
    cluster_spec: Any = None

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = dict(zip(_CONFIG, values))
        unknown = sorted(set(named) - set(_CONFIG))
        if unknown:
            raise TypeError(f"RunConfig has no argument {unknown[0]!r}; it has "
                            f"{', '.join(_CONFIG)}.")
        fields.update(named)
        if fields.get("save_checkpoints_steps") is not None and (
                fields.get("save_checkpoints_secs") is not None):
            raise GraphError("RunConfig: `save_checkpoints_steps` and `save_checkpoints_secs` "
                             "cannot be both set.")
        self._fields = {**_CONFIG, **fields}
        if not {"save_checkpoints_steps", "save_checkpoints_secs"} & fields.keys():
            self._fields["save_checkpoints_secs"] = 600
        if self._fields["model_dir"] is not None:
            self._fields["model_dir"] = os.fspath(self._fields["model_dir"])

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_fields", {})
        if name not in fields:
            raise AttributeError(f"RunConfig has no field {name!r}; it has {', '.join(_CONFIG)}.")
        return fields[name]

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with other values."""
        found = copy.copy(self)
        fields = dict(self._fields)
        if changes.get("save_checkpoints_steps") is not None:
            fields["save_checkpoints_secs"] = None
        if changes.get("save_checkpoints_secs") is not None:
            fields["save_checkpoints_steps"] = None
        unknown = sorted(set(changes) - set(_CONFIG))
        if unknown:
            raise AttributeValueError(f"RunConfig.replace: there is no field {unknown[0]!r}; "
                                      f"there are {', '.join(_CONFIG)}.")
        found._fields = {**fields, **changes}
        return found

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self._fields.items() if v != _CONFIG[k])
        return f"RunConfig({shown})"


class TrainSpec(NamedTuple):
    """What `train_and_evaluate` trains on, until the global step is `max_steps`."""

    input_fn: Callable[..., Any]
    max_steps: int | None = None
    hooks: Any = ()
    saving_listeners: Any = ()


class EvalSpec(NamedTuple):
    """What `train_and_evaluate` evaluates on: `steps` batches, all if None.

    start_delay_secs: accepted. throttle_secs: at least so long between two evaluations.
    """

    input_fn: Callable[..., Any]
    steps: int | None = 100
    name: str | None = None
    hooks: Any = ()
    exporters: Any = ()
    start_delay_secs: float = 120
    throttle_secs: float = 600


def input_of(input_fn: Callable[..., Any], known: Mapping[str, Any]) -> tuple[Any, Any]:
    """(features, labels or None) of an input function, called with what it has arguments for.

    It may give tensors, or a Dataset, whose iterator is then initialised with the tables.
    """
    found = input_fn(**accepted(input_fn, known))
    if isinstance(found, Dataset):
        iterator = found.make_initializable_iterator()
        get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        found = iterator.get_next()
    if isinstance(found, (tuple, list)):
        if len(found) != 2:
            raise GraphError("input_fn should return (features, labels) as a len 2 tuple, got "
                             f"{len(found)} parts.")
        return found[0], found[1]
    return found, None


def accepted(function: Callable[..., Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `known` that a function has arguments for."""
    parameters = inspect.signature(function).parameters
    every = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {k: v for k, v in known.items() if k in parameters or (every and k == "params")}
