"""How the loops of a kernel are spread over the threads of a GPU.

Input: a kernel of loop IR. Output: its parts, each with a `Plan`; a part is one launch.

A loop can be spread if its turns are independent: no accumulator goes from one to the next, and
each turn stores to places of its own (`places`). Other loops stay inside, in order; so a scatter
whose rows are found by an index runs over the columns side by side, and meets the updates of each
column one after the other. A nest around several loops becomes a nest for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from graphflow.codegen.cuda.fragments import Cores, cores_of
from graphflow.codegen.cuda.owners import owners_of
from graphflow.codegen.cuda.places import is_one, is_plain, stores_of, tells_apart
from graphflow.codegen.cuda.target import CudaTarget
from graphflow.codegen.cuda.tiles import (
    LARGE,
    SMALL,
    Product,
    TileSize,
    is_large_enough,
    known_blocks,
    product_of,
)
from graphflow.codegen.cuda.transposes import Turned, turned_of
from graphflow.codegen.shares import Path, walk_statements
from graphflow.loop_ir.expr import Expr, to_text, walk
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    changed_accumulators,
    expressions,
)

Body = tuple[Statement, ...]

SHORT = 32           # turns of an inner loop that one thread does by itself
VECTOR_BYTES = 16
VECTOR_OPS = 160     # operations of a turn from which on one element at a time is enough work
WARP_SLOT = 8        # bytes of an accumulator of a warp in shared memory
BLOCKS_OF_A_PROCESSOR = 8


class Spread(Enum):
    """Who does a turn of the grid's loops."""

    ONE = "one thread does everything"
    THREADS = "a thread for each turn"
    BLOCKS = "a block for each turn"
    TILES = "a block for each tile of a product"
    TURNED = "a block for each tile of a transpose"


@dataclass(frozen=True, slots=True)
class GridLoop:
    """A loop whose turns are spread over the grid."""

    number: int
    extent: Expr


@dataclass(frozen=True, slots=True)
class Plan:
    """How a part runs.

    Attributes:
      spread: who does a turn.
      grid: the loops that are spread, the outer ones first; the last one moves fastest.
      shared: the inner loops whose turns the threads of a block divide.
      inner: the extents by which the size of a block is chosen.
      vector: elements of a turn's loop that a thread takes at once.
      scratch: bytes of shared memory for each warp.
      shared_limit: bytes of shared memory of a block.
      most_blocks: of a launch whose private buffers lie in device memory.
      product, tile: of a tiled product: what it is, and how much of it a block computes.
      cores: the tensor cores that multiply its terms, or None.
      choice: of a product whose sizes are not known: run this one of two launches if tiles of
        `choice[0]` are at least (or, if not `choice[2]`, fewer than) `choice[1]`.
      turned: of a transpose: along which loops it reads and stores.
      owners: threads for each turn, each of which does the stores to its own places (`owners`).
    """

    spread: Spread
    grid: tuple[GridLoop, ...] = ()
    shared: frozenset[int] = frozenset()
    inner: tuple[Expr, ...] = ()
    vector: int = 1
    scratch: int = 0
    shared_limit: int = 0
    most_blocks: int = 1
    product: Product | None = None
    tile: TileSize | None = None
    cores: Cores | None = None
    choice: tuple[TileSize, int, bool] | None = None
    owners: int = 1
    turned: Turned | None = None


def plan_text(plan: Plan) -> str:
    """Canonical text of what a plan says about the code."""
    loops = ", ".join(str(loop.number) for loop in plan.grid)
    shared = ", ".join(map(str, sorted(plan.shared)))
    inner = "".join(to_text(e) for e in plan.inner)
    return (f"{plan.spread.name} grid {loops} shared {shared} vector {plan.vector} "
            f"scratch {plan.scratch} tile {plan.tile} cores {plan.cores} owners {plan.owners} "
            f"turned {(plan.turned.reads, plan.turned.stores) if plan.turned else None}\n{inner}")


def plans_of(kernel: Kernel, target: CudaTarget) -> list[tuple[Plan, Body]]:
    """The parts of a kernel, in order, each with its plan."""
    parts = _parts(kernel.body)
    if len(parts) > 1 and any(p.private for p in kernel.buffers):
        parts = [kernel.body]  # private memory does not live from one launch to the next
    else:
        parts = [one for part in parts for one in _apart(part)]
    return [(plan, part) for part in parts for plan in _plans(kernel, part, target)]


