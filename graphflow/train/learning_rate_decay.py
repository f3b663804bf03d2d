"""Learning rates that change with the step: exponential, polynomial, piecewise constant, warm-up.

Each function gives a scalar tensor, to be passed to an optimizer, which is computed anew from
`global_step` (usually the variable that `minimize` counts up) whenever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError, DTypeError, GraphError
from graphflow.ops.scope import scope
from graphflow.tensor import Tensor


def progress(
    function: str, learning_rate: Any, global_step: Any, decay_steps: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """(rate, step, decay_steps) as scalars of the rate's type.

    Raises GraphError (a ValueError) if there is no global step.
    """
    if global_step is None:
        raise GraphError(f"{function}: global_step is required.")
    rate = learning_rate() if callable(learning_rate) else learning_rate
    rate = convert(rate, name="learning_rate")
    return rate, F.cast(global_step, rate.dtype), F.cast(decay_steps, rate.dtype)


def _decay(
    function: str, scope_name: str, rule: Callable[..., Any], learning_rate: Any,
    global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool, name: str | None,
) -> Tensor:
    with scope(name, scope_name) as own:
        rate, step, steps = progress(function, learning_rate, global_step, decay_steps)
        done = step / steps
        if staircase:
            done = F.floor(done)
        return rule(rate, F.cast(decay_rate, rate.dtype), done, own)


def exponential_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any,
    staircase: bool = False, name: str | None = None,
) -> Tensor:
    """learning_rate · decay_rate ^ (global_step / decay_steps).

    All are numbers or scalar tensors. staircase: rounds the exponent down, so that the rate falls
    once in `decay_steps`. Raises GraphError (a ValueError) without a global step.
    """
    return _decay(
        "exponential_decay", "ExponentialDecay",
        lambda rate, base, done, own: F.multiply(rate, F.pow(base, done), name=own),
        learning_rate, global_step, decay_steps, decay_rate, staircase, name)


def natural_exp_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any,
    staircase: bool = False, name: str | None = None,
) -> Tensor:
    """learning_rate · exp(−decay_rate · global_step / decay_steps); see `exponential_decay`."""
    return _decay(
        "natural_exp_decay", "NaturalExpDecay",
        lambda rate, fall, done, own: F.multiply(rate, F.exp(-fall * done), name=own),
        learning_rate, global_step, decay_steps, decay_rate, staircase, name)


def inverse_time_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any,
    staircase: bool = False, name: str | None = None,
) -> Tensor:
    """learning_rate / (1 + decay_rate · global_step / decay_steps); see `exponential_decay`."""
    return _decay(
        "inverse_time_decay", "InverseTimeDecay",
        lambda rate, fall, done, own: F.divide(rate, 1 + fall * done, name=own),
        learning_rate, global_step, decay_steps, decay_rate, staircase, name)


def polynomial_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, end_learning_rate: Any = 0.0001,
    power: Any = 1.0, cycle: bool = False, name: str | None = None,
) -> Tensor:
    """(learning_rate − end) · (1 − global_step / decay_steps) ^ power + end.

    It stays at `end_learning_rate` after `decay_steps`; with `cycle`, `decay_steps` grows to the
    next multiple of itself instead. Raises GraphError (a ValueError) without a global step.
    """
    with scope(name, "PolynomialDecay") as own:
        rate, step, steps = progress(
            "polynomial_decay", learning_rate, global_step, decay_steps)
        end = F.cast(end_learning_rate, rate.dtype)
        if cycle:
            steps = steps * F.maximum(F.ceil(step / steps), 1)
        else:
            step = F.minimum(step, steps)
        left = F.pow(1 - step / steps, F.cast(power, rate.dtype))
        return F.add((rate - end) * left, end, name=own)


def piecewise_constant(
    x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
) -> Tensor:
    """values[0] up to x = boundaries[0], then values[1] up to boundaries[1], and so on.

    x: a numeric scalar; boundaries: n ascending numbers of x's type (int32 numbers go with int64);
    values: n + 1 numbers or scalar tensors of one type.
    Raises GraphError (a ValueError) if the lengths do not fit, DTypeError if types do not.
    """
    if len(boundaries) != len(values) - 1:
        raise GraphError(
            "piecewise_constant: the length of boundaries should be 1 less than the length of "
            f"values, got {len(boundaries)} and {len(values)}.")
    with scope(name, "PiecewiseConstant") as own:
        x = convert(x)
        limits = [_limit(b, x.dtype) for b in boundaries]
        rates = [convert(v) for v in values]
        for rate in rates[1:]:
            if rate.dtype is not rates[0].dtype:
                raise PiecewiseTypeError(
                    "piecewise_constant: values must be of one type, got "
                    f"{rates[0].dtype.name} and {rate.dtype.name}.")
        if not limits:
            return F.identity(rates[0], name=own)
        passed = F.reduce_sum(F.cast(F.stack([x > limit for limit in limits]), dt.int32))
        return F.gather(F.stack(rates), passed, name=own)


piecewise_constant_decay = piecewise_constant


class PiecewiseTypeError(AttributeValueError, DTypeError):
    """Boundaries or values of types that do not go together (TensorFlow: a ValueError)."""


def _limit(boundary: Any, dtype: dt.DType) -> Tensor:
    limit = convert(boundary)
    if limit.dtype is dtype:
        return limit
    if limit.dtype is dt.int32 and dtype is dt.int64:
        return F.cast(limit, dtype)
    raise PiecewiseTypeError(
        f"piecewise_constant: boundaries must have the type of x, {dtype.name}, got "
        f"{boundary!r} of type {limit.dtype.name}.")


def linear_warmup(
    learning_rate: Any, global_step: Any, warmup_steps: Any, init_learning_rate: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """From `init_learning_rate` on a straight line to `learning_rate` within `warmup_steps`.

    learning_rate: a number, or the tensor of another schedule, which it follows afterwards.
    Raises GraphError (a ValueError) without a global step.
    Source: Goyal and others, "Accurate, large minibatch SGD", arXiv:1706.02677, section 2.2.
    """
    with scope(name, "LinearWarmup") as own:
        rate, step, steps = progress(
            "linear_warmup", learning_rate, global_step, warmup_steps)
        start = F.cast(init_learning_rate, rate.dtype)
        risen = F.minimum(step / steps, 1)
        return F.add(start, (rate - start) * risen, name=own)
