"""Canned estimators: linear models, deep ones, and both together ("wide and deep").

Cheng et al., Wide & Deep Learning for Recommender Systems (2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from graphflow import layers
from graphflow.builder import F
from graphflow.errors import GraphError
from graphflow.estimator.estimator import Estimator
from graphflow.estimator.heads import SUM, Head, RegressionHead, classifier
from graphflow.estimator.spec import ModeKeys
from graphflow.feature_column import input_layer, linear_model
from graphflow.graph import get_default_graph
from graphflow.ops.initializers import GlorotUniform
from graphflow.ops.variable_scope import variable_scope
from graphflow.scopes import GraphKeys
from graphflow.train.adagrad import AdagradOptimizer
from graphflow.train.adam import AdamOptimizer
from graphflow.train.ftrl import FtrlOptimizer
from graphflow.train.gradient_descent import GradientDescentOptimizer
from graphflow.train.optimizer import Optimizer
from graphflow.train.rmsprop import RMSPropOptimizer
from graphflow.train.training_util import get_global_step

_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "Adagrad": AdagradOptimizer, "Adam": AdamOptimizer, "Ftrl": FtrlOptimizer,
    "RMSProp": RMSPropOptimizer, "SGD": GradientDescentOptimizer}


def _optimizer(given: Any, learning_rate: float) -> Optimizer:
    """An optimizer by name, by a function without arguments, or itself."""
    if isinstance(given, str):
        if given not in _OPTIMIZERS:
            raise GraphError(f"Unsupported optimizer name: {given}. Supported names are: "
                             f"{tuple(sorted(_OPTIMIZERS))}")
        return _OPTIMIZERS[given](learning_rate=learning_rate)
    found = given() if callable(given) and not isinstance(given, Optimizer) else given
    if not isinstance(found, Optimizer):
        raise GraphError(f"The given object is not an Optimizer instance. Given: {found!r}")
    return found


def _dnn(
    features: Any, columns: Sequence[Any], hidden_units: Sequence[int], width: int,
    activation: Callable[[Any], Any], dropout: float | None, batch_norm: bool, mode: str,
) -> Any:
    """The logits of a deep network: dense layers over the columns."""
    training = mode == ModeKeys.TRAIN
    with variable_scope("dnn"):
        with variable_scope("input_from_feature_columns"):
            net = input_layer(features, columns)
        for number, units in enumerate(hidden_units):
            net = layers.dense(net, units, activation, kernel_initializer=GlorotUniform(),
                               name=f"hiddenlayer_{number}")
            if dropout is not None and training:
                net = layers.dropout(net, rate=dropout, training=True)
            if batch_norm:
                net = layers.batch_normalization(net, momentum=0.999, training=training,
                                                 name=f"batchnorm_{number}")
        return layers.dense(net, width, kernel_initializer=GlorotUniform(), name="logits")


def _linear(features: Any, columns: Sequence[Any], width: int, combiner: str) -> Any:
    """The logits of a linear model."""
    with variable_scope("linear"):
        return linear_model(features, columns, units=width, sparse_combiner=combiner)


class _Part:
    """One part of a model: its logits, and what trains the variables of its scope."""

    def __init__(
        self, scope: str, logits: Callable[[Any, str, int], Any], optimizer: Any,
        learning_rate: float,
    ) -> None:
        self.scope, self.logits = scope, logits
        self._optimizer, self._learning_rate = optimizer, learning_rate

    def train(self, loss: Any, global_step: Any) -> Any:
        """The operation that updates the part's variables."""
        variables = get_default_graph().get_collection(
            GraphKeys.TRAINABLE_VARIABLES, scope=self.scope)
        return _optimizer(self._optimizer, self._learning_rate).minimize(
            loss, global_step=global_step, var_list=variables)


class _Canned(Estimator):
    """An Estimator of a head over the sum of its parts' logits."""

    def __init__(
        self, head: Head, parts: Sequence[_Part], model_dir: Any, config: Any,
        warm_start_from: Any,
    ) -> None:
        def model_fn(features: Any, labels: Any, mode: str) -> Any:
            logits = [part.logits(features, mode, head.width) for part in parts]
            total = logits[0] if len(logits) == 1 else F.add_n(logits)

            def train(loss: Any) -> Any:
                step = get_global_step()
                updates = get_default_graph().get_collection(GraphKeys.UPDATE_OPS)
                if len(parts) == 1:
                    return F.group(parts[0].train(loss, step), *updates)
                trained = F.group(*(p.train(loss, None) for p in parts), *updates)
                with get_default_graph().control_dependencies([trained]):
                    return step.assign_add(1).op

            return head.spec(features, labels, mode, total, train)

        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


def _dnn_part(
    columns: Sequence[Any], hidden_units: Sequence[int], activation: Any, dropout: float | None,
    batch_norm: bool, optimizer: Any, learning_rate: float = 0.05,
) -> _Part:
    if not hidden_units:
        raise GraphError("hidden_units must be given: the sizes of the hidden layers.")
    return _Part("dnn", lambda features, mode, width: _dnn(
        features, columns, hidden_units, width, activation, dropout, batch_norm, mode),
        optimizer, learning_rate)


def _linear_part(columns: Sequence[Any], optimizer: Any, combiner: str, limit: float) -> _Part:
    columns = list(columns)
    rate = min(limit, 1.0 / math.sqrt(max(1, len(columns))))
    return _Part("linear", lambda features, mode, width: _linear(
        features, columns, width, combiner), optimizer, rate)


