"""Epilogues: elementwise work on a contraction's result, done before its sums leave registers.

Bias, activation, residual and their gradients need no pass over memory of their own: where the
contraction would store an element, its accumulator takes the place of that element, the other
operands are loaded, and the results of the elementwise work are stored. The contraction's own
result gets memory only if something else reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from graphflow.codegen.capabilities import LEAVES
from graphflow.codegen.contraction import build_contraction
from graphflow.codegen.elements import Elements
from graphflow.codegen.frames import Frame, frame
from graphflow.codegen.nests import linear
from graphflow.codegen.pool_gradient import build_pool_gradient
from graphflow.codegen.rows import Group
from graphflow.codegen.sliding import sums_slabs
from graphflow.codegen.summed_loops import Sums
from graphflow.dims import Dim, product
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Statement, Store
from graphflow.loop_ir.split_complex import basic_parts
from graphflow.lowering import Contraction, Scatter
from graphflow.program import Node, Value

Body = tuple[Statement, ...]
Index = tuple[Expr, ...]
Merged = tuple[object, Sequence[int]]

WORK_LIMIT = 250  # operations per element


@dataclass(frozen=True, slots=True)
class Part:
    """A group that is computed from sums.

    Attributes:
      group: its outputs.
      frame: its index space, with merged axes.
      axes: for each merged axis, the axes of the contraction's result that it stands for.
      given: the values that are known where the sums are: the contraction's result, the outputs
        of parts before, and what renames their memory; each with the value that it is.
    """

    group: Group
    frame: Frame
    axes: tuple[tuple[int, ...], ...]
    given: dict[Value, Value]


@dataclass(slots=True)
class Product:
    """A contraction with its epilogue.

    Attributes:
      number: of the contraction among the steps.
      node: the contraction.
      parts: in order.
      kept: True if the contraction's own result is stored, too.
    """

    number: int
    node: Node
    parts: list[Part] = field(default_factory=list)
    kept: bool = True

    @property
    def made(self) -> list[Value]:
        """What is known where the sums are."""
        return [*self.node.outputs, *(v for p in self.parts for v in p.group.outputs)]


class EpilogueMerger:
    """Moves groups of elementwise work into the contractions whose results they read.

    A group runs where its contraction does: all else that it reads must be there by then.

    Args:
      contractions: the contractions among the steps, by number.
      stored: whether step number n finds a value in memory.
      root: the value whose memory a value has.
      visited: all values that outputs of step number n touch; None if some are not at one place.
      readers: stored value → the steps that touch it.
      follows: for each step, the steps whose results it reads.
      sizes_from: the steps after which the sizes that a value takes are known.
      results: what leaves the program.
      states: new values of variables. They are written over the old ones, which other steps may
        still read where the contraction stands: their groups stay where they are.
    """

    def __init__(
        self, contractions: Mapping[int, Node], stored: Callable[[Value, int], bool],
        root: Callable[[Value], Value],
        visited: Callable[[Sequence[Value], int], list[Value] | None],
        readers: Mapping[Value, set[int]], follows: Sequence[set[int]],
        sizes_from: Callable[[Value], set[int]], results: set[Value], states: set[Value],
    ) -> None:
        self.contractions, self.stored = contractions, stored
        self.root, self.visited = root, visited
        self.readers, self.follows = readers, follows
        self.results, self.states = results, states
        self.sizes_from = sizes_from

    def merge(self, steps: Iterable[Merged]) -> list[Merged]:
        """The steps, in order, each with the numbers it stands for; some of them `Product`s."""
        merged: list[Merged] = []
        place = {-1: -1}
        for step, numbers in steps:
            at = self._absorbed(step, merged, place) if isinstance(step, Group) else None
            if at is None:
                at = len(merged)
                merged.append((step, numbers))
            place.update((n, at) for n in numbers)
        for step, _ in merged:
            if isinstance(step, Product):
                self._settle(step)
        return merged

    def _absorbed(
        self, group: Group, merged: list[Merged], place: Mapping[int, int]
    ) -> int | None:
        """The position of the contraction that takes the group in, if one does."""
        after = {place[n] for n in self.follows[group.number]}
        at = max(after, default=-1)
        if at < 0 or not self.states.isdisjoint(group.outputs):
            return None
        step, numbers = merged[at]
        number = numbers[0]
        if isinstance(step, Product):
            host = step
        elif number in self.contractions and _sums_in_registers(self.contractions[number]):
            host = Product(number, self.contractions[number])
        else:
            return None
        part = self._part(group, host, at, place)
        if part is None:
            return None
        host.parts.append(part)
        merged[at] = (host, (*numbers, group.number))
        return at

    def _part(
        self, group: Group, host: Product, at: int, place: Mapping[int, int]
    ) -> Part | None:
        """The group as a part of the host's epilogue, if it can be one."""
        visited = self.visited(group.outputs, group.number)
        if visited is None:
            return None
        if any(place[n] >= at for v in visited for n in self.sizes_from(v)):
            return None
        made = {self.root(v): v for v in host.made}
        given = {v: made[self.root(v)] for v in visited if self.root(v) in made
                 and self.stored(v, group.number)}
        out = host.node.outputs[0]
        merged = frame(group.shape, visited)
        axes = None if merged is None else _aligned(merged, group.shape, out.shape.sizes)
        if merged is None or axes is None or not given or not all(
            all(merged.patterns[v]) or out.shape.sizes == group.shape == v.shape.sizes
            for v in given
        ):
            return None
        wide = max(v.dtype.size for v in (*host.node.inputs[:2], out))
        memory = [v for v in visited if self.stored(v, group.number)] + list(group.outputs)
        if any(v.dtype.size > wide for v in memory if v not in given):
            return None  # the lanes hold fewer elements of them
        part = Part(group, merged, axes, given)
        return part if self._work(part, host) <= WORK_LIMIT else None

    def _work(self, part: Part, host: Product) -> int:
        """The operations that one element takes."""
        elements = Elements(lambda v: True)
        place = tuple(b.index(k) for k in range(len(host.node.outputs[0].shape.sizes)))
        body = _stores(elements, part, host.node, place, {}, self.stored)
        parts = basic_parts(*(s.value for s in body if isinstance(s, Store)))
        return sum(n.op not in LEAVES for n in walk(*parts))

    def _settle(self, host: Product) -> None:
        """Finds out whether the contraction's own result is needed."""
        out = host.node.outputs[0]
        own = {host.number, *(p.group.number for p in host.parts)}
        host.kept = out in self.results or not self.readers.get(out, set()) <= own


