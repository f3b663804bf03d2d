"""Functions of numbers that users bring, in kernels for GPUs.

A kernel declares the function; Numba-CUDA compiles the Python function itself to PTX, under that
name and with C's calling convention, and NVIDIA's linker puts both together. Functions of several
results, of complex numbers or truth values have no form here, and what says whether a function
raises is looked at on the CPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from graphflow.codegen.cpu.calls import call_name
from graphflow.codegen.cpu.numba_functions import NumbaFunction
from graphflow.codegen.cuda.target import CudaTarget
from graphflow.codegen.shares import walk_statements
from graphflow.errors import ProgramError
from graphflow.loop_ir.expr import walk
from graphflow.loop_ir.external import ScalarFunction
from graphflow.loop_ir.nest import Kernel, expressions

_lock = threading.Lock()
_texts: dict[tuple[str, str], str] = {}
_callbacks: dict[str, Any] = {}


def functions_of(kernel: Kernel) -> list[ScalarFunction]:
    """The functions from outside that a kernel calls. Raises ProgramError if one has no form."""
    found: dict[ScalarFunction, None] = {}
    for statement, _ in walk_statements(kernel.body):
        for node in walk(*expressions(statement)):
            if node.op == "call":
                found[node.attr] = None
    for scalar in found:
        _check(scalar)
    return list(found)


def _check(scalar: ScalarFunction) -> None:
    code = scalar.code
    types = (scalar.result, *scalar.inputs)
    if not isinstance(code, NumbaFunction) or scalar.part != 0 or any(
            d.is_bool or d.is_complex or d.size < 4 for d in types):
        raise ProgramError("a function that users bring has no form for GPUs: it has one of "
                           "numbers of 32 or 64 bits, with one result, that raises nothing.")
    names = [str(t) for t in (code.result, *code.arguments)]
    if names != [d.name for d in types]:
        raise ProgramError(f"a function that users bring has no form for GPUs: its types are "
                           f"{names}, not {[d.name for d in types]}.")


def function_ptx(scalar: ScalarFunction, target: CudaTarget) -> str:
    """The function as PTX.

    Raises ProgramError where Numba-CUDA cannot compile it, ImportError without the extra `cuda`.
    """
    import numba.cuda

    cuda: Any = numba.cuda  # no annotations
    code: NumbaFunction = scalar.code
    key = call_name(scalar, 1), target.arch
    with _lock:
        if key not in _texts:
            try:
                text, _ = cuda.compile(
                    code.function, code.result(*code.arguments), device=True, abi="c",
                    abi_info={"abi_name": key[0]}, cc=target.capability, output="ptx")
            except Exception as error:  # what it lacks shows as errors of many kinds
                raise ProgramError(
                    f"Numba-CUDA does not compile {code.function.__qualname__}: {error}"
                ) from error
            _texts[key] = text
        return _texts[key]


def address_on_cpu(scalar: ScalarFunction) -> tuple[str, int]:
    """The function's symbol, and the address of its code for this processor."""
    import numba

    code: NumbaFunction = scalar.code
    name = call_name(scalar, 1)
    with _lock:
        if name not in _callbacks:
            make: Callable[..., Any] = numba.cfunc(code.result(*code.arguments))
            _callbacks[name] = make(code.function)
        return name, int(_callbacks[name].address)
