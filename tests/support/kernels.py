"""Runs kernels compiled and interpreted, side by side."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from graphflow import dtypes as dt
from graphflow.codegen.compile import CACHE
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.kernel_interpreter import run_kernel
from graphflow.loop_ir.nest import BufferParameter, Kernel, Loop, Statement, Store, load

GUARD = 64

ARITHMETIC = ("add", "sub", "mul", "min", "max", "neg", "abs")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
FLOAT_OPS = (*ARITHMETIC, "div", "fma", "sqrt", "floor", "ceil", "rint", "trunc")
INTEGER_OPS = (*ARITHMETIC, "floordiv", "mod", "truncdiv", "truncmod", "bit_and", "bit_or",
               "bit_xor", "bit_not", "shl", "shr")
BOOL_OPS = ("logical_and", "logical_or", "logical_xor", "logical_not", "eq", "ne")
ARITY = {"fma": 3} | dict.fromkeys(
    ("neg", "abs", "sqrt", "floor", "ceil", "rint", "trunc", "bit_not", "logical_not"), 1)


def call(address: int, arrays: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
    """Calls a compiled kernel, as the only member."""
    function = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)(address)
    pointers = np.array([a.ctypes.data for a in arrays], np.uint64)
    numbers = np.array([*sizes, 0], np.int64)
    function(pointers.ctypes.data, numbers.ctypes.data, 0, 1, 0)


def interpreted(
    kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]
) -> list[np.ndarray]:
    """The buffers after the interpreter ran the kernel on copies of them.

    An array that is given twice is one memory.
    """
    one = {id(a): np.array(a) for a in arrays}
    copies = [one[id(a)] for a in arrays]
    run_kernel(kernel, copies, sizes)
    return copies


def compiled(
    kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]
) -> list[np.ndarray]:
    """The buffers after the machine code ran on copies; checks that nothing beside them changed.

    The copies lie between guard bytes, and what the kernel only reads must not change either.
    """
    one = {id(a): np.full(a.nbytes + 2 * GUARD, 0xA5, np.uint8) for a in arrays}
    raws = [one[id(a)] for a in arrays]
    inner = [r[GUARD:GUARD + a.nbytes].view(a.dtype).reshape(a.shape)
             for r, a in zip(raws, arrays)]
    for copy, array in zip(inner, arrays):
        copy[...] = array
    (address,) = CACHE.addresses([kernel])
    call(address, inner, sizes)
    changed = {id(a) for a, p in zip(arrays, kernel.buffers) if p.written}
    for raw, copy, array in zip(raws, inner, arrays):
        assert np.all(raw[:GUARD] == 0xA5) and np.all(raw[len(raw) - GUARD:] == 0xA5), (
            "the kernel wrote outside a buffer")
        if id(array) not in changed:
            assert copy.tobytes() == array.tobytes(), "the kernel changed what it reads"
    return inner


def assert_same(actual: np.ndarray, expected: np.ndarray, message: str = "") -> None:
    """Equal bit for bit, but for the payload of NaNs."""
    assert actual.dtype == expected.dtype
    with np.errstate(invalid="ignore"):  # ml_dtypes warns about NaN
        same = (actual == expected) | ((actual != actual) & (expected != expected))
        if expected.dtype.kind == "f" or expected.dtype.name == "bfloat16":
            wide, other = actual.astype(np.float64), expected.astype(np.float64)
            same &= (np.signbit(wide) == np.signbit(other)) | (wide != wide)
    assert np.all(same), (
        f"{message}\nat {np.argwhere(~same)[:5].tolist()}: {actual[~same][:5]} is not "
        f"{expected[~same][:5]}")


def check_exact(kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
    """The compiled kernel gives what the interpreter gives, exactly."""
    for actual, expected in zip(
            compiled(kernel, arrays, sizes), interpreted(kernel, arrays, sizes)):
        assert_same(actual, expected, f"sizes {list(sizes)}\n{kernel}")


def elementwise(
    inputs: Sequence[DType], outputs: Sequence[Expr], extra: tuple[Statement, ...] = ()
) -> Kernel:
    """One loop in lanes: `arg(i)` of the expressions is element i of buffer i."""
    place = b.index(0)
    stores = tuple(Store(len(inputs) + k, place, expr) for k, expr in enumerate(outputs))
    return Kernel(
        (*(BufferParameter(d) for d in inputs),
         *(BufferParameter(e.dtype, written=True) for e in outputs)),
        1, (Loop(0, b.size(0), (*stores, *extra), lanes=True),))


def element(number: int, dtype: DType, offset: Expr | None = None) -> Expr:
    """Element `offset` (by default that of loop 0) of a buffer."""
    return load(number, b.index(0) if offset is None else offset, dtype)


def values(dtype: DType, count: int, seed: int = 0) -> np.ndarray:
    """Numbers of a dtype with its special ones in front: edges, infinities, NaN, both zeros."""
    rng = np.random.default_rng(seed)
    if dtype.is_bool:
        return rng.integers(0, 2, count).astype(bool)
    if dtype.is_integer:
        low, high = int(dtype.min), int(dtype.max)
        special = [low, high, 0, 1, low + 1, high - 1, 3, 7]
        drawn = rng.integers(low, high, count, dtype=dtype.numpy, endpoint=True)
        small = rng.integers(0, 9, count).astype(dtype.numpy)
        drawn = np.where(rng.random(count) < 0.5, drawn, small)
    else:
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -1.5, 2.5, float(dtype.max),
                   float(dtype.min), 1e-6, -3e9, 255.7, -128.9, 6e-8]
        drawn = rng.normal(size=count) * 10.0 ** rng.integers(-3, 4, count)
    with np.errstate(all="ignore"):
        drawn = np.asarray(drawn).astype(dtype.numpy)
        edges = np.array(special).astype(dtype.numpy) if dtype.is_floating else np.array(
            special, dtype.numpy)
    rng.shuffle(edges)
    drawn[:len(edges)] = edges[:count]
    return drawn


def basic_ops(dtype: DType) -> tuple[str, ...]:
    """The ops of operands of a dtype that emitters translate themselves, conversions aside."""
    if dtype.is_bool:
        return (*BOOL_OPS, "select")
    own = FLOAT_OPS if dtype.is_floating else INTEGER_OPS
    return (*own, *COMPARISONS, "select", *(("mulhi_u32",) if dtype is dt.uint32 else ()))
