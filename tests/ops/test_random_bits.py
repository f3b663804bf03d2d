"""Random bits: known answers, the layout of words, keys from seeds."""

from __future__ import annotations

import numpy as np
import pytest

from graphflow import dtypes as dt
from graphflow.loop_ir import b, evaluate
from graphflow.ops.random_bits import mix_seeds, wide_word, wide_words, word, words

KNOWN = [  # key, run counter, words of block 0: philox4x32 10 of Random123's kat_vectors
    ((0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
]
# kat_vectors' other rows need a block number that no short run reaches; `word` computes it alone.
FAR = [
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def hexadecimal(text: str) -> list[int]:
    return [int(part, 16) for part in text.split()]


@pytest.mark.parametrize("key, run, expected", KNOWN)
def test_known_answers(key, run, expected):
    assert words(4, run, *key).tolist() == hexadecimal(expected)


@pytest.mark.parametrize("counter, key, expected", FAR)
def test_known_answers_of_far_blocks(counter, key, expected):
    """The block number fills the low half of the counter, the run counter the high half."""
    c = hexadecimal(counter)
    low = int(np.uint64(c[0] | c[1] << 32).astype(np.int64))
    run = int(np.uint64(c[2] | c[3] << 32).astype(np.int64))
    from graphflow.ops.random_bits import block_words

    block, counter_arg = b.arg(0, dt.int64), b.arg(1, dt.int64)
    lanes = block_words(b, block, counter_arg, *hexadecimal(key))
    found = [int(evaluate(lane, [np.int64(low), np.int64(run)])) for lane in lanes]
    assert found == hexadecimal(expected)


@pytest.mark.parametrize("run", [0, 1, 2**32 + 7, -1])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 131])
def test_scalar_expressions_and_numpy_agree(count, run):
    key = (123, 0xFFFFFFFF)
    i, counter = b.arg(0, dt.int64), b.arg(1, dt.int64)
    places = [np.arange(count), np.int64(run)]
    narrow = evaluate(word(b, i, counter, *key), places)
    np.testing.assert_array_equal(narrow, words(count, run, *key))
    wide = evaluate(wide_word(b, i, counter, *key), places)
    np.testing.assert_array_equal(wide, wide_words(count, run, *key))


def test_long_runs_are_computed_in_parts():
    """Across the boundary of a part (2^16 words) nothing changes."""
    i = np.array([65534, 65535, 65536, 65537, 199_999])
    alone = evaluate(word(b, b.arg(0, dt.int64), b.arg(1, dt.int64), 5, 6), [i, np.int64(3)])
    np.testing.assert_array_equal(words(200_000, 3, 5, 6)[i], alone)


def test_wide_words_are_pairs_of_words():
    narrow = words(20, 4, 1, 2).astype(object)
    expected = [int(low) | int(high) << 32 for low, high in narrow.reshape(-1, 2)]
    assert wide_words(10, 4, 1, 2).tolist() == expected


def test_keys_are_splitmix64():
    """1234567 → 6457827717110365317, the published first output of splitmix64."""
    low, high = mix_seeds(0, 1234567)
    assert low | high << 32 == 6457827717110365317


def test_near_seeds_give_far_keys():
    keys = {mix_seeds(graph, op) for graph in range(50) for op in range(50)}
    assert len(keys) == 2500
    one, other = mix_seeds(1, 1), mix_seeds(1, 2)
    assert all(bin(a ^ b).count("1") > 4 for a, b in zip(one, other))
