"""Order keys, in LLVM IR: unsigned integers that sort as the values do.

−0 equals 0, and all NaNs are equal and larger than everything else. So one kernel serves every
element type, on every device.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.dtypes import DType

# The bits of +∞: what is larger without its sign is no number.
_INFINITIES = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000,
               "float64": 0x7FF0000000000000}
GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio: Knuth, TAOCP 3, 6.4


def order_key(b: ir.IRBuilder, x: Any, dtype: DType, bits: ir.IntType) -> Any:
    """The key of an element of a real type or bool; x: its `bits`."""
    sign = ir.Constant(bits, 1 << (bits.width - 1))
    if not dtype.is_floating:
        return b.xor(x, sign) if dtype.is_integer and not dtype.is_unsigned else x
    x = b.select(b.icmp_unsigned("==", x, sign), ir.Constant(bits, 0), x)
    negative = b.ashr(x, ir.Constant(bits, bits.width - 1))
    ordered = b.xor(x, b.or_(negative, sign))
    return b.select(is_nan(b, x, dtype, bits), ir.Constant(bits, -1), ordered)


def is_nan(b: ir.IRBuilder, x: Any, dtype: DType, bits: ir.IntType) -> Any:
    """Whether the element with these bits, of a floating type, is no number."""
    size = b.and_(x, ir.Constant(bits, (1 << (bits.width - 1)) - 1))
    return b.icmp_unsigned(">", size, ir.Constant(bits, _INFINITIES[dtype.name]))


def hash_slot(b: ir.IRBuilder, word: Any, capacity: Any) -> Any:
    """Where a key (64 bits) belongs in a hash table, in [0, capacity).

    The upper half of key · golden ratio, as a fraction of the capacity; capacity < 2³².
    """
    wide = ir.IntType(64)
    mixed = b.mul(b.xor(word, b.lshr(word, ir.Constant(wide, 32))), ir.Constant(wide, GOLDEN))
    fraction = b.lshr(mixed, ir.Constant(wide, 32))
    return b.lshr(b.mul(fraction, capacity), ir.Constant(wide, 32))
