"""What a device plan does, step by step: segments of GPU work, and what the host decides between.

A segment is work that needs no decision: launches, copies, fills. The first time it runs for
certain addresses its work goes on the stream piece by piece; the second time it is captured as a
CUDA graph, which is replayed from then on. Other instructions are carried out by
`runtime/cuda/walk.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Union

import numpy as np

from graphflow.codegen.library import LibraryKernel
from graphflow.loop_ir.nest import Kernel
from graphflow.runtime.cuda.blas import ALIGNED
from graphflow.runtime.cuda.context import Context, Graph
from graphflow.runtime.cuda.driver import Driver, Geometry, Handle
from graphflow.runtime.tables import History

KEPT_GRAPHS = 4     # of one segment, for different addresses
LEAST_CAPTURED = 2  # pieces of work: to launch one kernel costs no more than to replay a graph


@dataclass(frozen=True, slots=True)
class Place:
    """Where memory is.

    Attributes:
      address: in device memory, if it is fixed.
      number: of the cell that holds the address, if it is bound for each run; else -1.
    """

    address: int
    number: int = -1

    def at(self, cells: Sequence[int]) -> int:
        """The address."""
        return self.address if self.number < 0 else cells[self.number]


class LaunchWork:
    """One launch with its arguments; those that are bound for each run are filled in then."""

    __slots__ = ("_bound", "_function", "_geometry", "_pointers", "_values")

    def __init__(
        self, function: Handle, geometry: Geometry, arguments: Sequence[Place | int]
    ) -> None:
        """arguments: addresses and 64-bit numbers, in order."""
        self._function, self._geometry = function, geometry
        values = [a.address if isinstance(a, Place) else a & 2**64 - 1 for a in arguments]
        self._values = np.array(values or [0], np.uint64)
        start = self._values.ctypes.data
        self._pointers = np.array(
            [start + 8 * k for k in range(len(self._values))], np.uint64)
        self._bound = [(k, a.number) for k, a in enumerate(arguments)
                       if isinstance(a, Place) and a.number >= 0]

    def numbers(self) -> list[int]:
        """The cells that it needs."""
        return [number for _, number in self._bound]

    def put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        """Puts the launch on a stream."""
        for position, number in self._bound:
            self._values[position] = cells[number]
        driver.launch(self._function, self._geometry, self._pointers.ctypes.data, stream)


@dataclass(frozen=True, slots=True)
class CopyWork:
    """A copy inside device memory."""

    target: Place
    source: Place
    size: int

    def numbers(self) -> list[int]:
        """The cells that it needs."""
        return [p.number for p in (self.target, self.source) if p.number >= 0]

    def put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        """Puts the copy on a stream."""
        driver.copy(self.target.at(cells), self.source.at(cells), self.size, stream)


@dataclass(frozen=True, slots=True)
class ProductWork:
    """A product by NVIDIA's library; by our own kernel where an address is not aligned for that.

    places: of the result, the left and the right factor, and of memory to work in.
    """

    product: Handle
    places: tuple[Place, Place, Place, Place]
    own: LaunchWork

    def numbers(self) -> list[int]:
        """The cells that it needs."""
        return self.own.numbers()

    def put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        """Puts the product on a stream."""
        addresses = [p.at(cells) for p in self.places]
        if any(a % ALIGNED for a in addresses):
            self.own.put(driver, cells, stream)
        else:
            out, left, right, workspace = addresses
            driver.multiply(self.product, out, left, right, workspace, stream)


@dataclass(frozen=True, slots=True)
class CountWork:
    """Sets a counter on the device; `step`: adds to it instead."""

    place: Place
    value: int
    step: bool

    def numbers(self) -> list[int]:
        """The cells that it needs."""
        return [] if self.place.number < 0 else [self.place.number]

    def put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        """Puts it on a stream."""
        address = self.place.at(cells)
        if self.step:
            driver.add(address, self.value, stream)
        else:
            driver.fill(address, self.value & 0xFFFFFFFF, 1, stream)
            driver.fill(address + 4, self.value >> 32 & 0xFFFFFFFF, 1, stream)


@dataclass(frozen=True, slots=True)
class BranchWork:
    """One of two rows of work, as a bool on the device says. For graphs that are captured."""

    place: Place
    then: tuple[Work, ...]
    otherwise: tuple[Work, ...]

    def numbers(self) -> list[int]:
        """The cells that it needs."""
        return _numbers(self.place, (*self.then, *self.otherwise))

    def put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        """Puts it into the graph that is captured."""
        then, otherwise = (partial(_put_all, work, driver, cells) if work else None
                           for work in (self.then, self.otherwise))
        driver.branch(self.place.at(cells), then, otherwise, stream)


@dataclass(frozen=True, slots=True)
class LoopWork:
    """Work that is done again while a bool on the device holds; at its end it is found anew.

    status: the address of a word that ends the loop if it is not 0; 0 for none.
    """

    place: Place
    body: tuple[Work, ...]
    status: int = 0

    def numbers(self) -> list[int]:
        """The cells that it needs."""
        return _numbers(self.place, self.body)

    def put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        """Puts it into the graph that is captured."""
        driver.repeat(self.place.at(cells), self.status,
                      partial(_put_all, self.body, driver, cells), stream)


Work = Union[LaunchWork, CopyWork, ProductWork, CountWork, BranchWork, LoopWork]


def _numbers(place: Place, work: Sequence[Work]) -> list[int]:
    own = [] if place.number < 0 else [place.number]
    return [*own, *(n for piece in work for n in piece.numbers())]


def _put_all(
    work: Sequence[Work], driver: Driver, cells: Sequence[int], stream: Handle
) -> None:
    for piece in work:
        piece.put(driver, cells, stream)


class Segment:
    """Work that is put on the stream without a decision in between.

    Attributes:
      work: in order.
      rows: of the plan, that the pieces of work belong to.
      decides: whether some of it runs only if something holds, which only graphs can do.
      replays: how often a graph was replayed instead.
    """

    def __init__(self) -> None:
        self.work: list[Work] = []
        self.rows: list[int] = []
        self.replays = 0
        self.decides = False
        self._numbers: list[int] = []
        self._graphs: OrderedDict[tuple[int, ...], Graph] = OrderedDict()
        self._last: tuple[int, ...] | None = None

    def add(self, work: Work, row: int = -1) -> None:
        """One more piece of work, at the end."""
        self.work.append(work)
        self.rows.append(row)
        self.decides |= isinstance(work, (BranchWork, LoopWork))
        self._numbers = sorted({*self._numbers, *work.numbers()})

    def run(self, context: Context, cells: Sequence[int]) -> Graph | None:
        """Puts the work on the context's stream; the graph, if it was replayed."""
        if len(self.work) < LEAST_CAPTURED and not self.decides:
            self._put(context.driver, cells, context.stream)
            return None
        key = tuple([cells[n] for n in self._numbers])
        graph = self._graphs.get(key)
        if graph is None and key != self._last and not self.decides:
            self._last = key
            self._put(context.driver, cells, context.stream)
            return None
        if graph is None:
            graph = self._graphs[key] = context.capture(
                lambda stream: self._put(context.driver, cells, stream))
            if len(self._graphs) > KEPT_GRAPHS:
                context.hold(self._graphs.popitem(last=False)[1])
        graph.replay(context.stream)
        self.replays += 1
        return graph

    def _put(self, driver: Driver, cells: Sequence[int], stream: Handle) -> None:
        for work in self.work:
            work.put(driver, cells, stream)

    def forget(self, context: Context) -> None:
        """Gives the graphs back, once they do not run any more."""
        while self._graphs:
            context.hold(self._graphs.popitem()[1])


