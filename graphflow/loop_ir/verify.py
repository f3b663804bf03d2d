"""`verify`: re-checks every node of an expression, whoever made it."""

from __future__ import annotations

from graphflow.errors import DTypeError, ProgramError
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.op_table import ANY_NUMBER
from graphflow.loop_ir.scalar_ops import OPS


def verify(*roots: Expr) -> None:
    """Checks op names, arity, attributes and dtypes of all nodes under `roots`.

    Raises ProgramError that names the path from the root to the first wrong node, such as
    `root.args[0].args[1]`, and what is wrong with it.
    """
    for node in walk(*roots):
        problem = _problem(node)
        if problem:
            raise ProgramError(f"loop IR: {_path(roots, node)} is {node!r}: {problem}")


def _problem(node: Expr) -> str:
    record = OPS.get(node.op)
    if record is None:
        return f"there is no scalar op {node.op!r}."
    if len(node.args) != record.arity != ANY_NUMBER:
        return f"{node.op} takes {record.arity} operands, it has {len(node.args)}."
    if node.attr is not None and record.arity not in (0, ANY_NUMBER):
        return f"{node.op} takes no attribute, it has {node.attr!r}."
    try:
        expected = record.rule(
            node.op, tuple(arg.dtype for arg in node.args), node.dtype, node.attr)
    except DTypeError as error:
        return str(error)
    if expected is not node.dtype:
        return f"its dtype should be {expected.name}."
    return ""


def _path(roots: tuple[Expr, ...], target: Expr, shown: int = 8) -> str:
    """Steps from a root down to `target`; the middle of a long path is left out."""
    reached_from: dict[Expr, tuple[Expr, int] | None] = dict.fromkeys(roots)
    stack = list(roots)
    while stack and target not in reached_from:
        node = stack.pop()
        for position, arg in enumerate(node.args):
            if arg not in reached_from:
                reached_from[arg] = (node, position)
                stack.append(arg)
    steps = []
    link = reached_from[target]
    node = target
    while link is not None:
        node, position = link
        steps.append(f".args[{position}]")
        link = reached_from[node]
    steps.reverse()
    if len(steps) > shown:
        steps[shown // 2:-shown // 2] = [f" … {len(steps) - shown} more … "]
    root = "root" if len(roots) == 1 else f"roots[{roots.index(node)}]"
    return root + "".join(steps)
