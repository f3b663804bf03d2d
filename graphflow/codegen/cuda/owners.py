"""Scatters: every place belongs to one thread, which meets its updates in their order.

Where an index decides what a turn stores to, turns cannot run side by side. But places can be
divided: each thread looks at all turns and stores to the places that it owns. So updates of one
place keep their order, whatever the number of threads. Which thread owns a place is a hash of the
offset, without the loops that are spread anyway: neighbouring threads then mostly agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cpu.turns import ZERO
from graphflow.dtypes import int64
from graphflow.loop_ir.expr import Expr, constant, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Kernel, Loop, Statement, Store, expressions

if TYPE_CHECKING:
    from graphflow.codegen.cuda.emit import KernelEmitter

OWNERS = 256         # where no loop is spread
OWNERS_OF_TURNS = 64  # for each turn of the loops that are
HASH = -1640531527   # 2³² divided by the golden ratio, as Knuth has it
GUARD = -3           # the number of the scope inside the condition
Body = tuple[Statement, ...]


def owners_of(kernel: Kernel, body: Body, spread: Sequence[int]) -> int:
    """Among how many threads the places of a nest can be divided; 1 if they cannot.

    spread: numbers of loops whose turns never meet; they are not in `body`.
    """
    inner: list[Statement] = list(body)
    loops = 0
    while len(inner) == 1 and isinstance(inner[0], Loop):
        loops += 1
        inner = list(inner[0].body)
    stores = [s for s in inner if isinstance(s, Store)]
    written = {s.buffer for s in stores}
    if not loops or len(stores) != len(inner) or len(written) != 1:
        return 1
    if any(n.op == "accumulator" for s in stores for n in walk(*expressions(s))) or any(
            kernel.buffers[k].private for k in written):
        return 1
    return OWNERS_OF_TURNS if spread else OWNERS


def emit_owned(emitter: KernelEmitter, store: Store, owner: Any) -> None:
    """A store, by the thread that owns the place."""
    values, b = emitter.values, emitter.values.builder
    zeros: dict[Expr, Expr] = {
        n: constant(0, int64) for n in walk(store.offset)
        if n.op == "index" and n.attr in emitter.bound}
    place = values.value(simplified(store.offset, zeros))
    mixed = b.mul(b.trunc(place, I32), ir.Constant(I32, HASH))
    bits = emitter.plan.owners.bit_length() - 1
    chosen = b.zext(b.lshr(mixed, ir.Constant(I32, 32 - bits)), I64)
    with b.if_then(b.icmp_unsigned("==", chosen, owner)):
        values.bind(GUARD, ZERO)
        emitter.store(store)
        values.leave(GUARD)
