"""Contract: every op × sample, as CUDA kernels run on the CPU, gives what its reference gives.

A short run takes the usual element types and sizes that are known; `pytest --full` takes all
types, and sizes that are not known too, with the threads of a block in reverse order.
"""

from __future__ import annotations

from typing import Any

import pytest
from contract_cases import Case, assert_close, cases_of, ops_that, run_reference
from cuda_kernels_on_cpu import cuda_kernels_on_cpu

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.graph import Graph
from graphflow.lowering import Composite, Host, Leaf, Library, Region, State
from graphflow.opdef import REGISTRY, OpDef
from graphflow.ops.leaves import constant, placeholder
from graphflow.options import Options
from graphflow.session import Session

USUAL = (dt.float32, dt.int32, dt.bool_)
OTHER = (Composite, Host, Leaf, Library, Region, State)


def has_loops(opdef: OpDef) -> bool:
    """True if the op becomes kernels of loop IR, by itself."""
    return not isinstance(opdef.lowering, OTHER)


def build(case: Case, known: bool, feeds: dict[Any, Any]) -> list[Any]:
    """The case's op over placeholders, or over constants where sizes are to be known."""
    tensors = []
    for i, array in enumerate(case.inputs):
        if known and case.opdef.arg(i).types == dt.INDICES:
            tensors.append(constant(array, dtype=dt.array_dtype(array)))
            continue
        shape = array.shape if known else [None] * array.ndim
        tensors.append(placeholder(dt.array_dtype(array), shape))
        feeds[tensors[-1]] = array
    made = apply(case.opdef, tensors, case.sample.attrs)
    return list(made) if isinstance(made, tuple) else [made]


@pytest.mark.parametrize("name", ops_that(has_loops))
def test_cuda_kernels_compute_what_the_reference_does(
    name: str, pytestconfig: pytest.Config
) -> None:
    full = pytestconfig.getoption("--full")
    for known in (True, False) if full else (True,):
        graph, feeds, tensors, cases = Graph(), {}, [], []
        with graph.as_default():
            for case in cases_of(REGISTRY[name], None if full else USUAL):
                made = build(case, known, feeds)
                tensors += made
                cases.append((case, len(made)))
        options = Options(silence=frozenset({"not-compiled"}))
        with cuda_kernels_on_cpu(backwards=not known), Session(
                graph=graph, options=options) as session:
            found = iter(session.run(tensors, feeds))
        for case, count in cases:
            longest = max((a.size for a in case.inputs), default=1)
            for wanted in run_reference(case)[:count]:
                assert_close(next(found), wanted, case.id, roundings=8 + 2 * longest ** 0.5)
