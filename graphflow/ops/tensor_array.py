"""`TensorArray`: tensors of one shape, written and read by index, also as a loop variable.

The state of an array is one tensor, its *flow*: [size, *element]. Writing gives a new array with
another flow; the arrays are values, like tensors. Loops and branches carry the flow. The shape of
the elements may show only when the first one is written, inside a loop's body perhaps; the flow
that enters the loop is made once the body is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dims import fresh
from graphflow.dtypes import as_dtype
from graphflow.errors import (
    DTypeError,
    GraphError,
    GraphflowError,
    ShapeError,
    UnimplementedError,
)
from graphflow.graph import get_default_graph
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.nests import Stateful
from graphflow.ops.size_tensors import shape_tensor
from graphflow.shapes import TensorShape, as_shape
from graphflow.tensor import Operation, Tensor

__all__ = ["TensorArray"]


class _Element:
    """What is known of the elements' shape: shared by all states of one array."""

    __slots__ = ("shape",)

    def __init__(self, shape: TensorShape) -> None:
        self.shape = shape

    def merge(self, shape: TensorShape, name: str) -> None:
        """Adds the shape of an element. Raises ShapeError if it contradicts."""
        if not self.shape.is_compatible_with(shape):
            raise failure(
                "TensorArray", name, f"the elements have the shape {self.shape}, got one of "
                f"{shape}", "All elements of a TensorArray have one shape.", ShapeError)
        self.shape = self.shape.merge_with(shape)


