"""`Estimator`: trains, evaluates and predicts with a model function; state is in checkpoints."""

from __future__ import annotations

import copy
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow import logging
from graphflow.builder import F
from graphflow.errors import GraphError, OutOfRangeError, UnimplementedError
from graphflow.estimator.spec import (
    EstimatorSpec,
    ModeKeys,
    RunConfig,
    accepted,
    input_of,
)
from graphflow.graph import Graph, get_default_graph
from graphflow.metrics import mean
from graphflow.scopes import GraphKeys
from graphflow.summary import FileWriterCache, Summary, scalar
from graphflow.train.basic_session_run_hooks import (
    LoggingTensorHook,
    NanTensorHook,
    StopAtStepHook,
    hooks_of,
)
from graphflow.train.checkpoint_reader import list_variables, load_variable
from graphflow.train.checkpoint_state import latest_checkpoint
from graphflow.train.monitored_session import (
    ChiefSessionCreator,
    MonitoredSession,
    MonitoredTrainingSession,
)
from graphflow.train.saver import Saver
from graphflow.train.saving_hooks import CheckpointSaverHook
from graphflow.train.scaffold import Scaffold
from graphflow.train.training_util import get_or_create_global_step
from graphflow.train.warm_start import warm_start

_PARAMETERS = ("features", "labels", "mode", "params", "config")


