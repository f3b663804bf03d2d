"""`tf.distributions`: Normal, Uniform, Bernoulli and Categorical, and divergences between two.

Parameters broadcast together; samples have the shape `sample_shape` + that of the parameters.
Samples of Normal and Uniform carry gradients to the parameters (they are reparametrised).
"""

from __future__ import annotations

import math
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.ops.random import random_normal, random_uniform
from graphflow.ops.random_categorical import multinomial


def _parameter(value: Any) -> Any:
    """A tensor; whole Python numbers are float32."""
    return convert(float(value) if isinstance(value, int) else value)


def _sizes(sample_shape: Any, like: Any) -> Any:
    """The sizes of samples: `sample_shape`, a number or a list, and those of a tensor."""
    wanted = F.reshape(convert(sample_shape if sample_shape != () else
                               F.zeros([0], dt.int32)), [-1])
    return F.concat([wanted, F.shape(like)], 0)


class Distribution:
    """The base: `prob` from `log_prob`, `stddev` from `variance`, divergences."""

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density, or probability, at `value`."""
        raise NotImplementedError

    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError

    def prob(self, value: Any) -> Any:
        """The density, or probability, at `value`."""
        return F.exp(self.log_prob(value))

    def stddev(self) -> Any:
        """The standard deviation."""
        return F.sqrt(self.variance())

    def kl_divergence(self, other: Any) -> Any:
        """`kl_divergence(self, other)`."""
        return kl_divergence(self, other)


class Normal(Distribution):
    """The normal distribution of mean `loc` and deviation `scale`."""

    def __init__(self, loc: Any, scale: Any, name: str = "Normal", **accepted: Any) -> None:
        self.loc, self.scale, self.name = _parameter(loc), _parameter(scale), name

    def mean(self) -> Any:
        """The mean, in the shape of both parameters."""
        return self.loc + F.zeros_like(self.scale)

    mode = mean

    def variance(self) -> Any:
        """scale²."""
        return F.square(self.scale + F.zeros_like(self.loc))

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str | None = None
               ) -> Any:
        """loc + scale · (a standard normal draw)."""
        sizes = _sizes(sample_shape, self.loc + self.scale)
        return self.loc + self.scale * random_normal(sizes, dtype=self.loc.dtype, seed=seed)

    def log_prob(self, value: Any) -> Any:
        """−((value − loc) / scale)² / 2 − log(scale · √2π)."""
        z = (value - self.loc) / self.scale
        return -0.5 * F.square(z) - (0.5 * math.log(2 * math.pi) + F.log(self.scale))

    def cdf(self, value: Any) -> Any:
        """The probability of what is not above `value`."""
        return 0.5 * F.erfc((self.loc - value) / (self.scale * math.sqrt(2)))

    def entropy(self) -> Any:
        """log(scale · √2πe), in the shape of both parameters."""
        return 0.5 * math.log(2 * math.pi * math.e) + F.log(self.scale + F.zeros_like(self.loc))


class Uniform(Distribution):
    """The uniform distribution between `low` and `high`."""

    def __init__(self, low: Any = 0.0, high: Any = 1.0, name: str = "Uniform", **accepted: Any
                 ) -> None:
        self.low, self.high, self.name = _parameter(low), _parameter(high), name

    def mean(self) -> Any:
        """(low + high) / 2."""
        return (self.low + self.high) / 2

    def variance(self) -> Any:
        """(high − low)² / 12."""
        return F.square(self.high - self.low) / 12

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str | None = None
               ) -> Any:
        """low + (high − low) · (a draw from [0, 1))."""
        sizes = _sizes(sample_shape, self.low + self.high)
        drawn = random_uniform(sizes, dtype=self.low.dtype, seed=seed)
        return self.low + (self.high - self.low) * drawn

    def prob(self, value: Any) -> Any:
        """1 / (high − low) in [low, high), else 0."""
        value = _parameter(value)
        inside = F.logical_and(value >= self.low, value < self.high)
        return F.where_v2(inside, 1 / (self.high - self.low) + F.zeros_like(value), 0.0)

    def log_prob(self, value: Any) -> Any:
        """log(prob(value)): −∞ outside."""
        return F.log(self.prob(value))

    def entropy(self) -> Any:
        """log(high − low)."""
        return F.log(self.high - self.low)


class Bernoulli(Distribution):
    """1 with probability `probs`, or σ(`logits`), else 0; samples are of `dtype`."""

    def __init__(self, logits: Any = None, probs: Any = None, dtype: Any = dt.int32,
                 name: str = "Bernoulli", **accepted: Any) -> None:
        self.logits, self.probs = _both(logits, probs, F.sigmoid, lambda p: F.log(p / (1 - p)))
        self.dtype, self.name = dt.as_dtype(dtype), name

    def mean(self) -> Any:
        """probs."""
        return self.probs

    def variance(self) -> Any:
        """probs · (1 − probs)."""
        return self.probs * (1 - self.probs)

    def mode(self) -> Any:
        """1 where probs > 1/2."""
        return F.cast(self.probs > 0.5, self.dtype)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str | None = None
               ) -> Any:
        """Draws, of the distribution's dtype."""
        sizes = _sizes(sample_shape, self.probs)
        drawn = random_uniform(sizes, dtype=self.probs.dtype, seed=seed)
        return F.cast(drawn < self.probs, self.dtype)

    def log_prob(self, event: Any) -> Any:
        """event · log(probs) + (1 − event) · log(1 − probs), from the logits."""
        event = F.cast(event, self.logits.dtype)
        logits = self.logits + F.zeros_like(event)
        return -F.sigmoid_cross_entropy_with_logits(
            labels=event + F.zeros_like(logits), logits=logits)

    def entropy(self) -> Any:
        """−Σ p log p of both outcomes."""
        return F.softplus(self.logits) - self.logits * self.probs


