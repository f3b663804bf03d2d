"""`Embedding`: integers become vectors."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.keras.backend.settings import floatx
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.shapes import as_shape


class Embedding(Layer):
    """Integers in [0, input_dim) become rows of `embeddings` [input_dim, output_dim].

    inputs: [batch, …] → [batch, …, output_dim]. mask_zero: 0 stands for no step, and is masked.
    input_length: the length of the sequences, where it is fixed.
    """

    def __init__(
        self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None, activity_regularizer: Any = None,
        embeddings_constraint: Any = None, mask_zero: bool = False, input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        given = resolved(locals())
        own = {k: given.pop(k) for k in (
            "input_dim", "output_dim", "embeddings_initializer", "embeddings_regularizer",
            "embeddings_constraint", "mask_zero", "input_length")}
        if "input_shape" not in given and "batch_input_shape" not in given:
            sizes = list(input_length) if isinstance(input_length, (list, tuple)) else [
                input_length]
            given["batch_input_shape"] = (given.pop("batch_size", None), *sizes)
        super().__init__(**{"dtype": floatx(), **given})
        for key, value in own.items():
            setattr(self, key, value)
        self.supports_masking = mask_zero
        self.embeddings: Any = None

    input_dim: int
    output_dim: int
    embeddings_initializer: Any
    embeddings_regularizer: Any
    embeddings_constraint: Any
    mask_zero: bool

    def build(self, input_shape: Any) -> None:
        """Makes `embeddings`."""
        self.embeddings = self.add_weight(
            "embeddings", shape=[self.input_dim, self.output_dim],
            initializer=self.embeddings_initializer, regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The rows of the integers."""
        if inputs.dtype not in (dt.int32, dt.int64):
            inputs = F.cast(inputs, dt.int32)
        return F.embedding_lookup(self.embeddings, inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where the integers are not 0, if `mask_zero`."""
        return F.not_equal(inputs, F.cast(0, inputs.dtype)) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, …, output_dim]."""
        return as_shape(input_shape).concatenate([self.output_dim])
