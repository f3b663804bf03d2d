"""Compiled objects need nothing from elsewhere but memory moves."""

from __future__ import annotations

import pytest
from llvmlite import binding

from graphflow.codegen.compile import check_symbols
from graphflow.codegen.objects import undefined_symbols
from graphflow.errors import ProgramError

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
