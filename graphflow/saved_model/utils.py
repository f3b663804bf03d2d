"""`TensorInfo`: what a signature says of one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphflow.dtypes import DType
from graphflow.graph import get_default_graph
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor
from graphflow.tensor import dereferenced


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor by name, with element type and shape.

    Attributes:
      value: the tensor of the graph (or SparseTensor) that it describes.
    """

    value: Any

    @property
    def name(self) -> str:
        """The name of the tensor."""
        return self.value.name if not isinstance(self.value, SparseTensor) else ""

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.value.dtype

    @property
    def tensor_shape(self) -> TensorShape:
        """The static shape."""
        return self.value.shape


def build_tensor_info(tensor: Any) -> TensorInfo:
    """What there is to say of a tensor, variable or SparseTensor."""
    return TensorInfo(dereferenced(tensor))


def get_tensor_from_tensor_info(
    tensor_info: TensorInfo, graph: Any = None, import_scope: str | None = None
) -> Any:
    """The tensor of that name in `graph` (the default one if None), under `import_scope`."""
    if isinstance(tensor_info.value, SparseTensor):
        return tensor_info.value
    name = f"{import_scope}/{tensor_info.name}" if import_scope else tensor_info.name
    return (graph or get_default_graph()).get_tensor_by_name(name)
