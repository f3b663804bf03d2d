"""Scalar expressions become LLVM values of one thread.

Where each stands is decided as for the CPU (`cpu/values.py`): in front of the outermost loop that
it needs. So an element that a turn has loaded stays in a register until the turn's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import from_memory
from graphflow.codegen.cpu.rare import RareArms
from graphflow.codegen.cpu.values import Values
from graphflow.codegen.cuda.scalars import CUDA_EMIT, number
from graphflow.errors import ProgramError
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Kernel


class CudaValues(Values):
    """The values of one thread at the present place of emission.

    Attributes:
      given: loads whose elements are in registers already.
    """

    def __init__(self, function: ir.Function, kernel: Kernel) -> None:
        self.given: dict[Expr, Any] = {}
        super().__init__(function, kernel)

    def _pointer(self, number: int, dtype: Any) -> Any:
        return self.function.args[number]

    def _size(self, number: int) -> Any:
        return self.function.args[len(self.kernel.buffers) + number]

    def private_bytes(self, position: int) -> Any:
        """The argument that says how many bytes a copy of a private buffer has."""
        return self.function.args[len(self.kernel.buffers) + self.kernel.sizes + position]

    def bind(self, number: int, index: Any) -> None:
        """Emission goes on in a block of its own, where loop `number` has an index."""
        b = self.builder
        before, inside = b.block, b.append_basic_block("inside")
        b.branch(inside)
        b.position_at_end(inside)
        self.enter(number, before)
        self.indices[number] = index

    def _make(self, node: Expr, base: bool) -> Any:
        lanes = Lanes(self.builder, 1)
        if node.op == "const":
            return number(lanes, node)
        if node.op == "load":
            return self._element(node)
        if node.op in ("index", "size", "accumulator"):
            return super()._make(node, base)
        if node.op not in CUDA_EMIT:
            raise ProgramError(f"kernel: {node.op} must be expanded before emission.")
        return CUDA_EMIT[node.op](lanes, node, *(self._cached(a, base) for a in node.args))

    def _element(self, node: Expr) -> Any:
        if node in self.given:
            return self.given[node]
        pointer = self.builder.gep(self.buffers[node.attr], [self.value(node.args[0])])
        return from_memory(
            Lanes(self.builder, 1), self.builder.load(pointer), node.dtype)

    def _rarely(self, group: RareArms, base: bool, branch: bool) -> list[Any]:
        """The values of `rarely` nodes: a branch that few threads take.

        Not in a block in front of a loop, which must stay one block: there the arms always run.
        """
        b = self.builder
        condition = self._cached(group.nodes[0].args[0], base)
        usual = [self._cached(n.args[2], base) for n in group.nodes]
        known = {e: self._cached(e, base) for e in group.inputs}
        if not branch:
            rare = self._arms_values(group, known)
            return [b.select(condition, x, y) for x, y in zip(rare, usual)]
        before = b.block
        with b.if_then(condition, likely=False):
            rare = self._arms_values(group, known)
            after = b.block
        merged = []
        for x, y in zip(rare, usual):
            phi = b.phi(y.type)
            phi.add_incoming(y, before)
            phi.add_incoming(x, after)
            merged.append(phi)
        return merged

    def _arms_values(self, group: RareArms, known: dict[Expr, Any]) -> list[Any]:
        """What the arms compute, in the block at hand; nested rare arms always run."""
        made = dict(known)
        lanes = Lanes(self.builder, 1)
        for root in (n.args[1] for n in group.nodes):
            for node in _inner(root, made):
                made[node] = number(lanes, node) if node.op == "const" else CUDA_EMIT[node.op](
                    lanes, node, *(made[a] for a in node.args))
        return [made[n.args[1]] for n in group.nodes]


def _inner(root: Expr, known: dict[Expr, Any]) -> Sequence[Expr]:
    """The nodes that are not known yet, operands first."""
    found: dict[Expr, None] = {}
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in found or node in known:
            continue
        if ready or not node.args:
            found[node] = None
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args))
    return list(found)
