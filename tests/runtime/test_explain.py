"""`Session.explain`: bytes and operations counted by hand, passes, code, text."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest
from both_devices import quiet

import graphflow as gf
from graphflow.runtime.explain import Explanation


def floats(*sizes: int) -> np.ndarray:
    return np.ones(sizes, np.float32)


def only_kernel(made: Explanation) -> Any:
    (kernel,) = made.kernels
    return kernel


def training_step() -> tuple[list[Any], dict[Any, np.ndarray]]:
    """The fetches and feeds of an Adam step of a network with one hidden layer."""
    x = gf.placeholder(gf.float32, [None, 20], name="x")
    labels = gf.placeholder(gf.int32, [None], name="labels")
    with gf.variable_scope("hidden"):
        w = gf.get_variable("w", [20, 16])
        h = gf.nn.relu(gf.matmul(x, w) + gf.get_variable("b", [16]))
    with gf.variable_scope("out"):
        logits = gf.matmul(h, gf.get_variable("w", [16, 5]))
    loss = gf.reduce_mean(
        gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    step = gf.train.AdamOptimizer(1e-3).minimize(loss)
    return [loss, step], {x: floats(8, 20), labels: np.zeros(8, np.int32)}


# ---- kernels ------------------------------------------------------------------------------------


def test_a_product_reads_both_operands_and_costs_two_operations_a_term(
    session: gf.Session,
) -> None:
    x = gf.placeholder(gf.float32, [None, 7])
    w = gf.placeholder(gf.float32, [7, 3])
    kernel = only_kernel(session.explain(gf.matmul(x, w), {x: floats(5, 7), w: floats(7, 3)}))
    assert kernel.kind == "contraction"
    assert kernel.flops == 2 * 5 * 7 * 3
    assert kernel.bytes_read == 4 * (5 * 7 + 7 * 3)
    assert kernel.bytes_written == 4 * 5 * 3
    assert [v.shape for v in kernel.reads] == [(5, 7), (7, 3)]
    assert [v.shape for v in kernel.writes] == [(5, 3)]
    assert kernel.ops == ("MatMul",)


def test_the_sizes_are_those_of_the_feeds(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 7])
    y = gf.matmul(x, gf.ones([7, 16]))
    for rows in (1, 13, 64):
        kernel = session.explain(y, {x: floats(rows, 7)}).kernels[-1]
        assert kernel.flops == 2 * rows * 7 * 16


def test_fused_elementwise_work_is_one_kernel_with_its_operations(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 4], name="x")
    bias = gf.placeholder(gf.float32, [4], name="bias")
    with gf.name_scope("scaled"):
        y = gf.add(x * 3.0, bias, name="sum")
    kernel = only_kernel(session.explain(y, {x: floats(6, 4), bias: floats(4)}))
    assert kernel.kind == "map"
    assert kernel.ops == ("Mul", "Add")
    assert kernel.flops == 2 * 6 * 4
    assert (kernel.bytes_read, kernel.bytes_written) == (6 * 4 * 4 + 4 * 4, 6 * 4 * 4)
    assert [o.name for o in kernel.origins] == ["scaled/mul", "scaled/sum"]
    lines = {o.site.rpartition(":")[0].rpartition("/")[2] for o in kernel.origins}
    assert lines == {"test_explain.py"}


def test_what_does_not_change_in_a_loop_is_counted_once(session: gf.Session) -> None:
    s = gf.placeholder(gf.float32, [])
    x = gf.placeholder(gf.float32, [None])
    feeds = {s: 1.0, x: floats(100)}
    assert only_kernel(session.explain(x * gf.sqrt(s), feeds)).flops == 100 + 1
    assert only_kernel(session.explain(gf.sqrt(x * s), feeds)).flops == 100 + 100


def test_functions_count_the_basic_operations_that_they_are_made_of(session: gf.Session) -> None:
    s, x = gf.placeholder(gf.float32, []), gf.placeholder(gf.float32, [None])
    one = only_kernel(session.explain(gf.exp(s), {s: 1.0})).flops
    assert 5 < one < 50
    assert only_kernel(session.explain(gf.exp(x), {x: floats(100)})).flops == 100 * one


def test_conversions_and_moves_cost_nothing(session: gf.Session) -> None:
    x = gf.placeholder(gf.int32, [3, 5])
    y = gf.cast(gf.transpose(x), gf.float64)
    kernel = only_kernel(session.explain(y, {x: np.ones((3, 5))}))
    assert kernel.flops == 0
    assert (kernel.bytes_read, kernel.bytes_written) == (3 * 5 * 4, 3 * 5 * 8)


def test_a_row_kernel_keeps_its_rows_to_itself(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 10])
    kernel = only_kernel(session.explain(gf.nn.softmax(x), {x: floats(64, 10)}))
    assert kernel.kind == "rows"
    assert (kernel.bytes_read, kernel.bytes_written) == (2560, 2560)
    assert {v.shape for v in kernel.scratch} == {(), (10,)}


def test_equal_kernels_have_one_symbol(session: gf.Session) -> None:
    x, y = gf.placeholder(gf.float32, [3, 4]), gf.placeholder(gf.float32, [7])
    made = session.explain([x + 1.0, y + 1.0], {x: floats(3, 4), y: floats(7)})
    assert len(made.kernels) == 2
    assert len({k.symbol for k in made.kernels}) == 1


def test_code_is_there_when_it_is_asked_for(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    y, feeds = gf.tanh(x), {x: floats(3)}
    plain = only_kernel(session.explain(y, feeds))
    assert plain.loop_ir is plain.llvm is plain.assembly is None
    made = session.explain(y, feeds, ir=True, llvm=True, assembly=True)
    kernel = only_kernel(made)
    digest = hashlib.sha256(kernel.loop_ir.encode()).hexdigest()
    assert kernel.symbol == f"gf_{digest[:24]}"
    assert f'define void @"{kernel.symbol}"' in kernel.llvm
    assert f"{kernel.symbol}:" in kernel.assembly
    for text in (kernel.loop_ir, kernel.llvm, kernel.assembly):
        assert text.splitlines()[0] in str(made)


def test_host_steps_say_why(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3])
    y = gf.py_func(lambda a: a, [x * 2.0], gf.float32, name="mine")
    made = session.explain(y, {x: floats(3)})
    (step,) = made.host_steps
    assert (step.op, step.origin.name) == ("PyFunc", "mine")
    assert step.reason in str(made)
    assert [type(s).__name__ for s in made.steps] == ["KernelRecord", "HostRecord"]


def test_steps_of_bodies_follow_their_region(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [4, 4])
    y = gf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, gf.matmul(v, v)), [0, x])[1]
    made = session.explain(y, {x: floats(4, 4)})
    region = next(s for s in made.steps if type(s).__name__ == "RegionRecord")
    assert (region.op, region.bodies) == ("While", ("condition", "body"))
    inside = [k for k in made.kernels if k.within == region.name]
    (product,) = [k for k in inside if k.kind == "contraction"]
    assert product.flops == 2 * 4 * 4 * 4


def test_sizes_that_depend_on_values_are_unknown(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 3])
    y = gf.boolean_mask(x, x[:, 0] > 0) * 2.0
    made = session.explain(y, {x: floats(5, 3)})
    kernel = next(k for k in made.kernels if "Mul" in k.ops)
    assert (kernel.flops, kernel.bytes_written) == (None, None)
    assert kernel.writes[0].shape == (None, 3)
    assert made.memory.outputs[0].bytes is None
    assert str(made)


# ---- passes -------------------------------------------------------------------------------------


def test_passes_tell_what_they_changed(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3], name="x")
    y = gf.exp(gf.negative(gf.negative(x, name="inner"), name="outer"), name="y")
    made = session.explain(y, {x: floats(3)})
    assert {run.name for run in made.passes} == set(gf.compiler_passes())
    (run,) = [run for run in made.passes if run.changed]
    assert run.name == "algebra"
    assert (run.before_nodes, run.after_nodes) == (4, 2)
    assert 0 < run.seconds < 10
    assert [(c.mark, c.line.expression) for c in run.changes] == [
        ("-", "Neg(%0)"), ("-", "Neg(%1)"), ("-", "Exp(%2)"), ("+", "Exp(%0)")]
    assert [line.name for line in made.compiled.lines] == ["%0", "%3", "return"]
    text = str(made)
    assert "algebra: 4 → 2 nodes" in text
    assert "algebra: 4 → 2 nodes" not in str(session.explain(y, {x: floats(3)}, passes=("fold",)))


def test_values_keep_their_names_from_pass_to_kernel(session: gf.Session) -> None:
    fetches, feeds = training_step()
    made = session.explain(fetches, feeds)
    names = {line.name.split(".")[0] for line in made.compiled.lines}
    for kernel in made.kernels:
        for value in (*kernel.reads, *kernel.writes):
            assert value.name.removeprefix("Transpose(").rstrip(")").split(".")[0] in names


def test_disabled_passes_are_not_run(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [3])
    options = dataclasses.replace(quiet(), disable_passes=("algebra",))
    with gf.Session(graph=graph, options=options) as session:
        made = session.explain(gf.negative(gf.negative(x)), {x: floats(3)})
    assert "algebra" not in {run.name for run in made.passes}
    assert only_kernel(made).ops == ("Neg",)
    assert only_kernel(made).flops == 2 * 3


# ---- the call, the text -------------------------------------------------------------------------


def test_nothing_is_run(session: gf.Session) -> None:
    v = gf.get_variable("v", [2], initializer=gf.zeros_initializer())
    add = gf.assign_add(v, [1.0, 1.0])
    assert only_kernel(session.explain(add)).flops == 2
    assert session.store.get("v") is None
    session.run(v.initializer)
    session.explain(add)
    np.testing.assert_array_equal(session.run(v), [0.0, 0.0])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_any_session_explains(graph: gf.Graph, device: str) -> None:
    x = gf.placeholder(gf.float32, [3])
    with gf.Session(graph=graph, options=quiet(device)) as session:
        assert only_kernel(session.explain(x + x, {x: floats(3)})).flops == 3


def test_wrong_arguments(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3], name="x")
    with pytest.raises(ValueError, match="no pass named 'algebr'. Did you mean 'algebra'"):
        session.explain(x + 1.0, {x: floats(3)}, passes=("algebr",))
    with pytest.raises(gf.errors.InvalidArgumentError, match="Placeholder 'x': needs a value"):
        session.explain(x + 1.0)
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.explain(x + 1.0, {x: floats(3)})


def test_the_text_of_a_training_step_is_narrow_and_complete(session: gf.Session) -> None:
    fetches, feeds = training_step()
    made = session.explain(fetches, feeds)
    lines = str(made).splitlines()
    assert max(map(len, lines)) <= 110
    assert not [line for line in lines if line != line.rstrip()]
    heads = [line.split("·")[0] for line in lines if line.startswith("──")]
    assert heads == ["── Program ", "── Passes ", "── Program, compiled ", "── Kernels ",
                     "── Memory plan "]
    for kernel in made.kernels:
        assert any(kernel.symbol in line for line in lines)
    assert repr(made).startswith(f"<Explanation: {len(made.kernels)} kernels, 0 host steps")


def test_records_are_frozen(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3])
    made = session.explain(x + 1.0, {x: floats(3)})
    for record in (made, made.passes[0], made.kernels[0], made.memory, made.memory.outputs[0]):
        field = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)


def test_what_waits_for_shapes_says_so(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3])
    y = gf.exp(gf.py_func(lambda a: a, [x], gf.float32))
    made = session.explain(y, {x: floats(3)})
    assert [s.op for s in made.host_steps] == ["PyFunc", "Exp"]
    assert made.host_steps[1].reason == "it is compiled by a run, for the shapes of its inputs"
