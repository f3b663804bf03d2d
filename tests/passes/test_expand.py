"""Expansion: no composite is left, and every composite computes what its reference does."""

from __future__ import annotations

import numpy as np
import pytest
from contract_cases import Case, assert_close, cases_of, ops_that, run_reference
from pass_cases import names_of, outputs_of, program_of

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.dims import symbol
from graphflow.lowering import Composite
from graphflow.opdef import REGISTRY, TensorType
from graphflow.passes.expand import EXPAND
from graphflow.passes.pipeline import optimise
from graphflow.program import Program, ProgramBuilder
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.store import VariableStore
from graphflow.shapes import TensorShape


def composites(program: Program) -> set[str]:
    """The names of composites that are left, but for those that refuse to be expanded."""
    found = set()
    for node in program.nodes:
        lowering = node.opdef.lowering
        if isinstance(lowering, Composite) and not lowering.refuses(node.inputs, node.attrs):
            found.add(node.opdef.name)
        for body in node.attrs.values():
            if isinstance(body, Program):
                found |= composites(body)
    return found


def program_for(case: Case, known: bool) -> Program:
    """One node of the op, with arguments of known sizes or of symbols for sizes."""
    builder = ProgramBuilder()
    values = []
    for i, array in enumerate(case.inputs):
        sizes = array.shape if known else [symbol(f"x{i}.{a}") for a in range(array.ndim)]
        kind = TensorType(dt.array_dtype(array), TensorShape.of(sizes))
        values.append(builder.leaf("Argument", index=i, type=kind))
    outputs = builder.apply(case.opdef, values, case.attrs)
    return builder.finish(values, outputs)


@pytest.mark.parametrize("known", [True, False], ids=["known_sizes", "symbolic_sizes"])
@pytest.mark.parametrize("name", ops_that(lambda opdef: isinstance(opdef.lowering, Composite)))
def test_composites_compute_what_their_references_do(name, known):
    for case in cases_of(REGISTRY[name]):
        if any(a.dtype == object for a in case.inputs):
            continue
        expected = run_reference(case)
        program = program_for(case, known)
        for run in (EXPAND.run, optimise):
            after = run(program)
            assert not composites(after), f"{case.id}: {after}"
            found = ReferenceExecutable(after).run(list(case.inputs), VariableStore())
            for array, wanted in zip(found, expected, strict=True):
                assert_close(array, wanted, f"{case.id} expanded", roundings=64)


def test_composites_of_composites_and_in_bodies():
    def build(F, x):
        labels = F.constant([0, 1, 2])
        loss = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x)
        return gf.cond(F.reduce_sum(loss) > 0, lambda: F.softmax(x), lambda: F.log_softmax(x))

    program = program_of(build)
    after = EXPAND.run(program)
    assert composites(program) and not composites(after)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(
        outputs_of(after, [x])[0], outputs_of(program, [x])[0], rtol=1e-6)


def test_shared_parts_of_composites_are_computed_once():
    program = EXPAND.run(program_of(lambda F, x: [F.softmax(x), F.log_softmax(x)]))
    assert names_of(program).count("Exp") == 1 and names_of(program).count("Max") == 1


def test_a_composite_that_must_look_at_values_requires_them():
    def build(F, x):
        return gf.segment_sum(x, F.constant([0, 0, 1]))

    names = names_of(EXPAND.run(program_of(build)))
    assert "Require" in names and "SegmentSum" not in names


def test_a_program_without_composites_stays():
    program = program_of(lambda F, x: F.tanh(x))
    assert EXPAND.run(program) is program


def test_what_was_known_of_sizes_stays_known():
    """The parts of a split know their sizes only as differences."""
    kind = TensorType(gf.float32, TensorShape.of([symbol("n"), 4]))
    program = program_of(lambda F, x: [a + 1.0 for a in F.split(x, 2, 1)], kind)
    after = EXPAND.run(program)
    assert [v.shape for v in after.outputs] == [v.shape for v in program.outputs]
