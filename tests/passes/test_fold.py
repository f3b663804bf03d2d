"""Constant folding: what it computes, its budget, and what it leaves alone."""

from __future__ import annotations

import numpy as np
from pass_cases import assert_rewrites, assert_unchanged, names_of, outputs_of, program_of

import graphflow as gf
from graphflow.freeze import freeze
from graphflow.passes.fold import BUDGET, FOLD
from graphflow.passes.rules import floats, ints


def test_a_chain_of_constants_is_one_constant():
    assert_rewrites(
        FOLD.run,
        lambda F, x: x * F.exp(F.constant(np.float32([[1, 2]])) + 0.5)[:, 1:],
        lambda F, x: x * F.constant(np.exp(np.float32([[2.5]]))), floats(3, 4))


def test_several_outputs_fold_together():
    assert_rewrites(
        FOLD.run, lambda F, x: x + F.split(F.constant(np.arange(4.0, dtype=np.float32)), 2)[1][0],
        lambda F, x: x + F.constant(np.float32(2)), floats(3, 4))


def test_bodies_of_regions_are_folded():
    program = program_of(lambda F, x: gf.cond(
        F.reduce_sum(x) > 0, lambda: x * F.sin(F.constant(0.5)), lambda: x))
    after = FOLD.run(program)
    assert "Sin" in str(program) and "Sin" not in str(after).replace("/Sin", "")
    x = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(outputs_of(after, [x])[0], np.sin(np.float32(0.5)) * x, rtol=1e-6)


def test_what_spreads_a_number_out_is_folded_only_into_the_code_itself():
    assert_rewrites(FOLD.run, lambda F, x: x + F.fill([4], 2.0),
                    lambda F, x: x + np.full(4, 2, np.float32))
    for build in (lambda F, x: x + F.fill([1000], 2.0), lambda F, x: x + F.range(0.0, 1000.0),
                  lambda F, x: x + F.broadcast_to([1.0], [1000]),
                  lambda F, x: x + F.tile([1.0, 2.0], [500])):
        assert_unchanged(FOLD.run, build, floats(3, 1))


def test_results_stay_within_the_budget():
    side = int((BUDGET / 4) ** 0.5)
    column, row = np.ones((side + 1, 1), np.float32), np.ones((1, side), np.float32)
    assert_unchanged(FOLD.run, lambda F, x: x + F.constant(column) * F.constant(row), floats(1))
    after = FOLD.run(program_of(lambda F, x: x + F.constant(column[1:]) * row, floats(1)))
    assert names_of(after) == ["Add"]
    large = np.ones((200, 200), np.float32)
    assert large.nbytes > BUDGET
    after = FOLD.run(program_of(lambda F, x: x + F.square(F.constant(large)), floats(1)))
    assert names_of(after) == ["Add"], "it costs no more memory than its input did"


def test_effects_random_numbers_and_state_are_not_folded():
    calls = []
    with gf.Graph().as_default():
        made = gf.py_func(lambda a: calls.append(a) or a, [gf.constant(1.0)], gf.float32)
        pure = gf.py_func(lambda a: calls.append(a) or a, [gf.constant(1.0)], gf.float32,
                          stateful=False)
        v = gf.Variable(3.0)
        program = freeze([made, pure, gf.random_uniform([2]), v + 1.0], [], {})
    after = FOLD.run(program)
    assert {"PyFunc", "PyFuncStateless", "RandomUniform", "Add"} <= set(names_of(after))
    assert not calls


def test_a_node_that_would_raise_stays_and_raises_when_it_runs():
    assert_unchanged(FOLD.run, lambda F, x: x + F.pow(F.constant(2), F.constant(-1)),
                     ints(3))


def test_half_types_keep_their_type():
    after = FOLD.run(program_of(
        lambda F, x: F.cast(x, gf.bfloat16) + F.square(F.constant(1.5, gf.bfloat16))))
    constant = next(n for n in after.nodes if n.opdef.name == "Const")
    assert constant.outputs[0].dtype is gf.bfloat16
    assert constant.attrs["value"].array == 2.25
