"""Instructions for the runner of `on_cpu` that NVVM knows as assembly, and votes of a warp.

What the lanes of a warp do together, on tensor cores above all: each lane leaves its words where
the others find them, waits until all lanes have done so, and then computes its own part of the
result, from the fragments as `fragments` describes them. Products are exact, and are summed in
float64 (PTX leaves the order of the sum open). Compare-and-swap is plain: no other thread runs
meanwhile.
"""

from __future__ import annotations

import re

from graphflow.codegen.cuda.fragments import BRAIN, HALF, LDMATRIX, MMA, TF32, Cores
from graphflow.codegen.cuda.machine import CAS

_CALL = re.compile(
    rf'asm sideeffect "({re.escape(MMA)}|{re.escape(LDMATRIX)}|{re.escape(CAS)})([^ ]*) [^"]*", '
    r'"[^"]*"\s*\(')
CAS_NAME = "gf_nvvm.cas"
_FLOATS, _WORDS = "{float, float, float, float}", "{i32, i32, i32, i32}"
_WIDEN = {
    "f16": """
  %odd = and i32 %number, 1
  %down = mul i32 %odd, 16
  %moved = lshr i32 %word, %down
  %bits = and i32 %moved, 65535
  %sign0 = and i32 %bits, 32768
  %sign = shl i32 %sign0, 16
  %rest = and i32 %bits, 32767
  %wide = shl i32 %rest, 13
  %small = bitcast i32 %wide to float
  %scaled = fmul float %small, 0x46F0000000000000
  %finite = bitcast float %scaled to i32
  %special = or i32 %wide, 2139095040
  %high = icmp uge i32 %rest, 31744
  %size = select i1 %high, i32 %special, i32 %finite
  %made = or i32 %size, %sign""",
    "bf16": """
  %odd = and i32 %number, 1
  %down = mul i32 %odd, 16
  %moved = lshr i32 %word, %down
  %made = shl i32 %moved, 16""",
    "tf32": """
  %made = and i32 %word, -8192""",
}


def with_calls(text: str) -> str:
    """LLVM IR with calls of the runner's functions in place of the instructions."""
    used: set[str] = set()

    def call(found: re.Match[str]) -> str:
        name = _name(found[1], found[2])
        used.add(name)
        return f'@"{name}"('

    made = _CALL.sub(call, text)
    lines = [_declaration(name) for name in sorted(used)]
    return "\n".join([made, *lines]) if lines else made


def _name(instruction: str, form: str) -> str:
    if instruction == CAS:
        return CAS_NAME
    if instruction == LDMATRIX:
        return "gf_nvvm.ldmatrix.trans" if ".trans" in form else "gf_nvvm.ldmatrix"
    return "gf_nvvm.mma." + form.split(".")[-2]


def _declaration(name: str) -> str:
    if name == CAS_NAME:
        return f'declare i64 @"{name}"(i64*, i64, i64)'
    if "ldmatrix" in name:
        return f'declare {_WORDS} @"{name}"(i32)'
    return f'declare {_FLOATS} @"{name}"({", ".join(["i32"] * 6 + ["float"] * 4)})'


def assembly_text() -> str:
    """The functions, in LLVM IR that uses `@thread` and `@wait` of the runner."""
    sharing = _SHARING.replace("WORDS", "[2 x [6 x [1024 x i32]]]")
    return "\n".join([sharing, _VOTES, *map(_multiplication, (HALF, BRAIN, TF32)),
                      _fetching("gf_nvvm.ldmatrix", False),
                      _fetching("gf_nvvm.ldmatrix.trans", True)])


def _multiplication(cores: Cores) -> str:
    """`mma.sync` for one type of the factors."""
    half = cores.terms // 2
    each = 4 // cores.size  # terms of one word
    parameters = ", ".join([f"i32 %w{k}" for k in range(6)] + [f"float %s{k}" for k in range(4)])
    body = [f"define internal double @widen.{cores.element}(i32 %word, i32 %number)", "{",
            _WIDEN[cores.element].strip("\n"), "  %value = bitcast i32 %made to float",
            "  %double = fpext float %value to double", "  ret double %double", "}", "",
            f"define {_FLOATS} @gf_nvvm.mma.{cores.element}({parameters})", "{", "entry:",
            "  %row = call i32 @next_row()"]
    body += [f"  call void @leave(i32 %row, i32 {k}, i32 %w{k})" for k in range(6)]
    body += ["  call void @wait(i8 2)", "  %thread = load i32, i32* @thread",
             "  %lane = and i32 %thread, 31", "  %first = sub i32 %thread, %lane",
             "  %g = lshr i32 %lane, 2", "  %t = and i32 %lane, 3", "  %c0 = mul i32 %t, 2",
             "  %c1 = add i32 %c0, 1"]
    body += [f"  %d{k} = fpext float %s{k} to double" for k in range(4)]
    body += ["  br label %loop", "loop:", "  %k = phi i32 [0, %entry], [%next, %loop]"]
    body += [f"  %sum{k} = phi double [%d{k}, %entry], [%more{k}, %loop]" for k in range(4)]
    body += [f"  %half = udiv i32 %k, {half}", f"  %inner = urem i32 %k, {half}",
             f"  %member = udiv i32 %inner, {each}",
             "  %up = mul i32 %g, 4", "  %owner = add i32 %up, %member",
             "  %x = add i32 %first, %owner", "  %low = mul i32 %half, 2",
             "  %high = add i32 %low, 1", "  %other = add i32 %half, 4"]
    for k, word in enumerate(("low", "high")):
        body += [f"  %xw{k} = call i32 @taken(i32 %row, i32 %{word}, i32 %x)",
                 f"  %x{k} = call double @widen.{cores.element}(i32 %xw{k}, i32 %k)"]
    for k in range(2):
        body += [f"  %yu{k} = mul i32 %c{k}, 4", f"  %yo{k} = add i32 %yu{k}, %member",
                 f"  %y{k}t = add i32 %first, %yo{k}",
                 f"  %yw{k} = call i32 @taken(i32 %row, i32 %other, i32 %y{k}t)",
                 f"  %y{k} = call double @widen.{cores.element}(i32 %yw{k}, i32 %k)"]
    for k in range(4):
        body += [f"  %p{k} = fmul double %x{k // 2}, %y{k % 2}",
                 f"  %more{k} = fadd double %sum{k}, %p{k}"]
    body += ["  %next = add i32 %k, 1", f"  %again = icmp ult i32 %next, {cores.terms}",
             "  br i1 %again, label %loop, label %end", "end:"]
    body += [f"  %r{k} = fptrunc double %more{k} to float" for k in range(4)]
    return "\n".join([*body, *_packed(_FLOATS, "float"), "}", ""])


