"""The rewriting mechanism: copies, origins, effects, bodies, chains, what is known of sizes."""

from __future__ import annotations

import numpy as np
import pytest
from pass_cases import DEFAULT, names_of, outputs_of, program_of

import graphflow as gf
from graphflow.builder import F
from graphflow.dims import symbol
from graphflow.errors import ProgramError
from graphflow.freeze import freeze
from graphflow.opdef import TensorType
from graphflow.passes.base import op_names, rebuilt
from graphflow.program import verify
from graphflow.shapes import TensorShape


def exp_to_tanh(node, rebuilder):
    """A rewrite that is easy to see."""
    return F.tanh(node.inputs[0]) if node.opdef.name == "Exp" else None


def test_nothing_to_rewrite_gives_back_the_very_same_program():
    program = program_of(lambda F, x: F.sin(x) + 1.0)
    assert rebuilt(program, exp_to_tanh, "test") is program
    assert rebuilt(program, lambda node, rebuilder: node.outputs, "test") is program


def test_a_common_subexpression_is_one_node_after_any_rewrite():
    """Interning makes the two tangents one; no pass is needed for it."""
    program = program_of(lambda F, x: F.exp(x) * F.tanh(x))
    after = rebuilt(program, exp_to_tanh, "test")
    assert names_of(after) == ["Tanh", "Mul"]
    assert after.outputs[0].node.inputs[0] is after.outputs[0].node.inputs[1]


def test_operands_of_commutative_ops_may_be_exchanged():
    program = program_of(lambda F, x, y: [x + y, y + x, x - y, y - x])
    assert names_of(program) == ["Add", "Sub", "Sub"]


def test_new_nodes_have_the_origin_of_what_they_replace():
    def build(F, x):
        return F.negative(F.exp(x, name="mine"), name="outer")

    after = rebuilt(program_of(build), exp_to_tanh, "test")
    origins = {n.opdef.name: after.origins[n.serial] for n in after.nodes}
    assert origins["Tanh"].name == "mine" and origins["Neg"].name == "outer"
    assert "test_rebuilder" in origins["Tanh"].site


def test_what_a_rewrite_makes_is_rewritten_in_turn():
    def rewrite(node, rebuilder):
        following = {"Exp": F.sin, "Sin": F.cos, "Cos": F.tanh}.get(node.opdef.name)
        return None if following is None else following(node.inputs[0])

    assert names_of(rebuilt(program_of(lambda F, x: F.exp(x)), rewrite, "test")) == ["Tanh"]


def test_rewriting_without_end_is_an_error():
    def rewrite(node, rebuilder):
        return F.negative(node.outputs[0]) if node.opdef.name in ("Exp", "Neg") else None

    with pytest.raises(ProgramError, match=r"pass 'x': the rewriting of .* does not end"):
        rebuilt(program_of(lambda F, x: F.exp(x)), rewrite, "pass 'x'")


def test_a_value_of_another_type_is_refused():
    program = program_of(lambda F, x: F.exp(x))
    for wrong in (lambda x: F.cast(x, gf.int32), lambda x: F.reduce_sum(x, 0)):
        with pytest.raises(ProgramError, match="pass 'x': .* of another type"):
            rebuilt(program, lambda node, _, wrong=wrong: wrong(node.inputs[0])
                    if node.opdef.name == "Exp" else None, "pass 'x'")
    with pytest.raises(ProgramError, match="1 outputs, 2 values"):
        rebuilt(program, lambda node, _: node.outputs * 2 if node.inputs else None, "pass 'x'")


def test_effects_stay_in_order_and_are_not_offered():
    calls = []
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [3, 4])
        first = gf.py_func(lambda a: calls.append("first") or a, [gf.exp(x)], gf.float32)
        second = gf.py_func(lambda a: calls.append("second") or a, [x], gf.float32)
        program = freeze([second, first], [], {x: DEFAULT})
    offered = []

    def rewrite(node, rebuilder):
        offered.append(node.opdef.name)
        return exp_to_tanh(node, rebuilder)

    after = rebuilt(program, rewrite, "test")
    assert "PyFunc" not in offered and len(after.effects) == 2
    verify(after)
    outputs_of(after, [np.ones((3, 4), np.float32)])
    assert calls == ["first", "second"]


def test_state_and_feeds_stay():
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [3, 4], name="x")
        unused = gf.placeholder(gf.float32, [2], name="unused")
        v = gf.Variable(np.ones((3, 4), np.float32), name="v")
        update = v.assign_add(gf.exp(x))
        program = freeze([update], [], {x: DEFAULT, unused: TensorType(
            gf.float32, TensorShape([2]))})
    after = rebuilt(program, exp_to_tanh, "test")
    assert len(after.inputs) == 2 and list(after.writes) == ["v"] and list(after.reads) == ["v"]
    start, fed = np.full((3, 4), 2, np.float32), np.full((3, 4), 0.5, np.float32)
    out = outputs_of(after, [fed, np.zeros(2, np.float32)], v=start)
    np.testing.assert_allclose(out[0], 2 + np.tanh(0.5), rtol=1e-6)


def test_bodies_of_regions_are_rewritten_too():
    def build(F, x):
        return gf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, gf.cond(
            i > 0, lambda: gf.exp(y), lambda: y + x)), [0, x])[1]

    program = program_of(build)
    after = rebuilt(program, exp_to_tanh, "test")
    assert "Exp" in op_names(program) and "Tanh" not in op_names(program)
    assert "Exp" not in op_names(after) and "Tanh" in op_names(after)
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(
        outputs_of(after, [x])[0], np.tanh(np.tanh(2 * x)), rtol=1e-6, atol=1e-6)


def test_unknown_sizes_keep_their_symbols():
    """Sizes that only the run knows are new symbols each time they are inferred."""
    def build(F, x):
        kept = gf.boolean_mask(x, gf.exp(x) > 1)
        return [kept + 1.0, gf.sin(kept) * kept]

    program = program_of(build)
    after = rebuilt(program, exp_to_tanh, "test")
    first, second = (v.shape.sizes[0] for v in after.outputs)
    assert first == second == program.outputs[0].shape.sizes[0]


def test_a_value_with_less_known_sizes_is_left_out_unless_it_must_be_taken():
    n = symbol("n")
    types = (TensorType(gf.float32, TensorShape.of([n])), TensorType(
        gf.float32, TensorShape.of([symbol("m")])))
    program = program_of(lambda F, x, y: F.exp(x) + F.reduce_sum(y), *types)
    y = program.inputs[1].node

    def rewrite(node, rebuilder):
        if node.opdef.name != "Exp":
            return None
        return rebuilder._values.get(y.outputs[0], y.outputs[0])

    assert rebuilt(program, rewrite, "test") is program
    assert rebuilt(program, rewrite, "test", required=True) is not program
