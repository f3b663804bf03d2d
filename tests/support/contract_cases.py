"""The contract tests' cases: every op of the registry × its samples × its element types."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import graphflow  # noqa: F401  (fills the registry)
from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.dtypes import DType
from graphflow.lowering import LoweringContext
from graphflow.opdef import REGISTRY, NotDifferentiable, OpDef, Sample, resolve_attrs
from graphflow.ops.leaves import constant, placeholder


@dataclass(frozen=True)
class Case:
    """One op with one sample's inputs in one element type (None: as the sample has them)."""

    opdef: OpDef
    number: int
    sample: Sample
    dtype: DType | None
    inputs: tuple[np.ndarray, ...]

    @property
    def id(self) -> str:
        shapes = " ".join(f"{a.dtype.name}{list(a.shape)}" for a in self.inputs)
        dtype = self.dtype.name if self.dtype else "as is"
        return f"{self.opdef.name} sample {self.number} ({dtype}: {shapes} {self.sample.attrs})"

    @property
    def attrs(self) -> dict[str, Any]:
        return resolve_attrs(self.opdef, self.sample.attrs, None)


def cast_input(value: Any, dtype: DType) -> np.ndarray:
    """A sample's array in another element type; negative numbers fold into unsigned types."""
    array = np.asarray(value)
    if dtype.is_unsigned:
        array = np.abs(array)
    if dtype.is_string:
        texts = [str(v).encode() for v in array.ravel()]
        return np.array([*texts, None], object)[:-1].reshape(array.shape)
    if dtype.is_complex and array.dtype.kind == "f":
        imaginary = np.where(np.isfinite(array), array, 0)[..., ::-1] / 4 if array.ndim else 0.5
        array = array + 1j * imaginary
    return np.asarray(array).astype(dtype.numpy)


def _array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return dt.to_array(array, dt.string) if array.dtype.kind in "USO" else array


def _cast_group(opdef: OpDef, arrays: Sequence[np.ndarray]) -> list[int]:
    """The inputs that a sample leaves open: float64 or complex128 ones of one type variable."""
    wide = [i for i, a in enumerate(arrays)
            if a.dtype in (np.float64, np.complex128) and len(opdef.arg(i).types) > 1]
    if not wide:
        return []
    main = opdef.arg(wide[0])
    return [i for i in wide if opdef.arg(i) is main or (
        main.variable and opdef.arg(i).variable == main.variable)]


def _open_types(opdef: OpDef, arrays: Sequence[np.ndarray], group: Sequence[int]) -> list[DType]:
    """The types that the open inputs are cast to: complex ones where a sample is complex."""
    complex_only = any(arrays[i].dtype.kind == "c" for i in group)
    return [t for t in opdef.arg(group[0]).types if t.is_complex or not complex_only]


def cases_of(opdef: OpDef, dtypes: Iterable[DType] | None = None) -> list[Case]:
    """The cases of one op; those of `dtypes` alone if that is given.

    Every sample runs in every element type that it leaves open, and once with its int32 indices
    as int64 (and the reverse).
    """
    found = []
    for number, sample in enumerate(opdef.samples() if opdef.samples else ()):
        arrays = [_array(v) for v in sample.inputs]
        group = _cast_group(opdef, arrays)
        tried: list[tuple[DType | None, list[np.ndarray]]] = [] if group else [(None, arrays)]
        for dtype in _open_types(opdef, arrays, group) if group else ():
            if sample.dtypes is None or dtype in sample.dtypes:
                tried.append((dtype, [
                    cast_input(a, dtype) if i in group else _beside(opdef, i, a, dtype)
                    for i, a in enumerate(arrays)]))
        cases = [Case(opdef, number, sample, d, _admitted(opdef, a)) for d, a in tried]
        found += cases + _with_other_indices(cases[:1])
    if dtypes is not None:
        wanted = set(dtypes)
        found = [c for c in found if c.dtype is None or c.dtype in wanted]
    return found


