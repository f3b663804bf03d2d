"""Transposes of matrices become a way in which products read them."""

from __future__ import annotations

from graphflow.builder import F
from graphflow.passes.base import Rebuilder
from graphflow.passes.patterns import op
from graphflow.passes.rules import Rules, example, floats
from graphflow.passes.views import order_of
from graphflow.program import Node, Value

rule = Rules(exact=False)


def _matrices(transposed: Value) -> Value | None:
    """x if `transposed` is x with its last two axes exchanged, and nothing else."""
    node = transposed.node
    if node.opdef.name != "Transpose":
        return None
    order = order_of(node)
    if order is None or len(order) < 2:
        return None
    rank = len(order)
    return node.inputs[0] if order == (*range(rank - 2), rank - 1, rank - 2) else None


@rule(op("MatMul BatchMatMulV2", "a", "b"),
      example(lambda F, a, b: F.matmul(F.transpose(a), b), floats(4, 3), floats(4, 5)),
      example(lambda F, a, b: F.matmul(a, F.matrix_transpose(b), transpose_a=True),
              floats(2, 4, 3), floats(2, 5, 4)))
def product_of_transposed(a: Value, b: Value, node: Node) -> Value | None:
    """aᵀ · b and a · bᵀ read a or b along its other axis. An adjoint operand stays."""
    turned = {k: node.attrs[k] for k in ("transpose_a", "transpose_b", "adjoint_a", "adjoint_b")}
    operands = {"a": a, "b": b}
    changed = False
    for name, value in operands.items():
        inner = _matrices(value)
        if inner is not None and not turned[f"adjoint_{name}"]:
            operands[name], changed = inner, True
            turned[f"transpose_{name}"] = not turned[f"transpose_{name}"]
    return F.matmul(operands["a"], operands["b"], **turned) if changed else None


@rule(op("Transpose", op("MatMul BatchMatMulV2", "a", "b", bind="c")),
      example(lambda F, a, b: F.transpose(F.matmul(a, b)), floats(3, 4), floats(4, 5)))
def transposed_product(
    a: Value, b: Value, c: Value, node: Node, rebuilder: Rebuilder
) -> Value | None:
    """(a · b)ᵀ = bᵀ · aᵀ, if the product itself is not needed too."""
    attrs = c.node.attrs
    if (_matrices(node.outputs[0]) is None or rebuilder.uses(c) > 1
            or attrs["adjoint_a"] or attrs["adjoint_b"]):
        return None
    return F.matmul(b, a, transpose_a=not attrs["transpose_b"],
                    transpose_b=not attrs["transpose_a"])


TRANSPOSES = rule.as_pass("transposes", "specialise", __doc__)
