"""Compiled objects need nothing from elsewhere but memory moves."""

from __future__ import annotations

import pytest
from kernels import ARITY, basic_ops, element, elementwise
from llvmlite import binding, ir

from graphflow.codegen.cpu.emit import emit_kernel
from graphflow.codegen.link import check_symbols
from graphflow.codegen.objects import undefined_symbols
from graphflow.errors import ProgramError
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import build
from graphflow.loop_ir.nest import Kernel
from graphflow.loop_ir.scalar_ops import STORED

SOURCE = """
declare float @expf(float)
declare void @a_name_longer_than_eight_letters()
define float @own(float %x) {
  call void @a_name_longer_than_eight_letters()
  %y = call float @expf(float %x)
  ret float %y
}
define float @other(float %x) {
  %y = call float @own(float %x)
  ret float %y
}
"""


def compiled_for(triple: str, source: str) -> bytes:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    module = binding.parse_assembly(source)
    module.triple = triple
    target = binding.Target.from_triple(triple)
    return target.create_target_machine().emit_object(module)


@pytest.mark.parametrize("triple", [
    "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin",
    "arm64-apple-darwin", "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"])
def test_undefined_symbols_of_every_object_format(triple: str) -> None:
    try:
        made = compiled_for(triple, SOURCE)
    except RuntimeError as error:  # this LLVM was built for fewer processors
        pytest.skip(str(error))
    found = undefined_symbols(made) - {"_fltused"}  # MSVC's mark of floating-point code
    assert found == {"expf", "a_name_longer_than_eight_letters"}


def test_an_object_without_needs() -> None:
    source = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n"
    assert undefined_symbols(compiled_for("x86_64-unknown-linux-gnu", source)) == set()


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ProgramError, match="unknown kind"):
        undefined_symbols(b"not an object, but long enough to be one")


def test_foreign_symbols_are_refused() -> None:
    check_symbols({"memcpy", "memset", "memmove"})
    with pytest.raises(ProgramError, match="expf, fmaf"):
        check_symbols(["fmaf", "memcpy", "expf"])


# ---- kernels for other processors ---------------------------------------------------------------


def every_basic_op() -> list[Kernel]:
    """Kernels that hold all basic ops of each dtype, and strided loads."""
    kernels = []
    for dtype in STORED:
        x, y = element(0, dtype), element(1, dtype)
        made = [b.cast(x, t) for t in STORED if t is not dtype]
        for name in basic_ops(dtype):
            operands = (b.eq(x, y), x, y) if name == "select" else (x, y, x)[:ARITY.get(name, 2)]
            made.append(build(name, *operands))
        kernels.append(elementwise((dtype, dtype), made))
        kernels.append(elementwise((dtype,), [element(0, dtype, b.index(0) * 3)]))
    return kernels


PROCESSORS = [("x86_64-unknown-linux-gnu", "haswell", 32),
              ("x86_64-unknown-linux-gnu", "skylake-avx512", 64),
              ("aarch64-unknown-linux-gnu", "cortex-a76", 16),
              ("arm64-apple-darwin", "apple-m1", 16)]


@pytest.mark.parametrize(("triple", "processor", "width"), PROCESSORS,
                         ids=[p for _, p, _ in PROCESSORS])
def test_kernels_need_no_library_on_any_processor(
    triple: str, processor: str, width: int
) -> None:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        target = binding.Target.from_triple(triple)
    except RuntimeError as error:
        pytest.skip(str(error))
    module = ir.Module("kernels")
    for number, kernel in enumerate(every_basic_op()):
        emit_kernel(module, f"kernel_{number}", kernel, width)
    parsed = binding.parse_assembly(str(module))
    parsed.triple = triple
    machine = target.create_target_machine(cpu=processor, opt=1)
    check_symbols(undefined_symbols(machine.emit_object(parsed)))
