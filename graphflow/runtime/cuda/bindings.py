"""The driver of NVIDIA GPUs, through the low-level part of `cuda.bindings`.

Every call is checked; a failure is a CudaError with the driver's own words. Imported only where a
GPU is used.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from cuda.bindings import driver as cuda

from graphflow.codegen.cuda.compile import MissingCudaError
from graphflow.codegen.cuda.conditional import CONDITION, COUNT, conditional_cubin
from graphflow.codegen.cuda.matrix_form import MatrixForm
from graphflow.codegen.cuda.target import CudaTarget
from graphflow.runtime.cuda.blas import Cublas, library
from graphflow.runtime.cuda.driver import CudaError, DeviceMemoryError, Geometry, Handle

_KEEP_ALL = 2**64 - 1   # the pool gives no memory back to the system by itself
_EVENT_FLAGS = 2        # CU_EVENT_DISABLE_TIMING: cheap ones
_STREAM_FLAGS = 1       # CU_STREAM_NON_BLOCKING: does not wait for the default stream
_CONDITIONS = 12040     # the driver's version from which on graphs have conditional nodes
_ASSIGN_DEFAULT = 1     # CU_GRAPH_COND_ASSIGN_DEFAULT: each launch begins with the default, 0
_STATIC_SHARED = 48 * 1024  # bytes of shared memory that a block may have without asking


def device_count() -> int:
    """How many GPUs the driver has. Raises CudaError if it cannot be started."""
    _check(cuda.cuInit(0), "starting the driver")
    return int(_check(cuda.cuDeviceGetCount(), "counting the GPUs"))


@cache
def open_driver(number: int = 0) -> CudaDriver:
    """The driver of one GPU, once in a process. Raises CudaError."""
    count = device_count()
    if number >= count:
        raise CudaError(f"There is no GPU {number}: the driver has {count}.")
    return CudaDriver(number)


def _check(answer: tuple, doing: str) -> Any:
    """What a call gave besides its result. Raises CudaError."""
    status, *values = answer
    if status != cuda.CUresult.CUDA_SUCCESS:
        raise CudaError(f"CUDA, {doing}: {_words(status)}.")
    return values[0] if len(values) == 1 else values


def _words(status: Any) -> str:
    _, name = cuda.cuGetErrorName(status)
    _, text = cuda.cuGetErrorString(status)
    return " ".join(part.decode() for part in (name, text) if part) or str(status)


class CudaDriver:
    """One GPU, in its primary context, which other libraries of the process use too."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._device = _check(cuda.cuDeviceGet(number), "opening the GPU")
        name = _check(cuda.cuDeviceGetName(256, self._device), "asking for the GPU's name")
        self.name = name.rstrip(b"\0").decode(errors="replace")
        attribute = cuda.CUdevice_attribute
        self.capability = (
            self._attribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            self._attribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR))
        self.processors = self._attribute(attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
        self.clock = 1e3 * self._attribute(attribute.CU_DEVICE_ATTRIBUTE_CLOCK_RATE)
        self.total_memory = int(_check(cuda.cuDeviceTotalMem(self._device), "asking for memory"))
        self._context = _check(cuda.cuDevicePrimaryCtxRetain(self._device), "making a context")
        self._threads = threading.local()
        self._enter()
        pool = _check(cuda.cuDeviceGetDefaultMemPool(self._device), "asking for the pool")
        _check(cuda.cuMemPoolSetAttribute(
            pool, cuda.CUmemPool_attribute.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
            cuda.cuuint64_t(_KEEP_ALL)), "setting up the pool")

    def _attribute(self, attribute: Any) -> int:
        return int(_check(cuda.cuDeviceGetAttribute(attribute, self._device), "asking the GPU"))

    def _enter(self) -> None:
        """The context becomes this thread's, once."""
        if not getattr(self._threads, "entered", False):
            _check(cuda.cuCtxSetCurrent(self._context), "entering the context")
            self._threads.entered = True

    # ---- memory -----------------------------------------------------------------------------

    def allocate(self, size: int, stream: Handle) -> int:
        self._enter()
        status, address = cuda.cuMemAllocAsync(max(size, 1), stream)
        if status == cuda.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            raise DeviceMemoryError(size, self.name)
        return int(_check((status, address), "allocating memory"))

    def free(self, address: int, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuMemFreeAsync(cuda.CUdeviceptr(address), stream), "freeing memory")

    def allocate_pinned(self, size: int) -> int:
        self._enter()
        status, address = cuda.cuMemAllocHost(max(size, 1))
        if status == cuda.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
            raise MemoryError(f"no {size} bytes of pinned memory")
        return int(_check((status, address), "allocating pinned memory"))

    def free_pinned(self, address: int) -> None:
        self._enter()
        _check(cuda.cuMemFreeHost(address), "freeing pinned memory")

    def upload(self, target: int, source: int, size: int, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuMemcpyHtoDAsync(cuda.CUdeviceptr(target), source, size, stream),
               "copying to the GPU")

    def download(self, target: int, source: int, size: int, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuMemcpyDtoHAsync(target, cuda.CUdeviceptr(source), size, stream),
               "copying from the GPU")

    def copy(self, target: int, source: int, size: int, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuMemcpyDtoDAsync(
            cuda.CUdeviceptr(target), cuda.CUdeviceptr(source), size, stream), "copying")

    def fill(self, target: int, word: int, count: int, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuMemsetD32Async(cuda.CUdeviceptr(target), word, count, stream), "filling")

    # ---- order ------------------------------------------------------------------------------

    def new_stream(self) -> Handle:
        self._enter()
        return _check(cuda.cuStreamCreate(_STREAM_FLAGS), "making a stream")

    def stream_number(self, stream: Handle) -> int:
        return int(stream)

    def stream_of(self, number: int) -> Handle:
        return cuda.CUstream(number)

    def destroy_stream(self, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuStreamDestroy(stream), "ending a stream")

    def synchronize(self, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuStreamSynchronize(stream), "waiting for the GPU")

    def record(self, stream: Handle) -> Handle:
        return self._recorded(stream, _EVENT_FLAGS)

    def record_timed(self, stream: Handle) -> Handle:
        return self._recorded(stream, 0)

    def _recorded(self, stream: Handle, flags: int) -> Handle:
        self._enter()
        event = _Event(_check(cuda.cuEventCreate(flags), "making an event"))
        _check(cuda.cuEventRecord(event.event, stream), "recording an event")
        return event

    def elapsed(self, first: Handle, last: Handle) -> float:
        self._enter()
        return 1e6 * float(_check(
            cuda.cuEventElapsedTime(first.event, last.event), "asking for times"))

    def wait(self, event: Handle) -> None:
        self._enter()
        _check(cuda.cuEventSynchronize(event.event), "waiting for the GPU")

    def reached(self, event: Handle) -> bool:
        self._enter()
        status, = cuda.cuEventQuery(event.event)
        if status == cuda.CUresult.CUDA_ERROR_NOT_READY:
            return False
        _check((status,), "asking for an event")
        return True

    def stream_wait(self, stream: Handle, event: Handle) -> None:
        self._enter()
        _check(cuda.cuStreamWaitEvent(stream, event.event, 0), "ordering streams")

    # ---- kernels ----------------------------------------------------------------------------

    def load(self, image: bytes) -> Handle:
        self._enter()
        return _check(cuda.cuModuleLoadData(image), "loading kernels")

    def function(self, code: Handle, name: str) -> Handle:
        self._enter()
        return _check(cuda.cuModuleGetFunction(code, name.encode()), f"finding kernel {name}")

    def launch(
        self, function: Handle, geometry: Geometry, arguments: int, stream: Handle
    ) -> None:
        self._enter()
        if geometry.shared > _STATIC_SHARED:
            _check(cuda.cuFuncSetAttribute(
                function,
                cuda.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                geometry.shared), "asking for shared memory")
        _check(cuda.cuLaunchKernel(
            function, *geometry.grid, *geometry.block, geometry.shared, stream, arguments, 0),
            "launching a kernel")

    @cached_property
    def _cublas(self) -> Cublas | None:
        self._enter()
        found = library()
        try:
            return None if found is None else Cublas(found)
        except RuntimeError:  # it is for another driver
            return None

    def product(self, form: MatrixForm) -> Handle | None:
        self._enter()
        return None if self._cublas is None else self._cublas.plan(form)

    def multiply(
        self, product: Handle, out: int, left: int, right: int, workspace: int, stream: Handle
    ) -> None:
        self._enter()
        assert self._cublas is not None
        try:
            self._cublas.run(product, out, left, right, workspace, int(stream))
        except RuntimeError as error:
            raise CudaError(f"CUDA, a matrix product: {error}.") from error

    def begin_capture(self, stream: Handle) -> None:
        self._enter()
        # Relaxed: Python may free other memory meanwhile, which is no part of the graph.
        _check(cuda.cuStreamBeginCapture(
            stream, cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED),
            "beginning a graph")

    @cached_property
    def conditions(self) -> bool:
        """See `Driver`. Conditional nodes came with CUDA 12.4."""
        if _check(cuda.cuDriverGetVersion(), "asking for the driver's version") < _CONDITIONS:
            return False
        try:
            code = self.load(conditional_cubin(CudaTarget(self.capability)))
        except (MissingCudaError, CudaError):
            return False
        self._tell, self._count = self.function(code, CONDITION), self.function(code, COUNT)
        return True

    def branch(
        self, address: int, then: Callable[[Handle], None] | None,
        otherwise: Callable[[Handle], None] | None, stream: Handle,
    ) -> None:
        self._enter()
        kind = cuda.CUgraphConditionalNodeType.CU_GRAPH_COND_TYPE_IF
        ways = [(self._condition(stream), negated, body)
                for negated, body in enumerate((then, otherwise)) if body is not None]
        for handle, negated, _ in ways:  # both before one of them may change the bool
            self._tell_node(handle, address, negated, stream)
        for handle, _, body in ways:
            self._capture_inside(self._node(stream, handle, kind), body)

    def repeat(
        self, address: int, status: int, body: Callable[[Handle], None], stream: Handle
    ) -> None:
        self._enter()
        handle = self._condition(stream)
        self._tell_node(handle, address, 0, stream, status)
        kind = cuda.CUgraphConditionalNodeType.CU_GRAPH_COND_TYPE_WHILE

        def turn(inner: Handle) -> None:
            body(inner)
            self._tell_node(handle, address, 0, inner, status)

        self._capture_inside(self._node(stream, handle, kind), turn)

    def add(self, target: int, value: int, stream: Handle) -> None:
        self._enter()
        self._launch_one(self._count, (target, value), stream)

    def _captured(self, stream: Handle) -> tuple[Any, list[Any]]:
        """The graph that is captured on a stream, and what its next node waits for."""
        found = _check(cuda.cuStreamGetCaptureInfo(stream), "asking for a graph")
        return found[2], list(found[3] or ())

    def _condition(self, stream: Handle) -> Any:
        graph, _ = self._captured(stream)
        return _check(cuda.cuGraphConditionalHandleCreate(
            graph, self._context, 0, _ASSIGN_DEFAULT), "making a condition")

    def _tell_node(
        self, handle: Any, address: int, negated: int, stream: Handle, status: int = 0
    ) -> None:
        self._launch_one(self._tell, (int(handle), address, negated, status), stream)

    def _launch_one(self, function: Handle, arguments: tuple[int, ...], stream: Handle) -> None:
        kinds = (ctypes.c_uint64,) * len(arguments)
        values = tuple(a & 2**64 - 1 for a in arguments)
        _check(cuda.cuLaunchKernel(
            function, 1, 1, 1, 1, 1, 1, 0, stream, (values, kinds), 0), "launching a kernel")

    def _node(self, stream: Handle, handle: Any, kind: Any) -> Any:
        """Adds a conditional node behind what was captured last; the graph inside of it."""
        graph, before = self._captured(stream)
        settings = cuda.CUgraphNodeParams()
        settings.type = cuda.CUgraphNodeType.CU_GRAPH_NODE_TYPE_CONDITIONAL
        settings.conditional.handle = handle
        settings.conditional.type = kind
        settings.conditional.size = 1
        settings.conditional.ctx = self._context
        node = _check(cuda.cuGraphAddNode(
            graph, before, None, len(before), settings), "adding a condition to a graph")
        _check(cuda.cuStreamUpdateCaptureDependencies(
            stream, [node], None, 1,
            cuda.CUstreamUpdateCaptureDependencies_flags.CU_STREAM_SET_CAPTURE_DEPENDENCIES),
            "ordering a graph")
        return settings.conditional.phGraph_out[0]

    def _capture_inside(self, graph: Any, body: Callable[[Handle], None]) -> None:
        stream = self.new_stream()
        try:
            _check(cuda.cuStreamBeginCaptureToGraph(
                stream, graph, None, None, 0,
                cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED), "beginning a graph")
            try:
                body(stream)
            finally:
                _check(cuda.cuStreamEndCapture(stream), "ending a graph")
        finally:
            self.destroy_stream(stream)

    def end_capture(self, stream: Handle) -> Handle:
        self._enter()
        graph = _check(cuda.cuStreamEndCapture(stream), "ending a graph")
        try:
            return _check(cuda.cuGraphInstantiate(graph, 0), "making a graph ready")
        finally:
            _check(cuda.cuGraphDestroy(graph), "giving a graph back")

    def replay(self, graph: Handle, stream: Handle) -> None:
        self._enter()
        _check(cuda.cuGraphLaunch(graph, stream), "replaying a graph")

    def destroy_graph(self, graph: Handle) -> None:
        self._enter()
        _check(cuda.cuGraphExecDestroy(graph), "giving a graph back")


class _Event:
    """Destroys its event when nobody refers to it any more."""

    __slots__ = ("event",)

    def __init__(self, event: Any) -> None:
        self.event = event

    def __del__(self) -> None:
        if not sys.is_finalizing():
            cuda.cuEventDestroy(self.event)
