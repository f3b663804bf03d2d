"""Strings (and integers) to buckets by their hash, with TensorFlow's hash functions.

`to_hash_bucket_fast` is FarmHash's Fingerprint64 (Pike, github.com/google/farmhash),
`to_hash_bucket_strong` SipHash-2-4 (Aumasson & Bernstein 2012), `to_hash_bucket` MurmurHash64A
with TensorFlow's seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.errors import AttributeValueError
from graphflow.lowering import Host
from graphflow.opdef import Attr, ErrorSample, Infer, NotDifferentiable, Sample, TensorType
from graphflow.ops.arguments import failure, renamed, typed
from graphflow.ops.declare import declare
from graphflow.ops.strings import each

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_MURMUR = 0xC6A4A7935BD1E995
_SEED = 0xDECAFCAFFE
_STRINGS = NotDifferentiable("a hash has no gradient")


# ---- FarmHash Fingerprint64 ---------------------------------------------------------------------


def _word(s: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(s[at:at + size], "little")


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return (value >> by | value << (64 - by)) & _MASK


def _mixed(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _pair(u: int, v: int, mul: int) -> int:
    a = _mixed((u ^ v) * mul)
    return _mixed((v ^ a) * mul) * mul & _MASK


def _short(s: bytes) -> int:
    """Up to 16 bytes."""
    n = len(s)
    mul = _K2 + n * 2
    if n >= 8:
        a, b = _word(s, 0) + _K2 & _MASK, _word(s, n - 8)
        c, d = _rotate(b, 37) * mul + a & _MASK, (_rotate(a, 25) + b) * mul & _MASK
        return _pair(c, d, mul)
    if n >= 4:
        return _pair(n + (_word(s, 0, 4) << 3), _word(s, n - 4, 4), mul)
    if n:
        y, z = s[0] + (s[n >> 1] << 8), n + (s[n - 1] << 2)
        return _mixed(y * _K2 ^ z * _K0) * _K2 & _MASK
    return _K2


def _middle(s: bytes) -> int:
    """17 to 64 bytes."""
    n = len(s)
    mul = _K2 + n * 2
    a, b = _word(s, 0) * (_K1 if n <= 32 else _K2) & _MASK, _word(s, 8)
    c, d = _word(s, n - 8) * mul & _MASK, _word(s, n - 16) * _K2 & _MASK
    y = _rotate(a + b, 43) + _rotate(c, 30) + d & _MASK
    z = _pair(y, a + _rotate(b + _K2, 18) + c & _MASK, mul)
    if n <= 32:
        return z
    e, f = _word(s, 16) * mul & _MASK, _word(s, 24)
    g, h = (y + _word(s, n - 32)) * mul & _MASK, (z + _word(s, n - 24)) * mul & _MASK
    return _pair(_rotate(e + f, 43) + _rotate(g, 30) + h & _MASK,
                 e + _rotate(f + a, 18) + g & _MASK, mul)


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(s, at + k) for k in (0, 8, 16, 24))
    a = a + w & _MASK
    b = _rotate(b + a + z, 21)
    c, a = a, a + x + y & _MASK
    return a + z & _MASK, b + _rotate(a, 44) + c & _MASK


def _round(s: bytes, at: int, state: tuple, mul: int, nine: int) -> tuple:
    x, y, z, (v0, v1), (w0, w1) = state
    x = _rotate(x + y + v0 + _word(s, at + 8), 37) * mul & _MASK
    y = _rotate(y + v1 + _word(s, at + 48), 42) * mul & _MASK
    x ^= w1 * nine & _MASK
    y = y + v0 * nine + _word(s, at + 40) & _MASK
    z = _rotate(z + w0, 33) * mul & _MASK
    v = _weak(s, at, v1 * mul & _MASK, x + w0 & _MASK)
    w = _weak(s, at + 32, z + w1 & _MASK, y + _word(s, at + 16) & _MASK)
    return z, y, x, v, w


def fingerprint64(s: bytes) -> int:
    """FarmHash's Fingerprint64 of bytes: 0 … 2⁶⁴ − 1."""
    n = len(s)
    if n <= 16:
        return _short(s)
    if n <= 64:
        return _middle(s)
    y = 81 * _K1 + 113 & _MASK
    state: tuple = (81 * _K2 + _word(s, 0) & _MASK, y, _mixed(y * _K2 + 113) * _K2 & _MASK,
                    (0, 0), (0, 0))
    end = (n - 1) // 64 * 64
    for at in range(0, end, 64):
        state = _round(s, at, state, _K1, 1)
    x, y, z, (v0, v1), (w0, w1) = state
    mul, w0 = _K1 + ((z & 0xFF) << 1), w0 + (n - 1 & 63) & _MASK
    v0 = v0 + w0 & _MASK
    w0 = w0 + v0 & _MASK
    x, y, z, v, w = _round(s, n - 64, (x, y, z, (v0, v1), (w0, w1)), mul, 9)
    return _pair(_pair(v[0], w[0], mul) + _mixed(y) * _K0 + z & _MASK,
                 _pair(v[1], w[1], mul) + x & _MASK, mul)


def fingerprint_cat(first: int, second: int) -> int:
    """Two fingerprints as one: TensorFlow's FingerprintCat64."""
    result = first ^ _MURMUR
    result ^= _mixed(second * _MURMUR) * _MURMUR & _MASK
    result = result * _MURMUR & _MASK
    return _mixed(_mixed(result) * _MURMUR)


