"""Samplers of negative classes for losses over many classes, as in `tf.nn`.

Distinct candidates ("unique") come from rejection: classes are drawn until enough different ones
are found, and the number of draws gives the expected counts. All that may be needed are drawn at
once, so that a step has no loop over draws: the pool is so large that, by Bernstein's inequality
or the union bound, it falls short once in 10¹² runs; then the least unused classes fill up.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, NotDifferentiable, Sample, TensorType
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import SCALAR, TensorShape

_FAILURES = math.log(1e12)  # the pool falls short once in so many runs

Weights = Callable[[Any], Any]  # classes int64 → their probabilities float64
Sampled = namedtuple(
    "Sampled", ["sampled_candidates", "true_expected_count", "sampled_expected_count"])


# ---- the first different numbers --------------------------------------------------------------


def _distinct_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 1)
    if c.attrs["count"] < 0:
        raise c.error(f"count must not be negative, got {c.attrs['count']}",
                      cls=AttributeValueError)
    return [TensorType(dt.int64, TensorShape([c.attrs["count"]])), TensorType(dt.int64, SCALAR)]


def _distinct_reference(pool: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    _, first = np.unique(pool, return_index=True)
    first.sort()
    found = pool[first[:count]]
    if len(found) == count:
        tries = int(first[count - 1]) + 1 if count else 0
        return found.copy(), np.array(tries, np.int64)
    rest = np.setdiff1d(np.arange(count), found)[:count - len(found)]
    return np.concatenate([found, rest]), np.array(len(pool), np.int64)


def _sizes(ctx: LoweringContext) -> tuple:
    return ctx.in_shapes[0][0], ctx.out_shapes[0][0]


FIRST_DISTINCT = declare(
    "FirstDistinct", "pool: int64", attrs={"count": Attr("int")}, infer=_distinct_type,
    reference=_distinct_reference, grad=NotDifferentiable("the outputs are integers"),
    lowering=Library("first_distinct", _sizes,
                     lambda ctx: ((dt.int64, 2 * ctx.out_shapes[0][0] + 1),)),
    samples=lambda: [
        Sample((np.array(pool, np.int64),), {"count": count}, grad=False)
        for pool, count in (([5, 5, 2, 5, 7, 2, 9], 3), ([4, 4, 0], 4), ([], 2), ([3, 1], 0),
                            ([8, 8, 8, 1, 8], 2))],
    errors=lambda: [
        ErrorSample((typed(dt.int64, 2, 2),), {"count": 1}, ShapeError, "pool must have rank 1"),
        ErrorSample((typed(dt.int64, 2),), {"count": -1}, AttributeValueError, "negative")])


def pool_size(probabilities: np.ndarray, count: int) -> int:
    """So many draws that almost surely `count` different classes are among them.

    probabilities: float64 [classes], at least `count` of them positive.
    """
    positive = probabilities[probabilities > 0]
    low, high = count, count
    log_missed = np.log1p(-np.minimum(positive, 1 - 1e-16))

    def enough(draws: int) -> bool:
        missed = np.exp(draws * log_missed)
        if count == len(positive):
            return bool(missed.sum() <= math.exp(-_FAILURES))
        mean, variance = len(positive) - missed.sum(), (missed * (1 - missed)).sum()
        slack = mean - count
        # Occupancy indicators are negatively associated, so Bernstein's bound holds for their sum.
        return bool(slack > 0 and slack ** 2 >= 2 * _FAILURES * (variance + slack / 3)) or bool(
            missed.sum() <= math.exp(-_FAILURES))

    while not enough(high):
        low, high = high, 2 * high
    while high - low > max(1, high // 32):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


# ---- what the samplers share ------------------------------------------------------------------


def _sample(
    op: str, name: str | None, true_classes: Any, num_true: int, num_sampled: int, unique: bool,
    probabilities: np.ndarray | None, draw: Callable[[int], Any], weights: Weights,
) -> Any:
    """Candidates, and how often the true classes and the candidates are expected among them.

    probabilities: of each class, or None if all are equally likely to be drawn first (the pool is
    then sized by `weights` alone).
    """
    true_classes = checked_true_classes(op, name, true_classes, num_true)
    if num_sampled < 1:
        raise failure(op, name, f"num_sampled must be positive, got {num_sampled}")
    draws = num_sampled
    if unique and probabilities is not None:
        if np.count_nonzero(probabilities) < num_sampled:
            raise failure(op, name, "Sampler's range is too small: it has "
                                    f"{np.count_nonzero(probabilities)} classes, but "
                                    f"{num_sampled} different ones are asked for")
        draws = pool_size(probabilities, num_sampled)
    pool = draw(draws)
    tries: Any = num_sampled
    sampled = pool
    if unique:
        sampled, tries = apply(FIRST_DISTINCT, (pool,), {"count": num_sampled})
    counts = [expected_count(weights(classes), num_sampled, tries)
              for classes in (true_classes, sampled)]
    return Sampled(sampled, *counts)


def checked_true_classes(op: str, name: str | None, true_classes: Any, num_true: int) -> Any:
    true_classes = F.cast(convert(true_classes), dt.int64)
    shape = true_classes.shape
    if shape.rank not in (None, 2) or (
            shape.rank == 2 and shape.as_list()[1] not in (None, num_true)):
        raise failure(op, name, f"true_classes must be [batch, {num_true}], got {shape}",
                      "num_true is the number of its columns.", ShapeError)
    return true_classes


def expected_count(p: Any, num_sampled: int, tries: Any) -> Any:
    """How often a class of probability p is among the candidates, on average: float32."""
    if isinstance(tries, int):
        return F.cast(p * num_sampled, dt.float32)
    among = -F.expm1(F.cast(tries, dt.float64) * F.log1p(-p))
    all_different = F.equal(tries, np.int64(num_sampled))
    return F.cast(F.where_v2(all_different, p * num_sampled, among), dt.float32)


# ---- public functions -------------------------------------------------------------------------


@op_function
def uniform_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int,
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Candidates from 0 … range_max − 1, all equally likely.

    true_classes: int64 [batch, num_true]. unique: all `num_sampled` candidates are different.
    Returns (sampled_candidates int64 [num_sampled], true_expected_count float32 [batch,
    num_true], sampled_expected_count float32 [num_sampled]): how often a class is expected among
    the candidates. Raises AttributeValueError if the range is too small, ShapeError if
    true_classes has another shape.
    """
    op = "UniformCandidateSampler"
    with scope(name, op):
        return _sample(
            op, name, true_classes, num_true, num_sampled, unique,
            np.full(range_max, 1 / max(range_max, 1)),
            lambda n: F.random_uniform([n], maxval=range_max, dtype=dt.int64, seed=seed),
            lambda classes: F.zeros_like(classes, dtype=dt.float64) + 1 / range_max)


