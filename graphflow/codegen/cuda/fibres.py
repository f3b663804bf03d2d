"""The runner of `on_cpu`, in LLVM IR: threads of a block as fibres.

A fibre has a stack of its own. `@switch` keeps what a function must keep on the stack, stores
where the stack ends, and goes on where another one ended. `first_stack` says what stands at the
end of the stack of a fibre that has not run yet. `gf_turn` lets each fibre run that may, until it
waits; `gf_plain` runs threads that never wait, one after the other.

Words of the setting: block, blocks, threads, backwards?, the address of the states (a byte for
each thread), the address of where the stacks end (a word for each thread, and one for the runner),
that of shared memory.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from graphflow.codegen.cuda.assembly_on_cpu import assembly_text
from graphflow.errors import ProgramError


@dataclass(frozen=True, slots=True)
class Switch:
    """How a processor changes from one stack to another.

    Attributes:
      code: the instructions of a function (address of where to keep the end, end of the other).
      words: how many words stand at the end of a stack that is not in use.
      entry: which of them, counted from the top of the stack, is the address to go on at.
    """

    code: str
    words: int
    entry: int


_X86 = Switch(
    "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15; "
    "movq %rsp, (%rdi); movq %rsi, %rsp; "
    "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; retq", 8, 2)
_PAIRS = [("x19", "x20"), ("x21", "x22"), ("x23", "x24"), ("x25", "x26"), ("x27", "x28"),
          ("x29", "x30"), ("d8", "d9"), ("d10", "d11"), ("d12", "d13"), ("d14", "d15")]
_ARM = Switch(
    "sub sp, sp, #160; " + " ".join(
        f"stp {x}, {y}, [sp, #{16 * k}];" for k, (x, y) in enumerate(_PAIRS))
    + " mov x2, sp; str x2, [x0]; mov sp, x1; " + " ".join(
        f"ldp {x}, {y}, [sp, #{16 * k}];" for k, (x, y) in enumerate(_PAIRS))
    + " add sp, sp, #160; ret", 20, 9)


def switch() -> Switch:
    """This processor's. Raises ProgramError for others than x86-64 and ARM64."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return _X86
    if machine in ("aarch64", "arm64"):
        return _ARM
    raise ProgramError(f"CUDA kernels run on CPUs of the kinds x86-64 and ARM64, not {machine}.")


def runner_text() -> str:
    """The runner for this processor."""
    separated = switch().code.replace("; ", "\\0A ").replace("$", "$$")
    return _RUNNER.replace("SWITCH", separated) + assembly_text()


