"""A GPU made of NumPy arrays: what device sessions are tested on where there is no real one.

It does nothing before somebody waits for it: work stands in a queue for each stream, so that a
missing wait shows as stale or overwritten values. It refuses what a GPU would refuse: pointers to
memory of the host, memory that was given back, impossible grids, copies from memory that is not
pinned, waiting while a graph is captured.

A kernel of loop IR runs by its interpreter, or, with `engine="llvm"`, as the LLVM IR that goes to
NVVM, with the launches, arguments and shared memory that a GPU would get.
"""

from __future__ import annotations

import bisect
import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from fake_code import FakeMaker, LlvmMaker

from graphflow import dtypes as dt
from graphflow.codegen.cuda.kernels import CudaKernel
from graphflow.codegen.cuda.library.parts import LibraryPart
from graphflow.codegen.cuda.matrix_form import MatrixForm, Operand
from graphflow.codegen.cuda.on_cpu import launch_on_cpu
from graphflow.codegen.cuda.shapes import LaunchShape
from graphflow.codegen.in_place import reusable
from graphflow.loop_ir.kernel_interpreter import run_kernel
from graphflow.loop_ir.nest import Kernel
from graphflow.runtime.cuda.blas import WORKSPACE
from graphflow.runtime.cuda.code import CodeCache
from graphflow.runtime.cuda.device import Gpu
from graphflow.runtime.cuda.driver import CudaError, DeviceMemoryError, Geometry

FIRST_ADDRESS = 0x10_0000_0000  # no process of the host has memory there
POISON = 0xA5
PIECE = 1000.0  # nanoseconds of the fake's clock


@dataclass
class Stream:
    """Work that waits to be done."""

    number: int
    queue: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    count: int = 0
    capture: list[Callable[[], None]] | None = None
    thread: int = 0


@dataclass
class Event:
    stream: Stream
    count: int
    time: float | None = None


@dataclass
class FakeGraph:
    work: list[Callable[[], None]]
    alive: bool = True


