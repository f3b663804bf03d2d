"""From a signature to a schedule that runs without Python, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.schedule import Scheduler
from graphflow.codegen.sizes import SizeGuards, symbols_of
from graphflow.codegen.steps import Launch, RegionStep, Schedule
from graphflow.dims import Assumptions, Dim, SymDim, assuming, symbol
from graphflow.errors import ExportError, GraphflowError
from graphflow.export.signatures import Signature
from graphflow.freeze import freeze
from graphflow.opdef import TensorType
from graphflow.passes.pipeline import optimise
from graphflow.program import Program, Value
from graphflow.runtime.bind import known_types
from graphflow.shapes import TensorShape
from graphflow.tensor import Tensor

# Sizes on which a program with unknown sizes is tried: what is legal for all is taken for legal.
_TRIED = (1, 2, 3, 4, 7, 16, 33, 100)
_HINT = 11


@dataclass(frozen=True, slots=True)
class Entry:
    """One signature, ready to be written as a C function.

    Attributes:
      name: of the signature.
      inputs, outputs: (name, value), in order.
      sizes: the unknowns that the caller gives, in order, by the name that he sees.
      guards: pairs of sizes and whether they must be equal.
    """

    name: str
    program: Program
    schedule: Schedule
    inputs: tuple[tuple[str, Value], ...]
    outputs: tuple[tuple[str, Value], ...]
    sizes: tuple[tuple[str, str], ...]
    guards: tuple[tuple[Dim, Dim, bool], ...]


def make_entry(name: str, signature: Signature, sizes: Mapping[str, int]) -> Entry:
    """The entry of a signature.

    sizes: numbers for unknown sizes, by `input.axis`.
    Raises ExportError for what cannot run without Python: host operations, sizes that depend on
    values, loops whose history is kept.
    """
    where = f"signature '{name}'"
    tensors = {k: _dense(v, where, k) for k, v in signature.inputs.items()}
    results = {k: _dense(v, where, k) for k, v in signature.outputs.items()}
    types = {t: _typed(k, t, sizes, where) for k, t in tensors.items()}
    symbols = sorted(symbols_of(d for t in types.values() for d in t.shape.sizes))
    assumptions = Assumptions(dict.fromkeys(symbols, _HINT))
    with assuming(assumptions):
        program = freeze(list(results.values()), list(signature.updates), types)
        known: dict[str, Dim] = {}
        while known != (found := assumptions.known()):
            known = found
            program = freeze(list(results.values()), list(signature.updates),
                             known_types(types, known))
        optimised = optimise(program)
        schedule = Scheduler(optimised, Capabilities()).schedule()
    _check(optimised, schedule, where)
    used = sorted(symbols_of(d for v in optimised.inputs for d in v.shape.sizes))
    _check_sizes(program, optimised, used, where)
    guards = [(a, b, equal) for (a, b), equal in assumptions.guards.items()
              if symbols_of((a, b)) <= set(used)]
    order = {tensor: k for k, tensor in enumerate(tensors.values())}
    named = list(tensors)
    return Entry(
        name, optimised, schedule,
        tuple((named[order[t]], v) for t, v in zip(types, optimised.inputs)),
        tuple(zip(results, optimised.outputs)),
        tuple((s, s.replace(".", "_")) for s in used), tuple(guards))


def _dense(value: Any, where: str, name: str) -> Tensor:
    tensor = value if isinstance(value, Tensor) else getattr(value, "value", lambda: value)()
    if not isinstance(tensor, Tensor):
        raise ExportError(f"{where}, '{name}': {type(value).__name__} has no form in C; give its "
                          "parts as inputs or outputs of their own.")
    if tensor.dtype.is_string:
        raise ExportError(f"{where}, '{name}': strings have no form in C.")
    return tensor


def _typed(name: str, tensor: Tensor, sizes: Mapping[str, int], where: str) -> TensorType:
    if tensor.shape.rank is None:
        raise ExportError(f"{where}, input '{name}': its rank is not known. Give the placeholder "
                          "a shape, with None for sizes that vary.")
    dims: list[Dim] = []
    for axis, dim in enumerate(tensor.shape.sizes):
        given = sizes.get(f"{name}.{axis}")
        if isinstance(dim, SymDim):
            dims.append(symbol(f"{name}.{axis}") if given is None else given)
        elif given is not None and given != dim:
            raise ExportError(f"{where}: axis {axis} of '{name}' has {dim} elements, not {given}.")
        else:
            dims.append(dim)
    return TensorType(tensor.dtype, TensorShape.of(dims))


def _check(program: Program, schedule: Schedule, where: str) -> None:
    """Raises ExportError for what needs Python."""
    if program.flags or program.effects:
        node = program.effects[0] if program.effects else next(iter(program.flags.values())).node
        raise ExportError(f"{where}: {_named(program, node)} needs Python while it runs.")
    for step in schedule.steps:
        if isinstance(step, Launch):
            continue
        if isinstance(step, RegionStep):
            if step.kept():
                raise ExportError(f"{where}: {_named(program, step.node)} is a loop that keeps "
                                  "values of each turn, which takes memory without a bound.")
            for body in step.bodies.values():
                _check(body.program, body.schedule, where)
            continue
        raise ExportError(f"{where}: {_named(program, step.node)} runs in Python"
                          + (f", because {step.reason}." if hasattr(step, "reason") else
                             ", since a size depends on values."))


def _named(program: Program, node: Any) -> str:
    origin = program.origins.get(node.serial)
    if origin is None:
        return str(node.opdef.name)
    return f"{node.opdef.name} '{origin.name}'" + (f", built at {origin.site}," if origin.site
                                                   else "")


def _check_sizes(
    source: Program, compiled: Program, symbols: Sequence[str], where: str
) -> None:
    """Raises ExportError if some numbers for the unknowns are illegal."""
    guards = SizeGuards(source.nodes, compiled.nodes)
    for size in _TRIED if symbols else ():
        try:
            legal = guards.hold(dict.fromkeys(symbols, size), frozenset())
        except GraphflowError:
            legal = False
        if not legal:
            raise ExportError(
                f"{where}: not all sizes are legal ({', '.join(symbols)} = {size} is not). Fix "
                f"them: sizes={{'{symbols[0]}': …}}, or --size {symbols[0]}=…")


def values_of(entries: Sequence[Entry], session: Any) -> dict[str, np.ndarray]:
    """The values of all variables that the entries read or write. Raises ExportError."""
    found: dict[str, np.ndarray] = {}
    for entry in entries:
        for key, leaf in entry.program.reads.items():
            value = session.store.get(key, leaf.node.attrs["initial"])
            if value is None:
                raise ExportError(f"signature '{entry.name}': the variable {key!r} has no value. "
                                  "Run its initializer, or restore a checkpoint.")
            found[key] = value
        for key in entry.program.writes:
            if key not in found:
                raise ExportError(f"signature '{entry.name}' writes the variable {key!r}, which "
                                  "has no value to start with.")
    return found
