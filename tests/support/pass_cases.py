"""Small Programs for tests of passes, and what they compute by the reference."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.builder import F
from graphflow.freeze import freeze
from graphflow.opdef import TensorType
from graphflow.passes.rules import floats
from graphflow.program import Program
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.store import VariableStore

DEFAULT = floats(3, 4)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-38, -3e38, 0.1, 7.5, -2.0])


def default_types(build: Callable[..., Any]) -> tuple[TensorType, ...]:
    """float32 [3, 4] for each input that `build` takes beside `F`."""
    parameters = inspect.signature(build).parameters.values()
    return (DEFAULT,) * (sum(p.default is p.empty for p in parameters) - 1)


def program_of(build: Callable[..., Any], *types: TensorType) -> Program:
    """The Program of `build(F, *placeholders)`: one tensor or a list of them."""
    types = types or default_types(build)
    with gf.Graph().as_default():
        inputs = [gf.placeholder(t.dtype, t.shape, name=f"x{i}") for i, t in enumerate(types)]
        made = build(F, *inputs)
        made = made if isinstance(made, (list, tuple)) else [made]
        return freeze(made, [], dict(zip(inputs, types)))


def outputs_of(
    program: Program, arrays: Sequence[np.ndarray], **variables: np.ndarray
) -> list[np.ndarray]:
    """What the reference computes."""
    store = VariableStore()
    store.commit(list(variables.items()))
    return ReferenceExecutable(program).run(list(arrays), store)


def arrays_for(types: Sequence[TensorType], seed: int = 0) -> list[np.ndarray]:
    """Random arrays; floats between 0.1 and 2 in magnitude, small integers of both signs.

    Unknown sizes are 3.
    """
    rng = np.random.default_rng(seed)
    arrays = []
    for t in types:
        sizes = tuple(3 if d is None else d for d in t.shape.as_list())
        if t.dtype.is_floating:
            values = rng.uniform(0.1, 2, sizes) * rng.choice([-1, 1], sizes)
        else:
            values = rng.integers(-5, 6, sizes)
        arrays.append(values.astype(t.dtype.numpy))
    return arrays


def special_arrays(types: Sequence[TensorType]) -> list[np.ndarray]:
    """Zeros of both signs, infinities, NaN, the very small and the very large, turned about.

    Integers are as in `arrays_for`.
    """
    return [
        np.resize(np.roll(SPECIAL, 5 * i), t.shape.as_list()).astype(t.dtype.numpy)
        if t.dtype.is_floating else array
        for i, (t, array) in enumerate(zip(types, arrays_for(types)))]


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal, NaN to NaN and zeros sign by sign."""
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        numbers = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(actual)[numbers], np.signbit(expected)[numbers])


def names_of(program: Program) -> list[str]:
    """The names of the ops that compute something, in order."""
    return [n.opdef.name for n in program.nodes
            if n.opdef.name not in ("Const", "Feed", "StateValue", "Argument")]


def assert_rewrites(
    run: Callable[[Program], Program], before: Callable[..., Any], expected: Callable[..., Any],
    *types: TensorType,
) -> Program:
    """`run` makes of `before` the structure of `expected`, with the same numbers.

    Returns the rewritten Program.
    """
    types = types or default_types(before)
    original = program_of(before, *types)
    after = run(original)
    wanted = program_of(expected, *types)
    assert after.same_structure(wanted), f"\n{after}\n\nexpected:\n{wanted}"
    arrays = arrays_for(types)
    for a, b in zip(outputs_of(after, arrays), outputs_of(original, arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    return after


def assert_unchanged(
    run: Callable[[Program], Program], build: Callable[..., Any], *types: TensorType
) -> None:
    """`run` gives back the very same Program."""
    program = program_of(build, *types)
    after = run(program)
    assert after is program, f"\n{after}"
