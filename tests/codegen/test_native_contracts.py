"""Contract: every op × sample × element type, compiled, gives what its NumPy reference gives.

All samples of an op are one program, once with known sizes and once without. Gradients (first
order, float32) equal those of the NumPy executor. A short run leaves some element types out;
`pytest --full` takes all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from contract_cases import (
    Case,
    assert_close,
    cases_of,
    is_differentiable,
    ops_that,
    rng_for,
    run_reference,
)
from guarded_memory import guarded_memory

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.gradients import gradients
from graphflow.graph import Graph, get_default_graph
from graphflow.lowering import Host, Leaf, Region, State
from graphflow.opdef import REGISTRY, OpDef
from graphflow.ops.leaves import constant, placeholder
from graphflow.options import Options
from graphflow.session import Session

SILENT = frozenset({"not-compiled"})


def has_kernel(opdef: OpDef) -> bool:
    """True if the op is no step of the run-time system."""
    return not isinstance(opdef.lowering, (Host, Leaf, Region, State))


def fetch(
    graph: Graph, device: str, fetches: Sequence[Any], feeds: dict[Any, Any],
    complaints: list[str] | None = None,
) -> list[Any]:
    """The values of the fetches that are tensors, None for the others.

    complaints: gets what ran by its reference.
    """
    options = Options(device=device, silence=SILENT)
    with Session(graph=graph, options=options) as session:
        values = iter(session.run([f for f in fetches if f is not None], feeds))
        for variant in (v for found in session._variants.values() for v in found):
            if complaints is not None:
                complaints += variant.executable.complaints()
    return [None if f is None else next(values) for f in fetches]


def roundings(case: Case) -> float:
    """How many roundings a result may be off: sums in another order err with their length."""
    return 8 + 2 * max((a.size for a in case.inputs), default=1) ** 0.5


def build(case: Case, known: bool, feeds: dict[Any, Any]) -> list[Any]:
    """The case's op in the default graph, over placeholders.

    Where sizes are known, so are inputs that are indices or sizes by nature.
    """
    tensors = []
    for i, array in enumerate(case.inputs):
        if known and case.opdef.arg(i).types == dt.INDICES:
            tensors.append(constant(array, dtype=dt.array_dtype(array)))
        else:
            tensors.append(placeholder(
                dt.array_dtype(array), array.shape if known else [None] * array.ndim))
            feeds[tensors[-1]] = array
    outputs = apply(case.opdef, tensors, case.sample.attrs)
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def some_types(known: bool) -> Sequence[dt.DType]:
    """The element types of a short run: one of each kind; without known sizes only the usual."""
    usual = (dt.float32, dt.int32, dt.bool_)
    return (*usual, dt.float64, dt.bfloat16, dt.uint8, dt.int64, dt.complex64) if known else usual


@pytest.fixture(autouse=True)
def guards() -> Iterator[None]:
    with guarded_memory():
        yield


@pytest.mark.parametrize("name", ops_that(has_kernel))
def test_compiled_op_computes_what_its_reference_does(
    name: str, pytestconfig: pytest.Config
) -> None:
    full = pytestconfig.getoption("--full")
    for known in (True, False):
        graph, feeds, tensors, cases = Graph(), {}, [], []
        with graph.as_default():
            for case in cases_of(REGISTRY[name], None if full else some_types(known)):
                made = build(case, known, feeds)
                tensors += made
                cases.append((case, len(made)))
        complaints: list[str] = []
        found = iter(fetch(graph, "cpu", tensors, feeds, complaints))
        assert not [c for c in complaints if "on the CPU" not in c]  # as kernels do, on a GPU
        for case, count in cases:
            for wanted in run_reference(case)[:count]:
                message = f"{case.id}, sizes {'known' if known else 'unknown'}"
                assert_close(next(found), wanted, message, roundings=roundings(case))


# ---- gradients ----------------------------------------------------------------------------------


def smooth_inputs(case: Case) -> list[int]:
    return [i for i, a in enumerate(case.inputs) if a.dtype == np.float32]


def smooth_cases(opdef: OpDef) -> list[Case]:
    return [c for c in cases_of(opdef, [dt.float32]) if c.sample.grad and smooth_inputs(c)]


def gradient_program(name: str) -> tuple[Graph, list[Case], list[Any], dict[Any, Any]]:
    """The gradients of random projections of all cases of one op, in one graph."""
    graph, cases, fetches, feeds = Graph(), [], [], {}
    with graph.as_default():
        for case in smooth_cases(REGISTRY[name]):
            smooth = smooth_inputs(case)
            tensors = [placeholder(dt.array_dtype(a), a.shape) if i in smooth
                       else constant(a, dtype=dt.array_dtype(a))
                       for i, a in enumerate(case.inputs)]
            outputs = apply(case.opdef, tensors, case.sample.attrs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            values = run_reference(case)
            floating = [k for k, o in enumerate(outputs) if o.dtype is dt.float32]
            rng = rng_for(case.id)
            starts = [constant(rng.uniform(-1, 1, values[k].shape).astype(np.float32))
                      for k in floating]
            xs = [tensors[i] for i in smooth]
            made = gradients([outputs[k] for k in floating], xs, grad_ys=starts)
            dense = [None if g is None else get_default_graph().convert(g) for g in made]
            fetches += dense
            cases += [case] * len(dense)
            feeds.update(zip(xs, (case.inputs[i] for i in smooth)))
    return graph, cases, fetches, feeds


@pytest.mark.parametrize("name", ops_that(
    lambda opdef: is_differentiable(opdef) and bool(smooth_cases(opdef))))
def test_compiled_gradients_equal_those_of_the_reference(name: str) -> None:
    graph, cases, fetches, feeds = gradient_program(name)
    expected = fetch(graph, "reference", fetches, feeds)
    found = fetch(graph, "cpu", fetches, feeds)
    for case, actual, wanted in zip(cases, found, expected, strict=True):
        if wanted is not None:
            assert_close(actual, wanted, f"gradient of {case.id}", roundings=4 * roundings(case))