class Categorical(Distribution):
    """Class numbers with the probabilities `probs`, or softmax(`logits`): [..., classes]."""

    def __init__(self, logits: Any = None, probs: Any = None, dtype: Any = dt.int32,
                 name: str = "Categorical", **accepted: Any) -> None:
        self.logits, self.probs = _both(logits, probs, F.softmax, F.log)
        self.dtype, self.name = dt.as_dtype(dtype), name

    def mode(self) -> Any:
        """The most probable class."""
        return F.cast(F.argmax(self.logits, -1), self.dtype)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str | None = None
               ) -> Any:
        """Draws, of the distribution's dtype."""
        batch = F.shape(self.logits)[:-1]
        classes = F.shape(self.logits)[-1]
        wanted = _sizes(sample_shape, self.logits)[:-1]
        count = F.reduce_prod(wanted) // F.maximum(F.reduce_prod(batch), 1)
        drawn = multinomial(F.reshape(self.logits, F.stack([-1, classes])), count, seed=seed)
        out = F.cast(F.reshape(F.transpose(drawn), wanted), self.dtype)
        if sample_shape == () and self.logits.shape.rank is not None:
            out.set_shape(self.logits.shape[:-1])
        return out

    def log_prob(self, k: Any) -> Any:
        """The logarithm of the probability of class `k`."""
        k = convert(k)
        logits = self.logits + F.expand_dims(F.zeros_like(F.cast(k, self.logits.dtype)), -1)
        labels = k + F.zeros_like(F.argmax(logits, -1, output_type=k.dtype))
        return -F.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    def entropy(self) -> Any:
        """−Σ p log p."""
        return -F.reduce_sum(self.probs * F.log_softmax(self.logits), -1)


def _both(logits: Any, probs: Any, to_probs: Any, to_logits: Any) -> tuple[Any, Any]:
    if (logits is None) == (probs is None):
        raise AttributeValueError("Give either logits or probs, not both.")
    if probs is None:
        logits = _parameter(logits)
        return logits, to_probs(logits)
    probs = _parameter(probs)
    return to_logits(probs), probs


def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True,
    name: str | None = None,
) -> Any:
    """KL(a ‖ b) of two normal, two Bernoulli or two categorical distributions.

    Raises NotImplementedError for others.
    """
    a, b = distribution_a, distribution_b
    if isinstance(a, Normal) and isinstance(b, Normal):
        ratio = F.square(a.scale / b.scale)
        return F.square((a.loc - b.loc) / b.scale) / 2 + 0.5 * (ratio - 1 - F.log(ratio))
    if isinstance(a, Bernoulli) and isinstance(b, Bernoulli):
        return (a.probs * (F.softplus(-b.logits) - F.softplus(-a.logits))
                + (1 - a.probs) * (F.softplus(b.logits) - F.softplus(a.logits)))
    if isinstance(a, Categorical) and isinstance(b, Categorical):
        difference = F.log_softmax(a.logits) - F.log_softmax(b.logits)
        return F.reduce_sum(a.probs * difference, -1)
    raise NotImplementedError(f"No KL(a || b) for {type(a).__name__} and {type(b).__name__}.")


__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal", "Uniform", "kl_divergence"]
