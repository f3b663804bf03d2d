"""What a schedule is made of: kernel launches, regions, and what Python does between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from graphflow.codegen.choices import Measured
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.sizes import SizeGuards
from graphflow.dims import Dim
from graphflow.loop_ir.nest import Kernel
from graphflow.program import Node, Program, Value

if TYPE_CHECKING:
    from graphflow.codegen.footprints import Footprints


@dataclass(slots=True)
class Update:
    """How a scatter runs if its result is written over what it starts from.

    Attributes:
      kernel: the code, which has the launch's parameters.
      pair: the buffers that are one memory: (written, read).
      address: of the compiled kernel, once there is one.
    """

    kernel: Kernel
    pair: tuple[int, int]
    address: int = 0


@dataclass(slots=True)
class Launch:
    """One kernel with what it is called with.

    Attributes:
      kernel: the code.
      buffers: the value behind each buffer parameter.
      sizes: the size behind each size parameter.
      nodes: the nodes that it computes, for messages and pictures.
      reusable: pairs of a written and a read buffer that may be one memory.
      update: what is called instead where a scatter's pair is one memory, if there is that.
      address: of the compiled kernel, once there is one.
      footprints: of the kernel, once somebody has asked what the members of a team do of it.
      measured: what was measured to choose how the kernel is built; None: it was not.
    """

    kernel: Kernel | LibraryKernel
    buffers: tuple[Value, ...]
    sizes: tuple[Dim, ...]
    nodes: tuple[Node, ...]
    reusable: tuple[tuple[int, int], ...] = ()
    update: Update | None = None
    address: int = 0
    footprints: Footprints | None = None
    measured: Measured | None = None


@dataclass(slots=True)
class HostStep:
    """A node that runs in Python, by its reference."""

    node: Node
    reason: str


@dataclass(slots=True)
class MeasureStep:
    """Finds the sizes of a node's results from values, before kernels compute the results.

    Attributes:
      node: whose sizes are found.
      given: the inputs whose values are looked at.
    """

    node: Node
    given: tuple[Value, ...]


@dataclass(slots=True)
class CountStep:
    """Finds sizes that a kernel has counted: of what it wrote into memory for the largest.

    Attributes:
      node: whose results they are.
      count: the int64 vector of the sizes.
      unknowns: their names, in order.
    """

    node: Node
    count: Value
    unknowns: tuple[str, ...]


@dataclass(slots=True)
class Body:
    """One body of a region that runs natively."""

    program: Program
    schedule: Schedule
    guards: SizeGuards


@dataclass(slots=True)
class RegionStep:
    """A conditional or loop whose bodies run natively.

    Attributes:
      node: the `If` or `While`.
      used: for each output of the node, whether anything uses it.
      bodies: by the name of the attribute.
      turns: how many turns a loop makes, where that is known before it begins.
    """

    node: Node
    used: tuple[bool, ...]
    bodies: dict[str, Body]
    turns: Dim | None = None

    def histories(self) -> list[Value]:
        """The outputs that grow with each turn of a loop whose number of turns is not known."""
        return self.kept() if self.turns is None else []

    def kept(self) -> list[Value]:
        """The outputs that hold a value of each turn of a loop."""
        count = self.node.attrs["loop_vars"]
        end = count + 1 + count + (self.node.attrs["saved"] if count else 0)
        return [v for v, used in zip(self.node.outputs[:end], self.used)
                if used and v.index > count]


Step = Union[Launch, HostStep, MeasureStep, CountStep, RegionStep]


@dataclass(slots=True)
class Schedule:
    """What to run.

    Attributes:
      steps: in order.
      aliases: value → the value whose memory it is.
      stored: the values that have memory.
      room: values whose memory has other sizes than they have: those that are needed for one row
        only, and those whose size is known only when they are there.
      status: the word that checks set, where there are any.
    """

    steps: list[Step]
    aliases: dict[Value, Value]
    stored: list[Value]
    room: dict[Value, tuple[Dim, ...]] = field(default_factory=dict)
    status: Value | None = None

    def root(self, value: Value) -> Value:
        """The value whose memory this one has."""
        return self.aliases.get(value, value)

    def sizes(self, value: Value) -> tuple[Dim, ...]:
        """The sizes of the memory that a value needs."""
        return self.room.get(value, value.shape.sizes)

    def launches(self) -> Iterator[Launch]:
        """All kernel launches, those of bodies included, in order."""
        for step in self.steps:
            if isinstance(step, Launch):
                yield step
            elif isinstance(step, RegionStep):
                for body in step.bodies.values():
                    yield from body.schedule.launches()

    def touches(self, step: Step) -> list[tuple[Value, bool]]:
        """(root, written?) for what a step touches."""
        if isinstance(step, Launch):
            return [(self.root(v), p.written and v is not self.status)
                    for v, p in zip(step.buffers, step.kernel.buffers)]
        if isinstance(step, CountStep):
            return [(self.root(v), False) for v in (step.count, *step.node.outputs)]
        inputs = step.given if isinstance(step, MeasureStep) else step.node.inputs
        read = [(self.root(v), False) for v in inputs]
        if not isinstance(step, RegionStep):
            return read
        grown = set(step.histories())
        return read + [(v, True) for v, used in zip(step.node.outputs, step.used)
                       if used and v not in grown]
