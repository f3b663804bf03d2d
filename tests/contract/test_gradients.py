"""Contract: every gradient rule against finite differences, to second order.

Random projection: for s(x) = Re⟨u, y(x)⟩ the gradient g must satisfy Re⟨g, v⟩ = ds(x + t·v)/dt.
The derivative on the right comes from the NumPy reference alone, by central differences of
fourth order. The second order treats t(x, u) = Re⟨g(x, u), v⟩ in the same way. Complex gradients
follow TensorFlow's convention, for which ⟨a, b⟩ = Σ conj(a)·b.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from contract_cases import (
    Case,
    cases_of,
    is_differentiable,
    ops_that,
    rng_for,
    run_reference,
)

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.gradients import gradients
from graphflow.graph import Graph, get_default_graph
from graphflow.opdef import REGISTRY, OpDef
from graphflow.ops.arithmetic import add_n, multiply
from graphflow.ops.complex import conj, real
from graphflow.ops.leaves import constant, placeholder
from graphflow.ops.reduction import reduce_sum
from graphflow.session import Session

STEP = 1e-3
# Inputs that have a derivative but no rule for it, as in TensorFlow: it has no closed form.
WITHOUT_RULE = {"Betainc": {0, 1}, "Polygamma": {0}, "Zeta": {0}}


def _smooth_inputs(case: Case) -> list[int]:
    """The inputs that are differentiated; integer ones and those without a rule are fixed."""
    fixed = WITHOUT_RULE.get(case.opdef.name, set())
    return [i for i, a in enumerate(case.inputs)
            if a.dtype in (np.float64, np.complex128) and i not in fixed]


def _differentiable_cases(opdef: OpDef) -> list[Case]:
    return [case for case in cases_of(opdef, [dt.float64, dt.complex128])
            if case.sample.grad and _smooth_inputs(case)]


OPS = ops_that(lambda opdef: is_differentiable(opdef) and bool(_differentiable_cases(opdef)))


def _like(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """Random numbers of the shape and type of `array`, moduli up to about 1."""
    drawn = rng.uniform(-1, 1, array.shape)
    if array.dtype.kind == "c":
        drawn = drawn + 1j * rng.uniform(-1, 1, array.shape)
    return np.asarray(drawn, array.dtype)


def _inner(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    return float(sum(np.real(np.sum(np.conj(p) * q)) for p, q in zip(a, b)))


def _slope(function: Callable[[float], Any]) -> Any:
    """The derivative at 0, by the central difference of fourth order."""
    near = function(STEP) - function(-STEP)
    far = function(2 * STEP) - function(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


@dataclass
class Problem:
    """One case in the graph: s = Re⟨u, y⟩, its gradient, and t = Re⟨gradient, v⟩.

    Attributes:
      smooth: the inputs that are differentiated.
      feeds: placeholder → value, for the smooth inputs and then for the u of each output.
      shifts: for each of these, the direction of the second differentiation.
      first: symbolic gradients of s, a tensor or None per smooth input.
      second: symbolic gradients of t, per fed placeholder.
    """

    case: Case
    smooth: list[int]
    directions: list[np.ndarray]
    weights: list[np.ndarray]
    feeds: dict[Any, np.ndarray]
    shifts: list[np.ndarray]
    first: list[Any]
    projection: Any
    second: list[Any]


def _inner_tensor(a: Sequence[Any], b: Sequence[Any]) -> Any:
    terms = [reduce_sum(real(multiply(conj(p), q))) for p, q in zip(a, b)]
    return add_n(terms) if terms else None


def _dense(gradient: Any) -> Any:
    return None if gradient is None else get_default_graph().convert(gradient)


def _problem(case: Case, known: bool = True) -> Problem:
    """Builds a case in the default graph, over placeholders of the case's or of unknown ranks."""
    rng = rng_for(case.id)
    smooth = _smooth_inputs(case)
    tensors = [
        placeholder(dt.array_dtype(a), a.shape if known else None) if i in smooth
        else constant(a, dtype=dt.array_dtype(a)) for i, a in enumerate(case.inputs)]
    outputs = apply(case.opdef, tensors, case.sample.attrs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    values = run_reference(case)
    floating = [k for k, o in enumerate(outputs) if o.dtype.is_differentiable]
    weights = [_like(rng, values[k]) for k in floating]
    starts = [placeholder(outputs[k].dtype, w.shape if known else None)
              for k, w in zip(floating, weights)]
    xs = [tensors[i] for i in smooth]
    first = [_dense(g) for g in gradients([outputs[k] for k in floating], xs, grad_ys=starts)]
    directions = [_like(rng, case.inputs[i]) for i in smooth]
    pairs = [(g, v) for g, v in zip(first, directions) if g is not None]
    projection = _inner_tensor(*zip(*pairs)) if pairs else None
    fed = dict(zip([*xs, *starts], [*(case.inputs[i] for i in smooth), *weights]))
    second = [] if projection is None else [_dense(g) for g in gradients(projection, list(fed))]
    return Problem(case, smooth, directions, weights, fed,
                   [_like(rng, a) for a in fed.values()], first, projection, second)


def _problems(name: str, known: bool = True) -> tuple[Graph, list[Problem]]:
    graph, problems = Graph(), []
    with graph.as_default():
        for case in _differentiable_cases(REGISTRY[name]):
            try:
                problems.append(_problem(case, known))
            except Exception as error:
                error.add_note(f"when differentiating {case.id}")
                raise
    return graph, problems


def _run(graph: Graph, fetches: Sequence[Any], feeds: dict[Any, np.ndarray]) -> list[Any]:
    """Fetched values, None where there is nothing to fetch."""
    with Session(graph=graph) as session:
        values = iter(session.run([f for f in fetches if f is not None], feeds))
    return [None if f is None else next(values) for f in fetches]


def _all_feeds(problems: Sequence[Problem], t: float = 0) -> dict[Any, np.ndarray]:
    return {x: value + t * shift for p in problems
            for (x, value), shift in zip(p.feeds.items(), p.shifts)}


def _directional(problem: Problem, i: int) -> float:
    """ds/dt along the direction of smooth input `i`, from the reference."""
    case, place = problem.case, problem.smooth[i]

    def s(t: float) -> float:
        inputs = list(case.inputs)
        inputs[place] = inputs[place] + t * problem.directions[i]
        values = [v for v in run_reference(case, inputs) if v.dtype.kind in "fc"]
        return _inner(problem.weights, values)

    return _slope(s)


def _assert_slope(symbolic: float, numeric: float, scale: float, message: str) -> None:
    assert abs(symbolic - numeric) <= 2e-7 * (1 + abs(numeric) + scale), (
        f"{message}: the gradient gives {symbolic}, differences give {numeric}")


@pytest.mark.parametrize("name", OPS)
def test_gradients_agree_with_differences(name: str) -> None:
    graph, problems = _problems(name)
    values = iter(_run(graph, [g for p in problems for g in p.first], _all_feeds(problems)))
    for p in problems:
        for i, direction in enumerate(p.directions):
            gradient = next(values)
            message = f"{p.case.id}, input {p.smooth[i]}"
            numeric = _directional(p, i)
            if gradient is None:
                assert numeric == 0, f"{message}: no gradient, but the slope is {numeric}"
                continue
            gradient = np.asarray(gradient)
            assert gradient.shape == direction.shape, f"{message}: shape {gradient.shape}"
            assert gradient.dtype == direction.dtype, f"{message}: {gradient.dtype}"
            _assert_slope(_inner([gradient], [direction]), numeric,
                          float(np.abs(gradient).sum()), message)


@pytest.mark.parametrize("name", OPS)
def test_second_derivatives_agree_with_differences(name: str) -> None:
    graph, problems = _problems(name)
    problems = [p for p in problems if p.projection is not None]
    values = iter(_run(graph, [g for p in problems for g in p.second], _all_feeds(problems)))

    def t(step: float) -> np.ndarray:
        return np.array(_run(graph, [p.projection for p in problems], _all_feeds(problems, step)))

    numeric = _slope(t)
    for p, slope in zip(problems, numeric):
        pairs = [(np.asarray(g), shift) for g, shift in
                 ((next(values), shift) for shift in p.shifts) if g is not None]
        symbolic = _inner(*zip(*pairs)) if pairs else 0.0
        scale = float(sum(np.abs(g).sum() for g, _ in pairs))
        _assert_slope(symbolic, float(slope), scale, f"{p.case.id}, second order")


@pytest.mark.parametrize("name", OPS)
def test_gradients_do_not_need_static_shapes(name: str) -> None:
    graph, problems = _problems(name, known=True)
    fetches = [g for p in problems for g in p.first]
    expected = _run(graph, fetches, _all_feeds(problems))
    graph, problems = _problems(name, known=False)
    fetches = [g for p in problems for g in p.first]
    found = _run(graph, fetches, _all_feeds(problems))
    cases = [p.case for p in problems for _ in p.first]
    for case, actual, wanted in zip(cases, found, expected, strict=True):
        assert (actual is None) == (wanted is None), case.id
        if wanted is not None:
            np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-9, err_msg=case.id)
