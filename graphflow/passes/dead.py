"""Dead code goes: what no output, write or effect needs. Every rebuilt Program drops such nodes;
this pass drops what regions compute and take for nothing: results that nobody uses, values saved
for a gradient that nobody asked for, captured values that no body reads any more, loop variables
that nothing but themselves depends on. A loop variable that no turn changes is a captured value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.passes.base import Pass, Rebuilder, op_names, rebuilt
from graphflow.program import Node, Program, ProgramBuilder, Value

_STAGE = "pass 'dead'"


def _narrower(node: Node, rebuilder: Rebuilder) -> list[Value | None] | None:
    """A region without its unused outputs and inputs."""
    if node.opdef.name not in ("If", "While"):
        return None
    used = [rebuilder.uses(v) > 0 for v in node.outputs]
    outputs, attrs = (_if_outputs if node.opdef.name == "If" else _while_outputs)(node, used)
    bodies = {name: node.attrs[name] for name in outputs}
    needed = {name: _needed(body, outputs[name]) for name, body in bodies.items()}
    lead = node.attrs["lead"]
    carried = [node.attrs["carried"][k] for k in _carried(node, outputs)]
    fixed = {*carried, node.attrs["iteration"]}
    others = [i for i in range(len(node.inputs) - lead) if i not in carried and (
        i in fixed or any(b.inputs[i].node in needed[name] for name, b in bodies.items()))]
    kept = sorted([*carried, *others], key=lambda i: i not in carried)
    dropped = any(len(outputs[name]) < len(b.outputs) for name, b in bodies.items())
    if not dropped and len(kept) == len(node.inputs) - lead:
        return None
    place = {old: new for new, old in enumerate(kept)}
    attrs |= {name: _cut(body, outputs[name], kept, needed[name]) for name, body in bodies.items()}
    attrs["carried"] = tuple(place[i] for i in carried)
    if node.attrs["iteration"] is not None:
        attrs["iteration"] = place[node.attrs["iteration"]]
    inputs = [*node.inputs[:lead], *(node.inputs[lead + i] for i in kept)]
    made = iter(rebuilder.apply(node.opdef, inputs, dict(node.attrs) | attrs))
    remain = _remaining(node, outputs)
    return [next(made) if i in remain else _unchanged(node, i) for i in range(len(node.outputs))]


def _if_outputs(node: Node, used: Sequence[bool]) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Which outputs each branch keeps, and the attributes that count them."""
    results, (own_then, own_else) = node.attrs["results"], node.attrs["saved"]
    first = results + own_then + own_else
    kept = [i for i in range(results) if used[i]]
    then = [results + i for i in range(own_then) if used[results + i]]
    orelse = [results + i for i in range(own_else) if used[results + own_then + i]]
    state = range(len(node.outputs) - first)
    outputs = {"then": [*kept, *then, *(results + own_then + i for i in state)],
               "orelse": [*kept, *orelse, *(results + own_else + i for i in state)]}
    return outputs, {"results": len(kept), "saved": (len(then), len(orelse))}


def _while_outputs(
    node: Node, used: Sequence[bool]
) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """A loop keeps its state, what it saves if the history is used, and the variables that these,
    its condition or anything behind it depend on."""
    count, saved = node.attrs["loop_vars"], node.attrs["saved"]
    condition, body = node.attrs["condition"], node.attrs["body"]
    kept = [count + i for i in range(saved) if used[2 * count + 1 + i]]
    kept += range(count + saved, len(body.outputs))
    changing = [k for k in range(count) if _unchanged(node, k) is None]
    tested = _needed(condition, [0])
    live = {k for k in range(count) if used[count + 1 + k]}
    live |= {k for k in changing if used[k] or condition.inputs[k].node in tested}
    while True:
        live = live or {0}  # a loop has at least one
        needed = _needed(body, [*live, *kept])
        found = live | {k for k in changing if body.inputs[k].node in needed}
        if found == live:
            break
        live = found
    variables = sorted(live)
    return {"condition": [0], "body": [*variables, *kept]}, {
        "saved": len([k for k in kept if k < count + saved]), "loop_vars": len(variables)}


def _unchanged(node: Node, output: int) -> Value | None:
    """What a loop variable starts with, if no turn changes it."""
    if node.opdef.name != "While" or output >= node.attrs["loop_vars"]:
        return None
    body = node.attrs["body"]
    return node.inputs[output] if body.outputs[output] is body.inputs[output] else None


def _carried(node: Node, outputs: dict[str, list[int]]) -> list[int]:
    """Which of the carried arguments a loop keeps: those of its variables, and its state."""
    if node.opdef.name != "While":
        return list(range(len(node.attrs["carried"])))
    count, saved = node.attrs["loop_vars"], node.attrs["saved"]
    return [k if k < count else k - saved for k in outputs["body"]
            if k < count or k >= count + saved]


def _remaining(node: Node, outputs: dict[str, list[int]]) -> set[int]:
    """The numbers of the node's outputs that its narrower form has."""
    if node.opdef.name == "While":
        count, saved = node.attrs["loop_vars"], node.attrs["saved"]
        gone = set(range(count + saved)) - set(outputs["body"])
        return set(range(len(node.outputs))) - {count + 1 + i for i in gone} - {
            i for i in gone if i < count}
    results, (own_then, own_else) = node.attrs["results"], node.attrs["saved"]
    remain = {i for i in outputs["then"] if i < results + own_then}
    remain |= {i + own_then for i in outputs["orelse"] if results <= i < results + own_else}
    return remain | set(range(results + own_then + own_else, len(node.outputs)))


def _needed(body: Program, outputs: Iterable[int]) -> set[Node]:
    """The nodes that some outputs, and the effects, depend on."""
    seen: set[Node] = set()
    pending = [*(body.outputs[i].node for i in outputs), *body.effects]
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending.extend(v.node for v in node.inputs)
    return seen


def _cut(
    body: Program, outputs: Sequence[int], kept: Sequence[int], needed: set[Node]
) -> Program:
    """The body with some of its outputs and arguments only."""
    builder = ProgramBuilder(_STAGE)
    at: dict[Value, Value] = {}
    for new, old in enumerate(kept):
        argument = body.inputs[old]
        at[argument] = builder.leaf("Argument", index=new, type=argument.node.attrs["type"])
    for node in body.nodes:
        if node in needed and node.opdef.name != "Argument":
            builder.origin = body.origins.get(node.serial)
            made = builder.add(node.opdef, [at[v] for v in node.inputs], node.attrs, like=node)
            at.update(zip(node.outputs, made.outputs))
    return builder.finish(
        [at[body.inputs[i]] for i in kept], [at[body.outputs[i]] for i in outputs])


def _run(program: Program) -> Program:
    if op_names(program).isdisjoint(("If", "While")):
        return program
    return rebuilt(program, _narrower, _STAGE)


DEAD = Pass("dead", "canonicalise", _run, doc=__doc__)
