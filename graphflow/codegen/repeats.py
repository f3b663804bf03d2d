"""Launches of one form are built once: a network of a hundred equal layers has a dozen kernels.

The *form* of what a kernel computes is its expressions with the values numbered in the order in
which they are met: ops, attributes, types, sizes, what is read from memory and what is computed.
The code of a kernel depends on nothing else, so a launch of a known form is the old one with other
values behind its buffers, and other numbers where it is told some.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from graphflow.codegen.steps import Launch
from graphflow.codegen.told import factor_size, key_size, keys_of, told_instead
from graphflow.program import Node, Value

Stored = Callable[[Value], bool]


class Form:
    """The description of some computed values, as it grows.

    tells_factors: whether constant numbers are told when the kernel runs; see `told`.

    Attributes:
      values: those met so far, in order.
      told: the numbers that the kernel is told, each once.
    """

    def __init__(self, root: Callable[[Value], Value], tells_factors: bool = False) -> None:
        self.values: list[Value] = []
        self.told: dict[int, int] = {}
        self._tells_factors = tells_factors
        self._root = root
        self._numbers: dict[tuple[Value, bool], int] = {}
        self._known: dict[Value, int] = {}  # a value, or the one whose memory it has
        self._rows: list[Hashable] = []

    def add(self, outputs: Iterable[Value], stored: Stored) -> None:
        """Values that are computed from what is stored."""
        for output in outputs:
            self._rows.append(("output", self._describe(output, stored)))

    def read(self, values: Iterable[Value]) -> None:
        """Values that are read from memory."""
        for value in values:
            if (value, True) not in self._numbers:
                self._row(value, True, ())
            self._rows.append(("read", self._numbers[value, True]))

    def note(self, *facts: Hashable) -> None:
        """Something else that the code depends on."""
        self._rows.append(facts)

    def key(self) -> Hashable:
        """Equal for equal forms."""
        return tuple(self._rows)

    def _describe(self, output: Value, stored: Stored) -> int:
        """The number of a value; describes what it is computed from first."""
        pending: list[tuple[Value, bool]] = [(output, False)]
        while pending:
            value, ready = pending.pop()
            read = value is not output and stored(value)
            if (value, read) in self._numbers:
                continue
            inputs = () if read else value.node.inputs
            if not ready:
                pending.append((value, True))
                pending.extend((v, False) for v in reversed(inputs))
                continue
            self._row(value, read, [self._numbers[v, v is not output and stored(v)]
                                    for v in inputs])
        return self._numbers[output, False]

    def _row(self, value: Value, read: bool, inputs: Sequence[int]) -> None:
        self._numbers[value, read] = len(self.values)
        self.values.append(value)
        node, symbolic = value.node, value.symbolic_value
        plain = not read or node.opdef.name == "Const"  # constants may become part of the code
        facts = self._facts(value) if plain else None
        self._rows.append((
            read, self._known.setdefault(value, len(self._known)),
            self._known.setdefault(self._root(value), len(self._known)),
            value.dtype, value.shape.sizes, value.index,
            None if symbolic is None else tuple(symbolic.ravel().tolist()),
            None if facts is None else (node.opdef.name, facts, *inputs)))

    def _facts(self, value: Value) -> Hashable:
        """A node's attributes, with the places of numbers in `told` instead of the numbers."""
        factor = factor_size(value) if self._tells_factors else None
        if factor is not None:
            return ("told", self.told.setdefault(factor, len(self.told)))
        attrs, keys = value.node.attrs, keys_of(value.node)
        if not keys:
            return tuple(attrs.items())
        return tuple([
            (k, ("told", self.told.setdefault(key_size(v), len(self.told))) if k in keys else v)
            for k, v in attrs.items()])


class Repeats:
    """The launches of a schedule by their form.

    scratch: gives memory of a kernel's own that is like another.
    """

    def __init__(self, scratch: Callable[[Value], Value]) -> None:
        self._scratch = scratch
        self._known: dict[Hashable, tuple[Launch, Form]] = {}

    def launch(
        self, form: Form, nodes: Sequence[Node], build: Callable[[], Launch]
    ) -> Launch:
        """The launch of a form. nodes: what it computes; build: makes it."""
        key = form.key()
        found = self._known.get(key)
        if found is None:
            launch = build()
            self._known[key] = launch, form
            return launch
        model, known = found
        places = {value: place for place, value in enumerate(known.values)}
        own: dict[Value, Value] = {}
        for value in model.buffers:
            place = places.get(value)
            if place is None and value not in own:
                own[value] = self._scratch(value)
        buffers = [own[v] if v in own else form.values[places[v]] for v in model.buffers]
        sizes = told_instead(model.sizes, dict(zip(known.told, form.told))) if form.told else (
            model.sizes)
        return replace(model, buffers=tuple(buffers), sizes=sizes, nodes=tuple(nodes))