# ---- the others ---------------------------------------------------------------------------------


def _murmur(s: bytes) -> int:
    n = len(s)
    h = (_SEED ^ n * _MURMUR) & _MASK
    for at in range(0, n - 7, 8):
        k = _mixed(_word(s, at) * _MURMUR) * _MURMUR & _MASK
        h = (h ^ k) * _MURMUR & _MASK
    if n % 8:
        h = (h ^ _word(s, n - n % 8)) * _MURMUR & _MASK
    return _mixed(_mixed(h) * _MURMUR)


def _siphash(s: bytes, key: Sequence[int]) -> int:
    k0, k1 = (k & _MASK for k in key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def left(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & _MASK

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0], v[2] = v[0] + v[1] & _MASK, v[2] + v[3] & _MASK
            v[1], v[3] = left(v[1], 13) ^ v[0], left(v[3], 16) ^ v[2]
            v[0], v[2] = left(v[0], 32) + v[3] & _MASK, v[2] + v[1] & _MASK
            v[3], v[1] = left(v[3], 21) ^ v[0], left(v[1], 17) ^ v[2]
            v[2] = left(v[2], 32)

    full = len(s) // 8 * 8
    words = [_word(s, at) for at in range(0, full, 8)]
    for word in (*words, _word(s, full) | (len(s) & 0xFF) << 56):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


# ---- the operations -----------------------------------------------------------------------------


def _bucket_type(c: Infer) -> list[TensorType]:
    if c.attrs["num_buckets"] < 1:
        raise c.error(f"num_buckets must be at least 1, got {c.attrs['num_buckets']}",
                      cls=AttributeValueError)
    return [TensorType(dt.int64, c.shape(0))]


def _samples(extra: dict[str, Any]) -> Callable[[], list[Sample]]:
    words = [b"", b"a", b"word", b"some words", b"x" * 17, b"y" * 33, b"z" * 130]
    texts = np.array(words, object)
    return lambda: [Sample((texts,), {"num_buckets": 1000, **extra}),
                    Sample((np.array("one"),), {"num_buckets": 3, **extra}),
                    Sample((np.zeros((0, 2), str),), {"num_buckets": 3, **extra})]


def _errors() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.string, 2),), {"num_buckets": 0}, AttributeValueError,
                        "num_buckets must be at least 1")]


def _by(function: Callable[[bytes], int]) -> Callable[..., np.ndarray]:
    def reference(input: np.ndarray, num_buckets: int) -> np.ndarray:
        return each(lambda s: function(s) % num_buckets, dt.int64, input)

    return reference


_BUCKETS = {"num_buckets": Attr("int")}

TO_HASH_BUCKET_FAST = declare(
    "StringToHashBucketFast", "input: string", attrs=_BUCKETS, infer=_bucket_type,
    reference=_by(fingerprint64), grad=_STRINGS, lowering=Host(effect=False),
    samples=_samples({}), errors=_errors)

TO_HASH_BUCKET = declare(
    "StringToHashBucket", "string_tensor: string", attrs=_BUCKETS, infer=_bucket_type,
    reference=lambda string_tensor, num_buckets: _by(_murmur)(string_tensor, num_buckets),
    grad=_STRINGS, lowering=Host(effect=False), samples=_samples({}), errors=_errors)


def _strong(input: np.ndarray, num_buckets: int, key: tuple[int, ...]) -> np.ndarray:
    return each(lambda s: _siphash(s, key) % num_buckets, dt.int64, input)


TO_HASH_BUCKET_STRONG = declare(
    "StringToHashBucketStrong", "input: string", attrs={**_BUCKETS, "key": Attr("ints")},
    infer=_bucket_type, reference=_strong, grad=_STRINGS, lowering=Host(effect=False),
    samples=_samples({"key": (1, 2)}))


@op_function
def string_to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Any:
    """The bucket of each string: FarmHash's Fingerprint64 modulo `num_buckets`. → int64."""
    return apply(TO_HASH_BUCKET_FAST, (convert(input, dt.string),),
                 {"num_buckets": int(num_buckets)}, name=name)


@op_function
def string_to_hash_bucket(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None,
    input: Any = None,
) -> Any:
    """The bucket of each string by TensorFlow's oldest hash; prefer `to_hash_bucket_fast`."""
    given = renamed("StringToHashBucket", "string_tensor", string_tensor, "input", input)
    if num_buckets is None:
        raise failure("StringToHashBucket", name, "num_buckets is missing")
    return apply(TO_HASH_BUCKET, (convert(given, dt.string),), {"num_buckets": int(num_buckets)},
                 name=name)


@op_function
def string_to_hash_bucket_strong(
    input: Any, num_buckets: int, key: Sequence[int], name: str | None = None
) -> Any:
    """The bucket of each string by SipHash-2-4, which nobody can foresee who lacks the key.

    key: two integers. Raises AttributeValueError for another number of them.
    """
    if len(key) != 2:
        raise failure("StringToHashBucketStrong", name, f"key must have 2 elements, got {key!r}")
    return apply(TO_HASH_BUCKET_STRONG, (convert(input, dt.string),),
                 {"num_buckets": int(num_buckets), "key": tuple(int(k) for k in key)}, name=name)
