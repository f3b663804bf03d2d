"""Writes what Keras's Adamax and AdamW, and TensorFlow's Adam with Nesterov momentum, give.

    python tests/oracle/record_keras_optimizers.py

needs TensorFlow 2 with Keras (recorded with 2.21 and 3.15): fifty steps on the function
½ Σ cᵢ (xᵢ − tᵢ)², every tenth point in keras_optimizers.json.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from programs.keras_optimizers import CURVATURE, START, STEPS, TARGET


def keras_path(optimizer: keras.optimizers.Optimizer) -> list[list[float]]:
    x = keras.Variable(np.array(START, np.float32))
    points = []
    for step in range(1, STEPS + 1):
        gradient = np.array(CURVATURE, np.float32) * (np.array(x) - np.array(TARGET, np.float32))
        optimizer.apply([tf.constant(gradient)], [x])
        if step % 10 == 0:
            points.append([float(str(v)) for v in np.array(x)])
    return points


def nesterov_path() -> list[list[float]]:
    w, m, v = (tf.Variable(np.array(a, np.float32)) for a in (START, [0.0] * 4, [0.0] * 4))
    points = []
    for step in range(1, STEPS + 1):
        gradient = np.array(CURVATURE, np.float32) * (w.numpy() - np.array(TARGET, np.float32))
        tf.raw_ops.ResourceApplyAdam(
            var=w.handle, m=m.handle, v=v.handle, beta1_power=0.9**step, beta2_power=0.95**step,
            lr=0.05, beta1=0.9, beta2=0.95, epsilon=1e-4, grad=gradient, use_nesterov=True)
        if step % 10 == 0:
            points.append([float(str(value)) for value in w.numpy()])
    return points


def main() -> None:
    """Write keras_optimizers.json beside this script."""
    found = {
        "adamax": keras_path(keras.optimizers.Adamax(0.05, beta_1=0.8, beta_2=0.9, epsilon=1e-3)),
        "adamw": keras_path(keras.optimizers.AdamW(
            0.05, weight_decay=0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-3)),
        "nadam": nesterov_path(),
    }
    path = Path(__file__).with_name("keras_optimizers.json")
    path.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
