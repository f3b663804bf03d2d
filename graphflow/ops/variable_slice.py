"""`v[1:3].assign(value)`: a slice of a variable that can be assigned, as in TensorFlow 1."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.errors import ShapeError, describe
from graphflow.graph import get_default_graph
from graphflow.ops import state
from graphflow.shapes import broadcast_shapes
from graphflow.tensor import Tensor


class VariableSlice(Tensor):
    """The value of a slice of a variable; `assign` sets that slice."""

    __slots__ = ("_key", "_variable")

    def __init__(self, value: Tensor, variable: Any, key: Any) -> None:
        super().__init__(value.op, value.index, value.dtype, value.shape, value.symbolic_value)
        self._variable, self._key = variable, key

    def assign(self, value: Any, name: str | None = None) -> Tensor:
        """Sets the slice to `value` (of its shape, or one that broadcasts to it).

        Gives the new value of the whole variable. Raises ShapeError or DTypeError if `value` does
        not fit.
        """
        variable = self._variable
        graph = get_default_graph()
        with graph.name_scope(name or f"{self.op.name}/assign"):
            value = graph.convert(value, variable.dtype, "value")
            merged = broadcast_shapes(value.shape, self.shape)
            if merged is None or not merged.is_compatible_with(self.shape):
                raise ShapeError(describe(
                    "Assign", self.op.name,
                    f"the slice of '{variable.op.name}' has shape {self.shape}, the value "
                    f"{value.shape}", site=str(self.op.site) if self.op.site else None))
            sizes = F.shape(variable)
            places = F.getitem(F.reshape(F.range(F.size(variable)), sizes), self._key)
            rows = F.reshape(F.broadcast_to(value, F.shape(places)), [-1])
            flat = F.scatter_points(
                F.reshape(variable, [-1]), F.reshape(places, [-1, 1]), rows, "set")
            return state.assign(variable, F.reshape(flat, sizes), validate_shape=False)


def variable_slice(variable: Any, key: Any) -> Tensor:
    """`variable[key]`, with a method `assign` unless `key` is a mask."""
    value = F.getitem(variable, key)
    if value.op.type != "StridedSlice":
        return value
    made = VariableSlice(value, variable, key)
    value.op.outputs = (made,)
    return made
