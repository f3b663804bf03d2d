"""Attention mechanisms: how well a query fits each step of a memory.

Sources: Bahdanau, Cho & Bengio, "Neural machine translation by jointly learning to align and
translate", ICLR 2015 (additive); Luong, Pham & Manning, "Effective approaches to attention-based
neural machine translation", EMNLP 2015 (multiplicative); Salimans & Kingma, "Weight
normalization", NIPS 2016 (the normalised form of the additive one).
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError, describe
from graphflow.graph import get_default_graph
from graphflow.layers.base import Layer
from graphflow.layers.core import Dense
from graphflow.ops.graph_functions import control_dependencies
from graphflow.ops.variable_scope import get_variable, variable_scope
from graphflow.recurrent.structure import batch_size_of, zeros_of


class AttentionMechanism:
    """What `AttentionWrapper` asks where to look."""

    @property
    def alignments_size(self) -> Any:
        """The number of steps of the memory: an int or int32 scalar."""
        raise NotImplementedError

    @property
    def state_size(self) -> Any:
        """The size of the state that a step hands to the next one."""
        raise NotImplementedError


class BaseAttentionMechanism(AttentionMechanism):
    """A memory, masked beyond the sequences' lengths, and its keys.

    Args:
      query_layer: a layer for queries, or None.
      memory: [batch, time, …]; all sizes from the third on are known.
      probability_fn: (score [batch, time], previous alignments) → probabilities.
      memory_sequence_length: ints [batch]; values beyond them are zeros, and scores there
        `score_mask_value` (−∞ by default). All must be positive.
      memory_layer: the layer that makes the keys of the memory, or None: the memory itself.
      custom_key_value_fn: (keys, values) → what is used for them.

    Raises ShapeError for a memory with unknown sizes, DTypeError (a TypeError) for a layer or
    function that is none.
    """

    def __init__(
        self, query_layer: Any, memory: Any, probability_fn: Callable[..., Any],
        memory_sequence_length: Any = None, memory_layer: Any = None,
        check_inner_dims_defined: bool = True, score_mask_value: Any = None,
        custom_key_value_fn: Callable[..., Any] | None = None, name: str | None = None,
    ) -> None:
        for what, layer in (("query_layer", query_layer), ("memory_layer", memory_layer)):
            if layer is not None and not isinstance(layer, Layer):
                raise DTypeError(f"{what} is not a Layer: {type(layer).__name__}")
        if not callable(probability_fn):
            raise DTypeError("probability_fn must be callable, saw type: "
                             f"{type(probability_fn).__name__}")
        self.query_layer, self.memory_layer = query_layer, memory_layer
        self._probability_fn = probability_fn
        self._mask_value = -np.inf if score_mask_value is None else score_mask_value
        with get_default_graph().name_scope(name or "BaseAttentionMechanismInit"):
            memory = convert(memory)
            self._lengths = _checked_lengths(memory_sequence_length, memory)
            self._values = _masked_memory(memory, self._lengths, check_inner_dims_defined)
            self._keys = self._values if memory_layer is None else memory_layer(self._values)
            if custom_key_value_fn is not None:
                self._keys, self._values = custom_key_value_fn(self._keys, self._values)
        self._batch_size = batch_size_of(self._keys, 0)
        self._alignments_size = batch_size_of(self._keys, 1)

    @property
    def values(self) -> Any:
        """The memory, zeros beyond the lengths: [batch, time, …]."""
        return self._values

    @property
    def keys(self) -> Any:
        """What queries are compared with: [batch, time, units]."""
        return self._keys

    @property
    def dtype(self) -> Any:
        """The type of the keys."""
        return self._keys.dtype

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        """The number of steps of the memory."""
        return self._alignments_size

    @property
    def state_size(self) -> Any:
        """As large as the alignments."""
        return self._alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros [batch, time]."""
        if isinstance(self._alignments_size, int):
            return zeros_of(self._alignments_size, batch_size, dtype)
        return F.zeros([batch_size, self._alignments_size], as_dtype(dtype))

    def initial_state(self, batch_size: Any, dtype: Any) -> Any:
        """The first state: the first alignments."""
        return self.initial_alignments(batch_size, dtype)

    def score(self, query: Any) -> Any:
        """How well queries [batch, n] fit: [batch, time]. A subclass defines it."""
        raise NotImplementedError

    def __call__(self, query: Any, state: Any = None) -> tuple[Any, Any]:
        """(alignments [batch, time], next state) for queries [batch, n]."""
        alignments = self._probability_fn(self._masked(self.score(query)), state)
        return alignments, alignments

    def _masked(self, score: Any) -> Any:
        if self._lengths is None:
            return score
        inside = F.sequence_mask(self._lengths, maxlen=F.shape(score)[1])
        outside = F.fill(F.shape(score), F.cast(self._mask_value, score.dtype))
        return F.where(inside, score, outside)


def _checked_lengths(lengths: Any, memory: Any) -> Any:
    """The lengths, with checks of their values: once, since a check in a loop is a host step."""
    if lengths is None:
        return None
    lengths = convert(lengths)
    equal = F.assert_equal(
        F.shape(lengths)[0], F.shape(memory)[0],
        message="memory_sequence_length and memory tensor batch sizes do not match.")
    positive = F.assert_positive(
        lengths, message="All values in memory_sequence_length must greater than zero.")
    with control_dependencies([equal, positive]):
        return F.identity(lengths)


def _masked_memory(memory: Any, lengths: Any, check: bool) -> Any:
    shape = memory.shape
    if check and (shape.rank is None or None in shape.as_list()[2:]):
        raise ShapeError(f"Expected memory {memory.name} to have fully defined inner dims, but "
                         f"saw shape: {shape}")
    if lengths is None:
        return memory
    mask = F.sequence_mask(lengths, maxlen=F.shape(memory)[1], dtype=memory.dtype)
    for _ in range(shape.rank - 2):
        mask = F.expand_dims(mask, -1)
    return memory * mask


