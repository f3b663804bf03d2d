"""The native dispatcher: walks a table of kernel calls. Compiled once a process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir

_I8P = ir.IntType(8).as_pointer()
_I64 = ir.IntType(64)


def _emit(module: ir.Module, name: str) -> None:
    """for r in range(n): kernels[r](buffers + buffer_at[r], sizes + size_at[r])."""
    kernel = ir.FunctionType(ir.VoidType(), [_I8P.as_pointer(), _I64.as_pointer()])
    kind = ir.FunctionType(ir.VoidType(), [
        _I64, _I64.as_pointer(), _I64.as_pointer(), _I64.as_pointer(), _I8P.as_pointer(),
        _I64.as_pointer()])
    function = ir.Function(module, kind, name)
    count, kernels, buffer_at, size_at, buffers, sizes = function.args
    entry = function.append_basic_block("entry")
    loop, done = function.append_basic_block("loop"), function.append_basic_block("done")
    b = ir.IRBuilder(entry)
    b.cbranch(b.icmp_signed(">", count, ir.Constant(_I64, 0)), loop, done)
    b.position_at_end(loop)
    row = b.phi(_I64)
    row.add_incoming(ir.Constant(_I64, 0), entry)
    target = b.inttoptr(b.load(b.gep(kernels, [row])), kernel.as_pointer())
    b.call(target, [b.gep(buffers, [b.load(b.gep(buffer_at, [row]))]),
                    b.gep(sizes, [b.load(b.gep(size_at, [row]))])])
    following = b.add(row, ir.Constant(_I64, 1))
    row.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, count), loop, done)
    b.position_at_end(done)
    b.ret_void()


@cache
def dispatcher() -> Callable[..., None]:
    """`run(count, kernels, buffer_at, size_at, buffers, sizes)`, all but the first addresses."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    with global_compiler_lock:
        library: Any = cpu_target.target_context.codegen().create_library("graphflow_dispatch")
        module = library.create_ir_module("dispatch")
        _emit(module, "gf_dispatch")
        library.add_ir_module(module)
        library.finalize()
    _keep.append(library)
    address = library.get_pointer_to_function("gf_dispatch")
    return ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 5)(address)


_keep: list[Any] = []
