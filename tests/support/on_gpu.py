"""Runs tests that were written for the CPU on a GPU: a real one, or the fake one.

`pytest -m gpu` takes the tests that are for GPUs alone and those of the modules below, whose
sessions then run on the GPU whatever device they ask for, except for the reference.
`pytest --device=fake` does the same on the fake GPU, where there is no real one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from graphflow.hardware import cuda_absence
from graphflow.options import Options
from graphflow.runtime import placement

PORTABLE = (
    "codegen/test_native_contracts.py", "codegen/test_random_graphs.py",
    "codegen/test_found_by_random_graphs.py", "kernels/test_library_contracts.py",
    "runtime/test_native.py", "runtime/test_native_errors.py", "runtime/test_native_regions.py",
    "runtime/test_native_host_steps.py", "runtime/test_run_many.py",
    "core/test_session.py", "core/test_state.py", "core/test_cond.py", "core/test_while_loop.py",
    "core/test_loop_gradients.py", "train/", "ops/", "recurrent/", "layers/", "losses/",
    "metrics/", "keras/test_fit.py", "keras/test_models.py", "estimator/", "examples/",
    "programs/")

# These look at what only the CPU has: its tables, its memory, stand-ins for its machine code.
CPU_ALONE = (
    "test_elementwise_turns_write_over_their_variables",
    "test_a_row_is_added_without_copying_the_array", "test_more_memory_than_there_is",
    "test_what_differs_is_found_and_the_rest_falls_away",
    "test_a_store_beside_a_buffer_is_refused")


def chosen(config: pytest.Config) -> str:
    """`cpu`, `fake` or `cuda`: where portable tests run."""
    words = config.getoption("markexpr", "")
    if re.search(r"\bgpu\b", words) and not re.search(r"\bnot gpu\b", words):
        return "cuda"
    return str(config.getoption("--device"))


def is_portable(item: pytest.Item) -> bool:
    """Whether a test can run on any device."""
    path = Path(str(item.path)).as_posix()
    return any(f"tests/{part}" in path for part in PORTABLE) and not any(
        name in item.name for name in CPU_ALONE)


def mark(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what runs on a GPU, and skips that with a reason where there is none."""
    device = chosen(config)
    for item in items if device != "cpu" else ():
        if is_portable(item):
            item.add_marker(pytest.mark.gpu if device == "cuda" else pytest.mark.fake_gpu)
            item.add_marker(pytest.mark.filterwarnings(
                "ignore::graphflow.errors.GraphflowWarning"))
    missing = cuda_absence() if any(i.get_closest_marker("gpu") for i in items) else None
    for item in items if missing is not None else ():
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=missing))


@contextmanager
def sessions_on_gpu(fake: bool) -> Iterator[None]:
    """Sessions for the CPU run on a GPU."""

    def place(options: Options, config: Any) -> Any:
        moved = replace(options, device="cuda") if options.device in ("cpu", "auto") else options
        return placement.place_session(moved, config)

    with mock.patch("graphflow.session.place_session", place):
        if not fake:
            with mock.patch.dict(os.environ, GRAPHFLOW_DEVICE="cuda"):  # for other processes
                yield
            return
        from fake_gpu import using_fake_gpu

        with using_fake_gpu(engine="llvm"):
            yield
