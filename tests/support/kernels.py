"""Runs kernels compiled and interpreted, side by side."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.kernel_interpreter import run_kernel
from graphflow.loop_ir.nest import BufferParameter, Kernel, Loop, Statement, Store, load

GUARD = 64


def call(address: int, arrays: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
    """Calls a compiled kernel."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
    pointers = np.array([a.ctypes.data for a in arrays], np.uint64)
    numbers = np.array([*sizes, 0], np.int64)
    function(pointers.ctypes.data, numbers.ctypes.data)


def interpreted(
    kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]
) -> list[np.ndarray]:
    """The buffers after the interpreter ran the kernel on copies of them."""
    copies = [np.array(a) for a in arrays]
    run_kernel(kernel, copies, sizes)
    return copies


def compiled(
    kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]
) -> list[np.ndarray]:
    """The buffers after the machine code ran on copies; checks that nothing beside them changed.

    The copies lie between guard bytes, and what the kernel only reads must not change either.
    """
    raws = [np.full(a.nbytes + 2 * GUARD, 0xA5, np.uint8) for a in arrays]
    inner = [r[GUARD:GUARD + a.nbytes].view(a.dtype).reshape(a.shape)
             for r, a in zip(raws, arrays)]
    for copy, array in zip(inner, arrays):
        copy[...] = array
    (address,) = CACHE.addresses([kernel])
    call(address, inner, sizes)
    for raw, copy, array, parameter in zip(raws, inner, arrays, kernel.buffers):
        assert np.all(raw[:GUARD] == 0xA5) and np.all(raw[len(raw) - GUARD:] == 0xA5), (
            "the kernel wrote outside a buffer")
        if not parameter.written:
            assert copy.tobytes() == array.tobytes(), "the kernel changed what it reads"
    return inner


def assert_same(actual: np.ndarray, expected: np.ndarray, message: str = "") -> None:
    """Equal bit for bit, but for the payload of NaNs."""
    assert actual.dtype == expected.dtype
    same = (actual == expected) | ((actual != actual) & (expected != expected))
    if expected.dtype.kind == "f" or expected.dtype.name == "bfloat16":
        wide, other = actual.astype(np.float64), expected.astype(np.float64)
        same &= (np.signbit(wide) == np.signbit(other)) | (wide != wide)
    assert np.all(same), f"{message}\nat {np.argwhere(~same)[:5].tolist()}: " \
        f"{actual[~same][:5]} is not {expected[~same][:5]}"


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
