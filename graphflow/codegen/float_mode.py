"""The processor's mode for floating-point numbers while a program runs, as LLVM code.

A thread has one (MXCSR of x86-64, FPCR of ARM64): how it rounds, and whether *subnormal* numbers,
those below the smallest normal one, count as zero (`Options(flush_denormals=True)`). A run reads
that of the thread that calls it, changes it if it is to flush, and sets it back whenever it
returns to Python. The other members of a team take the mode of the run that they help with: what
mode they were started in must not matter.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, vol. 1, 10.2.3; Arm
Architecture Reference Manual, FPCR.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
X86 = platform.machine() in ("x86_64", "AMD64")
ARM = platform.machine() in ("aarch64", "arm64")

_FLUSH_RESULTS, _FLUSH_OPERANDS = 1 << 15, 1 << 6  # of MXCSR: FTZ, DAZ
_FLUSH_ALL = 1 << 24                               # of FPCR: FZ
FLUSHING = _FLUSH_RESULTS | _FLUSH_OPERANDS if X86 else _FLUSH_ALL


def read_mode(b: ir.IRBuilder) -> Any:
    """The mode of this thread; 0 on processors whose mode is not known."""
    if X86:
        with b.goto_entry_block():
            slot = b.alloca(I32)
        b.call(_control(b, "llvm.x86.sse.stmxcsr"), [b.bitcast(slot, I8.as_pointer())])
        return b.zext(b.load(slot), I64)
    if ARM:
        return b.asm(ir.FunctionType(I64, []), "mrs $0, fpcr", "=r", [], True)
    return ir.Constant(I64, 0)


def write_mode(b: ir.IRBuilder, mode: Any) -> None:
    """Gives this thread a mode that `read_mode` has read, or one made from that."""
    if X86:
        with b.goto_entry_block():
            slot = b.alloca(I32)
        b.store(b.trunc(mode, I32), slot)
        b.call(_control(b, "llvm.x86.sse.ldmxcsr"), [b.bitcast(slot, I8.as_pointer())])
    elif ARM:
        b.asm(ir.FunctionType(ir.VoidType(), [I64]), "msr fpcr, $0", "r", [mode], True)


def begin_run(b: ir.IRBuilder, flush: Any, kept: Any) -> Any:
    """Sets the mode of a run → that of before.

    flush: the place of 1 if subnormal numbers count as zero. kept: where the run's mode is noted.
    """
    before = read_mode(b)
    flushes = b.icmp_signed("!=", b.load(flush), ir.Constant(I64, 0))
    mode = b.select(flushes, b.or_(before, ir.Constant(I64, FLUSHING)), before)
    b.store(mode, kept)
    with b.if_then(flushes, likely=False):
        write_mode(b, mode)
    return before


def end_run(b: ir.IRBuilder, flush: Any, before: Any) -> None:
    """Sets back what `begin_run` has changed."""
    with b.if_then(b.icmp_signed("!=", b.load(flush), ir.Constant(I64, 0)), likely=False):
        write_mode(b, before)


def _control(b: ir.IRBuilder, name: str) -> Any:
    known = b.module.globals.get(name)
    kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer()])
    return known if known is not None else ir.Function(b.module, kind, name)
