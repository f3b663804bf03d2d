"""Row groups: reductions along the last axis and the elementwise work around them, row by row.

Softmax, layer norm, cross-entropy and their gradients are sequences of steps over the same rows.
Run one row at a time in one kernel, a row stays in the cache from the first step to the last, and
values that nobody else reads need memory for one row only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graphflow.codegen.elements import Elements
from graphflow.codegen.frames import Frame, pattern
from graphflow.codegen.nests import Body, fold_axes
from graphflow.dims import Dim, product, same
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import Loop, Statement, Store
from graphflow.lowering import Pointwise, Reduce
from graphflow.program import Node, Value

ROW_LIMIT = 1 << 16


@dataclass(slots=True)
class Group:
    """Elementwise outputs of one index space.

    `number` is the step's place; it reads what earlier steps store, and computes all else itself.
    """

    number: int
    shape: tuple[Dim, ...]
    outputs: list[Value] = field(default_factory=list)


@dataclass(slots=True)
class Reduction:
    """One reduction; `number` as in `Group`."""

    number: int
    node: Node

    @property
    def outputs(self) -> tuple[Value, ...]:
        return self.node.outputs


Member = Group | Reduction


@dataclass(slots=True)
class RowGroup:
    """Members over the rows of one shape, in order.

    Attributes:
      shape: of the full values; its last axis is the row.
      members: the steps.
      patterns: value → (runs along the rows?, along the row?).
      local: values that only this group reads, with the sizes of the memory they need.
    """

    shape: tuple[Dim, ...]
    members: list[Member]
    patterns: dict[Value, tuple[bool, bool]]
    local: dict[Value, tuple[Dim, ...]]


def row_pattern(value: Value, shape: Sequence[Dim]) -> tuple[bool, bool] | None:
    """How a value that broadcasts to `shape` runs over its rows; None if it does so in parts."""
    found = pattern(value, shape)
    if found is None:
        return None
    lead = _whole(found[:-1], shape[:-1])
    return None if lead is None else (lead, found[-1])


def kept_pattern(value: Value, shape: Sequence[Dim]) -> tuple[bool, bool] | None:
    """The same for a value that broadcasts to what a reduction over the rows of `shape` gives."""
    found = pattern(value, shape[:-1])
    lead = None if found is None else _whole(found, shape[:-1])
    return None if lead is None else (lead, False)


def _whole(found: Sequence[bool], shape: Sequence[Dim]) -> bool | None:
    """Whether a value runs along all axes (of size above one) or none; None for some of them."""
    lead = [f for f, d in zip(found, shape) if not (isinstance(d, int) and d == 1)]
    return None if any(lead) != all(lead) else bool(lead) and all(lead)


class RowMerger:
    """Merges consecutive steps into row groups where that is possible."""

    def __init__(
        self, stored: Callable[[Value, int], bool], root: Callable[[Value], Value],
        readers: dict[Value, set[int]], results: set[Value],
    ) -> None:
        self.stored, self.root, self.readers, self.results = stored, root, readers, results

    def merge(self, steps: Sequence[object]) -> list[object]:
        """The steps, runs of mergeable ones replaced by row groups."""
        merged: list[object] = []
        at = 0
        while at < len(steps):
            run, patterns, shape = self._longest(steps, at)
            if shape is not None and len(run) > 1:
                local = self._local(steps, at, at + len(run), patterns, shape)
                merged.append(RowGroup(shape, run, patterns | {
                    v: (False, p[1]) for v, p in patterns.items() if self.root(v) in local},
                    local))
                at += len(run)
            else:
                merged.append(steps[at])
                at += 1
        return merged

    def _longest(
        self, steps: Sequence[object], at: int
    ) -> tuple[list[Member], dict[Value, tuple[bool, bool]], tuple[Dim, ...] | None]:
        """The longest run from `at` that works row by row, with a reduction in it."""
        shape = self._row_shape(steps, at)
        run: list[Member] = []
        patterns: dict[Value, tuple[bool, bool]] = {}
        if shape is None or (isinstance(shape[-1], int) and shape[-1] > ROW_LIMIT):
            return run, patterns, None
        for step in steps[at:]:
            found = self._fits(step, shape)
            if found is None or any(patterns.get(v, how) != how for v, how in found.items()):
                break
            run.append(step)  # type: ignore[arg-type]  # _fits admits members only
            patterns |= found
        while run and isinstance(run[-1], Group) and not self._connected(run):
            run.pop()
        if not any(isinstance(m, Reduction) for m in run):
            return [], {}, None
        return run, patterns, shape

    def _row_shape(self, steps: Sequence[object], at: int) -> tuple[Dim, ...] | None:
        """The shape of the first reduction along the last axis at or after `at`."""
        for step in steps[at:]:
            if isinstance(step, Reduction):
                sizes = step.node.inputs[0].shape.sizes
                return sizes if len(sizes) >= 2 and _last_axis_only(step.node) else None
            if not isinstance(step, Group):
                return None
        return None

    def _connected(self, run: Sequence[Member]) -> bool:
        """True if the last member reads what an earlier one makes."""
        made = {self.root(v) for m in run[:-1] for v in m.outputs}
        return any(self.root(v) in made for v in self._visited(run[-1]) or ())

    def _fits(
        self, step: object, shape: tuple[Dim, ...]
    ) -> dict[Value, tuple[bool, bool]] | None:
        if isinstance(step, Reduction):
            sizes = step.node.inputs[0].shape.sizes
            if len(sizes) != len(shape) or not _last_axis_only(step.node) or not all(
                same(p, q) for p, q in zip(sizes, shape)
            ):
                return None
        elif not isinstance(step, Group):
            return None
        visited = self._visited(step)
        if visited is None:
            return None
        kept = isinstance(step, Group) and len(step.shape) == len(shape) - 1
        found = {}
        for value in visited:
            how = kept_pattern(value, shape) if kept else row_pattern(value, shape)
            if how is None:
                return None
            found[value] = how
        if isinstance(step, Group):
            spaces = {found[v] for v in step.outputs}
            if len(spaces) != 1 or not next(iter(spaces))[0]:
                return None
        else:
            found |= dict.fromkeys(step.outputs, (True, False))
        return found

    def _visited(self, step: Member) -> list[Value] | None:
        """The values a member's expressions touch; None if some are read at other places."""
        pending = list(step.outputs) if isinstance(step, Group) else [step.node.inputs[0]]
        found: dict[Value, None] = {}
        seen: set[Value] = set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            found[value] = None
            if self.stored(value, step.number):
                continue
            if not isinstance(value.node.opdef.lowering, Pointwise):
                return None
            pending.extend(value.node.inputs)
        return list(found)

    def _local(
        self, steps: Sequence[object], first: int, end: int,
        patterns: dict[Value, tuple[bool, bool]], shape: tuple[Dim, ...],
    ) -> dict[Value, tuple[Dim, ...]]:
        inside = set(range(first, end))
        found: dict[Value, tuple[Dim, ...]] = {}
        for step in steps[first:end]:
            for value in step.outputs:  # type: ignore[attr-defined]  # members have outputs
                if value in self.results or not self.readers.get(value, set()) <= inside:
                    continue
                found[value] = (shape[-1],) if patterns[value][1] else ()
        return found


