"""Loops that reach what this machine can do at most: fused multiply-adds, and copies.

Input: a module to write to. Output: functions that `profiling/peaks.py` times.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.processor import vector_bytes

# Sums that do not wait for each other: two units times a latency of four to five cycles, and more.
CHAINS = 12
_I64 = ir.IntType(64)
_I8P = ir.IntType(8).as_pointer()


def emit_multiply_adds(module: ir.Module, name: str, kind: ir.Type) -> None:
    """`name(turns)`: a turn is `CHAINS` fused multiply-adds of vectors; returns one element."""
    bits = 32 if isinstance(kind, ir.FloatType) else 64
    vector = ir.VectorType(kind, 8 * vector_bytes() // bits)
    function = ir.Function(module, ir.FunctionType(kind, [_I64]), name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    fma = ir.Function(module, ir.FunctionType(vector, [vector] * 3),
                      f"llvm.fma.v{vector.count}f{bits}")
    factor, step = (ir.Constant(vector, [value] * vector.count) for value in (0.5, 1.0))
    starts = [ir.Constant(vector, [float(k)] * vector.count) for k in range(CHAINS)]

    def turn(sums: list[Any]) -> list[Any]:
        return [b.call(fma, [value, factor, step]) for value in sums]

    ends = _counted(b, function.args[0], starts, turn)
    total = ends[0]
    for value in ends[1:]:
        total = b.fadd(total, value)
    b.ret(b.extract_element(total, ir.Constant(ir.IntType(32), 0)))


def emit_copies(module: ir.Module, name: str) -> None:
    """`name(to, from, bytes, turns)`: a turn copies that many bytes."""
    kind = ir.FunctionType(ir.VoidType(), [_I8P, _I8P, _I64, _I64])
    function = ir.Function(module, kind, name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    target, source, size, turns = function.args
    move = module.declare_intrinsic("llvm.memcpy", [_I8P, _I8P, _I64])

    def turn(_: list[Any]) -> list[Any]:
        b.call(move, [target, source, size, ir.Constant(ir.IntType(1), 0)])
        return []

    _counted(b, turns, [], turn)
    b.ret_void()


def _counted(b: ir.IRBuilder, turns: Any, starts: list[Any], turn: Any) -> list[Any]:
    """A loop of `turns` turns, at least one, that carries values."""
    before, loop = b.block, b.function.append_basic_block("loop")
    after = b.function.append_basic_block("after")
    b.branch(loop)
    b.position_at_end(loop)
    count = b.phi(_I64)
    carried = [b.phi(value.type) for value in starts]
    ends = turn(carried)
    following = b.add(count, ir.Constant(_I64, 1))
    for phi, start, end in zip([count, *carried], [ir.Constant(_I64, 0), *starts],
                               [following, *ends]):
        phi.add_incoming(start, before)
        phi.add_incoming(end, b.block)
    b.cbranch(b.icmp_signed("<", following, turns), loop, after)
    b.position_at_end(after)
    return ends
