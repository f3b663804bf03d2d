"""Python functions become LLVM IR by Numba's front end, to be linked into kernels.

Input: a Python function and its Numba types. Output: what Numba inferred of it, and its module as
text, with all that it calls. Functions of `math` and NumPy that graphflow has polynomials for are
renamed (`mathematics`), so that they need no library and can be computed in lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphflow.codegen.cpu.mathematics import renamed


@dataclass(frozen=True, slots=True, eq=False)
class NumbaFunction:
    """A function as Numba compiled it, not optimised yet.

    Attributes:
      symbol: of the function in the module, with Numba's calling convention.
      arguments, result: Numba types.
      module: LLVM IR as text.
      function: the Python function.
    """

    symbol: str
    arguments: tuple[Any, ...]
    result: Any
    module: str
    function: Callable[..., Any]


def compile_function(
    function: Callable[..., Any], arguments: tuple[Any, ...], fastmath: Any = False
) -> NumbaFunction:
    """`function` for arguments of these Numba types, in nopython mode, without a runtime.

    Raises numba.core.errors.NumbaError where Numba cannot compile it.
    """
    import numba.core.compiler
    import numba.core.cpu_options
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    compiler: Any = numba.core.compiler  # no annotations
    cpu_options: Any = numba.core.cpu_options
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
    flags.error_model = "numpy"
    if fastmath:
        flags.fastmath = cpu_options.FastMathOptions(fastmath)
    with global_compiler_lock:
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()
        library = _plain_library(cpu_target.target_context.codegen())
        made = compiler.compile_extra(
            cpu_target.typing_context, cpu_target.target_context, function, arguments, None,
            flags, {}, library=library)
        library.finalize()
        return NumbaFunction(
            made.fndesc.mangled_name, arguments, made.signature.return_type,
            renamed(str(library._final_module)), function)


def _plain_library(codegen: Any) -> Any:
    """A Numba code library that gathers modules and does nothing to them."""
    def set_layout(module: Any) -> None:
        module.data_layout = codegen._data_layout

    library = codegen.create_library("function")
    library._optimize_functions = set_layout
    library._optimize_final_module = library._finalize_final_module = lambda: None
    return library
