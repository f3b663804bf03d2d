"""Writes the signatures of TensorFlow's training kit, losses, metrics and layers.

    TF_USE_LEGACY_KERAS=1 python tests/oracle/record_training_signatures.py

needs TensorFlow with tf_keras (recorded with 2.21), where `tf.layers` lives. The form is that of
record_signatures.py; the file is training_signatures.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf
from record_signatures import lookup, signature, write

TRAIN = """
AdadeltaOptimizer AdagradDAOptimizer AdagradOptimizer ExponentialMovingAverage FtrlOptimizer
ProximalAdagradOptimizer ProximalGradientDescentOptimizer RMSPropOptimizer cosine_decay
cosine_decay_restarts exponential_decay inverse_time_decay linear_cosine_decay natural_exp_decay
noisy_linear_cosine_decay piecewise_constant piecewise_constant_decay polynomial_decay
"""
METHODS = """
train.ExponentialMovingAverage.apply train.ExponentialMovingAverage.average
train.ExponentialMovingAverage.average_name train.ExponentialMovingAverage.variables_to_restore
"""
# What compat.v1 has gained since 1.15.
ADDED_AFTER_1_15 = {"train.FtrlOptimizer": ["beta"]}
ALIASES = {"keras_style_scope", "set_keras_style", "experimental"}


def names(module: str) -> list[str]:
    """The public functions and classes of a module."""
    return [f"{module}.{name}" for name in dir(getattr(tf, module))
            if name[0] != "_" and name not in ALIASES and name != "Reduction"]


def main() -> None:
    """Write training_signatures.json beside this script."""
    paths = [f"train.{name}" for name in TRAIN.split()] + METHODS.split()
    for module in ("losses", "metrics", "layers", "initializers"):
        paths += names(module)
    found: dict[str, Any] = {}
    for path in paths:
        target = lookup(path)
        later = ADDED_AFTER_1_15.get(path, ())
        try:
            entry = signature(target.__init__ if isinstance(target, type) else target)
        except TypeError:
            continue
        found[path] = [argument for argument in entry if argument[0] not in later]
    write(Path(__file__).parent / "training_signatures.json",
          {"recorded_with": f"tensorflow {tf.__version__}", "signatures": found})
    print(f"{len(found)} signatures")


if __name__ == "__main__":
    tf.disable_v2_behavior()
    main()
