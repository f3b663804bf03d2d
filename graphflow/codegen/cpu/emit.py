"""Kernels of loop IR become LLVM functions with explicit vectors.

Input: a verified `Kernel` whose expressions hold basic ops only. Output: a function
`void name(i8** buffers, i64* sizes)` in an LLVM module.

Loops marked `lanes` run `width` turns at a time: an expression that depends on such a loop's index
is a vector, all others stay scalars and are spread over the lanes where they meet a vector. The
last, incomplete turn runs under a mask. Expressions are emitted once, in front of the outermost
loop in which they do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.scalars import (
    EMIT,
    Lanes,
    narrow_half,
    register_type,
    widen_half,
)
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    combine_op,
    expressions,
)

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
UNROLLED_FOLDS = 4
_ZERO = ir.Constant(I64, 0)


def memory_type(dtype: DType) -> Any:
    """The LLVM type of one element in memory."""
    if dtype.is_bool:
        return I8
    if dtype.name in ("float16", "bfloat16"):
        return I16
    return register_type(dtype)


def emit_kernel(module: ir.Module, name: str, kernel: Kernel, vector_bytes: int) -> ir.Function:
    """Adds the kernel to the module as a function of that name."""
    kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer().as_pointer(), I64.as_pointer()])
    function = ir.Function(module, kind, name)
    _KernelEmitter(function, kernel, vector_bytes).run()
    return function


@dataclass(slots=True)
class _Scope:
    """Where expressions of one loop depth go, and those that are there already.

    `block` is None while instructions go to the builder's present place.
    """

    block: Any = None
    values: dict[tuple[Expr, bool], Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Vector:
    """The lanes loop that is being emitted."""

    number: int
    base: Any
    width: int
    mask: Any


class _KernelEmitter:
    def __init__(self, function: ir.Function, kernel: Kernel, vector_bytes: int) -> None:
        self.function, self.kernel, self.vector_bytes = function, kernel, vector_bytes
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.scalar = Lanes(self.builder, 1)
        self.indices: dict[int, Any] = {}
        self.depths: dict[int, int] = {}
        self.accumulators: dict[int, Any] = {}
        self.inside = [_Scope()]
        self.before: list[_Scope] = [_Scope()]
        self.vector: _Vector | None = None
        self._depth: dict[Expr, int] = {}
        self._changing: dict[Expr, bool] = {}
        self.local: dict[tuple[Expr, bool], Any] = {}
        self.buffers = [self._pointer(i, p.dtype) for i, p in enumerate(kernel.buffers)]
        self.sizes = [self._size(j) for j in range(kernel.sizes)]

    def run(self) -> None:
        self._statements(self.kernel.body)
        self.builder.ret_void()

    def _pointer(self, number: int, dtype: DType) -> Any:
        b = self.builder
        slot = b.gep(self.function.args[0], [ir.Constant(I64, number)])
        return b.bitcast(b.load(slot), memory_type(dtype).as_pointer())

    def _size(self, number: int) -> Any:
        return self.builder.load(
            self.builder.gep(self.function.args[1], [ir.Constant(I64, number)]))

    # ---- statements -------------------------------------------------------------------------

    def _statements(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            self.local = {}
            if isinstance(statement, Loop):
                self._loop(statement)
            elif isinstance(statement, Fold):
                self._fold(statement)
            elif isinstance(statement, Store):
                self._store(statement)
            else:
                values = [self._spread_if_vector(self.value(e)) for _, e in statement.accumulators]
                self.accumulators.update(
                    (n, v) for (n, _), v in zip(statement.accumulators, values))

    def _spread_if_vector(self, value: Any) -> Any:
        if self.vector is None or isinstance(value.type, ir.VectorType):
            return value
        return Lanes(self.builder, self.vector.width).splat(value)

    def _loop(self, loop: Loop) -> None:
        extent = self.value(loop.extent)
        changed = _changed(loop.body)
        if not loop.lanes or self.vector is not None:
            self._turns(loop.number, _ZERO, extent, 1, changed,
                        lambda index: self._statements(loop.body))
            return
        width = self._width(loop.body)
        known = loop.extent.attr if loop.extent.op == "const" else None
        whole = self._multiple(extent, width) if known is None else ir.Constant(
            I64, known // width * width)
        if known is None or known >= width:
            self._turns(loop.number, _ZERO, whole, width, changed,
                        lambda index: self._in_lanes(loop, index, width, None))
        if known is None:
            left = self.builder.sub(extent, whole)
            with self.builder.if_then(self.builder.icmp_signed(">", left, _ZERO)):
                self._last_turn(loop, whole, width, left)
        elif known % width:
            self._last_turn(loop, whole, width, ir.Constant(I64, known % width))

    def _last_turn(self, loop: Loop, whole: Any, width: int, left: Any) -> None:
        """One masked turn for what is left.

        A single element is known to be one: it needs no vectors. (And LLVM 22 gets a masked store
        wrong whose mask is a constant with one lane: it stores 4 bytes of a narrowed i16.)
        """
        b = self.builder
        self._enter(loop.number, b.block)
        self.indices[loop.number] = whole
        outside = dict(self.accumulators)
        if isinstance(left, ir.Constant) and left.constant == 1:
            self._statements(loop.body)
        else:
            mask = b.icmp_signed("<", _steps(width), Lanes(b, width).splat(left))
            self._in_lanes(loop, whole, width, mask)
        self.accumulators = outside
        self._leave(loop.number)

    def _in_lanes(self, loop: Loop, base: Any, width: int, mask: Any) -> None:
        self.vector = _Vector(loop.number, base, width, mask)
        self._statements(loop.body)
        self.vector = None

    def _multiple(self, extent: Any, of: int) -> Any:
        """The largest multiple of `of` that is not above `extent`."""
        b = self.builder
        return b.mul(b.sdiv(extent, ir.Constant(I64, of)), ir.Constant(I64, of))

    def _width(self, body: tuple[Statement, ...]) -> int:
        sizes = [p.dtype.size for p in self.kernel.buffers] or [4]
        used = [self.kernel.buffers[n].dtype.size for n in _touched(body)] or sizes
        return max(2, self.vector_bytes // max(used))

    def _enter(self, number: int, before: Any) -> None:
        self.depths[number] = len(self.depths) + 1
        self.before.append(_Scope(before))
        self.inside.append(_Scope())
        self._depth = {}

    def _leave(self, number: int) -> None:
        del self.depths[number], self.indices[number]
        self.before.pop()
        self.inside.pop()
        self._depth = {}
        self.local = {}

    def _turns(
        self, number: int, first: Any, end: Any, step: int, changed: Sequence[int],
        turn: Callable[[Any], None],
    ) -> None:
        """A loop from `first` below `end`; its index and what `turn` changes are phi nodes."""
        b = self.builder
        names = [n for n in changed if n in self.accumulators]
        outside = dict(self.accumulators)
        start = [self.accumulators[n] for n in names]
        entry, before = b.block, b.append_basic_block("before")
        inside, after = b.append_basic_block("loop"), b.append_basic_block("after")
        b.cbranch(b.icmp_signed("<", first, end), before, after)
        b.position_at_end(before)
        b.branch(inside)
        b.position_at_end(inside)
        index = b.phi(I64)
        index.add_incoming(first, before)
        for n, value in zip(names, start):
            self.accumulators[n] = b.phi(value.type)
            self.accumulators[n].add_incoming(value, before)
        phis = [self.accumulators[n] for n in names]
        self._enter(number, before)
        self.indices[number] = index
        turn(index)
        self._leave(number)
        following = b.add(index, ir.Constant(I64, step))
        last = b.block
        index.add_incoming(following, last)
        final = [self.accumulators[n] for n in names]
        for phi, value in zip(phis, final):
            phi.add_incoming(value, last)
        b.cbranch(b.icmp_signed("<", following, end), inside, after)
        b.position_at_end(after)
        self.accumulators = outside
        for n, old, new in zip(names, start, final):
            merged = b.phi(old.type)
            merged.add_incoming(old, entry)
            merged.add_incoming(new, last)
            self.accumulators[n] = merged

    def _store(self, store: Store) -> None:
        b = self.builder
        dtype = self.kernel.buffers[store.buffer].dtype
        value = self.value(store.value)
        where = None if store.where is None else self.value(store.where)
        vector = self.vector
        if vector is None or not self._depends(store.offset, vector.number):
            offset = self.value(store.offset)
            with _guarded(b, where):
                pointer = b.gep(self.buffers[store.buffer], [offset])
                if store.combine is not None:
                    old = self._from_memory(self.scalar, b.load(pointer), dtype)
                    value = EMIT[combine_op(store.combine, dtype)](
                        self.scalar, _Typed(dtype), old, value)
                b.store(self._to_memory(self.scalar, value, dtype), pointer)
            return
        if stride(store.offset, vector.number) != 1 or where is not None or store.combine:
            raise ProgramError("kernel: a store in a lanes loop must be contiguous.")
        lanes = Lanes(b, vector.width)
        memory = self._to_memory(lanes, self._spread_if_vector(value), dtype)
        pointer = b.gep(self.buffers[store.buffer], [self.value(store.offset, base=True)])
        self._store_vector(memory, pointer, dtype, vector)

    def _store_vector(self, memory: Any, pointer: Any, dtype: DType, vector: _Vector) -> None:
        b = self.builder
        target = b.bitcast(pointer, memory.type.as_pointer())
        if vector.mask is None:
            b.store(memory, target, align=dtype.size)
            return
        name = f"llvm.masked.store.{_vector_suffix(memory.type)}.p0"
        function = b.module.globals.get(name) or ir.Function(
            b.module, ir.FunctionType(
                ir.VoidType(), [memory.type, target.type, I32, vector.mask.type]), name)
        b.call(function, [memory, target, ir.Constant(I32, dtype.size), vector.mask])

    def _to_memory(self, lanes: Lanes, value: Any, dtype: DType) -> Any:
        if dtype.is_bool:
            return self.builder.zext(value, lanes.type(I8))
        if memory_type(dtype) is I16 and dtype.is_floating:
            return narrow_half(lanes, value, dtype)
        return value

    # ---- folds ------------------------------------------------------------------------------

    def _fold(self, fold: Fold) -> None:
        extent = self.value(fold.extent)
        first = _ZERO
        if fold.lanes and self.vector is None:
            first = self._fold_in_lanes(fold, extent)

        def turn(index: Any) -> None:
            lifted = [self._spread_if_vector(self.value(e)) for e in fold.lifted]
            self._merge_into(fold, fold.into, lifted)

        self._turns(fold.number, first, extent, 1, fold.into, turn)

    def _fold_in_lanes(self, fold: Fold, extent: Any) -> Any:
        """Partial results in several vectors, then lane by lane; gives how far it came."""
        width = self._width((fold,))
        count = len(fold.into)
        start = [Lanes(self.builder, width).splat(self.value(e)) for e in fold.identity]
        groups = [tuple(-1 - k * count - i for i in range(count)) for k in range(UNROLLED_FOLDS)]
        for group in groups:
            self.accumulators.update(zip(group, start))
        blocks = self._multiple(extent, width * UNROLLED_FOLDS)
        self._vector_turns(fold, _ZERO, blocks, width, groups)
        whole = self._multiple(extent, width)
        self._vector_turns(fold, blocks, whole, width, groups[:1])
        for group in groups[1:]:
            with self._lanes_of(width):
                self._merge_into(fold, groups[0], [self.accumulators[n] for n in group])
        total = [self.accumulators[n] for n in groups[0]]
        for lane in range(width):
            one = [self.builder.extract_element(t, ir.Constant(I32, lane)) for t in total]
            self._merge_into(fold, fold.into, one)
        for n in (n for group in groups for n in group):
            del self.accumulators[n]
        return whole

    def _vector_turns(
        self, fold: Fold, first: Any, end: Any, width: int, groups: Sequence[tuple[int, ...]]
    ) -> None:
        """Vectors from `first` to `end`, folded into the groups in turn."""
        def turn(index: Any) -> None:
            for k, group in enumerate(groups):
                base = self.builder.add(index, ir.Constant(I64, k * width)) if k else index
                self.inside[-1].values.clear()
                self.local = {}
                self.indices[fold.number] = base
                self.vector = _Vector(fold.number, base, width, None)
                lifted = [self._spread_if_vector(self.value(e)) for e in fold.lifted]
                self._merge_into(fold, group, lifted)
                self.vector = None

        changed = [n for group in groups for n in group]
        self._turns(fold.number, first, end, width * len(groups), changed, turn)

    @contextmanager
    def _lanes_of(self, width: int) -> Iterator[None]:
        self.vector = _Vector(-1, None, width, None)
        yield
        self.vector = None

    def _merge_into(self, fold: Fold, names: Sequence[int], right: Sequence[Any]) -> None:
        """accumulators `names` = merged(accumulators `names`, `right`)."""
        kept = dict(self.accumulators)
        self.accumulators.update(zip(fold.into, [kept[n] for n in names]))
        self.accumulators.update(zip(fold.right, right))
        self.local = {}
        merged = [self.value(e) for e in fold.merged]
        self.accumulators = kept
        self.accumulators.update(zip(names, merged))
        self.local = {}

    # ---- expressions ------------------------------------------------------------------------

    def value(self, expr: Expr, base: bool = False) -> Any:
        """The LLVM value; `base` asks for that of the first lane instead of a vector."""
        for node in walk(expr):
            self._find(node, base)
        return self._cached(expr, base)

    def _key(self, node: Expr, base: bool) -> tuple[Expr, bool]:
        varies = self.vector is not None and self._depends(node, self.vector.number)
        return node, base and varies

    def _cached(self, node: Expr, base: bool) -> Any:
        key = self._key(node, base)
        if key in self.local:
            return self.local[key]
        for scope in (*self.inside, *self.before):
            if key in scope.values:
                return scope.values[key]
        return None

    def _find(self, node: Expr, base: bool) -> None:
        if self._cached(node, base) is not None:
            return
        key = self._key(node, base)
        if self._holds_accumulator(node):
            self.local[key] = self._make(node, base)
            return
        depth = self._loop_depth(node)
        if depth == len(self.depths):
            self.inside[-1].values[key] = self._make(node, base)
            return
        scope = self.before[depth + 1]
        place = self.builder.block
        self._position_in(scope.block)
        scope.values[key] = self._make(node, base)
        self._position_in(place)

    def _position_in(self, block: Any) -> None:
        """At the end of a block, but before its terminator if it has one."""
        if block.is_terminated:
            self.builder.position_before(block.terminator)
        else:
            self.builder.position_at_end(block)

    def _make(self, node: Expr, base: bool) -> Any:
        vector = self.vector
        varies = vector is not None and not base and (
            self._depends(node, vector.number) or self._is_vector(node))
        lanes = Lanes(self.builder, vector.width if varies and vector else 1)
        if node.op == "const":
            return self._constant(node)
        if node.op == "index":
            return self._index(node, lanes)
        if node.op == "size":
            return self.sizes[node.attr]
        if node.op == "accumulator":
            return self.accumulators[node.attr]
        if node.op == "load":
            return self._load(node, lanes, base)
        operands = [self._cached(a, base) for a in node.args]
        if lanes.count > 1:
            operands = [o if isinstance(o.type, ir.VectorType) else lanes.splat(o)
                        for o in operands]
        if node.op not in EMIT:
            raise ProgramError(f"kernel: {node.op} must be expanded before emission.")
        return EMIT[node.op](lanes, node, *operands)

    def _is_vector(self, node: Expr) -> bool:
        """True if an accumulator that the node holds is a vector."""
        return any(
            n.op == "accumulator" and isinstance(self.accumulators[n.attr].type, ir.VectorType)
            for n in walk(node)) if self._holds_accumulator(node) else False

    def _constant(self, node: Expr) -> Any:
        kind = register_type(node.dtype)
        value = node.attr
        if isinstance(kind, ir.IntType) and node.dtype.is_unsigned and value >= 2 ** (
                kind.width - 1):
            value -= 2 ** kind.width
        return ir.Constant(kind, value)

    def _index(self, node: Expr, lanes: Lanes) -> Any:
        index = self.indices[node.attr]
        if lanes.count > 1:
            return self.builder.add(lanes.splat(index), _steps(lanes.count))
        return index

    def _load(self, node: Expr, lanes: Lanes, base: bool) -> Any:
        b, dtype = self.builder, node.dtype
        pointer = self.buffers[node.attr]
        if lanes.count == 1:
            offset = self._cached(node.args[0], base)
            return self._from_memory(self.scalar, b.load(b.gep(pointer, [offset])), dtype)
        vector = self.vector
        assert vector is not None
        if stride(node.args[0], vector.number) == 1:
            offset = self.value(node.args[0], base=True)
            memory = self._load_vector(b.gep(pointer, [offset]), lanes, dtype, vector)
        else:
            memory = self._gather(pointer, self._cached(node.args[0], False), lanes, dtype, vector)
        return self._from_memory(lanes, memory, dtype)

    def _load_vector(self, pointer: Any, lanes: Lanes, dtype: DType, vector: _Vector) -> Any:
        b = self.builder
        kind = lanes.type(memory_type(dtype))
        source = b.bitcast(pointer, kind.as_pointer())
        if vector.mask is None:
            return b.load(source, align=dtype.size)
        name = f"llvm.masked.load.{_vector_suffix(kind)}.p0"
        function = b.module.globals.get(name) or ir.Function(
            b.module, ir.FunctionType(kind, [source.type, I32, vector.mask.type, kind]), name)
        zero = ir.Constant(kind, None)
        return b.call(function, [source, ir.Constant(I32, dtype.size), vector.mask, zero])

    def _gather(
        self, pointer: Any, offsets: Any, lanes: Lanes, dtype: DType, vector: _Vector
    ) -> Any:
        b = self.builder
        if vector.mask is not None:  # lanes that do not exist read the first element
            offsets = b.select(vector.mask, offsets, ir.Constant(offsets.type, None))
        out: Any = ir.Constant(lanes.type(memory_type(dtype)), ir.Undefined)
        for lane in range(lanes.count):
            at = b.extract_element(offsets, ir.Constant(I32, lane))
            out = b.insert_element(out, b.load(b.gep(pointer, [at])), ir.Constant(I32, lane))
        return out

    def _from_memory(self, lanes: Lanes, memory: Any, dtype: DType) -> Any:
        if dtype.is_bool:
            return self.builder.icmp_unsigned(
                "!=", memory, lanes.constant(I8, 0))
        if memory_type(dtype) is I16 and dtype.is_floating:
            return widen_half(lanes, memory, dtype)
        return memory

    # ---- dependence -------------------------------------------------------------------------

    def _loop_depth(self, expr: Expr) -> int:
        for node in walk(expr):
            if node not in self._depth:
                own = self.depths[node.attr] if node.op == "index" else 0
                self._depth[node] = max((own, *(self._depth[a] for a in node.args)))
        return self._depth[expr]

    def _depends(self, expr: Expr, number: int) -> bool:
        return any(n.op == "index" and n.attr == number for n in walk(expr))

    def _holds_accumulator(self, expr: Expr) -> bool:
        if expr not in self._changing:
            for node in walk(expr):
                self._changing.setdefault(node, node.op == "accumulator" or any(
                    self._changing[a] for a in node.args))
        return self._changing[expr]


class _Typed:
    """What an emitter asks of a node, for a combining store."""

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.args = (self,)


class _guarded:
    """`with _guarded(builder, condition)`: what is emitted inside runs if the condition holds."""

    def __init__(self, builder: ir.IRBuilder, condition: Any) -> None:
        self.block = builder.if_then(condition) if condition is not None else None

    def __enter__(self) -> None:
        if self.block is not None:
            self.block.__enter__()

    def __exit__(self, *exception: Any) -> None:
        if self.block is not None:
            self.block.__exit__(*exception)


def _steps(width: int) -> Any:
    return ir.Constant(ir.VectorType(I64, width), [ir.Constant(I64, i) for i in range(width)])


def _vector_suffix(kind: Any) -> str:
    element = kind.element
    name = f"i{element.width}" if isinstance(element, ir.IntType) else (
        "f32" if isinstance(element, ir.FloatType) else "f64")
    return f"v{kind.count}{name}"


def _touched(body: tuple[Any, ...]) -> set[int]:
    """The buffers that statements load from or store to."""
    found: set[int] = set()
    for statement in body:
        if isinstance(statement, Store):
            found.add(statement.buffer)
        for expr in expressions(statement):
            found.update(n.attr for n in walk(expr) if n.op == "load")
        if isinstance(statement, Loop):
            found |= _touched(statement.body)
    return found


def _changed(body: tuple[Any, ...]) -> list[int]:
    """The accumulators from outside that statements update."""
    found: dict[int, None] = {}
    begun: set[int] = set()
    for statement in body:
        if isinstance(statement, Begin):
            begun.update(n for n, _ in statement.accumulators)
        elif isinstance(statement, Update):
            found.update((n, None) for n, _ in statement.accumulators if n not in begun)
        elif isinstance(statement, Fold):
            found.update((n, None) for n in statement.into if n not in begun)
        elif isinstance(statement, Loop):
            found.update((n, None) for n in _changed(statement.body) if n not in begun)
    return list(found)
