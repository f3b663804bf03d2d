"""Rewrite rules: an equation as a pattern and a function, with examples that a test runs.

    @rule(op("Neg", op("Neg", "x")), lambda F, x: F.negative(F.negative(x)))
    def double_negation(x):
        '''−(−x) = x.'''
        return x
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.opdef import OpDef, TensorType
from graphflow.passes.base import Pass, Rebuilder, Replacement, op_names, rebuilt
from graphflow.passes.patterns import Op, cannot_fit, may_fit, solutions
from graphflow.program import Node, Program
from graphflow.shapes import TensorShape

MOST_OPS = 5  # a node and its inputs, for which it is kept which rules may fit

RuleFunction = TypeVar("RuleFunction", bound=Callable[..., Replacement])


def floats(*sizes: int, dtype: DType = dt.float32) -> TensorType:
    """The type of an example's input."""
    return TensorType(dtype, TensorShape(sizes))


def ints(*sizes: int, dtype: DType = dt.int32) -> TensorType:
    """The type of an example's input."""
    return TensorType(dtype, TensorShape(sizes))


@dataclass(frozen=True, slots=True)
class Example:
    """A use of a rule: `build(F, *inputs)` gives what the rule rewrites; inputs have `types`."""

    build: Callable[..., Any]
    types: tuple[TensorType, ...]


def example(build: Callable[..., Any], *types: TensorType) -> Example:
    """An example whose inputs are float32 [3, 4] unless `types` are given."""
    count = len(inspect.signature(build).parameters) - 1
    return Example(build, types or (floats(3, 4),) * count)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One equation: what fits `pattern` is replaced by what `replace` gives.

    Attributes:
      name: the function's name; its docstring is the equation.
      pattern: the left side.
      replace: called with the captures that it has parameters for, and with `node` and
        `rebuilder` if it asks for them; gives None where the rule does not hold.
      parameters: the names of its parameters.
      examples: for the test of all rules.
      exact: True if both sides are the same to the last bit, for NaN, infinities and zeros of
        both signs too; False if the right side is the more accurate one.
    """

    name: str
    pattern: Op
    replace: Callable[..., Replacement]
    parameters: tuple[str, ...]
    examples: tuple[Example, ...]
    exact: bool

    def __call__(self, node: Node, rebuilder: Rebuilder) -> Replacement:
        """The replacement of `node`, or None."""
        if cannot_fit(self.pattern, node):
            return None
        for found in solutions(self.pattern, node.outputs[0], {}):
            found.update(node=node, rebuilder=rebuilder)
            made = self.replace(**{name: found[name] for name in self.parameters})
            if made is not None:
                return made
        return None


class Rules:
    """Collects the rules of one pass; calling it gives the decorator that adds one."""

    def __init__(self, exact: bool = True) -> None:
        self._exact = exact
        self.rules: list[Rule] = []

    def __call__(
        self, pattern: Op, *examples: Example | Callable[..., Any], exact: bool | None = None
    ) -> Callable[[RuleFunction], RuleFunction]:
        def add(function: RuleFunction) -> RuleFunction:
            self.rules.append(Rule(
                function.__name__, pattern, function,
                tuple(inspect.signature(function).parameters),
                tuple(e if isinstance(e, Example) else example(e) for e in examples),
                self._exact if exact is None else exact))
            return function

        return add

    def as_pass(self, name: str, phase: str, doc: str | None = None) -> Pass:
        """The pass that applies these rules wherever they fit, the first one that does."""
        by_op: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for op_name in rule.pattern.names:
                by_op.setdefault(op_name, []).append(rule)

        # Most patterns are no match most of the time. What the ops of a node and of its inputs
        # decide is looked up: the rules that are worth a try.
        known: dict[tuple[OpDef, ...], tuple[Rule, ...]] = {}

        def rewrite(node: Node, rebuilder: Rebuilder) -> Replacement:
            ops = (node.opdef, *[v.node.opdef for v in node.inputs])
            rules = known.get(ops)
            if rules is None:
                rules = tuple(
                    r for r in by_op.get(node.opdef.name, ()) if may_fit(r.pattern, node))
                if len(ops) <= MOST_OPS:
                    known[ops] = rules
            for rule in rules:
                made = rule(node, rebuilder)
                if made is not None:
                    return made
            return None

        def run(program: Program) -> Program:
            if by_op.keys().isdisjoint(op_names(program)):
                return program
            return rebuilt(program, rewrite, f"pass {name!r}", only=by_op)

        return Pass(name, phase, run, tuple(self.rules), doc)
