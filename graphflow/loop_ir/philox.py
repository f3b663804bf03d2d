"""Counter-based random bits as scalar expressions: Philox4x32-10.

The same four words for the same key and counter on every target and with any number of threads.
Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, and
the constants of its reference implementation, Random123.
"""

from __future__ import annotations

from graphflow.loop_ir.builder import ScalarBuilder
from graphflow.loop_ir.expr import Expr

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and √3 − 1, in 32 bits
_WORD = 0xFFFFFFFF


def philox4x32(
    b: ScalarBuilder, key0: Expr, key1: Expr, c0: Expr, c1: Expr, c2: Expr, c3: Expr
) -> tuple[Expr, Expr, Expr, Expr]:
    """Four independent uniform uint32 from a 64-bit key and a 128-bit counter.

    All six words and the results are uint32. Raises DTypeError otherwise.
    """
    for number in range(ROUNDS):
        round_key0 = key0 + (number * WEYL[0] & _WORD)
        round_key1 = key1 + (number * WEYL[1] & _WORD)
        high0, low0 = b.mulhi_u32(c0, MULTIPLIERS[0]), c0 * MULTIPLIERS[0]
        high1, low1 = b.mulhi_u32(c2, MULTIPLIERS[1]), c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = high1 ^ c1 ^ round_key0, low1, high0 ^ c3 ^ round_key1, low0
    return c0, c1, c2, c3
