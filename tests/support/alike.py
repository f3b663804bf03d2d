"""Whether two schedules with their Programs are the same, object for object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.sizes import symbols_of
from graphflow.codegen.steps import Launch, RegionStep, Schedule
from graphflow.dims import SymDim, evaluate_dim, symbol
from graphflow.loop_ir.nest import kernel_text
from graphflow.opdef import ConstValue
from graphflow.program import Node, Program, Value


class Alike:
    """Walks through two structures side by side; what corresponds once always does."""

    def __init__(self) -> None:
        self._pairs: dict[Any, Any] = {}
        self._back: dict[Any, Any] = {}

    def programs(self, one: Program, other: Program) -> None:
        """Asserts that two Programs are alike, from their nodes to their origins."""
        if self._known(one, other):
            return
        for a, c in zip(one.nodes, other.nodes, strict=True):
            self.nodes(a, c)
        self.values(one.inputs, other.inputs)
        self.values(one.outputs, other.outputs)
        for mine, theirs in ((one.reads, other.reads), (one.flags, other.flags),
                             (one.writes, other.writes)):
            assert list(mine) == list(theirs)
            self.values(tuple(mine.values()), tuple(theirs.values()))
        for a, c in zip(one.effects, other.effects, strict=True):
            self.nodes(a, c)
        assert one.origins == other.origins

    def schedules(self, one: Schedule, other: Schedule) -> None:
        """Asserts that two schedules are alike."""
        for mine, theirs in zip(one.steps, other.steps, strict=True):
            self._steps(mine, theirs)
        self.values(tuple(one.aliases), tuple(other.aliases))
        self.values(tuple(one.aliases.values()), tuple(other.aliases.values()))
        self.values(tuple(one.stored), tuple(other.stored))
        self.values(tuple(one.room), tuple(other.room))
        for mine, theirs in zip(one.room.values(), other.room.values()):
            self.sizes(mine, theirs)
        assert (one.status is None) == (other.status is None)
        if one.status is not None:
            self.values((one.status,), (other.status,))

    def values(self, mine: tuple[Value, ...], theirs: tuple[Value, ...]) -> None:
        """Asserts that values are alike, one by one."""
        for a, c in zip(mine, theirs, strict=True):
            if self._known(a, c):
                continue
            assert a.index == c.index and a.dtype is c.dtype and a.shape.rank == c.shape.rank
            if a.shape.rank is not None:
                self.sizes(a.shape.sizes, c.shape.sizes)
            assert (a.symbolic_value is None) == (c.symbolic_value is None)
            if a.symbolic_value is not None:
                assert a.symbolic_value.dtype == c.symbolic_value.dtype
                assert a.symbolic_value.shape == c.symbolic_value.shape
                self.sizes(a.symbolic_value.ravel().tolist(), c.symbolic_value.ravel().tolist())
            self.nodes(a.node, c.node)

    def sizes(self, mine: Sequence[Any], theirs: Sequence[Any]) -> None:
        """Asserts that sizes are alike: equal, but for the numbers of those that are unknown."""
        assert len(mine) == len(theirs)
        for a, c in zip(mine, theirs):
            assert type(a) is type(c)
            if not isinstance(a, SymDim):
                assert a == c
                continue
            names = sorted(symbols_of([a])), sorted(symbols_of([c]))
            assert len(names[0]) == len(names[1])
            unknown = [n for n in names[0] if n.startswith("?")]
            if unknown and len(names[0]) == 1:
                for pairs, name, other in ((self._pairs, names[0][0], names[1][0]),
                                           (self._back, names[1][0], names[0][0])):
                    assert pairs.setdefault(name, other) == other
            values = [[{name: 3 + k * (5 + at) for at, name in enumerate(each)}
                       for k in range(4)] for each in names]
            if len(names[0]) == 1 or not unknown:
                assert [evaluate_dim(a, v) for v in values[0]] == [
                    evaluate_dim(c, v) for v in values[1]]

    def nodes(self, one: Node, other: Node) -> None:
        """Asserts that nodes are alike, with what they are made of."""
        one = one.outputs[0].node if one.outputs else one  # of operands in another order
        if self._known(one, other):
            return
        assert one.opdef is other.opdef and one.serial == other.serial
        assert list(one.attrs) == list(other.attrs)
        for name, value in one.attrs.items():
            self._attributes(value, other.attrs[name])
        self.values(one.inputs, other.inputs)
        self.values(one.outputs, other.outputs)
        assert (one.after is None) == (other.after is None)
        if one.after is not None and other.after is not None:
            self.nodes(one.after, other.after)

    def _attributes(self, one: Any, other: Any) -> None:
        assert type(one) is type(other)
        if isinstance(one, Program):
            self.programs(one, other)
        elif isinstance(one, ConstValue):
            assert one == other and one.array.dtype == other.array.dtype
        elif isinstance(one, tuple):
            for a, c in zip(one, other, strict=True):
                self._attributes(a, c)
        elif isinstance(one, float | np.floating):
            assert np.array(one).tobytes() == np.array(other).tobytes()
        else:
            assert one == other

    def _steps(self, one: Any, other: Any) -> None:
        assert type(one) is type(other)
        if isinstance(one, Launch):
            self._kernels(one.kernel, other.kernel)
            self.values(one.buffers, other.buffers)
            for a, c in zip(one.nodes, other.nodes, strict=True):
                self.nodes(a, c)
            self.sizes(one.sizes, other.sizes)
            assert one.reusable == other.reusable
            assert (one.update is None) == (other.update is None)
            if one.update is not None:
                assert one.update.pair == other.update.pair
                self._kernels(one.update.kernel, other.update.kernel)
            return
        self.nodes(one.node, other.node)
        if isinstance(one, RegionStep):
            assert one.used == other.used and list(one.bodies) == list(other.bodies)
            for name, body in one.bodies.items():
                self.programs(body.program, other.bodies[name].program)
                self.schedules(body.schedule, other.bodies[name].schedule)
        for field in ("given", "count"):
            found = getattr(one, field, ())
            others = getattr(other, field, ())
            self.values(*(v if isinstance(v, tuple) else (v,) for v in (found, others)))
        assert getattr(one, "reason", None) == getattr(other, "reason", None)
        self.sizes(*([symbol(n) for n in getattr(s, "unknowns", ())] for s in (one, other)))

    def _kernels(self, one: Any, other: Any) -> None:
        if isinstance(one, LibraryKernel):
            assert one == other
            return
        assert (one.buffers, one.sizes) == (other.buffers, other.sizes)
        assert kernel_text(one) == kernel_text(other) and one.body == other.body

    def _known(self, one: Any, other: Any) -> bool:
        if one in self._pairs or other in self._back:
            assert self._pairs.get(one) is other and self._back.get(other) is one
            return True
        self._pairs[one], self._back[other] = other, one
        return False
