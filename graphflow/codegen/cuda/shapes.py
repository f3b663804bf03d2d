"""Grids and blocks: what a launch looks like for given sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from graphflow.codegen.cuda.fragments import shared_bytes
from graphflow.codegen.cuda.plans import Plan, Spread
from graphflow.codegen.cuda.tiles import Product, TileSize, shared_words
from graphflow.codegen.cuda.transposes import SIDE
from graphflow.loop_ir.affine import learn_bounds
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.interpreter import Environment, evaluate_in
from graphflow.loop_ir.nest import Kernel

WARP = 32
THREADS = 256           # of a block whose threads do not work together
MOST_THREADS = 256      # of a block whose threads do
ELEMENTS_OF_A_THREAD = 4
PRIVATE_BYTES = 1 << 26  # of all copies of private buffers of one launch, about
MOST_BLOCKS = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class LaunchShape:
    """What a kernel is launched with.

    Attributes:
      grid: blocks; 0 if there is nothing to launch.
      block: threads of a block.
      shared: bytes of dynamic shared memory.
      copies: of each private buffer in device memory; 0 if they are in shared memory.
    """

    grid: int
    block: int
    shared: int = 0
    copies: int = 0


@lru_cache(1 << 12)
def launch_shape(
    kernel: Kernel, plan: Plan, sizes: tuple[int, ...], private_bytes: tuple[int, ...]
) -> LaunchShape:
    """The launch of a kernel with these sizes; see `CudaKernel.shape`."""
    turns = 1
    for loop in plan.grid:
        turns *= max(value_of(loop.extent, sizes), 0)
    if not turns:
        return LaunchShape(0, WARP)
    if plan.spread is Spread.THREADS:
        work = -(-turns // plan.vector) * plan.owners
        block = THREADS if work > WARP else WARP
        return LaunchShape(min(-(-work // block), MOST_BLOCKS), block)
    if plan.spread is Spread.ONE:
        return LaunchShape(1, 1)
    if plan.turned is not None:
        lengths = {loop.number: value_of(loop.extent, sizes) for loop in plan.grid}
        blocks = prod(-(-n // SIDE) if k in (plan.turned.reads, plan.turned.stores) else n
                      for k, n in lengths.items())
        return LaunchShape(blocks, THREADS, plan.turned.shared)
    if plan.product is not None and plan.tile is not None:
        return _of_tiles(plan, plan.product, plan.tile, sizes)
    block = _threads_for(max((value_of(e, sizes) for e in plan.inner), default=THREADS))
    return _of_blocks(plan, turns, block, private_bytes)


def _of_tiles(
    plan: Plan, product: Product, tile: TileSize, sizes: tuple[int, ...]
) -> LaunchShape:
    """A block for each tile; none if the sizes choose another launch."""
    lengths = {loop.number: value_of(loop.extent, sizes) for loop in plan.grid}
    rows, columns, batches = (prod(lengths[n] for n in numbers) for numbers in (
        product.rows, product.columns, product.batches))

    def blocks(size: TileSize) -> int:
        return -(-rows // size.side) * -(-columns // size.side) * batches

    if plan.choice is not None:
        size, enough, at_least = plan.choice
        if (blocks(size) >= enough) is not at_least:
            return LaunchShape(0, THREADS)
    shared = shared_words(tile) * product.zero.dtype.size
    return LaunchShape(blocks(tile), THREADS, shared if plan.cores is None else shared_bytes(tile))


def _of_blocks(
    plan: Plan, turns: int, block: int, private_bytes: tuple[int, ...]
) -> LaunchShape:
    """A block for each turn; private buffers in shared memory where they fit."""
    room = sum(-(-n // 16) * 16 for n in private_bytes)
    shared = plan.scratch * (block // WARP)
    if not private_bytes:
        return LaunchShape(min(turns, MOST_BLOCKS), block, shared)
    if shared + room <= plan.shared_limit:
        return LaunchShape(min(turns, MOST_BLOCKS), block, shared + room)
    copies = max(1, min(turns, plan.most_blocks, PRIVATE_BYTES // max(room, 1)))
    return LaunchShape(copies, block, shared, copies)


def _threads_for(extent: int) -> int:
    """A power of two that depends on the extent alone: it decides what is added to what."""
    threads = WARP
    while threads < MOST_THREADS and threads * ELEMENTS_OF_A_THREAD < extent:
        threads *= 2
    return threads


def value_of(expr: Expr, sizes: Sequence[int]) -> int:
    """The value of an expression over sizes alone."""
    known = learn_bounds(expr, {b.size(k): (n, n) for k, n in enumerate(sizes)})
    if known is not None and known[0] == known[1]:
        return known[0]
    environment = Environment((), {}, [np.int64(n) for n in sizes], [], {})
    return int(evaluate_in(environment, [expr])[0])
