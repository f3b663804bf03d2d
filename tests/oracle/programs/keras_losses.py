"""`tf.keras.losses` and `tf.keras.metrics`: values, weights, reductions; constraints.

Recorded with Keras 2, which TensorFlow uses if TF_USE_LEGACY_KERAS=1 and tf_keras is installed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, wave

FUNCTIONS = (
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error", "squared_hinge", "hinge", "categorical_hinge", "logcosh",
    "categorical_crossentropy", "binary_crossentropy", "kullback_leibler_divergence", "poisson")
CLASSES = (
    "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError", "BinaryCrossentropy", "CategoricalCrossentropy", "Hinge",
    "SquaredHinge", "CategoricalHinge", "Poisson", "LogCosh", "KLDivergence", "Huber",
    "CosineSimilarity")


def probabilities(*shape: int) -> np.ndarray:
    """Rows of positive numbers whose sum is 1."""
    x = np.exp(wave(*shape))
    return (x / x.sum(-1, keepdims=True)).astype("float32")


@case(rtol=1e-4, atol=1e-5)
def functions(tf: ModuleType) -> Any:
    """One number per sample."""
    y, p = np.eye(4, dtype="float32")[[0, 2, 3]], probabilities(3, 4)
    losses = tf.keras.losses
    return evaluated(tf, {name: lambda name=name: getattr(losses, name)(
        tf.constant(y), tf.constant(p)) for name in FUNCTIONS})


@case(rtol=1e-4, atol=1e-5)
def objects(tf: ModuleType) -> Any:
    """A mean over the batch; with weights; a sum; nothing."""
    y, p = np.eye(4, dtype="float32")[[0, 2, 3]], probabilities(3, 4)
    weights = np.array([1.0, 0.5, 2.0], "float32")
    losses = tf.keras.losses
    found = {}
    for name in CLASSES:
        make = getattr(losses, name)
        found[name] = evaluated(tf, {
            "mean": lambda make=make: make()(y, p),
            "weighted": lambda make=make: make()(y, p, sample_weight=weights),
            # TensorFlow 1.15 adds the losses of Huber up over elements, later ones over samples.
            **({} if name == "Huber" else {"sum": lambda make=make: make(reduction="sum")(y, p)}),
        })
    return found


@case(rtol=1e-4, atol=1e-5)
def crossentropies(tf: ModuleType) -> Any:
    """Logits, smoothed labels, class numbers, probabilities that a softmax made."""
    y, z = np.eye(4, dtype="float32")[[0, 2, 3]], wave(3, 4) * 3
    numbers = np.array([0, 2, 3])
    losses = tf.keras.losses
    return evaluated(tf, {
        "logits": lambda: losses.categorical_crossentropy(
            tf.constant(y), tf.constant(z), from_logits=True),
        "smoothed": lambda: losses.CategoricalCrossentropy(label_smoothing=0.2)(
            tf.constant(y), tf.constant(probabilities(3, 4))),
        "softmax": lambda: losses.categorical_crossentropy(
            tf.constant(y), tf.nn.softmax(tf.constant(z * 20))),
        "sparse": lambda: losses.sparse_categorical_crossentropy(
            tf.constant(numbers), tf.constant(probabilities(3, 4))),
        "sparse_column": lambda: losses.SparseCategoricalCrossentropy()(
            tf.constant(numbers[:, None]), tf.constant(probabilities(3, 4))),
        "sparse_logits": lambda: losses.SparseCategoricalCrossentropy(from_logits=True)(
            tf.constant(numbers), tf.constant(z)),
        "binary_logits": lambda: losses.BinaryCrossentropy(from_logits=True)(
            tf.constant(y), tf.constant(z)),
        "binary_smoothed": lambda: losses.BinaryCrossentropy(label_smoothing=0.1)(
            tf.constant(y), tf.constant(probabilities(3, 4))),
        "binary_extreme": lambda: losses.binary_crossentropy(
            tf.constant(y), tf.constant(np.round(probabilities(3, 4)))),
        "huber": lambda: losses.Huber(delta=0.5)(tf.constant(y), tf.constant(z)),
    })


def measured(tf: ModuleType, metric: Any, batches: Any) -> list[Any]:
    """The result after each batch, and after a reset."""
    placeholders = [tf.placeholder(a.dtype, [None] * a.ndim) for a in batches[0]]
    names = ("sample_weight",) if len(placeholders) == 3 else ()
    update = metric.update_state(*placeholders[:2], **dict(zip(names, placeholders[2:])))
    result = metric.result()
    session = tf.keras.backend.get_session()
    found = []
    for arrays in batches:
        session.run(update, dict(zip(placeholders, arrays)))
        found.append(session.run(result))
    metric.reset_states()
    return [*found, session.run(result)]


@case(rtol=1e-4, atol=1e-5)
def metrics(tf: ModuleType) -> Any:
    """Numbers over two batches, plain and weighted."""
    m = tf.keras.metrics
    batches = []
    for phase in (0, 1):
        y = np.eye(4, dtype="float32")[[0, 2 - phase, 3]]
        batches.append((y, np.roll(probabilities(3, 4), phase, 1)))
    weighted = [(*b, np.array([1.0, 0.5, 2.0], "float32")) for b in batches]
    numbers = [(b[0].argmax(1), b[1]) for b in batches]
    columns = [(b[0].argmax(1), b[1].argmax(1)) for b in batches]
    made = {
        "CategoricalAccuracy": m.CategoricalAccuracy, "BinaryAccuracy": m.BinaryAccuracy,
        "TopK": lambda: m.TopKCategoricalAccuracy(k=2), "MSE": m.MeanSquaredError,
        "RMSE": m.RootMeanSquaredError, "MAE": m.MeanAbsoluteError, "Hinge": m.Hinge,
        "KLD": m.KLDivergence, "Poisson": m.Poisson, "LogCosh": m.LogCoshError,
        "BCE": m.BinaryCrossentropy, "CCE": m.CategoricalCrossentropy,
        "Cosine": m.CosineSimilarity, "Precision": m.Precision, "Recall": m.Recall,
        "RecallAt": lambda: m.Recall(thresholds=[0.1, 0.3]),
        "TP": m.TruePositives, "FN": lambda: m.FalseNegatives(thresholds=0.2),
        "AUC": m.AUC, "PR": lambda: m.AUC(curve="PR", num_thresholds=20),
        "AUC_minoring": lambda: m.AUC(num_thresholds=10, summation_method="minoring"),
    }
    found = {name: measured(tf, make(), batches) for name, make in made.items()}
    found |= {f"{name}_weighted": measured(tf, made[name](), weighted) for name in (
        "CategoricalAccuracy", "MSE", "Precision", "AUC", "BCE")}
    found["Sparse"] = measured(tf, m.SparseCategoricalAccuracy(), numbers)
    found["SparseTopK"] = measured(tf, m.SparseTopKCategoricalAccuracy(k=2), numbers)
    found["Accuracy"] = measured(tf, m.Accuracy(), columns)
    found["MeanIoU"] = measured(tf, m.MeanIoU(4), columns)
    return found


@case(rtol=1e-4, atol=1e-5)
def constraints(tf: ModuleType) -> Any:
    """Weights after a constraint, and penalties of regularisers."""
    w = wave(4, 3) * 2
    c, r = tf.keras.constraints, tf.keras.regularizers
    return evaluated(tf, {
        "max_norm": lambda: c.MaxNorm(1.5)(tf.constant(w)),
        "non_neg": lambda: c.NonNeg()(tf.constant(w)),
        "unit_norm": lambda: c.UnitNorm(axis=1)(tf.constant(w)),
        "min_max": lambda: c.MinMaxNorm(1.0, 2.0, rate=0.5)(tf.constant(w)),
        "by_name": lambda: c.get("max_norm")(tf.constant(w)),
        "l1": lambda: r.l1(0.1)(tf.constant(w)),
        "l2": lambda: r.get("l2")(tf.constant(w)),
        "l1_l2": lambda: r.l1_l2(0.1, 0.2)(tf.constant(w)),
    })