def _sums_in_registers(node: Node) -> bool:
    lowering = node.opdef.lowering
    if isinstance(lowering, Scatter):
        return True  # a gradient of max-pooling: others are no hosts
    assert isinstance(lowering, Contraction)
    if sums_slabs(node):
        return False
    elements = Elements(lambda v: True)
    sums = Sums(elements, node, lowering, elements.context(node))
    return sums.slices is None and bool(node.outputs[0].shape.sizes)


def _aligned(
    merged: Frame, shape: tuple[Dim, ...], sizes: tuple[Dim, ...]
) -> tuple[tuple[int, ...], ...] | None:
    """For each merged axis of a group, the axes of a result of these sizes that are the same.

    None if they cut the elements in other places.
    """
    if shape == sizes:
        return merged.axes
    found: list[tuple[int, ...]] = []
    axis = 0
    for size in merged.sizes:
        first = axis
        # By `==`: the `!=` of sizes is neither true nor false where they may differ.
        end = next((end for end in range(first, len(sizes) + 1)
                    if product(sizes[first:end]) == size), None)
        if end is None:
            return None
        axis = end
        found.append(tuple(range(first, axis)))
    return tuple(found) if product(sizes[axis:]) == 1 else None


def build_product(
    elements: Elements, host: Product, stored: Callable[[Value, int], bool],
    build: Callable[..., Body] = build_contraction,
) -> Body:
    """The statements of a contraction with its epilogue. build: makes those of the contraction."""
    lowering = host.node.opdef.lowering
    out = host.node.outputs[0]

    def finish(place: Index, total: Expr) -> Body:
        known = {out: total}
        body: Body = ()
        if host.kept:
            body = (Store(elements.buffer(out, written=True), elements.offset(out, place), total),)
        for part in host.parts:
            body += _stores(elements, part, host.node, place, known, stored)
        return body

    if isinstance(lowering, Scatter):
        body = build_pool_gradient(elements, host.node, lowering, finish)
        assert body is not None  # else it is no host
        return body
    assert isinstance(lowering, Contraction)
    return build(elements, host.node, lowering, elements.context(host.node), finish)


def _stores(
    elements: Elements, part: Part, node: Node, place: Index, known: dict[Value, Expr],
    stored: Callable[[Value, int], bool],
) -> Body:
    """Stores a part's outputs at one place; `known` gives elements at it and learns new ones."""
    sizes = node.outputs[0].shape.sizes
    index = tuple(linear(elements, [place[a] for a in axes], [sizes[a] for a in axes])
                  for axes in part.axes)
    number = part.group.number
    inner = elements.within(part.frame, lambda v: stored(v, number))
    for value, source in part.given.items():
        # Where nothing is known yet, any leaf will do.
        inner.give(value, index, known.get(source, b.arg(0, value.dtype)))
    body: list[Statement] = []
    for value in part.group.outputs:
        known[value] = inner.computed(value, index)
        body.append(Store(elements.buffer(value, written=True), inner.offset(value, index),
                          known[value]))
    return tuple(body)
