"""The calls of the driver, as far as they can be made without one."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from graphflow.hardware import cuda_driver
from graphflow.runtime.cuda.driver import Geometry

cuda = pytest.importorskip("cuda.bindings.driver", reason="needs the extra `cuda`")

if cuda_driver() is not None:
    pytest.skip("there is a driver, which the tests marked `gpu` use", allow_module_level=True)

CALLS: dict[str, Any] = {
    "allocate": lambda d, s, e: d.allocate(10, s),
    "free": lambda d, s, e: d.free(4096, s),
    "allocate_pinned": lambda d, s, e: d.allocate_pinned(10),
    "free_pinned": lambda d, s, e: d.free_pinned(4096),
    "upload": lambda d, s, e: d.upload(1, 2, 3, s),
    "download": lambda d, s, e: d.download(1, 2, 3, s),
    "copy": lambda d, s, e: d.copy(1, 2, 3, s),
    "fill": lambda d, s, e: d.fill(1, 2, 3, s),
    "new_stream": lambda d, s, e: d.new_stream(),
    "destroy_stream": lambda d, s, e: d.destroy_stream(s),
    "synchronize": lambda d, s, e: d.synchronize(s),
    "record": lambda d, s, e: d.record(s),
    "wait": lambda d, s, e: d.wait(e),
    "reached": lambda d, s, e: d.reached(e),
    "stream_wait": lambda d, s, e: d.stream_wait(s, e),
    "load": lambda d, s, e: d.load(b"code"),
    "function": lambda d, s, e: d.function(cuda.CUmodule(0), "name"),
    "launch": lambda d, s, e: d.launch(
        cuda.CUfunction(0), Geometry((1, 1, 1), (32, 1, 1)),
        np.zeros(3, np.uint64).ctypes.data, s),
    "launch with much shared memory": lambda d, s, e: d.launch(
        cuda.CUfunction(0), Geometry((1, 1, 1), (32, 1, 1), 60000), 4096, s),
    "begin_capture": lambda d, s, e: d.begin_capture(s),
    "branch": lambda d, s, e: d.branch(4096, lambda stream: None, None, s),
    "repeat": lambda d, s, e: d.repeat(4096, 0, lambda stream: None, s),
    "add": lambda d, s, e: d.add(4096, -1, s),
    "condition": lambda d, s, e: d._condition(s),
    "tell": lambda d, s, e: d._tell_node(
        cuda.CUgraphConditionalHandle(0), 4096, 1, s),
    "node": lambda d, s, e: d._node(
        s, cuda.CUgraphConditionalHandle(0),
        cuda.CUgraphConditionalNodeType.CU_GRAPH_COND_TYPE_WHILE),
    "capture_inside": lambda d, s, e: d._capture_inside(cuda.CUgraph(0), lambda stream: None),
    "record_timed": lambda d, s, e: d.record_timed(s),
    "elapsed": lambda d, s, e: d.elapsed(e, e),
    "end_capture": lambda d, s, e: d.end_capture(s),
    "replay": lambda d, s, e: d.replay(cuda.CUgraphExec(0), s),
    "destroy_graph": lambda d, s, e: d.destroy_graph(cuda.CUgraphExec(0)),
}


class Event:
    event = cuda.CUevent(0)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_the_arguments_that_the_bindings_take(name: str) -> None:
    from graphflow.runtime.cuda.bindings import CudaDriver

    driver = object.__new__(CudaDriver)
    driver.name, driver._threads = "none", threading.local()
    driver._threads.entered = True
    driver._context = cuda.CUcontext(0)
    driver._tell = driver._count = cuda.CUfunction(0)
    with pytest.raises(RuntimeError, match="dlopen|driver"):  # wrong arguments: TypeError
        CALLS[name](driver, cuda.CUstream(0), Event)


def test_streams_have_numbers() -> None:
    from graphflow.runtime.cuda.bindings import CudaDriver

    driver = object.__new__(CudaDriver)
    assert driver.stream_number(driver.stream_of(5)) == 5
