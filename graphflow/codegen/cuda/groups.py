"""How a factor of a product on tensor cores gets to shared memory: 16 bytes at a time.

A group is what a thread moves at once: 8 elements of 16 bits, or 4 of 32, that neighbour each
other along the terms or along the lines (rows of the left factor, columns of the right one),
whichever lie side by side in device memory. In shared memory they lie in the same order, so that
no element has to be turned: lines of terms, or terms of lines, with a gap behind each, for the
sake of the banks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import I16, I32, I64, to_memory
from graphflow.codegen.cpu.turns import ZERO, emit_turns
from graphflow.codegen.cuda.fragments import GROUP_BYTES, LINE_BYTES, Cores, as_tf32, narrow
from graphflow.codegen.cuda.tiles import Factor
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr, walk

if TYPE_CHECKING:
    from graphflow.codegen.cuda.tensor_tiles import TensorTiles

THREADS = 256
WORDS = ir.VectorType(I32, 4)
NOTHING = ir.Constant(WORDS, [ir.Constant(I32, 0)] * 4)
ELEMENT, LOW, HIGH = -3, -2001, -2002  # a loop and accumulators that are not the kernel's


class Groups:
    """One factor.

    Attributes:
      count: the groups that each thread moves.
      names: the accumulators that hold them.
      terms_are_near: whether a group's elements are neighbouring terms of one line.
    """

    def __init__(
        self, tiles: TensorTiles, cores: Cores, factor: Factor, loops: Sequence[int], first: Any,
        total: Any, start: int,
    ) -> None:
        self.tiles, self.cores, self.factor = tiles, cores, factor
        self.loops, self.first, self.total, self.start = tuple(loops), first, total, start
        self.value = narrow(factor.value)
        self.names: list[int] = []
        side, depth = tiles.size.side, cores.depth
        self.count = side * depth // cores.group // THREADS
        loads = [n for n in walk(self.value) if n.op == "load"]
        self.terms_are_near = any(stride(n.args[0], tiles.sums[-1]) == 1 for n in loads)
        if self.terms_are_near:
            self.pitch = LINE_BYTES
        else:  # 4-byte elements of 4 terms and 8 lines shall lie in 32 different banks
            self.pitch = side * cores.size + (16 if cores.size == 2 else 32)
        self.together = self._lie_together()
        self.cells = [self._cell(k) for k in range(self.count)]

    def _lie_together(self) -> bool:
        """True if a group is 16 neighbouring bytes of memory wherever it is whole."""
        near = self.tiles.sums if self.terms_are_near else self.loops
        inner = near[-1]
        extents = {**dict(self.tiles.product.sums), **self.tiles.extents}
        whole = len(near) == 1 or (
            extents[inner].op == "const" and extents[inner].attr % self.cores.group == 0)
        return (whole and self.value.op == "load" and stride(self.value.args[0], inner) == 1
                and not any(n.op == "index" and n.attr == inner
                            for n in walk(*self.factor.inside)))

    def _cell(self, k: int) -> tuple[Any, Any]:
        """(line, term) of the first element of this thread's group number k, in the tile."""
        b, group = self.tiles.b, self.cores.group
        cell = b.add(self.tiles.thread, ir.Constant(I32, k * THREADS))
        along = (self.cores.depth if self.terms_are_near else self.tiles.size.side) // group
        low = b.mul(b.and_(cell, ir.Constant(I32, along - 1)), ir.Constant(I32, group))
        high = b.lshr(cell, ir.Constant(I32, along.bit_length() - 1))
        return (high, low) if self.terms_are_near else (low, high)

    # ---- shared memory ------------------------------------------------------------------------

    def pointer(self, away: Any, line: Any, term: Any) -> Any:
        """Where an element of the tile lies, in the half that starts `away` bytes on."""
        b, size = self.tiles.b, ir.Constant(I32, self.cores.size)
        slow, fast = (line, term) if self.terms_are_near else (term, line)
        place = b.add(b.mul(slow, ir.Constant(I32, self.pitch)), b.mul(fast, size))
        return self.tiles.bytes_at(b.add(b.add(away, ir.Constant(I32, self.start)), place))

    def store(self, away: Any, groups: Sequence[Any]) -> None:
        """Stores this thread's groups."""
        b = self.tiles.b
        for (line, term), group in zip(self.cells, groups):
            at = b.bitcast(self.pointer(away, line, term), ir.PointerType(WORDS, 3))
            b.store(group, at, align=GROUP_BYTES)

    # ---- device memory ------------------------------------------------------------------------

    def load(self, first: Any) -> list[Any]:
        """This thread's groups of the terms from `first` on; zeros where there are none."""
        b = self.tiles.b
        return [self._group(b.add(self.first, b.zext(line, I64)), b.add(first, b.zext(term, I64)))
                for line, term in self.cells]

    def _group(self, line: Any, term: Any) -> Any:
        b, tiles = self.tiles.b, self.tiles
        if not self.together:
            return self._one_by_one(line, term)
        place, total = (term, tiles.count) if self.terms_are_near else (line, self.total)
        pointer, counts = self._first(line, term)
        address = b.ptrtoint(pointer, I64)
        aligned = b.icmp_unsigned(
            "==", b.and_(address, ir.Constant(I64, GROUP_BYTES - 1)), ZERO)
        end = b.add(place, ir.Constant(I64, self.cores.group))
        whole = b.and_(b.icmp_signed("<=", end, total), aligned)
        some = b.and_(b.icmp_signed("<", place, total), counts)

        def at_once() -> Any:
            found = b.load(b.bitcast(pointer, WORDS.as_pointer()), align=GROUP_BYTES)
            return self._rounded(found)

        return self._either(some, lambda: self._either(
            whole, at_once, lambda: self._in_turn(line, term)), lambda: NOTHING)

    def _either(
        self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]
    ) -> Any:
        """A value that one of two branches computes."""
        b = self.tiles.b
        with b.if_else(condition) as (then, otherwise):
            with then:
                first = yes()
                first_block = b.block
            with otherwise:
                second = no()
                second_block = b.block
        chosen = b.phi(WORDS)
        chosen.add_incoming(first, first_block)
        chosen.add_incoming(second, second_block)
        return chosen

    def _rounded(self, words: Any) -> Any:
        if self.cores.size == 2:
            return words
        b = self.tiles.b
        made: Any = ir.Constant(WORDS, ir.Undefined)
        for k in range(4):
            at = ir.Constant(I32, k)
            made = b.insert_element(
                made, as_tf32(b, b.bitcast(b.extract_element(words, at), ir.FloatType())), at)
        return made

    def _bound(self, line: Any, term: Any) -> list[tuple[int, Any]]:
        """The loops with their indices at a place, or the last one that there is."""
        tiles = self.tiles
        indices = tiles._indices(tiles._near(line, self.total),
                                 [tiles.lengths[n] for n in self.loops])
        sums = tiles._indices(tiles._near(term, tiles.count), tiles.terms)
        return [*zip(self.loops, indices), *zip(tiles.sums, sums)]

    def _first(self, line: Any, term: Any) -> tuple[Any, Any]:
        """Where a group starts in device memory, and whether its elements count."""
        tiles, b, values = self.tiles, self.tiles.b, self.tiles.values
        other = (b.icmp_signed("<", line, self.total) if self.terms_are_near
                 else b.icmp_signed("<", term, tiles.count))
        bound = self._bound(line, term)
        for n, index in bound:
            values.bind(n, index)
        pointer = b.gep(values.buffers[self.value.attr], [values.value(self.value.args[0])])
        for condition in self.factor.inside:
            other = b.and_(other, values.value(condition))
        for n, _ in reversed(bound):
            values.leave(n)
        return pointer, other

    def _one_by_one(self, line: Any, term: Any) -> Any:
        """The elements of a group, each from its own place."""
        b = self.tiles.b
        lanes = GROUP_BYTES // self.cores.size
        kind = ir.VectorType(I16 if self.cores.size == 2 else I32, lanes)
        made: Any = ir.Constant(kind, ir.Undefined)
        for k in range(lanes):
            element = self._element(line, term, ir.Constant(I64, k))
            made = b.insert_element(made, element, ir.Constant(I32, k))
        return b.bitcast(made, WORDS) if self.cores.size == 2 else made

    def _in_turn(self, line: Any, term: Any) -> Any:
        """The same in a loop, for the few groups at an edge: each element is pushed in."""
        b, values = self.tiles.b, self.tiles.values
        bits = 8 * self.cores.size
        values.accumulators.update({LOW: ZERO, HIGH: ZERO})
        up, down = ir.Constant(I64, 64 - bits), ir.Constant(I64, bits)

        def turn(index: Any) -> None:
            element = b.zext(self._element(line, term, index), I64)
            low, high = values.accumulators[LOW], values.accumulators[HIGH]
            values.accumulators[LOW] = b.or_(b.lshr(low, down), b.shl(high, up))
            values.accumulators[HIGH] = b.or_(b.lshr(high, down), b.shl(element, up))

        count = ir.Constant(I64, self.cores.group)
        emit_turns(values, ELEMENT, ZERO, count, 1, [LOW, HIGH], turn)
        both = ir.Constant(ir.VectorType(I64, 2), ir.Undefined)
        for k, name in enumerate((LOW, HIGH)):
            both = b.insert_element(both, values.accumulators.pop(name), ir.Constant(I32, k))
        return b.bitcast(both, WORDS)

    def _element(self, line: Any, term: Any, k: Any) -> Any:
        """The bits of element k of a group; zero where it does not count."""
        tiles, b, values = self.tiles, self.tiles.b, self.tiles.values
        if self.terms_are_near:
            term = b.add(term, k)
        else:
            line = b.add(line, k)
        counts = b.and_(b.icmp_signed("<", line, self.total),
                        b.icmp_signed("<", term, tiles.count))
        bound = self._bound(line, term)
        for n, index in bound:
            values.bind(n, index)
        bits = self._bits(self.value)
        for condition in self.factor.inside:
            counts = b.and_(counts, values.value(condition))
        for n, _ in reversed(bound):
            values.leave(n)
        return b.select(counts, bits, ir.Constant(bits.type, 0))

    def _bits(self, value: Expr) -> Any:
        """An element as it lies in shared memory."""
        b, values = self.tiles.b, self.tiles.values
        if self.cores.size == 4:
            return as_tf32(b, values.value(value))
        if value.op == "load":
            return b.load(b.gep(values.buffers[value.attr], [values.value(value.args[0])]))
        return to_memory(Lanes(b, 1), values.value(value), value.dtype)
