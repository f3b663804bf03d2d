"""Kernels from outside: users' functions of arrays, compiled by Numba, without its runtime.

Unlike graphflow's own, they come as loops that LLVM has yet to make vectors of, may call functions
of mathematics, and may turn out to need what kernels do not have: then they are no kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir

from graphflow.codegen.cpu.external import hide, link_mathematics
from graphflow.codegen.cpu.numba_functions import NumbaFunction, compile_function
from graphflow.codegen.link import check_symbols
from graphflow.errors import ProgramError

_I8P = ir.IntType(8).as_pointer()
_I64P = ir.IntType(64).as_pointer()
_ENTRY = [_I8P.as_pointer(), _I64P]
_TEAM = [ir.IntType(64)] * 3  # member, members, mode: one thread alone calls these kernels


def outside_module(codegen: Any, name: str, function: Callable[..., Any]) -> Any:
    """The optimised module of `function(buffers, sizes)`, with the entry `name`.

    The caller holds Numba's compiler lock. Raises ProgramError if the function can raise, or needs
    foreign symbols; NumbaError if Numba cannot compile it.
    """
    from graphflow.kernels.pointers import POINTERS, SIZES

    code = compile_function(function, (POINTERS, SIZES))
    module = _optimised(codegen, code, name, returns_status=True)
    check_symbols(f.name for f in module.functions
                  if f.is_declaration and not f.name.startswith("llvm."))
    returns = [str(i).strip() for block in module.get_function(name).blocks
               for i in block.instructions if i.opcode == "ret"]
    if any(text != "ret i1 false" for text in returns):
        raise ProgramError("it may raise an exception")
    return _optimised(codegen, code, name, returns_status=False)


def _optimised(codegen: Any, code: NumbaFunction, name: str, returns_status: bool) -> Any:
    emitted = codegen._create_empty_module("outside")
    _emit_entry(emitted, name, code.symbol, returns_status)
    module = binding.parse_assembly(str(emitted))
    module.link_in(binding.parse_assembly(code.module))
    link_mathematics(codegen, module)
    module.data_layout = codegen._data_layout
    hide(module, name)
    module.verify()
    passes = codegen._pass_builder(opt=3, loop_vectorize=True, slp_vectorize=True)
    passes.getModulePassManager().run(module, passes)
    return module


def _emit_entry(module: ir.Module, name: str, target: str, returns_status: bool) -> None:
    """Calls Numba's function; gives whether it raised, or nothing."""
    kernel = ir.Function(
        module, ir.FunctionType(ir.IntType(32), [_I8P.as_pointer(), _I8P.as_pointer(), *_ENTRY]),
        target)
    result = ir.IntType(1) if returns_status else ir.VoidType()
    entry = ir.Function(module, ir.FunctionType(result, [*_ENTRY, *_TEAM]), name)
    entry.attributes.add("nounwind")
    b = ir.IRBuilder(entry.append_basic_block("entry"))
    places = [b.alloca(_I8P), b.alloca(_I8P)]
    status = b.call(kernel, [*places, *entry.args[:2]])
    if returns_status:
        b.ret(b.icmp_signed(">", status, ir.Constant(ir.IntType(32), 0)))
    else:
        b.ret_void()
