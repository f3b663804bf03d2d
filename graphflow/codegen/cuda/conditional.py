"""Two small kernels by which graphs of the GPU decide for themselves.

`gf_condition(handle, place, negated, status)` tells a conditional node of a CUDA graph whether the
bool at a place holds, and the status word, if there is one, is 0; `gf_count(place, value)` adds to
an int64. The first one calls CUDA's library for devices (`cudadevrt`), which comes with the
package of the CUDA runtime and is linked in.
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I32, I64
from graphflow.codegen.cuda.compile import MissingCudaError, compile_text, link_ptx
from graphflow.codegen.cuda.machine import mark_kernel, new_module
from graphflow.codegen.cuda.target import CudaTarget

CONDITION, COUNT = "gf_condition", "gf_count"


def conditional_text() -> str:
    """The kernels, in LLVM IR."""
    module = new_module("gf_conditional")
    tell = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [I64, I32]), "cudaGraphSetConditional")
    function = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [I64, I8.as_pointer(), I64, I64.as_pointer()]),
        CONDITION)
    mark_kernel(function)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    handle, place, negated, status = function.args
    holds = b.zext(b.icmp_unsigned("!=", b.load(place), ir.Constant(I8, 0)), I32)
    answer = b.alloca(I32)
    b.store(b.xor(holds, b.trunc(negated, I32)), answer)
    zero = ir.Constant(I64, 0)
    with b.if_then(b.icmp_unsigned("!=", b.ptrtoint(status, I64), zero)):
        good = b.icmp_unsigned("==", b.load(status), zero)
        b.store(b.select(good, b.load(answer), ir.Constant(I32, 0)), answer)
    b.call(tell, [handle, b.load(answer)])
    b.ret_void()
    count = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64]), COUNT)
    mark_kernel(count)
    b = ir.IRBuilder(count.append_basic_block("entry"))
    b.store(b.add(b.load(count.args[0]), count.args[1]), count.args[0])
    b.ret_void()
    return str(module)


@cache
def conditional_cubin(target: CudaTarget) -> bytes:
    """Their machine code. Raises MissingCudaError where compiler or library are missing."""
    text = compile_text(conditional_text(), target)
    return link_ptx([text], target, [_device_library()]).code


def _device_library() -> bytes:
    try:
        from cuda.pathfinder import find_static_lib

        with open(find_static_lib("cudadevrt"), "rb") as file:
            return file.read()
    except Exception as error:  # it is missing in as many ways as there are versions
        raise MissingCudaError(f"CUDA's library for devices is missing: {error}.") from error
