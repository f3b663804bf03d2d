"""Hand-written kernels through Numba's front end, into the code library of all other kernels.

Input: the function of a `LibraryKernel`. Output: LLVM functions in a Numba code library: the one
that Numba makes of the Python function, and an entry with the dispatcher's calling convention.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.library import LibraryKernel
from graphflow.kernels import kernel_function

_I8PP = ir.IntType(8).as_pointer().as_pointer()
_I64P = ir.IntType(64).as_pointer()


def add_library_kernel(library: Any, name: str, kernel: LibraryKernel) -> None:
    """Adds the functions of `kernel` to a Numba code library; its entry is called `name`.

    The caller holds Numba's compiler lock and finalizes the library.
    """
    import numba.core.compiler
    from numba.core import types
    from numba.core.registry import cpu_target

    from graphflow.kernels.pointers import POINTERS, SIZES

    compiler: Any = numba.core.compiler  # no annotations
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
    flags.error_model = "numpy"
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    lowered = compiler.compile_extra(
        cpu_target.typing_context, cpu_target.target_context,
        kernel_function(kernel.name, kernel.dtypes), (POINTERS, SIZES), types.void, flags, {},
        library=library)
    module = library.create_ir_module(f"{name}_entry")
    _emit_entry(module, name, lowered.fndesc.mangled_name)
    library.add_ir_module(module)


def _emit_entry(module: ir.Module, name: str, target: str) -> None:
    """Calls Numba's function, whose convention has places for a result and for an exception.

    Kernels give no result and raise nothing, so nobody looks at either.
    """
    nowhere = ir.IntType(8).as_pointer()
    convention = ir.FunctionType(
        ir.IntType(32), [nowhere.as_pointer(), nowhere.as_pointer(), _I8PP, _I64P])
    kernel = ir.Function(module, convention, target)
    own = ir.IntType(64)  # member, members, mode: these kernels are called by one thread only
    entry = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [_I8PP, _I64P, own, own, own]), name)
    entry.attributes.add("nounwind")
    b = ir.IRBuilder(entry.append_basic_block("entry"))
    result, exception = b.alloca(nowhere), b.alloca(nowhere)
    b.call(kernel, [result, exception, *entry.args[:2]])
    b.ret_void()
