"""`SparseTensor`: the elements of a tensor that are not zero, and where they stand.

`SparseTensor(indices, values, dense_shape)` stands for a tensor of `dense_shape` with
`dense[indices[i]] = values[i]`, zero elsewhere. It is three tensors under one name: what is made
of it is made of those, so that gradients reach `values` like any tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphflow.builder import F, convert
from graphflow.conversion import register_tensor_conversion_function
from graphflow.defaults import get_default_session
from graphflow.dtypes import DType, int64
from graphflow.errors import DTypeError, GraphError, ShapeError
from graphflow.shapes import TensorShape, unknown_shape


class SparseTensorValue(NamedTuple):
    """The value of a `SparseTensor`: what a fetch of one gives, and what may be fed for one.

    indices: [n, rank] int64; values: [n]; dense_shape: [rank] int64.
    """

    indices: Any
    values: Any
    dense_shape: Any


class SparseTensor:
    """Some elements of a tensor and their places, as `tf.SparseTensor`.

    Args:
      indices: [n, rank] int64, the place of each element; most ops want them in row-major order
        and without repetition (see `tf.sparse.reorder`).
      values: [n], the elements.
      dense_shape: [rank] int64, the shape of the tensor that is meant.
    Raises ShapeError for tensors of other ranks, or lengths that differ.
    """

    __slots__ = ("_dense_shape", "_indices", "_values")

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self._indices = convert(indices, int64, "indices")
        self._values = convert(values, name="values")
        self._dense_shape = convert(dense_shape, int64, "dense_shape")
        self._check()

    def _check(self) -> None:
        indices, values, shape = (
            t.shape for t in (self._indices, self._values, self._dense_shape))
        for what, found, rank in (("indices", indices, 2), ("values", values, 1),
                                  ("dense_shape", shape, 1)):
            if found.rank not in (None, rank):
                raise ShapeError(
                    f"SparseTensor: {what} must have rank {rank}, got {what} {found}.")
        if indices.rank is None:
            return
        for found, axis, what in ((values, 0, "values"), (shape, 1, "dense_shape")):
            if found.rank is not None and not found.is_compatible_with(indices[axis:axis + 1]):
                raise ShapeError(
                    f"SparseTensor: indices {indices} do not go with {what} {found}; they are "
                    "[n, rank], values [n] and dense_shape [rank].")

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A SparseTensor of constants from a `SparseTensorValue`, or the SparseTensor itself."""
        if isinstance(sparse_tensor_value, SparseTensor):
            return sparse_tensor_value
        if not isinstance(sparse_tensor_value, SparseTensorValue):
            raise DTypeError(
                "SparseTensor.from_value: takes a SparseTensor or SparseTensorValue, got "
                f"{sparse_tensor_value!r}.")
        return cls(*sparse_tensor_value)

    # ---- parts and static facts -------------------------------------------------------------

    @property
    def indices(self) -> Any:
        """The places: [n, rank] int64."""
        return self._indices

    @property
    def values(self) -> Any:
        """The elements: [n]."""
        return self._values

    @property
    def dense_shape(self) -> Any:
        """The shape of the tensor that is meant, as a tensor: [rank] int64."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The static shape of the tensor that is meant, as far as it is known."""
        known = getattr(self._dense_shape, "symbolic_value", None)
        if known is not None:
            return TensorShape.of(known.tolist())
        rank = self.rank
        return unknown_shape(rank)

    def get_shape(self) -> TensorShape:
        """The static shape of the tensor that is meant, as far as it is known."""
        return self.shape

    @property
    def rank(self) -> int | None:
        """The number of axes, if it is known."""
        for shape, axis, rank in ((self._dense_shape.shape, 0, 1), (self._indices.shape, 1, 2)):
            if shape.rank == rank and isinstance(shape.sizes[axis], int):
                return int(shape.sizes[axis])
        return None

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._values.dtype

    @property
    def op(self) -> Any:
        """The operation that gives `values`."""
        return self._values.op

    @property
    def name(self) -> str:
        """The name of `values`."""
        return self._values.name

    @property
    def graph(self) -> Any:
        """The graph that holds the three tensors."""
        return self._values.graph

    def consumers(self) -> list[Any]:
        """The operations that take `values`."""
        return self._values.consumers()

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        """The value in `session` (the default session if None), as a `SparseTensorValue`.

        Raises GraphError if there is no session.
        """
        session = session if session is not None else get_default_session()
        if session is None:
            raise GraphError("SparseTensor.eval: there is no default session. Use "
                             "`with gf.Session():` or pass session=.")
        value: SparseTensorValue = session.run(self, feed_dict)
        return value

    # ---- operators --------------------------------------------------------------------------

    def with_values(self, values: Any) -> SparseTensor:
        """Other elements at the same places."""
        return SparseTensor(self._indices, values, self._dense_shape)

    def map_dense(self, function: Callable[[Any], Any]) -> SparseTensor:
        """The same places with `function` of the values: for functions that keep zero."""
        return self.with_values(function(self._values))

    def _beside(self, other: Any) -> Any:
        """`other`, a dense tensor that broadcasts to this one's shape, at the places here."""
        other = convert(other, self.dtype)
        if other.shape.rank == 0:
            return other
        return F.gather_nd(F.broadcast_to(other, self._dense_shape), self._indices)

    def __mul__(self, other: Any) -> SparseTensor:
        return self.with_values(self._values * self._beside(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        return self.with_values(F.truediv(self._values, self._beside(other)))

    __div__ = __truediv__

    def __neg__(self) -> SparseTensor:
        return self.with_values(F.negative(self._values))

    def __repr__(self) -> str:
        return (f"SparseTensor(indices={self._indices!r}, values={self._values!r}, "
                f"dense_shape={self._dense_shape!r})")

    __str__ = __repr__


def as_sparse(value: Any) -> SparseTensor:
    """`value` as a SparseTensor. Raises DTypeError for what is none."""
    if not isinstance(value, (SparseTensor, SparseTensorValue)):
        raise DTypeError(f"Input must be a SparseTensor, got {value!r}. "
                         "Use gf.sparse.from_dense(x) for a dense tensor.")
    return SparseTensor.from_value(value)


def _to_tensor(value: SparseTensor, dtype: Any, name: str | None, as_ref: bool) -> Any:
    raise DTypeError(f"{value!r} is sparse, and this function takes dense tensors. "
                     "Use gf.sparse.to_dense(x).")


register_tensor_conversion_function(SparseTensor, _to_tensor)
