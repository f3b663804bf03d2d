"""Which conditionals and loops run natively, inside the table of the program around them.

A body can if all its steps can and its sizes follow from those of its arguments. Others are
driven by Python, which runs their bodies as programs of their own: those with a host step inside,
and loops whose variables change their shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from graphflow.codegen.sizes import SizeGuards, symbols_of
from graphflow.codegen.steps import (
    Body,
    CountStep,
    HostStep,
    Launch,
    MeasureStep,
    RegionStep,
    Schedule,
)
from graphflow.dims import SymDim, same, symbol_name
from graphflow.ops.loop_turns import turns_of
from graphflow.program import Node, Program

NATIVE = ("If", "While")


def region_step(
    node: Node, used: Sequence[bool], known: Set[str],
    scheduled: Callable[[Program], Schedule], counts: bool = True,
) -> RegionStep | str:
    """The step of a region that runs natively, or why it cannot.

    used: which outputs anything uses. known: the unknowns known around it. scheduled: gives the
    schedule of a body. counts: whether a loop's number of turns may be used where it is known.
    """
    if node.opdef.name not in NATIVE:
        return f"{node.opdef.name} is driven by Python"
    for value in (*node.inputs, *(v for v, u in zip(node.outputs, used) if u)):
        if value.shape.rank is None:
            return "the rank of a value that it takes or gives is not known"
        if value.dtype.is_string:
            return "it takes or gives strings"
    if not _sizes(node, used) <= known:
        return "its sizes are known only when it has run"
    if node.opdef.name == "While":
        reason = _changing(node)
        if reason:
            return reason
    bodies: dict[str, Body] = {}
    lowering = node.opdef.lowering
    for name in lowering.bodies:  # type: ignore[union-attr]  # regions have bodies
        program = node.attrs[name]
        schedule = scheduled(program)
        reason = _obstacle(program, schedule, known)
        if reason:
            return reason
        bodies[name] = Body(program, schedule, SizeGuards(program.nodes, program.nodes))
    turns = turns_of(node) if counts else None
    if turns is not None and not symbols_of([turns]) <= known:
        turns = None
    return RegionStep(node, tuple(used), bodies, turns)


def _sizes(node: Node, used: Sequence[bool]) -> set[str]:
    """The unknowns that the sizes around it depend on, but for the number of a loop's turns."""
    count = node.attrs["loop_vars"]
    grown = range(count + 1, 2 * count + 1 + node.attrs["saved"]) if count else ()
    needed = symbols_of([d for v in node.inputs for d in v.shape.sizes])
    for number, value in enumerate(node.outputs):
        if used[number]:
            needed |= symbols_of(value.shape.sizes[1 if number in grown else 0:])
    return needed


def _changing(node: Node) -> str:
    """Why the shapes of a loop's variables keep it from running natively, or ''."""
    body = node.attrs["body"]
    count, saved = node.attrs["loop_vars"], node.attrs["saved"]
    outputs = [*body.outputs[:count], *body.outputs[count + saved:]]
    for position, value in zip(node.attrs["carried"], outputs):
        before = body.inputs[position].shape
        if before.rank is None or value.shape.rank is None or not all(
            same(p, q) for p, q in zip(before.sizes, value.shape.sizes)
        ):
            return "a turn of the loop changes the shape of a loop variable"
    return ""


def _obstacle(program: Program, schedule: Schedule, known: Set[str]) -> str:
    """Why a body cannot run natively, or ''."""
    given = known | {n for v in program.inputs if v.shape.rank for d in v.shape.sizes
             if isinstance(d, SymDim) and (n := symbol_name(d))}
    for step in schedule.steps:
        if isinstance(step, HostStep):
            return f"{step.node.opdef.name} inside it runs in Python"
        if isinstance(step, (MeasureStep, CountStep)):
            return f"the size of {step.node.opdef.name} inside it depends on values"
        if isinstance(step, RegionStep):
            if step.histories():
                return "a loop inside it keeps histories"
            needed = symbols_of([d for v, u in zip(step.node.outputs, step.used) if u
                                 for d in v.shape.sizes])
        else:
            needed = _needed_by(step, schedule)
        if not needed <= given:
            return "its sizes do not follow from those of its arguments"
    for value in program.outputs:
        if value.shape.rank is None or not symbols_of(value.shape.sizes) <= given:
            return "the sizes of its results do not follow from those of its arguments"
    return ""


def _needed_by(launch: Launch, schedule: Schedule) -> set[str]:
    """The unknowns that a launch must know: of its size parameters, and of what it writes."""
    needed = symbols_of(launch.sizes)
    for value, parameter in zip(launch.buffers, launch.kernel.buffers):
        if parameter.written:
            needed |= symbols_of(schedule.sizes(value))
    return needed

