"""Contract: what is inferred agrees with what the NumPy reference gives, however it is fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from contract_cases import (
    KINDS,
    Case,
    assert_close,
    build,
    cases_of,
    ops_that,
    run_reference,
)

from graphflow.dims import evaluate_dim
from graphflow.graph import Graph
from graphflow.opdef import REGISTRY
from graphflow.session import Session

OPS = ops_that(lambda opdef: True)


@dataclass(frozen=True)
class Use:
    """One case built over one kind of inputs."""

    kind: str
    case: Case
    outputs: list[Any]


def _built(cases: list[Case]) -> tuple[Graph, list[Use], dict[Any, np.ndarray]]:
    """One graph with every case over each kind of input: its outputs, and the feeds."""
    graph, uses, feeds = Graph(), [], {}
    with graph.as_default():
        for case in cases:
            for kind in KINDS:
                try:
                    tensors, outputs = build(case, kind)
                except Exception as error:
                    error.add_note(f"when building {case.id} over {kind}")
                    raise
                uses.append(Use(kind, case, outputs))
                if kind != "constants":
                    feeds.update(zip(tensors, case.inputs))
    return graph, uses, feeds


def _run(graph: Graph, uses: list[Use], feeds: dict[Any, np.ndarray]) -> list[list[Any]]:
    """All outputs in one run; use by use if that fails, so that the message names the case."""
    with Session(graph=graph) as session:
        try:
            return session.run([use.outputs for use in uses], feeds)
        except Exception:
            for use in uses:
                try:
                    session.run(use.outputs, feeds)
                except Exception as error:
                    error.add_note(f"when running {use.case.id} over {use.kind}")
                    raise
            raise


def _check_static(
    use: Use, expected: list[np.ndarray], sizes: dict[str, int]
) -> None:
    """Inferred types, shapes and symbolic values are those of the reference's outputs."""
    message = f"{use.case.id} over {use.kind}"
    assert len(use.outputs) == len(expected), message
    for tensor, array in zip(use.outputs, expected):
        assert tensor.dtype.numpy == array.dtype, f"{message}: {tensor.dtype} for {array.dtype}"
        assert tensor.shape.is_compatible_with(array.shape), (
            f"{message}: inferred {tensor.shape}, got {array.shape}")
        if tensor.shape.rank is not None:
            found = [_size(d, sizes, n) for d, n in zip(tensor.shape.sizes, array.shape)]
            assert found == list(array.shape), f"{message}: {tensor.shape} is {found}"
        if tensor.symbolic_value is not None:
            found = [_size(d, sizes, n) for d, n in zip(tensor.symbolic_value.flat, array.flat)]
            assert found == array.ravel().tolist(), f"{message}: {tensor.symbolic_value}"


def _size(dim: Any, sizes: dict[str, int], otherwise: int) -> int:
    """The size that an inferred one comes to in this run; `otherwise` if it names unknowns."""
    try:
        return evaluate_dim(dim, sizes)
    except KeyError:
        return otherwise


@pytest.mark.parametrize("name", OPS)
def test_inferred_types_and_session_agree_with_the_reference(name: str) -> None:
    cases = cases_of(REGISTRY[name])
    graph, uses, feeds = _built(cases)
    expected = {id(case): run_reference(case) for case in cases}
    sizes = {f"{x.op.name}.{a}": n for x, fed in feeds.items() for a, n in enumerate(fed.shape)}
    for use, arrays in zip(uses, _run(graph, uses, feeds)):
        case = use.case
        _check_static(use, expected[id(case)], sizes)
        for array, wanted in zip(arrays, expected[id(case)]):
            assert_close(array, wanted, f"{case.id} over {use.kind}", exact=True)
            if isinstance(array, np.ndarray):
                assert array.flags.owndata and array.flags.writeable, f"{case.id}: borrowed"
                assert not any(np.shares_memory(array, fed) for fed in case.inputs), case.id


# The sizes of their outputs follow from elements that are no integers, or from a user's function.
_SIZED_BY_THE_RUN = ("CTCBeamSearchDecoder", "DecodeRaw", "ListDiff",
                     "NonMaxSuppressionWithOverlaps", "PyFunc", "PyFuncStateless",
                     "StringSplit", "UninitializedNames", "Unique", "UniqueWithCounts", "Where")


def _sized_by_floats(case: Case) -> bool:
    return case.opdef.name == "Range" and case.inputs[0].dtype.kind not in "iu"


@pytest.mark.parametrize("name", ops_that(lambda opdef: opdef.name not in _SIZED_BY_THE_RUN))
def test_shapes_are_known_when_the_inputs_are(name: str) -> None:
    with Graph().as_default():
        for case in cases_of(REGISTRY[name]):
            if _sized_by_floats(case):
                continue
            for tensor in build(case, "constants")[1]:
                assert tensor.shape.is_fully_defined(), f"{case.id}: only {tensor.shape} is known"


def _same_values_otherwise_laid_out(array: np.ndarray) -> list[np.ndarray]:
    """`array` with negative strides, in column order, and as every second element of a larger."""
    if not array.ndim:
        return [np.array(array) for _ in range(3)]
    flip = (slice(None, None, -1),) * array.ndim
    wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
    spread = wide[(slice(None, None, 2),) * array.ndim]
    spread[...] = array
    return [np.ascontiguousarray(array[flip])[flip], np.array(array.T, order="C").T, spread]


@pytest.mark.parametrize("name", OPS)
def test_reference_leaves_inputs_alone_and_takes_any_layout(name: str) -> None:
    for case in cases_of(REGISTRY[name]):
        kept = [array.tobytes() for array in case.inputs]
        expected = run_reference(case)
        assert [array.tobytes() for array in case.inputs] == kept, f"{case.id}: input was changed"
        for layout in zip(*map(_same_values_otherwise_laid_out, case.inputs)):
            for array in layout:
                array.flags.writeable = False
            for got, wanted in zip(run_reference(case, layout), expected):
                assert_close(got, wanted, f"{case.id} with other strides")


@pytest.mark.parametrize("name", ops_that(lambda opdef: bool(opdef.args)))
def test_zero_size_inputs_are_among_the_samples(name: str) -> None:
    opdef = REGISTRY[name]
    ranks = {a.ndim for case in cases_of(opdef) for a in case.inputs}
    assert ranks <= {0} or any(a.size == 0 for case in cases_of(opdef) for a in case.inputs), (
        f"{name} has no sample with a zero-size input.")
