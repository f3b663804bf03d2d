"""Carries out the instructions of a device plan: what the dispatcher's loop is on the CPU."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.steps import CountStep, HostStep, MeasureStep
from graphflow.program import Value
from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.cuda.instructions import (
    Bind,
    Count,
    HostCall,
    Jump,
    Keep,
    Segment,
    Stop,
    Test,
    Unless,
)
from graphflow.runtime.cuda.plans import DevicePlan
from graphflow.runtime.interludes import Run, count, measure
from graphflow.runtime.staged import Refused
from graphflow.runtime.tables import FIRST_CAPACITY, History

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)


class Runner(Protocol):
    """What the steps between segments need of the executable."""

    context: Context

    @property
    def counted(self) -> Collection[Value]: ...

    def host_step(self, run: Run, plan: Any, step: HostStep) -> None: ...

    def array(self, run: Run, value: Value) -> Any: ...

    def timing(self, plan: DevicePlan, call: HostCall) -> AbstractContextManager[None]: ...


def walk(runner: Runner, run: Run, plan: DevicePlan) -> None:
    """Runs a plan whose cells are bound. Raises Refused for bad values."""
    _Walk(runner, run, plan).run()


class _Walk:
    """One walk through a plan.

    counters: what the counters on the device hold, by address.
    """

    def __init__(self, runner: Runner, run: Run, plan: DevicePlan) -> None:
        self.runner, self.state, self.plan = runner, run, plan
        self.context, self.cells = runner.context, plan.cells
        self.counters: dict[int, int] = {}
        for history in plan.histories:
            shape = (history.capacity, *history.shape)
            self._set_history(history, self._fresh(shape, history))

    def run(self) -> None:
        """From the first instruction to the end."""
        instructions = self.plan.instructions
        at = 0
        while True:
            instruction = instructions[at]
            at += 1
            if isinstance(instruction, Segment):
                instruction.run(self.context, self.cells)
            elif isinstance(instruction, Jump):
                at = instruction.target
            elif isinstance(instruction, Unless):
                if not self._holds(instruction):
                    at = instruction.target
            elif isinstance(instruction, Stop) and instruction.step is None:
                break
            else:
                self._do(instruction)
        for history in self.plan.histories:
            turns = self.counters.get(self._counter(history), 0)
            self.state.values[history.value] = self.state.values[history.value][:turns]

    def _do(self, instruction: Any) -> None:
        if isinstance(instruction, Count):
            self._count(instruction)
        elif isinstance(instruction, Keep):
            self._keep(instruction)
        elif isinstance(instruction, Stop):
            self._test()
            self._stop(instruction.step)
        elif isinstance(instruction, Bind):
            self._bind(instruction.number)
        elif isinstance(instruction, HostCall):
            with self.runner.timing(self.plan, instruction):
                self._host_call(instruction)
        else:
            assert isinstance(instruction, Test), instruction
            self._test()

    def _test(self) -> None:
        """Ends the run if a check has found a bad value so far."""
        if self.plan.status and any(self.context.read((self.plan.status, 8))[0]):
            raise Refused

    def _holds(self, unless: Unless) -> bool:
        places = [(unless.place.at(self.cells), 1)]
        if self.plan.status:
            places.append((self.plan.status, 8))
        found = self.context.read(*places)
        if any(any(word) for word in found[1:]):
            raise Refused  # a loop over bad values might have no end
        return any(found[0])

    def _count(self, instruction: Count) -> None:
        address = instruction.place.at(self.cells)
        before = self.counters.get(address, 0) if instruction.step else 0
        self.counters[address] = before + instruction.value
        self.context.fill64(address, self.counters[address])

    # ---- histories --------------------------------------------------------------------------

    def _fresh(self, shape: tuple[int, ...], history: History) -> DeviceArray:
        return DeviceArray(self.context, shape, history.value.dtype.numpy)

    def _set_history(self, history: History, array: DeviceArray) -> None:
        self.state.values[history.value] = array
        self.cells[history.number] = array.address
        self.plan.sizes[history.number] = array.room

    def _counter(self, history: History) -> int:
        return self._count_places()[history.number]

    def _count_places(self) -> dict[int, int]:
        return {i.history.number: i.count.at(self.cells)
                for i in self.plan.instructions if isinstance(i, Keep)}

    def _keep(self, keep: Keep) -> None:
        turn = self.counters[keep.count.at(self.cells)]
        old: DeviceArray = self.state.values[keep.history.value]
        if turn >= len(old):
            keep.history.capacity = max(2 * len(old), FIRST_CAPACITY)
            new = self._fresh((keep.history.capacity, *keep.history.shape), keep.history)
            self.context.driver.copy(new.address, old.address, old.nbytes, self.context.stream)
            self._set_history(keep.history, new)
            old = new
        if keep.size:
            self.context.driver.copy(old.address + turn * keep.size, keep.place.at(self.cells),
                                     keep.size, self.context.stream)

    # ---- what Python does -------------------------------------------------------------------

    def _stop(self, step: Any) -> None:
        run, plan, runner = self.state, self.plan, self.runner
        if isinstance(step, HostStep):
            runner.host_step(run, plan, step)
        elif isinstance(step, MeasureStep):
            given = {v: np.asarray(runner.array(run, v)) for v in step.given}
            if not measure(run, plan, step, given):  # type: ignore[arg-type]  # it has numbers
                raise Refused
        else:
            assert isinstance(step, CountStep)
            counted = np.asarray(runner.array(run, step.count))
            count(run, plan, step, counted, runner.counted)  # type: ignore[arg-type]  # and views

    def _bind(self, number: int) -> None:
        """The result of a host step goes to the GPU, if it is an array."""
        value = next(v for v, own in self.plan.made.items() if own == number)
        array = self.state.values[value]
        if isinstance(array, np.ndarray) and array.dtype != object:
            array = DeviceArray.of(self.context, array)
            self.state.values[value] = array
        if isinstance(array, DeviceArray):
            self.cells[number], self.plan.sizes[number] = array.address, array.room
        else:  # what a branch that was not taken has saved, nobody reads
            self.cells[number], self.plan.sizes[number] = self.plan.arena.address, 0

    def _host_call(self, call: HostCall) -> None:
        """Runs a kernel on the CPU: copies in, the call, copies of what it wrote back."""
        if not call.address:
            call.address = CACHE.addresses([call.kernel])[0]
        addresses = [p.at(self.cells) for p in call.places]
        sizes = [self.plan.sizes[p.number] if p.number >= 0 else size
                 for p, size in zip(call.places, call.sizes)]
        arrays = self._copies(addresses, sizes)
        parameters = call.kernel.buffers
        pointers = [a.ctypes.data for a in arrays] + [0] * sum(p.private for p in parameters)
        cells = np.array(pointers or [0], np.uint64)
        numbers = np.array(call.numbers or [0], np.int64)
        _KERNEL(call.address)(cells.ctypes.data, numbers.ctypes.data, 0, 1, 0)
        for address, size, array, parameter in zip(addresses, sizes, arrays, parameters):
            if parameter.written and size:
                self.context.upload(address, array)

    def _copies(self, addresses: Sequence[int], sizes: Sequence[int]) -> list[np.ndarray]:
        """Copies of device memory, aligned to 64 bytes; one for each address."""
        made: dict[int, np.ndarray] = {}
        for address, size in zip(addresses, sizes):
            if address not in made or made[address].nbytes < size:
                raw = np.zeros(size + 128, np.uint8)
                start = -raw.ctypes.data % 64
                made[address] = raw[start:start + size]
        self.context.download([(a, array) for a, array in made.items() if array.nbytes])
        return [made[a] for a in addresses]
