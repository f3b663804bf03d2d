"""`Operation`, a node of a Graph, and `Tensor`, one of its outputs: a handle without a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.builder import Arithmetic
from graphflow.dtypes import DType
from graphflow.errors import DTypeError, GraphError
from graphflow.opdef import OpDef
from graphflow.shapes import TensorShape, as_shape
from graphflow.sites import Site

if TYPE_CHECKING:
    from graphflow.graph import Graph


def dereferenced(value: Any) -> Any:
    """The tensor that a variable stands for (its handle); anything else as it is."""
    return value.as_graph_tensor() if hasattr(value, "as_graph_tensor") else value


class Operation:
    """One node of a Graph: an op, its inputs, attributes and control inputs. Never changed.

    Attributes:
      opdef: the declaration.
      inputs: tuple of Tensors.
      attrs: resolved attributes.
      control_inputs: Operations that must run before this one.
      outputs: tuple of Tensors.
      id: position in `graph`'s creation order, which is a topological order.
      site: the user's file and line that built it.
      gradient_override: a function `(op, *gradients)` used instead of the op's own rule.
    """

    __slots__ = (
        "__weakref__", "_name", "attrs", "control_inputs", "device", "gradient_override", "graph",
        "id", "inputs", "opdef", "outputs", "site",
    )

    def __init__(
        self,
        graph: Graph,
        opdef: OpDef,
        inputs: tuple[Tensor, ...],
        attrs: dict[str, Any],
        control_inputs: tuple[Operation, ...],
        name: str,
        device: str,
        site: Site | None,
        number: int,
    ) -> None:
        self.graph, self.opdef, self.inputs, self.attrs = graph, opdef, inputs, attrs
        self.control_inputs, self._name, self.device, self.site = (
            control_inputs, name, device, site)
        self.id = number
        self.gradient_override: Any = None
        self.outputs: tuple[Tensor, ...] = ()

    @property
    def name(self) -> str:
        """The unique name in the graph."""
        return self._name

    @property
    def type(self) -> str:
        """The op's type name, such as `"MatMul"`."""
        return self.opdef.name

    @property
    def traceback(self) -> list[tuple[str, int]]:
        """`[(file, line)]` of the user's line that built this operation."""
        return [(self.site.file, self.site.line)] if self.site else []

    @property
    def node_def(self) -> str:
        """A line of text that describes the node."""
        inputs = ", ".join(t.name for t in self.inputs)
        return f"{self.name} = {self.type}({inputs})"

    def colocation_groups(self) -> list[bytes]:
        """The groups of operations on one device: only the operation's own."""
        return [b"loc:@" + self.name.encode()]

    def get_attr(self, name: str) -> Any:
        """The attribute `name`. Raises ValueError if the op has none."""
        try:
            return self.attrs[name]
        except KeyError:
            raise GraphError(
                f"{self.type} '{self.name}' has no attribute {name!r}; it has {list(self.attrs)}."
            ) from None

    def values(self) -> tuple[Tensor, ...]:
        """The outputs."""
        return self.outputs

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Runs this operation in `session` (the default session if None)."""
        self.graph.session_for(session, f"Operation '{self.name}'.run()").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<gf.Operation '{self.name}' type={self.type}>"


class Tensor(Arithmetic):
    """One output of an Operation: an element type, a static shape and a name; no value.

    `==` is identity, so that tensors are keys of a feed_dict; use `gf.equal` to compare values.
    """

    __slots__ = ("__weakref__", "_consumers", "_shape", "_symbolic", "dtype", "index", "op")

    def __init__(
        self,
        op: Operation,
        index: int,
        dtype: DType,
        shape: TensorShape,
        symbolic: np.ndarray | None = None,
    ) -> None:
        self.op, self.index, self.dtype, self._shape = op, index, dtype, shape
        self._symbolic = symbolic
        self._consumers: list[Operation] | None = None

    @property
    def graph(self) -> Graph:
        """The graph that holds the tensor."""
        return self.op.graph

    @property
    def name(self) -> str:
        """`operation_name:output_index`."""
        return f"{self.op.name}:{self.index}"

    @property
    def value_index(self) -> int:
        """The number of this output among the operation's."""
        return self.index

    @property
    def device(self) -> str:
        """The device string of the operation."""
        return self.op.device

    @property
    def shape(self) -> TensorShape:
        """The static shape, as far as it is known."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """The static shape, as far as it is known."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows of the shape. Raises ShapeError if it contradicts.

        As in TensorFlow, an unknown size says nothing: `y.set_shape(x.shape)` does not mean that
        the two have the same sizes, only the same known ones.
        """
        other = as_shape(shape)
        if self._shape.rank is None or other.rank is None:
            self.narrow(other.renewed())
            return
        self._shape.assert_is_compatible_with(other)
        self.narrow(TensorShape.of(
            b if isinstance(b, int) else a
            for a, b in zip(self._shape.sizes, other.sizes)))

    def narrow(self, shape: TensorShape) -> None:
        """Adds what graphflow itself found out, relations between sizes included."""
        self._shape = self._shape.merge_with(shape)

    @property
    def symbolic_value(self) -> np.ndarray | None:
        """The value of a small integer tensor as far as it follows from shapes and constants."""
        return self._symbolic

    @property
    def is_handle(self) -> bool:
        """True if this is a variable itself rather than a value."""
        return self.op.attrs.get("handle") is True

    def consumers(self) -> list[Operation]:
        """The operations that take this tensor as an input."""
        return list(self._consumers or ())

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, computed in `session` (the default session if None)."""
        return self.graph.session_for(session, f"Tensor '{self.name}'.eval()").run(self, feed_dict)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self) >> 4

    def __bool__(self) -> bool:
        raise DTypeError(
            f"Tensor '{self.name}' has no truth value while the graph is built. Use gf.cond(...) "
            "to choose in the graph, `is not None` to test for presence, or Session.run to get "
            "the value."
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        raise DTypeError(
            f"Tensor '{self.name}' does not support item assignment: tensors never change. Make a "
            "new one with gf.where or gf.tensor_scatter_nd_update, or use a Variable v and "
            "v[…].assign(…)."
        )

    def __len__(self) -> int:
        raise DTypeError(
            f"Tensor '{self.name}' has no len(); use x.shape[0] or gf.shape(x)[0]."
        )

    def __iter__(self) -> Any:
        raise DTypeError(
            f"Tensor '{self.name}' cannot be iterated over while the graph is built; use "
            "gf.unstack(x) or gf.while_loop."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise DTypeError(
            f"Tensor '{self.name}' has no value while the graph is built, so NumPy cannot use it. "
            "Use a gf function, or Session.run to get the value."
        )

    def __float__(self) -> float:
        raise DTypeError(f"Tensor '{self.name}' has no value; use Session.run to get it.")

    __int__ = __float__
    __index__ = __float__

    def __repr__(self) -> str:
        return f"<gf.Tensor '{self.name}' shape={self._shape} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        return f'Tensor("{self.name}", shape={self._shape}, dtype={self.dtype.name})'
