"""Contract: every op × sample × element type, compiled, gives what its NumPy reference gives.

All samples of an op are one program, once with known sizes and once without. Gradients (first
order, float32) equal those of the NumPy executor.
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

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.codegen.schedule import HostStep
from graphflow.gradients import gradients
from graphflow.graph import Graph, get_default_graph
from graphflow.lowering import Host, Leaf, Region, State
from graphflow.opdef import REGISTRY, OpDef
from graphflow.ops.leaves import constant, placeholder
from graphflow.options import Options
from graphflow.session import Session

SILENT = frozenset({"not-compiled"})
GUARD = 256
# What has no kernel, although its sizes are known; one-hot's samples with a fed depth have not.
SORTED_SEGMENTS = {f"Segment{name}" for name in ("Sum", "Prod", "Max", "Min", "Mean")}
LIBRARY = {"BitcastResize", "RandomShuffle", "TopKV2", "Where", "Zeta"}
CUMULATIVE = {"Cumsum", "Cumprod", "LinearScan"}
SIZED_BY_VALUES = {"DynamicPartition", "DynamicStitch", "Range", "SelectV2"}
WITHOUT_KERNEL = SORTED_SEGMENTS | LIBRARY | CUMULATIVE | SIZED_BY_VALUES


def has_kernel(opdef: OpDef) -> bool:
    """True if the op is no step of the run-time system."""
    return not isinstance(opdef.lowering, (Host, Leaf, Region, State))


def fetch(
    graph: Graph, device: str, fetches: Sequence[Any], feeds: dict[Any, Any],
    host_steps: set[str] | None = None,
) -> list[Any]:
    """The values of the fetches that are tensors, None for the others.

    host_steps: gets the names of the ops on real numbers that ran by their reference.
    """
    options = Options(device=device, silence=SILENT)
    with Session(graph=graph, options=options) as session:
        values = iter(session.run([f for f in fetches if f is not None], feeds))
        for variant in (v for found in session._variants.values() for v in found):
            if host_steps is not None:
                host_steps |= {step.node.opdef.name for step in variant.executable.schedule.steps
                               if isinstance(step, HostStep) and _on_reals(step)}
    return [None if f is None else next(values) for f in fetches]


def _on_reals(step: HostStep) -> bool:
    return not any(v.dtype.is_complex or v.dtype.is_string
                   for v in (*step.node.inputs, *step.node.outputs))


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


@pytest.fixture(autouse=True)
def guarded_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails if compiled code writes beside the arena or beside the arrays that it gives away."""
    guards = []

    def inside(size: int) -> np.ndarray:
        raw = np.full(size + 4 * GUARD, 0xA5, np.uint8)
        start = GUARD + -(raw.ctypes.data + GUARD) % 64
        guards.append((raw[:start], raw[start + size:]))
        return raw[start:start + size]

    def guarded_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return np.ndarray(shape, dtype, buffer=inside(size).data if size else bytearray(1))

    monkeypatch.setattr("graphflow.runtime.native.new_array", guarded_array)
    monkeypatch.setattr("graphflow.runtime.stages.new_arena", inside)
    yield
    for before, after in guards:
        assert np.all(before == 0xA5) and np.all(after == 0xA5), "memory beside a buffer changed"


@pytest.mark.parametrize("name", ops_that(has_kernel))
def test_compiled_op_computes_what_its_reference_does(name: str) -> None:
    for known in (True, False):
        graph, feeds, tensors, cases = Graph(), {}, [], []
        with graph.as_default():
            for case in cases_of(REGISTRY[name]):
                made = build(case, known, feeds)
                tensors += made
                cases.append((case, len(made)))
        host_steps: set[str] = set()
        found = iter(fetch(graph, "cpu", tensors, feeds, host_steps))
        if known:
            assert host_steps <= WITHOUT_KERNEL
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
