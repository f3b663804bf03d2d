"""A user's function of scalars, typed and compiled by Numba for the element types it meets.

Input: a Python function, or one that Numba decorated. Output, for each tuple of element types: the
types of its results, `ScalarFunction`s for the expressions of kernels, and a NumPy ufunc that
defines it. Each is made once in a process.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.custom_ops.identity import code_identity, plain_function
from graphflow.custom_ops.literals import snapshot
from graphflow.custom_ops.numba_types import (
    NotCompiled,
    arithmetic,
    element_types,
    numba_type,
    reason_of,
)
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir.external import PROCESS_ONLY, ScalarFunction

_COUNT = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class TypedFunction:
    """A function for certain element types.

    Attributes:
      results: the element type of each result.
      parts: for each result its ScalarFunction, or two of them for the parts of a complex one.
      raises: says whether the function raises for its arguments; None if it never does.
      evaluate: (arrays, of the arithmetic types) → an array for each result; broadcasts. It
        raises what the function raises.
    """

    results: tuple[DType, ...]
    parts: tuple[tuple[ScalarFunction, ...], ...]
    raises: ScalarFunction | None
    evaluate: Callable[..., list[np.ndarray]]


def process_identity() -> str:
    """A new identity that says nothing to other processes."""
    return f"{PROCESS_ONLY}{next(_COUNT)}"


class UserFunction:
    """A function with its compiled forms. Equal functions are one object, or not equal.

    Args:
      function: a Python function or a Numba dispatcher.
      declared: the types of the results, or None to infer them.
    """

    def __init__(self, function: Any, declared: tuple[DType, ...] | None) -> None:
        self.original = function
        self.plain = plain_function(function)
        self.declared = declared
        self._typed: dict[tuple[DType, ...], TypedFunction | NotCompiled] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<function {self.plain.__qualname__}>"

    @cached_property
    def constant(self) -> str | None:
        """The identity of a function that depends on constants alone; else None."""
        return code_identity(self.original)

    def typed(self, dtypes: Sequence[DType]) -> TypedFunction:
        """The function for these element types. Raises NotCompiled."""
        key = tuple(dtypes)
        with self._lock:
            if key not in self._typed:
                try:
                    self._typed[key] = self._compile(key)
                except NotCompiled as reason:
                    self._typed[key] = reason
            found = self._typed[key]
        if isinstance(found, NotCompiled):
            raise NotCompiled(str(found))
        return found

    def _compile(self, dtypes: tuple[DType, ...]) -> TypedFunction:
        from numba.core.errors import NumbaError

        from graphflow.codegen.cpu.numba_functions import compile_function

        single = _widest(dtypes) in (dt.float16, dt.bfloat16, dt.float32, dt.complex64)
        try:
            function = snapshot(self.plain, single)
        except ValueError as error:
            raise NotCompiled("it closes over a variable that has no value yet") from error
        options = getattr(self.original, "targetoptions", {})
        try:
            code = compile_function(
                function, tuple(map(numba_type, dtypes)), options.get("fastmath", False))
        except (NumbaError, NotImplementedError) as error:
            raise NotCompiled(reason_of(error)) from error
        found = element_types(code.result)
        results = self._results(found, dtypes)
        evaluate = _Evaluator(function, dtypes, found)
        parts = _parts(self._text(dtypes), dtypes, found, evaluate, code)
        return TypedFunction(results, parts, _raises(parts[0][0]), evaluate)

    def _text(self, dtypes: tuple[DType, ...]) -> str:
        # Asked for anew: globals are read when the function is compiled for these types.
        identity = code_identity(self.original) or process_identity()
        return f"{identity}({','.join(d.name for d in dtypes)})"

    def _results(
        self, found: tuple[DType, ...], inputs: tuple[DType, ...]
    ) -> tuple[DType, ...]:
        if self.declared is None:
            return tuple(_narrowed(d, inputs) for d in found)
        if len(self.declared) != len(found):
            raise NotCompiled(f"it gives {len(found)} results, and dtype names "
                              f"{len(self.declared)}")
        for wanted, given in zip(self.declared, found):
            if given.is_complex and not wanted.is_complex:
                raise NotCompiled(f"it gives {given.name}, and dtype says {wanted.name}")
        return self.declared


def _widest(dtypes: Sequence[DType]) -> DType | None:
    """The widest float or complex type; None if there is none."""
    inexact = [d for d in dtypes if d.is_differentiable]
    return max(inexact, key=lambda d: d.real_dtype.size) if inexact else None


def _narrowed(result: DType, inputs: Sequence[DType]) -> DType:
    """A result's type: that of the widest input of its kind, where Numba has widened it."""
    alike = [d for d in inputs
             if d.kind == result.kind or (d.is_integer and result.is_integer)]
    if not alike:
        return _in_precision(result, inputs)
    widest = max(alike, key=lambda d: d.size)
    return widest if widest.size < result.size else result


