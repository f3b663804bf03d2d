"""Which values the kernels of a Program read, and for which nodes there must be kernels at all.

Many inputs only say sizes: the shape of a reshape, or the tensor whose `Shape` is asked for. The
scheduler knows sizes without memory, so such inputs need not be computed for their sake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.checks import build_check, status_word
from graphflow.codegen.elements import Elements
from graphflow.codegen.sizes import symbols_of
from graphflow.dims import SymDim, symbol_name
from graphflow.errors import GraphflowError
from graphflow.loop_ir import b
from graphflow.lowering import (
    Contraction,
    Cumulative,
    Gather,
    Generate,
    Join,
    Leaf,
    Pointwise,
    Reduce,
    Scatter,
    Sizes,
    View,
    Window,
)
from graphflow.program import Node, Program, Value

# What needs no kernel if nobody reads its result: all that it may complain of, checks find.
_DROPPED = (Pointwise, Generate, View, Sizes, Gather, Reduce, Cumulative, Contraction, Window,
            Join, Scatter)

# What a lowering may raise if it asks for sizes that are not known when the kernel is built.
NEEDS_SIZES = (GraphflowError, TypeError, ValueError, AttributeError, IndexError)


def read_inputs(node: Node) -> Sequence[Value]:
    """The inputs whose elements a kernel of the node reads; the others say sizes only."""
    lowering = node.opdef.lowering
    if isinstance(lowering, Sizes):
        return ()
    if isinstance(lowering, (View, Reduce, Window)):
        return node.inputs[:1]
    if isinstance(lowering, Contraction):
        return node.inputs[:2]
    if isinstance(lowering, Generate):
        return [node.inputs[k] for k in lowering.scalars]
    if isinstance(lowering, Scatter) and all(v.shape.rank is not None for v in node.inputs):
        try:
            return [node.inputs[k] for k in sorted(_scatter_reads(node, lowering))]
        except NEEDS_SIZES:
            return node.inputs
    return node.inputs


def _scatter_reads(node: Node, lowering: Scatter) -> set[int]:
    """The numbers of the inputs that a scatter loads from."""
    elements = Elements(lambda v: True)
    read = {lowering.updates} | ({lowering.base} if lowering.base is not None else set())

    def load(k: int, index: Any) -> Any:
        read.add(k)
        return elements.loader(node)(k, index)

    ctx = elements.context(node)
    index = tuple(b.index(n) for n in range(len(node.inputs[lowering.updates].shape.sizes)))
    lowering.target(index, load, ctx)
    if lowering.keep is not None:
        lowering.keep(index, load, ctx)
    return read


class Readers:
    """Who reads what in a Program.

    known: the unknowns that are known before it begins.
    capabilities: says which nodes have no kernel; their references read all inputs.

    Attributes:
      of: value → the nodes that read its elements, in order.
      live: the nodes that must be computed: results, effects, and what those read.
    """

    def __init__(
        self, program: Program, capabilities: Capabilities, known: Iterable[str] = ()
    ) -> None:
        self._capabilities = capabilities
        self.of: dict[Value, list[Node]] = {}
        self.live: set[Node] = set()
        self._given = {*known, *_leaf_sizes(program)}
        wanted = {*program.outputs, *program.writes.values()}
        for node in reversed(program.nodes):
            for value in dict.fromkeys(self._reads(node, wanted)):
                wanted.add(value)
                self.of.setdefault(value, []).append(node)
        for nodes in self.of.values():
            nodes.reverse()

    def _reads(self, node: Node, wanted: set[Value]) -> Sequence[Value]:
        lowering = node.opdef.lowering
        if isinstance(lowering, _DROPPED) and wanted.isdisjoint(node.outputs):
            try:
                return _checked(node)
            except NEEDS_SIZES:
                pass  # it is no kernel, and its reference may complain
        self.live.add(node)
        if not self._sizes_given(node) or self._capabilities.complaint(node) is not None:
            return node.inputs
        return read_inputs(node)

    def _sizes_given(self, node: Node) -> bool:
        """True if all sizes around the node are known before the run: no value decides them."""
        values = (*node.inputs, *node.outputs)
        if any(v.shape.rank is None for v in values):
            return False
        sizes = [d for v in values for d in v.shape.sizes]
        for value in node.inputs:
            if value.symbolic_value is not None:
                sizes += value.symbolic_value.ravel().tolist()
        return symbols_of(sizes) <= self._given


def _leaf_sizes(program: Program) -> set[str]:
    """The names of the unknowns that the shapes of leaves show."""
    return {symbol_name(dim) for node in program.nodes if isinstance(node.opdef.lowering, Leaf)
            for value in node.outputs if value.shape.rank is not None
            for dim in value.shape.sizes if isinstance(dim, SymDim)} - {""}


def _checked(node: Node) -> Sequence[Value]:
    """The inputs that the check of a node looks at, which runs though nobody reads the result."""
    elements = Elements(lambda v: True)
    body = build_check(elements, node, status_word())
    read = {v for v, written in elements.parameters if not written}
    return [v for v in node.inputs if v in read] if body else ()
