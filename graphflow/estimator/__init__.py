"""`tf.estimator`: models that train, evaluate and predict by one call each."""

from graphflow.estimator import export, inputs
from graphflow.estimator.canned import (
    DNNClassifier,
    DNNLinearCombinedClassifier,
    DNNLinearCombinedRegressor,
    DNNRegressor,
    LinearClassifier,
    LinearRegressor,
)
from graphflow.estimator.estimator import Estimator
from graphflow.estimator.spec import EstimatorSpec, EvalSpec, ModeKeys, RunConfig, TrainSpec
from graphflow.estimator.training import train_and_evaluate

__all__ = [
    "DNNClassifier", "DNNLinearCombinedClassifier", "DNNLinearCombinedRegressor", "DNNRegressor",
    "Estimator", "EstimatorSpec", "EvalSpec", "LinearClassifier", "LinearRegressor", "ModeKeys",
    "RunConfig", "TrainSpec", "export", "inputs", "train_and_evaluate",
]


def __getattr__(name: str) -> object:
    """Says what to use instead of a name that is not there."""
    from graphflow.absent import missing

    raise missing(__name__, name)