def _last_axis_only(node: Node) -> bool:
    lowering = node.opdef.lowering
    assert isinstance(lowering, Reduce)
    axes = tuple(lowering.axes(Elements(lambda v: True).context(node)))
    return axes == (len(node.inputs[0].shape.sizes) - 1,)


def row_frame(group: RowGroup) -> Frame:
    """Two merged axes: all rows, and the row."""
    last = len(group.shape) - 1
    return Frame((product(group.shape[:-1]), group.shape[-1]),
                 (tuple(range(last)), (last,)), dict(group.patterns), anchored=True)


def build_rows(e: Elements, group: RowGroup, begin: Callable[[Member], None]) -> Body:
    """One loop over the rows. `begin(member)` says which member comes next."""
    sizes = (product(group.shape[:-1]), group.shape[-1])
    row = e.loop()
    body: list[Statement] = []
    for member in group.members:
        begin(member)
        if isinstance(member, Reduction):
            body.extend(_reduction(e, member.node, sizes, row))
        elif group.patterns[member.outputs[0]][1]:
            column = e.loop()
            body.append(Loop(column, e.size(sizes[1]),
                             _stores(e, member, (b.index(row), b.index(column))), lanes=True))
        else:
            body.extend(_stores(e, member, (b.index(row), 0)))
    return (Loop(row, e.size(sizes[0]), tuple(body)),)


def _stores(e: Elements, member: Group, index: tuple) -> Body:
    return tuple(Store(e.buffer(v, written=True), e.offset(v, index), e.computed(v, index))
                 for v in member.outputs)


def _reduction(e: Elements, node: Node, sizes: tuple[Dim, Dim], row: int) -> Body:
    lowering = node.opdef.lowering
    assert isinstance(lowering, Reduce)
    ctx = Elements(lambda v: True).context(node)
    places = [e.offset(v, (b.index(row), 0)) for v in node.outputs]
    return fold_axes(e, node, lowering, sizes, [1], {0: b.index(row)}, ctx, True, places)
