"""Learning through a loop: an orbit's eccentricity from positions, through Newton's method.

Kepler's equation M = E − e·sin E gives the time M of a position E (both angles, in radians) on
an orbit of eccentricity e. To find E from M one iterates: here by Newton's method in a
`tf.while_loop`. `tf.gradients` differentiates the loop itself, and gradient descent finds the
eccentricity with which the computed positions fit the observed ones. The implicit function
theorem gives the same derivative in closed form, dE/de = sin E / (1 − e·cos E), to compare
with. Run it with `python examples/kepler_orbit.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as tf


@dataclass(frozen=True, slots=True)
class Outcome:
    """eccentricity: as found. gradient_error: largest difference from the closed form, at the
    start. iterations: turns of Newton's loop in the last step."""

    eccentricity: float
    losses: list[float]
    gradient_error: float
    iterations: int


def eccentric_anomaly(mean: Any, eccentricity: Any, tolerance: float) -> tuple[Any, Any]:
    """Solves Kepler's equation: mean [N] float64, eccentricity scalar → (E [N], turns int32)."""

    def residual(angle: Any) -> Any:
        return angle - eccentricity * tf.sin(angle) - mean

    def unfinished(turn: Any, angle: Any) -> Any:
        return tf.reduce_max(tf.abs(residual(angle))) > tolerance

    def newton(turn: Any, angle: Any) -> list[Any]:
        return [turn + 1, angle - residual(angle) / (1.0 - eccentricity * tf.cos(angle))]

    turns, angle = tf.while_loop(
        unfinished, newton, [tf.constant(0), mean], maximum_iterations=50, name="newton")
    return angle, turns


def main(
    steps: int = 60, count: int = 40, eccentricity: float = 0.6, start: float = 0.1,
    learning_rate: float = 0.5, tolerance: float = 1e-12, seed: int = 0,
) -> Outcome:
    """Recovers `eccentricity` from `count` exact positions, beginning with the guess `start`."""
    position = np.sort(np.random.default_rng(seed).uniform(0.3, 2 * np.pi - 0.3, count))
    time = position - eccentricity * np.sin(position)
    tf.reset_default_graph()

    mean = tf.placeholder(tf.float64, [None], name="time")
    observed = tf.placeholder(tf.float64, [None], name="position")
    guess = tf.Variable(np.float64(start), name="eccentricity")
    e = tf.identity(guess)
    angle, turns = eccentric_anomaly(mean, e, tolerance)
    through_loop = tf.gradients(angle, e)[0]
    closed_form = tf.reduce_sum(tf.sin(angle) / (1.0 - e * tf.cos(angle)))
    loss = tf.reduce_mean(tf.square(angle - observed))
    train = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss)

    feed = {mean: time, observed: position}
    losses = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        by_loop, by_formula = sess.run([through_loop, closed_form], feed)
        for _ in range(steps):
            _, current, iterations = sess.run([train, loss, turns], feed)
            losses.append(float(current))
        found = float(sess.run(guess))
    print(f"d(ΣE)/de through the loop {by_loop:.12f}, in closed form {by_formula:.12f}")
    print(f"loss {losses[0]:.3e} → {losses[-1]:.3e} in {steps} steps; "
          f"Newton takes {iterations} turns")
    print(f"eccentricity {found:.10f}, the orbit's {eccentricity}")
    return Outcome(found, losses, abs(float(by_loop - by_formula)), int(iterations))


if __name__ == "__main__":
    main()
