"""A loop that is about to be changed: what enters its body, what it keeps, what it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from graphflow.builder import using
from graphflow.dims import Dim
from graphflow.ops.loop_turns import turns_of
from graphflow.passes.base import Rebuilder
from graphflow.program import Node, Program, ProgramBuilder, Value

# Makes what stands for a value of the body, from what its values have become and the values that
# enter the body anew.
Made = Callable[[dict[Value, Value], Sequence[Value]], Value]


class LoopDraft:
    """A `While` node, and what shall be different.

    Attributes:
      node: as it is. body: of the loop, as it is.
      captures: values of the Program around it that the body takes from now on.
      made: value of the body → what makes its replacement.
      outputs: number of a loop variable → the value of the body that it becomes.
      saved: values of the body whose histories the loop gives from now on.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.body: Program = node.attrs["body"]
        self.captures: list[Value] = []
        self.made: dict[Value, Made] = {}
        self.outputs: dict[int, Value] = {}
        self.saved: list[Value] = []
        self._outside: dict[Value, Value] = {}

    # ---- what is asked ----------------------------------------------------------------------

    @property
    def turns(self) -> Dim | None:
        """How many turns the loop makes, if that is known."""
        return turns_of(self.node)

    @cached_property
    def users(self) -> dict[Value, list[Node]]:
        """The nodes of the body that use a value."""
        found: dict[Value, list[Node]] = {}
        for node in self.body.nodes:
            for value in node.inputs:
                found.setdefault(value, []).append(node)
        return found

    @cached_property
    def results(self) -> Counter[Value]:
        """How often a value of the body is one of its results."""
        return Counter(self.body.outputs)

    @cached_property
    def invariant(self) -> set[Value]:
        """The arguments of the body that are the same in each turn."""
        changing = {*self.node.attrs["carried"], self.node.attrs["iteration"]}
        return {v for k, v in enumerate(self.body.inputs) if k not in changing}

    def only_user(self, value: Value) -> Node | None:
        """The node that alone uses a value of the body, once."""
        users = self.users.get(value, [])
        return users[0] if len(users) == 1 and not self.results[value] else None

    # ---- what is changed --------------------------------------------------------------------

    def outside(self, value: Value) -> Value:
        """An invariant argument of the body, as the value around the loop that it is."""
        return self.node.inputs[self.body.inputs.index(value)]

    def capture(self, value: Value) -> int:
        """The body takes a value of the Program around it; its number among these."""
        if value not in self.captures:
            self.captures.append(value)
        return self.captures.index(value)

    def save(self, value: Value) -> int:
        """The loop gives the history of a value of the body; its number among these."""
        if value not in self.saved:
            self.saved.append(value)
        return self.saved.index(value)

    # ---- the new loop -----------------------------------------------------------------------

    def finish(self, rebuilder: Rebuilder) -> tuple[list[Value], list[Value]]:
        """The new loop: what stands for the node's outputs, and the histories that are new."""
        node, attrs = self.node, dict(self.node.attrs)
        count, saved = attrs["loop_vars"], attrs["saved"]
        results: list[Value] = list(self.body.outputs)
        for k, value in self.outputs.items():
            results[k] = value
        results[count + saved:count + saved] = self.saved
        attrs["body"] = self._copy(self.body, results, rebuilder.stage)
        condition: Program = attrs["condition"]
        if self.captures:
            attrs["condition"] = self._copy(condition, condition.outputs, rebuilder.stage)
        attrs["saved"] = saved + len(self.saved)
        found = list(rebuilder.apply(node.opdef, [*node.inputs, *self.captures], attrs))
        first = 2 * count + 1 + saved
        histories = found[first:first + len(self.saved)]
        del found[first:first + len(self.saved)]
        return found, histories

    def _copy(self, program: Program, results: Sequence[Value], stage: str) -> Program:
        builder = ProgramBuilder(stage)
        at: dict[Value, Value] = {}

        def argument(kind: Any) -> Value:
            return builder.leaf("Argument", index=len(at) + len(extra), type=kind)

        extra: list[Value] = []
        for value in program.inputs:
            at[value] = argument(value.node.attrs["type"])
        for value in self.captures:
            extra.append(argument(value.type))
        arguments = [*at.values(), *extra]
        with using(builder):
            for node in program.nodes:
                if node.opdef.name == "Argument":
                    continue
                builder.origin = program.origins.get(node.serial)
                if len(node.outputs) == 1 and node.outputs[0] in self.made:
                    at[node.outputs[0]] = self.made[node.outputs[0]](at, extra)
                    continue
                made = builder.add(node.opdef, [at[v] for v in node.inputs], node.attrs, like=node)
                at.update(zip(node.outputs, made.outputs))
        return builder.finish(arguments, [at[v] for v in results])
