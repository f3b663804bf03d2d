"""The contract tests' cases: every op of the registry × its samples × the element types it takes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow  # noqa: F401  (fills the registry)
from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.dtypes import DType
from graphflow.graph import Graph
from graphflow.lowering import LoweringContext
from graphflow.opdef import REGISTRY, OpDef, Sample, resolve_attrs


@dataclass(frozen=True)
class Case:
    """One op with one sample's inputs in one element type."""

    opdef: OpDef
    number: int
    sample: Sample
    dtype: DType | None
    inputs: tuple[np.ndarray, ...]

    @property
    def id(self) -> str:
        return f"{self.opdef.name}-{self.number}-{self.dtype.name if self.dtype else 'as_is'}"

    @property
    def attrs(self) -> dict[str, Any]:
        return resolve_attrs(self.opdef, self.sample.attrs, None)


def _admits(opdef: OpDef, dtype: DType, sample: Sample) -> bool:
    if sample.dtypes is not None:
        return dtype in sample.dtypes
    return True


def _main_variable(opdef: OpDef) -> str | None:
    """The type variable of the first argument that has one."""
    for arg in opdef.args:
        if arg.variable and len(arg.types) > 1:
            return arg.variable
    return None


def cast_input(value: Any, dtype: DType) -> np.ndarray:
    """A sample's array in another element type; negative numbers fold into unsigned types."""
    array = np.asarray(value)
    if dtype.is_unsigned:
        array = np.abs(array)
    if dtype.is_string:
        return np.array([str(v).encode() for v in array.ravel()], object).reshape(array.shape)
    if dtype.is_complex and array.dtype.kind == "f":
        array = array + 0.25j * array[..., ::-1] if array.ndim else array + 0.5j
    return np.asarray(array).astype(dtype.numpy)


def cases_of(opdef: OpDef) -> list[Case]:
    """All cases of one op."""
    found = []
    variable = _main_variable(opdef)
    types = next((a.types for a in opdef.args if a.variable == variable), ()) if variable else ()
    for number, sample in enumerate(opdef.samples() if opdef.samples else ()):
        arrays = [np.asarray(v) for v in sample.inputs]
        floating = [i for i, a in enumerate(arrays)
                    if a.dtype == np.float64 and opdef.arg(i).variable == variable]
        if variable is None or not floating:
            found.append(Case(opdef, number, sample, None, _plain(opdef, arrays)))
            continue
        for dtype in types:
            if _admits(opdef, dtype, sample):
                cast = [cast_input(a, dtype) if i in floating else a for i, a in enumerate(arrays)]
                found.append(Case(opdef, number, sample, dtype, _plain(opdef, cast)))
    return found


def _plain(opdef: OpDef, arrays: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Arrays in types that the schema admits (float64 → float32 and so on where it must)."""
    out = []
    for i, array in enumerate(arrays):
        types = opdef.arg(i).types
        if dt.as_dtype(array.dtype) not in types:
            array = cast_input(array, types[0])
        if array.dtype == object:
            array = dt.to_array(array, dt.string)
        out.append(array)
    return tuple(out)


def all_cases() -> list[Case]:
    """All cases of all ops."""
    return [case for name in sorted(REGISTRY) for case in cases_of(REGISTRY[name])]


def ops_with_samples() -> list[OpDef]:
    """The ops that have samples."""
    return [REGISTRY[n] for n in sorted(REGISTRY) if REGISTRY[n].samples]


def run_reference(case: Case) -> list[np.ndarray]:
    """The outputs of the op's NumPy reference."""
    with np.errstate(all="ignore"):
        results = case.opdef.reference(*case.inputs, **case.attrs)
    return [np.asarray(r) for r in (results if isinstance(results, (tuple, list)) else [results])]


def build(case: Case, placeholders: bool = False) -> tuple[Graph, list[Any], list[Any]]:
    """A graph with the case's op; its input tensors and its outputs."""
    graph = Graph()
    with graph.as_default():
        from graphflow.ops.leaves import constant, placeholder

        tensors = []
        for array in case.inputs:
            kind = dt.as_dtype(array.dtype)
            if placeholders:
                tensors.append(placeholder(kind, [None] * array.ndim))
            else:
                tensors.append(constant(array, dtype=kind))
        outputs = apply(case.opdef, tensors, case.sample.attrs)
        outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    return graph, tensors, outputs


def context(case: Case, outputs: list[np.ndarray]) -> LoweringContext:
    """What the case's lowering functions are told."""
    return LoweringContext(
        tuple(a.shape for a in case.inputs), tuple(o.shape for o in outputs),
        tuple(dt.as_dtype(a.dtype) for a in case.inputs),
        tuple(dt.as_dtype(o.dtype) for o in outputs), case.attrs)


def rng_for(name: str) -> np.random.Generator:
    """A generator whose seed is a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "complex64": 2e-5}


def assert_close(actual: np.ndarray, expected: np.ndarray, message: str, factor: float = 1) -> None:
    """Equal within the rounding of the element type."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, message
    assert actual.shape == expected.shape, message
    if expected.dtype.kind in "biuO":
        np.testing.assert_array_equal(actual, expected, err_msg=message)
        return
    tolerance = factor * TOLERANCE.get(expected.dtype.name, 1e-10)
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(
        actual.astype(wide), expected.astype(wide), rtol=tolerance, atol=tolerance,
        err_msg=message)
