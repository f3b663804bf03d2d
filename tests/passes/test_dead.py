"""Dead code: nodes, and what regions compute and take for nothing."""

from __future__ import annotations

import numpy as np
from pass_cases import assert_unchanged, names_of, outputs_of, program_of

import graphflow as gf
from graphflow.passes.base import op_names
from graphflow.passes.dead import DEAD
from graphflow.passes.pipeline import optimise
from graphflow.passes.rules import floats, ints

X = np.float32(np.arange(12).reshape(3, 4)) / 4


def region(program, name):
    """The one node of an op."""
    return next(n for n in program.nodes if n.opdef.name == name)


def test_nodes_that_nothing_needs_are_dropped_by_every_rewrite():
    after = optimise(program_of(lambda F, x: F.where_v2(True, F.sin(x), F.cos(x))))
    assert names_of(after) == ["Sin"]


def test_a_branch_computes_only_the_results_that_are_used():
    def build(F, x):
        _, second, _ = gf.cond(F.reduce_sum(x) > 0,
                               lambda: (F.exp(x), x * 2, F.sin(x)),
                               lambda: (F.log(x), x * 3, F.cos(x)))
        return second + 1.0

    program = program_of(build)
    after = DEAD.run(program)
    node = region(after, "If")
    assert len(node.outputs) == 1 and node.attrs["results"] == 1
    assert op_names(after).isdisjoint({"Exp", "Sin", "Log", "Cos"})
    for x in (X, -X):
        np.testing.assert_array_equal(
            outputs_of(after, [x])[0], outputs_of(program, [x])[0])
    assert DEAD.run(after) is after


def test_values_that_no_body_reads_are_not_taken():
    def build(F, x):
        y, z = F.sin(x), F.cos(x)
        first, _ = gf.cond(F.reduce_sum(x) > 0, lambda: (x + y, y * z), lambda: (x - y, z))
        return first

    after = DEAD.run(program_of(build))
    node = region(after, "If")
    assert [v.node.opdef.name for v in node.inputs[1:]].count("Cos") == 0
    assert "Cos" not in names_of(after)
    np.testing.assert_allclose(outputs_of(after, [X])[0], X + np.sin(X), rtol=1e-6)


def test_loops_drop_captured_values_that_simplification_left_over():
    def build(F, x, k):
        return gf.while_loop(lambda i, y: i < 3, lambda i, y: (
            i + 1 + F.reduce_sum(k - k), y * 2), [0, x])[1]

    program = program_of(build, floats(3, 4), ints(2))
    after = optimise(program)
    assert len(region(after, "While").inputs) < len(region(program, "While").inputs)
    k = np.array([1, 2], np.int32)
    np.testing.assert_array_equal(outputs_of(after, [X, k])[0], X * 8)


def test_loops_with_state_and_iteration_numbers_keep_their_places():
    def build(F, x):
        v = gf.Variable(0.0, name="v")
        unused = F.cos(x)

        def body(i, y):
            with gf.control_dependencies([v.assign_add(F.reduce_sum(y))]):
                return i + 1, y + F.reduce_sum(unused - unused) * 0 + 1.0

        return gf.while_loop(lambda i, y: i < 3, body, [0, x], maximum_iterations=2)[1]

    program = program_of(build)
    after = optimise(program)
    start = np.float32(5)
    for made in (program, after):
        np.testing.assert_allclose(outputs_of(made, [X], v=start)[0], X + 2, rtol=1e-6)


def test_histories_for_gradients_stay_while_they_are_used():
    def build(F, x):
        y = gf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * y), [0, x])[1]
        return gf.gradients(F.reduce_sum(y), x)[0]

    program = program_of(build)
    after = optimise(program)
    np.testing.assert_allclose(outputs_of(after, [X])[0], 8 * X**7, rtol=1e-5)


def test_regions_that_need_everything_stay():
    assert_unchanged(DEAD.run, lambda F, x: list(gf.cond(
        F.reduce_sum(x) > 0, lambda: (x * 2, F.sin(x)), lambda: (x, F.cos(x)))))
