"""A block for each turn: its threads divide inner loops and folds among themselves.

All threads of a block run the same statements. A loop whose turns are independent, and a fold that
may be reordered, go over every so-and-so-many-th turn; what a fold has found in each thread is
then put together in a fixed order, first in warps, then for the block, so that every thread knows
the result. Whatever else is stored is stored by the first thread. Barriers stand between
statements one of which stores what the other one may touch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I64
from graphflow.codegen.cpu.turns import ZERO, emit_turns
from graphflow.codegen.cuda.machine import product
from graphflow.codegen.cuda.plans import WARP_SLOT, uses
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, changed_accumulators

if TYPE_CHECKING:
    from graphflow.codegen.cuda.emit import KernelEmitter

WARP = 32
TURN = -1  # the number of the loop over a block's turns


class Block:
    """Emits the kernel of a part that is spread over blocks."""

    def __init__(self, emitter: KernelEmitter) -> None:
        self.emitter, self.values = emitter, emitter.values
        self.machine, self.plan = emitter.machine, emitter.plan
        self.loaded = self.stored = False  # since the last barrier

    def run(self) -> None:
        """A block takes every so-and-so-many-th turn of the grid's loops."""
        values, b = self.values, self.values.builder
        self.thread = b.zext(self.machine.thread(), I64)
        self.threads = b.zext(self.machine.threads(), I64)
        self.is_first = b.icmp_unsigned("==", self.thread, ZERO)
        block = self.machine.block()
        self._find_private(block)
        extents = [values.value(loop.extent) for loop in self.plan.grid]

        def turn(index: Any) -> None:
            self.loaded = self.stored = False
            self.emitter.bind_grid(index, extents) if extents else None
            self.statements(self.emitter.kernel.body)
            self.emitter.unbind_grid()
            if self.loaded or self.stored:
                self.machine.barrier()

        emit_turns(values, TURN, block, product(b, extents), self.machine.blocks(), [], turn)

    def _find_private(self, block: Any) -> None:
        """The block's own copy of each private buffer."""
        values, b = self.values, self.values.builder
        start = b.mul(b.udiv(self.threads, ir.Constant(I64, WARP)),
                      ir.Constant(I64, self.plan.scratch))
        private = [k for k, p in enumerate(self.emitter.kernel.buffers) if p.private]
        for position, k in enumerate(private):
            kind = values.buffers[k].type
            length = values.private_bytes(position)
            given = b.ptrtoint(values.buffers[k], I64)
            shared = b.ptrtoint(
                self.machine.generic(self.machine.shared(b.add(start, given))), I64)
            own = b.add(given, b.mul(block, length))
            chosen = b.select(b.icmp_unsigned("==", length, ZERO), shared, own)
            values.buffers[k] = b.inttoptr(chosen, kind)

    # ---- statements -------------------------------------------------------------------------

    def statements(self, body: tuple[Statement, ...]) -> None:
        """Statements that all threads of the block run."""
        for statement in body:
            self.values.local = {}
            if isinstance(statement, Loop) and statement.number in self.emitter.bound:
                self.statements(statement.body)
            elif isinstance(statement, Loop) and statement.number not in self.plan.shared:
                self._same_loop(statement)
            else:
                self._wait_for(statement)
                self._one(statement)

    def _one(self, statement: Statement) -> None:
        if isinstance(statement, Loop):
            self._divided(statement)
        elif isinstance(statement, Fold) and statement.lanes:
            self._together(statement)
        elif isinstance(statement, Store):
            self.emitter.store(statement, self.is_first)
        else:
            self.emitter.statement(statement)

    def _wait_for(self, statement: Statement) -> None:
        """A barrier, if the statement may touch what others have not finished with."""
        loads, stores = uses((statement,))
        if (loads and self.stored) or (stores and (self.loaded or self.stored)):
            self.machine.barrier()
            self.loaded = self.stored = False
        self.loaded |= bool(loads)
        self.stored |= bool(stores)

    def _same_loop(self, loop: Loop) -> None:
        """A loop that all threads run in order, each turn together."""
        values = self.values
        self._wait_for(Begin(((0, loop.extent),)))
        loads, stores = uses(loop.body)
        if stores:  # a turn may touch what the one before it has stored
            self.machine.barrier()
            self.loaded = self.stored = False

        def turn(index: Any) -> None:
            self.statements(loop.body)
            if self.stored or (self.loaded and stores):
                self.machine.barrier()
                self.loaded = self.stored = False

        emit_turns(values, loop.number, ZERO, values.value(loop.extent), 1,
                   changed_accumulators(loop.body), turn)

    def _divided(self, loop: Loop) -> None:
        """A loop whose turns the threads divide."""
        emit_turns(self.values, loop.number, self.thread, self.values.value(loop.extent),
                   self.threads, [], lambda index: self.emitter.statements(loop.body))

    # ---- folds ------------------------------------------------------------------------------

    def _together(self, fold: Fold) -> None:
        """A fold whose turns the threads divide; each knows the result."""
        values, machine = self.values, self.machine
        before = [values.accumulators[n] for n in fold.into]
        values.accumulators.update(
            zip(fold.into, [values.value(e) for e in fold.identity]))
        self.emitter.fold(fold, self.thread, self.threads)
        for distance in (16, 8, 4, 2, 1):
            self.emitter.merge(fold, [machine.shuffle_down(values.accumulators[n], distance)
                                      for n in fold.into])
        self._publish(fold)
        values.accumulators.update(zip(fold.into, before))
        warps = values.builder.udiv(self.threads, ir.Constant(I64, WARP))
        kinds = [v.type for v in before]
        emit_turns(
            values, TURN - 1, ZERO, warps, 1, fold.into,
            lambda warp: self.emitter.merge(fold, self._published(fold, kinds, warp)))
        machine.barrier()  # before somebody publishes the next

    def _publish(self, fold: Fold) -> None:
        """The first thread of each warp stores what the warp has found."""
        values, b = self.values, self.values.builder
        lane = b.and_(self.thread, ir.Constant(I64, WARP - 1))
        warp = b.udiv(self.thread, ir.Constant(I64, WARP))
        with b.if_then(b.icmp_unsigned("==", lane, ZERO)):
            for k, n in enumerate(fold.into):
                value = values.accumulators[n]
                if value.type == ir.IntType(1):
                    value = b.zext(value, I8)
                b.store(value, b.bitcast(self._slot(fold, warp, k),
                                         ir.PointerType(value.type, 3)))
        self.machine.barrier()

    def _published(self, fold: Fold, kinds: list[Any], warp: Any) -> list[Any]:
        b = self.values.builder
        found = []
        for k, kind in enumerate(kinds):
            stored = I8 if kind == ir.IntType(1) else kind
            value = b.load(b.bitcast(self._slot(fold, warp, k), ir.PointerType(stored, 3)))
            if kind == ir.IntType(1):
                value = b.icmp_unsigned("!=", value, ir.Constant(I8, 0))
            found.append(value)
        return found

    def _slot(self, fold: Fold, warp: Any, number: int) -> Any:
        b = self.values.builder
        away = b.mul(warp, ir.Constant(I64, self.plan.scratch))
        return self.machine.shared(b.add(away, ir.Constant(I64, number * WARP_SLOT)))
