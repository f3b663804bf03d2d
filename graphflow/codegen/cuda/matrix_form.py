"""Which launches are plain products of matrices: what NVIDIA's library can compute in their place.

A launch in tiles is one if both factors are elements of a buffer that move by one stride with each
loop, nothing is conditional, and the sum is stored as it is. Loops that lie in each other (the
axes of a batch that is multiplied by one matrix) count as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from graphflow.codegen.cuda.fragments import TF32, narrow
from graphflow.codegen.cuda.kernels import CudaKernel
from graphflow.codegen.cuda.shapes import value_of
from graphflow.dtypes import int64
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import slope
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.index_arithmetic import simplified

ELEMENTS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix in a buffer.

    Attributes:
      buffer: its number.
      start: elements in front of it.
      outer, inner: elements from one row, and one column, to the next.
      batch: from one matrix to the next.
    """

    buffer: int
    start: int
    outer: int
    inner: int
    batch: int


@dataclass(frozen=True, slots=True)
class MatrixForm:
    """out [rows, columns] = left [rows, terms] · right [terms, columns], for each of a batch.

    Attributes:
      element, result: names of the types of the factors, and of what is stored.
      rounded: whether float32 factors may be rounded to TF32.
    """

    element: str
    result: str
    rows: int
    columns: int
    terms: int
    batches: int
    left: Operand
    right: Operand
    out: Operand
    rounded: bool

    @property
    def flops(self) -> int:
        """Operations."""
        return 2 * self.rows * self.columns * self.terms * self.batches


@lru_cache(1 << 10)
def matrix_form(part: CudaKernel, sizes: tuple[int, ...]) -> MatrixForm | None:
    """The product that a launch computes; None if it does anything else."""
    product = part.plan.product
    if product is None or len(product.stores) != 1 or product.left.inside or product.right.inside:
        return None
    store, = product.stores
    left, right = narrow(product.left.value), narrow(product.right.value)
    value = store.value.args[0] if store.value.op == "cast" else store.value
    if left.op != "load" or right.op != "load" or value.op != "accumulator" or (
            store.where is not None or store.combine is not None):
        return None
    names = left.dtype.name, right.dtype.name, store.value.dtype.name
    if names[0] != names[1] or not set(names) <= set(ELEMENTS):
        return None
    extents = {loop.number: value_of(loop.extent, sizes) for loop in part.plan.grid}
    for number, extent in product.sums:
        if any(n.op in ("index", "load") for n in walk(extent)):
            return None
        extents[number] = value_of(extent, sizes)
    offsets = [_affine(e, extents, sizes) for e in (left.args[0], right.args[0], store.offset)]
    if None in offsets:
        return None
    x, y, out = (o for o in offsets if o is not None)
    sums = tuple(n for n, _ in product.sums)
    groups = [_merged(numbers, extents, offsets) for numbers, offsets in (
        (product.rows, (x, out)), (product.columns, (y, out)), (sums, (x, y)),
        (product.batches, (x, y, out)))]
    if None in groups:
        return None
    (rows, steps_r), (columns, steps_c), (terms, steps_t), (batches, steps_b) = (
        g for g in groups if g is not None)
    buffers = left.attr, right.attr, store.buffer
    return MatrixForm(
        names[0], names[2], rows, columns, terms, batches,
        Operand(buffers[0], x[1], steps_r[0], steps_t[0], steps_b[0]),
        Operand(buffers[1], y[1], steps_t[1], steps_c[0], steps_b[1]),
        Operand(buffers[2], out[1], steps_r[1], steps_c[1], steps_b[2]),
        part.plan.cores == TF32)


Affine = tuple[Mapping[int, int], int]


def _affine(offset: Expr, extents: Mapping[int, int], sizes: Sequence[int]) -> Affine | None:
    """How far an offset moves with each loop, and where it begins; None if it is not linear."""
    steps = {}
    for number in extents:
        if not any(n.op == "index" and n.attr == number for n in walk(offset)):
            steps[number] = 0
            continue
        step = slope(offset, number)
        if step is None or any(n.op in ("index", "load") for n in walk(step)):
            return None
        steps[number] = value_of(step, tuple(sizes))
    zero = b.const(0, int64)
    start = simplified(offset, {n: zero for n in walk(offset) if n.op == "index"})
    if any(n.op in ("index", "load", "accumulator") for n in walk(start)):
        return None
    return steps, value_of(start, tuple(sizes))


def _merged(
    numbers: Sequence[int], extents: Mapping[int, int], offsets: Sequence[Affine]
) -> tuple[int, tuple[int, ...]] | None:
    """Loops as one: how many turns it has, and how far each offset moves with one of them."""
    count, steps = 1, tuple(0 for _ in offsets)
    for number in reversed(numbers):
        own = tuple(o[0][number] for o in offsets)
        if extents[number] == 1:
            continue
        if count == 1:
            count, steps = extents[number], own
        elif own != tuple(count * s for s in steps):
            return None
        else:
            count *= extents[number]
    return count, steps
