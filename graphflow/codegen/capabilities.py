"""What the CPU back end can compile, and what is cheap to compute twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from graphflow.codegen.cpu.scalars import emits
from graphflow.codegen.elements import Elements
from graphflow.codegen.told import keys_of
from graphflow.errors import GraphflowError
from graphflow.loop_ir import b
from graphflow.loop_ir.approximations import expander
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, Update
from graphflow.loop_ir.split_complex import basic_parts
from graphflow.lowering import (
    Composite,
    Contraction,
    Cumulative,
    Gather,
    Generate,
    Join,
    Leaf,
    Library,
    Pointwise,
    Reduce,
    Scatter,
    Sizes,
    View,
    Window,
)
from graphflow.program import Node

LEAVES = {"load", "accumulator", "index", "size", "const", "arg"}
CHEAP_OPS = 6
KERNEL_KINDS = (Pointwise, Generate, View, Gather, Reduce, Cumulative, Contraction, Window, Join,
                Scatter, Sizes, Library)


class Capabilities:
    """Answers about nodes, remembered: for the node, and for all nodes of its form."""

    def __init__(self) -> None:
        self._complaints: dict[Node, str | None] = {}
        self._cheap: dict[Node, bool] = {}
        self._forms: dict[Node, Hashable] = {}
        self._complaints_of: dict[Hashable, str | None] = {}
        self._cheap_of: dict[Hashable, bool] = {}

    def is_leaf(self, node: Node) -> bool:
        """True for values that exist before the program runs."""
        return isinstance(node.opdef.lowering, Leaf)

    def complaint(self, node: Node) -> str | None:
        """Why a node cannot be compiled, or None."""
        if node not in self._complaints:
            form = self._form(node)
            if form not in self._complaints_of:
                self._complaints_of[form] = self._examine(node)
            self._complaints[node] = self._complaints_of[form]
        return self._complaints[node]

    def _form(self, node: Node) -> Hashable:
        form = self._forms.get(node)
        if form is None:
            form = self._forms[node] = _form(node)
        return form

    def _examine(self, node: Node) -> str | None:
        lowering = node.opdef.lowering
        if not isinstance(lowering, KERNEL_KINDS) and not (
                isinstance(lowering, Composite) and lowering.kernel):
            return f"{type(lowering).__name__} ops have no kernel"
        for value in (*node.inputs, *node.outputs):
            if value.dtype.is_string:
                return f"{value.dtype.name} is not compiled yet"
            if value.shape.rank is None:
                return "its rank is not known"
        try:
            exprs = self._probe(node)
        except (GraphflowError, TypeError, ValueError, AttributeError, IndexError,
                OverflowError) as error:
            return f"its lowering needs known sizes ({type(error).__name__}: {error})"
        foreign = {n.op for n in walk(*exprs) if not emits(n.op) and n.op not in LEAVES}
        foreign |= {n.op for n in walk(*exprs) if n.op in _INTEGER_ONLY and n.dtype.is_floating}
        return f"{', '.join(sorted(foreign))} is not compiled yet" if foreign else None

    def _probe(self, node: Node) -> list[Expr]:
        """The node's scalar expressions, expanded."""
        lowering = node.opdef.lowering
        elements = Elements(lambda v: v not in node.outputs)
        if isinstance(lowering, (Pointwise, Generate, View, Gather)):
            index = tuple(b.index(k) for k in range(len(node.outputs[0].shape.sizes)))
            return basic_parts(*(elements.computed(v, index) for v in node.outputs))
        if isinstance(lowering, (Reduce, Window)):
            ctx = elements.context(node)
            x = b.index(0)
            element = elements.element(
                node.inputs[0], tuple(x for _ in node.inputs[0].shape.sizes))
            init = lowering.init(b, ctx)
            lifted = lowering.lift(b, element, x, ctx)
            merged = lowering.combine(b, lifted, lifted)
            finish = lowering.finish(b, tuple(lifted), x, ctx)
            finish = finish if isinstance(finish, tuple) else (finish,)
            return basic_parts(*init, *lifted, *merged, *finish)
        if isinstance(lowering, Cumulative):
            init = lowering.init(b, elements.context(node))
            here = tuple(
                b.cast(elements.element(v, tuple(b.index(0) for _ in v.shape.sizes)), x.dtype)
                for v, x in zip(node.inputs, init))
            merged = lowering.combine(b, here, here)
            return basic_parts(*init, *merged, b.cast(merged[-1], node.outputs[0].dtype))
        return []

    def cheap(self, node: Node) -> bool:
        """True if computing the node again costs no more than reading it."""
        if node not in self._cheap:
            form = self._form(node)
            if form not in self._cheap_of:
                self._cheap_of[form] = _is_cheap(node)
            self._cheap[node] = self._cheap_of[form]
        return self._cheap[node]

    def single(self, node: Node) -> bool:
        """True for one addition, subtraction or multiplication of elements."""
        lowering = node.opdef.lowering
        if not isinstance(lowering, Pointwise):
            return False
        made = lowering.body(b, *(b.arg(i, v.dtype) for i, v in enumerate(node.inputs)),
                             **node.attrs)
        return isinstance(made, Expr) and made.op in ("add", "sub", "mul") and all(
            x.op == "arg" for x in made.args)

    def expanded(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """Statements whose expressions hold basic ops only."""
        expand = expander()
        return tuple([_expanded(s, expand) for s in body])


def _form(node: Node) -> Hashable:
    """What the answers about a node depend on."""
    keys = keys_of(node)
    return (node.opdef.name, tuple([a for a in node.attrs.items() if a[0] not in keys]), *(
        (v.dtype, None if v.shape.rank is None else v.shape.sizes,
         None if v.symbolic_value is None else tuple(v.symbolic_value.ravel().tolist()),
         v.node.attrs["value"] if v.node.opdef.name == "Const" else None)
        for v in (*node.inputs, *node.outputs)))


def _is_cheap(node: Node) -> bool:
    lowering = node.opdef.lowering
    if not isinstance(lowering, Pointwise):
        return isinstance(lowering, Sizes) or (
            isinstance(lowering, View) and lowering.fill is None)
    args = [b.arg(i, v.dtype) for i, v in enumerate(node.inputs)]
    made = lowering.body(b, *args, **node.attrs)
    made = made if isinstance(made, tuple) else (made,)
    ops = [n for n in walk(*basic_parts(*made)) if n.op not in LEAVES]
    return len(ops) <= CHEAP_OPS and len(node.inputs) <= 1 and not any(
        n.op == "call" for n in ops)


_INTEGER_ONLY = {"floordiv", "mod", "truncdiv", "truncmod"}


def _expanded(statement: Statement, expand: Callable[[Expr], Expr]) -> Statement:
    def pairs(items: Any) -> tuple:
        return tuple((n, expand(x)) for n, x in items)

    if isinstance(statement, Loop):
        return Loop(statement.number, statement.extent,
                    tuple(_expanded(s, expand) for s in statement.body), statement.lanes)
    if isinstance(statement, Store):
        where = None if statement.where is None else expand(statement.where)
        return Store(statement.buffer, expand(statement.offset), expand(statement.value), where,
                     statement.combine)
    if isinstance(statement, Begin):
        return Begin(pairs(statement.accumulators))
    if isinstance(statement, Update):
        return Update(pairs(statement.accumulators), pairs(statement.soon))
    return Fold(
        statement.number, statement.extent, statement.into, statement.right,
        tuple(map(expand, statement.lifted)), tuple(map(expand, statement.merged)),
        tuple(map(expand, statement.identity)), statement.lanes)
