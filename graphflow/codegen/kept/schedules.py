"""Schedules as plain data: values, nodes and Programs are their numbers in a `ProgramWriter`.

Kernels stand in a list of their own, each once, with their names.
"""

from __future__ import annotations

from graphflow.codegen.compile import is_own, kernel_name
from graphflow.codegen.kept.attributes import NotKept, dim_from, dims_from, plain_dim, plain_dims
from graphflow.codegen.kept.kernels import NamedKernel, kernel_from, plain_kernel
from graphflow.codegen.kept.programs import ProgramReader, ProgramWriter
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.sizes import SizeGuards
from graphflow.codegen.steps import (
    Body,
    CountStep,
    HostStep,
    Launch,
    MeasureStep,
    RegionStep,
    Schedule,
    Step,
    Update,
)
from graphflow.loop_ir.nest import Kernel


class ScheduleWriter:
    """Writes schedules, whose kernels become `NamedKernel`s: a name is found once.

    Attributes:
      kernels: those that were written, as plain data.
    """

    def __init__(self, programs: ProgramWriter) -> None:
        self.kernels: list[tuple] = []
        self._programs = programs
        self._known: dict[int, tuple[int, Kernel | LibraryKernel]] = {}  # by id
        self._named: dict[str, tuple[int, Kernel | LibraryKernel]] = {}
        self._held: list[Kernel | LibraryKernel] = []  # so that no id comes again

    def schedule(self, schedule: Schedule) -> tuple:
        """A schedule as plain data. Raises NotKept."""
        value = self._programs.value
        return (
            tuple([self._step(s) for s in schedule.steps]),
            tuple([(value(v), value(root)) for v, root in schedule.aliases.items()]),
            self._programs.values(schedule.stored),
            tuple([(value(v), plain_dims(sizes)) for v, sizes in schedule.room.items()]),
            -1 if schedule.status is None else value(schedule.status))

    def _step(self, step: Step) -> tuple:
        node, values = self._programs.node, self._programs.values
        if isinstance(step, Launch):
            return self._launch(step)
        if isinstance(step, HostStep):
            return "host", node(step.node), step.reason
        if isinstance(step, MeasureStep):
            return "measure", node(step.node), values(step.given)
        if isinstance(step, CountStep):
            return "count", node(step.node), self._programs.value(step.count), step.unknowns
        bodies = [(name, self._programs.program(body.program), self.schedule(body.schedule))
                  for name, body in step.bodies.items()]
        turns = None if step.turns is None else plain_dim(step.turns)
        return "region", node(step.node), step.used, tuple(bodies), turns

    def _launch(self, launch: Launch) -> tuple:
        number, launch.kernel = self._kernel(launch.kernel)
        update = None
        if launch.update is not None:
            other, kernel = self._kernel(launch.update.kernel)
            assert isinstance(kernel, Kernel)
            launch.update.kernel = kernel
            update = other, launch.update.pair
        return ("launch", number, self._programs.values(launch.buffers), plain_dims(launch.sizes),
                tuple([self._programs.node(n) for n in launch.nodes]), launch.reusable, update)

    def _kernel(
        self, kernel: Kernel | LibraryKernel
    ) -> tuple[int, Kernel | LibraryKernel]:
        """The number of a kernel, and the kernel with its name."""
        found = self._known.get(id(kernel))
        if found is None:
            name = kernel_name(kernel)
            if is_own(name):
                raise NotKept("a kernel of this process alone")
            found = self._named.get(name)
            if found is None:
                if isinstance(kernel, Kernel):
                    kernel = NamedKernel(name, kernel.buffers, kernel.sizes, kernel.body)
                found = self._named[name] = len(self.kernels), kernel
                self.kernels.append(plain_kernel(name, kernel))
            self._known[id(kernel)] = found
            self._held.append(kernel)
        return found


class ScheduleReader:
    """Reads what a `ScheduleWriter` has written."""

    def __init__(self, programs: ProgramReader, kernels: list[tuple]) -> None:
        self._programs = programs
        self._kernels = [kernel_from(k) for k in kernels]

    def schedule(self, data: tuple) -> Schedule:
        """The schedule."""
        steps, aliases, stored, room, status = data
        values = self._programs.values
        return Schedule(
            [self._step(s) for s in steps], {values[k]: values[root] for k, root in aliases},
            [values[k] for k in stored], {values[k]: dims_from(sizes) for k, sizes in room},
            None if status < 0 else values[status])

    def _step(self, data: tuple) -> Step:
        kind, *fields = data
        if kind == "launch":
            return self._launch(*fields)
        node, values = self._programs.nodes[fields[0]], self._programs.values
        if kind == "host":
            return HostStep(node, fields[1])
        if kind == "measure":
            return MeasureStep(node, tuple([values[k] for k in fields[1]]))
        if kind == "count":
            return CountStep(node, values[fields[1]], fields[2])
        bodies = {}
        for name, number, schedule in fields[2]:
            program = self._programs.programs[number]
            bodies[name] = Body(program, self.schedule(schedule),
                                SizeGuards(program.nodes, program.nodes))
        turns = None if fields[3] is None else dim_from(fields[3])
        return RegionStep(node, fields[1], bodies, turns)

    def _launch(
        self, kernel: int, buffers: tuple, sizes: tuple, nodes: tuple, reusable: tuple,
        update: tuple | None,
    ) -> Launch:
        values, known = self._programs.values, self._programs.nodes
        other = None
        if update is not None:
            code = self._kernels[update[0]]
            assert isinstance(code, Kernel)
            other = Update(code, update[1])
        return Launch(self._kernels[kernel], tuple([values[k] for k in buffers]),
                      dims_from(sizes), tuple([known[k] for k in nodes]), reusable, other)
