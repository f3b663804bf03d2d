"""Listings: values keep their names from pass to pass, and few lines change."""

from __future__ import annotations

from typing import Any

import numpy as np
from pass_cases import program_of

import graphflow as gf
from graphflow.passes.listing import differences, listed
from graphflow.passes.pipeline import optimise
from graphflow.passes.trace import WIDTH, change_text, program_text, traced


def changed(before: Any, after: Any) -> list[str]:
    """The lines that differ between two programs made by `before(F, x)` and `after(F, x)`."""
    first = listed(program_of(before))
    second = listed(program_of(after), first)
    return [f"{c.mark} {c.line.name} {c.line.expression}" for c in differences(first, second)]


def test_a_program_as_lines() -> None:
    made = listed(program_of(lambda F, x: F.exp(F.negative(x)) + 1.0))
    assert [(line.name, line.expression, line.type) for line in made.lines[1:]] == [
        ("%1", "Neg(%0)", "float32 [3, 4]"), ("%2", "Exp(%1)", "float32 [3, 4]"),
        ("%3", "Const 1.0", "float32 []"), ("%4", "Add(%2, %3)", "float32 [3, 4]"),
        ("return", "%4", "")]


def test_equal_programs_do_not_differ() -> None:
    assert changed(lambda F, x: F.exp(x) * x, lambda F, x: F.exp(x) * x) == []


def test_users_of_what_stays_are_not_listed() -> None:
    found = changed(lambda F, x: F.exp(F.negative(F.tanh(x))),
                    lambda F, x: F.exp(F.negative(F.sin(x))))
    assert found == ["- %1 Tanh(%0)", "- %2 Neg(%1)", "+ %4 Sin(%0)", "+ %2 Neg(%4)"]


def test_what_an_operation_becomes_takes_its_name() -> None:
    def build(F: Any, x: Any) -> Any:
        return F.exp(F.softmax(x))

    trace = traced(program_of(build))
    (change,) = [run.changes for run in trace.runs if run.name == "expand" and run.changed]
    softmax = next(c.line for c in change if c.mark == "-")
    assert softmax.op == "Softmax"
    assert change[-1].line.name == softmax.name
    assert all(c.line.origin == softmax.origin for c in change)


def test_what_is_new_gets_a_new_name() -> None:
    assert changed(lambda F, x: F.exp(x), lambda F, x: F.exp(F.tanh(F.sin(x)))) == [
        "- %1 Exp(%0)", "+ %2 Sin(%0)", "+ %3 Tanh(%2)", "+ %1 Exp(%3)"]


def test_what_moves_keeps_its_name() -> None:
    found = changed(lambda F, x: F.sin(x) + F.exp(F.tanh(x)),
                    lambda F, x: F.exp(F.tanh(x)) + F.sin(x))
    assert [line for line in found if "Add" not in line] == []


def test_attributes_by_default_are_not_told() -> None:
    made = listed(program_of(lambda F, x: F.matmul(x, F.transpose(x))))
    product = next(line for line in made.lines if line.op == "MatMul")
    assert product.attributes == ""
    made = listed(program_of(lambda F, x: F.matmul(x, x, transpose_b=True)))
    product = next(line for line in made.lines if line.op == "MatMul")
    assert product.attributes == "{transpose_b=True}"


def test_bodies_stand_below_their_region() -> None:
    def loop(F: Any, x: Any) -> Any:
        return gf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, F.tanh(v)), [0, x])[1]

    made = listed(program_of(loop))
    region = next(line for line in made.lines if line.op == "While")
    titles = [line.name for line in made.lines if not line.op]
    assert titles == [f"{region.name} condition", f"{region.name} condition return",
                      f"{region.name} body", f"{region.name} body return", "return"]
    assert {line.depth for line in made.lines} == {0, 1}
    numbered = [line.name for line in made.lines if line.op]
    assert len(set(numbered)) == len(numbered)


def test_a_trace_ends_where_the_pipeline_does() -> None:
    def build(F: Any, x: Any) -> Any:
        y = F.constant(np.eye(3, 4, dtype=np.float32)) * 1
        return -F.reduce_mean(F.reduce_sum(y * F.log(F.softmax(F.identity(x))), 1))

    program = program_of(build)
    trace = traced(program)
    assert trace.result.program.same_structure(optimise(program))
    assert trace.source.program is program
    for run in trace.runs:
        assert bool(run.changes) == run.changed
        text = change_text(run.changes)
        assert all(len(line) <= WIDTH and line[0] in "+-" for line in text.splitlines())
    assert all(len(line) <= WIDTH for line in program_text(trace.result.lines).splitlines())
