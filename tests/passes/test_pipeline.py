"""The pipeline: order, records, disabling, the verifier; random graphs keep their values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_cases import names_of, outputs_of, program_of

import graphflow as gf
from graphflow.builder import F
from graphflow.dims import symbol
from graphflow.errors import ProgramError
from graphflow.freeze import freeze
from graphflow.lowering import Composite
from graphflow.opdef import REGISTRY, TensorType
from graphflow.passes.base import Pass, op_names, rebuilt
from graphflow.passes.pipeline import PASSES, count_nodes, optimise
from graphflow.passes.rules import floats
from graphflow.program import Program
from graphflow.shapes import TensorShape


def loss(F, x):
    """Something for every phase to do."""
    y = F.constant(np.eye(3, 4, dtype=np.float32)) * 1
    return -F.reduce_mean(F.reduce_sum(y * F.log(F.softmax(F.identity(x))), 1))


# ---- the list -----------------------------------------------------------------------------------


def test_phases_come_in_the_order_of_the_design():
    first = {}
    for i, one in enumerate(PASSES):
        first.setdefault(one.phase, i)
    assert list(first) == ["canonicalise", "stabilise", "specialise", "expand", "loops"]


def test_every_pass_is_recorded_with_its_time_and_its_nodes():
    records, programs = [], []
    program = program_of(loss)
    after = optimise(program, on_pass=lambda r, p: (records.append(r), programs.append(p)))
    assert programs[-1] is after and after is not program
    assert {r.name for r in records} == {p.name for p in PASSES}
    assert all(r.seconds > 0 for r in records)
    assert records[0].before_nodes == len(program.nodes)
    for earlier, later, given_back in zip(records, records[1:], programs):
        assert later.before_nodes == earlier.after_nodes == count_nodes(given_back)
    changed = [r.name for r in records if r.changed]
    assert {"algebra", "stabilise", "expand"} <= set(changed)


def test_a_pass_that_left_a_program_as_it_is_does_not_look_at_it_again():
    records = []
    optimise(program_of(lambda F, x: F.sin(x)), on_pass=lambda r, p: records.append(r.name))
    assert len(records) == len(set(records))


def test_a_pass_is_disabled_by_name():
    program = program_of(loss)
    assert "Log" in names_of(optimise(program)), "of the sum of exponentials"
    plain = optimise(program, disabled={"stabilise", "expand"})
    assert {"Softmax", "Log"} <= set(names_of(plain))
    assert optimise(program, disabled={p.name for p in PASSES}) is program
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    expected = outputs_of(program, [x])[0]
    for name in {p.name for p in PASSES}:
        made = optimise(program, disabled={name})
        np.testing.assert_allclose(outputs_of(made, [x])[0], expected, rtol=1e-5)


def test_an_unknown_name_is_refused():
    with pytest.raises(ProgramError, match="no pass named 'fuse'.*algebra, attention, batch_norm"):
        optimise(program_of(loss), disabled={"fuse"})


def test_a_second_run_changes_nothing():
    for build in (loss, lambda F, x: gf.gradients(loss(F, x), x)[0]):
        after = optimise(program_of(build))
        assert optimise(after) is after


def test_nothing_to_do_gives_back_the_very_same_program():
    program = program_of(lambda F, x: F.tanh(x) + F.exp(x))
    assert optimise(program) is program


def test_the_time_grows_with_the_number_of_nodes_only():
    """A chain of a thousand identities is gone after as many passes as a short one."""
    def chain(n):
        def build(F, x):
            for _ in range(n):
                x = F.identity(-(-x * 1.0))
            return x
        return build

    runs = []
    for n in (5, 400):
        records = []
        after = optimise(program_of(chain(n)), on_pass=lambda r, p, to=records: to.append(r))
        assert names_of(after) == []
        runs.append(len(records))
    assert runs[0] == runs[1]


# ---- the verifier -------------------------------------------------------------------------------


def broken(change) -> Pass:
    """A pass that gives a copy of the Program with something changed."""
    return Pass("broken", "canonicalise", lambda p: dataclasses.replace(p, **change(p)))


@pytest.mark.parametrize("change, complaint", [
    (lambda p: {"nodes": p.nodes[::-1]}, "before it exists"),
    (lambda p: {"nodes": p.nodes[:-1]}, "not computed"),
    (lambda p: {"outputs": ()}, "the outputs were"),
    (lambda p: {"outputs": (p.outputs[0].node.inputs[0],)}, "the outputs were"),
    (lambda p: {"inputs": ()}, "the inputs were"),
    (lambda p: {"effects": p.nodes[:1]}, "effects"),
])
def test_the_complaint_about_a_broken_program_names_the_pass(change, complaint):
    with pytest.raises(ProgramError, match=f"After pass 'broken': .*{complaint}"):
        optimise(program_of(lambda F, x: F.reduce_sum(x)), passes=[broken(change)])


def test_a_lost_write_is_found():
    with gf.Graph().as_default():
        v = gf.Variable(1.0, name="v")
        program = freeze([v.assign_add(1.0)], [], {})
    with pytest.raises(ProgramError, match="After pass 'broken'"):
        optimise(program, passes=[broken(lambda p: {"writes": {}})])


def test_a_wrong_rewrite_is_found_where_it_is_made():
    def wrong(node, rebuilder):
        return F.cast(node.inputs[0], gf.int32) if node.opdef.name == "Sin" else None

    one = Pass("wrong", "canonicalise", lambda p: rebuilt(p, wrong, "pass 'wrong'"))
    with pytest.raises(ProgramError, match="pass 'wrong': .*Sin|float32 .* another type"):
        optimise(program_of(lambda F, x: F.sin(x)), passes=[one])


# ---- whole programs -----------------------------------------------------------------------------


def test_a_training_step_keeps_its_numbers():
    rng = np.random.default_rng(2)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 6], name="x")
        y = gf.placeholder(gf.int32, [None], name="y")
        w = gf.Variable(rng.normal(size=(6, 3)).astype(np.float32), name="w")
        b = gf.Variable(np.zeros(3, np.float32), name="b")
        logits = gf.nn.bias_add(gf.matmul(gf.nn.dropout(x, 1.0), w), b)
        value = gf.reduce_mean(gf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=y, logits=logits))
        step = gf.train.GradientDescentOptimizer(0.5).minimize(value)
        n = symbol("x.0")
        program = freeze([value], [step], {
            x: TensorType(gf.float32, TensorShape.of([n, 6])),
            y: TensorType(gf.int32, TensorShape.of([n]))})
    after = optimise(program)
    assert set(after.writes) == set(program.writes) and list(after.reads) == list(program.reads)
    assert not {n for n in op_names(after) if isinstance(REGISTRY[n].lowering, Composite)}
    fed = [rng.normal(size=(5, 6)).astype(np.float32), np.array([0, 2, 1, 1, 0], np.int32)]
    state = {"w": rng.normal(size=(6, 3)).astype(np.float32), "b": np.zeros(3, np.float32)}
    results = [with_writes(p, fed, state) for p in (program, after)]
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def with_writes(program: Program, fed, state):
    """The outputs, then the variables after the run."""
    from graphflow.reference import ReferenceExecutable
    from graphflow.runtime.store import VariableStore

    store = VariableStore()
    store.commit([(k, v.copy()) for k, v in state.items()])
    outputs = ReferenceExecutable(program).run(fed, store)
    return [*outputs, *store.read(dict.fromkeys(state)).values()]


# ---- random graphs ------------------------------------------------------------------------------

UNARY = [
    F.negative, F.identity, F.square, F.tanh, F.sigmoid, F.exp, F.abs, F.softplus, F.softmax,
    lambda x: F.log(F.sigmoid(x)), lambda x: F.log(1 + F.exp(x)), lambda x: 1 - F.sigmoid(x),
    lambda x: F.exp(x) - 1, lambda x: F.log(F.softmax(x)), lambda x: x * 1, lambda x: x / 4,
    lambda x: F.pow(x, 2), lambda x: F.transpose(F.transpose(x)), lambda x: x + 0,
    lambda x: F.reshape(F.reshape(x, [-1]), [3, 3]), lambda x: F.transpose(x),
    lambda x: F.reduce_sum(x, 1, keepdims=True) + x * 0.5, lambda x: x[0:, :],
    lambda x: F.concat(F.split(x, 3, 1), 1), lambda x: F.broadcast_to(x[:1], [3, 3]),
    lambda x: F.cast(F.cast(x, gf.complex128), gf.float64), lambda x: F.reduce_max(x) - x,
]
BINARY = [
    F.add, F.subtract, F.multiply, F.maximum, lambda x, y: F.matmul(F.transpose(x), y) / 3,
    lambda x, y: F.transpose(F.matmul(x, y, transpose_b=True)) / 3,
    lambda x, y: F.where_v2(x > y, x, -y), lambda x, y: x - (-y), lambda x, y: F.add_n([x, y]),
    lambda x, y: -F.reduce_sum(y * F.log(F.softmax(x)), 1, keepdims=True) + x,
    lambda x, y: F.bias_add(x, y[0]), lambda x, y: gf.cond(
        F.reduce_sum(x) > 0, lambda: F.exp(-y) * 1, lambda: x + y),
]
STEPS = st.lists(st.tuples(
    st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 99), st.integers(0, 99)),
    min_size=1, max_size=12)


def random_graph(steps, gradient):
    """A builder of a graph: each step applies one function to values made so far."""
    def build(F, x, y):
        values = [x, y, F.constant(np.linspace(-1, 1, 9).reshape(3, 3))]
        for which, first, second in steps:
            a, b = values[first % len(values)], values[second % len(values)]
            unary = which < len(UNARY)
            values.append(UNARY[which](a) if unary else BINARY[which - len(UNARY)](a, b))
        if not gradient:
            return values[-1]
        found = gf.gradients(F.tanh(values[-1]), x)[0]
        return [values[-1], F.zeros_like(x) if found is None else found]

    return build


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, gradient=st.booleans(), known=st.booleans())
def test_random_graphs_keep_their_values(steps, gradient, known):
    """Where the values were finite; a stabilised formula may be finite where they were not."""
    kind = floats(3, 3, dtype=gf.float64) if known else TensorType(
        gf.float64, TensorShape.of([symbol("n"), 3]))
    program = program_of(random_graph(steps, gradient), kind, floats(3, 3, dtype=gf.float64))
    after = optimise(program)
    assert not {n for n in op_names(after) if isinstance(REGISTRY[n].lowering, Composite)}
    assert optimise(after) is after
    rng = np.random.default_rng(0)
    fed = [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]
    for a, b in zip(outputs_of(after, fed), outputs_of(program, fed), strict=True):
        plain = np.isfinite(b) & (np.abs(b) < 1e8)
        np.testing.assert_allclose(a[plain], b[plain], rtol=1e-6, atol=1e-6)
