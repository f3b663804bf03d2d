"""A fake GPU for the tests of device sessions, and graphs to run there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver, using_fake_gpu

import graphflow as gf
from graphflow.options import Options

SILENT = frozenset({"not-compiled"})


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> Iterator[FakeDriver]:
    """What sessions with device="cuda" run on, with kernels as the LLVM IR that NVVM gets.

    Tests may ask for another engine: `parametrize("gpu", ["interpreter"], indirect=True)`.
    """
    with using_fake_gpu(engine=getattr(request, "param", "llvm")) as driver:
        yield driver


@pytest.fixture
def graph() -> Iterator[gf.Graph]:
    with gf.Graph().as_default() as made:
        yield made


@pytest.fixture
def session(gpu: FakeDriver, graph: gf.Graph) -> Iterator[gf.Session]:
    with gf.Session(graph=graph, device="cuda") as made:
        yield made


@pytest.fixture
def same(gpu: FakeDriver, graph: gf.Graph) -> Callable[..., None]:
    """Compares what `run(session)` gives on the GPU with what the NumPy reference gives."""

    def check(run: Callable[[gf.Session], Any], tolerance: float = 1e-5) -> None:
        found = []
        for device in ("cuda", "reference"):
            options = Options(device=device, silence=SILENT)
            with gf.Session(graph=graph, options=options) as made:
                found.append(run(made))
        _compare(*found, tolerance)

    return check


def _compare(actual: Any, wanted: Any, tolerance: float) -> None:
    if isinstance(wanted, (list, tuple)):
        assert len(actual) == len(wanted)
        for pair in zip(actual, wanted):
            _compare(*pair, tolerance)
    elif wanted is None:
        assert actual is None
    else:
        assert type(actual) is type(wanted)
        assert np.asarray(actual).dtype == np.asarray(wanted).dtype
        np.testing.assert_allclose(actual, wanted, rtol=tolerance, atol=tolerance)
