"""Contractions that are products of matrices, or of batches of them.

out[batch…, m, n] = Σ_k left[batch…, m, k] · right[batch…, k, n], where either operand may have its
last two axes the other way round, and lack some of the batch's axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.processor import vector_bytes
from graphflow.dims import Dim
from graphflow.dtypes import DType, float32
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.lowering import Contraction
from graphflow.program import Node, Value

MOST_EXCHANGED = 12  # columns of a result that is computed transposed

Index = tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """One factor of a product.

    Attributes:
      value: it.
      batch: for each of its axes but the last two, the axis of the result that it runs along;
        None: it has one element there.
      turned: True if the summed axis of a left operand is the first of the last two, or that of
        a right operand the last.
    """

    value: Value
    batch: tuple[int | None, ...]
    turned: bool


@dataclass(frozen=True, slots=True)
class Product:
    """A contraction that is a product of matrices.

    Attributes:
      out: the result.
      left, right: the operands.
      exchanged: True if the result is transposed: what it is the product of are the operands of
        the contraction, turned and in the other order.
    """

    out: Value
    left: Operand
    right: Operand
    exchanged: bool = False

    @property
    def rows(self) -> Dim:
        """How many rows a result has."""
        return self.out.shape.sizes[-1 if self.exchanged else -2]

    @property
    def columns(self) -> Dim:
        """How many columns a result has."""
        return self.out.shape.sizes[-2 if self.exchanged else -1]

    @property
    def terms(self) -> Dim:
        """How many products each sum has."""
        return self.left.value.shape.sizes[-2 if self.left.turned else -1]

    @property
    def kind(self) -> DType:
        """The dtype of the sums."""
        half = self.out.dtype.name in ("float16", "bfloat16")
        return float32 if half else self.out.dtype

    @property
    def lanes(self) -> int:
        """The elements of one vector."""
        values = (self.left.value, self.right.value, self.out)
        return max(2, vector_bytes() // max(v.dtype.size for v in values))


def product_of(node: Node) -> Product | None:
    """The contraction as a product of matrices of real numbers; None if it is something else."""
    lowering = node.opdef.lowering
    assert isinstance(lowering, Contraction)
    rank = len(node.outputs[0].shape.sizes)
    if rank < 2 or lowering.inside is not None or any(
            v.dtype.is_complex for v in (*node.inputs[:2], *node.outputs)):
        return None
    ctx = Elements(lambda v: True).context(node)
    if len(tuple(lowering.extents(ctx))) != 1:
        return None
    place, term = tuple(map(b.index, range(rank))), b.index(rank)
    found = []
    for value, source, own, first in ((node.inputs[0], lowering.left, place[-2], True),
                                      (node.inputs[1], lowering.right, place[-1], False)):
        operand = _operand(value, tuple(source(place, (term,), ctx)), place, own, term, first)
        if operand is None:
            return None
        found.append(operand)
    left, right = found
    product = Product(node.outputs[0], left, right)
    return _exchanged(product) if _is_better_exchanged(product) else product


def _is_better_exchanged(product: Product) -> bool:
    """True if lanes fill better along the lines of the left operand than along few columns."""
    rows, columns, lanes = product.rows, product.columns, product.lanes
    if not product.left.turned or not isinstance(columns, int):
        return False
    few = columns < min(lanes, MOST_EXCHANGED) and columns * 4 <= lanes * 3
    return columns == 1 or (few and columns > 1 and isinstance(rows, int) and rows >= 2 * lanes
                            and len(product.out.shape.sizes) == 2)


def _exchanged(product: Product) -> Product:
    return Product(
        product.out, _turned(product.right), _turned(product.left), exchanged=True)


def _turned(operand: Operand) -> Operand:
    """The operand as the other one of the transposed product."""
    return Operand(operand.value, operand.batch, not operand.turned)


def _operand(
    value: Value, index: Sequence[Any], place: Index, own: Expr, term: Expr, own_first: bool
) -> Operand | None:
    index = tuple(map(int64, index))
    if len(index) < 2 or {*index[-2:]} != {own, term}:
        return None
    batch: list[int | None] = []
    for i in index[:-2]:
        if i in place[:-2]:
            batch.append(place.index(i))
        elif i.op == "const" and i.attr == 0:
            batch.append(None)
        else:
            return None
    return Operand(value, tuple(batch), (index[-1] is own) == own_first)
