"""One kept Program: the name under which it is kept, its bytes, and what they give again.

The name is the hash of what decides how a Program is compiled: its description, the passes that
are left out, the settings of the builders of kernels, which sizes have hints, and what was assumed
of them before. What compilation has assumed beside that stands in the record: where it does not
hold for the sizes at hand, there is none.

The names of sizes that nothing is known of are numbers that differ from process to process. The
hash counts them in the order in which they come; in what is read they become those of the Program
at hand, and new ones where passes have made them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from graphflow.codegen.kept.attributes import NotKept, dim_from, plain_dim
from graphflow.codegen.kept.kernels import packed, unpacked
from graphflow.codegen.kept.programs import Given, ProgramReader, ProgramWriter, describe
from graphflow.codegen.kept.schedules import ScheduleReader, ScheduleWriter
from graphflow.codegen.settings import current_settings
from graphflow.codegen.steps import Schedule
from graphflow.dims import Assumptions, Dim, fresh_number
from graphflow.program import Program

LARGEST_RECORD = 2**24  # bytes

_UNKNOWN = re.compile(r"\?(int|)(\d+)")
_UNKNOWN_IN_TEXT = re.compile(rf"'{_UNKNOWN.pattern}'")

Guards = Mapping[tuple[Dim, Dim], bool]


@dataclass(frozen=True, slots=True)
class Source:
    """A Program that is to be compiled.

    Attributes:
      name: under which what is made of it is kept.
      given: what it gives to that.
      numbers: those of its sizes that nothing is known of, in order.
    """

    name: str
    given: Given
    numbers: tuple[str, ...]


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
    numbers: dict[str, int] = {}

    def counted(match: re.Match[str]) -> str:
        number = numbers.setdefault(match[2], len(numbers))
        return f"'?{match[1]}#{number}'"

    settings = current_settings().key()
    text = _UNKNOWN_IN_TEXT.sub(counted, repr((rows, sorted(disabled), assumed, *settings)))
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Source(f"gf_{name}", given, tuple(numbers))


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
    parts = (_plain_guards(guards), tuple(writer.rows), steps)
    unknown: dict[str, None] = {}
    _find_unknown(parts, unknown)
    data = packed((tuple(unknown), source.numbers, parts, number, tuple(schedules.kernels)))
    return data if len(data) <= LARGEST_RECORD else None


def read_record(
    data: bytes, source: Source, assumptions: Assumptions | None
) -> tuple[Program, Schedule] | None:
    """The optimised Program and its schedule; None where their assumptions do not hold.

    What they assume is added to the assumptions in force.
    """
    unknown, numbers, parts, number, kernels = unpacked(data)
    if unknown:
        parts = _renamed(parts, _new_names(unknown, dict(zip(numbers, source.numbers))))
    plain_guards, rows, steps = parts
    guards = {(dim_from(a), dim_from(c)): answer for a, c, answer in plain_guards}
    if assumptions is not None and not assumptions.agree(guards):
        return None
    programs = ProgramReader(rows, source.given)
    schedule = ScheduleReader(programs, list(kernels)).schedule(steps)
    if assumptions is not None:
        assumptions.guards.update(guards)
    return programs.programs[number], schedule


def _plain_guards(guards: Guards) -> tuple:
    return tuple([(plain_dim(a), plain_dim(c), answer) for (a, c), answer in guards.items()])


def _find_unknown(data: Any, found: dict[str, None]) -> None:
    """Adds the names of sizes that nothing is known of."""
    if type(data) is tuple:
        for item in data:
            _find_unknown(item, found)
    elif type(data) is str and _UNKNOWN.fullmatch(data):
        found[data] = None


def _new_names(unknown: Collection[str], numbers: dict[str, str]) -> dict[str, str]:
    """The names in this process. numbers: those of the Program at hand by those in the record."""
    names = {}
    for name in unknown:
        match = _UNKNOWN.fullmatch(name)
        assert match is not None
        if match[2] not in numbers:
            numbers[match[2]] = str(fresh_number())
        names[name] = f"?{match[1]}{numbers[match[2]]}"
    return names


def _renamed(data: Any, names: Mapping[str, str]) -> Any:
    if type(data) is tuple:
        return tuple([_renamed(item, names) for item in data])
    return names.get(data, data) if type(data) is str else data
