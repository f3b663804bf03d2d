"""Elements as order keys: what all kernels that compare have in common."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cuda.library.writer import Memory, Number, Writer
from graphflow.dtypes import DType
from graphflow.kernels.order_keys import hash_slot, is_nan, order_key


def bits_of(dtype: DType) -> ir.IntType:
    """The integer that an element is moved as."""
    return ir.IntType(8 * dtype.size)


def key_kind(dtype: DType) -> Any:
    """The type that keys are kept in: 32 bits, or 64 for 8-byte types."""
    return I64 if dtype.size == 8 else I32


def key(x: Memory, index: Any, dtype: DType) -> Number:
    """The order key of an element."""
    w = x.writer
    found = Number(w, order_key(w.b, x[index].value, dtype, bits_of(dtype)))
    return found.to(key_kind(dtype))


def no_number(x: Memory, index: Any, dtype: DType) -> Number:
    """Whether an element is NaN."""
    w = x.writer
    if not dtype.is_floating:
        return w.number(0, ir.IntType(1))
    return Number(w, is_nan(w.b, x[index].value, dtype, bits_of(dtype)))


def slot(w: Writer, word: Number, capacity: Number) -> Number:
    """Where a key belongs in a hash table."""
    return Number(w, hash_slot(w.b, word.to(I64).value, capacity.value))
