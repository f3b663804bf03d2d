"""Basic scalar ops as LLVM instructions that NVVM takes: what differs from the CPU's.

NVVM reads the LLVM IR of version 7: it has no `fneg`, no saturating conversions, and knows some
functions under names of its own. `CUDA_EMIT[op](lanes, node, *operands)` as in `cpu/scalars.py`.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.calls import external_function
from graphflow.codegen.cpu.conversions import convert
from graphflow.codegen.cpu.lanes import Lanes, register_type
from graphflow.codegen.cpu.scalars import EMIT
from graphflow.dtypes import DType

MANTISSA = {"float": 24, "double": 53}


def intrinsic(module: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """A function that the compiler knows by name."""
    return module.globals.get(name) or ir.Function(
        module, ir.FunctionType(result, arguments), name)


def _named(name: str) -> Any:
    """An op of floats as `llvm.nvvm.<name>.f` or `.d`."""
    def emit(lanes: Lanes, node: Any, x: Any) -> Any:
        letter = "d" if isinstance(x.type, ir.DoubleType) else "f"
        function = intrinsic(
            lanes.builder.module, f"llvm.nvvm.{name}.{letter}", x.type, [x.type])
        return lanes.builder.call(function, [x])

    return emit


def _abs(lanes: Lanes, node: Any, x: Any) -> Any:
    if node.dtype.is_floating:
        return _named("fabs")(lanes, node, x)
    return EMIT["abs"](lanes, node, x)


def _neg(lanes: Lanes, node: Any, x: Any) -> Any:
    if node.dtype.is_floating:
        return lanes.builder.fsub(ir.Constant(x.type, -0.0), x)
    return EMIT["neg"](lanes, node, x)


def _cast(lanes: Lanes, node: Any, x: Any) -> Any:
    source, target = node.args[0].dtype, node.dtype
    if source.is_floating and target.is_integer:
        return _to_integer(lanes.builder, x, target)
    return convert(lanes, x, source, target)


def _to_integer(b: Any, x: Any, target: DType) -> Any:
    """A float as an integer: towards zero, clamped to the range, NaN gives 0."""
    kind = register_type(target)
    low, high = int(target.min), int(target.max)
    exact = kind.width - (0 if target.is_unsigned else 1) < MANTISSA[str(x.type)]
    above = b.fcmp_ordered(">=", x, ir.Constant(x.type, float(high + 1)))
    if target.is_unsigned:
        fits = b.fcmp_ordered(">", x, ir.Constant(x.type, -1.0))
    elif exact:
        fits = b.fcmp_ordered(">", x, ir.Constant(x.type, float(low - 1)))
    else:
        fits = b.fcmp_ordered(">=", x, ir.Constant(x.type, float(low)))
    inside = b.and_(fits, b.not_(above))
    safe = b.select(inside, x, ir.Constant(x.type, 0.0))
    made = (b.fptoui if target.is_unsigned else b.fptosi)(safe, kind)
    if not target.is_unsigned:
        below = b.and_(b.fcmp_ordered("ord", x, x), b.not_(fits))
        made = b.select(below, ir.Constant(kind, low), made)
    return b.select(above, ir.Constant(kind, -1 if target.is_unsigned else high), made)


def _call(lanes: Lanes, node: Any, *operands: Any) -> Any:
    return lanes.builder.call(external_function(lanes.builder.module, node.attr, 1), operands)


CUDA_EMIT: dict[str, Any] = {
    **EMIT, "abs": _abs, "neg": _neg, "cast": _cast, "call": _call,
    "trunc": _named("trunc"), "rint": _named("round"), "floor": _named("floor"),
    "ceil": _named("ceil")}


def number(lanes: Lanes, node: Any) -> Any:
    """A `const` node."""
    if node.dtype.is_floating and math.isnan(node.attr):
        return ir.Constant(register_type(node.dtype), math.nan)
    return lanes.number(node)
