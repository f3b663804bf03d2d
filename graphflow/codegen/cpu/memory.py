"""Elements in memory and in registers: loads, stores and gathers of scalars and vectors.

bool is a byte in memory and `i1` in registers; float16 and bfloat16 are 16 bits in memory and
float32 in registers. A mask says which lanes exist (None: all); the others load zero and are not
stored.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.conversions import narrow_half, widen_half
from graphflow.codegen.cpu.lanes import Lanes, register_type, suffix
from graphflow.dtypes import DType

I8, I16, I32, I64 = (ir.IntType(n) for n in (8, 16, 32, 64))


def memory_type(dtype: DType) -> Any:
    """The LLVM type of one element in memory."""
    if dtype.is_bool:
        return I8
    if dtype.name in ("float16", "bfloat16"):
        return I16
    return register_type(dtype)


def from_memory(lanes: Lanes, memory: Any, dtype: DType) -> Any:
    """What was loaded, as it stands in registers."""
    if dtype.is_bool:
        return lanes.builder.icmp_unsigned("!=", memory, lanes.constant(I8, 0))
    if memory_type(dtype) is I16 and dtype.is_floating:
        return widen_half(lanes, memory, dtype)
    return memory


def to_memory(lanes: Lanes, value: Any, dtype: DType) -> Any:
    """A value in registers, as it is stored."""
    if dtype.is_bool:
        return lanes.builder.zext(value, lanes.type(I8))
    if memory_type(dtype) is I16 and dtype.is_floating:
        return narrow_half(lanes, value, dtype)
    return value


def load_vector(lanes: Lanes, pointer: Any, dtype: DType, mask: Any) -> Any:
    """Neighbouring elements from `pointer` on."""
    b = lanes.builder
    kind = lanes.type(memory_type(dtype))
    source = b.bitcast(pointer, kind.as_pointer())
    if mask is None:
        return from_memory(lanes, b.load(source, align=dtype.size), dtype)
    name = f"llvm.masked.load.{suffix(kind)}.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(kind, [source.type, I32, mask.type, kind]), name)
    zero = ir.Constant(kind, None)
    made = b.call(function, [source, ir.Constant(I32, dtype.size), mask, zero])
    return from_memory(lanes, made, dtype)


def store_vector(lanes: Lanes, value: Any, pointer: Any, dtype: DType, mask: Any) -> None:
    """Stores neighbouring elements from `pointer` on."""
    b = lanes.builder
    memory = to_memory(lanes, value, dtype)
    target = b.bitcast(pointer, memory.type.as_pointer())
    if mask is None:
        b.store(memory, target, align=dtype.size)
        return
    name = f"llvm.masked.store.{suffix(memory.type)}.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(
            ir.VoidType(), [memory.type, target.type, I32, mask.type]), name)
    b.call(function, [memory, target, ir.Constant(I32, dtype.size), mask])


def load_strided(lanes: Lanes, pointer: Any, step: Any, dtype: DType, mask: Any) -> Any:
    """Elements `step` apart, from `pointer` on; lanes that do not exist read the first one."""
    b = lanes.builder
    out: Any = ir.Constant(lanes.type(memory_type(dtype)), ir.Undefined)
    for lane in range(lanes.count):
        number = ir.Constant(I32, lane)
        away = b.mul(step, ir.Constant(I64, lane))
        if mask is not None:
            away = b.select(b.extract_element(mask, number), away, ir.Constant(I64, 0))
        out = b.insert_element(out, b.load(b.gep(pointer, [away])), number)
    return from_memory(lanes, out, dtype)


def gather(lanes: Lanes, pointer: Any, offsets: Any, dtype: DType, mask: Any) -> Any:
    """One element per lane; lanes that do not exist read the first element of the buffer."""
    b = lanes.builder
    if mask is not None:
        offsets = b.select(mask, offsets, ir.Constant(offsets.type, None))
    out: Any = ir.Constant(lanes.type(memory_type(dtype)), ir.Undefined)
    for lane in range(lanes.count):
        at = b.extract_element(offsets, ir.Constant(I32, lane))
        out = b.insert_element(out, b.load(b.gep(pointer, [at])), ir.Constant(I32, lane))
    return from_memory(lanes, out, dtype)


def prefetch(b: ir.IRBuilder, pointer: Any, write: bool = False) -> None:
    """Asks for the line of memory that a pointer shows, to write it or to read it alone."""
    line = b.bitcast(pointer, I8.as_pointer())
    name = "llvm.prefetch.p0"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(ir.VoidType(), [line.type, I32, I32, I32]), name)
    # Into all caches, of data.
    b.call(function, [line, *(ir.Constant(I32, n) for n in (int(write), 3, 1))])
