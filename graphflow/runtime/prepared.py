"""What is to be run of a Program: found on disk, or made by the passes and the scheduler.

A process that runs a Program which another one has run takes up what was made of it then, without
importing what makes it. Whatever is wrong with a file, the Program is optimised and scheduled as
if there were none.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

from graphflow.codegen.cache import KernelStore, open_program_store
from graphflow.codegen.cache_folder import ANSWERS
from graphflow.codegen.compile import code_settings
from graphflow.codegen.kept.answers import count_answers, pack_answers, take_answers
from graphflow.codegen.kept.record import Source, read_record, source_of, write_record
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.steps import Schedule
from graphflow.collector import collected_later
from graphflow.dims import Assumptions, assuming, current_assumptions
from graphflow.errors import GraphflowError
from graphflow.loop_ir.nest import Kernel
from graphflow.program import Program

CPU, CUDA = "cpu", "cuda"
MOST_WRITES = 4  # of answers: a program that gets new sizes all the time is not written each time

# What reading gives for a record of a form that this graphflow does not write.
_UNREADABLE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError,
               AttributeError, AssertionError, GraphflowError)


@dataclass(slots=True)
class Prepared:
    """A Program, ready to be compiled.

    Attributes:
      program: optimised.
      schedule: of it.
      found: whether both were on disk.
    """

    program: Program
    schedule: Schedule
    found: bool = False
    _store: KernelStore | None = None
    _name: str = ""
    _answers: int = 0
    _writes: int = 0

    def keep_answers(self) -> None:
        """Keeps what was asked of kernels while plans were made, if that is new."""
        if self._store is not None and self._writes < MOST_WRITES:
            launches = list(self.schedule.launches())
            count = count_answers(launches)
            if count > self._answers:
                self._answers, self._writes = count, self._writes + 1
                self._store.write({_answers_of(self._name): pack_answers(launches)})


@cache
def program_store() -> KernelStore | None:
    """Where this process keeps what was made of Programs, or None for nowhere."""
    return open_program_store(code_settings())


def prepare(program: Program, disabled: Collection[str], device: str = CPU) -> Prepared:
    """The Program, optimised, and its schedule.

    disabled: names of passes that are left out. device: for whose kernels it is scheduled.
    """
    with collected_later():
        return _prepared(program, disabled, device)


def _source_of(
    program: Program, disabled: Collection[str], assumptions: Assumptions | None, device: str
) -> Source | None:
    """A Program with the name under which what is made of it for a device is kept."""
    found = source_of(program, disabled, assumptions)
    if found is None or device == CPU:
        return found
    return replace(found, name=f"{found.name}_{device}")


def _prepared(program: Program, disabled: Collection[str], device: str) -> Prepared:
    assumptions = current_assumptions()
    source = _source_of(program, disabled, assumptions, device) if _given else None
    if source is not None and source.name in _given:
        taken = _taken(_given[source.name], source, assumptions)
        if taken is not None:
            return Prepared(*taken, True)
    store = program_store()
    if store is not None and source is None:
        source = _source_of(program, disabled, assumptions, device)
    if store is None or source is None:
        return _make(program, disabled, device)
    found = _read(store, source, assumptions)
    if found is not None:
        return found
    own = None if assumptions is None else Assumptions(assumptions.hints)
    try:
        with assuming(own):
            made = _make(program, disabled, device)
    finally:
        if assumptions is not None and own is not None:
            assumptions.guards.update(own.guards)
    data = write_record(
        source, made.program, made.schedule, {} if own is None else own.guards)
    if data is not None:
        store.write({source.name: data})
        made._store, made._name = store, source.name
    return made


_given: dict[str, bytes] = {}


def give_records(records: Mapping[str, bytes]) -> None:
    """Records that are trusted, by name: they are taken instead of others from now on."""
    _given.update(records)


def record_of(
    program: Program, disabled: Collection[str], device: str = CPU
) -> tuple[str, bytes, list[Kernel | LibraryKernel]] | None:
    """The record of a Program under its name, and its kernels; None if it cannot be kept."""
    assumptions = current_assumptions()
    source = _source_of(program, disabled, assumptions, device)
    if source is None:
        return None
    own = None if assumptions is None else Assumptions(assumptions.hints)
    with assuming(own):
        made = _make(program, disabled, device)
    data = write_record(source, made.program, made.schedule, {} if own is None else own.guards)
    if data is None:
        return None
    kernels: list[Kernel | LibraryKernel] = []
    for launch in made.schedule.launches():
        kernels += [launch.kernel] if launch.update is None else [
            launch.kernel, launch.update.kernel]
    return source.name, data, kernels


def _answers_of(name: str) -> str:
    return name + ANSWERS


def _read(
    store: KernelStore, source: Source, assumptions: Assumptions | None
) -> Prepared | None:
    data = store.read(source.name)
    found = _taken(data, source, assumptions) if data is not None else None
    if found is None:
        return None
    prepared = Prepared(*found, True, store, source.name)
    answers = store.read(_answers_of(source.name))
    if answers is not None:
        with suppress(*_UNREADABLE):
            take_answers(answers, prepared.schedule.launches())
        prepared._answers = count_answers(prepared.schedule.launches())
    return prepared


def _taken(
    data: bytes, source: Source, assumptions: Assumptions | None
) -> tuple[Program, Schedule] | None:
    try:
        return read_record(data, source, assumptions)
    except _UNREADABLE:
        return None


def _make(program: Program, disabled: Collection[str], device: str) -> Prepared:
    from graphflow.codegen.capabilities import Capabilities
    from graphflow.codegen.schedule import Scheduler
    from graphflow.passes.pipeline import optimise

    optimised = optimise(program, disabled)
    if device == CUDA:
        from graphflow.codegen.cuda.schedule import CudaScheduler

        return Prepared(optimised, CudaScheduler(optimised, Capabilities()).schedule())
    return Prepared(optimised, Scheduler(optimised, Capabilities()).schedule())
