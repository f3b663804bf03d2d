"""The native dispatcher: binds arrays, then walks a table of kernel calls.

Its one argument is the address of a table of int64 words (`WORDS` names them). Arrays are bound
by the addresses of their Python objects: NumPy's C interface fixes that an array object holds the
pointer to its elements right behind the object header. It is compiled once a process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from graphflow.errors import ProgramError

_I8P = ir.IntType(8).as_pointer()
_I64 = ir.IntType(64)

# bound: how many (object, pointer) pairs of numbers stand at `pairs`; for each, pointers[pointer]
# becomes the address of the elements of the array object objects[object]. count: how many calls
# kernels[r](pointers + buffer_at[r], sizes + size_at[r]) are made after that.
WORDS = ("bound", "pairs", "objects", "pointers", "count", "kernels", "buffer_at", "size_at",
         "sizes")
OBJECT_HEADER = object.__basicsize__


def _emit(module: ir.Module, name: str) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_I64.as_pointer()])
    function = ir.Function(module, kind, name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    words = {word: b.load(b.gep(function.args[0], [ir.Constant(_I64, i)]))
             for i, word in enumerate(WORDS)}
    tables = {word: b.inttoptr(words[word], _I64.as_pointer())
              for word in WORDS if word not in ("bound", "count")}

    def number(word: str, index: Any) -> Any:
        return b.load(b.gep(tables[word], [index]))

    def bind(pair: Any) -> None:
        first = b.mul(pair, ir.Constant(_I64, 2))
        which = number("pairs", first)
        place = number("pairs", b.add(first, ir.Constant(_I64, 1)))
        field = b.add(number("objects", which), ir.Constant(_I64, OBJECT_HEADER))
        elements = b.load(b.inttoptr(field, _I64.as_pointer()))
        b.store(elements, b.gep(tables["pointers"], [place]))

    def call(row: Any) -> None:
        kernel = ir.FunctionType(ir.VoidType(), [_I8P.as_pointer(), _I64.as_pointer()])
        target = b.inttoptr(number("kernels", row), kernel.as_pointer())
        buffers = b.gep(tables["pointers"], [number("buffer_at", row)])
        b.call(target, [b.bitcast(buffers, _I8P.as_pointer()),
                        b.gep(tables["sizes"], [number("size_at", row)])])

    _counted(b, words["bound"], bind)
    _counted(b, words["count"], call)
    b.ret_void()


def _counted(b: ir.IRBuilder, count: Any, turn: Callable[[Any], None]) -> None:
    """for index in range(count): turn(index)."""
    before = b.block
    loop, after = b.append_basic_block("loop"), b.append_basic_block("after")
    b.cbranch(b.icmp_signed(">", count, ir.Constant(_I64, 0)), loop, after)
    b.position_at_end(loop)
    index = b.phi(_I64)
    index.add_incoming(ir.Constant(_I64, 0), before)
    turn(index)
    following = b.add(index, ir.Constant(_I64, 1))
    index.add_incoming(following, b.block)
    b.cbranch(b.icmp_signed("<", following, count), loop, after)
    b.position_at_end(after)


@cache
def dispatcher() -> Callable[[int], None]:
    """`run(address of the words)`. It releases the interpreter lock while it runs."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    _check_layout()
    with global_compiler_lock:
        library: Any = cpu_target.target_context.codegen().create_library("graphflow_dispatch")
        module = library.create_ir_module("dispatch")
        _emit(module, "gf_dispatch")
        library.add_ir_module(module)
        library.finalize()
    _keep.append(library)
    address = library.get_pointer_to_function("gf_dispatch")
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


def _check_layout() -> None:
    """Raises ProgramError if array objects are not laid out as NumPy's C interface says."""
    probe = np.zeros(3)
    found = ctypes.c_void_p.from_address(id(probe) + OBJECT_HEADER).value
    if found != probe.ctypes.data:
        raise ProgramError("This Python keeps NumPy arrays in another layout than CPython; use "
                           "device='reference'.")


_keep: list[Any] = []
