"""Operands of contractions in half types, as float32 where they are read more than a few times.

Sums of half types are float32 sums, rounded once when they are stored. An element that takes part
in many of them would be converted each time that it is loaded; the copies that `packed_operands`
makes are in float32 instead, and what is built for float32 is what runs. Where an element is read
few times, it is converted as it is loaded: reading half as many bytes is then all that counts.
"""

from __future__ import annotations

from math import prod

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.matrices import Product, product_of
from graphflow.codegen.pair_products import fits_pairs
from graphflow.codegen.panels import panels_of
from graphflow.codegen.tiles import FEW_ROWS
from graphflow.dims import Dim
from graphflow.dtypes import DType, float32
from graphflow.lowering import Contraction
from graphflow.opdef import TensorType, lookup
from graphflow.program import Node, Value

HALVES = ("float16", "bfloat16")
FEW_USES = 4  # of an element, for which it is not worth a copy


def is_half(dtype: DType) -> bool:
    """True for the types of 16 bits whose sums are float32."""
    return dtype.name in HALVES


def widened(node: Node) -> tuple[dict[Value, Value], Node]:
    """The float32 copies of a contraction's operands, by operand, and the contraction of these.

    Its outputs are the node's own. Nothing is widened of a contraction of other types.
    """
    if not is_half(node.outputs[0].dtype) or not any(is_half(v.dtype) for v in node.inputs[:2]):
        return {}, node
    product = product_of(node)
    if product is not None and fits_pairs(product):
        return {}, node
    chosen = _of_contraction(node) if product is None else _of_product(product)
    copies = {v: _as_float32(v) for v in node.inputs[:2] if v in chosen and is_half(v.dtype)}
    if not copies:
        return {}, node
    new = Node(node.opdef, tuple(copies.get(v, v) for v in node.inputs), node.attrs,
               [v.type for v in node.outputs], [None] * len(node.outputs), node.serial, None)
    new.outputs = node.outputs
    return copies, new


def _of_product(product: Product) -> set[Value]:
    """Which operands of a product of matrices are read often enough.

    Panels are in float32 themselves; and where it is not known how many rows there are, there is
    code for few of them that reads the right operand in place.
    """
    rows, columns = product.rows, product.columns
    found = set()
    if not _at_most(columns, FEW_USES) and not _at_most(rows, 1):
        found.add(product.left.value)
    if not _at_most(rows, FEW_ROWS - 1) and not (
            panels_of(product) is not None and not isinstance(rows, int)):
        found.add(product.right.value)
    return found


def _at_most(size: Dim, most: int) -> bool:
    """True if a size is known to be so small."""
    return isinstance(size, int) and size <= most


def _of_contraction(node: Node) -> set[Value]:
    """The operands of another contraction that have few elements beside the terms they are in."""
    lowering = node.opdef.lowering
    assert isinstance(lowering, Contraction)
    terms = _elements(node.outputs[0].shape.sizes)
    found = set()
    for value in node.inputs[:2]:
        own = _elements(value.shape.sizes)
        if terms is None or own is None or own <= terms * _summed(node, lowering) / FEW_USES:
            found.add(value)
    return found


def _summed(node: Node, lowering: Contraction) -> int:
    """How many terms each sum has, as far as that is known."""
    extents = map(int64, lowering.extents(Elements(lambda v: True).context(node)))
    return prod(x.attr for x in extents if x.op == "const")


def _elements(sizes: tuple[Dim, ...]) -> int | None:
    known = [d for d in sizes if isinstance(d, int)]
    return prod(known) if len(known) == len(sizes) else None


def _as_float32(value: Value) -> Value:
    kind = TensorType(float32, value.shape)
    return Node(lookup("Cast"), (value,), {"dtype": float32}, [kind], [None], -1, None).outputs[0]
