"""How far a program's results may be off: the reference again, with errors on purpose.

Stochastic arithmetic (Vignes, A stochastic arithmetic for reliable scientific computation, 1993):
each rounded result of the reference is changed at random by as much as another order of
operations, or another approximation, might change it. What such runs differ by is what compiled
code may differ by, whatever the program amplifies: cancellation, ill-conditioned matrices,
steps at which a rounding decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from graphflow import lowering as kinds
from graphflow.program import Node
from graphflow.reference import ReferenceExecutable

MOVING = (kinds.View, kinds.Gather, kinds.Join, kinds.Sizes, kinds.Leaf)
SOLVING = (kinds.Composite, kinds.Library)
EXACT = frozenset({
    "Identity", "StopGradient", "PreventGradient", "Neg", "Abs", "Maximum", "Minimum", "Relu",
    "Relu6", "ReluGrad", "Relu6Grad", "SelectV2", "Select", "Max", "Min", "Sign", "Floor", "Ceil",
    "Rint", "Round", "Real", "Imag", "Conj", "Complex", "IdentityN", "Split", "SplitV", "Unpack",
    "MaxPool", "MaxPool3D", "Sort", "TopKV2", "OneHot", "ZerosLike", "OnesLike", "Fill",
    "RowsSet", "TensorScatterUpdate", "ReverseSequence", "Unique", "RandomShuffle",
    "DynamicPartition", "DynamicStitch", "MatrixSetDiag", "Require", "EnsureShape", "Bitcast",
    "BitcastResize", "NextAfter"})
ROUNDED_ONCE = frozenset({"Add", "Sub", "Mul", "RealDiv", "Sqrt", "Square", "Cast"})
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "complex64": 2.0**-23,
       "float64": 2.0**-52, "complex128": 2.0**-52}


def eps(dtype: np.dtype) -> float:
    """The distance from 1 to the next number; 0 for types without roundings."""
    return EPS.get(dtype.name, 0.0)


@contextmanager
def rounding_errors(rng: np.random.Generator) -> Iterator[None]:
    """Inside, every result that the reference rounds is changed within its error bound."""
    compute = ReferenceExecutable.compute

    def erring(self: Any, node: Node, inputs: list[Any]) -> list[Any]:
        if not isinstance(node.opdef.lowering, SOLVING) or node.opdef.name in EXACT:
            return [_erring(node, r, inputs, rng) for r in compute(self, node, inputs)]
        near = [_near(a, rng) for a in inputs]  # a method of another kind solves a nearby problem
        return [_erring(node, r, inputs, rng) for r in compute(self, node, near)]

    with mock.patch.object(ReferenceExecutable, "compute", erring):
        yield


def _near(array: Any, rng: np.random.Generator) -> Any:
    """Floats, each moved by a rounding."""
    unit = eps(np.asarray(array).dtype)
    if not unit or _is_small_integer(array) and np.size(array) < 2:
        return array
    with np.errstate(all="ignore"):
        factor = 1 + unit * rng.uniform(-1, 1, np.shape(array))
        wide = np.asarray(array).astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        return (wide * factor).astype(array.dtype)


def _erring(node: Node, result: Any, inputs: Sequence[Any], rng: np.random.Generator) -> Any:
    unit = eps(result.dtype)
    opdef = node.opdef
    if not unit or not result.size or opdef.name in EXACT or isinstance(opdef.lowering, MOVING):
        return result
    if all(map(_is_small_integer, (result, *inputs))):
        return result
    with np.errstate(all="ignore"):
        wide = result.astype(np.complex128 if result.dtype.kind == "c" else np.float64)
        noise = rng.uniform(-1, 1, wide.shape)
        if wide.dtype.kind == "c":
            noise = noise + 1j * rng.uniform(-1, 1, wide.shape)
        return (wide + noise * unit * _bound(node, np.abs(wide), inputs)).astype(result.dtype)


def _bound(node: Node, size: np.ndarray, inputs: Sequence[Any]) -> np.ndarray:
    """The error of each element, in units of the last place of 1."""
    opdef = node.opdef
    if opdef.name in ROUNDED_ONCE:
        return 1.5 * size
    if opdef.pointwise:
        return 4 * size + 0.5 * min(1.0, _largest(size))
    terms = max((np.size(a) for a in inputs), default=1) ** 0.5
    bound = (8 + 2 * terms) * max(_largest(size), 0.0)
    if isinstance(opdef.lowering, (kinds.Reduce, kinds.Cumulative, kinds.Scatter)):
        bound = max(bound, 2 * terms * max(map(_largest, inputs), default=0.0))
    if isinstance(opdef.lowering, kinds.Contraction):
        product = 1.0
        for array in inputs:
            product *= _largest(array)
        bound = max(bound, 2 * terms * product)
    return np.full(np.shape(size), bound)


def _largest(array: Any) -> float:
    """The largest finite magnitude."""
    array = np.asarray(array)
    if not array.size or array.dtype.kind not in "fcV" and not eps(array.dtype):
        return 0.0
    with np.errstate(all="ignore"):
        wide = np.abs(array.astype(np.complex128))
    finite = wide[np.isfinite(wide)]
    return float(finite.max()) if finite.size else 0.0


def _is_small_integer(array: Any) -> bool:
    """True if sums and products of such numbers have no error in any type."""
    array = np.asarray(array)
    if not eps(array.dtype):
        return True
    with np.errstate(all="ignore"):
        wide = array.astype(np.complex128)
        return bool(np.all((np.abs(wide) <= 64) & (wide.real == np.rint(wide.real))
                           & (wide.imag == np.rint(wide.imag))))
