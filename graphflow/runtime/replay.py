"""Repeating a run by the reference, for its errors.

Compiled code only finds out that something is wrong; the reference says what. Host steps with
effects (prints, stateful `py_func`) that have run already are not run again: their results are
put in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.program import Node, Program
from graphflow.reference import ReferenceExecutable


def replay_of(source: Program, optimised: Program, done: Sequence[list[Any]]) -> Replay:
    """A reference executable of `source` in which the first effects have these results."""
    whole = all(array is not None for outputs in done for array in outputs)
    same = len(source.effects) == len(optimised.effects) and whole
    program = source if same else optimised
    return Replay(program, dict(zip(program.effects, done)))


class Replay(ReferenceExecutable):
    """A Program prepared for the NumPy executor, some of whose nodes have run already."""

    def __init__(self, program: Program, done: dict[Node, list[Any]]) -> None:
        super().__init__(program)
        self._done = done
        self._steps = [step for step in self._steps if step.node not in done]

    def _execute(self, slots: list[Any]) -> None:
        for node, outputs in self._done.items():
            for value, array in zip(node.outputs, outputs):
                slots[self._slots[value]] = array
        super()._execute(slots)