def _apart(part: Body) -> list[Body]:
    """A nest around several loops as one nest for each of them, if its own turns never meet.

    A place is then stored to in the same order: by all turns of the first one, then of the next.
    """
    nest: list[Loop] = []
    rest = part
    while len(rest) == 1 and isinstance(rest[0], Loop):
        nest.append(rest[0])
        rest = rest[0].body
    stores = stores_of(part)
    if len(rest) < 2 or not all(
            isinstance(s, Loop) and not free_accumulators(s.body) for s in rest) or not all(
            is_plain(x.extent) and (is_one(x) or tells_apart(stores, x.number)) for x in nest):
        return [part]
    found: list[Body] = []
    for statement in rest:
        body: Body = (statement,)
        for loop in reversed(nest):
            body = (replace(loop, body=body),)
        found += _apart(body)
    return found


def _parts(body: Body) -> list[Body]:
    """The statements of each part: a loop, or what accumulators hold together."""
    parts: list[Body] = []
    joined = False
    for statement in body:
        alone = isinstance(statement, Loop) and not free_accumulators(statement.body)
        if alone or not joined:
            parts.append((statement,))
        else:
            parts[-1] = (*parts[-1], statement)
        joined = not alone
    return parts


def free_accumulators(body: Body) -> frozenset[int]:
    """The accumulators that statements use and do not begin."""
    begun: set[int] = set()
    free: set[int] = set()
    for statement in body:
        if isinstance(statement, Loop):
            free |= free_accumulators(statement.body) - begun
            continue
        used = {n.attr for n in walk(*expressions(statement)) if n.op == "accumulator"}
        if isinstance(statement, Fold):
            used = (used | set(statement.into)) - set(statement.right)
        elif isinstance(statement, Update):
            used |= {n for n, _ in statement.accumulators}
        free |= used - begun
        if isinstance(statement, Begin):
            begun |= {n for n, _ in statement.accumulators}
    return frozenset(free)


def uses(body: Body) -> tuple[set[int], set[int]]:
    """(buffers that statements load from, buffers that they store to)."""
    loads: set[int] = set()
    stores: set[int] = set()
    for statement, path in walk_statements(body):
        exprs: list[Expr] = [*expressions(statement), *(x.extent for x in path)]
        loads.update(n.attr for n in walk(*exprs) if n.op == "load")
        if isinstance(statement, Store):
            stores.add(statement.buffer)
            if statement.combine is not None:
                loads.add(statement.buffer)
    return loads, stores


# ---- one part -----------------------------------------------------------------------------------


def _plans(kernel: Kernel, part: Body, target: CudaTarget) -> list[Plan]:
    """The ways to run a part, one of which the sizes will choose."""
    grid, rest = _grid(kernel, part)
    tiled = _tiled(kernel, grid, rest, target)
    return tiled or [_plan(kernel, grid, rest, target)]


def _tiled(
    kernel: Kernel, grid: tuple[GridLoop, ...], rest: Body, target: CudaTarget
) -> list[Plan]:
    """The plans of a product in tiles; none if it is none, or too small."""
    loops = [(loop.number, loop.extent) for loop in grid]
    product = product_of(kernel, loops, rest)
    if product is None or not is_large_enough(loops, product):
        return []
    common = Plan(Spread.TILES, grid, product=product, tile=SMALL,
                  cores=cores_of(product, target))
    if product.zero.dtype.size > 4:
        return [common]
    large = replace(common, tile=LARGE)
    blocks = known_blocks(loops, product, LARGE)
    if blocks is not None:
        return [large if blocks >= target.processors else common]
    return [replace(large, choice=(LARGE, target.processors, True)),
            replace(common, choice=(LARGE, target.processors, False))]


