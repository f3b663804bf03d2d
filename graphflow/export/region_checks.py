"""What branches and loop bodies must be for the operation that holds them to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphflow import dtypes as dt
from graphflow.errors import LoadError
from graphflow.lowering import Region
from graphflow.tensor import Operation, Tensor


def check_region_operation(op: Operation, where: str) -> None:
    """Raises LoadError unless captures, inputs and outputs of its regions fit the operation."""
    lowering = op.opdef.lowering
    assert isinstance(lowering, Region)
    bodies = [op.attrs[name] for name in lowering.bodies]
    if op.attrs["carried"] != () or op.attrs["iteration"] is not None:
        raise LoadError(f"{where}: carried and iteration are set when a program is made.")
    first = op.attrs["lead"] + op.attrs["loop_vars"]
    stand_ins = [t for body in bodies for t in body.captures.values()]
    if first + len(stand_ins) != len(op.inputs):
        raise LoadError(f"{where}: {len(op.inputs)} inputs for {first} values and "
                        f"{len(stand_ins)} captured tensors.")
    for given, stand_in in zip(op.inputs[first:], stand_ins):
        if given.dtype is not stand_in.dtype or (given.is_handle and not stand_in.is_handle):
            raise LoadError(f"{where}: {stand_in.name} cannot stand for {given.name}.")
    if any(t.is_handle for t in op.inputs[:first]):
        raise LoadError(f"{where}: a variable is captured, not passed on as a value.")
    for body in bodies:
        _same_types(body.inputs, op.inputs[op.attrs["lead"]:first], where, "inputs")
        if any(t.is_handle for t in (*body.inputs, *body.outputs)):
            raise LoadError(f"{where}: a variable is no input or output of a branch or loop.")
        counted = body.iteration
        if counted is not None and (
                counted.dtype is not dt.int64 or counted.shape.rank != 0 or counted.is_handle):
            raise LoadError(f"{where}: the number of an iteration is an int64 scalar.")
    _CHECKS.get(op.type, _no_more)(op, where)


def _same_types(
    found: Sequence[Tensor], wanted: Sequence[Tensor], where: str, what: str
) -> None:
    if [t.dtype for t in found] != [t.dtype for t in wanted]:
        raise LoadError(f"{where}: {what} are {[t.dtype.name for t in found]}, but "
                        f"{[t.dtype.name for t in wanted]} are needed.")


def _check_if(op: Operation, where: str) -> None:
    then, orelse = op.attrs["then"], op.attrs["orelse"]
    results, saved = op.attrs["results"], op.attrs["saved"]
    if op.attrs["lead"] != 1 or op.attrs["loop_vars"] != 0 or op.inputs[0].dtype is not dt.bool_:
        raise LoadError(f"{where}: If takes one bool before what it captures.")
    if len(saved) != 2 or min(results, *saved) < 0:
        raise LoadError(f"{where}: results and saved must count the outputs of two branches.")
    for body, own in zip((then, orelse), saved):
        if len(body.outputs) != results + own or body.iteration is not None:
            raise LoadError(f"{where}: a branch gives {len(body.outputs)} values, not "
                            f"{results} and {own} saved ones.")
    _same_types(then.outputs[:results], orelse.outputs[:results], where, "results of a branch")


def _check_while(op: Operation, where: str) -> None:
    condition, body = op.attrs["condition"], op.attrs["body"]
    count, saved = op.attrs["loop_vars"], op.attrs["saved"]
    if op.attrs["lead"] != 0 or saved < 0 or len(body.outputs) != count + saved:
        raise LoadError(f"{where}: the body gives {len(body.outputs)} values for {count} loop "
                        f"variables and {saved} saved ones.")
    _same_types(body.outputs[:count], body.inputs, where, "results of the body")
    tests = condition.outputs
    if len(tests) != 1 or tests[0].dtype is not dt.bool_ or tests[0].shape.rank not in (0, None):
        raise LoadError(f"{where}: the condition must give one bool.")


def _no_more(op: Operation, where: str) -> None:
    """Ops with regions that say nothing else of themselves."""


_CHECKS: dict[str, Callable[[Operation, str], None]] = {"If": _check_if, "While": _check_while}

