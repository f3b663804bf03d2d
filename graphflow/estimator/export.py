"""`tf.estimator.export`: records by which a program says what a served model takes and gives.

They are accepted, so that model functions run as they are; `Estimator.export_savedmodel` says
what to use.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class ServingInputReceiver(NamedTuple):
    """What a serving_input_receiver_fn gives."""

    features: Any
    receiver_tensors: Any
    receiver_tensors_alternatives: Any = None


class PredictOutput(NamedTuple):
    """Any outputs."""

    outputs: Any


class ClassificationOutput(NamedTuple):
    """Scores and classes."""

    scores: Any = None
    classes: Any = None


class RegressionOutput(NamedTuple):
    """Numbers."""

    value: Any