def without_previous(probability_fn: Callable[..., Any] | None) -> Callable[..., Any]:
    """`probability_fn` (softmax by default) as a function of score and previous alignments."""
    function = probability_fn or F.softmax
    return lambda score, _: function(score)


def luong_score(query: Any, keys: Any, scale: bool) -> Any:
    """query [batch, n] · keys [batch, time, n] → [batch, time]; times `attention_g` if scale.

    Raises ShapeError (a ValueError) if the sizes n differ.
    """
    depth, units = query.shape.as_list()[-1], keys.shape.as_list()[-1]
    if depth is None or depth != units:
        raise ShapeError(describe(
            "LuongAttention", None, "Incompatible or unknown inner dimensions between query and "
            f"keys: the query has {depth} units, the keys have {units}",
            fix=f"Set num_units to the size of the cell's output ({depth})."))
    score = F.squeeze(F.matmul(F.expand_dims(query, 1), keys, transpose_b=True), [1])
    if not scale:
        return score
    return get_variable("attention_g", dtype=query.dtype, initializer=F.ones_initializer(),
                        shape=()) * score


def bahdanau_score(query: Any, keys: Any, normalize: bool) -> Any:
    """Σₖ vₖ · tanh(keysₖ + queryₖ): query [batch, n], keys [batch, time, n] → [batch, time].

    With normalize, v is g · v / ‖v‖ and a bias stands inside of tanh.
    """
    units, dtype = keys.shape.as_list()[2], query.dtype
    query = F.expand_dims(query, 1)
    v = get_variable("attention_v", [units], dtype=dtype)
    if not normalize:
        return F.reduce_sum(v * F.tanh(keys + query), [2])
    g = get_variable("attention_g", shape=(), dtype=dtype,
                     initializer=F.constant_initializer(sqrt(1.0 / units)))
    b = get_variable("attention_b", [units], dtype=dtype, initializer=F.zeros_initializer())
    direction = g * v * F.rsqrt(F.reduce_sum(F.square(v)))
    return F.reduce_sum(direction * F.tanh(keys + query + b), [2])


class LuongAttention(BaseAttentionMechanism):
    """Multiplicative attention: the products of the query with the keys.

    Args:
      num_units: the size of the keys, which must be that of the queries.
      memory, memory_sequence_length, score_mask_value, custom_key_value_fn: as above.
      scale: scores are multiplied by a variable, `attention_g`, that starts as 1.
      probability_fn: score [batch, time] → probabilities; softmax by default.
      dtype: of the layer of the keys.

    Variables: `memory_layer/kernel` where it is made, `luong_attention/attention_g`.
    """

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any = None,
        scale: bool = False, probability_fn: Callable[..., Any] | None = None,
        score_mask_value: Any = None, dtype: Any = None,
        custom_key_value_fn: Callable[..., Any] | None = None, name: str = "LuongAttention",
    ) -> None:
        super().__init__(
            None, memory, without_previous(probability_fn), memory_sequence_length,
            memory_layer(num_units, dtype), score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn, name=name)
        self._scale = scale

    def score(self, query: Any) -> Any:
        """[batch, time]. Raises ShapeError if the queries' size is not that of the keys."""
        with variable_scope(None, "luong_attention", [query]):
            return luong_score(query, self.keys, self._scale)


class BahdanauAttention(BaseAttentionMechanism):
    """Additive attention: a layer of tanh units over the sum of query and key.

    Args:
      num_units: the number of units.
      memory, memory_sequence_length, score_mask_value, custom_key_value_fn: as above.
      normalize: the normalised form; see `bahdanau_score`.
      probability_fn: score [batch, time] → probabilities; softmax by default.
      dtype: of the layers.

    Variables: `memory_layer/kernel` where it is made, `bahdanau_attention/query_layer/kernel`,
    `bahdanau_attention/attention_v`, and attention_g, attention_b if normalised.
    """

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any = None,
        normalize: bool = False, probability_fn: Callable[..., Any] | None = None,
        score_mask_value: Any = None, dtype: Any = None,
        custom_key_value_fn: Callable[..., Any] | None = None, name: str = "BahdanauAttention",
    ) -> None:
        super().__init__(
            query_layer(num_units, dtype), memory, without_previous(probability_fn),
            memory_sequence_length, memory_layer(num_units, dtype),
            score_mask_value=score_mask_value, custom_key_value_fn=custom_key_value_fn, name=name)
        self._normalize = normalize

    def score(self, query: Any) -> Any:
        """[batch, time]."""
        with variable_scope(None, "bahdanau_attention", [query]):
            return bahdanau_score(self.query_layer(query), self.keys, self._normalize)


def query_layer(num_units: int, dtype: Any) -> Dense:
    """The layer that makes queries comparable with the keys."""
    return Dense(num_units, name="query_layer", use_bias=False, dtype=dtype or dt.float32)


def memory_layer(num_units: int, dtype: Any) -> Dense:
    """The layer that makes keys of the memory."""
    return Dense(num_units, name="memory_layer", use_bias=False, dtype=dtype or dt.float32)


def hardmax(logits: Any, name: str | None = None) -> Any:
    """1 at the largest of the last axis, the first one if several are equal; 0 elsewhere."""
    logits = convert(logits)
    depth = logits.shape.as_list()[-1]
    return F.one_hot(F.argmax(logits, -1), F.shape(logits)[-1] if depth is None else depth,
                     dtype=logits.dtype, name=name or "Hardmax")