@dataclass(slots=True)
class HostCall:
    """A kernel without a form for the GPU: it runs on the CPU, over copies.

    Attributes:
      kernel: the code.
      places, sizes: of its buffers, in bytes; 0 where only the bound array knows.
      numbers: its size parameters.
      row: of the plan, that it belongs to.
    """

    kernel: Kernel | LibraryKernel
    places: list[Place]
    sizes: list[int]
    numbers: tuple[int, ...]
    address: int = 0
    row: int = -1


@dataclass(slots=True)
class Stop:
    """Python does a step; None: the end."""

    step: Any


@dataclass(slots=True)
class Bind:
    """The array that a host step of this plan made gets its cell."""

    number: int


@dataclass(slots=True)
class Unless:
    """Goes on at `target` if a bool on the device is false."""

    place: Place
    target: int


@dataclass(slots=True)
class Jump:
    """Goes on at `target`; `back`: a turn of a loop is done."""

    target: int
    back: bool = False


@dataclass(slots=True)
class Keep:
    """Adds a value to the history of a loop."""

    history: History
    place: Place
    size: int
    count: Place


@dataclass(slots=True)
class Count:
    """Sets a counter on the device; `step`: adds to it instead."""

    place: Place
    value: int
    step: bool = False


@dataclass(slots=True)
class Test:
    """Ends the run if a check has found a bad value: variables are about to be changed."""


Instruction = Union[Segment, HostCall, Stop, Bind, Unless, Jump, Keep, Count, Test]

