"""Control flow and host functions: a line through points of which many are wrong.

Least squares follows outliers. Huber's loss does not, once it knows the scale of the honest
residuals: the median of their absolute values, times 1.4826 (Huber & Ronchetti, Robust
Statistics, 2009, section 6.4). The graph has no median, so NumPy's is called by `tf.py_func`;
`tf.cond` begins with the squared loss and goes over to Huber's after some steps; `tf.Print`
reports from inside the graph, on standard error. Run it with
`python examples/robust_regression.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as tf

TRUE_LINE = (1.5, 0.5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Lines are (slope, intercept). scale: the residuals' deviation, as estimated."""

    line: tuple[float, float]
    least_squares: tuple[float, float]
    scale: float
    medians_taken: int


def points(count: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x, y: float32 [count]; a share `wrong` of the y is far too large."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, count)
    y = TRUE_LINE[0] * x + TRUE_LINE[1] + rng.normal(0.0, 0.05, count)
    y += (rng.uniform(size=count) < wrong) * rng.uniform(3.0, 6.0, count)
    return x.astype(np.float32), y.astype(np.float32)


def huber(residual: Any, knee: Any) -> Any:
    """r²/2 within the knee, linear beyond it; elementwise."""
    size = tf.abs(residual)
    inner = tf.minimum(size, knee)
    return 0.5 * tf.square(inner) + knee * (size - inner)


def main(
    steps: int = 400, squared_steps: int = 50, count: int = 200, wrong: float = 0.25,
    learning_rate: float = 0.2, report_every: int = 100, seed: int = 0,
) -> Outcome:
    """Fits the line with a share `wrong` of outliers; prints it beside the least-squares line."""
    xs, ys = points(count, wrong, seed)
    taken = []

    def median_scale(residual: np.ndarray) -> np.float32:
        taken.append(len(residual))
        return np.float32(1.4826 * np.median(np.abs(residual)))

    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.placeholder(tf.float32, [None], name="y")
    slope, intercept = tf.Variable(0.0, name="slope"), tf.Variable(0.0, name="intercept")
    step = tf.train.get_or_create_global_step()
    residual = slope * x + intercept - y

    def robust_loss() -> Any:
        scale = tf.py_func(median_scale, [residual], tf.float32, name="median_scale")
        scale.set_shape([])
        knee = tf.stop_gradient(1.345 * scale)
        # Divided by the knee: the pull of an outlier, and so the step, does not shrink with it.
        return tf.reduce_mean(huber(residual, knee) / knee), scale

    def squared_loss() -> Any:
        return tf.reduce_mean(tf.square(residual)), tf.constant(0.0)

    loss, scale = tf.cond(step < squared_steps, squared_loss, robust_loss)
    loss = tf.cond(
        tf.equal(step % report_every, 0),
        lambda: tf.Print(loss, [step, loss, scale], "step, loss, scale: "), lambda: loss)
    train = tf.train.GradientDescentOptimizer(
        learning_rate / tf.sqrt(1.0 + 0.1 * tf.cast(step, tf.float32))).minimize(
            loss, global_step=step)

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(steps):
            # `loss` is fetched so that its Print runs: the gradient alone does not need its value.
            _, _, found_scale = sess.run([train, loss, scale], {x: xs, y: ys})
        line = tuple(float(v) for v in sess.run([slope, intercept]))
    ordinary = tuple(float(v) for v in np.polyfit(xs, ys, 1))
    for name, (a, b) in (("the line", TRUE_LINE), ("found", line), ("least squares", ordinary)):
        print(f"{name:>13}: y = {a:.3f} x {b:+.3f}")
    return Outcome(line, ordinary, float(found_scale), len(taken))


if __name__ == "__main__":
    main()
