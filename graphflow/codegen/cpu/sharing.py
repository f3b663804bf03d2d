"""A member's part of a kernel: which statements run, and from where to where loops go.

A call says which member of how many calls, and its *mode*: in the lowest bits the depth of the
loops that are divided (0: the caller does all), above them a bit for each unit that is left out
(`codegen/shares.py` says what units are). Behind the buffers' addresses stand the sizes in bytes
of private memory, in the order of its buffers: each member uses its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I64
from graphflow.codegen.cpu.turns import ZERO
from graphflow.codegen.cpu.values import Values
from graphflow.codegen.shares import DEPTH_BITS, Unit, loops_of, turns_of_a_part, units
from graphflow.loop_ir.nest import Kernel, Loop

Range = tuple[Any, Any]  # the first turn, and the end


class Sharing:
    """What the emitter asks about the members of a team.

    It writes the beginning of the function: the ranges of divided loops, private addresses.
    """

    def __init__(self, values: Values, kernel: Kernel, vector_bytes: int) -> None:
        self._values, self._kernel, self._vector_bytes = values, kernel, vector_bytes
        _, _, self._member, self._members, self._mode = values.function.args
        self._units = units(kernel)
        self._ranges: dict[int, Range] = {}
        self._find_private()
        self._find_ranges()

    def share(self, loop: Loop) -> Range | None:
        """Where this member begins and ends in a loop; None if it is never divided."""
        return self._ranges.get(loop.number)

    def each_unit(self) -> Iterator[Unit]:
        """The units; what is emitted for one runs if the mode does not leave it out."""
        if len(self._units) == 1:
            yield self._units[0]
            return
        b, scope = self._values.builder, self._values.inside[0]
        for number, unit in enumerate(self._units):
            bit = ir.Constant(I64, 1 << (DEPTH_BITS + number))
            known = dict(scope.values)
            with b.if_then(b.icmp_unsigned("==", b.and_(self._mode, bit), ZERO)):
                yield unit
            scope.values.clear()
            scope.values.update(known)  # the rest exists in that branch alone
            self._values.local = {}

    def _find_private(self) -> None:
        values, b = self._values, self._values.builder
        count = len(self._kernel.buffers)
        private = [k for k, p in enumerate(self._kernel.buffers) if p.private]
        for place, number in enumerate(private):
            slot = b.gep(values.function.args[0], [ir.Constant(I64, count + place)])
            away = b.mul(self._member, b.ptrtoint(b.load(slot), I64))
            kind = values.buffers[number].type
            first = b.bitcast(values.buffers[number], I8.as_pointer())
            values.buffers[number] = b.bitcast(b.gep(first, [away]), kind)

    def _find_ranges(self) -> None:
        """Computes all ranges at once, if the call is divided at all."""
        values, b = self._values, self._values.builder
        divided = [(depth, loop) for unit in self._units for depth, chosen in unit.depths.items()
                   for loop in loops_of(unit.body) if loop.number in chosen]
        if not divided:
            return
        extents = {loop.number: values.value(loop.extent) for _, loop in divided}
        depth = b.and_(self._mode, ir.Constant(I64, (1 << DEPTH_BITS) - 1))
        before, after = b.block, None
        ranges: dict[int, Range] = {}
        with b.if_then(b.icmp_unsigned("!=", depth, ZERO), likely=False):
            shares = {}
            for own in sorted({d for d, _ in divided}):
                here = b.icmp_unsigned("==", depth, ir.Constant(I64, own))
                shares[own] = (b.select(here, self._member, ZERO),
                               b.select(here, self._members, ir.Constant(I64, 1)))
            for own, loop in divided:
                part = turns_of_a_part(self._kernel, loop, self._vector_bytes)
                ranges[loop.number] = _range(b, extents[loop.number], part, *shares[own])
            after = b.block
        for number, (first, end) in ranges.items():
            merged = []
            for whole, own_part in ((ZERO, first), (extents[number], end)):
                phi = b.phi(I64)
                phi.add_incoming(whole, before)
                phi.add_incoming(own_part, after)
                merged.append(phi)
            self._ranges[number] = merged[0], merged[1]


def _range(b: ir.IRBuilder, extent: Any, part: int, member: Any, members: Any) -> Range:
    """Member k of m has the parts from ⌊k·parts/m⌋ on, up to those of the next one."""
    one = ir.Constant(I64, part)
    parts = b.udiv(b.add(extent, ir.Constant(I64, part - 1)), one)
    first, end = (
        b.mul(b.udiv(b.mul(parts, number), members), one)
        for number in (member, b.add(member, ir.Constant(I64, 1))))
    return smaller(b, first, extent), smaller(b, end, extent)


def smaller(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    """The smaller one of two numbers."""
    return b.select(b.icmp_signed("<", x, y), x, y)
