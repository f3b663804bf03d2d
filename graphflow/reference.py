"""The NumPy executor: runs a Program node by node. It is the definition of every op.

Input: a Program, arrays for its inputs, a variable store. Output: arrays for its outputs; the
writes are committed to the store only if everything succeeded. A node that reads a variable
without a value raises FailedPreconditionError; a wrong value raises the error that the op's
reference names, with operation, value and the line that built it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from graphflow.errors import (
    FailedPreconditionError,
    GraphflowError,
    InvalidArgumentError,
    OpError,
    ProgramError,
    ResourceExhaustedError,
    UnimplementedError,
    describe,
)
from graphflow.lowering import Leaf, Region
from graphflow.opdef import RunError, TensorType
from graphflow.program import Node, Origin, Program, Value


class Store(Protocol):
    """What the executor asks of a variable store; see `graphflow.runtime.store`."""

    def read(self, initials: Mapping[str, str | None]) -> dict[str, np.ndarray | None]: ...

    def get(self, key: str, initial: str | None = None) -> np.ndarray | None: ...

    def has(self, key: str) -> bool: ...

    def commit(self, items: Iterable[tuple[str, np.ndarray]]) -> None: ...

    def writing(
        self, keys: Collection[str] | None = None
    ) -> AbstractContextManager[None]: ...

    def lend(
        self, keys: Sequence[str], taken: Collection[int]
    ) -> list[np.ndarray] | None: ...

    def give_back(self) -> None: ...


class Absent:
    """Stands for the value of a variable that has none.

    Attributes:
      owner: the variable's name and the line that built it.
      kind: its type.
    """

    __slots__ = ("kind", "owner")

    def __init__(self, owner: Origin, kind: TensorType) -> None:
        self.owner, self.kind = owner, kind


@dataclass(slots=True)
class _Step:
    """One node with where its inputs are and what may be forgotten after it."""

    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    used: tuple[bool, ...]
    frees: tuple[int, ...]


class ReferenceExecutable:
    """A Program prepared for the NumPy executor.

    Attributes:
      in_python: True: its nodes run in Python, and may ask for the session's state.
    """

    direct = False
    in_python = True

    def complaints(self) -> list[str]:
        """Nothing: that it runs by the reference has been said where it was chosen."""
        return []

    def __init__(self, program: Program) -> None:
        self.program = program
        self._slots: dict[Value, int] = {}
        for node in program.nodes:
            for value in node.outputs:
                self._slots[value] = len(self._slots)
        self._steps = self._plan()
        self._bodies: dict[Program, ReferenceExecutable] = {}

    def _plan(self) -> list[_Step]:
        results = (*self.program.outputs, *self.program.writes.values())
        kept = {self._slots[v] for v in results}
        last: dict[int, int] = {}
        for i, node in enumerate(self.program.nodes):
            for value in node.inputs:
                last[self._slots[value]] = i
        frees: dict[int, list[int]] = {}
        for slot, i in last.items():
            if slot not in kept:
                frees.setdefault(i, []).append(slot)
        return [
            _Step(
                node, tuple(self._slots[v] for v in node.inputs),
                tuple(self._slots[v] for v in node.outputs),
                tuple(self._slots[v] in last or self._slots[v] in kept for v in node.outputs),
                tuple(frees.get(i, ())))
            for i, node in enumerate(self.program.nodes)]

    # ---- a whole run ------------------------------------------------------------------------

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        """The outputs; commits the writes. Output arrays belong to the caller."""
        if not self.program.writes:
            return self._outputs(*self._run_with_store(feeds, store))
        with store.writing(self.program.writes):
            slots, lent = self._run_with_store(feeds, store)
            outputs = self._outputs(slots, lent)
            borrowed = {id(a) for a in (*outputs, *feeds)}
            committed = []
            for key, value in self.program.writes.items():
                array = slots[self._slots[value]]
                if isinstance(array, Absent):
                    continue
                if id(array) in borrowed or not _owns(array):
                    array = np.array(array, order="C")
                borrowed.add(id(array))
                committed.append((key, array))
            store.commit(committed)
        return outputs

    def _run_with_store(
        self, feeds: Sequence[Any], store: Store
    ) -> tuple[list[Any], list[np.ndarray]]:
        """The slots after the run, and the arrays that others keep: feeds, variables' values."""
        slots: list[Any] = [None] * len(self._slots)
        for value, fed in zip(self.program.inputs, feeds):
            slots[self._slots[value]] = fed
        reads = self.program.reads
        current = store.read({k: leaf.node.attrs["initial"] for k, leaf in reads.items()})
        for key, leaf in reads.items():
            array = current[key]
            slots[self._slots[leaf]] = self._absent(key, leaf) if array is None else array
        for key, flag in self.program.flags.items():
            slots[self._slots[flag]] = np.bool_(store.has(key))
        lent = [a for a in (*feeds, *current.values()) if a is not None]
        self._execute(slots)
        return slots, lent

    def _absent(self, key: str, leaf: Value) -> Absent:
        owner = self.program.origins.get(leaf.node.serial) or Origin(key, None)
        return Absent(owner, leaf.type)

    def _outputs(self, slots: list[Any], lent: Sequence[np.ndarray]) -> list[np.ndarray]:
        outputs = []
        taken = {id(a) for a in lent}
        for value in self.program.outputs:
            array = slots[self._slots[value]]
            if isinstance(array, Absent):
                raise _uninitialized(array, self.program.origins.get(value.node.serial))
            is_leaf = isinstance(value.node.opdef.lowering, Leaf)
            if is_leaf or id(array) in taken or not _owns(array):
                array = np.array(array, order="C")
            taken.add(id(array))
            outputs.append(array)
        return outputs

    # ---- nodes ------------------------------------------------------------------------------

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs a region's body."""
        slots: list[Any] = [None] * len(self._slots)
        for value, array in zip(self.program.inputs, arguments):
            slots[self._slots[value]] = array
        self._execute(slots)
        return [slots[self._slots[v]] for v in self.program.outputs]

    def _execute(self, slots: list[Any]) -> None:
        for step in self._steps:
            node = step.node
            if isinstance(node.opdef.lowering, Leaf) and node.opdef.reference is None:
                continue
            inputs = [slots[i] for i in step.inputs]
            if isinstance(node.opdef.lowering, Region):
                outputs = reference_of(node)(self._body, step.used, inputs, node.attrs)
            else:
                outputs = self.compute(node, inputs)
            for slot, array in zip(step.outputs, outputs):
                slots[slot] = array
            for slot in step.frees:
                slots[slot] = None

    def _body(self, program: Program) -> Callable[[Sequence[Any]], list[Any]]:
        if program not in self._bodies:
            self._bodies[program] = ReferenceExecutable(program)
        return self._bodies[program].call

    def compute(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The node's results; None where an input is what a branch not taken would have saved."""
        if any(array is None for array in inputs):
            return [None] * len(node.outputs)
        origin = self.program.origins.get(node.serial)
        for array in inputs:
            if isinstance(array, Absent):
                raise _uninitialized(array, origin)
        function = reference_of(node)
        try:
            with np.errstate(all="ignore"):
                results = function(*inputs, **node.attrs)
        except OpError:
            raise
        except RunError as error:
            raise error.cls(None, origin, _worded(node, origin, error.problem, error.fix)) from (
                error.__cause__ or error)
        except MemoryError as error:
            raise ResourceExhaustedError(
                None, origin, _worded(node, origin, f"out of memory: {error}", "")) from error
        except NotImplementedError as error:
            raise UnimplementedError(
                None, origin, _worded(node, origin, str(error), "")) from error
        except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError,
                GraphflowError) as error:
            shapes = ", ".join(f"{np.shape(a)}" for a in inputs)
            raise InvalidArgumentError(None, origin, _worded(
                node, origin, f"{error} (input shapes {shapes})", "")) from error
        results = results if isinstance(results, (tuple, list)) else (results,)
        return [_checked(node, v, r) for v, r in zip(node.outputs, results, strict=True)]


