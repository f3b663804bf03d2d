"""Programs: interning, structural equality, the printer, the verifier, the order of effects."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.builder import F, using
from graphflow.errors import ProgramError
from graphflow.freeze import freeze
from graphflow.opdef import TensorType
from graphflow.program import Program, ProgramBuilder, verify
from graphflow.shapes import TensorShape


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def leaf(builder, name, *sizes, dtype=gf.float32):
    """A fed value."""
    return builder.leaf("Feed", tensor=name, type=TensorType(dtype, TensorShape(sizes)))


def frozen(tensors, operations=(), **feeds) -> Program:
    """The Program of tensors, with placeholders fed by their static types."""
    graph = gf.get_default_graph()
    fed = {graph.get_tensor_by_name(f"{n}:0"): t for n, t in feeds.items()}
    return freeze(tensors, operations, fed)


F32 = TensorType(gf.float32, TensorShape([2, 3]))


# ---- interning ----------------------------------------------------------------------------------


def test_equal_pure_nodes_are_one_object():
    builder = ProgramBuilder()
    x = leaf(builder, "x", 2)
    with using(builder):
        assert F.tanh(x) is F.tanh(x)
        assert x + 1.0 is x + 1.0, "constants are interned by content"
        assert F.reduce_sum(x, 0) is not F.reduce_sum(x, 0, keepdims=True)
        assert x + 1.0 is not x + 2.0
    assert leaf(builder, "x", 2) is x and leaf(builder, "y", 2) is not x


def test_a_common_subexpression_is_computed_once():
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    program = frozen([gf.exp(x) + 1.0, gf.exp(x) * 2.0], x=F32)
    assert [n.opdef.name for n in program.nodes].count("Exp") == 1


def test_effects_are_never_interned():
    calls = []
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    calls = [gf.py_func(np.sum, [x], gf.float32), gf.py_func(np.sum, [x], gf.float32)]
    program = frozen(calls, x=F32)
    assert len(program.effects) == 2
    pure = [gf.py_func(np.sum, [x], gf.float32, stateful=False) for _ in range(2)]
    program = frozen(pure, x=F32)
    assert not program.effects and len({v.node for v in program.outputs}) == 1


# ---- effects are in order -----------------------------------------------------------------------


def test_effects_are_chained_in_creation_order():
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    first = gf.py_func(lambda a: a, [x], gf.float32, name="first")
    second = gf.py_func(lambda a: a, [x], gf.float32, name="second")
    program = frozen([second, first], x=F32)
    one, two = program.effects
    assert [program.origins[n.serial].name for n in (one, two)] == ["first", "second"]
    assert two.after is one and one.after is None


def test_effects_run_in_creation_order_whatever_is_fetched_first():
    seen = []
    fetches = [gf.py_func(lambda i=i: seen.append(i) or np.int64(i), [], gf.int64)
               for i in range(4)]
    with gf.Session() as session:
        session.run(fetches[::-1])
    assert seen == [0, 1, 2, 3]


# ---- structural equality ------------------------------------------------------------------------


def build(scale: float, axis: int) -> Program:
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [2, 3], name="x")
        return frozen([gf.reduce_sum(x * scale, axis)], x=F32)


def test_programs_are_equal_if_they_compute_the_same():
    assert build(2.0, 0).same_structure(build(2.0, 0))
    assert not build(2.0, 0).same_structure(build(3.0, 0))
    assert not build(2.0, 0).same_structure(build(2.0, 1))


def test_names_and_lines_are_outside_equality():
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    one = frozen([gf.tanh(x, name="one")], x=F32)
    other = frozen([gf.tanh(x, name="other")], x=F32)
    assert one.same_structure(other)
    assert "# one" in str(one) and "# other" in str(other)


def test_only_what_is_needed_is_kept():
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    gf.py_func(lambda a: a, [x], gf.float32)
    y = gf.tanh(gf.exp(x))
    assert [n.opdef.name for n in frozen([y], x=F32).nodes] == ["Feed", "Exp", "Tanh"]


# ---- the printer --------------------------------------------------------------------------------


def test_a_program_prints_as_a_straight_line():
    x = gf.placeholder(gf.float32, [None, 3], name="x")
    w = gf.Variable([[1.0], [2.0], [3.0]], name="w")
    loss = gf.reduce_sum(gf.matmul(x, w, name="h"), name="loss")
    step = w.assign_sub(gf.ones([3, 1]), name="step")
    program = frozen([loss], [step.op], x=TensorType(gf.float32, x.shape))
    lines = [line.rstrip() for line in str(program).splitlines()]
    assert lines[0] == "%0 = Feed() {tensor='x:0', type=" + \
        "TensorType(dtype=gf.float32, shape=TensorShape([x.0, 3]))} : float32 [x.0, 3]   # x"
    assert "StateValue" in lines[1] and "key='w'" in lines[1] and lines[1].endswith("# w")
    assert lines[2].startswith("%2 = MatMul(%0, %1) {transpose_a=False, transpose_b=False, ")
    assert lines[2].endswith("} : float32 [x.0, 1]   # h")
    assert "Sum(%2" in str(program) and "# loss" in str(program)
    assert any(line.startswith("write w = %") for line in lines)
    assert lines[-1].startswith("return %")


def test_bodies_are_printed_inside_their_node():
    x = gf.placeholder(gf.float32, [], name="x")
    y = gf.while_loop(lambda v: v < 10.0, lambda v: v * 2.0, [x])
    text = str(frozen([y], x=TensorType(gf.float32, TensorShape([]))))
    assert "\n  condition:\n    %0 = Argument" in text and "\n  body:\n    %0 = Argument" in text
    assert "Less(" in text and "Mul(" in text


# ---- the verifier -------------------------------------------------------------------------------


def small() -> Program:
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    return frozen([gf.tanh(gf.exp(x))], x=F32)


def test_the_verifier_names_the_stage_and_the_node():
    program = small()
    verify(program)
    program.nodes = program.nodes[::-1]
    with pytest.raises(ProgramError, match="After fusion: <Node %2 Tanh> uses <Node %1 Exp>"):
        verify(program, "fusion")


def test_a_result_that_is_not_computed():
    program = small()
    program.nodes = program.nodes[:-1]
    with pytest.raises(ProgramError, match="given back but not computed"):
        verify(program)


def test_an_effect_that_was_lost():
    x = gf.placeholder(gf.float32, [2, 3], name="x")
    program = frozen([gf.py_func(lambda a: a, [x], gf.float32)], x=F32)
    program.effects = ()
    with pytest.raises(ProgramError, match="effects are not those of the nodes"):
        verify(program)


def test_values_of_a_program_are_no_python_values():
    builder = ProgramBuilder()
    x = leaf(builder, "x", 2)
    with pytest.raises(TypeError, match="no truth value"):
        bool(x)
    with pytest.raises(TypeError, match="iterated"):
        list(x)