class TensorArray(Stateful):
    """`size` tensors of one shape and type.

    Args:
      dtype: the elements' type.
      size: int or int32 scalar.
      dynamic_size: True if writing beyond the end makes the array longer.
      clear_after_read: accepted; elements can always be read again.
      tensor_array_name: a name for messages.
      handle, flow: the state of another array that this one continues.
      infer_shape: accepted; all elements must have one shape in any case.
      element_shape: the elements' shape as far as it is known; the first write shows the rest.
      colocate_with_first_write_call: accepted.
      name: a name for messages.

    Elements that were never written are zeros. Writing an element again replaces it.
    Raises AttributeValueError (a ValueError) if neither size nor handle is given, or both.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        self._name = name or tensor_array_name or "TensorArray"
        if handle is not None and size is not None:
            raise failure("TensorArray", self._name, "got both a handle and a size",
                          "An array that continues another one has its size.")
        if handle is None and flow is None and size is None:
            raise failure("TensorArray", self._name, "needs a size",
                          "With dynamic_size=True it may be 0.")
        if handle is not None and (dynamic_size is not None or clear_after_read is not None):
            raise failure("TensorArray", self._name,
                          "dynamic_size and clear_after_read belong to the array of the handle")
        self.dtype = as_dtype(dtype)
        self._dynamic = bool(dynamic_size)
        self._element = _Element(as_shape(element_shape))
        self._graph = get_default_graph()
        self._flow: Tensor | None = None
        state = flow if flow is not None else handle
        if state is not None:
            self._flow = convert(state, self.dtype)
            self._element.merge(self._flow.shape[1:], self._name)
        self._given_size = None if size is None else _as_int32("size", size, self._name)

    # ---- what it is -------------------------------------------------------------------------

    @property
    def dynamic_size(self) -> bool:
        """True if the array grows."""
        return self._dynamic

    @property
    def element_shape(self) -> TensorShape:
        """The elements' shape, as far as it is known."""
        return self._element.shape

    @property
    def flow(self) -> Tensor:
        """The state: [size, *element]."""
        return self._settled_flow()

    @property
    def handle(self) -> Tensor:
        """The state, by which `TensorArray(handle=…)` continues the array."""
        return self._settled_flow()

    def size(self, name: str | None = None) -> Any:
        """The number of elements, an int32 scalar."""
        if self._flow is None:
            return F.identity(self._given_size, name=name or "TensorArraySizeV3")
        length = F.shape(self._flow)[0]
        return F.identity(length, name=name or "TensorArraySizeV3")

    def __repr__(self) -> str:
        return (f"<gf.TensorArray {self._name!r} dtype={self.dtype.name} "
                f"element_shape={self._element.shape}>")

    # ---- single elements --------------------------------------------------------------------

    def read(self, index: Any, name: str | None = None) -> Any:
        """The element at `index`, an int32 scalar.

        Raises InvalidArgumentError when the graph runs for an index outside of [0, size).
        """
        flow = self._settled_flow("read")
        element = F.tensor_array_read(flow, _as_int32("index", index, self._name), name=name)
        element.narrow(self._element.shape)
        return element

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with `value` at `index`, an int32 scalar. Use what is returned.

        Raises DTypeError or ShapeError for a value that is no element; InvalidArgumentError when
        the graph runs for an index outside of [0, size), unless the array grows.
        """
        value = self._as_elements(value)
        index = _as_int32("index", index, self._name)
        self._element.merge(value.shape, self._name)
        flow = self._base(F.shape(value))
        if self._dynamic:
            flow = _grown(flow, index + 1)
        return self.with_state(F.tensor_array_write(flow, index, value, name=name))

    # ---- all elements -----------------------------------------------------------------------

    def stack(self, name: str | None = None) -> Any:
        """All elements: [size, *element]."""
        stacked = F.identity(self._settled_flow("stack"),
                             name=name or "TensorArrayStack/TensorArrayGatherV3")
        if stacked.shape.rank is None and self._element.shape.rank is not None:
            stacked.narrow(TensorShape([None]).concatenate(self._element.shape))
        return stacked

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array whose elements are those of `value` [size, *element] along axis 0.

        Raises ShapeError if the size is known to be another one.
        """
        value = self._as_elements(value)
        if value.shape.rank == 0:
            raise failure("TensorArray.unstack", name, "value must have rank at least 1, got []",
                          cls=ShapeError)
        self._element.merge(value.shape[1:], self._name)
        self._check_length("unstack", value)
        return self.with_state(F.identity(
            value, name=name or "TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3"))

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """The elements at `indices` [n]: [n, *element]."""
        return F.gather(self._settled_flow("gather"), indices,
                        name=name or "TensorArrayGatherV3")

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with the elements of `value` [n, *element] at `indices` [n]."""
        value, indices = self._as_elements(value), _as_int32("indices", indices, self._name)
        self._element.merge(value.shape[1:], self._name)
        flow = self._base(F.shape(value)[1:])
        if self._dynamic:
            flow = _grown(flow, F.reduce_max(F.concat([[-1], indices], 0)) + 1)
        return self.with_state(F.tensor_scatter_nd_update(
            flow, F.expand_dims(indices, 1), value, name=name or "TensorArrayScatterV3"))

    def concat(self, name: str | None = None) -> Any:
        """The elements joined along their first axis: [size · element[0], …]."""
        flow = self._settled_flow("concat")
        if flow.shape.rank is not None and flow.shape.rank < 2:
            raise failure("TensorArray.concat", name,
                          f"elements must have rank at least 1, got {flow.shape[1:]}",
                          "stack() joins scalars.", ShapeError)
        sizes = F.shape(flow)
        whole = F.concat([F.reshape(sizes[0] * sizes[1], [1]), sizes[2:]], 0)
        return F.reshape(flow, whole, name=name or "TensorArrayConcatV3")

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array whose elements are pieces of `value` along axis 0.

        lengths: int vector [size], the pieces' lengths; they must be equal. Raises
        InvalidArgumentError when the graph runs if they are not.
        """
        value, lengths = self._as_elements(value), _as_int32("lengths", lengths, self._name)
        count = F.shape(lengths)[0]
        one = F.shape(value)[0] // F.maximum(count, 1)
        equal = F.assert_equal(lengths, F.fill(F.shape(lengths), one), message=(
            "TensorArray.split: the lengths must be equal and add up to the size of value."))
        with get_default_graph().control_dependencies([equal]):
            pieces = F.reshape(value, F.concat(
                [F.stack([count, one]), F.shape(value)[1:]], 0))
        self._element.merge(pieces.shape[1:], self._name)
        self._check_length("split", pieces)
        return self.with_state(F.identity(pieces, name=name or "TensorArraySplitV3"))

    # ---- accepted for TensorFlow's sake -----------------------------------------------------

    def identity(self) -> TensorArray:
        """The array, its state passed through `identity` (under the control dependencies here)."""
        return self.with_state(F.identity(self._settled_flow()))

    def close(self, name: str | None = None) -> Operation:
        """Does nothing: there is nothing to free."""
        return F.no_op(name=name)

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> Any:
        """Raises UnimplementedError: `gradients` differentiates arrays like tensors."""
        raise UnimplementedError(
            None, None, "TensorArray.grad is not needed: gf.gradients differentiates through "
            "TensorArrays as through tensors.")

    # ---- the state --------------------------------------------------------------------------

    @property
    def state(self) -> Tensor | None:
        """The flow; None if the elements' shape is not known yet."""
        if self._flow is not None or not self._element.shape.is_fully_defined():
            return self._flow
        made = self._zeros(list(self._element.shape.sizes))
        if made.graph is self._graph:  # a branch or loop body makes its own
            self._flow = made
        return made

    def settled(self, sources: Sequence[Tensor]) -> Tensor:
        """The flow: zeros if nothing was written yet, of sizes taken from `sources`.

        If the elements' shape does not follow from these, it stays open until the first write of
        the run.
        """
        state = self.state
        if state is not None:
            return state
        element = self._element.shape
        sizes = None if element.rank is None else shape_tensor(element.sizes, sources)
        if sizes is None:
            like = F.zeros([], self.dtype)
            return F.tensor_array_unshaped(self._given_size, like, name=self._name)
        return self._zeros(sizes)

    def loop_shape(self, state: Tensor) -> TensorShape:
        """The flow's shape; of an array that grows, without its size."""
        if not self._dynamic or state.shape.rank is None:
            return state.shape
        return TensorShape.of((fresh(), *state.shape.sizes[1:]))

    def with_state(self, state: Tensor) -> TensorArray:
        """The array with another flow."""
        made = object.__new__(TensorArray)
        made._name, made._graph = self._name, self._graph
        made.dtype, made._dynamic = self.dtype, self._dynamic
        made._element, made._given_size, made._flow = self._element, self._given_size, state
        return made

    def _zeros(self, element: list[Any]) -> Tensor:
        return F.zeros([self._given_size, *element], self.dtype, name=self._name)

    def _base(self, element: Any) -> Tensor:
        """The flow to write into, given the shape of an element as a tensor."""
        state = self.state
        if state is not None:
            return state
        size = F.reshape(self._given_size, [1])
        return F.zeros(F.concat([size, element], 0), self.dtype, name=self._name)

    def _settled_flow(self, what: str = "use") -> Tensor:
        state = self.state
        if state is None:
            raise failure(
                "TensorArray", self._name, f"cannot {what} an array without elements: their "
                "shape is not known", "Write to it first, or give element_shape=[…].",
                GraphError)
        return state

    def _as_elements(self, value: Any) -> Tensor:
        try:
            return convert(value, self.dtype)
        except GraphflowError as error:
            raise failure("TensorArray", self._name,
                          f"the elements are {self.dtype.name}: {error}", cls=DTypeError) from None

    def _check_length(self, what: str, value: Tensor) -> None:
        known = getattr(self._given_size, "symbolic_value", None)
        if self._dynamic or known is None or value.shape.rank is None:
            return
        size, given = TensorShape([known.item()]), value.shape[:1]
        if not size.is_compatible_with(given):
            raise failure(f"TensorArray.{what}", self._name,
                          f"the array has {size} elements, value {given}: {value.shape}",
                          cls=ShapeError)


def _as_int32(what: str, value: Any, name: str) -> Tensor:
    tensor = convert(value) if is_tensor(value) else convert(value, dt.int32)
    if not tensor.dtype.is_integer:
        raise failure("TensorArray", name, f"{what} must be an integer, got {tensor.dtype.name}",
                      cls=DTypeError)
    return tensor if tensor.dtype is dt.int32 else F.cast(tensor, dt.int32)


def _grown(flow: Tensor, size: Tensor) -> Tensor:
    """The flow with zeros appended until it has at least `size` elements."""
    shape = F.shape(flow)
    missing = F.reshape(F.maximum(size - shape[0], 0), [1])
    return F.concat([flow, F.zeros(F.concat([missing, shape[1:]], 0), flow.dtype)], 0)
