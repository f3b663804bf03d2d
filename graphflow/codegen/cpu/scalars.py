"""Basic scalar ops as LLVM instructions, over single values and over vectors alike.

`EMIT[op](lanes, node, *operands)` gives the LLVM value; `lanes` holds the IR builder and the
number of lanes of the values at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.calls import external_function
from graphflow.codegen.cpu.conversions import convert, reinterpret
from graphflow.codegen.cpu.lanes import Lanes, register_type
from graphflow.errors import ProgramError

Emitter = Callable[..., Any]
EMIT: dict[str, Emitter] = {}


def _emits(name: str) -> Callable[[Emitter], Emitter]:
    def register(function: Emitter) -> Emitter:
        EMIT[name] = function
        return function

    return register


def _by_kind(name: str, for_float: str, for_int: str) -> None:
    def emit(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
        method = for_float if node.args[0].dtype.is_floating else for_int
        return getattr(lanes.builder, method)(x, y)

    EMIT[name] = emit


_by_kind("add", "fadd", "add")
_by_kind("sub", "fsub", "sub")
_by_kind("mul", "fmul", "mul")


@_emits("div")
def _div(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
    return lanes.builder.fdiv(x, y)


@_emits("neg")
def _neg(lanes: Lanes, node: Any, x: Any) -> Any:
    return lanes.builder.fneg(x) if node.dtype.is_floating else lanes.builder.neg(x)


@_emits("fma")
def _fma(lanes: Lanes, node: Any, x: Any, y: Any, z: Any) -> Any:
    return lanes.call("fma", x.type, x, y, z)


@_emits("abs")
def _abs(lanes: Lanes, node: Any, x: Any) -> Any:
    if node.dtype.is_floating:
        return lanes.call("fabs", x.type, x)
    if node.dtype.is_unsigned:
        return x
    zero = lanes.constant(register_type(node.dtype), 0)
    return lanes.builder.select(
        lanes.builder.icmp_signed("<", x, zero), lanes.builder.neg(x), x)


def _extremum(name: str, ordered: str) -> None:
    def emit(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
        b = lanes.builder
        if node.dtype.is_floating:  # NaN if either is; a tie gives y
            if _is_number(node, 0):
                return b.select(b.fcmp_ordered(ordered, x, y), x, y)
            if _is_number(node, 1):
                return b.select(b.fcmp_unordered(ordered, x, y), x, y)
            first = b.fcmp_ordered(ordered, x, y)
            picked = b.select(first, x, y)
            return b.select(b.fcmp_unordered("uno", x, x), x, picked)
        compare = b.icmp_unsigned if node.dtype.is_unsigned else b.icmp_signed
        return b.select(compare(ordered, x, y), x, y)

    EMIT[name] = emit


def _is_number(node: Any, position: int) -> bool:
    """True if that operand is a constant and not NaN."""
    if len(node.args) != 2 or node.args[position].op != "const":
        return False
    value = node.args[position].attr
    return bool(value == value)


_extremum("min", "<")
_extremum("max", ">")


def _rounding(name: str, intrinsic: str) -> None:
    EMIT[name] = lambda lanes, node, x: lanes.call(intrinsic, x.type, x)


for _name, _intrinsic in (("sqrt", "sqrt"), ("floor", "floor"), ("ceil", "ceil"),
                          ("rint", "roundeven"), ("trunc", "trunc")):
    _rounding(_name, _intrinsic)


def _comparison(name: str, sign: str) -> None:
    def emit(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
        b, dtype = lanes.builder, node.args[0].dtype
        if dtype.is_floating:
            return b.fcmp_unordered(sign, x, y) if sign == "!=" else b.fcmp_ordered(sign, x, y)
        unsigned = dtype.is_unsigned or dtype.is_bool
        return (b.icmp_unsigned if unsigned else b.icmp_signed)(sign, x, y)

    EMIT[name] = emit


for _name, _sign in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"),
                     ("ge", ">=")):
    _comparison(_name, _sign)


def _bits(name: str, method: str) -> None:
    EMIT[name] = lambda lanes, node, x, y: getattr(lanes.builder, method)(x, y)


for _name, _method in (("logical_and", "and_"), ("logical_or", "or_"), ("logical_xor", "xor"),
                       ("bit_and", "and_"), ("bit_or", "or_"), ("bit_xor", "xor")):
    _bits(_name, _method)


@_emits("logical_not")
@_emits("bit_not")
def _not(lanes: Lanes, node: Any, x: Any) -> Any:
    return lanes.builder.not_(x)


def _shift(name: str) -> None:
    def emit(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
        b, kind = lanes.builder, register_type(node.dtype)
        width = kind.width
        past = b.icmp_unsigned(">=", y, lanes.constant(kind, width))
        safe = b.select(past, lanes.constant(kind, 0), y)
        if name == "shl":
            return b.select(past, lanes.constant(kind, 0), b.shl(x, safe))
        if node.dtype.is_unsigned:
            return b.select(past, lanes.constant(kind, 0), b.lshr(x, safe))
        filled = b.ashr(x, lanes.constant(kind, width - 1))
        return b.select(past, filled, b.ashr(x, safe))

    EMIT[name] = emit


_shift("shl")
_shift("shr")


@_emits("mulhi_u32")
def _mulhi(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
    b, wide = lanes.builder, lanes.type(ir.IntType(64))
    product = b.mul(b.zext(x, wide), b.zext(y, wide))
    return b.trunc(b.lshr(product, lanes.constant(ir.IntType(64), 32)),
                   lanes.type(ir.IntType(32)))


@_emits("rarely")
@_emits("select")
def _select(lanes: Lanes, node: Any, condition: Any, x: Any, y: Any) -> Any:
    return lanes.builder.select(condition, x, y)


def _integer_division(name: str) -> None:
    """Divides integers; x / 0 is 0 and INT_MIN / −1 wraps."""
    def emit(lanes: Lanes, node: Any, x: Any, y: Any) -> Any:
        if node.dtype.is_floating:
            raise ProgramError(f"{name} of floats must be expanded before emission.")
        b, kind = lanes.builder, register_type(node.dtype)
        zero, one = lanes.constant(kind, 0), lanes.constant(kind, 1)
        by_zero = b.icmp_signed("==", y, zero)
        if node.dtype.is_unsigned:
            quotient = _quotient(lanes, x, b.select(by_zero, one, y), True)
            result = quotient if name.endswith("div") else b.sub(x, b.mul(quotient, y))
            return b.select(by_zero, zero, result)
        minus = lanes.constant(kind, -1)
        by_minus = b.icmp_signed("==", y, minus)
        safe = b.select(b.or_(by_zero, by_minus), one, y)
        quotient = b.select(by_minus, b.neg(x), _quotient(lanes, x, safe, False))
        remainder = b.sub(x, b.mul(quotient, y))
        if name.startswith("floor") or name == "mod":
            off = b.and_(
                b.icmp_signed("!=", remainder, zero),
                b.icmp_signed("<", b.xor(remainder, y), zero))
            quotient = b.select(off, b.sub(quotient, one), quotient)
            remainder = b.select(off, b.add(remainder, y), remainder)
        return b.select(by_zero, zero, quotient if name.endswith("div") else remainder)

    EMIT[name] = emit


def _quotient(lanes: Lanes, x: Any, y: Any, unsigned: bool) -> Any:
    """x / y towards zero, where y is neither 0 nor −1.

    Processors have no vector division of integers; that of floats gives the same: unless it is
    whole, x / y is further than 1/|y| from a whole number, and the rounding error is less than
    that where numbers have at most 16 bits (float32) or 32 bits (float64).
    """
    b = lanes.builder
    width = x.type.element.width if lanes.count > 1 else 64
    if width > 32:
        return (b.udiv if unsigned else b.sdiv)(x, y)
    wide = lanes.type(ir.FloatType() if width <= 16 else ir.DoubleType())
    to_float = b.uitofp if unsigned else b.sitofp
    ratio = b.fdiv(to_float(x, wide), to_float(y, wide))
    return (b.fptoui if unsigned else b.fptosi)(ratio, x.type)


for _name in ("floordiv", "mod", "truncdiv", "truncmod"):
    _integer_division(_name)


@_emits("cast")
def _cast(lanes: Lanes, node: Any, x: Any) -> Any:
    return convert(lanes, x, node.args[0].dtype, node.dtype)


@_emits("bitcast")
def _bitcast(lanes: Lanes, node: Any, x: Any) -> Any:
    return reinterpret(lanes, x, node.args[0].dtype, node.dtype)


@_emits("call")
def _call(lanes: Lanes, node: Any, *operands: Any) -> Any:
    function = external_function(lanes.builder.module, node.attr, lanes.count)
    return lanes.builder.call(function, operands)


def emits(op: str) -> bool:
    """True for ops that become instructions; the others must be expanded first."""
    return op in EMIT
