"""All rewrite rules on their examples: each fires, and both sides compute the same."""

from __future__ import annotations

import numpy as np
import pytest
from pass_cases import (
    arrays_for,
    assert_same_bits,
    outputs_of,
    program_of,
    special_arrays,
)

from graphflow.dims import symbol
from graphflow.opdef import TensorType
from graphflow.passes.base import Pass, rebuilt
from graphflow.passes.pipeline import PASSES
from graphflow.passes.rules import Example, Rule
from graphflow.program import Program
from graphflow.shapes import TensorShape


def alone(owner: Pass, rule: Rule, program: Program) -> Program:
    """The Program after this rule only."""
    def rewrite(node, rebuilder):
        return rule(node, rebuilder) if node.opdef.name in rule.pattern.names else None

    return rebuilt(program, rewrite, f"rule {rule.name!r} of {owner.name!r}")


CASES = [pytest.param(owner, rule, one, id=f"{rule.name}-{i}")
         for owner in dict.fromkeys(PASSES) for rule in owner.rules
         for i, one in enumerate(rule.examples)]


@pytest.mark.parametrize("owner, rule, one", CASES)
def test_both_sides_of_a_rule_compute_the_same(owner: Pass, rule: Rule, one: Example):
    before = program_of(one.build, *one.types)
    after = alone(owner, rule, before)
    assert after is not before, f"the rule does not fire on its example:\n{before}"
    arrays = arrays_for(one.types)
    for a, b in zip(outputs_of(after, arrays), outputs_of(before, arrays), strict=True):
        if rule.exact:
            assert_same_bits(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=3e-6, atol=1e-6)


EXACT = [case for case in CASES if case.values[1].exact]


@pytest.mark.parametrize("owner, rule, one", EXACT)
def test_exact_rules_hold_for_nan_infinities_and_both_zeros(owner, rule, one):
    before = program_of(one.build, *one.types)
    arrays = special_arrays(one.types)
    expected = outputs_of(before, arrays)
    for a, b in zip(outputs_of(alone(owner, rule, before), arrays), expected, strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize("owner, rule, one", CASES)
def test_rules_take_unknown_sizes(owner, rule, one):
    """With every size a symbol a rule may fire or not, but what it gives is right."""
    unknown = tuple(
        TensorType(t.dtype, TensorShape.of(symbol(f"x{i}.{a}") for a in range(t.shape.rank)))
        for i, t in enumerate(one.types))
    try:
        before = program_of(one.build, *unknown)
    except ValueError:
        return  # the example needs its sizes to be built at all
    after = alone(owner, rule, before)
    arrays = arrays_for(one.types)
    for a, b in zip(outputs_of(after, arrays), outputs_of(before, arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-6, atol=1e-6)


def test_every_rule_has_an_equation_and_an_example():
    tested_by_hand = {"normalised_convolution", "cast_to_own_type"}
    for owner in dict.fromkeys(PASSES):
        for rule in owner.rules:
            assert rule.replace.__doc__, rule.name
            assert rule.examples or rule.name in tested_by_hand, rule.name


def test_names_of_rules_and_passes_are_unique():
    owners = list(dict.fromkeys(PASSES))
    names = [rule.name for owner in owners for rule in owner.rules]
    assert len(names) == len(set(names))
    assert len(owners) == len({owner.name for owner in owners})