class DNNClassifier(_Canned):
    """A deep network that tells classes apart.

    hidden_units: sizes of the hidden layers. feature_columns: dense columns. n_classes: 2 has one
    logit. label_vocabulary: the classes' names, if labels are strings. weight_column: the name of
    a feature of weights. optimizer: an object, a name, or a function that makes one.
    """

    def __init__(
        self, hidden_units: Sequence[int], feature_columns: Sequence[Any], model_dir: Any = None,
        n_classes: int = 2, weight_column: Any = None, label_vocabulary: Any = None,
        optimizer: Any = "Adagrad", activation_fn: Any = F.relu, dropout: float | None = None,
        input_layer_partitioner: Any = None, config: Any = None, warm_start_from: Any = None,
        loss_reduction: Any = SUM, batch_norm: bool = False,
    ) -> None:
        super().__init__(
            classifier(n_classes, weight_column, label_vocabulary, loss_reduction),
            [_dnn_part(feature_columns, hidden_units, activation_fn, dropout, batch_norm,
                       optimizer)], model_dir, config, warm_start_from)


class DNNRegressor(_Canned):
    """A deep network that gives `label_dimension` numbers; see DNNClassifier."""

    def __init__(
        self, hidden_units: Sequence[int], feature_columns: Sequence[Any], model_dir: Any = None,
        label_dimension: int = 1, weight_column: Any = None, optimizer: Any = "Adagrad",
        activation_fn: Any = F.relu, dropout: float | None = None,
        input_layer_partitioner: Any = None, config: Any = None, warm_start_from: Any = None,
        loss_reduction: Any = SUM, batch_norm: bool = False,
    ) -> None:
        super().__init__(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            [_dnn_part(feature_columns, hidden_units, activation_fn, dropout, batch_norm,
                       optimizer)], model_dir, config, warm_start_from)


class LinearClassifier(_Canned):
    """A linear model that tells classes apart. feature_columns: of any kind.

    sparse_combiner: "sum", "mean" or "sqrtn" of the ids of one example; see DNNClassifier.
    """

    def __init__(
        self, feature_columns: Sequence[Any], model_dir: Any = None, n_classes: int = 2,
        weight_column: Any = None, label_vocabulary: Any = None, optimizer: Any = "Ftrl",
        config: Any = None, partitioner: Any = None, warm_start_from: Any = None,
        loss_reduction: Any = SUM, sparse_combiner: str = "sum",
    ) -> None:
        super().__init__(
            classifier(n_classes, weight_column, label_vocabulary, loss_reduction),
            [_linear_part(feature_columns, optimizer, sparse_combiner, 0.2)], model_dir, config,
            warm_start_from)


class LinearRegressor(_Canned):
    """A linear model that gives `label_dimension` numbers; see LinearClassifier."""

    def __init__(
        self, feature_columns: Sequence[Any], model_dir: Any = None, label_dimension: int = 1,
        weight_column: Any = None, optimizer: Any = "Ftrl", config: Any = None,
        partitioner: Any = None, warm_start_from: Any = None, loss_reduction: Any = SUM,
        sparse_combiner: str = "sum",
    ) -> None:
        super().__init__(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            [_linear_part(feature_columns, optimizer, sparse_combiner, 0.2)], model_dir, config,
            warm_start_from)


def _both(
    linear_columns: Any, linear_optimizer: Any, combiner: str, dnn_columns: Any,
    dnn_optimizer: Any, hidden_units: Any, activation: Any, dropout: Any, batch_norm: bool,
) -> list[_Part]:
    """The parts that have columns. Raises GraphError (a ValueError) if none has."""
    parts = []
    if dnn_columns:
        parts.append(_dnn_part(dnn_columns, hidden_units, activation, dropout, batch_norm,
                               dnn_optimizer, 0.001 if dnn_optimizer == "Adam" else 0.05))
    if linear_columns:
        parts.append(_linear_part(linear_columns, linear_optimizer, combiner, 0.005))
    if not parts:
        raise GraphError("Either linear_feature_columns or dnn_feature_columns must be defined.")
    return parts


class DNNLinearCombinedClassifier(_Canned):
    """A linear model and a deep network, trained together, whose logits are added."""

    def __init__(
        self, model_dir: Any = None, linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl", dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad", dnn_hidden_units: Any = None,
        dnn_activation_fn: Any = F.relu, dnn_dropout: float | None = None, n_classes: int = 2,
        weight_column: Any = None, label_vocabulary: Any = None,
        input_layer_partitioner: Any = None, config: Any = None, warm_start_from: Any = None,
        loss_reduction: Any = SUM, batch_norm: bool = False, linear_sparse_combiner: str = "sum",
    ) -> None:
        super().__init__(
            classifier(n_classes, weight_column, label_vocabulary, loss_reduction),
            _both(linear_feature_columns, linear_optimizer, linear_sparse_combiner,
                  dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn,
                  dnn_dropout, batch_norm), model_dir, config, warm_start_from)


class DNNLinearCombinedRegressor(_Canned):
    """As DNNLinearCombinedClassifier, for `label_dimension` numbers."""

    def __init__(
        self, model_dir: Any = None, linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl", dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad", dnn_hidden_units: Any = None,
        dnn_activation_fn: Any = F.relu, dnn_dropout: float | None = None,
        label_dimension: int = 1, weight_column: Any = None, input_layer_partitioner: Any = None,
        config: Any = None, warm_start_from: Any = None, loss_reduction: Any = SUM,
        batch_norm: bool = False, linear_sparse_combiner: str = "sum",
    ) -> None:
        super().__init__(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            _both(linear_feature_columns, linear_optimizer, linear_sparse_combiner,
                  dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn,
                  dnn_dropout, batch_norm), model_dir, config, warm_start_from)
