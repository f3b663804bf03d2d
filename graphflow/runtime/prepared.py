"""What is to be run of a Program: found on disk, or made by the passes and the scheduler.

A process that runs a Program which another one has run takes up what was made of it then, without
importing what makes it. Whatever is wrong with a file, the Program is optimised and scheduled as
if there were none.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection
from functools import cache

from graphflow.codegen.cache import KernelStore, open_program_store
from graphflow.codegen.compile import vector_bytes
from graphflow.codegen.kept.record import Source, read_record, source_of, write_record
from graphflow.codegen.steps import Schedule
from graphflow.dims import Assumptions, assuming, current_assumptions
from graphflow.errors import GraphflowError
from graphflow.program import Program

# What reading gives for a record of a form that this graphflow does not write.
_UNREADABLE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError,
               AttributeError, AssertionError, GraphflowError)


@cache
def _program_store() -> KernelStore | None:
    return open_program_store((f"vectors of {vector_bytes()} bytes",))


def prepare(program: Program, disabled: Collection[str]) -> tuple[Program, Schedule]:
    """The Program, optimised, and its schedule.

    disabled: names of passes that are left out.
    """
    store = _program_store()
    assumptions = current_assumptions()
    source = source_of(program, disabled, assumptions) if store is not None else None
    if store is None or source is None:
        return _make(program, disabled)
    found = _read(store, source, assumptions)
    if found is not None:
        return found
    own = None if assumptions is None else Assumptions(assumptions.hints)
    try:
        with assuming(own):
            optimised, schedule = _make(program, disabled)
    finally:
        if assumptions is not None and own is not None:
            assumptions.guards.update(own.guards)
    data = write_record(source, optimised, schedule, {} if own is None else own.guards)
    if data is not None:
        store.write({source.name: data})
    return optimised, schedule


def _read(
    store: KernelStore, source: Source, assumptions: Assumptions | None
) -> tuple[Program, Schedule] | None:
    data = store.read(source.name)
    if data is None:
        return None
    try:
        return read_record(data, source, assumptions)
    except _UNREADABLE:
        return None


def _make(program: Program, disabled: Collection[str]) -> tuple[Program, Schedule]:
    from graphflow.codegen.capabilities import Capabilities
    from graphflow.codegen.schedule import Scheduler
    from graphflow.passes.pipeline import optimise

    optimised = optimise(program, disabled)
    return optimised, Scheduler(optimised, Capabilities()).schedule()
