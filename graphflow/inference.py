"""Type inference: the static type of a value, and what an inference function sees of one op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.dims import Dim, SymDim, same
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, GraphflowError, ShapeError, describe
from graphflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape, broadcast_shapes

if TYPE_CHECKING:
    from graphflow.opdef import OpDef


@dataclass(frozen=True, slots=True)
class TensorType:
    """The static type of a value: element type and shape."""

    dtype: DType
    shape: TensorShape = UNKNOWN_SHAPE

    def __str__(self) -> str:
        return f"{self.dtype.name} {self.shape}"


class Infer:
    """What a type-inference function sees of one op: types, attributes, symbolic values."""

    __slots__ = ("attrs", "name", "opdef", "site", "types", "values")

    def __init__(
        self,
        opdef: OpDef,
        types: Sequence[TensorType],
        attrs: dict[str, Any],
        values: Sequence[np.ndarray | None],
        name: str | None,
        site: str | None,
    ) -> None:
        self.opdef, self.types, self.attrs = opdef, types, attrs
        self.values, self.name, self.site = values, name, site

    def shape(self, i: int) -> TensorShape:
        """The shape of input `i`."""
        return self.types[i].shape

    def dtype(self, i: int) -> DType:
        """The element type of input `i`."""
        return self.types[i].dtype

    def value(self, i: int) -> np.ndarray | None:
        """The value of integer input `i` if it is known: an array of ints and `SymDim`s."""
        return self.values[i]

    def arg_name(self, i: int) -> str:
        """The name of input `i` in messages."""
        return self.opdef.arg_name(i)

    def show(self, i: int) -> str:
        """`x [32, 784]` for input `i`."""
        return f"{self.arg_name(i)} {self.types[i].shape}"

    def error(
        self, problem: str, fix: str = "", cls: type[GraphflowError] = ShapeError
    ) -> GraphflowError:
        """An error in the one form; to be raised by the caller."""
        return cls(describe(self.opdef.name, self.name, problem, site=self.site, fix=fix))

    def require_rank(self, i: int, *ranks: int, at_least: int | None = None) -> int | None:
        """The rank of input `i`. Raises ShapeError if it is known and not as required."""
        rank = self.types[i].shape.rank
        if rank is None:
            return None
        if (ranks and rank not in ranks) or (at_least is not None and rank < at_least):
            wanted = f"at least {at_least}" if at_least is not None else " or ".join(
                map(str, ranks))
            raise self.error(f"{self.arg_name(i)} must have rank {wanted}, got {self.show(i)}")
        return rank

    def axis(self, axis: int, rank: int, what: str = "axis") -> int:
        """`axis` as a non-negative number. Raises AttributeValueError if outside [-rank, rank)."""
        if not -rank <= axis < rank:
            raise self.error(
                f"{what} {axis} is outside [{-rank}, {rank})" + (
                    f" for {self.show(0)}" if self.types else ""),
                cls=AttributeValueError)
        return axis + rank if axis < 0 else axis

    def require_same(self, a: Dim, b: Dim, problem: str, fix: str = "") -> Dim:
        """The better known of two sizes. Raises ShapeError if they are known to differ."""
        if same(a, b) is False:
            raise self.error(problem, fix)
        return b if isinstance(a, SymDim) else a

    def broadcast(self, *indices: int) -> TensorShape:
        """The broadcast shape of the inputs (all by default). Raises ShapeError."""
        indices = indices or tuple(range(len(self.types)))
        shape = self.types[indices[0]].shape
        for i in indices[1:]:
            merged = broadcast_shapes(shape, self.types[i].shape)
            if merged is None:
                shown = ", ".join(self.show(k) for k in indices)
                raise self.error(f"shapes cannot be broadcast together: {shown}",
                                 "Sizes must be equal or 1, counted from the last axis.")
            shape = merged
        return shape


def same_as_input(c: Infer) -> list[TensorType]:
    """Inference: one output of the type and shape of input 0."""
    return [TensorType(c.dtype(0), c.shape(0))]


def broadcast_inputs(c: Infer) -> list[TensorType]:
    """Inference: one output of input 0's type and the broadcast of all shapes."""
    return [TensorType(c.dtype(0), c.broadcast())]


def scalar_of(dtype: DType) -> TensorType:
    """The type of a scalar."""
    return TensorType(dtype, SCALAR)