def _with_other_indices(cases: Sequence[Case]) -> list[Case]:
    """The cases with int32 indices as int64 and the reverse, where they have any."""
    found = []
    for case in cases:
        types = [case.opdef.arg(i).types for i in range(len(case.inputs))]
        other = [a.astype({4: np.int64, 8: np.int32}[a.itemsize]) if t == dt.INDICES else a
                 for a, t in zip(case.inputs, types)]
        fits = all(np.array_equal(a, b) for a, b in zip(other, case.inputs) if a is not b)
        if fits and any(a is not b for a, b in zip(other, case.inputs)):
            found.append(replace(case, inputs=tuple(other)))
    return found


def _beside(opdef: OpDef, i: int, array: np.ndarray, dtype: DType) -> np.ndarray:
    """A float64 input of another type variable: `dtype` too if it may be, else its first type."""
    types = opdef.arg(i).types
    if array.dtype != np.float64 or not opdef.arg(i).variable:
        return array
    return cast_input(array, dtype if dtype in types else types[0])


def _admitted(opdef: OpDef, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Arrays in types that the schema admits (float64 → float32 and so on where it must)."""
    out = []
    for i, array in enumerate(arrays):
        types = opdef.arg(i).types
        if dt.array_dtype(array) not in types:
            array = cast_input(array, types[0])
        out.append(array)
    return tuple(out)


def ops_that(condition: Callable[[OpDef], bool]) -> list[str]:
    """The names of the ops with samples and a reference that satisfy `condition`."""
    return [name for name in sorted(REGISTRY) if REGISTRY[name].samples
            and REGISTRY[name].reference is not None and condition(REGISTRY[name])]


def is_differentiable(opdef: OpDef) -> bool:
    """True if the op has a gradient rule."""
    return not isinstance(opdef.grad, NotDifferentiable)


def run_reference(case: Case, inputs: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
    """The outputs of the op's NumPy reference."""
    with np.errstate(all="ignore"):
        results = case.opdef.reference(  # type: ignore[misc]  # ops_that() leaves others out
            *(case.inputs if inputs is None else inputs), **case.attrs)
    return [np.asarray(r) for r in (results if isinstance(results, (tuple, list)) else [results])]


KINDS = ("constants", "unknown sizes", "unknown ranks")


def build(case: Case, kind: str) -> tuple[list[Any], list[Any]]:
    """The case's op in the default graph, over inputs of one of `KINDS`: inputs and outputs."""
    tensors = []
    for array in case.inputs:
        dtype = dt.array_dtype(array)
        if kind == "constants":
            tensors.append(constant(array, dtype=dtype))
        else:
            sizes = [None] * array.ndim if kind == "unknown sizes" else None
            tensors.append(placeholder(dtype, sizes))
    outputs = apply(case.opdef, tensors, case.sample.attrs)
    return tensors, list(outputs) if isinstance(outputs, tuple) else [outputs]


def context(case: Case, outputs: Sequence[np.ndarray]) -> LoweringContext:
    """What the case's lowering functions are told."""
    return LoweringContext(
        tuple(a.shape for a in case.inputs), tuple(o.shape for o in outputs),
        tuple(dt.array_dtype(a) for a in case.inputs),
        tuple(dt.array_dtype(o) for o in outputs), case.attrs)


def rng_for(name: str) -> np.random.Generator:
    """A generator whose seed is a name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


ROUNDING = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1.2e-7, "complex64": 1.2e-7,
            "float64": 2.3e-16, "complex128": 2.3e-16}


def assert_close(
    actual: Any, expected: Any, message: str, roundings: float = 4, exact: bool = False
) -> None:
    """Equal element type, shape and values; floats within some roundings of the largest one."""
    expected = np.asarray(expected)
    actual = np.asarray(actual, object if isinstance(actual, bytes) else None)
    assert actual.dtype == expected.dtype, f"{message}: {actual.dtype} is not {expected.dtype}"
    assert actual.shape == expected.shape, f"{message}: {actual.shape} is not {expected.shape}"
    rounding = ROUNDING.get(expected.dtype.name)
    if rounding is None or exact:
        same = actual == expected
        if rounding is not None:
            same |= (actual != actual) & (expected != expected)
        assert np.all(same), f"{message}:\n{actual}\nis not\n{expected}"
        return
    if not expected.size:
        return
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    actual, expected = actual.astype(wide), expected.astype(wide)
    finite = np.abs(expected[np.isfinite(expected)])
    tolerance = roundings * rounding
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance * (finite.max() if finite.size else 1),
        err_msg=message)
