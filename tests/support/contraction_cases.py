"""Contractions as kernels of their own, with their buffers and what the reference gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from kernels import compiled, interpreted

from graphflow import dtypes as dt
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.contraction import build_contraction
from graphflow.codegen.elements import Elements
from graphflow.codegen.packing import packed_operands
from graphflow.dims import SymDim, evaluate_dim, symbol_name
from graphflow.dtypes import DType
from graphflow.loop_ir.nest import Kernel
from graphflow.lowering import Contraction
from graphflow.opdef import TensorType, lookup
from graphflow.program import Node, Value
from graphflow.shapes import TensorShape, unknown_shape


class Case:
    """One contraction over arrays: its kernel, its buffers, what the reference gives.

    unknown: axes of inputs and output, as (which, axis), whose size the kernel does not know;
    which is 0 or 1 for inputs, 2 for the output. Equal letters stand for equal sizes.
    """

    def __init__(
        self, op: str, arrays: list[np.ndarray], attrs: dict[str, Any],
        unknown: dict[tuple[int, int], str] | None = None, dtype: DType = dt.float32,
    ) -> None:
        opdef = lookup(op)
        self.attrs = {k: a.default for k, a in opdef.attrs.items()} | attrs
        given = [np.asarray(a, dtype.numpy) for a in arrays[:2]]
        self.expected = opdef.reference(*given, *arrays[2:], **self.attrs)
        symbols = {name: unknown_shape(1).sizes[0] for name in (unknown or {}).values()}
        shapes = [list(a.shape) for a in (*given, self.expected)]
        self.numbers: dict[str, int] = {}
        for (which, axis), letter in (unknown or {}).items():
            symbol = symbols[letter]
            assert isinstance(symbol, SymDim)
            self.numbers[symbol_name(symbol) or ""] = shapes[which][axis]
            shapes[which][axis] = symbol
        leaves = [leaf(dtype, s) for s in shapes[:2]] + [
            leaf(dt.int32, a.shape) for a in arrays[2:]]
        kind = TensorType(dtype, TensorShape.of(shapes[2]))
        node = Node(opdef, tuple(leaves), self.attrs, [kind], [None], -1, None)
        self.copies, node = packed_operands(node)
        lowering = node.opdef.lowering
        assert isinstance(lowering, Contraction)
        elements = Elements(lambda v: v is not node.outputs[0])
        body = build_contraction(elements, node, lowering, elements.context(node))
        self.kernel = Kernel(elements.buffer_parameters(), len(elements.sizes),
                             Capabilities().expanded(body))
        self.sizes = [evaluate_dim(d, self.numbers) for d in elements.sizes]
        arrays_of = dict(zip(leaves, given))
        arrays_of[node.outputs[0]] = np.zeros_like(self.expected)
        self.buffers = [self._array(v, arrays_of) for v, _ in elements.parameters]
        self.result = [v for v, _ in elements.parameters].index(node.outputs[0])

    def _array(self, value: Value, arrays: dict[Value, np.ndarray]) -> np.ndarray:
        if value not in arrays and value.node.opdef.name in ("Cast", "Transpose"):  # a copy
            source = self._array(value.node.inputs[0], arrays)
            perm = value.node.attrs.get("perm")
            arrays[value] = np.ascontiguousarray(
                source.astype(value.dtype.numpy) if perm is None else source.transpose(perm))
        if value not in arrays:  # what the kernel needs for itself
            (size,) = value.shape.sizes
            arrays[value] = np.zeros(evaluate_dim(size, self.numbers), value.dtype.numpy)
        return arrays[value]

    def check(self, tolerance: float = 1e-5) -> None:
        for run in (interpreted, compiled):
            found = run(self.kernel, self.buffers, self.sizes)[self.result]
            np.testing.assert_allclose(
                found.astype(np.float64), self.expected.astype(np.float64), rtol=tolerance,
                atol=tolerance, err_msg=f"{run.__name__}: {self.attrs}")


def leaf(dtype: DType, sizes: Any) -> Value:
    kind = TensorType(dtype, TensorShape.of(sizes))
    attrs: dict[str, Any] = {}
    return Node(lookup("Placeholder"), (), attrs, [kind], [None], -1, None).outputs[0]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)
