"""Runs one op by its hand-written kernel, called directly, in memory with guards around it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.codegen.compile import CACHE
from graphflow.codegen.library import LibraryCall, LibraryKernel, build_library
from graphflow.codegen.sizes import concrete
from graphflow.dims import Dim, symbol_name
from graphflow.freeze import freeze
from graphflow.graph import Graph
from graphflow.opdef import OpDef, TensorType
from graphflow.ops.leaves import placeholder
from graphflow.program import Value

GUARD = 64
FILL = 0xA5


def library_call(
    opdef: OpDef, inputs: Sequence[np.ndarray], attrs: dict[str, Any], known: bool
) -> tuple[LibraryCall, dict[str, int]]:
    """The call of an op over placeholders, whose sizes are known or not, and the unknowns."""
    with Graph().as_default():
        tensors = [placeholder(dt.array_dtype(a), a.shape if known else [None] * a.ndim)
                   for a in inputs]
        outputs = apply(opdef, tensors, attrs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        program = freeze(outputs, [], {t: TensorType(t.dtype, t.shape) for t in tensors})
    numbers = {}
    for value, array in zip(program.inputs, inputs):
        for dim, size in zip(value.shape.sizes, array.shape):
            name = None if isinstance(dim, int) else symbol_name(dim)
            if name:
                numbers[name] = size
    node = next(n for n in program.nodes if n.opdef is opdef)
    return build_library(node), numbers


def run_library(
    opdef: OpDef, inputs: Sequence[np.ndarray], attrs: dict[str, Any] | None = None,
    known: bool = True,
) -> list[np.ndarray]:
    """The outputs of an op, computed by its kernel. Fails if it writes beside its buffers."""
    call, numbers = library_call(opdef, inputs, attrs or {}, known)
    written = [_guarded(v, call.room.get(v, v.shape.sizes), numbers)
               for v in call.buffers[len(inputs):]]
    arrays = [*map(np.ascontiguousarray, inputs), *(array for array, _ in written)]
    before = [a.copy() for a in arrays[:len(inputs)]]
    call_kernel(call.kernel, arrays, concrete(call.sizes, numbers))
    for raw in (raw for _, raw in written):
        assert np.all(raw[:GUARD] == FILL) and np.all(raw[-GUARD:] == FILL), "wrote too far"
    for array, copy in zip(arrays, before):
        assert array.tobytes() == copy.tobytes(), "an input changed"
    if call.count is not None:
        numbers |= zip(call.unknowns, arrays[-1].tolist())
    outputs = call.buffers[len(inputs):len(call.buffers) - len(call.scratch)
                           - (call.count is not None)]
    return [_prefix(array, concrete(v.shape.sizes, numbers))
            for v, (array, _) in zip(outputs, written)]


def call_kernel(
    kernel: LibraryKernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]
) -> None:
    """Calls a compiled kernel with arrays for its buffers."""
    address, = CACHE.addresses([kernel])
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    numbers = (ctypes.c_int64 * len(sizes))(*sizes)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)(address)(
        ctypes.addressof(pointers), ctypes.addressof(numbers), 0, 1, 0)


def _guarded(
    value: Value, sizes: Sequence[Dim], numbers: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Memory for a value, and all of what it lies in."""
    shape = concrete(sizes, numbers)
    size = int(np.prod(shape, dtype=np.int64)) * value.dtype.size
    raw = np.full(size + 2 * GUARD, FILL, np.uint8)
    return raw[GUARD:GUARD + size].view(value.dtype.numpy).reshape(shape), raw


def _prefix(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return array.reshape(-1)[:int(np.prod(shape, dtype=np.int64))].reshape(shape)
