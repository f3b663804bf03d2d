"""What the passes do to a Program, as one View with a step for each pass.

All nodes that exist at any time are laid out once, so that what stays keeps its place from step to
step.
Input: an `Explanation`. Output: a `View`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphflow.passes.listing import Change, Line, Listing, listed
from graphflow.program import Node as ProgramNode
from graphflow.runtime.explain import Explanation
from graphflow.viz.from_graph import in_gradient, kind_of, type_text
from graphflow.viz.model import (
    FORWARD,
    GRADIENT,
    STATE,
    UPDATE,
    Edge,
    Node,
    Step,
    View,
    shortened,
)

NodeKey = tuple[str, str]  # the name of the line (`%12`) and its op


def passes_view(made: Explanation) -> View:
    """The view of a run's passes. Step 0 is the program as it was frozen."""
    union = _Union()
    steps = [_step(union, made.source, "as frozen", "", made.source, ())]
    at = made.source
    for run in made.passes:
        if run.changed:
            after = listed(run.program, at)
            note = f"{run.before_nodes} → {run.after_nodes} nodes"
            steps.append(_step(union, after, run.name, note, at, run.changes))
            at = after
    return View("passes", "Passes", tuple(union.nodes), tuple(union.edges), steps=tuple(steps))


@dataclass(slots=True)
class _Union:
    """The nodes and edges of all steps, each once."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    numbers: dict[NodeKey, int] = field(default_factory=dict)
    edge_numbers: dict[tuple[int, int, str, str], int] = field(default_factory=dict)

    def add(self, key: NodeKey, node: Node) -> int:
        """The number of a node."""
        if key not in self.numbers:
            self.numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[key]

    def connect(self, source: int, target: int, kind: str, label: str) -> int:
        """The number of an edge."""
        key = (source, target, kind, label)
        if key not in self.edge_numbers:
            self.edge_numbers[key] = len(self.edges)
            self.edges.append(Edge(source, target, kind, label))
        return self.edge_numbers[key]


def _step(
    union: _Union, listing: Listing, title: str, note: str, before: Listing,
    changes: Sequence[Change],
) -> Step:
    placed = dict(line_nodes(listing))
    number = {line.name: union.add((line.name, line.op), node) for line, node in placed.items()}
    edges = [union.connect(number[source], number[target.name], *told)
             for source, target, *told in wires_of(listing) if source in number]
    added = {c.line.name for c in changes if c.mark == "+"}
    gone = {c.line.name for c in changes if c.mark == "-"}
    earlier = {line.name: (line.name, line.op) for line in before.lines}
    here = set(number.values())
    removed = {union.numbers[earlier[n]] for n in gone if earlier.get(n) in union.numbers} - here
    changed = {number[n] for n in added & gone if n in number}
    changed = {n for n in changed if n in {union.numbers.get(k) for k in earlier.values()}}
    return Step(
        title, note or f"{len(here)} nodes", tuple(sorted(here)),
        tuple(sorted({number[n] for n in added if n in number} - changed)),
        tuple(sorted(removed)), tuple(sorted(changed)), tuple(dict.fromkeys(edges)),
        tuple((c.mark, shortened(f"{c.line.name} = {c.line.expression} : {c.line.type}", 160))
              for c in changes))


def line_nodes(listing: Listing) -> Iterator[tuple[Line, Node]]:
    """A node for each line: what is computed, written, returned; bodies in scopes of theirs."""
    nodes = _program_nodes(listing)
    inside: list[tuple[str, ...]] = [()]
    scopes: dict[str, tuple[str, ...]] = {}
    for line in listing.lines:
        del inside[line.depth + 1:]
        prefix = inside[line.depth] if line.depth < len(inside) else inside[-1]
        if not line.op and not line.operands:  # the heading of a body
            inside = [*inside[:line.depth + 1], (*scopes[line.name.split()[0]], line.name)]
            continue
        if line.op:
            found = nodes[line.name]
            scope = scopes[line.name] = (*prefix, *line.origin.split("/")[:-1])
            kind = kind_of(found.opdef, found.attrs)
            yield line, Node(
                (*scope, _label(line, kind)), line.name, line.op, kind,
                tuple(type_text(v.dtype, v.shape) for v in found.outputs),
                tuple(_details(line)), shape_key=(line.op, line.type, line.attributes))
        else:
            yield line, _result(line, prefix)


def _result(line: Line, prefix: tuple[str, ...]) -> Node:
    """The node of what a program writes, in the scope of the variable, or returns."""
    what, _, key = line.name.rpartition("write ")
    if not key or line.name.endswith("return"):
        return Node((*prefix, line.name), line.name, "Return", "control", shape_key=("return",))
    return Node((*prefix, f"{what}writes", key), line.name, "Write", "state",
                shape_key=("write",))


def _label(line: Line, kind: str) -> str:
    """`%12 MatMul`; of variables and what is fed, `%12 kernel`."""
    own = line.origin.rpartition("/")[2] if kind in ("input", "variable") else ""
    return f"{line.name} {own or line.op}"


def _details(line: Line) -> Iterator[tuple[str, str]]:
    if line.origin:
        yield "operation", line.origin
    if line.attributes:
        yield "attributes", line.attributes
    yield "line", shortened(f"{line.name} = {line.expression}", 200)


def _program_nodes(listing: Listing) -> dict[str, ProgramNode]:
    """The nodes of a listing by their names."""
    return {name.split(".")[0]: value.node for value, name in listing.names.items()}


def wires_of(listing: Listing) -> Iterator[tuple[str, Line, str, str]]:
    """(name of the source, the line that uses it, kind, label) for all operands."""
    types = {name: type_text(v.dtype, v.shape) for v, name in listing.names.items()}
    lines = {line.name: line for line in listing.lines if line.op}
    for line in listing.lines:
        for operand in dict.fromkeys(line.operands):
            name = operand.removeprefix("= ")
            source = lines.get(name.split(".")[0])
            if source is not None:
                yield source.name, line, _kind(source, line), types.get(name, "")


def _kind(source: Line, target: Line) -> str:
    if target.name.startswith("write "):
        return UPDATE
    if source.op in ("StateValue", "StateFlag"):
        return STATE
    ends = (source.origin.split("/"), target.origin.split("/"))
    return GRADIENT if any(map(in_gradient, ends)) else FORWARD
