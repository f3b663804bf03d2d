"""Basic scalar ops as LLVM instructions, over single values and over vectors alike.

`EMIT[op](lanes, node, *operands)` gives the LLVM value. `Lanes` wraps the IR builder with the
number of lanes of the values at hand. bool is `i1` in registers and a byte in memory; float16 and
bfloat16 are float32 in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from graphflow.dtypes import DType
from graphflow.errors import ProgramError

_TYPES: dict[str, Any] = {
    "bool": ir.IntType(1), "int8": ir.IntType(8), "int16": ir.IntType(16),
    "int32": ir.IntType(32), "int64": ir.IntType(64), "uint8": ir.IntType(8),
    "uint16": ir.IntType(16), "uint32": ir.IntType(32), "uint64": ir.IntType(64),
    "float16": ir.FloatType(), "bfloat16": ir.FloatType(), "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
}


def register_type(dtype: DType) -> Any:
    """The LLVM type of one element in a register."""
    return _TYPES[dtype.name]


class Lanes:
    """An IR builder and the number of lanes (1: plain scalars) of the values it makes."""

    def __init__(self, builder: ir.IRBuilder, count: int) -> None:
        self.builder, self.count = builder, count

    def type(self, scalar: Any) -> Any:
        """`scalar`, or the vector of that many lanes."""
        return ir.VectorType(scalar, self.count) if self.count > 1 else scalar

    def constant(self, scalar: Any, value: Any) -> Any:
        """The same constant in every lane."""
        if self.count == 1:
            return ir.Constant(scalar, value)
        return ir.Constant(self.type(scalar), [ir.Constant(scalar, value)] * self.count)

    def splat(self, value: Any) -> Any:
        """A scalar in every lane."""
        if self.count == 1:
            return value
        kind = self.type(value.type)
        one = self.builder.insert_element(
            ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.count), [0] * self.count)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)

    def call(self, name: str, result: Any, *operands: Any) -> Any:
        """An LLVM intrinsic, overloaded on the type of its result."""
        module = self.builder.module
        suffix = _suffix(result)
        full = f"llvm.{name}.{suffix}"
        function = module.globals.get(full)
        if function is None:
            function = ir.Function(
                module, ir.FunctionType(result, [o.type for o in operands]), full)
        return self.builder.call(function, operands)


def _suffix(kind: Any) -> str:
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_suffix(kind.element)}"
    if isinstance(kind, ir.IntType):
        return f"i{kind.width}"
    return "f32" if isinstance(kind, ir.FloatType) else "f64"


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
            first = b.fcmp_ordered(ordered, x, y)
            picked = b.select(first, x, y)
            return b.select(b.fcmp_unordered("uno", x, x), x, picked)
        compare = b.icmp_unsigned if node.dtype.is_unsigned else b.icmp_signed
        return b.select(compare(ordered, x, y), x, y)

    EMIT[name] = emit


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
    full = f"llvm.{name}.{_suffix(kind)}.{_suffix(x.type)}"
    function = module.globals.get(full)
    if function is None:
        function = ir.Function(module, ir.FunctionType(kind, [x.type]), full)
    return lanes.builder.call(function, [x])


def narrow_half(lanes: Lanes, x: Any, target: DType) -> Any:
    """float32 → the 16 bits of float16 or bfloat16, rounded half to even."""
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
        return b.fpext(b.bitcast(bits, lanes.type(ir.HalfType())), lanes.type(ir.FloatType()))
    wide = b.shl(b.zext(bits, lanes.type(ir.IntType(32))), lanes.constant(ir.IntType(32), 16))
    return b.bitcast(wide, lanes.type(ir.FloatType()))


@_emits("bitcast")
def _bitcast(lanes: Lanes, node: Any, x: Any) -> Any:
    source, target = node.args[0].dtype, node.dtype
    if source.name in ("float16", "bfloat16"):
        x = narrow_half(lanes, x, source)
    if target.name in ("float16", "bfloat16"):
        return widen_half(lanes, x, target)
    kind = lanes.type(register_type(target))
    return x if x.type == kind else lanes.builder.bitcast(x, kind)


def emits(op: str) -> bool:
    """True for ops that become instructions; the others must be expanded first."""
    return op in EMIT
