"""The driver of NVIDIA GPUs, through the low-level part of `cuda.bindings`.

Every call is checked; a failure is a CudaError with the driver's own words. Imported only where a
GPU is used.
"""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import Any

from cuda.bindings import driver as cuda

from graphflow.runtime.cuda.driver import CudaError, DeviceMemoryError, Geometry, Handle

_KEEP_ALL = 2**64 - 1   # the pool gives no memory back to the system by itself
_EVENT_FLAGS = 2        # CU_EVENT_DISABLE_TIMING: cheap ones
_STREAM_FLAGS = 1       # CU_STREAM_NON_BLOCKING: does not wait for the default stream
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
        self._enter()
        event = _Event(_check(cuda.cuEventCreate(_EVENT_FLAGS), "making an event"))
        _check(cuda.cuEventRecord(event.event, stream), "recording an event")
        return event

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

    def begin_capture(self, stream: Handle) -> None:
        self._enter()
        # Relaxed: Python may free other memory meanwhile, which is no part of the graph.
        _check(cuda.cuStreamBeginCapture(
            stream, cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED),
            "beginning a graph")

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
