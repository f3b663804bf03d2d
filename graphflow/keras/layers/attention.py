"""Attention: weighted means of values, with weights from queries and keys."""

from __future__ import annotations

import math
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.keras.backend.phase import in_train_phase
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.shapes import TensorShape, as_shape


class _DenseAttention(Layer):
    """softmax(scores) · value, for inputs [query, value] or [query, value, key].

    query: [batch, Tq, n], value and key: [batch, Tv, n] → [batch, Tq, n]. causal: step i of the
    queries sees the values up to i. Masks: [query's, value's]; values that are hidden get no
    weight, outputs of hidden queries are 0.
    """

    def __init__(self, causal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.causal, self.supports_masking = causal, True

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        raise NotImplementedError

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """[batch, Tq, n]."""
        if not isinstance(inputs, (list, tuple)) or not 2 <= len(inputs) <= 3:
            raise AttributeValueError(
                f"Layer {self.name} must be called on a list of query, value and perhaps key, "
                f"got {inputs!r}.")
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        scores = self._calculate_scores(query, key)
        query_mask, value_mask = (list(mask) + [None, None])[:2] if mask else (None, None)
        scores = self._hidden(scores, value_mask)
        outputs = F.matmul(F.softmax(scores), value)
        if query_mask is not None:
            outputs = outputs * F.cast(F.expand_dims(query_mask, -1), outputs.dtype)
        return outputs

    def _hidden(self, scores: Any, value_mask: Any) -> Any:
        """Scores that are −1e9 lower where a value must not be seen."""
        allowed = None if value_mask is None else F.expand_dims(value_mask, 1)
        if self.causal:
            shape = F.shape(scores)
            lower = F.cast(F.matrix_band_part(F.ones([shape[1], shape[2]]), -1, 0), dt.bool_)
            lower = F.expand_dims(lower, 0)
            allowed = lower if allowed is None else F.logical_and(allowed, lower)
        if allowed is None:
            return scores
        return scores - 1.0e9 * F.cast(F.logical_not(allowed), scores.dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The queries' mask."""
        return mask[0] if mask else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, Tq, n]."""
        query, value = (as_shape(s).as_list() for s in input_shape[:2])
        return TensorShape([*query[:-1], value[-1]])


class Attention(_DenseAttention):
    """Attention with scores query · key (Luong and others, EMNLP 2015); use_scale: times a
    learned number."""

    def __init__(self, use_scale: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.scale: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes `scale`."""
        if self.use_scale:
            self.scale = self.add_weight("scale", shape=(), initializer="ones")
        self.built = True

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        scores = F.matmul(query, key, transpose_b=True)
        return scores if self.scale is None else scores * self.scale


class AdditiveAttention(_DenseAttention):
    """Attention with scores Σ scale · tanh(query + key) (Bahdanau and others, ICLR 2015)."""

    def __init__(self, use_scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.scale: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes `scale` [n]."""
        if self.use_scale:
            size = as_shape(input_shape[1]).as_list()[-1]
            self.scale = self.add_weight("scale", shape=[size], initializer="glorot_uniform")
        self.built = True

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        both = F.tanh(F.expand_dims(query, 2) + F.expand_dims(key, 1))
        return F.reduce_sum(both if self.scale is None else both * self.scale, axis=-1)


class MultiHeadAttention(Layer):
    """Several attentions side by side, over learned projections of query, value and key.

    `layer(query, value, key=None, attention_mask=None)`: query [batch, Tq, n], value and key
    [batch, Tv, …] → [batch, Tq, output_shape or n]. num_heads attentions of key_dim (and
    value_dim) each; attention_mask: [batch, Tq, Tv], True where a value may be seen; dropout: of
    the weights; return_attention_scores gives (outputs, weights [batch, heads, Tq, Tv]).
    Source: Vaswani and others, "Attention is all you need", NIPS 2017.
    """

    def __init__(
        self, num_heads: int, key_dim: int, value_dim: int | None = None, dropout: float = 0.0,
        use_bias: bool = True, output_shape: Any = None, kernel_initializer: Any =
        "glorot_uniform", bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any =
        None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:
        given = resolved(locals())
        names = ("num_heads", "key_dim", "value_dim", "dropout", "use_bias",
                 "kernel_initializer", "bias_initializer", "kernel_regularizer",
                 "bias_regularizer", "kernel_constraint", "bias_constraint")
        own = {k: given.pop(k) for k in names}
        own["output_size"] = given.pop("output_shape")
        super().__init__(**given)
        for key, value in own.items():
            setattr(self, key, value)
        self.value_dim = value_dim or key_dim
        self.supports_masking = True

    num_heads: int
    key_dim: int
    dropout: float
    use_bias: bool
    output_size: Any
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any
    _attention_output_kernel: Any
    _attention_output_bias: Any

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        config = super().get_config()
        config["output_shape"] = self.output_size
        return config

    def _make(self, name: str, last: int, inner: tuple[int, ...], bias: tuple[int, ...]) -> None:
        """Kernel [last, *inner] and bias of one projection."""
        kernel = self.add_weight(
            f"{name}/kernel", shape=[last, *inner], initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        setattr(self, f"_{name}_kernel", kernel)
        setattr(self, f"_{name}_bias", self.add_weight(
            f"{name}/bias", shape=list(bias), initializer=self.bias_initializer,
            regularizer=self.bias_regularizer, constraint=self.bias_constraint)
            if self.use_bias else None)

    def _build_for(self, query: Any, value: Any, key: Any) -> None:
        if getattr(self, "_query_kernel", None) is not None:
            return
        heads = self.num_heads
        for name, x, size in (("query", query, self.key_dim), ("key", key, self.key_dim),
                              ("value", value, self.value_dim)):
            self._make(name, x.shape.as_list()[-1], (heads, size), (heads, size))
        out = self.output_size or query.shape.as_list()[-1]
        out = out if isinstance(out, int) else out[0]
        self._make("attention_output", heads, (self.value_dim, out), (out,))

    def call(
        self, query: Any, value: Any = None, key: Any = None, attention_mask: Any = None,
        return_attention_scores: bool = False, training: Any = None,
    ) -> Any:
        """[batch, Tq, n]."""
        if isinstance(query, (list, tuple)):
            query, value, key = (*query, None)[:3]
        key = value if key is None else key
        self._build_for(query, value, key)

        def projected(x: Any, name: str) -> Any:
            found = F.einsum("btn,nhd->bthd", x, getattr(self, f"_{name}_kernel"))
            bias = getattr(self, f"_{name}_bias")
            return found if bias is None else found + bias

        scores = F.einsum("bthd,bshd->bhts", projected(query, "query") / math.sqrt(
            self.key_dim), projected(key, "key"))
        if attention_mask is not None:
            hidden = F.logical_not(F.cast(F.expand_dims(attention_mask, 1), dt.bool_))
            scores = scores - 1.0e9 * F.cast(hidden, scores.dtype)
        weights = F.softmax(scores)
        used = weights
        if self.dropout:
            used = in_train_phase(lambda: F.dropout(weights, rate=self.dropout), weights,
                                  training)
        mixed = F.einsum("bhts,bshd->bthd", used, projected(value, "value"))
        outputs = F.einsum("bthd,hdn->btn", mixed, self._attention_output_kernel)
        if self._attention_output_bias is not None:
            outputs = outputs + self._attention_output_bias
        return (outputs, weights) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The queries' mask."""
        return mask[0] if isinstance(mask, (list, tuple)) else mask
