"""Running combinations in chunks, with code for GPUs run on the CPU, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda_kernels_on_cpu import cuda_kernels_on_cpu

import graphflow as gf
from graphflow.codegen.cuda.plans import Spread


def run(build: Any, x: np.ndarray, known: bool) -> tuple[np.ndarray, int]:
    """What the kernels give, and how many launches there are."""
    with gf.Graph().as_default() as graph:
        fed = gf.placeholder(x.dtype, x.shape if known else [None] * x.ndim)
        y = build(fed)
        with cuda_kernels_on_cpu(backwards=not known) as parts, gf.Session(graph=graph) as session:
            found = session.run(y, {fed: x})
    assert {p.plan.spread for p in parts.values()} <= {Spread.THREADS, Spread.ONE}
    return found, len(parts)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("shape", [(1000,), (3, 200), (2, 129), (4, 128), (2, 0), (0, 300)])
def test_sums(shape: tuple[int, ...], exclusive: bool, reverse: bool, known: bool) -> None:
    x = np.random.default_rng(3).integers(-9, 9, shape).astype(np.int32)
    found, launches = run(
        lambda v: gf.cumsum(v, -1, exclusive=exclusive, reverse=reverse), x, known)
    turned = x[..., ::-1] if reverse else x
    expected = np.cumsum(turned, -1, dtype=np.int32)
    if exclusive:
        expected = expected - turned
    np.testing.assert_array_equal(found, expected[..., ::-1] if reverse else expected)
    if x.size:
        assert launches == (1 if known and shape[-1] <= 128 else 3)


def test_along_the_first_axis_of_few_columns() -> None:
    x = np.random.default_rng(4).normal(size=(500, 3))
    found, launches = run(lambda v: gf.cumprod(1.0 + 0.01 * v, 0), x, True)
    np.testing.assert_allclose(found, np.cumprod(1.0 + 0.01 * x, 0), rtol=1e-12)
    assert launches == 3


def test_a_sum_begins_with_its_first_element() -> None:
    """−0 stays −0 as far as there is nothing else; an infinity does not become NaN."""
    x = np.full(300, -0.0, np.float32)
    found, _ = run(gf.cumsum, x, True)
    assert np.signbit(found).all()
    x[130] = np.inf
    np.testing.assert_array_equal(run(gf.cumsum, x, True)[0], np.cumsum(x))
