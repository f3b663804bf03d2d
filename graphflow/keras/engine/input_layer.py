"""`Input`: the placeholders that networks of layers start from."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError
from graphflow.graph import get_default_graph
from graphflow.keras.backend.settings import floatx
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.node import Node
from graphflow.layers.layer_names import unique_layer_name
from graphflow.tensor import Tensor


class InputLayer(Layer):
    """Stands for one input of a network; see `Input`.

    input_shape: sizes of one sample, or batch_input_shape with the batch's. input_tensor: used
    instead of a new placeholder. Raises AttributeValueError without a shape.
    """

    def __init__(
        self, input_shape: Any = None, batch_size: int | None = None, dtype: Any = None,
        input_tensor: Any = None, sparse: bool = False, name: str | None = None,
        batch_input_shape: Any = None, **kwargs: Any,
    ) -> None:
        name = name or unique_layer_name("input", zero_based=False)
        if input_tensor is not None:
            dtype, batch_input_shape = input_tensor.dtype, input_tensor.shape.as_list()
        if batch_input_shape is None:
            if input_shape is None:
                raise AttributeValueError(
                    "InputLayer: please provide to Input either a `shape` or a `tensor` argument.")
            sizes = [input_shape] if isinstance(input_shape, int) else list(input_shape)
            batch_input_shape = (batch_size, *sizes)
        super().__init__(
            name=name, dtype=as_dtype(dtype or floatx()), batch_input_shape=batch_input_shape,
            **kwargs)
        self.sparse = sparse
        self.built, self.supports_masking = True, True
        if sparse:
            raise AttributeValueError(
                f"InputLayer {name}: sparse inputs are not supported; feed a dense array.")
        if input_tensor is None:
            with get_default_graph().name_scope(None):
                input_tensor = F.placeholder(
                    self._dtype, [_size(n) for n in self._batch_input_shape or ()], name=name)
        self.is_placeholder = input_tensor.op.type.startswith("Placeholder")
        Node(self, [], (), {}, input_tensor)

    @property
    def input(self) -> Any:
        """The placeholder."""
        return self._inbound_nodes[0].outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the placeholder as a tuple."""
        return self.output_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"batch_input_shape": self._batch_input_shape, "dtype": self.dtype,
                "sparse": self.sparse, "name": self.name}


def _size(n: Any) -> int | None:
    return None if n is None else int(n)


def Input(  # the name that Keras gives it
    shape: Any = None, batch_size: int | None = None, name: str | None = None, dtype: Any = None,
    sparse: bool = False, tensor: Any = None, batch_shape: Any = None, **kwargs: Any,
) -> Tensor:
    """A placeholder [batch, *shape] that layers can be called on, for `Model(inputs, outputs)`.

    shape: sizes of one sample, None where a size is open. batch_shape: sizes with the batch's,
    instead. tensor: an existing tensor to stand for the input. dtype: float32 by default.
    Raises AttributeValueError if no shape is given.
    """
    batch_shape = batch_shape or kwargs.pop("batch_input_shape", None)
    layer = InputLayer(
        input_shape=shape, batch_size=batch_size, name=name, dtype=dtype, sparse=sparse,
        input_tensor=tensor, batch_input_shape=batch_shape, **kwargs)
    return layer.inbound_nodes[0].outputs