def _plan(
    kernel: Kernel, grid: tuple[GridLoop, ...], rest: Body, target: CudaTarget
) -> Plan:
    shared = _shared_loops(kernel, rest)
    together = [loop.extent for loop in _loops(rest) if loop.number in shared]
    together += [fold.extent for fold in _lane_folds(rest)]
    private = any(p.private for p in kernel.buffers)
    short = all(e.op == "const" and e.attr < SHORT for e in together)
    if private or (together and not (grid and short)):
        count = max((len(f.into) for f in _lane_folds(rest)), default=0)
        return Plan(
            Spread.BLOCKS, grid, frozenset(shared), tuple(e for e in together if is_plain(e)),
            scratch=count * WARP_SLOT, shared_limit=target.shared_bytes,
            most_blocks=target.processors * BLOCKS_OF_A_PROCESSOR)
    turned = turned_of([(loop.number, loop.extent) for loop in grid], rest)
    if turned is not None:
        return Plan(Spread.TURNED, grid, turned=turned)
    owners = owners_of(kernel, rest, [loop.number for loop in grid])
    if grid or owners > 1:
        return Plan(
            Spread.THREADS, grid, vector=_vector(kernel, grid, rest), owners=owners)
    return Plan(Spread.ONE)


def _grid(kernel: Kernel, part: Body) -> tuple[tuple[GridLoop, ...], Body]:
    """The loops of a part that are spread over the grid, and what is inside the nest."""
    grid: list[GridLoop] = []
    nest: list[Loop] = []
    rest = part
    while len(rest) == 1 and isinstance(rest[0], Loop):
        nest.append(rest[0])
        rest = rest[0].body
    stores = stores_of(part)
    for depth, loop in enumerate(nest):
        if stores and is_plain(loop.extent) and (is_one(loop) or tells_apart(
                [p for p in stores if not kernel.buffers[p.store.buffer].private], loop.number,
                moved=len(grid) < depth)):
            grid.append(GridLoop(loop.number, loop.extent))
    return tuple(grid), rest if len(grid) == len(nest) else _without(part, grid)


def _without(body: Body, grid: Sequence[GridLoop]) -> Body:
    """A nest without the loops that are spread; the others stay around what is inside."""
    if len(body) != 1 or not isinstance(outer := body[0], Loop):
        return body
    inner = _without(outer.body, grid)
    return inner if any(outer.number == g.number for g in grid) else (
        replace(outer, body=inner),)


# ---- what the threads of a block do together ----------------------------------------------------


def _loops(body: Iterable[Statement]) -> Iterable[Loop]:
    for statement in body:
        if isinstance(statement, Loop):
            yield statement
            yield from _loops(statement.body)


def _shared_loops(kernel: Kernel, body: Body, around: Path = ()) -> set[int]:
    """The outermost inner loops that the threads of a block can divide."""
    found: set[int] = set()
    for statement in body:
        if not isinstance(statement, Loop):
            continue
        stores = stores_of((statement,))
        if stores and not changed_accumulators(statement.body) and (
                tells_apart(stores, statement.number)):
            found.add(statement.number)
        else:
            found |= _shared_loops(kernel, statement.body)
    return found


def _lane_folds(body: Body) -> list[Fold]:
    return [s for s, _ in walk_statements(body) if isinstance(s, Fold) and s.lanes]


# ---- several elements at once -------------------------------------------------------------------


def _vector(kernel: Kernel, grid: Sequence[GridLoop], body: Body) -> int:
    """How many neighbouring elements a thread takes: 16 bytes of the largest of them."""
    if len(grid) != 1 or not all(
            isinstance(s, Store) and s.where is None and s.combine is None for s in body):
        return 1
    nodes = list(walk(*(e for s in body for e in expressions(s))))
    place = next((n for n in nodes if n.op == "index" and n.attr == grid[0].number), None)
    sizes = []
    for buffer, offset in _accesses(body, nodes):
        if offset is place:
            sizes.append(kernel.buffers[buffer].dtype.size)
        elif any(n is place for n in walk(offset)):
            return 1
    if not sizes or len(nodes) > VECTOR_OPS or len(_leaf_loops(nodes)) > 1:
        return 1
    return max(1, min(8, VECTOR_BYTES // max(sizes)))


def _accesses(body: Body, nodes: Sequence[Expr]) -> list[tuple[int, Expr]]:
    loads = [(n.attr, n.args[0]) for n in nodes if n.op == "load"]
    return loads + [(s.buffer, s.offset) for s in body if isinstance(s, Store)]


def _leaf_loops(nodes: Sequence[Expr]) -> set[int]:
    return {n.attr for n in nodes if n.op == "index"}
