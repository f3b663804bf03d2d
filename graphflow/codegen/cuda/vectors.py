"""Elementwise work, 16 bytes at a time.

Where all pointers are aligned, a thread loads some neighbouring elements of each buffer at once,
computes one after the other, and stores them at once. At the end of the loop, and where a pointer
is not aligned, it takes them one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import I64, from_memory, memory_type, to_memory
from graphflow.codegen.cpu.turns import emit_turns
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Loop, Store, expressions

if TYPE_CHECKING:
    from graphflow.codegen.cuda.emit import KernelEmitter


def emit_vectors(emitter: KernelEmitter, thread: Any, extent: Any) -> None:
    """The elements of thread number `thread`, of `extent` in all."""
    values, b, width = emitter.values, emitter.values.builder, emitter.plan.vector
    (loop,) = emitter.plan.grid
    first = b.mul(thread, ir.Constant(I64, width))
    end = b.add(first, ir.Constant(I64, width))
    (outer,) = emitter.kernel.body
    assert isinstance(outer, Loop)
    stores = [s for s in outer.body if isinstance(s, Store)]
    whole = b.and_(b.icmp_signed("<=", end, extent), _aligned(emitter, stores, loop.number))
    with b.if_else(whole) as (together, one_by_one):
        with together:
            _together(emitter, stores, loop.number, first)
        with one_by_one:
            last = b.select(b.icmp_signed("<", end, extent), end, extent)
            emit_turns(values, loop.number, first, last, 1, [],
                       lambda index: emitter.statements(outer.body))


def _moving(stores: list[Store], number: int) -> list[Expr]:
    """The loads of neighbouring elements."""
    found = {n: None for s in stores for n in walk(*expressions(s))
             if n.op == "load" and n.args[0].op == "index" and n.args[0].attr == number}
    return list(found)


def _aligned(emitter: KernelEmitter, stores: list[Store], number: int) -> Any:
    """True if all pointers are those of whole vectors."""
    values, b = emitter.values, emitter.values.builder
    buffers = {s.buffer for s in stores} | {n.attr for n in _moving(stores, number)}
    bits: Any = ir.Constant(I64, 0)
    for k in sorted(buffers):
        room = emitter.kernel.buffers[k].dtype.size * emitter.plan.vector - 1
        address = b.ptrtoint(values.buffers[k], I64)
        bits = b.or_(bits, b.and_(address, ir.Constant(I64, room)))
    return b.icmp_unsigned("==", bits, ir.Constant(I64, 0))


def _together(emitter: KernelEmitter, stores: list[Store], number: int, first: Any) -> None:
    values, b, width = emitter.values, emitter.values.builder, emitter.plan.vector
    loads = _moving(stores, number)
    loaded = {n: b.load(_vector_pointer(emitter, n.attr, first),
                        align=n.dtype.size * width) for n in loads}
    made: dict[int, Any] = {}
    for lane in range(width):
        place = ir.Constant(ir.IntType(32), lane)
        index = b.add(first, ir.Constant(I64, lane)) if lane else first
        values.given = {n: from_memory(Lanes(b, 1), b.extract_element(v, place), n.dtype)
                        for n, v in loaded.items()}
        values.bind(number, index)
        for k, store in enumerate(stores):
            dtype = emitter.kernel.buffers[store.buffer].dtype
            one = to_memory(Lanes(b, 1), values.value(store.value), dtype)
            vector = made.get(k, ir.Constant(
                ir.VectorType(memory_type(dtype), width), ir.Undefined))
            made[k] = b.insert_element(vector, one, place)
        values.leave(number)
        values.given = {}
    for k, store in enumerate(stores):
        b.store(made[k], _vector_pointer(emitter, store.buffer, first),
                align=emitter.kernel.buffers[store.buffer].dtype.size * width)


def _vector_pointer(emitter: KernelEmitter, buffer: int, first: Any) -> Any:
    values, b = emitter.values, emitter.values.builder
    kind = memory_type(emitter.kernel.buffers[buffer].dtype)
    return b.bitcast(b.gep(values.buffers[buffer], [first]),
                     ir.VectorType(kind, emitter.plan.vector).as_pointer())