class FakeDriver:
    """See the module. `counts` says how often what was done; `limit`: bytes of memory."""

    def __init__(self, maker: FakeMaker, limit: int = 1 << 40) -> None:
        self.name, self.capability, self.number = "fake GPU", (9, 0), 0
        self.total_memory, self.processors, self.clock = limit, 132, 1e9
        self.conditions = True
        self.library = False  # NVIDIA's, for products
        self.time = 0.0  # nanoseconds; each piece of work takes PIECE
        self.counts: dict[str, int] = {}
        self.in_use = 0
        self._maker = maker
        self._lock = threading.RLock()
        self._starts: list[int] = []
        self._memory: dict[int, np.ndarray] = {}
        self._next = FIRST_ADDRESS
        self._pinned: dict[int, Any] = {}
        self._streams: list[Stream] = []

    # ---- memory -----------------------------------------------------------------------------

    def allocate(self, size: int, stream: Stream) -> int:
        with self._lock:
            self._not_capturing("allocate")
            if self.in_use + size > self.total_memory:
                raise DeviceMemoryError(size, self.name)
            address = self._next
            self._next += (size + 512) // 256 * 256
            self._memory[address] = np.full(size, POISON, np.uint8)
            self._starts.append(address)
            self.in_use += size
            return address

    def free(self, address: int, stream: Stream) -> None:
        with self._lock:
            if address not in self._memory:
                raise CudaError(f"free of {address:#x}, which is no memory")
            self._put(stream, lambda: self._free(address))

    def _free(self, address: int) -> None:
        self.in_use -= self._memory.pop(address).nbytes
        self._starts.remove(address)

    def bytes_at(self, address: int, size: int | None = None) -> np.ndarray:
        """The memory from an address on, as far as it goes."""
        number = bisect.bisect_right(self._starts, address) - 1
        if number < 0:
            raise CudaError(f"illegal address {address:#x}")
        start = self._starts[number]
        memory = self._memory[start][address - start:]
        if address - start > self._memory[start].nbytes or (
                size is not None and memory.nbytes < size):
            raise CudaError(f"illegal address {address:#x}")
        return memory if size is None else memory[:size]

    def allocate_pinned(self, size: int) -> int:
        with self._lock:
            self._not_capturing("allocate pinned memory")
            made = (ctypes.c_char * size)()
            self._pinned[ctypes.addressof(made)] = made
            return ctypes.addressof(made)

    def free_pinned(self, address: int) -> None:
        with self._lock:
            del self._pinned[address]

    def _host(self, address: int, size: int) -> np.ndarray:
        for start, memory in self._pinned.items():
            if start <= address and address + size <= start + len(memory):
                return np.frombuffer(memory, np.uint8)[address - start:][:size]
        raise CudaError(f"{address:#x} is not pinned memory of the host")

    def upload(self, target: int, source: int, size: int, stream: Stream) -> None:
        self._host(source, size)
        self._put(stream, lambda: np.copyto(
            self.bytes_at(target, size), self._host(source, size)), "upload")

    def download(self, target: int, source: int, size: int, stream: Stream) -> None:
        self._host(target, size)
        self._put(stream, lambda: np.copyto(
            self._host(target, size), self.bytes_at(source, size)), "download")

    def copy(self, target: int, source: int, size: int, stream: Stream) -> None:
        self._put(stream, lambda: np.copyto(
            self.bytes_at(target, size), self.bytes_at(source, size)), "copy")

    def fill(self, target: int, word: int, count: int, stream: Stream) -> None:
        def work() -> None:
            self.bytes_at(target, 4 * count).view(np.uint32)[:] = word

        self._put(stream, work, "fill")

    # ---- order ------------------------------------------------------------------------------

    def new_stream(self) -> Stream:
        self._streams.append(Stream(len(self._streams) + 3))
        return self._streams[-1]

    def stream_number(self, stream: Stream) -> int:
        return stream.number

    def stream_of(self, number: int) -> Stream:
        return next((s for s in self._streams if s.number == number), None) or self.new_stream()

    def destroy_stream(self, stream: Stream) -> None:
        assert not stream.queue

    def _put(self, stream: Stream, work: Callable[[], None], what: str = "") -> None:
        with self._lock:
            if stream.capture is not None:
                stream.capture.append(work)
                return
            if what:
                self.counts[what] = self.counts.get(what, 0) + 1
            stream.count += 1
            stream.queue.append((stream.count, work))

    def _drain(self, stream: Stream, count: int) -> None:
        while stream.queue and stream.queue[0][0] <= count:
            _, work = stream.queue.pop(0)
            work()
            self.time += PIECE

    def _not_capturing(self, what: str) -> None:
        me = threading.get_ident()
        if any(s.capture is not None and s.thread == me for s in self._streams):
            raise CudaError(f"cannot {what} while a graph is captured")

    def synchronize(self, stream: Stream) -> None:
        with self._lock:
            self._not_capturing("wait")
            self._drain(stream, stream.count)

    def record(self, stream: Stream) -> Event:
        with self._lock:
            if stream.capture is not None:
                raise CudaError("cannot record an event of the host while a graph is captured")
            return Event(stream, stream.count)

    def record_timed(self, stream: Stream) -> Event:
        with self._lock:
            event = Event(stream, stream.count + 1)

            def come() -> None:
                event.time = self.time
                self.time -= PIECE  # an event takes no time

            self._put(stream, come)
            return event

    def elapsed(self, first: Event, last: Event) -> float:
        if first.time is None or last.time is None:
            raise CudaError("an event has not come yet")
        return last.time - first.time

    def wait(self, event: Event) -> None:
        with self._lock:
            self._not_capturing("wait")
            self._drain(event.stream, event.count)

    def reached(self, event: Event) -> bool:
        with self._lock:
            return not event.stream.queue or event.stream.queue[0][0] > event.count

    def stream_wait(self, stream: Stream, event: Event) -> None:
        self._put(stream, lambda: self._drain(event.stream, event.count))

    # ---- kernels ----------------------------------------------------------------------------

    def load(self, image: bytes) -> list[str]:
        return image.decode().split()

    def function(self, code: list[str], name: str) -> Any:
        if name not in code:
            raise CudaError(f"no kernel {name}")
        if isinstance(self._maker, LlvmMaker):
            return self._maker.launches[name]
        return self._maker.kernels[name]

    def launch(self, function: Any, geometry: Geometry, arguments: int, stream: Stream) -> None:
        complaint = geometry.complaint()
        if complaint is not None:
            raise CudaError(complaint)
        kernel: Any = getattr(function, "kernel", function)
        count = len(kernel.buffers) + kernel.sizes + sum(p.private for p in kernel.buffers)
        pointers = (ctypes.c_uint64 * count).from_address(arguments)
        values = [ctypes.c_int64.from_address(pointer).value for pointer in pointers]
        if isinstance(function, (CudaKernel, LibraryPart)):
            self._put(stream, lambda: self._run_llvm(function, geometry, values), "launch")
            return
        addresses = values[:len(kernel.buffers)]
        sizes = values[len(kernel.buffers):len(kernel.buffers) + kernel.sizes]
        self._put(stream, lambda: self._run(kernel, addresses, sizes), "launch")

    def _run_llvm(
        self, part: CudaKernel | LibraryPart, geometry: Geometry, values: Sequence[int]
    ) -> None:
        kernel, arguments = part.kernel, list(values)
        lengths = values[len(kernel.buffers) + kernel.sizes:]
        shared = {k for k, length in zip(part.private, lengths) if not length}
        for number, parameter in enumerate(kernel.buffers):
            if number in shared:
                continue
            if values[number] % parameter.dtype.numpy.itemsize:
                raise CudaError(f"misaligned address {values[number]:#x}")
            arguments[number] = self.bytes_at(values[number]).ctypes.data
        shape = LaunchShape(geometry.grid[0], geometry.block[0], geometry.shared,
                            0 if shared else 1)
        launch_on_cpu(part, shape, arguments)

    def _run(self, kernel: Kernel, addresses: Sequence[int], sizes: Sequence[int]) -> None:
        over = {read for written, read in reusable(kernel, once=True)
                if addresses[written] == addresses[read]}
        views = []
        for number, (address, parameter) in enumerate(zip(addresses, kernel.buffers)):
            size = parameter.dtype.numpy.itemsize
            if address % size:
                raise CudaError(f"misaligned address {address:#x}")
            memory = self.bytes_at(address)
            view = memory[:memory.nbytes // size * size].view(parameter.dtype.numpy)
            view = view.copy() if number in over else view[:]
            view.flags.writeable = parameter.written
            views.append(view)
        run_kernel(kernel, views, list(sizes))

    def product(self, form: MatrixForm) -> MatrixForm | None:
        return form if self.library else None

    def multiply(
        self, product: MatrixForm, out: int, left: int, right: int, workspace: int, stream: Stream
    ) -> None:
        def work() -> None:
            self.bytes_at(workspace, WORKSPACE)[:] = POISON
            element, result = (dt.as_dtype(name).numpy
                               for name in (product.element, product.result))
            x = self._matrices(left, product.left, product, product.rows, product.terms, element)
            y = self._matrices(right, product.right, product, product.terms, product.columns,
                               element)
            made = self._matrices(out, product.out, product, product.rows, product.columns, result)
            made[...] = x.astype(np.float64) @ y.astype(np.float64)

        self._put(stream, work, "product")

    def _matrices(
        self, address: int, operand: Operand, form: MatrixForm, rows: int, columns: int, kind: Any
    ) -> np.ndarray:
        """The matrices of an operand as a view of the memory."""
        size = np.dtype(kind).itemsize
        steps = (operand.batch, operand.outer, operand.inner)
        shape = (form.batches, rows, columns)
        last = operand.start + sum(s * (n - 1) for s, n in zip(steps, shape))
        memory = self.bytes_at(address, size * (last + 1)).view(kind)
        return np.lib.stride_tricks.as_strided(
            memory[operand.start:], shape, [size * s for s in steps])

    def begin_capture(self, stream: Stream) -> None:
        with self._lock:
            assert stream.capture is None and not stream.queue
            stream.capture, stream.thread = [], threading.get_ident()

    def _captured(self, body: Callable[[Stream], None] | None) -> list[Callable[[], None]]:
        inner = Stream(-1, capture=[], thread=threading.get_ident())
        if body is not None:
            body(inner)
        return inner.capture or []

    def _holds(self, address: int) -> bool:
        return bool(self.bytes_at(address, 1)[0])

    def branch(
        self, address: int, then: Callable[[Stream], None] | None,
        otherwise: Callable[[Stream], None] | None, stream: Stream,
    ) -> None:
        assert stream.capture is not None, "a branch outside of a graph"
        ways = self._captured(otherwise), self._captured(then)

        def work() -> None:
            for piece in ways[self._holds(address)]:
                piece()

        stream.capture.append(work)

    def repeat(
        self, address: int, status: int, body: Callable[[Stream], None], stream: Stream
    ) -> None:
        assert stream.capture is not None, "a loop outside of a graph"
        pieces = self._captured(body)

        def work() -> None:
            while self._holds(address) and not (status and self.bytes_at(status, 8).any()):
                for piece in pieces:
                    piece()

        stream.capture.append(work)

    def add(self, target: int, value: int, stream: Stream) -> None:
        def work() -> None:
            self.bytes_at(target, 8).view(np.int64)[0] += value

        self._put(stream, work, "add")

    def end_capture(self, stream: Stream) -> FakeGraph:
        with self._lock:
            work, stream.capture = stream.capture, None
            assert work is not None
            return FakeGraph(work)

    def replay(self, graph: FakeGraph, stream: Stream) -> None:
        def work() -> None:
            if not graph.alive:
                raise CudaError("a graph was destroyed before it ran")
            for piece in graph.work:
                piece()

        self._put(stream, work, "replay")

    def destroy_graph(self, graph: FakeGraph) -> None:
        graph.alive = False


def fake_gpu(limit: int = 1 << 40, engine: str = "interpreter") -> Gpu:
    """A new fake GPU with `limit` bytes of memory."""
    maker = LlvmMaker() if engine == "llvm" else FakeMaker()
    driver = FakeDriver(maker, limit)
    return Gpu(driver, CodeCache(driver, maker))


@contextmanager
def using_fake_gpu(
    limit: int = 1 << 40, engine: str = "interpreter"
) -> Iterator[FakeDriver]:
    """Sessions that ask for a GPU get a fake one."""
    gpu = fake_gpu(limit, engine)
    with mock.patch("graphflow.runtime.cuda.device.open_gpu", lambda number=0: gpu):
        yield gpu.driver  # type: ignore[misc]  # it is the fake one
