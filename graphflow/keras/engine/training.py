"""`compile`, `fit`, `evaluate`, `predict` and training on single batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import GraphError
from graphflow.keras import optimizers
from graphflow.keras.callbacks.base import History
from graphflow.keras.engine import arrays as data
from graphflow.keras.engine.compiled import Compiled
from graphflow.keras.engine.feeding import ArrayBatches, Batch, GeneratorBatches
from graphflow.keras.engine.logs import Averages, as_result
from graphflow.keras.engine.loop import Fit, run_evaluation, run_prediction
from graphflow.keras.engine.network import Network
from graphflow.keras.engine.step import Signature, Step, loss_step, prediction_step
from graphflow.keras.engine.targets import check_targets


class TrainingMixin(Network):
    """The training loop of `Model`."""

    _compiled: Compiled | None
    history: History | None
    stop_training: bool
    _steps: dict[Any, Step]
    _building: bool
    _symbolic_metrics: list[Any]

    def _start_training_state(self) -> None:
        for name, value in (
                ("_compiled", None), ("_steps", {}), ("_building", False), ("history", None),
                ("stop_training", False), ("_symbolic_metrics", [])):
            object.__setattr__(self, name, value)

    def _forget_phases(self) -> None:
        self._steps.clear()

    # ---- compile ----------------------------------------------------------------------------

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None,
        loss_weights: Any = None, sample_weight_mode: Any = None, weighted_metrics: Any = None,
        target_tensors: Any = None, distribute: Any = None, **kwargs: Any,
    ) -> None:
        """Says how to train.

        optimizer: a name, a Keras optimizer or one of `tf.train`. loss, metrics, loss_weights:
        one for all outputs, or a list or dict of them by output. metrics: names, functions
        (y_true, y_pred) → numbers, or objects. weighted_metrics: metrics that sample weights
        count in. Other keywords (`run_eagerly`, …) are accepted without effect.
        Raises AttributeValueError for unknown names.
        """
        compiled = Compiled(
            optimizers.get(optimizer), loss, metrics, loss_weights, sample_weight_mode,
            weighted_metrics)
        if self.outputs:
            compiled.losses(self.output_names)
            compiled.weights(self.output_names)
            compiled.trainable = list(self.trainable_weights)
        object.__setattr__(self, "_compiled", compiled)
        self._forget_phases()

    def _compilation(self) -> Compiled:
        if self._compiled is None:
            raise RuntimeError(
                "You must compile your model before training/testing. Use `model.compile("
                "optimizer, loss)`.")
        return self._compiled

    @property
    def optimizer(self) -> Any:
        """The optimizer, or None before `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as it was given to `compile`."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics_names(self) -> list[str]:
        """The names of the numbers that `evaluate` gives; known after the first batch."""
        for kind, step in self._steps.items():
            if kind[0] != "predict":
                return list(step.names)
        spec = self._compilation().metrics
        plain = spec if isinstance(spec, (list, tuple)) else []
        names = [m if isinstance(m, str) else getattr(
            m, "name", None) or getattr(m, "__name__", str(m)) for m in plain]
        return ["loss", *map(str, names)]

    def add_metric(self, value: Any, aggregation: str | None = None, name: str | None = None,
                   ) -> None:
        """Shows the mean of a tensor of this model's as a metric in training."""
        self._symbolic_metrics.append((value, name or value.op.name, aggregation))
        self._forget_phases()

    # ---- the loop ---------------------------------------------------------------------------

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1,
        verbose: int = 1, callbacks: Any = None, validation_split: float = 0.0,
        validation_data: Any = None, shuffle: Any = True, class_weight: Any = None,
        sample_weight: Any = None, initial_epoch: int = 0, steps_per_epoch: int | None = None,
        validation_steps: int | None = None, validation_freq: Any = 1, max_queue_size: int = 10,
        workers: int = 1, use_multiprocessing: bool = False, **kwargs: Any,
    ) -> History:
        """Trains for some epochs; gives the `History` of losses and metrics.

        x, y: arrays, lists or dicts of arrays, one per input and output; or x alone a generator
        or `Sequence` of batches. batch_size: 32 by default; a last smaller batch is used too.
        verbose: 0 silent, 1 progress bar, 2 one line per epoch. validation_split: the last part
        of the samples, taken off before shuffling. validation_data: (x, y) or (x, y, weights).
        shuffle: a new order in each epoch, from NumPy's global generator. class_weight: class →
        weight. Raises RuntimeError before `compile`, ShapeError for arrays that do not fit.
        """
        epochs = kwargs.pop("nb_epoch", epochs)
        compiled = self._compilation()
        if _is_stream(x):
            batches: Any = self._stream(x, steps_per_epoch, class_weight, shuffle)
            held_out = None
        else:
            whole = self._batch(x, y, sample_weight, class_weight)
            whole, held_out = _split(whole, validation_split)
            batches = ArrayBatches(whole, batch_size, shuffle, steps_per_epoch)
        validation = self._validation(
            validation_data, held_out, batch_size, validation_steps, batches)
        history = Fit(self, compiled, batches, validation, epochs, initial_epoch, verbose,
                      callbacks, validation_freq).run()
        object.__setattr__(self, "history", history)
        return history

    def fit_generator(
        self, generator: Any, steps_per_epoch: int | None = None, epochs: int = 1,
        verbose: int = 1, callbacks: Any = None, validation_data: Any = None,
        validation_steps: int | None = None, validation_freq: Any = 1, class_weight: Any = None,
        max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
        shuffle: bool = True, initial_epoch: int = 0,
    ) -> History:
        """The same as `fit(generator, …)`."""
        return self.fit(
            generator, None, None, epochs, verbose, callbacks, validation_data=validation_data,
            shuffle=shuffle, class_weight=class_weight, initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch, validation_steps=validation_steps,
            validation_freq=validation_freq)

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int = 1,
        sample_weight: Any = None, steps: int | None = None, callbacks: Any = None,
        max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
    ) -> Any:
        """The loss, or [loss, metrics …] if there are metrics (or several outputs).

        Without metrics the result is one number, which cannot be unpacked.
        """
        compiled = self._compilation()
        if _is_stream(x):
            batches: Any = self._stream(x, steps, None, False, "steps")
        else:
            batches = ArrayBatches(self._batch(x, y, sample_weight), batch_size, False, steps)
        return as_result(run_evaluation(self, compiled, batches, verbose, callbacks)[1])

    def evaluate_generator(
        self, generator: Any, steps: int | None = None, callbacks: Any = None,
        max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The same as `evaluate(generator, …)`."""
        return self.evaluate(generator, steps=steps, callbacks=callbacks, verbose=verbose)

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: int = 0,
        steps: int | None = None, callbacks: Any = None, max_queue_size: int = 10,
        workers: int = 1, use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for x: an array, or a list of them for several outputs."""
        if _is_stream(x):
            batches: Any = GeneratorBatches(x, steps, self._inputs_of_item, what="steps")
        else:
            inputs = self._inputs(x)
            size = data.check_lengths([("input", inputs)])
            batches = ArrayBatches(Batch(inputs, [], [], size), batch_size, False, steps)
        found = run_prediction(self, batches, verbose, callbacks)
        return found[0] if len(found) == 1 else found

    def predict_generator(
        self, generator: Any, steps: int | None = None, callbacks: Any = None,
        max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The same as `predict(generator, …)`."""
        return self.predict(generator, steps=steps, callbacks=callbacks, verbose=verbose)

    # ---- single batches ---------------------------------------------------------------------

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None,
        reset_metrics: bool = True,
    ) -> Any:
        """One step on one batch; gives the loss, or [loss, metrics …]."""
        return self._on_batch(x, y, sample_weight, class_weight, reset_metrics, True)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, reset_metrics: bool = True,
    ) -> Any:
        """The loss on one batch, or [loss, metrics …]."""
        return self._on_batch(x, y, sample_weight, None, reset_metrics, False)

    def _on_batch(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any, reset: bool, training: bool
    ) -> Any:
        batch = self._batch(x, y, sample_weight, class_weight)
        step = self._step(self._compilation(), batch, training)
        if reset:
            reset_metrics(step)
        values = step([*batch.inputs, *_given(batch)])
        averages = Averages(step.names, len(step.metrics))
        averages.add(values, batch.size)
        return as_result(averages.values())

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        found = self._prediction()(self._inputs(x))
        return found[0] if len(found) == 1 else found

    def reset_metrics(self) -> None:
        """Sets the metrics back to their start."""
        for step in self._steps.values():
            reset_metrics(step)

    # ---- data and steps ---------------------------------------------------------------------

    def _inputs(self, x: Any) -> list[np.ndarray]:
        if not self.inputs:
            self._set_inputs_from(x)
        names = self.input_names
        return data.as_arrays(x, names, "input", [t.shape for t in self.inputs])

    def _set_inputs_from(self, x: Any) -> None:
        """Builds a model without inputs for data: floats and integers become floats."""
        from graphflow.keras.engine.input_layer import Input

        several = isinstance(x, (list, tuple)) and all(hasattr(a, "shape") for a in x)
        listed = list(x) if several else [x]
        arrays = data.as_arrays(
            listed, [f"input_{i + 1}" for i in range(len(listed))], "input")
        self._set_inputs([
            Input(a.shape[1:], dtype=None if a.dtype.kind in "fiub" else a.dtype)
            for a in arrays])

    def _set_inputs(self, tensors: Any) -> None:
        raise GraphError(f"Model {self.name} has no inputs.")

    def _batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None
    ) -> Batch:
        compiled, inputs = self._compilation(), self._inputs(x)
        names = self.output_names
        losses = compiled.losses(names)
        used = [name for name, loss in zip(names, losses) if loss is not None]
        given = data.as_arrays(y, used, "target") if used else []
        found = dict(zip(used, given))
        targets = [found.get(name) for name in names]
        check_targets(targets, losses, self.outputs, names)
        weights = data.sample_weights(sample_weight, class_weight, targets, names)
        size = data.check_lengths([("input", inputs), ("target", given), ("weight", weights)])
        return Batch(inputs, targets, weights, size)

    def _stream(
        self, source: Any, steps: int | None, class_weight: Any, shuffle: Any,
        what: str = "steps_per_epoch",
    ) -> GeneratorBatches:
        def standardize(item: Any) -> Batch:
            x, y, weight = (*item, None, None)[:3] if isinstance(item, tuple) else (
                item, None, None)
            return self._batch(x, y, weight, class_weight)

        return GeneratorBatches(source, steps, standardize, bool(shuffle), what)

    def _inputs_of_item(self, item: Any) -> Batch:
        inputs = self._inputs(item[0] if isinstance(item, tuple) else item)
        return Batch(inputs, [], [], len(inputs[0]))

    def _validation(
        self, given: Any, held_out: Batch | None, batch_size: int | None, steps: int | None,
        batches: Any,
    ) -> Any:
        if given is None:
            return None if held_out is None else ArrayBatches(held_out, batch_size, False, steps)
        if _is_stream(given):
            return self._stream(given, steps, None, False, "validation_steps")
        size = batch_size or getattr(batches, "batch_size", None)
        return ArrayBatches(self._batch(*given), size, False, steps)

    def _step(self, compiled: Compiled, batch: Batch, training: bool) -> Step:
        signature = Signature(
            tuple(None if t is None else (t.ndim, t.shape[-1]) for t in batch.targets),
            tuple(None if w is None else w.ndim for w in batch.weights))
        key = ("train" if training else "test", signature)
        if key not in self._steps:
            with self.inputs[0].graph.root.as_default():
                self._steps[key] = loss_step(self, compiled, signature, training)
        return self._steps[key]

    def _prediction(self) -> Step:
        if ("predict",) not in self._steps:
            with self.inputs[0].graph.root.as_default():
                self._steps["predict",] = prediction_step(self)
        return self._steps["predict",]


def reset_metrics(step: Step) -> None:
    """Sets the metrics of a step back to their start."""
    for metric in step.metrics:
        metric.reset_states()


def _given(batch: Batch) -> list[Any]:
    return [a for a in (*batch.targets, *batch.weights) if a is not None]


def _is_stream(x: Any) -> bool:
    """True for generators and `Sequence`s of batches."""
    if isinstance(x, (list, tuple, dict, np.ndarray)) or x is None or hasattr(x, "iloc"):
        return False
    return hasattr(x, "__next__") or (
        hasattr(x, "__getitem__") and hasattr(x, "__len__") and not hasattr(x, "shape"))


def _split(whole: Batch, fraction: float) -> tuple[Batch, Batch | None]:
    """(the first samples, the last `fraction` of them for validation)."""
    if not fraction or not 0.0 < fraction < 1.0:
        return whole, None
    at = int(whole.size * (1.0 - fraction))
    if at in (0, whole.size):
        raise GraphError(
            f"Training data contains {whole.size} samples, which is not sufficient to split it "
            f"into a validation and training set as specified by validation_split={fraction}.")

    def part(arrays: Sequence[Any], chosen: slice) -> list[Any]:
        return [None if a is None else a[chosen] for a in arrays]

    first, last = slice(None, at), slice(at, None)
    return tuple(  # type: ignore[return-value]  # two of them
        Batch(part(whole.inputs, s), part(whole.targets, s), part(whole.weights, s), n)
        for s, n in ((first, at), (last, whole.size - at)))
