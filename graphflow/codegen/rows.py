"""Row groups: reductions along the last axis and the elementwise work around them, row by row.

Softmax, layer norm, cross-entropy and their gradients are sequences of steps over the same rows.
Run one row at a time in one kernel, a row stays in the cache from the first step to the last, and
values that nobody else reads need memory for one row only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from graphflow.codegen.columns import (
    Columns,
    chunk_by_chunk,
    over_row,
    rows_left,
    rows_together,
)
from graphflow.codegen.elements import Elements, int64, picks_in_row
from graphflow.codegen.frames import Frame, pattern
from graphflow.codegen.nests import Body, fold_axes
from graphflow.codegen.reading import read_inputs
from graphflow.codegen.steps import Launch
from graphflow.dims import Dim, product, same
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Loop, Statement, Store
from graphflow.lowering import Pointwise, Reduce, Sizes
from graphflow.program import Node, Value

ROW_LIMIT = 1 << 16
LOOK_AHEAD = 64  # steps that a row group may be merged across


@dataclass(slots=True)
class Group:
    """Elementwise outputs of one index space.

    `number` is the step's place; it reads what earlier steps store, and computes all else itself.
    `work` and `depth` say how much that is: see `Inlining`.
    """

    number: int
    shape: tuple[Dim, ...]
    outputs: list[Value] = field(default_factory=list)
    work: int = 0
    depth: int = 0


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


@dataclass(slots=True)
class _Run:
    """Steps that can be one row group, by number.

    Attributes:
      shape: of the rows.
      members: the steps, in order.
      patterns: as in `RowGroup`.
      before: steps from between them that must come first; they read nothing of the members.
    """

    shape: tuple[Dim, ...]
    members: list[int] = field(default_factory=list)
    patterns: dict[Value, tuple[bool, bool]] = field(default_factory=dict)
    before: list[int] = field(default_factory=list)


class RowMerger:
    """Merges steps into row groups where that is possible.

    A step that reads what a group makes joins it across steps in between that do not need each
    other: those that it depends on are moved in front of the group, the others come behind.

    Args:
      steps: in order.
      stored: whether step number n finds a value in memory.
      root: the value whose memory a value has.
      readers: stored value → the steps that read it.
      follows: for each step, the steps whose results it reads.
      results: what leaves the program.
    """

    def __init__(
        self, steps: Sequence[object], stored: Callable[[Value, int], bool],
        root: Callable[[Value], Value], readers: dict[Value, set[int]],
        follows: Sequence[set[int]], results: set[Value],
    ) -> None:
        self.steps, self.stored, self.root = steps, stored, root
        self.readers, self.follows, self.results = readers, follows, results
        self._done: set[int] = set()

    def merge(self) -> list[tuple[object, Sequence[int]]]:
        """The steps, some of them merged into row groups, each with the numbers it stands for."""
        merged: list[tuple[object, Sequence[int]]] = []
        for at, step in enumerate(self.steps):
            if at in self._done:
                continue
            run = self._longest(at)
            if run is None or len(run.members) < 2:
                merged.append((step, (at,)))
                self._done.add(at)
                continue
            merged += [(self.steps[number], (number,)) for number in run.before]
            merged.append((self._group(run), run.members))
            self._done.update(run.before, run.members)
        return merged

    def _group(self, run: _Run) -> RowGroup:
        local = self._local(run)
        return RowGroup(run.shape, [self._member(n) for n in run.members], run.patterns | {
            v: (False, p[1]) for v, p in run.patterns.items() if self.root(v) in local}, local)

    def _member(self, number: int) -> Member:
        step = self.steps[number]
        assert isinstance(step, (Group, Reduction))  # `_fits` admits no others
        return step

    def _longest(self, at: int) -> _Run | None:
        """The most steps from `at` on that work row by row, with a reduction among them."""
        shape = self._row_shape(at)
        if shape is None or (isinstance(shape[-1], int) and shape[-1] > ROW_LIMIT):
            return None
        run = _Run(shape)
        free: list[int] = []   # steps passed over that need nothing of the run
        bound: set[int] = set()  # those that do
        for number in range(at, len(self.steps)):
            if number in self._done:
                continue
            if not isinstance(self.steps[number], (Group, Reduction, Launch)) or (
                    len(free) + len(bound) > LOOK_AHEAD):
                break
            follows = self.follows[number]
            apart = free or bound
            if follows.isdisjoint(bound) and self._joins(run, number, connected=bool(apart)):
                self._bring(run, number, free, bound)
            elif not run.members:
                return None
            elif follows.isdisjoint(bound) and follows.isdisjoint(run.members):
                free.append(number)
            else:
                bound.add(number)
        if run.members:
            self._take_columns(run, (*free, *bound))
        run.members.sort()
        run.before.sort()
        while run.members and isinstance(self.steps[run.members[-1]], Group) and (
                not self._connected(run.members[:-1], run.members[-1])):
            run.members.pop()
        return run if any(isinstance(self.steps[n], Reduction) for n in run.members) else None

    def _take_columns(self, run: _Run, passed: Collection[int]) -> None:
        """Takes reductions down the columns of what the run reads or makes anyway.

        passed: steps that are no members; none of those before the run reads what comes behind.
        """
        if rows_together(run.shape[-1]) is None:
            return
        before = {*passed} - {*run.before}
        for number in sorted(before):
            step = self.steps[number]
            if not isinstance(step, Reduction) or not self.follows[number].isdisjoint(before):
                continue
            visited = self._columns_read(step, run.shape)
            full = [v for v, how in (visited or {}).items() if how == (True, True)]
            if visited is None or not full or any(
                    run.patterns.get(v, how) != how for v, how in visited.items()):
                continue
            if any(v in run.patterns for v in full):
                run.members.append(number)
                run.patterns |= visited | dict.fromkeys(step.outputs, (False, True))

    def _columns_read(
        self, step: Reduction, shape: tuple[Dim, ...]
    ) -> dict[Value, tuple[bool, bool]] | None:
        """How what a reduction down columns touches runs over the rows; None if it is none."""
        sizes = step.node.inputs[0].shape.sizes
        if not _all_but_last_axis(step.node) or len(sizes) != len(shape) or not all(
                same(p, q) for p, q in zip(sizes, shape)):
            return None
        found: dict[Value, tuple[bool, bool]] = {}
        for value, picked in (self._visited(step) or {}).items():
            how = row_pattern(value, shape)
            if how is None or picked:
                return None
            found[value] = how
        return found or None

    def _joins(self, run: _Run, number: int, connected: bool) -> bool:
        """Adds a step to the run if it fits."""
        found = self._fits(self.steps[number], run.shape)
        if found is None or any(run.patterns.get(v, how) != how for v, how in found.items()):
            return False
        if connected and not self._connected(run.members, number):
            return False
        run.members.append(number)
        run.patterns |= found
        return True

    def _bring(self, run: _Run, number: int, free: list[int], bound: set[int]) -> None:
        """Takes what a member needs out of `free`: into the run where it fits, else before it."""
        needed: set[int] = set()
        pending = [number]
        while pending:
            found = self.follows[pending.pop()].intersection(free) - needed
            needed |= found
            pending.extend(found)
        for one in sorted(needed, reverse=True):
            free.remove(one)
            elsewhere = any(one in self.follows[n] for n in run.before)
            if elsewhere or not self._joins(run, one, connected=False):
                run.before.append(one)
        for one in list(free):
            if not self.follows[one].isdisjoint(bound.union(run.members)):
                free.remove(one)
                bound.add(one)

    def _row_shape(self, at: int) -> tuple[Dim, ...] | None:
        """The shape of the first reduction along the last axis at or after `at`."""
        for number in range(at, len(self.steps)):
            step = self.steps[number]
            if number in self._done:
                continue
            if isinstance(step, Reduction):
                sizes = step.node.inputs[0].shape.sizes
                return sizes if len(sizes) >= 2 and _last_axis_only(step.node) else None
            if not isinstance(step, Group):
                return None
        return None

    def _connected(self, members: Sequence[int], number: int) -> bool:
        """True if a step reads what members make."""
        made = {self.root(v) for n in members for v in self._member(n).outputs}
        return any(self.root(v) in made for v in self._visited(self._member(number)) or ())

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
        for value, whole in visited.items():
            how = row_pattern(value, shape) if whole or not kept else kept_pattern(value, shape)
            if how is None or (whole and how != (True, True)):
                return None
            found[value] = how
        if isinstance(step, Group):
            spaces = {found[v] for v in step.outputs}
            if len(spaces) != 1 or not next(iter(spaces))[0]:
                return None
            if any(visited.values()) and not kept:
                return None
        else:
            found |= dict.fromkeys(step.outputs, (True, False))
        return found

    def _visited(self, step: Member) -> dict[Value, bool] | None:
        """The values a member's expressions touch; None if some are read at other places.

        Those of which it picks elements, row by row, are marked.
        """
        pending = list(step.outputs) if isinstance(step, Group) else [step.node.inputs[0]]
        found: dict[Value, bool] = {}
        seen: set[Value] = set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            found.setdefault(value, False)
            node = value.node
            if self.stored(value, step.number):
                continue
            if picks_in_row(node) and self.stored(node.inputs[0], step.number):
                if not found.get(node.inputs[0], True):
                    return None
                found[node.inputs[0]] = True
                seen.add(node.inputs[0])
                pending.extend(node.inputs[1:])
            elif isinstance(node.opdef.lowering, (Pointwise, Sizes)):
                pending.extend(read_inputs(node))
            else:
                return None
        return found

    def _local(self, run: _Run) -> dict[Value, tuple[Dim, ...]]:
        inside = set(run.members)
        found: dict[Value, tuple[Dim, ...]] = {}
        for member in map(self._member, run.members):
            for value in member.outputs if not _down(member) else ():
                if value in self.results or not self.readers.get(value, set()) <= inside:
                    continue
                found[value] = (run.shape[-1],) if run.patterns[value][1] else ()
        return found


def _last_axis_only(node: Node) -> bool:
    return _reduced(node) == (len(node.inputs[0].shape.sizes) - 1,)


def _all_but_last_axis(node: Node) -> bool:
    rank = len(node.inputs[0].shape.sizes)
    return rank > 1 and _reduced(node) == tuple(range(rank - 1))


def _reduced(node: Node) -> tuple[int, ...]:
    lowering = node.opdef.lowering
    assert isinstance(lowering, Reduce)
    return tuple(lowering.axes(Elements(lambda v: True).context(node)))


def row_frame(group: RowGroup) -> Frame:
    """Two merged axes: all rows, and the row."""
    last = len(group.shape) - 1
    return Frame((product(group.shape[:-1]), group.shape[-1]),
                 (tuple(range(last)), (last,)), dict(group.patterns), anchored=True)


def build_rows(e: Elements, group: RowGroup, begin: Callable[[Member], None]) -> Body:
    """One loop over the rows, chunk by chunk if columns are reduced.

    `begin(member)` says which member comes next.
    """
    sizes = (product(group.shape[:-1]), group.shape[-1])
    row, chunk = e.loop(), e.loop()
    rows = rows_together(sizes[1])
    columns = {} if rows is None else {
        m.number: Columns(e, m.node, sizes, rows) for m in group.members
        if isinstance(m, Reduction) and _down(m)}
    at = b.index(row)
    if rows is not None and columns:
        at = b.index(chunk) * rows + at
    body: list[Statement] = []
    for member in group.members:
        begin(member)
        if member.number in columns:
            body.extend(over_row(
                e, sizes[1], partial(columns[member.number].add, b.index(chunk), [at])))
        elif isinstance(member, Reduction):
            body.extend(_reduction(e, member.node, sizes, at))
        elif group.patterns[member.outputs[0]][1]:
            body.extend(over_row(e, sizes[1], partial(_stores, e, member, at)))
        else:
            body.extend(_stores(e, member, at, int64(0)))
    if rows is None or not columns:
        return (Loop(row, e.size(sizes[0]), tuple(body)),)
    loop = Loop(row, rows_left(e, sizes[0], chunk, rows), tuple(body))
    return chunk_by_chunk(e, list(columns.values()), chunk, (loop,))


def _down(member: Member) -> bool:
    """Whether a member reduces columns, over all rows."""
    return isinstance(member, Reduction) and not _last_axis_only(member.node)


def _stores(e: Elements, member: Group, *index: Expr) -> Body:
    return tuple(Store(e.buffer(v, written=True), e.offset(v, index), e.computed(v, index))
                 for v in member.outputs)


def _reduction(e: Elements, node: Node, sizes: tuple[Dim, Dim], row: Expr) -> Body:
    lowering = node.opdef.lowering
    assert isinstance(lowering, Reduce)
    ctx = Elements(lambda v: True).context(node)
    places = [e.offset(v, (row, 0)) for v in node.outputs]
    return fold_axes(e, node, lowering, sizes, [1], {0: row}, ctx, True, places)
