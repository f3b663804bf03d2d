"""A graph and a compiling session for the tests of profiles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from both_devices import quiet

import graphflow as gf


@pytest.fixture
def graph() -> Iterator[gf.Graph]:
    with gf.Graph().as_default() as made:
        yield made


@pytest.fixture
def session(graph: gf.Graph) -> Iterator[gf.Session]:
    with gf.Session(graph=graph, options=quiet()) as made:
        yield made
