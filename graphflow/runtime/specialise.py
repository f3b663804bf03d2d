"""Programs whose ranks or sizes must be numbers before they can be compiled: in two parts.

Some values have a rank that only a run shows (the result of a `py_func`, a variable without a
fixed shape), and some ops are compiled for known sizes only. The head of such a program is what
comes before; the tail is inferred, optimised and compiled again for each set of shapes that the
head has given. Short integer vectors that these ops take are sizes and the like: their values are
part of that set, and constants of the tail.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from graphflow.codegen.steps import HostStep, Schedule
from graphflow.dims import SymDim
from graphflow.errors import GraphflowError
from graphflow.lowering import Host, Region
from graphflow.opdef import RunError, TensorType
from graphflow.program import Node, Program, ProgramBuilder, Value, is_effect
from graphflow.reference import ReferenceExecutable, Store
from graphflow.shapes import TensorShape

KEPT_TAILS = 64
SHORT = 16  # elements of a vector that may be a constant of the tail


class Executable(Protocol):
    """What parts run by."""

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]: ...

    def call(self, arguments: Sequence[Any]) -> list[Any]: ...

    def complaints(self) -> list[str]: ...


def obstacles(schedule: Schedule) -> set[Node]:
    """The nodes that could be compiled if the shapes of their inputs were known."""
    return {step.node for step in schedule.steps
            if isinstance(step, HostStep) and _hindered(step.node) and not exact(step.node)}


def _hindered(node: Node) -> bool:
    lowering = node.opdef.lowering
    if isinstance(lowering, Host):
        return False
    if isinstance(lowering, Region):
        return any(v.shape.rank is None for v in node.inputs)
    return not any(v.dtype.is_string for v in (*node.inputs, *node.outputs))


def exact(node: Node) -> bool:
    """True if all is known of the inputs' shapes already, and of those that may be sizes."""
    return all(v.shape.rank is not None and not any(isinstance(d, SymDim) for d in v.shape.sizes)
               and (v.node.opdef.name == "Const" or not _may_be_sizes(v)) for v in node.inputs)


def _may_be_sizes(value: Value) -> bool:
    """True for integer scalars and vectors that are short, as far as is known."""
    if not value.dtype.is_integer or value.shape.rank not in (0, 1, None):
        return False
    sizes = value.shape.sizes if value.shape.rank else ()
    return not any(isinstance(d, int) and d > SHORT for d in sizes)


class SpecialisedExecutable:
    """A Program in two parts.

    Args:
      source: the Program, as it was frozen.
      program: the same, optimised.
      late: nodes that wait for shapes.
      make: compiles a Program.
    """

    direct = False
    in_python = True

    def __init__(
        self, source: Program, program: Program, late: set[Node],
        make: Callable[[Program], Executable],
    ) -> None:
        self.source, self.program, self._make = source, program, make
        self._late = _followers(program, late)
        self._values = {v for node in late for v in node.inputs if _may_be_sizes(v)}
        self._live = _live_values(program, self._late)
        self._given = [v for v in self._live if v in set(program.inputs)]
        computed = tuple(v for v in self._live if v not in set(self._given))
        self._order = [*self._given, *computed]
        self._head = make(_head(program, self._late, computed))
        self._tails: OrderedDict[tuple, Executable | None] = OrderedDict()
        self._reference = ReferenceExecutable(source)

    def complaints(self) -> list[str]:
        """What runs by its reference, as far as parts have been compiled."""
        parts = [self._head, *(t for t in self._tails.values() if t is not None)]
        return [text for part in parts for text in part.complaints()]

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        """The outputs; commits the writes. See `ReferenceExecutable.run`."""
        if not self.program.writes:
            return self._run(feeds, store)
        with store.writing(self.program.writes):
            return self._run(feeds, store)

    def _run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        reads = self.program.reads
        if reads:
            current = store.read({k: v.node.attrs["initial"] for k, v in reads.items()})
            if any(array is None for array in current.values()):
                return self._reference.run(feeds, store)
        results = self._finish(feeds, self._head.run(feeds, store))
        if results is None:
            return self._reference.run(feeds, store)
        count = len(self.program.outputs)
        store.commit(list(zip(self.program.writes, results[count:])))
        return results[:count]

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs a region's body."""
        results = self._finish(arguments, self._head.call(arguments))
        return self._reference.call(arguments) if results is None else results

    def _finish(self, feeds: Sequence[Any], made: Sequence[Any]) -> list[Any] | None:
        """The tail's results; None if these shapes are not legal."""
        fed = dict(zip(self.program.inputs, feeds))
        arrays = [*(fed[v] for v in self._given), *made]
        key = tuple(self._fact(v, a) for v, a in zip(self._order, arrays))
        if key in self._tails:
            self._tails.move_to_end(key)
        else:
            self._tails[key] = self._tail(key)
            if len(self._tails) > KEPT_TAILS:
                self._tails.popitem(last=False)
        tail = self._tails[key]
        return None if tail is None else tail.call(arrays)

    def _fact(self, value: Value, array: Any) -> tuple:
        """What the tail is made for: a shape, and the values of short integer vectors."""
        shape = np.shape(array)
        if value not in self._values or (shape and shape[0] > SHORT):
            return shape, None
        return shape, np.asarray(array).tobytes()

    def _tail(self, facts: Sequence[tuple]) -> Executable | None:
        """The tail, compiled for live values of which this is known."""
        builder = ProgramBuilder("specialise")
        at: dict[Value, Value] = {}
        inputs = []
        for number, (value, (shape, data)) in enumerate(zip(self._order, facts)):
            kind = TensorType(value.dtype, TensorShape.of(shape))
            builder.origin = self.program.origins.get(value.node.serial)
            at[value] = builder.leaf("Argument", index=number, type=kind)
            inputs.append(at[value])
            if data is not None:
                known = np.frombuffer(data, value.dtype.numpy).reshape(shape)
                at[value] = builder.convert(known, value.dtype)
        try:
            for node in self.program.nodes:
                if node in self._late or node.opdef.name == "Const":
                    builder.origin = self.program.origins.get(node.serial)
                    made = builder.add(node.opdef, [at[v] for v in node.inputs], node.attrs, node)
                    at.update(zip(node.outputs, made.outputs))
        except (GraphflowError, RunError):
            return None
        results = [*self.program.outputs, *self.program.writes.values()]
        return self._make(builder.finish(inputs, [at[v] for v in results]))


def _followers(program: Program, late: set[Node]) -> set[Node]:
    """`late` and all that comes after: what depends on it, and effects behind its effects."""
    found = set(late)
    effect = False
    for node in program.nodes:
        effectful = is_effect(node.opdef, node.attrs)
        if node in found or any(v.node in found for v in node.inputs) or (effectful and effect):
            found.add(node)
            effect |= effectful
    return found


def _live_values(program: Program, late: set[Node]) -> list[Value]:
    """What the tail takes from the head, or gives back without computing it."""
    used = [v for node in program.nodes if node in late for v in node.inputs]
    used += [*program.outputs, *program.writes.values()]
    return [v for v in dict.fromkeys(used)
            if v.node not in late and v.node.opdef.name != "Const"]


def _head(program: Program, late: set[Node], outputs: tuple[Value, ...]) -> Program:
    nodes = tuple(n for n in program.nodes if n not in late)
    kept = set(nodes)
    return Program(
        nodes, program.inputs, outputs, program.reads, program.flags, {},
        tuple(n for n in program.effects if n in kept), program.origins)
