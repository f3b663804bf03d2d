"""A user's function of arrays as a kernel: a loop over leading axes, arrays over raw memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba.core.cgutils
import numba.np.arrayobj
from llvmlite import ir
from numba.extending import register_jitable

from graphflow.custom_ops.core_shapes import Axis, CoreShapes
from graphflow.custom_ops.numba_types import numba_type
from graphflow.dtypes import DType
from graphflow.kernels.pointers import intrinsic, types

cgutils: Any = numba.core.cgutils  # no annotations
arrayobj: Any = numba.np.arrayobj


def argument_type(axes: Sequence[Axis], dtype: DType, written: bool) -> Any:
    """The Numba type of an argument: a number, an array to read, or one to write."""
    scalar = numba_type(dtype)
    if not axes and not written:
        return scalar
    return types.Array(scalar, max(len(axes), 1), "C", readonly=not written)


def array_kernel(
    function: Callable[..., Any], core: CoreShapes, dtypes: tuple[DType, ...]
) -> Callable[[Any, Any], None]:
    """The kernel that calls `function(*inputs, *outputs)` once for each leading index.

    dtypes: of inputs and outputs. Outputs are zeros when the function begins.
    Sizes: see `CoreShapes.kernel_sizes`.
    """
    called = register_jitable(function)
    arguments = _arguments(core, dtypes)

    def kernel(buffers: Any, sizes: Any) -> None:
        for turn in range(sizes[0]):
            called(*arguments(buffers, sizes, turn))

    return kernel


def _arguments(core: CoreShapes, dtypes: tuple[DType, ...]) -> Any:
    """`arguments(buffers, sizes, turn)`: the tuple of a turn's numbers and arrays."""
    operands = (*core.inputs, *core.outputs)
    count = len(core.inputs)
    kinds = [argument_type(axes, d, k >= count)
             for k, (axes, d) in enumerate(zip(operands, dtypes))]
    result = types.Tuple(kinds)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, args: Any) -> Any:
        buffers, sizes, turn = args

        def size(number: int) -> Any:
            return b.load(b.gep(sizes, [_int(number)]))

        def extent(axis: Axis) -> Any:
            if isinstance(axis, int):
                return _int(axis)
            return size(1 + count + core.names.index(axis))

        made = []
        for k, (axes, kind) in enumerate(zip(operands, kinds)):
            turns = turn if k >= count else b.mul(turn, size(1 + k))
            address = b.load(b.gep(buffers, [_int(k)]))
            made.append(_operand(context, b, kind, address, turns, [extent(a) for a in axes]))
        return context.make_tuple(b, result, made)

    @intrinsic
    def arguments(_: Any, buffers: Any, sizes: Any, turn: Any) -> Any:
        return result(buffers, sizes, types.int64), emit

    return arguments


def _int(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _operand(
    context: Any, b: ir.IRBuilder, kind: Any, address: Any, turns: Any, shape: list[Any]
) -> Any:
    """A number, or an array of that shape, `turns` of which lie before it; outputs are cleared."""
    shape = shape or [_int(1)]
    count = _int(1)
    for n in shape:
        count = b.mul(count, n)
    element = context.get_data_type(getattr(kind, "dtype", kind))
    first = b.gep(b.bitcast(address, element.as_pointer()), [b.mul(turns, count)])
    if not isinstance(kind, types.Array):
        return context.unpack_value(b, kind, first)
    if kind.mutable:
        cgutils.memset(b, first, b.mul(count, _int(context.get_abi_sizeof(element))), 0)
    return _array(context, b, kind, first, shape)


def _array(context: Any, b: ir.IRBuilder, kind: Any, first: Any, shape: list[Any]) -> Any:
    """A contiguous array over memory that it does not own."""
    itemsize = _int(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides: list[Any] = []
    step = itemsize
    for n in reversed(shape):
        strides.insert(0, step)
        step = b.mul(step, n)
    made = context.make_array(kind)(context, b)
    arrayobj.populate_array(made, data=first, shape=cgutils.pack_array(b, shape),
                            strides=cgutils.pack_array(b, strides), itemsize=itemsize,
                            meminfo=None)
    return made._getvalue()
