"""Random graphs, compiled, give what the reference gives: values, gradients, variables, errors.

Graphs are drawn over all ops that have kernels, with branches, loops and variables; sizes, zero
and one among them, are known to the graph or not. They run as machine code, and with the
interpreter of loop IR in its place. Few are drawn here, the same in every run;
`random_graph_run.py` beside this file goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from both_devices import quiet
from graph_proof import disagreement, draw_graph, erring, minimised, outcome, program_text
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from interpreted_kernels import interpreted_kernels
from random_graphs import Drawn
from random_ops import catalogue

import graphflow as gf
from graphflow.codegen.compile import CACHE
from graphflow.loop_ir.scalar_ops import OPS

few = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck),
               phases=[Phase.generate, Phase.shrink])
decisions = st.randoms(use_true_random=False)


def check(r: random.Random, executor: str) -> None:
    drawn = draw_graph(r, 6)
    problem = drawn and disagreement(drawn, executor)
    assert not problem, f"{problem}\n{program_text(drawn)}"


@settings(few, max_examples=20)
@given(decisions)
def test_machine_code(r: random.Random) -> None:
    check(r, "native")


@settings(few, max_examples=60)
@given(decisions)
def test_interpreted_loop_ir(r: random.Random) -> None:
    check(r, "interpreted")


# ---- the proof's own tools ----------------------------------------------------------------------

def test_every_family_of_kernels_is_drawn_from() -> None:
    kinds = {type(cases[0].opdef.lowering).__name__ for cases in catalogue().values()}
    assert kinds == {"Pointwise", "Generate", "Reduce", "Cumulative", "View", "Sizes", "Join",
                     "Gather", "Scatter", "Contraction", "Window", "Composite", "Library"}


def test_interpreted_runs_compile_no_kernel_of_loop_ir() -> None:
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float64, [None])
        y = gf.tanh(x) * 3.25 + gf.reduce_sum(x)
        before = CACHE.compiled + CACHE.loaded
        with interpreted_kernels(), gf.Session(graph=graph, options=quiet()) as session:
            found = session.run(y, {x: [0.5, 1.0]})
    np.testing.assert_allclose(found, np.tanh([0.5, 1.0]) * 3.25 + 1.5, rtol=1e-14)
    assert CACHE.compiled + CACHE.loaded == before


def square_roots() -> Drawn:
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float64, [None, 3], name="x")
        y = gf.matmul(x, x, transpose_b=True, name="y")
        z = gf.reduce_sum(gf.sqrt(gf.abs(y)), 1, name="z")
    return Drawn(graph, {x: np.arange(1.0, 7.0).reshape(2, 3)}, fetches=[gf.tanh(y), z])


def wrongly(monkeypatch: pytest.MonkeyPatch, op: str, change: Callable[[Any], Any]) -> None:
    """From here on the interpreter computes a scalar op wrongly."""
    compute = OPS[op].compute
    monkeypatch.setitem(OPS, op, replace(OPS[op], compute=lambda *a: change(compute(*a))))


def test_what_differs_is_found_and_the_rest_falls_away(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = square_roots()
    assert disagreement(drawn, "interpreted") is None
    wrongly(monkeypatch, "sqrt", lambda root: root * (1 + 1e-12))
    small, problem = minimised(drawn, "interpreted")
    assert problem.startswith('Tensor("Sqrt:0"') and "off by" in problem
    made = [line.split(" = ")[1].split("(")[0].split()[0]
            for line in program_text(small).splitlines() if " = " in line]
    assert made == ["fed", "Sqrt"]


def test_a_store_beside_a_buffer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrongly(monkeypatch, "index", lambda index: index + 1)
    problem = disagreement(square_roots(), "interpreted")
    assert problem and "KernelFailed" in problem and "out of bounds" in problem


def test_roundings_that_decide_are_no_difference() -> None:
    """0.1 + 0.2 − 0.3 is no zero, and the sine of large numbers magnifies its argument's error."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float64, [3])
        y = x[0] + x[1] - x[2]
        z = gf.sin(x * 1e7)
    drawn = Drawn(graph, {x: np.array([0.1, 0.2, 0.3])}, fetches=[y > 0, z])
    sign, sine = outcome(drawn, "reference")[0]
    signs, sines = zip(*(other[0] for other in erring(drawn, 24, 0)))
    assert any(s != sign for s in signs)
    assert 1e-10 < np.max(np.abs(np.array(sines) - sine)) < 1e-7
