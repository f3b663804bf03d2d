"""What is drawn: nodes in nested scopes, edges of several kinds, and what is told of each node.

Everything here is plain text and numbers. Names come from files and users: whoever writes them
into a format (SVG, HTML, DOT) escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass

FORWARD, GRADIENT, UPDATE, STATE, CONTROL = "forward", "gradient", "update", "state", "control"
EDGE_KINDS = (FORWARD, GRADIENT, UPDATE, STATE, CONTROL)

# What a node is, for its colour: leaves first, then ops by how they are computed.
NODE_KINDS = ("input", "constant", "variable", "state", "product", "pointwise", "reduce", "move",
              "composite", "region", "host", "control", "kernel")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What an array's values look like.

    Attributes:
      count, finite: the number of elements; of those that are neither NaN nor infinite.
      mean, deviation, least, most: of the finite elements; None if there is none.
      zeros: the number of elements that are zero.
      bars: how many finite elements fall into each of equal intervals between least and most.
      shown: the elements themselves, if they are few.
    """

    count: int
    finite: int
    mean: float | None
    deviation: float | None
    least: float | None
    most: float | None
    zeros: int
    bars: tuple[int, ...]
    shown: str


@dataclass(frozen=True, slots=True)
class Node:
    """One box.

    Attributes:
      path: the scopes around it, then its own label.
      name: the full name, as the program knows it; unique in a view.
      op: the type of the op.
      kind: one of `NODE_KINDS`.
      types: element type and shape of each output, as text.
      details: pairs of what is told and its text, in order.
      site: the line that built it, or empty.
      statistics: of the value of a constant or variable, if it is known.
      shape_key: equal for nodes that do the same; by it repeated blocks are found.
    """

    path: tuple[str, ...]
    name: str
    op: str
    kind: str
    types: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    site: str = ""
    statistics: Statistics | None = None
    shape_key: tuple = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection between nodes number `source` and `target` of a view.

    Attributes:
      kind: one of `EDGE_KINDS`.
      label: element type and shape of what flows along it; empty for control.
      quiet: True for one edge of very many at a node: drawn only if that node is selected.
    """

    source: int
    target: int
    kind: str = FORWARD
    label: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One state of a view that changes: a pass over a program.

    Attributes:
      title, note: what is told of it.
      present: the numbers of the nodes that exist after it.
      added, removed, changed: numbers of nodes that it made, took away, wrote anew.
      edges: the numbers of the edges that exist after it.
      lines: the changes as text, each with its mark.
    """

    title: str
    note: str
    present: tuple[int, ...]
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    edges: tuple[int, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """One picture.

    Attributes:
      key: `graph`, `passes`, `kernels`.
      title: what it is called.
      nodes, edges: in an order that is the same for the same program.
      groups: path of a scope → what is told of it (a kernel's costs), where there is something.
      heat: path of a scope → its share of the time, from 0 to 1.
      steps: of a view that changes.
    """

    key: str
    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...] = ()
    heat: tuple[tuple[tuple[str, ...], float], ...] = ()
    steps: tuple[Step, ...] = ()


def shortened(text: str, room: int) -> str:
    """`text`, cut to `room` characters with an ellipsis in place of the rest."""
    return text if len(text) <= room else text[:room - 1] + "…"


def middle_shortened(text: str, room: int) -> str:
    """`text` without its middle: of names, both ends tell most."""
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[len(text) - (room - 1 - head):]}"