def _fetching(name: str, turned: bool) -> str:
    """`ldmatrix` of four matrices: an address is that of the shared memory, in 32 bits."""
    body = [f"define {_WORDS} @{name}(i32 %address)", "{", "  %row = call i32 @next_row()",
            "  call void @leave(i32 %row, i32 0, i32 %address)", "  call void @wait(i8 2)",
            "  %thread = load i32, i32* @thread", "  %lane = and i32 %thread, 31",
            "  %first = sub i32 %thread, %lane", "  %g = lshr i32 %lane, 2",
            "  %t = and i32 %lane, 3", "  %t0 = mul i32 %t, 2", "  %t1 = add i32 %t0, 1"]
    for k in range(4):
        for e in range(2):
            line, column = (f"%t{e}", "%g") if turned else ("%g", f"%t{e}")
            body += [
                f"  %l{k}{e} = add i32 {line}, {8 * k}",
                f"  %o{k}{e} = add i32 %first, %l{k}{e}",
                f"  %a{k}{e} = call i32 @taken(i32 %row, i32 0, i32 %o{k}{e})",
                f"  %h{k}{e} = call i32 @element(i32 %a{k}{e}, i32 {column})"]
        body += [f"  %u{k} = shl i32 %h{k}1, 16", f"  %r{k} = or i32 %u{k}, %h{k}0"]
    return "\n".join([*body, *_packed(_WORDS, "i32"), "}", ""])


def _packed(kind: str, one: str) -> list[str]:
    lines, before = [], "undef"
    for k in range(4):
        lines.append(f"  %v{k} = insertvalue {kind} {before}, {one} %r{k}, {k}")
        before = f"%v{k}"
    return [*lines, f"  ret {kind} {before}"]


_SHARING = """
@words = internal global [2 x [6 x [1024 x i32]]] zeroinitializer
@turns = internal global [1024 x i32] zeroinitializer

; Two places in turn: who is late still finds what the others left before.
define internal i32 @next_row()
{
  %thread = load volatile i32, i32* @thread
  %p = getelementptr [1024 x i32], [1024 x i32]* @turns, i32 0, i32 %thread
  %row = load i32, i32* %p
  %other = xor i32 %row, 1
  store i32 %other, i32* %p
  ret i32 %row
}

define internal void @leave(i32 %row, i32 %number, i32 %word)
{
  %thread = load volatile i32, i32* @thread
  %p = getelementptr WORDS, WORDS* @words, i32 0, i32 %row, i32 %number, i32 %thread
  store volatile i32 %word, i32* %p
  ret void
}

define internal i32 @taken(i32 %row, i32 %number, i32 %thread)
{
  %p = getelementptr WORDS, WORDS* @words, i32 0, i32 %row, i32 %number, i32 %thread
  %word = load volatile i32, i32* %p
  ret i32 %word
}

define internal i32 @element(i32 %address, i32 %column)
{
  %base = call i64 @word(i64 6)
  %low = trunc i64 %base to i32
  %away = sub i32 %address, %low
  %away64 = zext i32 %away to i64
  %column64 = zext i32 %column to i64
  %twice = mul i64 %column64, 2
  %row = add i64 %base, %away64
  %at = add i64 %row, %twice
  %p = inttoptr i64 %at to i16*
  %value = load i16, i16* %p
  %made = zext i16 %value to i32
  ret i32 %made
}
"""

_VOTES = """
define i32 @gf_nvvm.vote.ballot.sync(i32 %mask, i1 %says)
{
entry:
  %row = call i32 @next_row()
  %wide = zext i1 %says to i32
  call void @leave(i32 %row, i32 0, i32 %wide)
  call void @wait(i8 2)
  %thread = load i32, i32* @thread
  %lane = and i32 %thread, 31
  %first = sub i32 %thread, %lane
  br label %loop
loop:
  %k = phi i32 [0, %entry], [%next, %loop]
  %bits = phi i32 [0, %entry], [%more, %loop]
  %other = add i32 %first, %k
  %one = call i32 @taken(i32 %row, i32 0, i32 %other)
  %moved = shl i32 %one, %k
  %more = or i32 %bits, %moved
  %next = add i32 %k, 1
  %again = icmp ult i32 %next, 32
  br i1 %again, label %loop, label %end
end:
  ret i32 %more
}

define i64 @gf_nvvm.cas(i64* %place, i64 %old, i64 %new)
{
  %found = load i64, i64* %place
  %same = icmp eq i64 %found, %old
  %kept = select i1 %same, i64 %new, i64 %found
  store i64 %kept, i64* %place
  ret i64 %found
}
"""
