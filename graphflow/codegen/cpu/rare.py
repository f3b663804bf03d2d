"""`rarely(condition, x, y)`: the code of x stands apart and runs only where a lane needs it.

The arms x of one condition become one internal function, over what the rest of the kernel computes
anyway. Equal arms of one module are one function, whatever kernels they are in: it is compiled
once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.apart import function_of, over_arguments
from graphflow.codegen.cpu.lanes import suffix
from graphflow.loop_ir.expr import Expr, walk

LEAVES = ("load", "index", "size", "accumulator", "arg")


@dataclass(frozen=True, slots=True)
class RareArms:
    """The `rarely` nodes of one condition.

    Attributes:
      nodes: they.
      inputs: what their arms read.
    """

    nodes: tuple[Expr, ...]
    inputs: tuple[Expr, ...]

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What must be computed first: the condition, the usual values, the arms' inputs."""
        return (self.nodes[0].args[0], *(n.args[2] for n in self.nodes), *self.inputs)


def find_arms(root: Expr, place: Callable[[Expr], Hashable]) -> dict[Expr, RareArms]:
    """For each `rarely` of an expression that is not in an arm itself: the arms it belongs to.

    place: what must be equal for nodes that are computed together.
    """
    usual = _usual(root)
    rare = [n for n in usual if n.op == "rarely"]
    groups: list[list[Expr]] = []
    for node in rare:
        below = set(walk(node))
        for group in groups:
            first = group[0]
            if first.args[0] is node.args[0] and place(first) == place(node) and (
                below.isdisjoint(group)
            ):
                group.append(node)
                break
        else:
            groups.append([node])
    found = {}
    for group in groups:
        arms = RareArms(tuple(group), _inputs([n.args[1] for n in group], usual))
        found.update(dict.fromkeys(group, arms))
    return found


def in_order(
    root: Expr, arms: dict[Expr, RareArms], there: Callable[[Expr], bool] = lambda node: False
) -> Iterator[Expr]:
    """`walk`, without the inner nodes of arms and without the offsets of loads.

    Nodes that are there already, and what only they need, are left out.
    """
    done: set[Expr] = set()
    stack = [(root, False)]
    while stack:
        node, operands_done = stack.pop()
        if node in done or not operands_done and there(node):
            continue
        operands = arms[node].operands if node in arms else node.args
        operands = () if node.op == "load" else operands
        if operands_done or not operands:
            done.add(node)
            yield node
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(operands) if arg not in done)


def _usual(root: Expr) -> dict[Expr, None]:
    """The nodes that are always computed, operands first."""
    found: dict[Expr, None] = {}
    stack = [(root, False)]
    while stack:
        node, operands_done = stack.pop()
        if node in found:
            continue
        operands = (node.args[0], node.args[2]) if node.op == "rarely" else node.args
        if operands_done or not operands:
            found[node] = None
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(operands))
    return found


def _inputs(roots: Sequence[Expr], usual: dict[Expr, None]) -> tuple[Expr, ...]:
    """Where the arms meet what is computed anyway, or a leaf."""
    found: dict[Expr, None] = {}
    seen: set[Expr] = set()
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if node in seen or node.op == "const":
            continue
        seen.add(node)
        if node in usual or node.op in LEAVES:
            found[node] = None
        else:
            stack.extend(reversed(node.args))
    return tuple(found)


# ---- emission -----------------------------------------------------------------------------------


def arms_function(module: ir.Module, arms: RareArms, lanes: int) -> ir.Function:
    """An internal function `{results} f(inputs)` of the arms, for that many lanes."""
    results = over_arguments([n.args[1] for n in arms.nodes], arms.inputs)
    return function_of(module, "rare", results, arms.inputs, lanes, ["cold"])


def any_lane(builder: ir.IRBuilder, condition: Any, mask: Any) -> Any:
    """True if the condition holds in a lane that exists."""
    if not isinstance(condition.type, ir.VectorType):
        return condition
    if mask is not None:
        condition = builder.and_(condition, mask)
    name = f"llvm.vector.reduce.or.{suffix(condition.type)}"
    module = builder.module
    function = module.globals.get(name) or ir.Function(
        module, ir.FunctionType(ir.IntType(1), [condition.type]), name)
    return builder.call(function, [condition])
