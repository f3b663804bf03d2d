"""Signatures of array functions, `(m,n),(n)->(m)`: the sizes that a function works on.

The form is that of NumPy's generalised ufuncs (NEP 20): a name stands for one size wherever it
occurs, a number for itself; what an input has in front of these axes is worked through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

from graphflow.dims import Dim, same
from graphflow.errors import AttributeValueError

_LIST = re.compile(r"\(([^()]*)\)")
_WHOLE = re.compile(r"(\([^()]*\))(,\([^()]*\))*->(\([^()]*\))(,\([^()]*\))*")
Axis = Union[str, int]


@dataclass(frozen=True, slots=True)
class CoreShapes:
    """A signature.

    Attributes:
      text: as it was given, without blanks.
      inputs, outputs: for each operand its axes: names or numbers.
    """

    text: str
    inputs: tuple[tuple[Axis, ...], ...]
    outputs: tuple[tuple[Axis, ...], ...]

    @classmethod
    def parse(cls, text: str) -> CoreShapes:
        """The signature that a text says. Raises AttributeValueError if it says none."""
        plain = re.sub(r"\s", "", text)
        if not _WHOLE.fullmatch(plain):
            raise AttributeValueError(
                f"numba_op: {text!r} is no signature. Write the axes of each input and output, "
                "such as '(m,n),(n)->(m)'; '()' is a number.")
        left, right = ([_axes(part) for part in _LIST.findall(side)]
                       for side in plain.split("->"))
        known = {a for axes in left for a in axes if isinstance(a, str)}
        new = [a for axes in right for a in axes if isinstance(a, str) and a not in known]
        if new:
            raise AttributeValueError(
                f"numba_op: the size {new[0]!r} of an output in {text!r} is no input's size. Give "
                "a number, or an input that has this size.")
        return cls(plain, tuple(left), tuple(right))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of sizes, in the order in which they occur."""
        return tuple(dict.fromkeys(
            a for axes in self.inputs for a in axes if isinstance(a, str)))

    def bind(self, shapes: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The size behind each name. Raises ValueError, worded, if the shapes do not fit."""
        found: dict[str, Any] = {}
        for k, (axes, shape) in enumerate(zip(self.inputs, shapes)):
            if len(shape) < len(axes):
                raise ValueError(f"input {k} must have at least {len(axes)} axes, got "
                                 f"{list(shape)}")
            for axis, size in zip(axes, shape[len(shape) - len(axes):]):
                expected = axis if isinstance(axis, int) else found.setdefault(axis, size)
                if same(expected, size) is False:
                    raise ValueError(f"the size {axis} of input {k} is {size}, and {expected} "
                                     "elsewhere")
        return found

    def leading(self, shapes: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        """The sizes in front of the axes, which all inputs that have any have in common."""
        found: tuple[Any, ...] = ()
        for k, (axes, shape) in enumerate(zip(self.inputs, shapes)):
            own = tuple(shape[:len(shape) - len(axes)])
            if not own:
                continue
            if found and (len(own) != len(found) or any(
                    same(a, b) is False for a, b in zip(own, found))):
                raise ValueError(f"input {k} has {list(own)} in front of its axes, another input "
                                 f"{list(found)}")
            found = found or own
        return found

    def output_shapes(self, shapes: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The shapes of the outputs. Raises ValueError as `bind`."""
        sizes, leading = self.bind(shapes), self.leading(shapes)
        return [(*leading, *(a if isinstance(a, int) else sizes[a] for a in axes))
                for axes in self.outputs]

    def kernel_sizes(self, shapes: Sequence[Sequence[Any]]) -> tuple[Dim, ...]:
        """What a kernel is told: how many turns, for each input 1 if it has an element for each
        turn and 0 if all turns see the same, and the size behind each name.
        """
        sizes, leading = self.bind(shapes), self.leading(shapes)
        turns: Any = math.prod(leading)
        each = [int(len(shape) > len(axes)) for axes, shape in zip(self.inputs, shapes)]
        return (turns, *each, *(sizes[n] for n in self.names))


def _axes(text: str) -> tuple[Axis, ...]:
    return tuple(int(a) if a.isdigit() else a for a in text.split(",") if a)
