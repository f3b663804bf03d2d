"""Numbers that a kernel is told when it runs, where others would be part of its code.

The initialisers of a network's layers differ in nothing but their keys and the width of what they
draw, and are one kernel for that reason. A number comes as sizes do, in a size parameter of its
own: 32 bits, plus `APART`, which no size reaches, so that it is never taken for one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from graphflow import dtypes as dt
from graphflow.dims import Dim
from graphflow.lowering import Generate
from graphflow.passes.patterns import uniform
from graphflow.program import Node, Value

APART = 1 << 48
# Numbers that arithmetic is simpler with: they stay in the code.
_PLAIN = (0.0, 0.5, 1.0, 2.0)


def keys_of(node: Node) -> tuple[str, ...]:
    """The attributes of a node that kernels are told: the keys of its random bits."""
    lowering = node.opdef.lowering
    return lowering.keys if isinstance(lowering, Generate) else ()


def key_size(key: int) -> int:
    """What stands among a launch's sizes for a key, a uint32."""
    return APART + key


def factor_size(value: Value) -> int | None:
    """What stands among a launch's sizes for a constant that is one float32 number.

    None for all else, and for numbers that are better part of the code.
    """
    if value.node.opdef.name != "Const" or value.dtype is not dt.float32:
        return None
    number = uniform(value)
    if number is None or abs(float(number)) in _PLAIN:
        return None
    return APART + int(struct.unpack("<I", struct.pack("<f", number))[0])


def draws(values: Iterable[Value]) -> bool:
    """True if random numbers are drawn for one of these values."""
    return any(keys_of(v.node) for v in values)


def told_instead(sizes: Iterable[Dim], numbers: Mapping[int, int]) -> tuple[Dim, ...]:
    """A launch's sizes with other numbers told: `numbers` has the new ones by the old ones."""
    return tuple(_other(d, numbers) for d in sizes)


def _other(dim: Any, numbers: Mapping[int, int]) -> Any:
    return numbers[dim] if isinstance(dim, int) and dim >= APART else dim