def _in_precision(result: DType, inputs: Sequence[DType]) -> DType:
    """A complex result of inputs in single precision is in it too; so is a real one."""
    widest = _widest(inputs)
    if widest is None or not result.is_differentiable or result.real_dtype.size <= (
            widest.real_dtype.size):
        return result
    return dt.complex64 if result.is_complex else arithmetic(widest.real_dtype)


def _parts(
    text: str, dtypes: Sequence[DType], found: Sequence[DType], evaluate: _Evaluator, code: Any
) -> tuple[tuple[ScalarFunction, ...], ...]:
    inputs = tuple(d for t in dtypes for d in [arithmetic(t).real_dtype] * (1 + t.is_complex))
    made: list[tuple[ScalarFunction, ...]] = []
    number = 0
    for k, result in enumerate(found):
        parts = []
        for part in range(1 + result.is_complex):
            parts.append(ScalarFunction(
                text, number, inputs, result.real_dtype, evaluate.of_part(k, part), code))
            number += 1
        made.append(tuple(parts))
    return tuple(made)


def _raises(first: ScalarFunction) -> ScalarFunction | None:
    """The condition that the function raises. Raises NotCompiled if it needs foreign code."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    from graphflow.codegen.cpu.external import RAISES, never_raises

    evaluator: Any = first.compute
    raises = replace(first, part=RAISES, result=dt.bool_, compute=evaluator.owner.of_raising())
    try:
        with global_compiler_lock:
            never = never_raises(cpu_target.target_context.codegen(), raises)
    except ProgramError as error:
        raise NotCompiled(
            "it uses what only Python's runtime has (arrays, lists, strings, print or other "
            f"objects): {error}") from None
    return None if never else raises


class _Evaluator:
    """A function over arrays, by Numba's own ufuncs, made when they are first asked for."""

    def __init__(
        self, function: Callable[..., Any], inputs: tuple[DType, ...], results: tuple[DType, ...]
    ) -> None:
        self._function, self._inputs, self._results = function, inputs, results

    @cached_property
    def _ufuncs(self) -> list[Callable[..., Any]]:
        import numba

        vectorize: Any = numba.vectorize  # no annotations
        arguments = tuple(map(numba_type, self._inputs))
        jitted = numba.njit(self._function, error_model="numpy")
        names = ", ".join(f"x{i}" for i in range(len(arguments)))
        made = []
        for k, result in enumerate(self._results):
            pick = f"[{k}]" if len(self._results) > 1 else ""
            scalar = eval(f"lambda {names}: f({names}){pick}", {"f": jitted})
            made.append(vectorize([numba_type(result)(*arguments)])(scalar))
        return made

    def __call__(self, *arrays: Any) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            return [np.asarray(u(*arrays)) for u in self._ufuncs]

    def of_part(self, result: int, part: int) -> _Part:
        """One real result, as loop IR asks for it: complex arguments come in two parts."""
        return _Part(self, result, part)

    def of_raising(self) -> Callable[..., np.ndarray]:
        """Whether the function raises, element by element."""
        def raising(*reals: Any) -> np.ndarray:
            arrays = np.broadcast_arrays(*self.joined(reals))
            found = np.zeros(arrays[0].shape, bool)
            for place in np.ndindex(found.shape):
                try:
                    self(*(a[place] for a in arrays))
                except Exception:
                    found[place] = True
            return found

        return raising

    def joined(self, reals: Sequence[Any]) -> list[Any]:
        """Arguments of the function, from real arrays."""
        left, made = list(reals), []
        for dtype in self._inputs:
            x = np.asarray(left.pop(0))
            if dtype.is_complex:
                x = (x + 1j * np.asarray(left.pop(0))).astype(dtype.numpy)
            made.append(x)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One real result of an evaluator, a function of real arrays."""

    owner: _Evaluator
    result: int
    part: int

    def __call__(self, *reals: Any) -> np.ndarray:
        made = self.owner(*self.owner.joined(reals))[self.result]
        if made.dtype.kind != "c":
            return made
        return np.asarray(made.imag if self.part else made.real)
