"""Kernels of loop IR become LLVM functions with explicit vectors.

Input: a verified `Kernel` whose expressions hold basic ops only. Output: a function
`void name(i8** buffers, i64* sizes, i64 member, i64 members, i64 mode)` in an LLVM module, which
does what `cpu/sharing.py` says is this member's part.

Loops marked `lanes` run one vector, or some vectors side by side, at a time: an expression that
depends on such a loop's index is a vector, all others stay scalars. The last, incomplete turn runs
under a mask. Where expressions go is decided in `values`, how folds run in `folds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.apart import Shared, find_shared, function_of
from graphflow.codegen.cpu.folds import emit_fold
from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import (
    I8,
    I64,
    from_memory,
    load_vector,
    prefetch,
    store_vector,
    to_memory,
)
from graphflow.codegen.cpu.pair_products import (
    begin_tiles,
    emit_pair_copy,
    emit_pair_product,
    end_tiles,
    find_pair_copy,
    find_pair_product,
    has_tiles,
)
from graphflow.codegen.cpu.prefetch import Ahead, prefetch_results
from graphflow.codegen.cpu.scalars import EMIT
from graphflow.codegen.cpu.sharing import Sharing, smaller
from graphflow.codegen.cpu.transposes import emit_block, find_turned
from graphflow.codegen.cpu.turns import ZERO, emit_turns, multiple
from graphflow.codegen.cpu.values import Values, Vector, steps
from graphflow.codegen.pair_products import instructions, rows_at_once
from graphflow.codegen.shares import width_of
from graphflow.dtypes import DType, bfloat16
from graphflow.errors import ProgramError
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    changed_accumulators,
    combine_op,
)

PAIRED_SUMS = range(3, 9)  # of a loop, two turns of which are emitted side by side


def emit_kernel(module: ir.Module, name: str, kernel: Kernel, vector_bytes: int) -> ir.Function:
    """Adds the kernel to the module as a function of that name."""
    kind = ir.FunctionType(
        ir.VoidType(), [I8.as_pointer().as_pointer(), I64.as_pointer(), I64, I64, I64])
    function = ir.Function(module, kind, name)
    _KernelEmitter(Values(function, kernel), kernel, vector_bytes).run()
    return function


class _KernelEmitter:
    def __init__(self, values: Values, kernel: Kernel, vector_bytes: int) -> None:
        self.values, self.kernel, self.vector_bytes = values, kernel, vector_bytes
        self.shared: dict[Expr, Shared] = {}
        self.sharing = Sharing(values, kernel, vector_bytes)
        self.paired = vector_bytes == 64 and any(p.dtype is bfloat16 for p in kernel.buffers)

    def run(self) -> None:
        tiles = self.paired and has_tiles(self.kernel) and instructions() == "amx"
        if tiles:
            begin_tiles(self.values.builder)
        for unit in self.sharing.each_unit():
            self._statements(unit.body)
        if tiles:
            end_tiles(self.values.builder)
        self.values.builder.ret_void()

    def _statements(self, body: tuple[Statement, ...]) -> None:
        values = self.values
        self.shared |= find_shared(body)
        for place, statement in enumerate(body):
            values.local = {}
            if isinstance(statement, Loop):
                self._loop(statement, body[place + 1:])
            elif isinstance(statement, Fold):
                emit_fold(values, statement, width_of(
                    self.kernel, (statement,), self.vector_bytes))
            elif isinstance(statement, Store):
                self._store(statement)
            else:
                made = [values.vector_value(e) for _, e in statement.accumulators]
                values.accumulators.update(
                    (n, v) for (n, _), v in zip(statement.accumulators, made))
                if isinstance(statement, Update):
                    self._soon(statement)

    def _soon(self, update: Update) -> None:
        """Asks for what is read soon, line by line into the second cache at least."""
        b = self.values.builder
        for buffer, offset in update.soon:
            pointer = b.gep(self.values.buffers[buffer], [self.values.value(offset, base=True)])
            prefetch(b, pointer)

    # ---- loops ------------------------------------------------------------------------------

    def _loop(self, loop: Loop, after: tuple[Statement, ...]) -> None:
        """after: the statements that follow the loop."""
        values = self.values
        extent = values.value(loop.extent)
        share = self.sharing.share(loop)
        if self.paired and share is None and values.vector is None and self._by_pairs(loop):
            return
        first, end = share or (ZERO, extent)
        if not loop.lanes or values.vector is not None:
            self._plain_turns(loop, first, end, after)
            return
        width = width_of(self.kernel, loop.body, self.vector_bytes)
        whole = multiple(values, extent, width * loop.lanes)
        if not share:
            done = self._whole_turns(loop, first, whole, width * loop.lanes)
            self._rest(loop, done, extent, width)
            return
        self._whole_turns(
            loop, first, smaller(values.builder, end, whole), width * loop.lanes)
        if isinstance(extent, ir.Constant) and whole.constant == extent.constant:
            return
        with values.builder.if_then(values.builder.icmp_signed(">", end, whole)):
            self._rest(loop, whole, extent, width)

    def _by_pairs(self, loop: Loop) -> bool:
        """Emits a loop by the instructions for pairs of bfloat16, if it is one for them."""
        product, copy = find_pair_product(loop), find_pair_copy(loop)
        if product is not None and product.rows in rows_at_once():
            emit_pair_product(self.values, product)
        elif copy is not None:
            emit_pair_copy(self.values, copy)
        else:
            return False
        return True

    def _plain_turns(
        self, loop: Loop, first: Any, end: Any, after: tuple[Statement, ...]
    ) -> None:
        """Turns one after the other, but where several together take less time.

        A tile of sums has few instructions beside its multiply-adds: half as many of them, and
        loads that are further ahead, are worth some hundredths.
        """
        values = self.values
        turned = find_turned(loop, values.vector)
        if turned is not None and values.vector is not None:
            self._turns_together(loop, first, end, values.vector.width,
                                 lambda index: emit_block(values, turned))
        elif _is_tile(loop, values.vector):
            self._tile_turns(loop, first, end, after)
        else:
            emit_turns(values, loop.number, first, end, 1, changed_accumulators(loop.body),
                       lambda index: self._statements(loop.body))

    def _tile_turns(
        self, loop: Loop, first: Any, end: Any, after: tuple[Statement, ...]
    ) -> None:
        """The turns of a tile, of which as few as need be ask for what is stored behind them."""
        ahead, count = prefetch_results(self.values, loop, after, 2)
        known = isinstance(first, ir.Constant) and isinstance(end, ir.Constant)
        if count and known and end.constant - first.constant >= 3 * count:
            rest = ir.Constant(I64, first.constant + count)
            self._turns_together(
                loop, first, rest, 2, lambda index: self._pair(loop, index, ahead))
            first, count = rest, 0
        chosen: Ahead = ahead if count else lambda index: None
        self._turns_together(loop, first, end, 2, lambda index: self._pair(loop, index, chosen))

    def _pair(self, loop: Loop, index: Any, ahead: Ahead) -> None:
        values = self.values
        ahead(index)
        self._statements(loop.body)
        values.inside[-1].values.clear()
        values.indices[loop.number] = values.builder.add(index, ir.Constant(I64, 1))
        self._statements(loop.body)

    def _turns_together(
        self, loop: Loop, first: Any, end: Any, count: int, group: Callable[[Any], None]
    ) -> None:
        """As many groups of `count` turns as there are, and then single ones."""
        values, b = self.values, self.values.builder
        changed = changed_accumulators(loop.body)
        known = isinstance(first, ir.Constant) and isinstance(end, ir.Constant)
        whole = multiple(values, ir.Constant(I64, end.constant - first.constant) if known
                         else b.sub(end, first), count)
        done = ir.Constant(I64, first.constant + whole.constant) if known else b.add(first, whole)
        if not (known and done.constant == first.constant):
            emit_turns(values, loop.number, first, done, count, changed, group)
        if not (known and done.constant == end.constant):
            emit_turns(values, loop.number, done, end, 1, changed,
                       lambda index: self._statements(loop.body))

    def _whole_turns(self, loop: Loop, first: Any, end: Any, width: int) -> Any:
        """Turns of so many lanes from `first` to `end`; gives where they end."""
        known = isinstance(end, ir.Constant) and isinstance(first, ir.Constant)
        if known and end.constant <= first.constant:
            return first
        emit_turns(self.values, loop.number, first, end, width, changed_accumulators(loop.body),
                   lambda index: self._in_lanes(loop, index, width, None))
        return end

    def _rest(self, loop: Loop, done: Any, extent: Any, width: int) -> None:
        """What `done` leaves of the extent: vector by vector, and a masked one."""
        if loop.lanes > 1 and isinstance(done, ir.Constant) and isinstance(extent, ir.Constant):
            vectors = -(-(extent.constant - done.constant) // width)
            width *= 1 << (vectors - 1).bit_length() if vectors else 1
        elif loop.lanes > 1:
            done = self._whole_turns(loop, done, multiple(self.values, extent, width), width)
        self._tail(loop, done, extent, width)

    def _tail(self, loop: Loop, done: Any, extent: Any, width: int) -> None:
        b = self.values.builder
        if isinstance(extent, ir.Constant) and isinstance(done, ir.Constant):
            left = extent.constant - done.constant
            if left:
                self._last_turn(loop, done, width, ir.Constant(I64, left))
            return
        rest = b.sub(extent, done)
        with b.if_then(b.icmp_signed(">", rest, ZERO)):
            self._last_turn(loop, done, width, rest)

    def _last_turn(self, loop: Loop, done: Any, width: int, left: Any) -> None:
        """One masked turn for what is left.

        A single element is known to be one: it needs no vectors. (And LLVM 22 gets a masked store
        wrong whose mask is a constant with one lane: it stores 4 bytes of a narrowed i16.)
        """
        values, b = self.values, self.values.builder
        values.enter(loop.number, b.block)
        values.indices[loop.number] = done
        outside = dict(values.accumulators)
        if isinstance(left, ir.Constant) and left.constant == 1:
            self._statements(loop.body)
        elif isinstance(left, ir.Constant) and left.constant == width:
            self._in_lanes(loop, done, width, None)
        else:
            mask = b.icmp_signed("<", steps(width), Lanes(b, width).splat(left))
            self._in_lanes(loop, done, width, mask)
        values.accumulators = outside
        values.leave(loop.number)

    def _in_lanes(self, loop: Loop, base: Any, width: int, mask: Any) -> None:
        self.values.vector = Vector(loop.number, base, width, mask)
        self._statements(loop.body)
        self.values.vector = None

    # ---- stores -----------------------------------------------------------------------------

    def _store(self, store: Store) -> None:
        values, b = self.values, self.values.builder
        dtype = self.kernel.buffers[store.buffer].dtype
        value = self._stored(store.value)
        where = None if store.where is None else values.value(store.where)
        vector = values.vector
        if vector is None or not values.depends(store.offset, vector.number):
            pointer = values.address(store.buffer, store.offset)
            if where is None:
                self._store_one(store, value, pointer, dtype)
            else:
                with b.if_then(where):
                    self._store_one(store, value, pointer, dtype)
            return
        if stride(store.offset, vector.number) != 1 or isinstance(
                getattr(where, "type", None), ir.VectorType):
            raise ProgramError("kernel: a store in a lanes loop must be contiguous.")
        first = values.address(store.buffer, store.offset, base=True)
        value = values.spread(value)
        if where is None:
            self._store_lanes(store, value, first, vector)
        else:  # the same for all lanes
            with b.if_then(where):
                self._store_lanes(store, value, first, vector)

    def _store_lanes(self, store: Store, value: Any, pointer: Any, vector: Vector) -> None:
        lanes = Lanes(self.values.builder, vector.width)
        dtype = self.kernel.buffers[store.buffer].dtype
        if store.combine is not None:
            old = load_vector(lanes, pointer, dtype, vector.mask)
            value = EMIT[combine_op(store.combine, dtype)](lanes, _Typed(dtype), old, value)
        store_vector(lanes, value, pointer, dtype, vector.mask)

    def _stored(self, expr: Expr) -> Any:
        """The value of a store, by a call where its code is shared."""
        if expr not in self.shared:
            return self.values.value(expr)
        shared, b = self.shared[expr], self.values.builder
        lanes, operands = self.values.together([self.values.value(i) for i in shared.inputs])
        function = function_of(b.module, "shared", [shared.result], shared.inputs, lanes.count)
        return b.extract_value(b.call(function, operands), 0)

    def _store_one(self, store: Store, value: Any, pointer: Any, dtype: DType) -> None:
        b, one = self.values.builder, Lanes(self.values.builder, 1)
        if store.combine is not None:
            old = from_memory(one, b.load(pointer), dtype)
            value = EMIT[combine_op(store.combine, dtype)](one, _Typed(dtype), old, value)
        b.store(to_memory(one, value, dtype), pointer)


class _Typed:
    """What an emitter asks of a node, for a combining store."""

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.args = (self,)


def _is_tile(loop: Loop, vector: Vector | None) -> bool:
    """True for a loop that adds to a few vectors of sums, which leave registers for more."""
    return vector is not None and all(
        isinstance(s, Update) and len(s.accumulators) in PAIRED_SUMS for s in loop.body)
