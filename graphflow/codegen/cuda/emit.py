"""A part of a kernel becomes LLVM IR in NVVM's dialect.

Input: a kernel and the plan by which its loops are spread. Output: the text of a module with one
entry, whose arguments `kernels` describes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import I64, from_memory, memory_type, to_memory
from graphflow.codegen.cpu.turns import ZERO, emit_turns
from graphflow.codegen.cuda.blocks import Block
from graphflow.codegen.cuda.machine import Machine, mark_kernel, new_module, product
from graphflow.codegen.cuda.owners import emit_owned
from graphflow.codegen.cuda.plans import Plan, Spread
from graphflow.codegen.cuda.products import THREADS, Tiles
from graphflow.codegen.cuda.scalars import CUDA_EMIT
from graphflow.codegen.cuda.tensor_tiles import TensorTiles
from graphflow.codegen.cuda.tiles import Product, TileSize
from graphflow.codegen.cuda.transposes import emit_turned
from graphflow.codegen.cuda.values import CudaValues
from graphflow.codegen.cuda.vectors import emit_vectors
from graphflow.dtypes import DType
from graphflow.loop_ir.nest import (
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    changed_accumulators,
    combine_op,
)

Body = tuple[Statement, ...]


def module_text(name: str, kernel: Kernel, plan: Plan) -> str:
    """The LLVM IR of a module that defines the kernel under a name."""
    module = new_module(name)
    pointers = [memory_type(p.dtype).as_pointer() for p in kernel.buffers]
    private = [I64 for p in kernel.buffers if p.private]
    kind = ir.FunctionType(ir.VoidType(), [*pointers, *[I64] * kernel.sizes, *private])
    function = ir.Function(module, kind, name)
    mark_kernel(function, THREADS)
    KernelEmitter(CudaValues(function, kernel), kernel, plan).run()
    return str(module)


class KernelEmitter:
    """Emits one kernel."""

    def __init__(self, values: CudaValues, kernel: Kernel, plan: Plan) -> None:
        self.values, self.kernel, self.plan = values, kernel, plan
        self.machine = Machine(values.builder)
        self.bound = frozenset(loop.number for loop in plan.grid)
        self.owner: Any = None  # the number of this thread among those that share a turn

    def run(self) -> None:
        """Writes the function's body."""
        if self.plan.spread is Spread.THREADS:
            self._threads()
        elif self.plan.spread is Spread.BLOCKS:
            Block(self).run()
        elif self.plan.turned is not None:
            emit_turned(self, self.plan.turned)
        elif self.plan.product is not None and self.plan.tile is not None:
            self._tiles(self.plan.product, self.plan.tile)
        else:
            self.statements(self.kernel.body)
        self.values.builder.ret_void()

    def _tiles(self, product: Product, tile: TileSize) -> None:
        if self.plan.cores is not None:
            TensorTiles(self, product, tile, self.plan.cores).run()
        else:
            Tiles(self, product, tile).run()

    def _threads(self) -> None:
        values, b = self.values, self.values.builder
        extents = [values.value(loop.extent) for loop in self.plan.grid]
        place = self.machine.global_thread()
        if self.plan.vector > 1:
            emit_vectors(self, place, extents[0])
            return
        turns = total = product(b, extents)
        if self.plan.owners > 1:
            total = b.mul(turns, ir.Constant(I64, self.plan.owners))
        with b.if_then(b.icmp_signed("<", place, total)):
            if self.plan.owners > 1:
                self.owner = b.udiv(place, turns)
                place = b.sub(place, b.mul(self.owner, turns))
            self.bind_grid(place, extents)
            self.statements(self.kernel.body)
            self.unbind_grid()

    def bind_grid(self, place: Any, extents: list[Any]) -> None:
        """Gives the grid's loops the indices of turn number `place`."""
        b = self.values.builder
        found: list[Any] = []
        for extent in reversed(extents[1:]):
            above = b.udiv(place, extent)
            found.append(b.sub(place, b.mul(above, extent)))
            place = above
        found.append(place)
        for loop, index in zip(self.plan.grid, reversed(found)):
            self.values.bind(loop.number, index)

    def unbind_grid(self) -> None:
        """Leaves the grid's loops."""
        for loop in reversed(self.plan.grid):
            self.values.leave(loop.number)

    # ---- statements of one thread -------------------------------------------------------------

    def statements(self, body: Body) -> None:
        """Statements that one thread runs by itself, in order."""
        for statement in body:
            self.values.local = {}
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        """One of them."""
        values = self.values
        if isinstance(statement, Loop):
            if statement.number in self.bound:
                self.statements(statement.body)
                return
            emit_turns(values, statement.number, ZERO, values.value(statement.extent), 1,
                       changed_accumulators(statement.body),
                       lambda index: self.statements(statement.body))
        elif isinstance(statement, Fold):
            self.fold(statement, ZERO, 1)
        elif isinstance(statement, Store):
            if self.owner is None:
                self.store(statement)
            else:
                emit_owned(self, statement, self.owner)
        else:
            made = [values.value(e) for _, e in statement.accumulators]
            values.accumulators.update(
                (n, v) for (n, _), v in zip(statement.accumulators, made))

    def fold(self, fold: Fold, first: Any, step: Any) -> None:
        """The turns of a fold from `first` on, `step` apart."""
        values = self.values

        def turn(index: Any) -> None:
            self.merge(fold, [values.value(e) for e in fold.lifted])

        emit_turns(
            values, fold.number, first, values.value(fold.extent), step, fold.into, turn)

    def merge(self, fold: Fold, right: list[Any]) -> None:
        """into = merged(into, right)."""
        values = self.values
        kept = dict(values.accumulators)
        values.accumulators.update(zip(fold.right, right))
        values.local = {}
        merged = [values.value(e) for e in fold.merged]
        values.accumulators = kept
        values.accumulators.update(zip(fold.into, merged))
        values.local = {}

    def store(self, store: Store, only: Any = None) -> None:
        """A store, by the threads for which `only` holds."""
        values, b = self.values, self.values.builder
        value = values.value(store.value)
        pointer = b.gep(values.buffers[store.buffer], [values.value(store.offset)])
        where = None if store.where is None else values.value(store.where)
        if only is not None:
            where = only if where is None else b.and_(only, where)
        if where is None:
            self._store_one(store, value, pointer)
            return
        with b.if_then(where):
            self._store_one(store, value, pointer)

    def _store_one(self, store: Store, value: Any, pointer: Any) -> None:
        b, dtype = self.values.builder, self.kernel.buffers[store.buffer].dtype
        one = Lanes(b, 1)
        if store.combine is not None:
            old = from_memory(one, b.load(pointer), dtype)
            value = CUDA_EMIT[combine_op(store.combine, dtype)](one, _Typed(dtype), old, value)
        b.store(to_memory(one, value, dtype), pointer)


class _Typed:
    """What the emitter of an op asks of a node, for a combining store."""

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.args: tuple[Any, ...] = (self,)
