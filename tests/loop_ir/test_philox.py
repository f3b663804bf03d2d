"""Philox4x32-10 against the known answers of Random123 (`tests/kat_vectors`, philox4x32 10)."""

from __future__ import annotations

import numpy as np
import pytest

from graphflow import dtypes
from graphflow.errors import DTypeError
from graphflow.loop_ir import b, evaluate_all, philox4x32, walk

WORDS = philox4x32(b, *(b.arg(i, dtypes.uint32) for i in range(6)))

KNOWN = [  # counter, key, result
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def test_known_answers() -> None:
    rows = [words(key) + words(counter) for counter, key, _ in KNOWN]
    columns = list(np.array(rows, np.uint32).T)
    results = np.stack(evaluate_all(WORDS, columns), axis=1)
    assert results.dtype == np.uint32
    assert results.tolist() == [words(result) for _, _, result in KNOWN]


def test_bits_of_successive_counters_are_uniform_and_uncorrelated() -> None:
    """Each bit is set half the time, and any two bits agree half the time, within 6 sigma."""
    count = 20_000
    zero = np.zeros((), np.uint32)
    counter = np.arange(count, dtype=np.uint32)
    results = evaluate_all(WORDS, [zero, zero, counter, zero, zero, zero])
    bits = np.unpackbits(np.stack(results, 1).view(np.uint8), axis=1) * 2.0 - 1
    correlation = np.column_stack([bits, np.ones(count)])
    correlation = correlation.T @ correlation / count - np.eye(129)
    assert np.abs(correlation).max() < 6 / count**0.5


def test_the_four_words_share_their_rounds() -> None:
    products = [node for node in walk(*WORDS) if node.op == "mulhi_u32"]
    assert len(products) == 20


def test_only_uint32_is_taken() -> None:
    with pytest.raises(DTypeError, match="mulhi_u32: expects one of uint32"):
        philox4x32(b, *(b.arg(i, dtypes.uint64) for i in range(6)))
