"""What graphflow asks of a GPU's driver: one narrow interface.

`runtime/cuda/bindings.py` implements it over `cuda.bindings`; nothing else in graphflow calls
CUDA. The tests implement it over NumPy arrays.

Addresses are integers: of device memory, or of pinned memory of the host. Streams, events, code,
functions and graphs are opaque. Work that is put on a stream runs in order, later; a call that
takes a stream returns at once, unless it says that it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphflow.codegen.cuda.matrix_form import MatrixForm
from graphflow.errors import GraphflowError, ResourceExhaustedError

Handle = Any

MOST_THREADS = 1024                       # of a block, on every GPU since 2010
MOST_BLOCKS = (2**31 - 1, 65535, 65535)   # of a grid


class CudaError(GraphflowError, RuntimeError):
    """The driver refused a call, or work on the GPU failed."""


class DeviceMemoryError(CudaError):
    """The GPU has not as much memory.

    Attributes:
      wanted: bytes that were asked for.
    """

    def __init__(self, wanted: int, device: str) -> None:
        super().__init__(f"{device} has not {in_words(wanted)} of memory left.")
        self.wanted = wanted

    def for_run(self, largest: Sequence[tuple[int, str]], arena: int) -> ResourceExhaustedError:
        """The error of a run: with its largest buffers, as (bytes, what they hold)."""
        listed = "".join(f"\n  {in_words(size)}: {what}" for size, what in largest)
        return ResourceExhaustedError(
            None, None, f"Session.run: out of GPU memory. {self} The memory plan of this run "
            f"takes {in_words(arena)}; its largest buffers:{listed}\nFeed smaller batches, or "
            "let other programs give their memory back.")


def in_words(size: int) -> str:
    """A number of bytes: `12.5 MiB`."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


@dataclass(frozen=True, slots=True)
class Geometry:
    """How many threads run a kernel.

    Attributes:
      grid: blocks along x, y, z.
      block: threads of a block along x, y, z.
      shared: bytes of dynamic shared memory of a block.
    """

    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int = 0

    def complaint(self) -> str | None:
        """What no GPU would run, or None."""
        threads = self.block[0] * self.block[1] * self.block[2]
        if min(*self.grid, *self.block) < 1:
            return f"a grid {self.grid} of blocks {self.block} has no threads"
        if threads > MOST_THREADS or self.block[2] > 64:
            return f"blocks {self.block} have more than {MOST_THREADS} threads (64 along z)"
        if any(n > most for n, most in zip(self.grid, MOST_BLOCKS)):
            return f"a grid {self.grid} has more than {MOST_BLOCKS} blocks"
        return None


class Driver(Protocol):
    """One GPU.

    Attributes:
      name: such as "NVIDIA H200".
      capability: the compute capability, such as (9, 0).
      processors: how many multiprocessors it has.
      total_memory: bytes.
      number: of the device.
      clock: its highest, in Hz.
      conditions: whether captured graphs can have branches and loops: `branch`, `repeat`, `add`.
    """

    name: str
    capability: tuple[int, int]
    processors: int
    total_memory: int
    number: int
    clock: float

    @property
    def conditions(self) -> bool: ...

    # ---- memory -----------------------------------------------------------------------------

    def allocate(self, size: int, stream: Handle) -> int:
        """Device memory that work on the stream may use. Raises DeviceMemoryError."""
        ...

    def free(self, address: int, stream: Handle) -> None:
        """Gives memory back once the work that is on the stream now is done."""
        ...

    def allocate_pinned(self, size: int) -> int:
        """Memory of the host that the GPU copies to and from while the host goes on."""
        ...

    def free_pinned(self, address: int) -> None:
        """Gives pinned memory back. No copy may be under way."""
        ...

    def upload(self, target: int, source: int, size: int, stream: Handle) -> None:
        """Copies pinned memory of the host to the device."""
        ...

    def download(self, target: int, source: int, size: int, stream: Handle) -> None:
        """Copies device memory to pinned memory of the host."""
        ...

    def copy(self, target: int, source: int, size: int, stream: Handle) -> None:
        """Copies device memory."""
        ...

    def fill(self, target: int, word: int, count: int, stream: Handle) -> None:
        """Sets `count` words of 32 bits."""
        ...

    # ---- order ------------------------------------------------------------------------------

    def new_stream(self) -> Handle:
        """A stream that waits for no other."""
        ...

    def stream_number(self, stream: Handle) -> int:
        """The stream as a number, as `__cuda_array_interface__` and DLPack say it."""
        ...

    def stream_of(self, number: int) -> Handle:
        """The stream of a number that another library gave."""
        ...

    def destroy_stream(self, stream: Handle) -> None:
        """Ends a stream whose work is done."""
        ...

    def synchronize(self, stream: Handle) -> None:
        """Waits for all work on a stream. Raises CudaError if some of it failed."""
        ...

    def record(self, stream: Handle) -> Handle:
        """An event: that all work which is on the stream now is done."""
        ...

    def record_timed(self, stream: Handle) -> Handle:
        """As `record`, and the GPU notes when it comes there: see `elapsed`."""
        ...

    def elapsed(self, first: Handle, last: Handle) -> float:
        """Nanoseconds between two timed events, which have come."""
        ...

    def wait(self, event: Handle) -> None:
        """Waits for an event. Raises CudaError if work before it failed."""
        ...

    def reached(self, event: Handle) -> bool:
        """Whether an event has come."""
        ...

    def stream_wait(self, stream: Handle, event: Handle) -> None:
        """Work that is put on the stream from now on starts after the event."""
        ...

    # ---- kernels ----------------------------------------------------------------------------

    def load(self, image: bytes) -> Handle:
        """Code from a cubin."""
        ...

    def function(self, code: Handle, name: str) -> Handle:
        """A kernel of loaded code."""
        ...

    def launch(
        self, function: Handle, geometry: Geometry, arguments: int, stream: Handle
    ) -> None:
        """Runs a kernel. arguments: the address of the addresses of the parameters' values."""
        ...

    def product(self, form: MatrixForm) -> Handle | None:
        """How NVIDIA's library computes a product of matrices; None where it is not installed."""
        ...

    def multiply(
        self, product: Handle, out: int, left: int, right: int, workspace: int, stream: Handle
    ) -> None:
        """Computes a product. workspace: the address of `blas.WORKSPACE` bytes of the device."""
        ...

    def begin_capture(self, stream: Handle) -> None:
        """From now on, launches, copies and fills on the stream become a graph, and do not run.

        Until the end this thread may not wait, and not allocate or free memory.
        """
        ...

    def branch(
        self, address: int, then: Callable[[Handle], None] | None,
        otherwise: Callable[[Handle], None] | None, stream: Handle,
    ) -> None:
        """Adds a branch to the graph that is captured on a stream.

        address: of a bool on the device. then, otherwise: put on a stream what runs if it holds,
        and if it does not; None: nothing.
        """
        ...

    def repeat(
        self, address: int, status: int, body: Callable[[Handle], None], stream: Handle
    ) -> None:
        """Adds a loop: what `body` puts on a stream runs again while a bool holds.

        status: the address of an int64 that ends the loop if it is not 0; 0 for none.
        """
        ...

    def add(self, target: int, value: int, stream: Handle) -> None:
        """Adds to an int64 on the device."""
        ...

    def end_capture(self, stream: Handle) -> Handle:
        """The graph, ready to be replayed."""
        ...

    def replay(self, graph: Handle, stream: Handle) -> None:
        """Runs a graph."""
        ...

    def destroy_graph(self, graph: Handle) -> None:
        """Gives a graph back that does not run."""
        ...
