"""Branches whose condition is known."""

from __future__ import annotations

import numpy as np
from pass_cases import assert_unchanged, names_of, outputs_of, program_of

import graphflow as gf
from graphflow.passes.pipeline import optimise
from graphflow.passes.regions import REGIONS


def test_the_branch_taken_becomes_part_of_the_program():
    x = np.float32(np.arange(12).reshape(3, 4))
    for decided, expected in ((True, x * 2), (False, x - 1)):
        after = REGIONS.run(program_of(lambda F, x, d=decided: gf.cond(
            F.constant(d), lambda: x * 2, lambda: x - 1)))
        assert "If" not in names_of(after)
        np.testing.assert_array_equal(outputs_of(after, [x])[0], expected)


def test_the_switch_between_training_and_inference_costs_nothing():
    """A default that is not fed decides the branch; nested branches follow."""
    def build(F, x):
        training = gf.placeholder_with_default(False, [])
        return gf.cond(training, lambda: F.exp(x), lambda: gf.cond(
            F.logical_not(training), lambda: F.sin(x), lambda: F.cos(x)))

    after = optimise(program_of(build))
    assert names_of(after) == ["Sin"]


def test_gradients_through_a_decided_branch():
    def build(F, x):
        y = gf.cond(F.constant(True), lambda: x * x * x, lambda: x)
        return gf.gradients(F.reduce_sum(y), x)[0]

    after = optimise(program_of(build))
    assert "If" not in names_of(after)
    x = np.float32(np.arange(12).reshape(3, 4))
    np.testing.assert_allclose(outputs_of(after, [x])[0], 3 * x * x)


def test_nodes_keep_the_origin_that_they_had_in_the_branch():
    after = REGIONS.run(program_of(lambda F, x: gf.cond(
        F.constant(True), lambda: F.exp(x, name="inside"), lambda: x)))
    node = next(n for n in after.nodes if n.opdef.name == "Exp")
    assert after.origins[node.serial].name == "cond/inside"


def test_conditions_of_the_run_and_branches_with_effects_stay():
    assert_unchanged(REGIONS.run, lambda F, x: gf.cond(
        F.reduce_sum(x) > 0, lambda: x * 2, lambda: x - 1))
    assert_unchanged(REGIONS.run, lambda F, x: gf.cond(
        F.constant(True), lambda: gf.py_func(lambda a: a, [x], gf.float32), lambda: x - 1))
