"""Programs as lists of lines whose names stay the same from pass to pass, and what changed.

A pass copies a Program, so nodes before and after it are different objects. `listed` finds which
of them correspond (by op, operation and place, then by what they compute), and gives those the
same name. `differences` then finds few lines: one for what became something else, none for its
users.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from graphflow.lowering import Leaf, Region
from graphflow.program import Node, Program, Value

_SHORT = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One node, or one result, of a Program.

    Attributes:
      name: `%12`, the same for the same node before and after a pass; `return`, `write w`,
        `%12 body` in front of the body of a region.
      op: the op; empty for other lines.
      operands: names of values.
      attributes: those that say something, as text.
      type: element types and shapes of the outputs.
      origin: the name of the user's operation.
      depth: 0; more in the bodies of regions.
    """

    name: str
    op: str
    operands: tuple[str, ...]
    attributes: str
    type: str
    origin: str
    depth: int

    @property
    def expression(self) -> str:
        """What stands between name and type."""
        if not self.op:
            return ", ".join(self.operands)
        call = f"{self.op}({', '.join(self.operands)})" if self.operands else self.op
        return f"{call} {self.attributes}" if self.attributes else call


@dataclass(frozen=True, slots=True)
class Change:
    """A line that a pass took away (`-`) or made (`+`)."""

    mark: str
    line: Line


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """A Program as lines.

    Attributes:
      lines: nodes in order, bodies of regions behind the node that holds them; then the results.
      names: the name of each value.
      program: what is listed.
    """

    lines: tuple[Line, ...]
    names: dict[Value, str]
    program: Program
    _entries: tuple[_Entry, ...]
    _node_lines: tuple[Line, ...]
    _numbers: tuple[int, ...]
    _next: int


def listed(program: Program, before: Listing | None = None) -> Listing:
    """The lines of a Program; nodes that were in `before` keep their names."""
    entries = tuple(_Entry.of(*found) for found in _flat(program, 0))
    kept = _correspondence(before, entries) if before is not None else {}
    following = before._next if before is not None else 0
    numbers = []
    for place in range(len(entries)):
        if place not in kept:
            kept[place], following = following, following + 1
        numbers.append(kept[place])
    names = {value: name for e, n in zip(entries, numbers)
             for value, name in zip(e.node.outputs, _output_names(e.node, n))}
    lines = [_line(e, f"%{n}", names) for e, n in zip(entries, numbers)]
    return Listing(tuple(_with_bodies(program, iter(lines), names, 0, "")), names, program,
                   entries, tuple(lines), tuple(numbers), following)


def differences(before: Listing, after: Listing) -> tuple[Change, ...]:
    """The lines that are gone, and those that are new, in the order of the program."""
    old = {line.name: (place, line) for place, line in enumerate(before.lines)}
    kept = {line.name for line in after.lines} & old.keys()
    found: list[Change] = []
    made: list[Change] = []
    at = 0
    for line in after.lines:
        if line.name not in kept:
            made.append(Change("+", line))
            continue
        place, earlier = old[line.name]
        found += [Change("-", gone) for gone in before.lines[at:place] if gone.name not in kept]
        at = max(at, place + 1)
        if (earlier.expression, earlier.type) != (line.expression, line.type):
            found.append(Change("-", earlier))
            made.append(Change("+", line))
        found += made
        made = []
    rest = [Change("-", gone) for gone in before.lines[at:] if gone.name not in kept]
    return (*found, *rest, *made)


# ---- lines --------------------------------------------------------------------------------------


def _flat(program: Program, depth: int) -> Iterator[tuple[int, Program, Node]]:
    """(depth, Program, node) for all nodes, bodies behind the nodes that hold them."""
    for node in program.nodes:
        yield depth, program, node
        for value in node.attrs.values():
            if isinstance(value, Program):
                yield from _flat(value, depth + 1)


def _output_names(node: Node, number: int) -> list[str]:
    if len(node.outputs) == 1:
        return [f"%{number}"]
    return [f"%{number}.{i}" for i in range(len(node.outputs))]


def _line(entry: _Entry, name: str, names: dict[Value, str]) -> Line:
    node = entry.node
    return Line(name, node.opdef.name, tuple(names[v] for v in node.inputs), attribute_text(node),
                entry.type, entry.origin, entry.depth)


