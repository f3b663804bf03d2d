"""Patterns over Program values: `op("Sub", 1, op("Sigmoid", "x"))`.

In the arguments of `op`, text captures a value under that name (the same name twice is the same
value), a number stands for a value all of whose elements are that number, and `number("c")`
captures such a value's element. The inputs of commutative ops are tried in both orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from graphflow.lowering import View
from graphflow.program import Node, Value

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Capture:
    """Any value, captured under a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A value all of whose elements are one number: this one, or any if `value` is None."""

    value: Any = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Op:
    """Output 0 of a node.

    Attributes:
      names: the names of the ops that fit.
      args: patterns of all the inputs, or none to accept any inputs.
      attrs: attributes that must have these values.
      bind: captures the value itself under this name.
    """

    names: tuple[str, ...]
    args: tuple[Pattern, ...] = ()
    attrs: dict[str, Any] = field(default_factory=dict)
    bind: str | None = None


Pattern = Union[Capture, Number, Op]


def op(names: str, *args: Any, bind: str | None = None, **attrs: Any) -> Op:
    """The pattern of an op, or of any of several: `op("Sum Mean", "x", keepdims=True)`."""
    return Op(tuple(names.split()), tuple(map(_as_pattern, args)), attrs, bind)


def number(name: str) -> Number:
    """A value all of whose elements are one number, captured as a NumPy scalar."""
    return Number(None, name)


def _as_pattern(arg: Any) -> Pattern:
    if isinstance(arg, str):
        return Capture(arg)
    return arg if isinstance(arg, (Capture, Number, Op)) else Number(arg)


# ---- matching -----------------------------------------------------------------------------------


def solutions(pattern: Pattern, value: Value, found: Found) -> Iterator[Found]:
    """All ways in which `value` fits: captured name → value or number, over `found`."""
    if isinstance(pattern, Capture):
        if found.get(pattern.name, value) is value:
            yield {**found, pattern.name: value}
    elif isinstance(pattern, Number):
        element = uniform(value)
        if element is None or (pattern.value is not None and element != pattern.value):
            return
        yield found if pattern.name is None else {**found, pattern.name: element}
    elif _fits(pattern, value):
        if pattern.bind is not None:
            found = {**found, pattern.bind: value}
        yield from _inputs(pattern, value, found)


def may_fit(pattern: Op, node: Node) -> bool:
    """False if the ops of the node and of its inputs show that the pattern does not.

    The answer depends on nothing but these ops.
    """
    args, inputs = pattern.args, node.inputs
    if not args:
        return True
    if len(args) != len(inputs):
        return False
    if all(map(_may_be, args, inputs)):
        return True
    return node.opdef.commutative and _may_be(args[0], inputs[1]) and _may_be(args[1], inputs[0])


def cannot_fit(pattern: Op, node: Node) -> bool:
    """True if the numbers among the inputs show that the pattern does not fit.

    For a node of which `may_fit` is true.
    """
    args, inputs = pattern.args, node.inputs
    if not args or _numbers_fit(args, inputs):
        return False
    return not (node.opdef.commutative and _numbers_fit(args, (inputs[1], inputs[0], *inputs[2:])))


def _numbers_fit(patterns: tuple[Pattern, ...], values: tuple[Value, ...]) -> bool:
    for pattern, value in zip(patterns, values):
        if isinstance(pattern, Op):
            if value.node.opdef.name not in pattern.names:
                return False
        elif isinstance(pattern, Number):
            element = uniform(value)
            if element is None or (pattern.value is not None and element != pattern.value):
                return False
    return True


def _may_be(pattern: Pattern, value: Value) -> bool:
    if isinstance(pattern, Op):
        return value.node.opdef.name in pattern.names
    if isinstance(pattern, Number):
        opdef = value.node.opdef
        return opdef.name in _OF_ONE_NUMBER or isinstance(opdef.lowering, View)
    return True


def _fits(pattern: Op, value: Value) -> bool:
    node = value.node
    return (value.index == 0 and node.opdef.name in pattern.names
            and all(node.attrs.get(k) == v for k, v in pattern.attrs.items()))


def _inputs(pattern: Op, value: Value, found: Found) -> Iterator[Found]:
    inputs = value.node.inputs
    if not pattern.args:
        yield found
        return
    if len(pattern.args) != len(inputs):
        return
    yield from _in_order(pattern.args, inputs, found)
    if value.node.opdef.commutative and inputs[0] is not inputs[1]:
        yield from _in_order(pattern.args, (inputs[1], inputs[0], *inputs[2:]), found)


def _in_order(
    patterns: tuple[Pattern, ...], values: tuple[Value, ...], found: Found
) -> Iterator[Found]:
    if not patterns:
        yield found
        return
    for partial in solutions(patterns[0], values[0], found):
        yield from _in_order(patterns[1:], values[1:], partial)


# ---- values of one number -----------------------------------------------------------------------


def constant_of(value: Value) -> np.ndarray | None:
    """The array of a constant; None if `value` is no constant."""
    return value.node.attrs["value"].array if value.node.opdef.name == "Const" else None


_OF_ONE_NUMBER = ("Const", "Fill", "ZerosLike", "OnesLike")  # what `uniform` looks at


def uniform(value: Value) -> Any:
    """The number that all elements of `value` are, as a NumPy scalar; None if not known.

    NaN and strings are no numbers here. An empty value has no element to be known.
    """
    node = value.node
    name = node.opdef.name
    if name == "Const":
        return node.attrs["value"].element
    if name == "Fill":
        return uniform(node.inputs[1])
    if name in ("ZerosLike", "OnesLike") and not value.dtype.is_string:
        return value.dtype.numpy.type(name == "OnesLike")
    lowering = node.opdef.lowering
    if isinstance(lowering, View) and lowering.fill is None:
        return uniform(node.inputs[0])
    return None
