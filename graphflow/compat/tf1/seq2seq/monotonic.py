"""Monotonic attention: a step looks no further back than the one before it.

Source: Raffel, Luong, Liu, Weiss & Eck, "Online and linear-time attention by enforcing monotonic
alignments", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.builder import F, convert
from graphflow.compat.tf1.seq2seq.attention import (
    BaseAttentionMechanism,
    bahdanau_score,
    luong_score,
    memory_layer,
    query_layer,
)
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError
from graphflow.ops.variable_scope import get_variable, variable_scope


def safe_cumprod(x: Any, *args: Any, **kwargs: Any) -> Any:
    """`cumprod` of numbers in [0, 1] by sums of logarithms, whose gradient stays finite at 0."""
    x = convert(x)
    tiny = np.finfo(x.dtype.numpy).tiny
    return F.exp(F.cumsum(F.log(F.clip_by_value(x, tiny, 1)), *args, **kwargs))


def monotonic_attention(p_choose_i: Any, previous_attention: Any, mode: str) -> Any:
    """The probabilities that a step of the output attends to each step of the memory.

    p_choose_i: [batch, time], the probabilities to stop at a step of the memory;
    previous_attention: [batch, time], those of the step before. mode: "recursive" (exact, a loop
    over time), "parallel" (by cumulative sums; can be inexact where p_choose_i is near 0 or 1) or
    "hard" (p_choose_i and previous_attention are 0 or 1).
    Raises AttributeValueError (a ValueError) for another mode.
    """
    p = convert(p_choose_i)
    previous = convert(previous_attention)
    if mode == "recursive":
        stays = F.concat([F.ones_like(p[:, :1]), 1 - p[:, :-1]], 1)

        def turn(x: Any, pair: Any) -> Any:
            return F.reshape(pair[0] * x + pair[1], F.shape(x))

        reached = F.scan(turn, [F.transpose(stays), F.transpose(previous)],
                         F.zeros_like(p[:, 0]))
        return p * F.transpose(reached)
    if mode == "parallel":
        passed = safe_cumprod(1 - p, axis=1, exclusive=True)
        return p * passed * F.cumsum(previous / F.clip_by_value(passed, 1e-10, 1.0), axis=1)
    if mode == "hard":
        later = p * F.cumsum(previous, axis=1)
        return later * F.cumprod(1 - later, axis=1, exclusive=True)
    raise AttributeValueError("mode must be 'recursive', 'parallel', or 'hard'.")


def _probability(noise: float, mode: str, seed: int | None) -> Callable[..., Any]:
    def probability(score: Any, previous: Any) -> Any:
        if noise > 0:
            score = score + noise * F.random_normal(F.shape(score), dtype=score.dtype, seed=seed)
        chosen = F.cast(score > 0, score.dtype) if mode == "hard" else F.sigmoid(score)
        return monotonic_attention(chosen, previous, mode)

    return probability


class _Monotonic(BaseAttentionMechanism):
    """Scores with a bias; the first step starts at the beginning of the memory."""

    _score_bias_init: float = 0.0

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """1 at the first step of the memory: [batch, time]."""
        return F.one_hot(F.zeros([batch_size], "int32"), self.alignments_size,
                         dtype=as_dtype(dtype))

    def _bias(self, dtype: Any) -> Any:
        return get_variable("attention_score_bias", shape=(), dtype=dtype,
                            initializer=F.constant_initializer(self._score_bias_init))


class BahdanauMonotonicAttention(_Monotonic):
    """Additive scores, each the logit of stopping there.

    Args:
      num_units, memory, memory_sequence_length, normalize, score_mask_value, dtype,
        custom_key_value_fn: as for BahdanauAttention.
      sigmoid_noise: the standard deviation of noise on the scores; sigmoid_noise_seed: its seed.
      score_bias_init: the first value of a bias of the scores.
      mode: of `monotonic_attention`.
    """

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any = None,
        normalize: bool = False, score_mask_value: Any = None, sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None, score_bias_init: float = 0.0,
        mode: str = "parallel", dtype: Any = None,
        custom_key_value_fn: Callable[..., Any] | None = None,
        name: str = "BahdanauMonotonicAttention",
    ) -> None:
        super().__init__(
            query_layer(num_units, dtype), memory,
            _probability(sigmoid_noise, mode, sigmoid_noise_seed), memory_sequence_length,
            memory_layer(num_units, dtype), score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn, name=name)
        self._normalize, self._score_bias_init = normalize, score_bias_init

    def score(self, query: Any) -> Any:
        """[batch, time]."""
        with variable_scope(None, "bahdanau_monotonic_attention", [query]):
            found = bahdanau_score(self.query_layer(query), self.keys, self._normalize)
            return found + self._bias(found.dtype)


class LuongMonotonicAttention(_Monotonic):
    """Multiplicative scores, each the logit of stopping there.

    scale: as for LuongAttention; other arguments as for BahdanauMonotonicAttention.
    """

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any = None,
        scale: bool = False, score_mask_value: Any = None, sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None, score_bias_init: float = 0.0,
        mode: str = "parallel", dtype: Any = None,
        custom_key_value_fn: Callable[..., Any] | None = None,
        name: str = "LuongMonotonicAttention",
    ) -> None:
        super().__init__(
            None, memory, _probability(sigmoid_noise, mode, sigmoid_noise_seed),
            memory_sequence_length, memory_layer(num_units, dtype),
            score_mask_value=score_mask_value, custom_key_value_fn=custom_key_value_fn, name=name)
        self._scale, self._score_bias_init = scale, score_bias_init

    def score(self, query: Any) -> Any:
        """[batch, time]. Raises ShapeError if the queries' size is not that of the keys."""
        with variable_scope(None, "luong_monotonic_attention", [query]):
            found = luong_score(query, self.keys, self._scale)
            return found + self._bias(found.dtype)
