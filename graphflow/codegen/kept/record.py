"""One kept Program: the name under which it is kept, its bytes, and what they give again.

The name is the hash of what decides how a Program is compiled: its description, the passes that
are left out, which sizes have hints, and what was assumed of them before. What compilation has
assumed beside that stands in the record: where it does not hold for the sizes at hand, there is
none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from graphflow.codegen.kept.attributes import NotKept, dim_from, plain_dim
from graphflow.codegen.kept.kernels import packed, unpacked
from graphflow.codegen.kept.programs import Given, ProgramReader, ProgramWriter, describe
from graphflow.codegen.kept.schedules import ScheduleReader, ScheduleWriter
from graphflow.codegen.steps import Schedule
from graphflow.dims import Assumptions, Dim, count_symbols, skip_symbols
from graphflow.program import Program

LARGEST_RECORD = 2**24  # bytes

Guards = Mapping[tuple[Dim, Dim], bool]


@dataclass(frozen=True, slots=True)
class Source:
    """A Program that is to be compiled.

    Attributes:
      name: under which what is made of it is kept.
      given: what it gives to that.
    """

    name: str
    given: Given


def source_of(
    program: Program, disabled: Collection[str], assumptions: Assumptions | None
) -> Source | None:
    """A Program with its name; None if it has parts that only this process knows.

    disabled: names of passes that are left out.
    assumptions: those that are in force.
    """
    try:
        rows, given = describe(program)
    except NotKept:
        return None
    assumed = None if assumptions is None else (
        tuple(assumptions.hints), _plain_guards(assumptions.guards))
    text = repr((rows, sorted(disabled), assumed))
    return Source("gf_" + hashlib.sha256(text.encode()).hexdigest()[:32], given)


def write_record(
    source: Source, program: Program, schedule: Schedule, guards: Guards
) -> bytes | None:
    """What was made of a Program as bytes, or None if it cannot be kept.

    The kernels of the schedule get their names.
    program: optimised. guards: what was assumed of sizes meanwhile.
    """
    writer = ProgramWriter(
        source.given.written_constant, source.given.written_object, source.given.origins)
    schedules = ScheduleWriter(writer)
    try:
        number = writer.program(program)
        steps = schedules.schedule(schedule)
    except NotKept:
        return None
    data = packed((_plain_guards(guards), count_symbols(), tuple(writer.rows), number,
                   tuple(schedules.kernels), steps))
    return data if len(data) <= LARGEST_RECORD else None


def read_record(
    data: bytes, source: Source, assumptions: Assumptions | None
) -> tuple[Program, Schedule] | None:
    """The optimised Program and its schedule; None where their assumptions do not hold.

    What they assume is added to the assumptions in force.
    """
    plain_guards, symbols, rows, number, kernels, steps = unpacked(data)
    guards = {(dim_from(a), dim_from(c)): answer for a, c, answer in plain_guards}
    if assumptions is not None and not assumptions.agree(guards):
        return None
    programs = ProgramReader(rows, source.given)
    schedule = ScheduleReader(programs, list(kernels)).schedule(steps)
    skip_symbols(symbols)
    if assumptions is not None:
        assumptions.guards.update(guards)
    return programs.programs[number], schedule


def _plain_guards(guards: Guards) -> tuple:
    return tuple([(plain_dim(a), plain_dim(c), answer) for (a, c), answer in guards.items()])
