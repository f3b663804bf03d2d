"""What kernels need of pointers, as Numba intrinsics: typed buffers, order keys, digits, hashes.

Elements are moved as unsigned integers of their size. What is compared is an element's *order
key*, an unsigned integer whose order is that of the values: −0 equals 0, and all NaNs are equal
and larger than everything else. So one kernel serves every element type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba.core.types
import numba.extending
from llvmlite import ir

from graphflow.dtypes import DType
from graphflow.kernels.order_keys import hash_slot, order_key
from graphflow.kernels.order_keys import is_nan as is_nan_bits

types: Any = numba.core.types  # no annotations
intrinsic: Callable[[Callable[..., Any]], Any] = numba.extending.intrinsic

BITS = {1: types.uint8, 2: types.uint16, 4: types.uint32, 8: types.uint64}
INTEGERS = {4: types.int32, 8: types.int64}
POINTERS = types.CPointer(types.CPointer(types.uint8))
SIZES = types.CPointer(types.int64)


@intrinsic
def elements(_: Any, buffers: Any, number: Any, kind: Any) -> Any:
    """`elements(buffers, number, kind)`: a buffer as a pointer to elements of a Numba type."""
    pointer = types.CPointer(kind.dtype)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        address = b.load(b.gep(args[0], [args[1]]))
        return b.bitcast(address, context.get_value_type(pointer))

    return pointer(buffers, types.int64, kind), emit


def key_type(dtype: DType) -> Any:
    """The Numba type that keys of a type are kept in: uint32, or uint64 for 8-byte types."""
    return types.uint64 if dtype.size == 8 else types.uint32


@cache
def key_loader(dtype: DType) -> Any:
    """`key(pointer, index)`: the order key of an element of `dtype`, a real type or bool."""
    bits, kind = ir.IntType(8 * dtype.size), key_type(dtype)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x = b.load(b.gep(args[0], [args[1]]))
        key = order_key(b, x, dtype, bits)
        wide = context.get_value_type(kind)
        return key if wide.width == bits.width else b.zext(key, wide)

    @intrinsic
    def key(_: Any, pointer: Any, index: Any) -> Any:
        return kind(pointer, types.int64), emit

    return key


@cache
def nan_test(dtype: DType) -> Any:
    """`is_nan(pointer, index)`: whether an element of `dtype` is no number, as int64 0 or 1."""
    bits = ir.IntType(8 * dtype.size)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if not dtype.is_floating:
            return ir.Constant(ir.IntType(64), 0)
        x = b.load(b.gep(args[0], [args[1]]))
        return b.zext(is_nan_bits(b, x, dtype, bits), ir.IntType(64))

    @intrinsic
    def is_nan(_: Any, pointer: Any, index: Any) -> Any:
        return types.int64(pointer, types.int64), emit

    return is_nan


@cache
def truth_test(dtype: DType) -> Any:
    """`is_true(pointer, index)`: whether an element of `dtype` is not zero, as int64 0 or 1.

    The pointer is one to the parts of the elements where these are complex.
    """
    part = dtype.real_dtype
    bits = ir.IntType(8 * part.size)
    mask = (1 << (bits.width - 1)) - 1 if part.is_floating else -1

    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if dtype.is_complex:
            real = b.mul(args[1], ir.Constant(ir.IntType(64), 2))
            imaginary = b.add(real, ir.Constant(ir.IntType(64), 1))
            x = b.or_(b.load(b.gep(args[0], [real])), b.load(b.gep(args[0], [imaginary])))
        else:
            x = b.load(b.gep(args[0], [args[1]]))
        found = b.icmp_unsigned("!=", b.and_(x, ir.Constant(bits, mask)), ir.Constant(bits, 0))
        return b.zext(found, ir.IntType(64))

    @intrinsic
    def is_true(_: Any, pointer: Any, index: Any) -> Any:
        return types.int64(pointer, types.int64), emit

    return is_true


@intrinsic
def digit(_: Any, key: Any, number: Any) -> Any:
    """`digit(key, number)`: byte `number` of a key, the lowest being 0, as int64."""
    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        wide = ir.IntType(64)
        word = args[0] if args[0].type.width == 64 else b.zext(args[0], wide)
        shift = b.shl(args[1], ir.Constant(wide, 3))
        return b.and_(b.lshr(word, shift), ir.Constant(wide, 255))

    return types.int64(key, types.int64), emit


@intrinsic
def slot(_: Any, key: Any, capacity: Any) -> Any:
    """`slot(key, capacity)`: where a key belongs in a hash table, in [0, capacity).

    The upper half of key · golden ratio, as a fraction of the capacity; capacity < 2³².
    """
    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        wide = ir.IntType(64)
        word = args[0] if args[0].type.width == 64 else b.zext(args[0], wide)
        return hash_slot(b, word, args[1])

    return types.int64(key, types.int64), emit