def attribute_text(node: Node) -> str:
    """The attributes of a node that are not what they are by default, short."""
    if isinstance(node.opdef.lowering, Region):  # bookkeeping that its body shows
        return ""
    if isinstance(node.opdef.lowering, Leaf):
        told = [v for k, v in node.attrs.items() if k in ("tensor", "key", "value", "index")]
        return ", ".join(_short(v) for v in told)
    declared = node.opdef.attrs
    told = [f"{k}={_short(v)}" for k, v in node.attrs.items()
            if not (isinstance(v, Program) or v is None
                    or (k in declared and _equal(declared[k].default, v)))]
    return f"{{{', '.join(told)}}}" if told else ""


def _equal(a: Any, c: Any) -> bool:
    return type(a) is type(c) and bool(a == c)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHORT else text[:_SHORT - 1] + "…"


def _with_bodies(
    program: Program, lines: Iterator[Line], names: dict[Value, str], depth: int, prefix: str
) -> Iterator[Line]:
    """The lines of nodes, with headings over the bodies of regions and results at their ends."""
    for node in program.nodes:
        line = next(lines)
        yield line
        for key, value in node.attrs.items():
            if isinstance(value, Program):
                title = f"{line.name} {key}"
                yield Line(title, "", (), "", "", "", depth)
                yield from _with_bodies(value, lines, names, depth + 1, f"{title} ")
    for key, value in program.writes.items():
        yield Line(f"{prefix}write {key}", "", (f"= {names[value]}",), "", "", "", depth)
    if program.outputs:
        yield Line(f"{prefix}return", "", tuple(names[v] for v in program.outputs), "", "", "",
                   depth)


# ---- which node was which -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """One node, as far as it is told before it has a name."""

    depth: int
    node: Node
    origin: str
    type: str

    @classmethod
    def of(cls, depth: int, owner: Program, node: Node) -> _Entry:
        origin = owner.origins.get(node.serial)
        return cls(depth, node, origin.name if origin else "",
                   ", ".join(str(v.type) for v in node.outputs))


def _correspondence(before: Listing, entries: Sequence[_Entry]) -> dict[int, int]:
    """Place of an entry → number of the node of `before` that it is, or stands for.

    In turn: the same op of the same operation in the same order; the same thing computed
    elsewhere; the last of what an operation became, for what it was; the same with another type.
    """
    old, numbers = before._entries, before._numbers
    found = {new: numbers[k] for k, new in _in_order(
        [(e.depth, e.node.opdef.name, e.origin, e.type) for e in old],
        [(e.depth, e.node.opdef.name, e.origin, e.type) for e in entries])}
    found |= dict(_moved(before, entries, found))
    taken = set(found.values())
    left = [k for k in range(len(old)) if numbers[k] not in taken]
    free: dict[tuple, list[int]] = {}
    for place, e in enumerate(entries):
        if place not in found:
            free.setdefault((e.depth, e.origin, e.type), []).append(place)
    for k in reversed(left):
        places = free.get((old[k].depth, old[k].origin, old[k].type))
        if places:
            found[places.pop()] = numbers[k]
            left.remove(k)
    open_places = [place for place in range(len(entries)) if place not in found]
    for k, new in _in_order(
        [(old[k].depth, old[k].node.opdef.name, old[k].origin) for k in left],
        [(entries[p].depth, entries[p].node.opdef.name, entries[p].origin) for p in open_places],
    ):
        found[open_places[new]] = numbers[left[k]]
    return found


def _in_order(old: Sequence[tuple], new: Sequence[tuple]) -> Iterator[tuple[int, int]]:
    """Places of equal items in two sequences, in the order of both."""
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        yield from ((block.a + k, block.b + k) for k in range(block.size))


def _moved(
    before: Listing, entries: Sequence[_Entry], found: dict[int, int]
) -> Iterable[tuple[int, int]]:
    """Nodes that stand elsewhere, but compute the same from the same."""
    taken = set(found.values())
    left: dict[tuple, int] = {}
    for entry, own, line in zip(before._entries, before._numbers, before._node_lines):
        if own not in taken:
            left[entry.depth, line.expression, line.type] = own
    names: dict[Value, str] = {}
    for place, entry in enumerate(entries):
        number = found.get(place)
        if number is None and all(v in names for v in entry.node.inputs):
            line = _line(entry, "", names)
            number = left.pop((entry.depth, line.expression, line.type), None)
            if number is not None:
                yield place, number
        if number is not None:
            names.update(zip(entry.node.outputs, _output_names(entry.node, number)))