@op_function
def log_uniform_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int,
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Candidates by Zipf's law: P(k) = log((k + 2) / (k + 1)) / log(range_max + 1).

    It suits classes that are sorted by decreasing frequency. Arguments, results and errors as in
    `uniform_candidate_sampler`.
    """
    op = "LogUniformCandidateSampler"
    whole = math.log(range_max + 1) if range_max > 0 else 1.0

    def draw(n: int) -> Any:
        u = F.random_uniform([n], dtype=dt.float64, seed=seed)
        return F.cast(F.exp(u * whole), dt.int64) - 1

    def weights(classes: Any) -> Any:
        k = F.cast(classes, dt.float64)
        return F.log((k + 2) / (k + 1)) / whole

    k = np.arange(range_max, dtype=np.float64)
    with scope(name, op):
        return _sample(op, name, true_classes, num_true, num_sampled, unique,
                       np.log((k + 2) / (k + 1)) / whole, draw, weights)


@op_function
def fixed_unigram_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int,
    vocab_file: str = "", distortion: float = 1.0, num_reserved_ids: int = 0,
    num_shards: int = 1, shard: int = 0, unigrams: Sequence[float] = (),
    seed: int | None = None, name: str | None = None,
) -> Any:
    """Candidates by given frequencies.

    vocab_file: a file whose lines end in ",frequency"; or unigrams: the frequencies. They are of
      the classes after the first `num_reserved_ids`, which are never drawn, and are raised to the
      power `distortion`. num_shards, shard: only classes k with k mod num_shards = shard.
    Other arguments, results and errors as in `uniform_candidate_sampler`; AttributeValueError for
    a file that cannot be read.
    """
    op = "FixedUnigramCandidateSampler"
    if bool(vocab_file) == (len(unigrams) > 0):
        raise failure(op, name, "give either vocab_file or unigrams")
    given = _frequencies(op, name, vocab_file) if vocab_file else list(map(float, unigrams))
    table = np.concatenate([np.zeros(num_reserved_ids), np.asarray(given) ** distortion])
    if len(table) != range_max:
        raise failure(op, name, f"range_max is {range_max}, but there are {len(table)} classes "
                                f"({num_reserved_ids} of them reserved)")
    table[np.arange(range_max) % num_shards != shard] = 0
    table /= table.sum()
    edges = np.cumsum(table)
    edges[-1] = max(edges[-1], 1.0)

    def draw(n: int) -> Any:
        u = F.random_uniform([n], dtype=dt.float64, seed=seed)
        return F.cast(F.searchsorted(edges, u, side="right"), dt.int64)

    with scope(name, op):
        return _sample(op, name, true_classes, num_true, num_sampled, unique, table, draw,
                       lambda classes: F.gather(table, classes))


def _frequencies(op: str, name: str | None, path: str) -> list[float]:
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise failure(op, name, f"vocab_file {path!r}: {error.strerror}") from None
    try:
        return [float(line.rsplit(",", 1)[-1]) for line in lines if line.strip()]
    except ValueError as error:
        raise failure(op, name, f"vocab_file {path!r}: {error}") from None


@op_function
def all_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, seed: int | None = None,
    name: str | None = None,
) -> Any:
    """All classes 0 … num_sampled − 1, each expected once: for tests with few classes.

    Arguments, results and errors as in `uniform_candidate_sampler`.
    """
    op = "AllCandidateSampler"
    with scope(name, op):
        true_classes = checked_true_classes(op, name, true_classes, num_true)
        return Sampled(F.range(np.int64(num_sampled)),
                       F.ones_like(true_classes, dtype=dt.float32),
                       F.ones([num_sampled], dt.float32))


Hits = namedtuple("Hits", ["indices", "ids", "weights"])


@op_function
def compute_accidental_hits(
    true_classes: Any, sampled_candidates: Any, num_true: int, seed: int | None = None,
    name: str | None = None,
) -> Any:
    """The sampled candidates that are true classes: (indices, ids, weights).

    true_classes: int64 [batch, num_true]; sampled_candidates: int64 [num_sampled]. For each hit,
    indices (int32) is the row of true_classes, ids (int64) the place in sampled_candidates,
    weights (float32) −FLT_MAX, to be added to the logit.
    """
    op = "ComputeAccidentalHits"
    with scope(name, op):
        true_classes = checked_true_classes(op, name, true_classes, num_true)
        hits = F.equal(F.expand_dims(true_classes, 2), convert(sampled_candidates))
        places = F.where(hits)
        weights = F.zeros_like(places[:, 0], dtype=dt.float32) + dt.float32.min
        return Hits(F.cast(places[:, 0], dt.int32), places[:, 2], weights)
