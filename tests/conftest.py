"""Settings of all tests.

Property tests draw the same examples in every CI run; elsewhere they explore. Compiled kernels
are kept in a folder of this test run, which its worker processes share: nothing is written to the
home directory. `GRAPHFLOW_CACHE_DIR` names another folder, which stays. Programs are not kept,
since tests replace parts of the compiler; tests of what is kept say so. Runs use one thread, as
the cores are taken by other tests.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

os.environ.setdefault("GRAPHFLOW_THREADS", "1")  # tests of threads say how many
os.environ.setdefault("GRAPHFLOW_CACHE", "kernels")

if "GRAPHFLOW_CACHE_DIR" not in os.environ:  # workers find what the first process has set
    _folder = os.environ["GRAPHFLOW_CACHE_DIR"] = tempfile.mkdtemp(prefix="graphflow-tests-")
    _owner = os.getpid()

    @atexit.register
    def _remove() -> None:
        if os.getpid() == _owner:  # not in forked children
            shutil.rmtree(_folder, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full`: every element type in the contract of compiled ops. `--device`: see `on_gpu`."""
    parser.addoption("--full", action="store_true", help="test every element type compiled")
    parser.addoption("--device", choices=("cpu", "fake", "cuda"), default="cpu",
                     help="where tests run that can run anywhere; -m gpu says cuda")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need a GPU are skipped, with a reason, where there is none."""
    from on_gpu import mark

    mark(config, items)


@pytest.fixture(autouse=True)
def _on_chosen_device(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that can run anywhere run on the device that was chosen."""
    fake = request.node.get_closest_marker("fake_gpu") is not None
    if not fake and (request.node.get_closest_marker("gpu") is None):
        yield
        return
    from on_gpu import sessions_on_gpu

    with sessions_on_gpu(fake):
        yield