class Estimator:
    """A model by its function, in the form of `tf.estimator.Estimator`.

    Args:
      model_fn: `model_fn(features, labels, mode, params, config)` → EstimatorSpec; all but
        `features` may be left out of its arguments.
      model_dir: for checkpoints and summaries; a temporary folder if None. A new Estimator in the
        same folder goes on where the last one stopped.
      config: a RunConfig. params: a dict for model_fn.
      warm_start_from: a checkpoint, whose values the trainable variables of a new training get.

    Every call builds a graph of its own. Raises GraphError (a ValueError) for a model_fn with
    other arguments.
    """

    def __init__(
        self, model_fn: Callable[..., EstimatorSpec], model_dir: Any = None,
        config: RunConfig | None = None, params: Any = None, warm_start_from: Any = None,
    ) -> None:
        if config is not None and not isinstance(config, RunConfig):
            raise GraphError("config must be an instance of `RunConfig`, but provided "
                             f"{config!r}.")
        _check_model_fn(model_fn, params)
        self._model_fn, self._params = model_fn, copy.deepcopy(params or {})
        config = config or RunConfig()
        folder = model_dir or config.model_dir
        if model_dir and config.model_dir and os.fspath(model_dir) != config.model_dir:
            raise GraphError("`model_dir` are set both in constructor and `RunConfig`, but with "
                             f"different values: {model_dir} and {config.model_dir}.")
        if not folder:
            folder = tempfile.mkdtemp(prefix="estimator-")
            logging.warning("Using temporary folder as model directory: %s", folder)
        self._model_dir = os.fspath(folder)
        self._config = config.replace(model_dir=self._model_dir)
        self._warm_start_from = warm_start_from

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def model_dir(self) -> str:
        """The folder of checkpoints and summaries."""
        return self._model_dir

    @property
    def config(self) -> RunConfig:
        """How it runs."""
        return self._config

    @property
    def params(self) -> Any:
        """A copy of the params."""
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable[..., EstimatorSpec]:
        """The model function, as `model_fn(features, labels, mode, config)`."""
        def public(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
            return self._call_model_fn(features, labels, mode, config)

        return public

    def latest_checkpoint(self) -> str | None:
        """The prefix of the newest checkpoint, or None."""
        return latest_checkpoint(self._model_dir)

    def get_variable_names(self) -> list[str]:
        """The names in the newest checkpoint. Raises GraphError (a ValueError) before training."""
        return [name for name, _ in list_variables(self._trained())]

    def get_variable_value(self, name: str) -> Any:
        """A variable's value in the newest checkpoint."""
        return load_variable(self._trained(), name)

    def _trained(self) -> str:
        found = self.latest_checkpoint()
        if found is None:
            raise GraphError(f"Estimator: there is no trained model in {self._model_dir}. Call "
                             "train first.")
        return found

    def eval_dir(self, name: str | None = None) -> str:
        """The folder of an evaluation's summaries."""
        return os.path.join(self._model_dir, "eval" if not name else f"eval_{name}")

    # ---- training -------------------------------------------------------------------------------

    def train(
        self, input_fn: Callable[..., Any], hooks: Any = None, steps: int | None = None,
        max_steps: int | None = None, saving_listeners: Any = None,
    ) -> Estimator:
        """Trains `steps` further steps, or until the global step is `max_steps`, or the data ends.

        input_fn: gives (features, labels), or a Dataset of them. Gives the Estimator itself.
        Raises GraphError (a ValueError) if both numbers are given, or one is not above 0.
        """
        if steps is not None and max_steps is not None:
            raise GraphError("Can not provide both steps and max_steps.")
        for what, number in (("steps", steps), ("max_steps", max_steps)):
            if number is not None and number <= 0:
                raise GraphError(f"Must specify {what} > 0, given: {number}")
        if max_steps is not None and self._last_step() >= max_steps:
            logging.info("Skipping training since max_steps has already saved.")
            return self
        stop = [] if steps is None and max_steps is None else [
            StopAtStepHook(num_steps=steps, last_step=max_steps)]
        with self._new_graph() as graph:
            step = get_or_create_global_step(graph)
            spec = self._build(input_fn, ModeKeys.TRAIN)
            if self._warm_start_from is not None and self.latest_checkpoint() is None:
                warm_start(self._warm_start_from)
            self._run_training(spec, step, [*hooks_of(hooks), *stop], saving_listeners)
        return self

    def _last_step(self) -> int:
        path = self.latest_checkpoint()
        return 0 if path is None else int(load_variable(path, GraphKeys.GLOBAL_STEP))

    def _run_training(
        self, spec: EstimatorSpec, step: Any, hooks: list[Any], saving_listeners: Any
    ) -> None:
        config = self._config
        if not any(t.op.name.split("/")[-1] == "loss"
                   for t in get_default_graph().get_collection(GraphKeys.SUMMARIES)):
            scalar("loss", spec.loss)
        scaffold = spec.scaffold or Scaffold()
        if scaffold.saver is None and not get_default_graph().get_collection(GraphKeys.SAVERS):
            get_default_graph().add_to_collection(GraphKeys.SAVERS, Saver(
                max_to_keep=config.keep_checkpoint_max, defer_build=True,
                keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours))
        all_hooks = [*hooks, *spec.training_hooks, *spec.training_chief_hooks,
                     NanTensorHook(spec.loss)]
        if config.log_step_count_steps:
            all_hooks.append(LoggingTensorHook({"loss": spec.loss, "step": step},
                                               every_n_iter=config.log_step_count_steps))
        saves = config.save_checkpoints_secs or config.save_checkpoints_steps
        if saves and not any(isinstance(h, CheckpointSaverHook) for h in all_hooks):
            all_hooks.append(CheckpointSaverHook(
                self._model_dir, config.save_checkpoints_secs, config.save_checkpoints_steps,
                scaffold=scaffold, listeners=saving_listeners))
        with MonitoredTrainingSession(
                checkpoint_dir=self._model_dir, scaffold=scaffold, hooks=all_hooks,
                save_checkpoint_secs=0, save_summaries_steps=config.save_summary_steps,
                config=config.session_config,
                log_step_count_steps=config.log_step_count_steps) as sess:
            loss = None
            while not sess.should_stop():
                _, loss = sess.run([spec.train_op, spec.loss])
        logging.info("Loss for final step: %s.", loss)

    # ---- evaluating and predicting --------------------------------------------------------------

    def evaluate(
        self, input_fn: Callable[..., Any], steps: int | None = None, hooks: Any = None,
        checkpoint_path: Any = None, name: str | None = None,
    ) -> dict[str, Any]:
        """The metrics over `steps` batches (all if None), with `loss` and `global_step`.

        name: tells several evaluations apart. Without a checkpoint, the initialised model's.
        """
        if steps is not None and steps <= 0:
            raise GraphError(f"Must specify steps > 0, given: {steps}")
        with self._new_graph() as graph:
            step = get_or_create_global_step(graph)
            spec = self._build(input_fn, ModeKeys.EVAL)
            metrics = dict(spec.eval_metric_ops)
            if "loss" not in metrics:
                metrics["loss"] = mean(spec.loss)
            updates = F.group(*(update for _, update in metrics.values()))
            values: dict[str, Any] = {key: value for key, (value, _) in metrics.items()}
            values["global_step"] = step
            with self._session(spec, [*hooks_of(hooks), *spec.evaluation_hooks],
                               checkpoint_path) as sess:
                found = _evaluated(sess, updates, values, steps)
        self._write(found, name)
        logging.info("Saving dict for global step %d: %s", found["global_step"], ", ".join(
            f"{k} = {v}" for k, v in sorted(found.items())))
        return found

    def _write(self, values: dict[str, Any], name: str | None) -> None:
        """The numbers among the values, as a summary of the evaluation."""
        numbers = [Summary.Value(tag=key, simple_value=float(value))
                   for key, value in values.items()
                   if key != "global_step" and np.ndim(value) == 0 and np.isreal(value)]
        writer = FileWriterCache.get(self.eval_dir(name))
        writer.add_summary(Summary(value=numbers), int(values["global_step"]))
        writer.flush()

    def predict(
        self, input_fn: Callable[..., Any], predict_keys: Any = None, hooks: Any = None,
        checkpoint_path: Any = None, yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """A generator of the predictions of each example, or of each batch.

        predict_keys: which entries of a dict of predictions. input_fn: labels are ignored.
        Raises GraphError (a ValueError) where there is no checkpoint, or for keys that there are
        not.
        """
        path = checkpoint_path or self._trained()
        with self._new_graph() as graph:
            get_or_create_global_step(graph)
            spec = self._build(input_fn, ModeKeys.PREDICT)
            wanted = _chosen(spec.predictions, predict_keys)
            with self._session(spec, [*hooks_of(hooks), *spec.prediction_hooks], path) as sess:
                while not sess.should_stop():
                    batch = sess.run(wanted)
                    if yield_single_examples:
                        yield from _examples(batch)
                    else:
                        yield batch

    def export_savedmodel(self, *arguments: Any, **named: Any) -> Any:
        """Raises UnimplementedError: restore the checkpoint in a graph of your own and save it."""
        raise UnimplementedError(
            None, None, "Estimator.export_savedmodel is not available. Build the model with "
            "placeholders in a graph of your own, restore estimator.latest_checkpoint() with "
            "gf.train.Saver, and export that graph and session.")

    export_saved_model = export_savedmodel

    # ---- building -------------------------------------------------------------------------------

    def _new_graph(self) -> Any:
        return _SeededGraph(self._config.tf_random_seed)

    def _build(self, input_fn: Callable[..., Any], mode: str) -> EstimatorSpec:
        known = {"mode": mode, "params": self.params, "config": self._config}
        features, labels = input_of(input_fn, known)
        spec = self._call_model_fn(features, labels, mode, self._config)
        return spec

    def _call_model_fn(
        self, features: Any, labels: Any, mode: str, config: Any
    ) -> EstimatorSpec:
        known = {"labels": labels, "mode": mode, "params": self.params, "config": config}
        given = accepted(self._model_fn, known)
        if labels is not None and "labels" not in given and mode != ModeKeys.PREDICT:
            raise GraphError("model_fn does not take labels, but input_fn returns labels.")
        logging.info("Calling model_fn.")
        spec = self._model_fn(features, **given)
        if not isinstance(spec, EstimatorSpec):
            raise GraphError(f"model_fn should return an EstimatorSpec, got {spec!r}.")
        return spec

    def _session(self, spec: EstimatorSpec, hooks: Sequence[Any], path: Any) -> MonitoredSession:
        found = path or self.latest_checkpoint()
        if found is None:
            logging.warning("Could not find trained model in model_dir: %s, running "
                            "initialization to evaluate.", self._model_dir)
        creator = ChiefSessionCreator(
            spec.scaffold or Scaffold(), config=self._config.session_config,
            checkpoint_filename_with_path=found)
        return MonitoredSession(creator, hooks)


class _SeededGraph:
    """A new graph as the default one."""

    def __init__(self, seed: int | None) -> None:
        self._graph = Graph()
        self._graph.seed = seed

    def __enter__(self) -> Graph:
        self._entered = self._graph.as_default()
        self._entered.__enter__()
        return self._graph

    def __exit__(self, *error: Any) -> None:
        self._entered.__exit__(*error)


def _check_model_fn(model_fn: Any, params: Any) -> None:
    if not callable(model_fn):
        raise GraphError(f"model_fn must be provided to Estimator, got {model_fn!r}.")
    parameters = inspect.signature(model_fn).parameters
    names = [n for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if "features" not in names:
        raise GraphError(f"model_fn ({model_fn}) must include features argument.")
    strange = [n for n in names if n not in _PARAMETERS]
    if strange:
        raise GraphError(f"model_fn ({model_fn}) has following not expected args: {strange}")


def _evaluated(
    sess: MonitoredSession, updates: Any, values: Mapping[str, Any], steps: int | None
) -> dict[str, Any]:
    """The metrics after `steps` updates, or as many as there is data for."""
    done = 0
    try:
        while (steps is None or done < steps) and not sess.should_stop():
            sess.run(updates)
            done += 1
    except OutOfRangeError:
        pass
    if not done:
        raise GraphError("Estimator.evaluate: input_fn gave no data.")
    found: dict[str, Any] = sess._sess._sess.run(dict(values))
    return found


def _chosen(predictions: Any, keys: Any) -> Any:
    if not keys:
        return predictions
    if not isinstance(predictions, Mapping):
        raise GraphError("predict_keys argument is not valid in case of non-dict predictions.")
    wanted = [keys] if isinstance(keys, str) else list(keys)
    found = {k: v for k, v in predictions.items() if k in wanted}
    if not found:
        raise GraphError(f"Expected to run at least one output from {list(predictions)}, provided "
                         f"{wanted}.")
    return found


def _examples(batch: Any) -> Iterator[Any]:
    if not isinstance(batch, Mapping):
        yield from batch
        return
    sizes = {np.shape(value)[0] if np.ndim(value) else None for value in batch.values()}
    if len(sizes) != 1 or None in sizes:
        raise GraphError("predict: batch lengths of predictions should be the same; got "
                         f"{ {k: np.shape(v) for k, v in batch.items()} }. Pass "
                         "yield_single_examples=False.")
    for row in range(sizes.pop() or 0):
        yield {key: value[row] for key, value in batch.items()}
