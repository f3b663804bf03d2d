"""Random bits as a pure function of (key, run counter, element): Philox4x32-10 and its seeds.

Layout. A random op has a 64-bit key (two uint32 words, derived from its seeds once, when it is
built) and a run counter (int64, how often the op ran before in the session). Block j of a run is
the four words that Philox4x32-10 gives for that key and the 128-bit counter
(j low, j high, run counter low, run counter high). Word k of a run is word k mod 4 of block
k // 4. Outputs of 32 bits or less take word i for element i; 64-bit integers take words 2i (low)
and 2i + 1 (high). So every element can be computed alone, in any order, on any device.

The same layout is written twice: as scalar expressions (`word`, `wide_word`) from which kernels
are generated, and with NumPy (`words`, `wide_words`), which is the reference.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import os
from typing import Any, Union

import numpy as np

from graphflow import dtypes as dt
from graphflow.loop_ir import Expr, ScalarBuilder, philox4x32
from graphflow.loop_ir.philox import MULTIPLIERS, ROUNDS, WEYL
from graphflow.ops.graph_functions import get_seed

_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_BLOCKS_AT_ONCE = 1 << 14  # 512 KiB of 64-bit products: stays in cache


# --- keys -------------------------------------------------------------------------------------


def mix_seeds(graph_seed: int, op_seed: int) -> tuple[int, int]:
    """The key (two uint32) of a pair of seeds, each in [0, 2³²).

    One step of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014) on graph_seed · 2³² + op_seed: a bijection, so that different pairs of seeds
    never share a key, and near ones are not near.
    """
    z = ((graph_seed << 32) + op_seed + 0x9E3779B97F4A7C15) & _MASK64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK64
    z ^= z >> 31
    return z & _MASK32, z >> 32


def op_key(seed: int | None) -> tuple[tuple[int, int], bool]:
    """(key, seeded) for a new random op with operation seed `seed`, in the default graph.

    If neither the graph nor the op has a seed, the key comes from the operating system and
    `seeded` is False; see `get_seed` for the rule.
    """
    graph_seed, op_seed = get_seed(seed)
    if graph_seed is None or op_seed is None:
        drawn = os.urandom(8)
        return (int.from_bytes(drawn[:4], "little"), int.from_bytes(drawn[4:], "little")), False
    return mix_seeds(graph_seed, op_seed), True


# --- as scalar expressions --------------------------------------------------------------------

Key = Union[int, Expr]  # a uint32, known or not


def block_words(
    b: ScalarBuilder, block: Expr, counter: Expr, key0: Key, key1: Key
) -> tuple[Expr, Expr, Expr, Expr]:
    """The four uint32 words of block number `block` (int64) of run `counter` (int64)."""
    low, high = b.cast(block, dt.uint32), b.cast(block >> 32, dt.uint32)
    run_low, run_high = b.cast(counter, dt.uint32), b.cast(counter >> 32, dt.uint32)
    keys = [k if isinstance(k, Expr) else b.const(k, dt.uint32) for k in (key0, key1)]
    return philox4x32(b, keys[0], keys[1], low, high, run_low, run_high)


def word(b: ScalarBuilder, i: Expr, counter: Expr, key0: Key, key1: Key) -> Expr:
    """Word `i` (int64) of run `counter`: uint32."""
    w = block_words(b, i >> 2, counter, key0, key1)
    lane = i & 3
    first = b.select(b.eq(lane, 0), w[0], w[1])
    second = b.select(b.eq(lane, 2), w[2], w[3])
    return b.select(b.lt(lane, 2), first, second)


def wide_word(b: ScalarBuilder, i: Expr, counter: Expr, key0: Key, key1: Key) -> Expr:
    """Words 2i (low) and 2i + 1 (high) of run `counter`: uint64."""
    w = block_words(b, i >> 1, counter, key0, key1)
    even = b.eq(i & 1, 0)
    return join_words(b, b.select(even, w[0], w[2]), b.select(even, w[1], w[3]))


def join_words(b: ScalarBuilder, low: Expr, high: Expr) -> Expr:
    """Two uint32 as one uint64."""
    return (b.cast(high, dt.uint64) << 32) | b.cast(low, dt.uint64)


# --- with NumPy -------------------------------------------------------------------------------


def words(count: int, counter: Any, key0: int, key1: int) -> np.ndarray:
    """The first `count` words of run `counter`: uint32 [count]."""
    run = int(counter) & _MASK64
    blocks = -(-count // 4)
    out = np.empty((blocks, 4), np.uint32)
    for start in range(0, blocks, _BLOCKS_AT_ONCE):
        part = out[start:start + _BLOCKS_AT_ONCE]
        _fill_blocks(part, start, run, key0, key1)
    return out.reshape(-1)[:count]


def wide_words(count: int, counter: Any, key0: int, key1: int) -> np.ndarray:
    """The first `count` 64-bit words of run `counter`: uint64 [count]."""
    pairs = words(2 * count, counter, key0, key1).reshape(-1, 2).astype(np.uint64)
    return (pairs[:, 1] << np.uint64(32)) | pairs[:, 0]


def blocks(numbers: np.ndarray, counter: Any, key0: int, key1: int) -> np.ndarray:
    """The words of the blocks of these numbers of run `counter`: uint32 [n, 4]."""
    out = np.empty((len(numbers), 4), np.uint32)
    _fill(out, numbers.astype(np.uint64), int(counter) & _MASK64, key0, key1)
    return out


def _fill_blocks(out: np.ndarray, start: int, run: int, key0: int, key1: int) -> None:
    _fill(out, np.arange(start, start + len(out), dtype=np.uint64), run, key0, key1)


def _fill(out: np.ndarray, number: np.ndarray, run: int, key0: int, key1: int) -> None:
    low_mask, shift = np.uint64(_MASK32), np.uint64(32)
    c0, c1 = number & low_mask, number >> shift
    c2 = np.full_like(number, run & _MASK32)
    c3 = np.full_like(number, run >> 32)
    for step in range(ROUNDS):
        round_key0 = np.uint64((key0 + step * WEYL[0]) & _MASK32)
        round_key1 = np.uint64((key1 + step * WEYL[1]) & _MASK32)
        product0 = c0 * np.uint64(MULTIPLIERS[0])  # of two 32-bit numbers: exact
        product1 = c2 * np.uint64(MULTIPLIERS[1])
        c0, c1 = (product1 >> shift) ^ c1 ^ round_key0, product1 & low_mask
        c2, c3 = (product0 >> shift) ^ c3 ^ round_key1, product0 & low_mask
    for lane, column in enumerate((c0, c1, c2, c3)):
        out[:, lane] = column