def reference_of(node: Node) -> Callable[..., Any]:
    """The NumPy function of a node that is no leaf."""
    assert node.opdef.reference is not None
    return node.opdef.reference


def _owns(array: np.ndarray) -> bool:
    return array.flags.owndata and array.flags.c_contiguous and array.flags.writeable


def _checked(node: Node, value: Value, result: Any) -> np.ndarray:
    """The result as an array; ProgramError if it is not what was inferred."""
    array = np.asarray(result)
    if array.dtype != value.dtype.numpy:
        raise ProgramError(
            f"{node.opdef.name}: the reference gave {array.dtype}, inference said "
            f"{value.dtype.name}."
        )
    sizes = value.shape.rank
    if sizes is not None and (
        sizes != array.ndim
        or any(isinstance(d, int) and d != n for d, n in zip(value.shape.sizes, array.shape))
    ):
        raise ProgramError(
            f"{node.opdef.name}: the reference gave shape {list(array.shape)}, inference said "
            f"{value.shape}."
        )
    return array


def _worded(node: Node, origin: Origin | None, problem: str, fix: str) -> str:
    name, site = (origin.name, origin.site) if origin else (None, None)
    return describe(node.opdef.name, name, problem, site=site, fix=fix)


def _uninitialized(absent: Absent, user: Origin | None) -> FailedPreconditionError:
    owner = absent.owner
    problem = f"{absent.kind} has no value: it was never initialized in this session"
    if user is not None and user.name != owner.name:
        problem += f", and '{user.name}' ({user.site}) needs it"
    return FailedPreconditionError(None, user or owner, describe(
        "Variable", owner.name, problem, site=owner.site,
        fix="Run gf.global_variables_initializer() first, or restore a checkpoint."))