_RUNNER = """
@code = internal global void (i64*)* null
@arguments = internal global i64* null
@setting = internal global [7 x i64] zeroinitializer
@thread = internal global i32 0
@slots = internal global [2 x [1024 x i32]] zeroinitializer
@parity = internal global [1024 x i32] zeroinitializer

define internal void @switch(i64* %keep, i64 %other) naked noinline
{
  call void asm sideeffect "SWITCH", "~{memory}"()
  unreachable
}

define internal i64 @word(i64 %k)
{
  %p = getelementptr [7 x i64], [7 x i64]* @setting, i64 0, i64 %k
  %v = load volatile i64, i64* %p
  ret i64 %v
}

define i32 @gf_nvvm.read.ptx.sreg.tid.x()
{
  %v = load volatile i32, i32* @thread
  ret i32 %v
}

define i32 @gf_nvvm.read.ptx.sreg.ctaid.x()
{
  %v = call i64 @word(i64 0)
  %n = trunc i64 %v to i32
  ret i32 %n
}

define i32 @gf_nvvm.read.ptx.sreg.nctaid.x()
{
  %v = call i64 @word(i64 1)
  %n = trunc i64 %v to i32
  ret i32 %n
}

define i32 @gf_nvvm.read.ptx.sreg.ntid.x()
{
  %v = call i64 @word(i64 2)
  %n = trunc i64 %v to i32
  ret i32 %n
}

; Where the stack of a thread ends; the runner has the number of threads that there can be.
define internal i64* @end(i32 %thread)
{
  %start = call i64 @word(i64 5)
  %n = zext i32 %thread to i64
  %away = mul i64 %n, 8
  %at = add i64 %start, %away
  %p = inttoptr i64 %at to i64*
  ret i64* %p
}

define internal void @go(i32 %from, i32 %to) noinline
{
  %keep = call i64* @end(i32 %from)
  %there = call i64* @end(i32 %to)
  %other = load volatile i64, i64* %there
  call void @switch(i64* %keep, i64 %other)
  ret void
}

define internal i8* @state(i32 %thread)
{
  %start = call i64 @word(i64 4)
  %n = zext i32 %thread to i64
  %at = add i64 %start, %n
  %p = inttoptr i64 %at to i8*
  ret i8* %p
}

define internal void @wait(i8 %why)
{
  %thread = load volatile i32, i32* @thread
  %state = call i8* @state(i32 %thread)
  store volatile i8 %why, i8* %state
  call void @go(i32 %thread, i32 1024)
  ret void
}

define void @gf_nvvm.barrier0()
{
  call void @wait(i8 1)
  ret void
}

define i32 @gf_nvvm.shfl.sync.down.i32(i32 %mask, i32 %value, i32 %distance, i32 %limit)
{
  %thread = load i32, i32* @thread
  %n = zext i32 %thread to i64
  %which = getelementptr [1024 x i32], [1024 x i32]* @parity, i64 0, i64 %n
  %side = load i32, i32* %which
  %other = xor i32 %side, 1
  store i32 %other, i32* %which
  %row = zext i32 %side to i64
  %own = getelementptr [2 x [1024 x i32]], [2 x [1024 x i32]]* @slots, i64 0, i64 %row, i64 %n
  store i32 %value, i32* %own
  call void @wait(i8 2)
  %lane = and i32 %thread, 31
  %behind = add i32 %lane, %distance
  %there = icmp ule i32 %behind, 31
  %far = add i32 %thread, %distance
  %source = select i1 %there, i32 %far, i32 %thread
  %m = zext i32 %source to i64
  %from = getelementptr [2 x [1024 x i32]], [2 x [1024 x i32]]* @slots, i64 0, i64 %row, i64 %m
  %found = load i32, i32* %from
  ret i32 %found
}

define void @gf_fibre() noinline
{
  %code = load void (i64*)*, void (i64*)** @code
  %arguments = load i64*, i64** @arguments
  call void %code(i64* %arguments)
  call void @wait(i8 3)
  ret void
}

define void @gf_prepare(void (i64*)* %code, i64* %arguments, [7 x i64]* %setting)
{
  store void (i64*)* %code, void (i64*)** @code
  store i64* %arguments, i64** @arguments
  %words = load [7 x i64], [7 x i64]* %setting
  store [7 x i64] %words, [7 x i64]* @setting
  ret void
}

define internal i32 @turn_of(i32 %k, i32 %n)
{
  %order = call i64 @word(i64 3)
  %backwards = icmp ne i64 %order, 0
  %last = sub i32 %n, 1
  %mirrored = sub i32 %last, %k
  %t = select i1 %backwards, i32 %mirrored, i32 %k
  ret i32 %t
}

define void @gf_turn(i32 %n)
{
entry:
  br label %loop
loop:
  %k = phi i32 [0, %entry], [%next, %after]
  %t = call i32 @turn_of(i32 %k, i32 %n)
  %state = call i8* @state(i32 %t)
  %now = load volatile i8, i8* %state
  %may = icmp eq i8 %now, 0
  br i1 %may, label %go, label %after
go:
  store i32 %t, i32* @thread
  call void @go(i32 1024, i32 %t)
  br label %after
after:
  %next = add i32 %k, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}

define void @gf_plain(void (i64*)* %code, i64* %arguments, i32 %blocks, i32 %n, i32 %backwards)
{
entry:
  %p0 = getelementptr [7 x i64], [7 x i64]* @setting, i64 0, i64 0
  %p1 = getelementptr [7 x i64], [7 x i64]* @setting, i64 0, i64 1
  %p2 = getelementptr [7 x i64], [7 x i64]* @setting, i64 0, i64 2
  %p3 = getelementptr [7 x i64], [7 x i64]* @setting, i64 0, i64 3
  %w1 = zext i32 %blocks to i64
  %w2 = zext i32 %n to i64
  %w3 = zext i32 %backwards to i64
  store i64 %w1, i64* %p1
  store i64 %w2, i64* %p2
  store i64 %w3, i64* %p3
  br label %block
block:
  %c = phi i32 [0, %entry], [%following, %done]
  %here = call i32 @turn_of(i32 %c, i32 %blocks)
  %w0 = zext i32 %here to i64
  store i64 %w0, i64* %p0
  br label %loop
loop:
  %k = phi i32 [0, %block], [%next, %loop]
  %t = call i32 @turn_of(i32 %k, i32 %n)
  store i32 %t, i32* @thread
  call void %code(i64* %arguments)
  %next = add i32 %k, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %loop, label %done
done:
  %following = add i32 %c, 1
  %others = icmp ult i32 %following, %blocks
  br i1 %others, label %block, label %end
end:
  ret void
}
"""
