"""Conversions between element types, over single values and over vectors alike."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes, register_type, suffix
from graphflow.dtypes import DType


def convert(lanes: Lanes, x: Any, source: DType, target: DType) -> Any:
    """The value in another type: floats clamp into integers, NaN gives 0, integers wrap."""
    b, kind = lanes.builder, lanes.type(register_type(target))
    if source is target:
        return x
    if target.is_bool:
        zero = lanes.constant(register_type(source), 0)
        return (b.fcmp_unordered if source.is_floating else b.icmp_unsigned)("!=", x, zero)
    if source.is_bool:
        return b.uitofp(x, kind) if target.is_floating else b.zext(x, kind)
    if source.is_floating and target.is_floating:
        return _round_to(lanes, _resize_float(lanes, x, kind), target)
    if source.is_floating:
        name = "fptoui.sat" if target.is_unsigned else "fptosi.sat"
        return _saturating(lanes, name, x, kind)
    if target.is_floating:
        made = (b.uitofp if source.is_unsigned else b.sitofp)(x, kind)
        return _round_to(lanes, made, target)
    old, new = register_type(source).width, register_type(target).width
    if new < old:
        return b.trunc(x, kind)
    if new > old:
        return (b.zext if source.is_unsigned else b.sext)(x, kind)
    return x


def _resize_float(lanes: Lanes, x: Any, kind: Any) -> Any:
    if x.type == kind:
        return x
    wide = kind.element if isinstance(kind, ir.VectorType) else kind
    if isinstance(wide, ir.DoubleType):
        return lanes.builder.fpext(x, kind)
    return lanes.builder.fptrunc(x, kind)


def _round_to(lanes: Lanes, x: Any, target: DType) -> Any:
    """A float32 register rounded to what a half type can hold (and kept in float32)."""
    if target.name not in ("float16", "bfloat16"):
        return x
    return widen_half(lanes, narrow_half(lanes, x, target), target)


def _saturating(lanes: Lanes, name: str, x: Any, kind: Any) -> Any:
    module = lanes.builder.module
    full = f"llvm.{name}.{suffix(kind)}.{suffix(x.type)}"
    function = module.globals.get(full)
    if function is None:
        function = ir.Function(module, ir.FunctionType(kind, [x.type]), full)
    return lanes.builder.call(function, [x])


def narrow_half(lanes: Lanes, x: Any, target: DType) -> Any:
    """float32 → the 16 bits of float16 or bfloat16, rounded half to even."""
    kind, known = getattr(x, "half_bits", (None, None))
    if kind is target:  # they were loaded, and nothing was done to them
        return known
    b = lanes.builder
    if target.name == "float16":
        half = b.fptrunc(x, lanes.type(ir.HalfType()))
        return b.bitcast(half, lanes.type(ir.IntType(16)))
    i32 = ir.IntType(32)
    bits = b.bitcast(x, lanes.type(i32))
    odd = b.and_(b.lshr(bits, lanes.constant(i32, 16)), lanes.constant(i32, 1))
    rounded = b.add(bits, b.add(odd, lanes.constant(i32, 0x7FFF)))
    nan = b.fcmp_unordered("uno", x, x)
    quiet = b.or_(bits, lanes.constant(i32, 0x400000))
    chosen = b.lshr(b.select(nan, quiet, rounded), lanes.constant(i32, 16))
    return b.trunc(chosen, lanes.type(ir.IntType(16)))


def widen_half(lanes: Lanes, bits: Any, source: DType) -> Any:
    """The 16 bits of float16 or bfloat16 → float32."""
    b = lanes.builder
    if source.name == "float16":
        made = b.fpext(b.bitcast(bits, lanes.type(ir.HalfType())), lanes.type(ir.FloatType()))
        made.half_bits = source, bits
        return made
    wide = b.shl(b.zext(bits, lanes.type(ir.IntType(32))), lanes.constant(ir.IntType(32), 16))
    made = b.bitcast(wide, lanes.type(ir.FloatType()))
    made.half_bits = source, bits
    return made


def reinterpret(lanes: Lanes, x: Any, source: DType, target: DType) -> Any:
    """The bits of the value as those of another type of that size."""
    if source.name in ("float16", "bfloat16"):
        x = narrow_half(lanes, x, source)
    if target.name in ("float16", "bfloat16"):
        return widen_half(lanes, x, target)
    kind = lanes.type(register_type(target))
    return x if x.type == kind else lanes.builder.bitcast(x, kind)
