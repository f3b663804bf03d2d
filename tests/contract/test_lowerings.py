"""Contract: what an op's lowering says is what its NumPy reference computes.

Loop nests run in the lowering interpreter, which also verifies their loop IR; composites are
expanded into a Program that the NumPy executor runs. Strings live in host steps only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract_cases import Case, assert_close, cases_of, context, ops_that, run_reference

from graphflow import dtypes as dt
from graphflow.builder import F, using
from graphflow.dims import symbol
from graphflow.lowering import Composite
from graphflow.lowering_interpreter import interpret, interprets
from graphflow.opdef import REGISTRY, TensorType
from graphflow.program import ProgramBuilder
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.store import VariableStore
from graphflow.shapes import TensorShape


def _compiled_cases(name: str) -> list[Case]:
    return [case for case in cases_of(REGISTRY[name])
            if not any(a.dtype == object for a in case.inputs)]


def _roundings(case: Case) -> float:
    """How many roundings a result may be off: sums in another order err with their length."""
    return 8 + 2 * max((a.size for a in case.inputs), default=1) ** 0.5


def _assert_outputs(case: Case, outputs: list[Any], expected: list[np.ndarray], how: str) -> None:
    assert len(outputs) == len(expected), f"{case.id} {how}: {len(outputs)} outputs"
    for array, wanted in zip(outputs, expected):
        assert_close(array, wanted, f"{case.id} {how}", roundings=_roundings(case))


@pytest.mark.parametrize("name", ops_that(lambda opdef: interprets(opdef.lowering)))
def test_loop_nest_computes_what_the_reference_does(name: str) -> None:
    for case in _compiled_cases(name):
        expected = run_reference(case)
        try:
            outputs = interpret(case.opdef.lowering, context(case, expected), case.inputs)
        except Exception as error:
            error.add_note(f"when interpreting {case.id}")
            raise
        _assert_outputs(case, outputs, expected, "interpreted")


def _argument(builder: ProgramBuilder, i: int, array: np.ndarray, known: bool) -> Any:
    """A leaf for one input; sizes that are not known are symbols."""
    sizes = array.shape if known else [symbol(f"x{i}.{a}") for a in range(array.ndim)]
    kind = TensorType(dt.array_dtype(array), TensorShape.of(sizes))
    return builder.leaf("Argument", index=i, type=kind)


def _expanded(case: Case, known: bool) -> list[np.ndarray]:
    builder = ProgramBuilder()
    values = [_argument(builder, i, array, known) for i, array in enumerate(case.inputs)]
    with using(builder):
        outputs = case.opdef.lowering.expand(  # type: ignore[union-attr]  # it is a Composite
            F, *values, **case.attrs)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    assert not any(v.node.opdef is case.opdef for v in outputs), f"{case.id} expands to itself"
    program = builder.finish(values, outputs)
    return ReferenceExecutable(program).run(list(case.inputs), VariableStore())


@pytest.mark.parametrize("known", [True, False], ids=["known_sizes", "symbolic_sizes"])
@pytest.mark.parametrize("name", ops_that(lambda opdef: isinstance(opdef.lowering, Composite)))
def test_composite_expands_to_what_the_reference_computes(name: str, known: bool) -> None:
    for case in _compiled_cases(name):
        try:
            outputs = _expanded(case, known)
        except Exception as error:
            error.add_note(f"when expanding {case.id}")
            raise
        _assert_outputs(case, outputs, run_reference(case), "expanded")
