"""Counted loops of LLVM blocks, whose accumulators are phi nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I64
from graphflow.codegen.cpu.values import Values

ZERO = ir.Constant(I64, 0)


def emit_turns(
    values: Values, number: int, first: Any, end: Any, step: Any, changed: Sequence[int],
    turn: Callable[[Any], None],
) -> None:
    """A loop from `first` below `end`; its index and the accumulators `changed` are phi nodes.

    step: a number, or a value in front of the loop. `turn(index)` emits one turn.
    """
    b = values.builder
    names = [n for n in changed if n in values.accumulators]
    outside = dict(values.accumulators)
    start = [values.accumulators[n] for n in names]
    entry, before = b.block, b.append_basic_block("before")
    inside, after = b.append_basic_block("loop"), b.append_basic_block("after")
    b.cbranch(b.icmp_signed("<", first, end), before, after)
    b.position_at_end(before)
    b.branch(inside)
    b.position_at_end(inside)
    index = b.phi(I64)
    index.add_incoming(first, before)
    for n, value in zip(names, start):
        values.accumulators[n] = b.phi(value.type)
        values.accumulators[n].add_incoming(value, before)
    phis = [values.accumulators[n] for n in names]
    values.enter(number, before)
    values.indices[number] = index
    turn(index)
    values.leave(number)
    following = b.add(index, ir.Constant(I64, step) if isinstance(step, int) else step)
    last = b.block
    index.add_incoming(following, last)
    final = [values.accumulators[n] for n in names]
    for phi, value in zip(phis, final):
        phi.add_incoming(value, last)
    b.cbranch(b.icmp_signed("<", following, end), inside, after)
    b.position_at_end(after)
    values.accumulators = outside
    for n, old, new in zip(names, start, final):
        merged = b.phi(old.type)
        merged.add_incoming(old, entry)
        merged.add_incoming(new, last)
        values.accumulators[n] = merged


def multiple(values: Values, extent: Any, of: int) -> Any:
    """The largest multiple of `of` that is not above `extent`."""
    if isinstance(extent, ir.Constant):
        return ir.Constant(I64, extent.constant // of * of)
    b = values.builder
    return b.mul(b.sdiv(extent, ir.Constant(I64, of)), ir.Constant(I64, of))
