"""Kernels and host steps as data: what each computes, reads, writes and costs.

Input: a schedule and the values of the unknown sizes. Output: `KernelRecord`s and `HostRecord`s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphflow.codegen.choices import Measured
from graphflow.codegen.compile import assembly_text, kernel_name, llvm_text
from graphflow.codegen.cost import flops
from graphflow.codegen.memory_report import StoredValue, ValueNames, known_bytes
from graphflow.codegen.reading import read_inputs
from graphflow.codegen.sizes import concrete, symbols_of
from graphflow.codegen.steps import HostStep, Launch, RegionStep, Step
from graphflow.loop_ir.nest import Kernel
from graphflow.lowering import Leaf, Reduce, Sizes
from graphflow.program import Node, Origin, Value


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """One kernel call.

    Attributes:
      step: its number among the steps of the run.
      symbol: the kernel's name in the object; equal kernels share it.
      kind: what it is built from: `map`, `rows`, `reduce`, `contraction`, `window`, `join`,
        `scatter`, `cumulative`, `sizes`; `composite` for attention, `library` for a hand-written
        one, `check` for a look at values that an op refuses.
      reads, writes: whole buffers; what the kernel makes for itself is not among the first.
      scratch: memory that no other step sees: values of one row, work space.
      bytes_read, bytes_written: of those buffers, each counted once; a gather counts the whole
        table that it picks from. None if a size depends on values.
      flops: floating-point operations; see `codegen.cost`. None if a size depends on
        values, and for hand-written kernels.
      ops: the ops that it computes, in order, fused ones included.
      nodes: the names of the nodes that these are (`%12`); of a copy that the scheduler made, its
        expression.
      origins: the operations that these come from, with their lines.
      within: the region whose body it belongs to (`%12`), or empty. The body of a loop runs once
        a turn; costs are those of one.
      loop_ir, llvm, assembly: its code, where that was asked for.
      measured: what `Options(autotune=True)` has measured and chosen; None: nothing.
    """

    step: int
    symbol: str
    kind: str
    reads: tuple[StoredValue, ...]
    writes: tuple[StoredValue, ...]
    scratch: tuple[StoredValue, ...]
    bytes_read: int | None
    bytes_written: int | None
    flops: int | None
    ops: tuple[str, ...]
    nodes: tuple[str, ...]
    origins: tuple[Origin, ...]
    within: str
    loop_ir: str | None
    llvm: str | None
    assembly: str | None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One step that runs in Python.

    Attributes:
      step: its number among the steps of the run.
      op: the op.
      origin: the operation, with its line.
      reason: why it has no kernel, or not yet; or that sizes are found from values, which gives
        no output.
      inputs, outputs: names of values.
    """

    step: int
    op: str
    origin: Origin
    reason: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegionRecord:
    """A conditional or loop that runs natively; the steps of its bodies follow.

    Attributes:
      step: its number among the steps of the run.
      op: `If` or `While`.
      name: as in the listing of the program; what `KernelRecord.within` names.
      origin: the operation, with its line.
      bodies: their names, in order.
      within: the region around it, or empty.
    """

    step: int
    op: str
    name: str
    origin: Origin
    bodies: tuple[str, ...]
    within: str


def step_record(
    step: Step, number: int, names: ValueNames, within: str = "", *,
    ir: bool = False, llvm: bool = False, assembly: bool = False,
) -> KernelRecord | HostRecord | RegionRecord:
    """The record of one step, with the code that is asked for.

    number: of the step. names: of the values around it. within: the region that it belongs to.
    """
    if isinstance(step, Launch):
        return _kernel(step, number, names, within, (ir, llvm, assembly))
    if isinstance(step, RegionStep):
        return RegionRecord(number, step.node.opdef.name, names.node_name(step.node),
                            names.origin(step.node), tuple(step.bodies), within)
    node = step.node
    inputs = tuple(map(names.name, node.inputs))
    if not isinstance(step, HostStep):
        return HostRecord(number, node.opdef.name, names.origin(node),
                          "its sizes are found from values", inputs, ())
    return HostRecord(number, node.opdef.name, names.origin(node), step.reason, inputs,
                      tuple(map(names.name, node.outputs)))


def _kernel(
    launch: Launch, number: int, names: ValueNames, within: str, texts: tuple[bool, bool, bool]
) -> KernelRecord:
    written, read, local = _buffers(launch, names)
    kind = _kind(launch, names)
    nodes = list(launch.nodes) if kind == "check" else fused_nodes(launch)
    kernel = launch.kernel
    numbers = names.numbers
    ir, llvm, assembly = texts
    known = symbols_of(launch.sizes) <= numbers.keys()
    return KernelRecord(
        number, kernel_name(kernel), kind, read, written, local,
        known_bytes(read), known_bytes(written),
        flops(kernel, concrete(launch.sizes, numbers)) if known and isinstance(kernel, Kernel)
        else None,
        tuple(dict.fromkeys(n.opdef.name for n in nodes)),
        tuple(names.node_name(n) if n.outputs[0] in names.names else names.name(n.outputs[0])
              for n in nodes if n.outputs),
        tuple(dict.fromkeys(o for n in nodes if (o := names.origin(n)).name)), within,
        str(kernel) if ir else None,
        llvm_text(kernel) if llvm else None,
        assembly_text(kernel) if assembly else None, launch.measured)


def _buffers(
    launch: Launch, names: ValueNames
) -> tuple[tuple[StoredValue, ...], tuple[StoredValue, ...], tuple[StoredValue, ...]]:
    """What a kernel writes, reads, and keeps for itself; each piece of memory once."""
    schedule = names.schedule
    pairs = [(schedule.root(v), v, p.written)
             for v, p in zip(launch.buffers, launch.kernel.buffers) if v is not schedule.status]
    written = {root: v for root, v, w in pairs if w}
    read = {root: v for root, v, w in pairs if not w}
    local = {root: v for root, v in written.items()
             if names.private(root) and (root in read or root not in names.names)}

    def stored(found: Mapping[Value, Value], *without: Mapping[Value, Value]) -> tuple:
        return tuple(names.stored(v) for root, v in found.items()
                     if not any(root in others for others in without))

    return stored(written, local), stored(read, written), stored(local)


def fused_nodes(launch: Launch) -> list[Node]:
    """The nodes that a kernel computes: those whose values it stores, and what is fused in.

    In the order of the program; copies that the scheduler made come first.
    """
    read = {v for v, p in zip(launch.buffers, launch.kernel.buffers) if not p.written}
    found = dict.fromkeys(launch.nodes)
    pending: list[Node] = list(launch.nodes)
    while pending:
        for value in read_inputs(pending.pop()):
            node = value.node
            if not (value in read or node in found or isinstance(
                    node.opdef.lowering, (Leaf, Sizes))):
                found[node] = None
                pending.append(node)
    return sorted(found, key=lambda n: n.serial)


def _kind(launch: Launch, names: ValueNames) -> str:
    if any(v is names.schedule.status for v in launch.buffers):
        return "check"
    kinds = {type(n.opdef.lowering) for n in launch.nodes}
    if len(launch.nodes) > 1 and Reduce in kinds:
        return "rows"
    lowering = launch.nodes[0].opdef.lowering
    name = type(lowering).__name__.lower()
    return "map" if name in ("pointwise", "generate", "view", "gather") else name
