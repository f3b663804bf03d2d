"""Learning rates that fall along a cosine.

Sources: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017;
for the linear forms Bello, Zoph, Vasudevan, Le, "Neural optimizer search with reinforcement
learning", ICML 2017.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from graphflow.builder import F
from graphflow.ops.scope import scope
from graphflow.tensor import Tensor
from graphflow.train.learning_rate_decay import progress


def _half_wave(fraction: Any) -> Any:
    return 0.5 * (1 + F.cos(math.pi * fraction))


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """learning_rate · ((1 − alpha) · (1 + cos(π · global_step / decay_steps)) / 2 + alpha).

    It stays at alpha · learning_rate after `decay_steps`. Raises GraphError (a ValueError)
    without a global step.
    """
    with scope(name, "CosineDecay"):
        rate, step, steps = progress("cosine_decay", learning_rate, global_step, decay_steps)
        wave = _half_wave(F.minimum(step, steps) / steps)
        return rate * ((1 - alpha) * wave + alpha)


def cosine_decay_restarts(
    learning_rate: Any, global_step: Any, first_decay_steps: Any, t_mul: Any = 2.0,
    m_mul: Any = 1.0, alpha: Any = 0.0, name: str | None = None,
) -> Tensor:
    """Cosine decay that starts anew: the first period takes `first_decay_steps`.

    Each further period is `t_mul` times as long and starts at `m_mul` times the rate of the one
    before. Raises GraphError (a ValueError) without a global step.
    """
    with scope(name, "SGDRDecay") as own:
        rate, step, steps = progress(
            "cosine_decay_restarts", learning_rate, global_step, first_decay_steps)
        done, grow = step / steps, F.cast(t_mul, rate.dtype)
        if isinstance(t_mul, Real):
            period, fraction = _even(done) if t_mul == 1.0 else _growing(done, grow)
        else:
            period, fraction = F.cond(
                F.equal(grow, 1), lambda: _even(done), lambda: _growing(done, grow))
        wave = F.pow(F.cast(m_mul, rate.dtype), period) * _half_wave(fraction)
        return F.multiply(rate, (1 - alpha) * wave + alpha, name=own)


def _even(done: Any) -> tuple[Any, Any]:
    """(number of the period, fraction of it), all periods of length 1."""
    period = F.floor(done)
    return period, done - period


def _growing(done: Any, grow: Any) -> tuple[Any, Any]:
    """The same for periods of lengths 1, t, t², …, by the sum of a geometric series."""
    period = F.floor(F.log(1 - done * (1 - grow)) / F.log(grow))
    length = F.pow(grow, period)
    return period, (done - (1 - length) / (1 - grow)) / length


def linear_cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, num_periods: Any = 0.5,
    alpha: Any = 0.0, beta: Any = 0.001, name: str | None = None,
) -> Tensor:
    """learning_rate · ((alpha + 1 − p) · (1 + cos(2π · num_periods · p)) / 2 + beta).

    p = global_step / decay_steps, 1 at most. Raises GraphError (a ValueError) without a global
    step.
    """
    with scope(name, "LinearCosineDecay") as own:
        rate, step, steps = progress(
            "linear_cosine_decay", learning_rate, global_step, decay_steps)
        done = F.minimum(step, steps) / steps
        wave = _half_wave(2 * num_periods * done)
        return F.multiply(rate, (alpha + (1 - done)) * wave + beta, name=own)


def noisy_linear_cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, initial_variance: Any = 1.0,
    variance_decay: Any = 0.55, num_periods: Any = 0.5, alpha: Any = 0.0, beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """`linear_cosine_decay` whose linear part has noise added.

    The noise is normal with variance initial_variance / (1 + global_step) ^ variance_decay.
    Raises GraphError (a ValueError) without a global step.
    """
    with scope(name, "NoisyLinearCosineDecay") as own:
        rate, step, steps = progress(
            "noisy_linear_cosine_decay", learning_rate, global_step, decay_steps)
        step = F.minimum(step, steps)
        done = step / steps
        variance = initial_variance / F.pow(1 + step, F.cast(variance_decay, rate.dtype))
        noise = F.random_normal([], dtype=rate.dtype) * F.sqrt(variance)
        wave = _half_wave(2 * num_periods * done)
        return F.multiply(rate, (alpha + (1 - done + noise)) * wave + beta, name=own)
