"""Runs a kernel over NumPy arrays, statement by statement: the definition of kernels.

Input: a kernel, one flat array per buffer, the sizes. Effect: the written buffers are changed.
A loop marked `lanes` runs all its turns side by side, so that the mark is tested too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.dtypes import as_dtype, int64
from graphflow.loop_ir.expr import Expr, build, constant
from graphflow.loop_ir.interpreter import Environment, evaluate_in
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    combine_op,
    load,
    verify_kernel,
)


def run_kernel(kernel: Kernel, buffers: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
    """Runs the kernel. Raises ProgramError if it is not well formed."""
    verify_kernel(kernel)
    state = _State([np.reshape(a, -1) for a in buffers], [np.int64(s) for s in sizes])
    with np.errstate(all="ignore"):
        state.run(kernel.body)


class _State:
    def __init__(self, buffers: list[np.ndarray], sizes: list[Any]) -> None:
        self.buffers, self.sizes = buffers, sizes
        self.indices: dict[int, Any] = {}
        self.accumulators: dict[int, Any] = {}

    def evaluate(self, exprs: Sequence[Expr]) -> list[np.ndarray]:
        return evaluate_in(
            Environment((), _Indices(self.indices), self.sizes, self.buffers, self.accumulators),
            exprs)

    def run(self, body: Sequence[Statement]) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                self._loop(statement)
            elif isinstance(statement, Fold):
                self._fold(statement)
            elif isinstance(statement, Store):
                self._store(statement)
            else:
                numbers = [n for n, _ in statement.accumulators]
                values = self.evaluate([e for _, e in statement.accumulators])
                if isinstance(statement, Begin):
                    values = [np.array(v) for v in values]
                self.accumulators.update(zip(numbers, values))

    def _loop(self, loop: Loop) -> None:
        extent = int(self.evaluate([loop.extent])[0])
        if loop.lanes:
            if extent:
                self.indices[loop.number] = np.arange(extent, dtype=np.int64)
                self.run(loop.body)
        else:
            for turn in range(extent):
                self.indices[loop.number] = np.int64(turn)
                self.run(loop.body)
        self.indices.pop(loop.number, None)

    def _fold(self, fold: Fold) -> None:
        for turn in range(int(self.evaluate([fold.extent])[0])):
            self.indices[fold.number] = np.int64(turn)
            self.accumulators.update(zip(fold.right, self.evaluate(fold.lifted)))
            self.accumulators.update(zip(fold.into, self.evaluate(fold.merged)))
        self.indices.pop(fold.number, None)

    def _store(self, store: Store) -> None:
        offset, value = self.evaluate([store.offset, store.value])
        offset, value = np.broadcast_arrays(offset, value)
        target = self.buffers[store.buffer]
        if store.where is not None:
            keep = np.broadcast_to(self.evaluate([store.where])[0], offset.shape)
            offset, value = offset[keep], value[keep]
        if store.combine is None:
            target[offset] = value
            return
        dtype = as_dtype(target.dtype)
        old, new_one = (load(k, constant(0, int64), dtype) for k in range(2))
        node = build(combine_op(store.combine, dtype), old, new_one)
        for at, new in zip(offset.ravel(), value.ravel()):
            pair = [target[at:at + 1], np.reshape(new, 1).astype(target.dtype)]
            target[at] = evaluate_in(Environment((), (), (), pair), [node])[0]


class _Indices(dict):
    """Loop indices by number, with the length that the interpreter asks for."""

    def __init__(self, values: dict[int, Any]) -> None:
        super().__init__(values)

    def __len__(self) -> int:
        return max(self, default=-1) + 1
