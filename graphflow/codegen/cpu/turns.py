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
    Where the number of turns is known, nothing asks whether there are any, and one turn is no
    loop: each loop of a nest costs LLVM time, whatever is in it.
    """
    turns = _known_turns(first, end, step)
    if turns == 1:
        values.enter(number, values.builder.block)
        values.indices[number] = first
        turn(first)
        values.leave(number)
    elif turns != 0:
        _emit_loop(values, number, (first, end, step), changed, turn, guarded=turns is None)


def _known_turns(first: Any, end: Any, step: Any) -> int | None:
    """How many turns there are; None if that shows when it runs."""
    if not (isinstance(first, ir.Constant) and isinstance(end, ir.Constant)
            and isinstance(step, int)):
        return None
    return max(-(-(end.constant - first.constant) // step), 0)


def _emit_loop(
    values: Values, number: int, bounds: tuple[Any, Any, Any], changed: Sequence[int],
    turn: Callable[[Any], None], guarded: bool,
) -> None:
    """guarded: whether there may be no turn at all."""
    b, (first, end, step) = values.builder, bounds
    names = [n for n in changed if n in values.accumulators]
    outside = dict(values.accumulators)
    start = [values.accumulators[n] for n in names]
    entry = b.block
    before = b.append_basic_block("before") if guarded else entry
    inside, after = b.append_basic_block("loop"), b.append_basic_block("after")
    if guarded:
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
    if not guarded:
        values.accumulators.update(zip(names, final))
        return
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
